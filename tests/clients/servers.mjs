// Starts an example server, or a Redis, on a free port, and ends it by its process id.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
export const target = resolve(root, process.env.CARGO_TARGET_DIR ?? "target");

/** Runs the built example `name`; resolves to `{ address, interrupt, stop }` once it listens. */
export async function start(name, { address = "127.0.0.1:0", args = [] } = {}) {
  const program = join(target, "debug", "examples", name);
  const server = spawn(program, [address, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let stderr = "";
  server.stderr.on("data", (chunk) => (stderr += chunk));
  const exited = new Promise((done) => {
    server.once("error", (error) => done(error.message));
    server.once("exit", (code, signal) => done(`it ended with ${code ?? signal}`));
  });
  const over = exited.then((why) => {
    throw new Error(`example ${name}: ${why}\n${stderr}`);
  });
  over.catch(() => {}); // said by whoever awaits it below

  const printed = once(createInterface({ input: server.stdout }), "line", { signal: AbortSignal.timeout(20_000) });
  printed.catch(() => {});
  let line;
  try {
    [line] = await Promise.race([printed, over]);
  } catch (error) {
    server.kill();
    if (error.name !== "AbortError") throw error;
    throw new Error(`example ${name} printed no address within 20 s\n${stderr}`);
  }
  const listening = /^listening on (\S+:\d+)$/.exec(line);
  if (!listening) {
    server.kill();
    throw new Error(`example ${name} printed ${JSON.stringify(line)}, not its address\n${stderr}`);
  }

  return {
    address: listening[1],
    /** Sends what Ctrl-C sends; resolves to the status that the server ends with. */
    async interrupt() {
      server.kill("SIGINT");
      await exited;
      return server.exitCode;
    },
    /** Ends the server as `kill -9` does. */
    async kill() {
      server.kill("SIGKILL");
      await exited;
    },
    /** Ends the server; fails when it had already ended by itself. */
    async stop() {
      if (server.exitCode !== null || server.signalCode !== null) await over;
      server.kill("SIGTERM");
      const late = setTimeout(() => server.kill("SIGKILL"), 10_000);
      await exited;
      clearTimeout(late);
    },
  };
}

/** Runs a Redis that keeps nothing; resolves to `{ url, stop }` once it listens. */
export async function startRedis() {
  const port = await freePort();
  const server = spawn("redis-server", ["--port", String(port), "--save", "", "--appendonly", "no"], { stdio: "ignore" });
  const missing = once(server, "error").then(() => {
    throw new Error("redis-server is missing: install redis-server");
  });
  missing.catch(() => {});
  await Promise.race([listens(port), missing]);
  return { url: `redis://127.0.0.1:${port}`, stop: () => server.kill() };
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Waits until something accepts on this port. */
async function listens(port) {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const answer = await once(socket, "connect").then(() => true, () => false);
    socket.destroy();
    if (answer) return;
    await pause(50);
  }
}
