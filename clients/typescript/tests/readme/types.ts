import { Client, CommandError } from "gustnado";

interface Api {
  commands: { add: { param: [number, number]; reply: number } };
  events: { chat: { text: string } };
  requests: { sure: { param: string; reply: boolean } };
}

const client = new Client<Api>({ url: "wss://example.com/ws" }).connect();
client.on("chat", ({ text }) => console.log(text));
client.answer("sure", (question) => confirm(question));
try {
  const sum: number = await client.request("add", [1, 2], { timeout: 5_000 });
  console.log(sum);
} catch (error) {
  if (error instanceof CommandError) console.log(error.code); // timeout, disconnected, bad_params, ..
}
