"""The wire byte by byte: which chunk a line began in, what is dropped, what is refused, and what ends it."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCRequest, JSONRPCResponse

from peer_relay.server.receipts import Receipts
from peer_relay.server.stdio import Wire
from tests.claims import claim
from tests.server.session import notification, request

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Chunks:
    """A source that gives one chunk at each read; a chunk may be a function that is called first and gives nothing."""

    def __init__(self, *chunks: bytes | Callable[[], None]) -> None:
        self._chunks = list(chunks)

    def read1(self, _size: int) -> bytes:
        while self._chunks:
            chunk = self._chunks.pop(0)
            if isinstance(chunk, bytes):
                return chunk
            chunk()
        return b""


class BrokenPipe(io.BytesIO):
    """A sink that nobody reads."""

    def write(self, _data: Any) -> int:
        raise BrokenPipeError


class Bench:
    """A wire with everything around it."""

    def __init__(self, *chunks: bytes | Callable[[], None], sink: io.BytesIO | None = None) -> None:
        self.receipts = Receipts()
        self.confirmed: list[frozenset[str]] = []
        self.ends = 0
        self.sink = sink or io.BytesIO()
        self.wire = Wire(
            Chunks(*chunks),  # type: ignore[arg-type]
            self.sink,
            self.receipts,
            confirm=self.confirmed.append,
            on_end=self._end,
        )

    def _end(self) -> None:
        self.ends += 1

    async def serve(self, *, answer: bool = True) -> list[str]:
        """Answer every request with an empty result; return the methods of all messages."""
        methods = []
        async with self.wire.streams() as (incoming, outgoing), incoming, outgoing:
            async for item in incoming:
                assert isinstance(item, SessionMessage)
                methods.append(item.message.method)  # type: ignore[union-attr]
                if answer and isinstance(item.message, JSONRPCRequest):
                    response = JSONRPCResponse(jsonrpc="2.0", id=item.message.id, result={})
                    await outgoing.send(SessionMessage(response))
        return methods

    @property
    def written(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.sink.getvalue().splitlines()]


def line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


@claim("I7")
async def test_a_line_counts_from_the_chunk_in_which_it_began() -> None:
    ping = line(request(2, "ping"))
    bench = Bench()

    def show_one() -> None:
        bench.receipts.show(1, ["a"])
        with bench.receipts.last_byte_of(1):
            pass

    bench.wire._source = Chunks(ping[:10], show_one, ping[10:] + ping[:5], ping[5:])  # type: ignore[assignment]
    assert bench.wire._read() == []
    assert len(bench.wire._read() or []) == 1
    assert bench.confirmed == []
    assert len(bench.wire._read() or []) == 1
    assert bench.confirmed == [{"a"}]


async def test_messages_are_passed_on_in_order_and_the_rest_is_dropped() -> None:
    bench = Bench(
        line(request(1, "ping"))
        + b'\n{"a":\nnull\n3\n{"id":9}\n{"method":"x","id":null}\n{"method":"x","id":[]}\n\xff\n',
        line(notification("notifications/cancelled")) + line(notification("notifications/cancelled", requestId=None)),
        line(request("two", "ping")) + b'{"jsonrpc":"2.0","id":3,"method":"never ended"}',
    )
    assert await bench.serve() == ["ping", "notifications/cancelled", "notifications/cancelled", "ping"]
    assert [each["id"] for each in bench.written] == [1, "two"]
    assert bench.ends == 1


async def test_bytes_that_are_not_utf_8_are_not_repaired() -> None:
    bench = Bench(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"\xff"}}\n')
    messages = bench.wire._read()
    assert messages is not None
    assert isinstance(messages[0], SessionMessage)
    assert isinstance(messages[0].message, JSONRPCRequest)
    assert messages[0].message.params == {"x": "\udcff"}


async def test_an_invalid_request_is_answered_and_does_not_reach_the_server() -> None:
    bench = Bench(b'{"id":1,"method":"ping"}\n')
    assert await bench.serve() == []
    assert [(each["id"], each["error"]["code"]) for each in bench.written] == [(1, -32600)]
    assert not bench.wire.answered.is_set()


@claim("no-network-before-initialize")
@pytest.mark.parametrize(("method", "counts"), [("initialize", True), ("server/discover", True), ("ping", False)])
async def test_the_first_answer_is_known_when_it_is_completely_written(method: str, counts: bool) -> None:
    bench = Bench(line(request(1, method)))
    assert not bench.wire.answered.is_set()
    await bench.serve()
    assert bench.wire.answered.is_set() is counts


@claim("stdout-is-json-rpc")
async def test_a_line_is_plain_ascii_so_that_no_client_cuts_it_in_two() -> None:
    bench = Bench()
    bench.wire._write(JSONRPCResponse(jsonrpc="2.0", id=1, result={"x": "\u2028\x85é\n\udcff"}))
    assert bench.sink.getvalue() == b'{"jsonrpc":"2.0","id":1,"result":{"x":"\\u2028\\u0085\\u00e9\\n\\udcff"}}\n'


async def test_a_request_that_is_never_answered_holds_the_end_of_input_only_for_a_moment() -> None:
    with anyio.fail_after(10):
        assert await Bench(line(request(1, "ping"))).serve(answer=False) == ["ping"]


async def test_a_client_that_reads_no_more_is_no_reason_to_fail() -> None:
    bench = Bench(b'{"id":1,"method":"ping"}\n', sink=BrokenPipe())
    assert await bench.serve() == []
    bench = Bench(line(request(1, "ping")), sink=BrokenPipe())
    with anyio.fail_after(10):
        assert await bench.serve() == ["ping"]
