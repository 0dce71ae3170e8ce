import { Socket } from "gustnado";

const socket = new Socket({ url: "/echo", heartbeat: { message: "are you there?" } });
socket.on("open", () => void socket.send("hello"));
socket.on("message", (data) => console.log(data)); // a string or a Uint8Array
socket.on("close", ({ code, reason, reconnects }) => console.log(code, reason, reconnects));
socket.on("error", (error) => console.log(error.message));
socket.connect();
