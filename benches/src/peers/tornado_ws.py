"""The echo of the documentation of tornado's WebSocketHandler; with --broadcast as its chat demo sends to everybody.

`python tornado_ws.py ADDRESS [--broadcast]`
"""

import asyncio
import sys

import tornado.httpserver
import tornado.netutil
import tornado.web
import tornado.websocket


class Echo(tornado.websocket.WebSocketHandler):
    def open(self):
        self.set_nodelay(True)

    def on_message(self, message):
        self.write_message(message, isinstance(message, bytes))


class Everybody(Echo):
    waiters = set()

    def open(self):
        super().open()
        self.waiters.add(self)

    def on_close(self):
        self.waiters.discard(self)

    def on_message(self, message):
        for waiter in self.waiters:
            waiter.write_message(message, isinstance(message, bytes))


async def main():
    host, port = sys.argv[1].split(":")
    handler = Everybody if "--broadcast" in sys.argv else Echo
    app = tornado.web.Application([("/.*", handler)], websocket_max_message_size=16 * 1024 * 1024)
    sockets = tornado.netutil.bind_sockets(int(port), host, backlog=1024)
    tornado.httpserver.HTTPServer(app).add_sockets(sockets)
    print("listening on %s:%d" % sockets[0].getsockname()[:2], flush=True)
    await asyncio.Event().wait()


# One line per connection to the log is no part of an echo.
Echo.log_request = lambda *_: None
asyncio.run(main())
