// What is seen of the chat. What peers wrote is only ever set as text, never as HTML.

const LINES_KEPT = 500;
const AT_THE_END = 40; // px

export const at = (id) => document.getElementById(id);

export function element(tag, text = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

export function showDoor(reason) {
  at("status").textContent = "";
  at("room").hidden = at("leave").hidden = true;
  at("door").hidden = at("enter").disabled = false;
  at("log").replaceChildren();
  refuse(reason);
  at("nick").focus();
}

export function refuse(reason) {
  at("reason").textContent = reason;
  at("nick").setAttribute("aria-invalid", String(reason !== ""));
}

export function showInside() {
  at("door").hidden = true;
  at("room").hidden = at("leave").hidden = false;
  at("text").focus();
}

export function showStatus(text, lost = false) {
  at("status").className = lost ? "lost" : "";
  at("status").textContent = text;
}

/** The list of rooms; `open` is called with the name of the one that is chosen. */
export function showRooms(rooms, open) {
  const focused = document.activeElement?.closest("#rooms button")?.dataset.room;
  at("rooms").replaceChildren(...rooms.map(({ name, current, unread }) => {
    const button = element("button");
    button.type = "button";
    button.dataset.room = name;
    if (current) button.setAttribute("aria-current", "true");
    button.append(element("bdi", name));
    if (unread > 0) {
      const count = element("span", String(unread));
      count.className = "count";
      const what = element("span", " unread");
      what.className = "unseen";
      button.append(count, what);
    }
    button.addEventListener("click", () => {
      open(name);
      at("text").focus();
    });
    const item = element("li");
    item.append(button);
    return item;
  }));
  if (focused !== undefined) at("rooms").querySelector(`button[data-room="${CSS.escape(focused)}"]`)?.focus();
}

export function showHere(users, me) {
  at("people-title").textContent = `Here now: ${users.length}`;
  at("here").replaceChildren(...users.sort((a, b) => a.localeCompare(b)).map((name) => {
    const item = element("li");
    item.append(element("bdi", name));
    if (name === me) item.append(element("span", " (you)"));
    item.style.setProperty("--hue", hue(name));
    return item;
  }));
}

/** The lines of one room. */
export class RoomView {
  unread = 0;
  #lines = element("ol");

  show() {
    this.unread = 0;
    at("log").replaceChildren(this.#lines);
    at("log").scrollTop = at("log").scrollHeight;
  }

  say(from, text, time, mine) {
    this.#append(said(from, text, time, mine), mine);
  }

  note(text) {
    const line = element("li", text);
    line.className = "note";
    this.#append(line);
  }

  /** A line that is not said yet; whoever asked for it removes it. */
  waiting(from, text) {
    const line = said(from, text, undefined, true);
    line.classList.add("waiting");
    this.#append(line, true);
    return line;
  }

  // Follows the conversation only for a reader who is at its end.
  #append(line, mine = false) {
    const log = at("log");
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < AT_THE_END;
    this.#lines.append(line);
    if (this.#lines.childElementCount > LINES_KEPT) this.#lines.firstElementChild.remove();
    if (this.#lines.isConnected && (atEnd || mine)) log.scrollTop = log.scrollHeight;
  }
}

function said(from, text, time, mine) {
  const line = element("li");
  line.className = mine ? "said mine" : "said";
  line.style.setProperty("--hue", hue(from));
  const head = element("header");
  const when = element("time", time ? time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) : "waiting");
  if (time) when.dateTime = time.toISOString();
  head.append(element("bdi", from), when);
  const body = element("p", text);
  body.dir = "auto";
  line.append(head, body);
  return line;
}

// The same name has the same colour on every screen.
function hue(name) {
  let sum = 0;
  for (const character of name) sum = (sum * 31 + character.codePointAt(0)) % 65_521;
  return (sum * 137) % 360;
}
