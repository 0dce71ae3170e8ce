import { Client, EventLog } from "gustnado";
import { msgpack } from "gustnado/msgpack";
import WebSocket from "ws";

const log = new EventLog({ size: 500, debug: true });
const client = new Client({ url: "ws://127.0.0.1:8080/ws", WebSocket, codec: msgpack, log });
for await (const { cmd, channel, param } of client.connect()) console.log(cmd, channel, param);
console.log(log.entries());
