import { expect, test } from "vitest";
import { type Client, Presence, type PresenceChange } from "../src/index.ts";
import { client, opened, pass, server, untilNextAttempt, useFakes } from "./fake.ts";

useFakes();
const online = (user: string, online: boolean) => ({ channel: "lobby", cmd: "online", param: { user, online } });
const list = (...users: string[]) => ({ users: Object.fromEntries(users.map((user) => [user, [{ id: "c" }]])) });

async function entered(): Promise<{ made: Client; here: Presence<never>; told: PresenceChange[] }> {
  const made = await opened(client());
  const here = new Presence(made.join("lobby")) as Presence<never>;
  const told: PresenceChange[] = [];
  here.on((change) => told.push(change));
  server().reply("join", { result: "joined" });
  await pass();
  return { made, here, told };
}

test("who is there is asked for after the join, and followed", async () => {
  const { here, told } = await entered();
  server().reply("presence", list("ann", "bob"));
  await pass();
  server().receive(online("cy", true));
  server().receive(online("cy", true));
  server().receive(online("ann", false));
  expect([...here.users.keys()]).toEqual(["bob", "cy"]);
  expect(told).toEqual([
    { joins: ["ann", "bob"], leaves: [] },
    { joins: ["cy"], leaves: [] },
    { joins: [], leaves: ["ann"] },
  ]);
});

test("what happens while the list is on its way is not lost", async () => {
  const { here } = await entered();
  server().receive(online("cy", true));
  server().receive(online("bob", false));
  server().reply("presence", list("ann", "bob")); // as it was before
  await pass();
  expect([...here.users.keys()].sort()).toEqual(["ann", "cy"]);
});

test("after a reconnect only the difference is told", async () => {
  const { here, told } = await entered();
  server().reply("presence", list("ann", "bob"));
  await pass();
  server().end();
  expect([...here.users.keys()]).toEqual(["ann", "bob"]);
  await untilNextAttempt();
  server().accept();
  server().reply("join", { result: "joined" });
  await pass();
  server().reply("presence", list("bob", "cy"));
  await pass();
  expect(told.slice(1)).toEqual([{ joins: ["cy"], leaves: ["ann"] }]);
});

test("a server without that command is told of", async () => {
  const { here } = await entered();
  const errors: string[] = [];
  here.onError(({ code }) => errors.push(code));
  server().refuse("presence", "unknown_command");
  await pass();
  server().receive(online("cy", true));
  expect([errors, [...here.users.keys()]]).toEqual([["unknown_command"], ["cy"]]);
});
