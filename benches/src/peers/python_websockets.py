"""The echo server of the documentation of websockets; with --broadcast its `broadcast()`.

Compression is agreed to when the client offers it.

`python python_websockets.py ADDRESS [--broadcast]`
"""

import asyncio
import sys

from websockets.asyncio.server import broadcast, serve
from websockets.exceptions import ConnectionClosed

connections = set()


async def echo(socket):
    async for message in socket:
        await socket.send(message)


async def to_everybody(socket):
    connections.add(socket)
    try:
        async for message in socket:
            broadcast(connections, message)
    finally:
        connections.discard(socket)


async def guarded(socket):
    try:
        await (to_everybody if "--broadcast" in sys.argv else echo)(socket)
    except ConnectionClosed:
        pass


async def main():
    host, port = sys.argv[1].split(":")
    async with serve(guarded, host, int(port), max_size=16 * 1024 * 1024, ping_interval=None) as server:
        print("listening on %s:%d" % server.sockets[0].getsockname()[:2], flush=True)
        await server.serve_forever()


asyncio.run(main())
