import { Client } from "gustnado";

const client = new Client({ url: "/ws" }).connect();
const board = client.join("board/7");
board.on("moved", (param, { from }) => console.log(from, param));
console.log(await client.request("move", { from: "e2", to: "e4" }, { channel: "board/7" }));
