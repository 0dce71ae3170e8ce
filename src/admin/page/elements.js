// Elements and how figures are written. Whatever a peer could have written becomes text, never HTML.

/** An element; attributes that are functions are listeners, children that are no nodes are text. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.flat().map((child) => (child instanceof Node ? child : String(child ?? ""))));
  return element;
}

/** Puts something else into a box. Where somebody selects text nothing moves, and the focus stays on what it was on. */
export function redraw(box, ...content) {
  const selection = getSelection();
  if (!selection.isCollapsed && box.contains(selection.anchorNode)) return;
  const name = (it) => it.getAttribute("href") ?? it.dataset.sort;
  const alike = (it) => [...box.querySelectorAll("a, button")].filter((other) => name(other) === name(it));
  const focused = box.contains(document.activeElement) ? document.activeElement : null;
  const place = focused ? alike(focused).indexOf(focused) : 0;
  box.replaceChildren(...content);
  if (focused) alike(focused)[place]?.focus();
}

export const number = new Intl.NumberFormat("en");
export const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

export function bytes(count) {
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (count < 1024 || unit === "GiB") return `${count < 10 && unit !== "B" ? count.toFixed(1) : Math.round(count)} ${unit}`;
    count /= 1024;
  }
}

export const moment = (millis) => new Date(millis).toLocaleString();
export const millis = (value) => (value == null ? "–" : `${value.toFixed(1)} ms`);
export const link = (kind, name) => h("a", { href: `#/${kind}/${encodeURIComponent(name)}` }, name === "" ? "(no name)" : name);
export const spaced = (parts) => h("span", {}, parts.flatMap((part, at) => (at ? [", ", part] : [part])));

/** Says something for a few seconds. */
export function notice(text) {
  const line = h("p", {}, text);
  document.getElementById("notice").append(line);
  setTimeout(() => line.remove(), 6000);
}

export function card(title, figure, ...rest) {
  return h("section", { class: "card" }, h("h2", {}, title), h("div", { class: "figure" }, figure), ...rest);
}

/** Names and what they are, those that are nothing left out. */
export function facts(values) {
  return h("section", { class: "card" }, h("dl", {}, Object.entries(values)
    .filter(([, value]) => value != null && value !== "")
    .flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
}

export function sendForm(title, send) {
  const text = h("textarea", { name: "text", required: true });
  return h("form", { submit: (event) => { event.preventDefault(); send(text.value); text.value = ""; } },
    h("label", {}, "Text", text), h("button", {}, title));
}

export function closeForm(title, close) {
  const code = h("input", { name: "code", type: "number", min: 1000, max: 4999, value: 1000, required: true });
  const reason = h("input", { name: "reason", maxlength: 120 });
  return h("form", { submit: (event) => { event.preventDefault(); close({ code: Number(code.value), reason: reason.value }); } },
    h("label", {}, "Close code", code), h("label", {}, "Reason", reason), h("button", { class: "danger" }, title));
}
