"""The PyPI package `websockets` against the examples: python tests/clients/python_client.py"""

import asyncio
import contextlib
import unittest

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from servers import Server

KIB = 1024


class ExampleTest(unittest.IsolatedAsyncioTestCase):
    """Tests against one example server, named by `example`, each with a time limit."""

    arguments = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server(cls.example, *cls.arguments)
        cls.addClassCleanup(cls.server.stop)

    async def asyncSetUp(self):
        await self.enterAsyncContext(asyncio.timeout(30))

    def connect(self, **options):
        return connect(f"ws://{self.server.address}/", proxy=None, **options)

    async def client(self, **options):
        return await self.enterAsyncContext(self.connect(**options))


class Echo(ExampleTest):
    example = "echo"

    async def test_text_comes_back_as_text(self):
        client = await self.client()
        await client.send("Grüße, 🌪")
        self.assertEqual(await client.recv(), "Grüße, 🌪")

    async def test_binary_comes_back_as_binary(self):
        client = await self.client()
        await client.send(bytes(range(256)))
        self.assertEqual(await client.recv(), bytes(range(256)))

    async def test_an_empty_message_comes_back_empty(self):
        client = await self.client()
        for empty in ("", b""):
            await client.send(empty)
            self.assertEqual(await client.recv(), empty)

    async def test_64_kib_in_fragments_come_back_as_one_whole_message(self):
        client = await self.client()
        for parts in (["äö" * 256] * 64, [bytes([part]) * KIB for part in range(64)]):
            await client.send(parts)
            self.assertEqual(await client.recv(), parts[0][:0].join(parts))

    async def test_a_ping_is_answered_with_its_own_payload(self):
        client = await self.client()
        first, second = await client.ping(b"first"), await client.ping(b"second")
        await first
        await second

    async def test_a_ping_between_fragments_leaves_the_message_whole(self):
        client = await self.client()

        async def fragments():
            yield "Hel"
            await (await client.ping(b"now"))
            yield "lo"

        await client.send(fragments())
        self.assertEqual(await client.recv(), "Hello")

    async def test_a_client_that_refuses_compression_is_served_without_it(self):
        client = await self.client(compression=None)
        await client.send("plain " * 5000)
        self.assertEqual(await client.recv(), "plain " * 5000)
        self.assertEqual(client.protocol.extensions, [])

    async def test_messages_in_flight_come_back_in_order(self):
        client = await self.client()
        sent = [f"message {number}" for number in range(200)]

        async def send_all():
            for message in sent:
                await client.send(message)

        async with asyncio.TaskGroup() as group:
            group.create_task(send_all())
            received = [await client.recv() for _ in sent]
        self.assertEqual(received, sent)

    async def test_a_close_with_code_and_reason_is_answered_with_its_code(self):
        client = await self.client()
        await client.close(4001, "enough for today")
        self.assertEqual(client.protocol.close_sent.reason, "enough for today")
        self.assertEqual(client.protocol.close_rcvd.code, 4001)
        self.assertFalse(client.protocol.close_rcvd_then_sent)

    async def test_a_message_over_the_limit_is_refused_with_1009(self):
        for size in (64 * KIB + 1, 4 * KIB * KIB):
            with self.subTest(size=size):
                client = await self.client(compression=None)
                with contextlib.suppress(ConnectionClosed):
                    await client.send(bytes(size))
                await client.wait_closed()
                self.assertEqual(client.close_code, 1009)

    async def test_a_refused_message_leaves_other_connections_alone(self):
        bystander = await self.client()
        client = await self.client()
        await client.send(bytes(64 * KIB + 1))
        await client.wait_closed()
        await bystander.send("still here")
        self.assertEqual(await bystander.recv(), "still here")


class Compression(ExampleTest):
    example = "compression"

    async def deflating(self, **offer):
        factory = ClientPerMessageDeflateFactory(**offer)
        return await self.client(compression=None, extensions=[factory])

    def agreed(self, client):
        """What was agreed, as it is answered."""
        return client.response.headers.get("Sec-WebSocket-Extensions")

    async def exchange(self, client):
        """Messages that refer far back, to each other and to themselves; each has to come back."""
        lines = [f"line {number} of {number * number % 7919}\n" for number in range(1500)]
        for text in ("".join(lines), "".join(lines[::-1]), lines[0], "".join(lines[700:])):
            await client.send(text)
            self.assertEqual(await client.recv(), text)
        for data in (bytes(range(256)) * 200, b"", bytes(60_000)):
            await client.send(data)
            self.assertEqual(await client.recv(), data)
        fragments = ["".join(lines[at : at + 50]) for at in range(0, 1500, 50)]
        await client.send(fragments)
        self.assertEqual(await client.recv(), "".join(fragments))

    async def test_the_default_offer_is_taken_up(self):
        client = await self.client()
        self.assertIn("permessage-deflate", self.agreed(client))
        await self.exchange(client)

    async def test_every_window_of_the_server_is_kept_to(self):
        for bits in range(9, 16):
            with self.subTest(bits=bits):
                client = await self.deflating(server_max_window_bits=bits)
                self.assertIn(f"server_max_window_bits={bits}", self.agreed(client))
                await self.exchange(client)

    async def test_every_window_of_the_client_is_taken(self):
        for bits in range(9, 16):
            with self.subTest(bits=bits):
                client = await self.deflating(client_max_window_bits=bits)
                await self.exchange(client)

    async def test_a_bomb_is_refused_with_1009(self):
        client = await self.client(max_size=None)
        with contextlib.suppress(ConnectionClosed):
            await client.send(bytes(64 * KIB + 1))
        await client.wait_closed()
        self.assertEqual(client.close_code, 1009)


class ContextTakeover(Compression):
    arguments = ("--context-takeover",)

    async def test_the_default_offer_gets_context_takeover(self):
        client = await self.client()
        self.assertNotIn("no_context_takeover", self.agreed(client))
        await self.exchange(client)

    async def test_a_client_may_do_without_on_either_side(self):
        for offer in ({"server_no_context_takeover": True}, {"client_no_context_takeover": True}):
            with self.subTest(offer=offer):
                client = await self.deflating(**offer)
                self.assertIn(*offer, self.agreed(client))
                await self.exchange(client)


class Subprotocol(ExampleTest):
    example = "subprotocol"

    async def test_the_server_chooses_by_its_own_order(self):
        client = await self.client(subprotocols=["xml", "json"])
        self.assertEqual(client.subprotocol, "json")

    async def test_the_only_known_offer_is_chosen(self):
        client = await self.client(subprotocols=["yaml", "xml"])
        self.assertEqual(client.subprotocol, "xml")

    async def test_without_an_offer_there_is_no_subprotocol(self):
        client = await self.client()
        self.assertIsNone(client.subprotocol)


if __name__ == "__main__":
    unittest.main(verbosity=2)
