"""The commands that a page shows, and how what it says they print is compared with what they print.

A block that begins with ```console is a terminal. A line `alice$ ...` or `bob$ ...` is what that person types, what
follows is what that person sees. A page is one story: its blocks are run in their order, in one world.

Ids, times, ages and the like differ from run to run. Two outputs are the same if they are after `normalised`; an id in
a command stands for the one that was printed in its place (`Names`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.docs.world import World

DOCS = Path(__file__).parents[2] / "docs"

_BLOCK = re.compile(r"^```console\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_PROMPT = re.compile(r"^(?P<person>alice|bob)\$ (?P<command>(?:.*\\\n)*.*)\n", re.MULTILINE)
_PASTE = "Paste the invite (it is not shown):\n"
_NAMED = (
    re.compile(r"\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b"),
    re.compile(r"(?<=peer-relay/)[a-z2-7]{16}\b"),
    re.compile(r"\b[0-9a-f]{40}\b"),
    re.compile(r"(?<=\bssh-ed25519 )[A-Za-z0-9+/]{68}"),
    re.compile(r"\bSHA256:[A-Za-z0-9+/]{43}"),
)
_VARYING = (
    (re.compile(r"\bprt1-[a-z2-7]+"), "<token>"),
    (re.compile(r"(?<=\bssh-ed25519 )[A-Za-z0-9+/]{68}"), "<key>"),
    (re.compile(r"\bSHA256:[A-Za-z0-9+/]{43}"), "<fingerprint>"),
    (re.compile(r"\b([bdfghj-np-tvz][aiou][bdfghj-np-tvz][aiou][bdfghj-np-tvz]-?){8}(?!\w)"), "<words>"),
    (re.compile(r"\bpr1-[a-z2-7]+(\.\.\.)?"), "<invite>"),
    (re.compile(r"\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b"), "<id>"),
    (re.compile(r"(?<=peer-relay/)[a-z2-7]{16}\b|(?<=\brooms/)[a-z2-7]{16}\b|(?<=\broom )[a-z2-7]{16}\b"), "<room>"),
    (re.compile(r'(?<="room_id": ")[a-z2-7]{16}|(?<=\()[a-z2-7]{16}(?=\))|(?<=room `)[a-z2-7]{16}(?=`)'), "<room>"),
    (re.compile(r"\b[0-9a-f]{40}\b|\b(?=[a-f]*[0-9])[0-9a-f]{7,12}\b"), "<commit>"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?( ?[+-]\d{4}|Z| UTC)?"), "<time>"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "<date>"),
    (re.compile(r"\b\d+ (second|minute|hour|day)s? ago\b|\bjust now\b"), "<ago>"),
    (re.compile(r"\b\d+ (second|minute|hour|day)s?\b"), "<age>"),
    (re.compile(r"\b[\d.,]+ (ms|s|kB|MB|GB|GiB|MiB|commits/s)\b"), "<amount>"),
    (re.compile(r'(?<=_s": )[\d.e-]+'), "<seconds>"),
    (re.compile(r"\b\d+(\.\d+)+\S*"), "<version>"),
    (re.compile(r"[─━═-]{3,}"), "<rule>"),
    (re.compile(r"[ \t]+"), " "),
    (re.compile(r" $", re.MULTILINE), ""),
)


@dataclass(frozen=True)
class Step:
    """A command and what it prints.

    Attributes:
        person: who types it.
        command: one line of shell.
        output: what the page says that it prints.
        span: where in the page the output stands.
    """

    person: str
    command: str
    output: str
    span: tuple[int, int]


def steps(page: str) -> Iterator[Step]:
    """Yield the commands of a page in their order."""
    for block in _BLOCK.finditer(page):
        text, start = block["text"], block.start("text")
        prompts = list(_PROMPT.finditer(text))
        if not prompts:
            continue
        ends = [each.start() for each in prompts[1:]] + [len(text)]
        for prompt, end in zip(prompts, ends, strict=True):
            span = (start + prompt.end(), start + end)
            yield Step(prompt["person"], prompt["command"], page[slice(*span)], span)


def normalised(text: str) -> str:
    """Return an output without what differs from run to run."""
    for pattern, stands_for in _VARYING:
        text = pattern.sub(stands_for, text)
    return text


class Names:
    """Which id of the page stands for which of this run: those of a kind are numbered in the order of appearance."""

    def __init__(self, page: str) -> None:
        self._ours = [list(dict.fromkeys(kind.findall(page))) for kind in _NAMED]
        self._theirs: list[list[str]] = [[] for _ in _NAMED]

    def learn(self, printed: str) -> None:
        """Take note of the ids that a command printed."""
        for kind, known in zip(_NAMED, self._theirs, strict=True):
            known += [name for name in dict.fromkeys(kind.findall(printed)) if name not in known]

    def to_run(self, command: str) -> str:
        """Return a command with this run's ids."""
        return _exchanged(command, self._ours, self._theirs)

    def to_page(self, printed: str) -> str:
        """Return an output with the page's ids."""
        return _exchanged(printed, self._theirs, self._ours)


def _exchanged(text: str, before: list[list[str]], after: list[list[str]]) -> str:
    for kind, old, new in zip(_NAMED, before, after, strict=True):
        pairs = dict(zip(old, new, strict=False))
        text = kind.sub(lambda found, pairs=pairs: pairs.get(found[0], found[0]), text)  # type: ignore[misc]
    return text


def play(page: str, world: World) -> Iterator[tuple[Step, str]]:
    """Run the commands of a page and yield each with what it really printed, in the page's ids."""
    names = Names(page)
    for step in steps(page):
        printed = world.run(step.person, names.to_run(step.command))
        if step.output.startswith(_PASTE):
            printed = _PASTE + printed
        names.learn(printed)
        yield step, names.to_page(printed)


def rewritten(page: str, world: World) -> str:
    """Return a page with the outputs of a real run where they differ from what it says."""
    changes = [
        (step.span, printed) for step, printed in play(page, world) if normalised(printed) != normalised(step.output)
    ]
    for (start, end), printed in reversed(changes):
        page = page[:start] + printed + page[end:]
    return page
