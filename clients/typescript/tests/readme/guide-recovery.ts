import { Client, publish } from "gustnado";

const client = new Client({ url: "/ws" }).connect();
const news = client.join("news/local", { last: 50 });
news.on("chat", (param) => console.log(param)); // each once, and in order
news.onRecovered(({ recovered, reason }) => recovered || console.log(`load the page again: ${reason}`));
await publish(news, "chat", { text: "hi" }); // with a key, repeated until its fate is known
