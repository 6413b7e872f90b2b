"""What goes over the wire: against git's own program in counts, and against the same requests made bare in time."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks import bare, places
from benchmarks.git_itself import FETCH, SCRIPT, asking
from benchmarks.measure import WARM_UPS, Comparison, at_most, compare
from benchmarks.places import Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.places import Place
    from benchmarks.proxy import Traffic
    from benchmarks.setting import Setting

COUNTED = 3
"""How often something is counted: each time comes to the same, except for the lengths of compressed objects."""

REQUESTS = "the same requests made bare"
PING = "one request for a small file on a kept connection"


def wire_http(setting: Setting) -> Iterator[Comparison]:
    """Count connections, requests and bytes over http."""
    with places.http(setting, 0.0) as place:
        yield from _counted(place, setting)


def wire_ssh(setting: Setting) -> Iterator[Comparison]:
    """Count connections, each of which is a login, and bytes over ssh."""
    with places.ssh(setting, 0.0) as place:
        yield from _counted(place, setting)


def bare_http(setting: Setting) -> Iterator[Comparison]:
    """Compare looking and asking with requests that nobody makes sense of, near and far."""
    server = setting.servers.http()
    ping = server.root.parent / "html" / "ping"  # where nginx looks if nobody says otherwise
    ping.parent.mkdir(exist_ok=True)
    ping.write_text("pong\n")
    for delay_s in (None, places.FAR_S):
        yield from _looks(setting, delay_s)
    yield from _asks(setting)


def _looks(setting: Setting, delay_s: float | None) -> Iterator[Comparison]:
    with places.http(setting, 0.0) as open_way, Mailbox(open_way, setting) as mailbox:
        assert open_way.proxy is not None
        poll = bare.requests_in(open_way.proxy.traffic_of(mailbox.relay().questions).sent)
        with places.http(setting, delay_s) as place:
            url = place.address(mailbox.path)
            look = mailbox.relay("bob", url=url).questions
            with contextlib.closing(bare.Bare(urlsplit(url).port or 0)) as client:
                what = f"look, nothing new, {place.name}"
                yield compare(what, look, REQUESTS, partial(client.send, poll), setting.runs, goal=at_most(1.5))
                ping = [bare.Request("GET", "/ping", {}, None)]
                yield compare(what, look, PING, partial(client.send, ping), setting.runs)


def _asks(setting: Setting) -> Iterator[Comparison]:
    with places.http(setting, 0.0) as open_way, Mailbox(open_way, setting) as recorded:
        ask = asking(recorded.relay())
        ask()
        listing = any(each.method == "GET" for each in bare.requests_in(_traffic(open_way, ask).sent))
    with places.http(setting) as place, Mailbox(place, setting) as mailbox:
        split = urlsplit(mailbox.url)
        prepared = bare.pushes(mailbox.script(), split.path, setting.runs + WARM_UPS, listing=listing)
        first = next(prepared)

        def push() -> None:
            nonlocal first
            *_, told = client.send(first)
            assert b"ok refs/heads/script" in told, told
            first = next(prepared, [])

        with contextlib.closing(bare.Bare(split.port or 0)) as client:
            yield compare("ask, http", asking(mailbox.relay()), REQUESTS, push, setting.runs)


def _counted(place: Place, setting: Setting) -> Iterator[Comparison]:
    with Mailbox(place, setting) as mailbox:
        relay, script = mailbox.relay(), mailbox.script()
        other, another = asking(mailbox.relay("bob", beside=True)), mailbox.script("another", beside=True).ask
        acts: dict[str, tuple[Callable[[], object], str, Callable[[], object]]] = {
            "look, nothing new": (relay.questions, FETCH, script.poll),
            "ask": (asking(relay), SCRIPT, script.ask),
        }
        for what, (ours, against, theirs) in acts.items():
            pairs = [(_traffic(place, ours), _traffic(place, theirs)) for _ in range(COUNTED)]
            yield from _rows(f"{what}, {place.name}", against, pairs)
        pairs = []
        for _ in range(COUNTED):
            other()
            another()
            pairs.append((_traffic(place, relay.questions), _traffic(place, script.poll)))
        yield from _rows(f"look, one new question, {place.name}", FETCH, pairs)


def _traffic(place: Place, act: Callable[[], object]) -> Traffic:
    assert place.proxy is not None
    return place.proxy.traffic_of(act)


def _rows(what: str, against: str, pairs: list[tuple[Traffic, Traffic]]) -> Iterator[Comparison]:
    counts: dict[str, Callable[[Traffic], int]] = {"connections": lambda traffic: traffic.connections}
    if "http" in what:
        counts["requests"] = lambda traffic: traffic.requests
    counts["bytes sent"] = lambda traffic: len(traffic.sent)
    counts["bytes received"] = lambda traffic: traffic.received_bytes
    for unit, count in counts.items():
        yield Comparison(
            what, against, [count(ours) for ours, _ in pairs], [count(theirs) for _, theirs in pairs], unit
        )
