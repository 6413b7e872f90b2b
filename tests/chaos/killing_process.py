"""Processes that are killed: forked from one that has loaded everything, because starting one costs as much as thirty.

1. Only a process without threads of its own may fork them.
2. A process reports through a pipe, line by line as things happen, so what it reported before it was killed is known.
3. Every one ends by SIGKILL: at the point that it was given, at a moment that its parent chooses, or at its end.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from peer_relay import crash_points

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn, TypeAlias

    from peer_relay.crash_points import CrashPoint

    Tell: TypeAlias = Callable[..., None]


@dataclass(frozen=True)
class Kill:
    """At which point a process is killed, and the how manieth time that it is reached."""

    point: CrashPoint
    time: int


@dataclass
class Life:
    """What a process reported.

    Attributes:
        points: the names of the points that it reached, in order.
        told: everything else, in order.
        ended: whether it came to its end.
        failure: the traceback of what nobody caught.
        seconds: how long it lived.
    """

    points: list[str] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    ended: bool = False
    failure: str = ""
    seconds: float = 0.0


def live(act: Callable[[Tell], None], kill: Kill | None = None, after_s: float | None = None) -> Life:
    """Let a new process do something, and return what it reported.

    Args:
        act: what it does; it is given what reports a line of keywords.
        kill: at which point it kills itself.
        after_s: after how many seconds it is killed.
    """
    reading, writing = os.pipe()
    begun = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _be_the_child(act, writing, kill)
    os.close(writing)
    output = _read(reading, pid, after_s)
    os.waitpid(pid, 0)
    life = Life(seconds=time.monotonic() - begun)
    for line in output.decode().split("\n")[:-1]:
        _take(life, json.loads(line))
    return life


def _be_the_child(act: Callable[[Tell], None], writing: int, kill: Kill | None) -> NoReturn:
    def tell(**what: object) -> None:
        os.write(writing, json.dumps(what).encode() + b"\n")

    left = kill.time if kill else 0

    def reach(point: CrashPoint) -> None:
        nonlocal left
        tell(point=point.name)
        if kill and point is kill.point:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    crash_points.arm(reach)
    try:
        act(tell)
        tell(ended=True)
    except BaseException:  # noqa: BLE001 - nothing of this process may go on in the child
        tell(failure=traceback.format_exc())
    finally:
        os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError  # no process comes here


def _read(reading: int, pid: int, after_s: float | None) -> bytes:
    """Read a process's reports up to their end, and kill it when its time has come."""
    output, end = b"", None if after_s is None else time.monotonic() + after_s
    with os.fdopen(reading, "rb", buffering=0) as reports:
        while True:
            left = None if end is None else max(0.0, end - time.monotonic())
            if not select.select([reports], [], [], left)[0]:
                os.kill(pid, signal.SIGKILL)
                end = None
                continue
            piece = reports.read(65_536)
            if not piece:
                return output
            output += piece


def _take(life: Life, line: dict[str, Any]) -> None:
    if "point" in line:
        life.points.append(line["point"])
    elif "failure" in line:
        life.failure = line["failure"]
    elif "ended" in line:
        life.ended = True
    else:
        life.told.append(line)
