import { Client, Presence, publish } from "gustnado";

const client = new Client({ url: "/ws" }).connect();
const news = client.join("news", { last: 50 });
news.on("chat", (param) => console.log(param)); // each message once, and in order
news.onRecovered(({ recovered, reason }) => console.log(recovered ? "nothing is missing" : `a gap: ${reason}`));

const here = new Presence(news);
here.on(({ joins, leaves }) => console.log([...here.users.keys()], joins, leaves));

const position = await publish(news, "chat", { text: "hi" }); // repeated with one key until its fate is known
console.log(position);
