import { Client } from "gustnado";

const client = new Client({ url: "/ws" });
client.socket.on("state", (state) => console.log(state)); // connecting, open, waiting, ..

const lobby = client.join("lobby"); // and again on every new connection
lobby.on("chat", (param, { from }) => console.log(from, param));

client.connect();
const sum = await client.request("add", [1, 2]);
console.log(sum, await client.send("chat", { text: "hi" }, { channel: "lobby" })); // 3 sent
