import { Client } from "gustnado";

const client = new Client({
  url: "/ws",
  token: async () => (await fetch("/ticket", { method: "POST" })).text(),
  tokenIn: { query: "ticket" }, // or "subprotocol", or "message"
});
client.connect();
