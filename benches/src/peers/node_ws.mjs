// The echo of ws's README: `ws.on('message', data => ws.send(data))`; with --broadcast its "server broadcast".
// Compression is agreed to when the client offers it, for messages of any size.
//
// `node node_ws.mjs ADDRESS [--broadcast]`, with NODE_WS naming the package's folder.

import { createRequire } from 'node:module';

const { WebSocket, WebSocketServer } = createRequire(import.meta.url)(process.env.NODE_WS ?? 'ws');

const [host, port] = process.argv[2].split(':');
const server = new WebSocketServer({ host, port: Number(port), perMessageDeflate: { threshold: 0 } });

const echo = (socket) => (data, binary) => socket.send(data, { binary });
const broadcast = () => (data, binary) => {
  for (const client of server.clients) {
    if (client.readyState === WebSocket.OPEN) client.send(data, { binary });
  }
};
const answer = process.argv.includes('--broadcast') ? broadcast : echo;

server.on('connection', (socket) => socket.on('message', answer(socket)));
server.on('listening', () => console.log(`listening on ${host}:${server.address().port}`));
