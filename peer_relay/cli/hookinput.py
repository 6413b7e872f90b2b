"""What a coding agent tells a hook on standard input: which of its sessions this is, and what has just happened there.

1. It is one JSON object, and Claude Code, Codex and Gemini CLI use the same names in it. VS Code's documentation spells
   two of them in another way. What else is in it is not kept: the prompt and the agent's last words are in there too.
2. It is read within bounds of size and time: a hook that hangs would hang the agent.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Protocol, TextIO

    class _Raw(Protocol):
        def read(self, size: int, /) -> bytes | None: ...


MAX_BYTES = 1 << 20
PATIENCE_S = 1.0
"""How long to wait for the end of the input, in seconds."""

_CHUNK = 1 << 16
_IN_VS_CODE = {"session_id": "sessionId", "hook_event_name": "hookEventName"}


class Event(NamedTuple):
    """What a hook is told.

    Attributes:
        session: the agent's name for its session.
        name: what happened, such as `SessionStart`, `UserPromptSubmit` or `Stop`; empty if it is not said.
        stop_hook_active: whether the agent goes on only because a hook spoke when it was about to stop.
        source: how the session began, such as `startup` or `resume`; empty if it is not said.
        is_codex: whether the agent is Codex. It alone names the turn in which the event is.
    """

    session: str
    name: str = ""
    stop_hook_active: bool = False
    source: str = ""
    is_codex: bool = False


def read_event(stdin: TextIO | None, patience_s: float = PATIENCE_S) -> Event:
    """Read what the agent says. Nothing may have been read before.

    Args:
        stdin: standard input, or None if the program was started without one.
        patience_s: how long to wait for its end, in seconds. What came by then is taken.

    Raises:
        ValueError: it is not a JSON object of at most `MAX_BYTES` that names a session.
    """
    try:
        said = json.loads(_all_of(stdin, patience_s))
    except RecursionError as error:
        raise ValueError("the hook's input is nested too deeply") from error
    if not isinstance(said, dict):
        raise ValueError("the hook's input is not a JSON object")  # noqa: TRY004 - of a wrong value, as all others
    session, name = (_text(said.get(each) or said.get(_IN_VS_CODE[each])) for each in _IN_VS_CODE)
    source = _text(said.get("source"))
    if not session:
        raise ValueError("the hook's input does not name the session")
    return Event(session, name, said.get("stop_hook_active") is True, source, bool(said.get("turn_id")))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _all_of(stdin: TextIO | None, patience_s: float) -> bytes:
    """Return what is there up to the end, and one byte more than is allowed of what has no end.

    A thread reads, because not every system can wait for a pipe with a time limit. It reads past the buffer, whose lock
    it would still hold while the interpreter ends.
    """
    if stdin is None:
        raise ValueError("the hook has no input")
    raw: _Raw = getattr(stdin.buffer, "raw", stdin.buffer)
    chunks: list[bytes] = []

    def read() -> None:
        left = MAX_BYTES + 1
        try:
            while left > 0 and (chunk := raw.read(min(left, _CHUNK))):
                chunks.append(chunk)
                left -= len(chunk)
        except OSError:  # such as a closed handle: what came counts
            return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(patience_s)
    data = b"".join(chunks)
    if len(data) > MAX_BYTES:
        raise ValueError(f"the hook's input has more than {MAX_BYTES:,} bytes")
    return data
