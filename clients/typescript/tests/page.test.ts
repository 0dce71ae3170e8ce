import { expect, test, vi } from "vitest";
import { attempts, chance, client, opened, pass, server, socket, useFakes } from "./fake.ts";

useFakes();

/** A page, of which Node has none. */
function page() {
  const self = new EventTarget();
  const doc = Object.assign(new EventTarget(), { visibilityState: "visible" });
  vi.stubGlobal("addEventListener", self.addEventListener.bind(self));
  vi.stubGlobal("document", doc);
  return {
    fire: (name: string) => self.dispatchEvent(new Event(name)),
    show: (state: string) => {
      doc.visibilityState = state;
      doc.dispatchEvent(new Event("visibilitychange"));
    },
  };
}

test("a page that is left does not connect again, and one that is back does", async () => {
  const { fire } = page();
  const made = await opened(socket());
  fire("pagehide");
  expect([made.state, server().closedWith]).toEqual(["paused", [1000, ""]]);
  await pass(120_000);
  expect(attempts()).toBe(1);
  fire("pageshow");
  await pass();
  expect([made.state, attempts()]).toEqual(["connecting", 2]);
});

test("a page that is left while it waits does not connect either", async () => {
  const { fire } = page();
  await opened(socket());
  server().end();
  fire("pagehide");
  await pass(120_000);
  expect(attempts()).toBe(1);
});

test("what the application has paused stays so when the page is back", async () => {
  const { fire } = page();
  const made = await opened(socket());
  made.pause();
  fire("pagehide");
  fire("pageshow");
  await pass(1_000);
  expect(made.state).toBe("paused");
});

test.each(["online", "visible"])("%s ends a long wait", async (what) => {
  const { fire, show } = page();
  chance(0.999);
  await opened(socket());
  for (let round = 0; round < 6; round += 1) {
    server().end();
    await pass(31_000);
  }
  server().end();
  const before = attempts();
  what === "online" ? fire(what) : show(what);
  await pass(1_000);
  expect(attempts()).toBe(before + 1);
});

test("becoming visible asks an open connection whether it still is", async () => {
  const { show } = page();
  const made = await opened(client());
  show("hidden");
  expect(server().count("ping")).toBe(0);
  show("visible");
  expect(server().count("ping")).toBe(1);
  await pass(15_000);
  expect(made.state).toBe("waiting");
});

test("after close() the page is not listened to", async () => {
  const { fire, show } = page();
  const made = await opened(socket());
  made.close();
  fire("pageshow");
  fire("online");
  show("visible");
  await pass(120_000);
  expect([made.state, attempts()]).toEqual(["closed", 1]);
});
