r"""A peer's text as Markdown that cannot leave its place and still renders well, on GitHub above all.

1. What a text may do is a short list, and each of these is written anew by us: fenced code, `code`, **bold** within a
   line, and web addresses, which show where they lead. Everything else is shown as it was typed.
2. So no text makes a heading, HTML, a picture, a link with another label, a list, a table, a footnote, a formula, a
   diagram or an alert, and nothing in it ends the quotation that it stands in or swallows what follows.
3. Lines stay lines, and their indentation stays. Text passes through `printable` first (I9).

A table is kept readable as a block of code. White space within a line of prose is the renderer's business.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

from peer_relay.cli.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

_FENCE = re.compile(r"(?P<indent>[ \t]*)(?P<marks>`{3,}(?=[^`]*$)|~{3,})(?P<info>.*)")
_LANGUAGE = re.compile(r"\s*([A-Za-z0-9+#-]{1,20})(?:[\s{,:]|$)", re.ASCII)
_DRAWN = {"mermaid", "math", "geojson", "topojson", "stl"}
"""Languages in which GitHub draws a picture instead of showing the text."""

_IN_URL = r"[A-Za-z0-9\-._~:/?#@!$&'+,=%]"
_URL = rf"https?://(?:{_IN_URL}|\({_IN_URL}*\))+(?<=[A-Za-z0-9/=&#%_~)-])(?=[\s.,:;!?'\"()\[\]{{}}<>`*\\]|$)"
_TOKEN = re.compile(rf"(?P<ticks>`+)|(?<![\w*])\*\*(?=[^\s*])(?P<bold>[^*]*[^\s*])\*\*(?![\w*])|(?P<url>{_URL})")
_SPECIAL = re.compile(r"[\\`*_\[~$|&<]|:(?=//)|(?<=www)\.")
"""What has a meaning within a line; the last two begin addresses, of which GitHub would make a link by itself."""
_ENTITIES = {"&": "&amp;", "<": "&lt;", ":": "&#58;", ".": "&#46;"}
_MARKER = re.compile(r"[>#+=:-]|\d{1,9}[.)]", re.ASCII)
"""What begins a block of another kind than a paragraph, and is no special character anywhere else."""
_TAB = 4


def quoted(text: str) -> Iterator[str]:
    """Yield the lines of a quotation that holds a text."""
    for number, block in enumerate(_blocks(printable(text).split("\n"))):
        if number:
            yield ">"
        for line in block:
            yield f"> {line}" if line else ">"


def code_span(text: str) -> str:
    """Return a text, shown on one line, as code: whatever it holds, it is nothing but characters then."""
    return _code(re.sub(r"\s*\n\s*", " ↵ ", printable(text)).replace("\t", " "))


def prose(line: str) -> str:
    """Return one line of text in which nothing but the short list has a meaning."""
    line = line.expandtabs(_TAB).rstrip()
    text = line.lstrip(" ")
    marker = _MARKER.match(text)
    begin = "" if marker is None else _disarmed(marker[0])
    return "&nbsp;" * (len(line) - len(text)) + begin + _inline(text[marker.end() if marker else 0 :])


def _disarmed(marker: str) -> str:
    return "&gt;" if marker == ">" else f"{marker[:-1]}\\{marker[-1]}"


# ---------------------------------------------------------------------------------------------------------------------
# Blocks


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """Yield blocks of finished lines: paragraphs, and blocks of code."""
    rest, unfenced = lines[::-1], list[str]()
    while rest:
        line = rest.pop()
        fence = _FENCE.fullmatch(line)
        if fence is None:
            unfenced.append(line)
            continue
        yield from _paragraphs(unfenced)
        unfenced = []
        yield _fenced(list(_inside(fence, rest)), fence["info"])
    yield from _paragraphs(unfenced)


def _inside(fence: re.Match[str], rest: list[str]) -> Iterator[str]:
    """Take the lines of a block of code, up to its end or, as everywhere in Markdown, to that of the text."""
    marks, indentation = fence["marks"], len(fence["indent"])
    end = re.compile(rf"[ \t]*{marks[0]}{{{len(marks)},}}[ \t]*")
    while rest:
        line = rest.pop()
        if end.fullmatch(line):
            return
        yield line[min(indentation, len(line) - len(line.lstrip(" \t"))) :]


def _fenced(lines: list[str], info: str = "") -> list[str]:
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    language = _LANGUAGE.match(info)
    shown = "" if language is None or language[1].lower() in _DRAWN else language[1]
    return [fence + shown, *lines, fence]


def _paragraphs(lines: list[str]) -> Iterator[list[str]]:
    """Yield prose, its lines kept apart by hard breaks, and tables as code."""
    for kind, group in groupby(lines, _kind):
        if kind == "table":
            yield _fenced(list(group))
        elif kind == "prose":
            *broken, last = map(prose, group)
            yield [*(f"{line}\\" for line in broken), last]


def _kind(line: str) -> str:
    start = line.strip()
    return "empty" if not start else "table" if start.startswith("|") else "prose"


# ---------------------------------------------------------------------------------------------------------------------
# Within a line


def _inline(text: str) -> str:
    """Return text in which code, bold and addresses are written anew, and all else has no meaning."""
    parts, end = list[str](), 0
    for begin, behind, finished in _tokens(text):
        parts += [_literal(text[end:begin]), finished]
        end = behind
    return "".join(parts) + _literal(text[end:])


def _tokens(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield what has a meaning: where it begins, where it ends, and how it is written."""
    ends = _ends_of_code(text)
    position = 0
    while (token := _TOKEN.search(text, position)) is not None:
        begin, position = token.span()
        if token["bold"] is not None:
            yield begin, position, f"**{_inline(token['bold'])}**"
        elif token["url"] is not None:
            yield begin, position, f"<{token['url']}>"
        elif begin in ends and (code := text[position : ends[begin] - len(token["ticks"])]).strip():
            position = ends[begin]
            yield begin, position, _code(re.sub(r"^ (.*) $", r"\1", code))


def _ends_of_code(text: str) -> dict[int, int]:
    """Return where code ends that begins at a run of backticks: behind the next run of the same length."""
    ends, later = dict[int, int](), dict[int, int]()
    for run in reversed(list(re.finditer("`+", text))):
        if len(run[0]) in later:
            ends[run.start()] = later[len(run[0])]
        later[len(run[0])] = run.end()
    return ends


def _code(text: str) -> str:
    runs = {len(run) for run in re.findall("`+", text)}
    ticks = "`" * next(length for length in range(1, len(runs) + 2) if length not in runs)
    beside = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{ticks}{beside}{text}{beside}{ticks}"


def _literal(text: str) -> str:
    return _SPECIAL.sub(lambda each: _ENTITIES.get(each[0]) or f"\\{each[0]}", text)
