"""The transcript: bytes that stay the same, and a structure that nobody but us decides."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from peer_relay.cli.markdown import transcript
from peer_relay.cli.quoting import code_span, quoted
from peer_relay.cli.terminal import printable
from peer_relay.exchanges import Exchange
from tests.claims import claim
from tests.cli.talk import HOSTILE, TALK, UNSEEN, slipped
from tests.pure.samples import answers, questions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.token import Token

    from peer_relay.records import Answer, Question

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])

WHOLE = """\
# alice and bob

A transcript of the room `aaaaaaaaaaaaaaaa`: 3 exchanges, 1 open; 2 older are not in it.

Questions and answers are shown as the peers or their agents wrote them. An answer is a claim: it is worth as much as \
the sources that it cites. Times are in UTC.

## <a id="01M819ERJ2C6926308KQFDJK2C"></a>alice asks, 2026-11-22 09:30:05 UTC

`01M819ERJ2C6926308KQFDJK2C` · context: `src/auth/session.py`

> Why does the session token expire after 15 minutes? Mobile users are logged out while they fill in a form.

### bob answers, 2026-11-22 09:41:00 UTC

> It is **on purpose**:
>
> ```python
> TTL = 900
> ```
>
> \\- see `TTL`\\
> &nbsp;&nbsp;\\- and \\_\\_init\\_\\_

Sources:

- `docs/adr/7.md`
- `commit 3f9c2d1`

## <a id="01M84BDBY0V2WRHG3TZ6MRXMSW"></a>bob asks, 2026-11-23 14:02:00 UTC

`01M84BDBY0V2WRHG3TZ6MRXMSW`

> Who calls /v1/orders?

### alice answers, 2026-11-24 16:20:00 UTC

> Only checkout. From memory.

## <a id="01M8927E0MYZXJAY0HYRD2BSKP"></a>alice asks, 2026-11-25 09:57:40 UTC

`01M8927E0MYZXJAY0HYRD2BSKP`

> Is the limit still 5?

*Not answered yet.*
"""


def test_a_transcript_is_the_same_on_either_side() -> None:
    assert transcript(TALK, ["alice", "bob"], 2) == transcript(TALK, ["bob", "alice"], 2) == WHOLE


def test_a_transcript_of_nothing_says_so() -> None:
    assert transcript((), ["bob", "alice"]).splitlines()[:3] == [
        "# alice and bob",
        "",
        "A transcript without an exchange.",
    ]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one\ntwo\n\n\nthree\n", ["one\\", "two", "", "three"]),
        (
            "# a\n---\n===\n> b\n1. c\n2) d\n- e\n+ f",
            ["\\# a\\", "\\---\\", "\\===\\", "&gt; b\\", "1\\. c\\", "2\\) d\\", "\\- e\\", "\\+ f"],
        ),
        ("* a\n***\n___", ["\\* a\\", "\\*\\*\\*\\", "\\_\\_\\_"]),
        ("  in\n\tdented", ["&nbsp;&nbsp;in\\", "&nbsp;&nbsp;&nbsp;&nbsp;dented"]),
        (
            "<b> & &amp; [x](y) ![i](j) [^1] ~~z~~ $1$ a\\b",
            ["&lt;b> &amp; &amp;amp; \\[x](y) !\\[i](j) \\[^1] \\~\\~z\\~\\~ \\$1\\$ a\\\\b"],
        ),
        ("`a` ``b`c`` `d *e* <f>` ` g", ["`a` ``b`c`` `d *e* <f>` \\` g"]),
        ("``` a ``b`` c", ["\\`\\`\\` a `b` c"]),
        ("` `` `` `", ["` `` `` `"]),
        ("**bold `x`** 2**3 **kw a** b** ** c **", ["**bold `x`** 2\\*\\*3 **kw a** b\\*\\* \\*\\* c \\*\\*"]),
        (
            "see https://a.b/c_d(e)?f=1, (http://g.h). https://i",
            ["see <https://a.b/c_d(e)?f=1>, (<http://g.h>). <https://i>"],
        ),
        ("https://exämple.org www.x_y.z ftp://q", ["https&#58;//exämple.org www&#46;x\\_y.z ftp&#58;//q"]),
        (
            "a\n| b | c |\n|---|---|\n| `x | <y>` | z |\nd",
            ["a", "", "```", "| b | c |", "|---|---|", "| `x | <y>` | z |", "```", "", "d"],
        ),
        ("a\n  ```py x=1\n    b\n  c\n ```` \nd", ["a", "", "```py", "  b", "c", "```", "", "d"]),
        ("~~~ mermaid\n```\n~~~", ["````", "```", "````"]),
        ("```\n<b>\n\n# c", ["```", "<b>", "", "# c", "```"]),
        ("a\u200fb `\u2028`\n\u00a0\nc", ["a&lt;U+200F>b `<U+2028>`", "", "c"]),
    ],
)
def test_a_text_is_quoted_by_the_list_of_what_it_may_do(text: str, lines: list[str]) -> None:
    assert list(quoted(text)) == [f"> {line}" if line else ">" for line in lines]


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("docs/a.md:7", "`docs/a.md:7`"),
        ("`a`", "`` `a` ``"),
        ("a``b", "`a``b`"),
        ("a`b``c", "```a`b``c```"),
        (" a", "`  a `"),
        ("a\n  b\tc", "`a ↵ b c`"),
        ("<b>\u200f", "`<b><U+200F>`"),
    ],
)
def test_a_source_is_code_whatever_it_holds(text: str, span: str) -> None:
    assert code_span(text) == span
    (paragraph,) = (token for token in PARSER.parse(span) if token.type == "inline")
    assert [(token.type, token.content.strip()) for token in paragraph.children or ()] == [
        ("code_inline", re.sub(r"\s*\n\s*", " ↵ ", printable(text)).replace("\t", " ").strip())
    ]


# ---------------------------------------------------------------------------------------------------------------------
# Nothing leaves its place

BLOCKS = {"blockquote_open", "blockquote_close", "paragraph_open", "paragraph_close", "inline", "fence"}
INLINES = {"text", "text_special", "hardbreak", "code_inline", "strong_open", "strong_close", "link_open", "link_close"}


def shape(text: str) -> list[str]:
    """Return the outermost blocks of a transcript, each heading and paragraph with how it begins; checks quotations."""
    tokens, outermost = PARSER.parse(text), []
    for number, token in enumerate(tokens):
        if token.level == 0 and token.nesting >= 0:
            begin = tokens[number + 1].content[:9] if tokens[number + 1 :] and token.type != "blockquote_open" else ""
            outermost.append(f"{token.tag} {begin}".strip())
    inside = [token for token in tokens if token.level > 0 and quotes(tokens, token)]
    assert {token.type for token in inside} <= BLOCKS
    assert {child.type for token in inside for child in token.children or ()} <= INLINES
    return outermost


def quotes(tokens: Sequence[Token], token: Token) -> bool:
    """Return whether a token is inside of a quotation."""
    before = tokens[: next(number for number, each in enumerate(tokens) if each is token)]
    return sum(each.type == "blockquote_open" for each in before) > sum(
        each.type == "blockquote_close" for each in before
    )


def expected(exchanges: Sequence[Exchange]) -> list[str]:
    found = ["h1 alice and", "p A transcr", "p Questions"]
    for each in exchanges:
        found += ['h2 <a id="01', f"p `{each.question.id[:8]}", "blockquote"]
        if each.answer is None:
            found.append("p *Not answ")
        else:
            found += ["h3 bob answe", "blockquote", *(["p Sources:", "ul"] if each.answer.sources else [])]
    return found


def words(lines: Sequence[str]) -> str:
    """Return what a quotation shows, without white space and without the marks of code and of bold."""
    shown = []
    for token in PARSER.parse("\n".join(lines)):
        children = token.children if token.type == "inline" else [token]
        shown += [child.content for child in children or () if child.type != "strong_open"]
    return re.sub(r"[\s`*~]", "", "".join(shown))


@claim("I9")
def test_hostile_texts_stay_where_they_were_put() -> None:
    exchanges = [slipped(text, number) for number, text in enumerate(HOSTILE)]
    text = transcript(exchanges, ["alice", "bob"])
    assert UNSEEN.findall(text.replace("\n", "").replace("\t", "")) == []
    assert shape(text) == ["h1 alice and", *expected(exchanges)[1:]]


@claim("I9")
@given(question=questions(), answer=answers())
def test_whatever_a_record_may_hold_stays_where_it_was_put(question: Question, answer: Answer) -> None:
    exchanges = [Exchange(question, answer, "bob"), Exchange(question, None, None)]
    text = transcript(exchanges, ["alice", "bob"])
    assert UNSEEN.findall(text.replace("\n", "").replace("\t", "")) == []
    kinds = [each.partition(" ")[0] for each in shape(text)]
    assert kinds == [each.partition(" ")[0] for each in expected(exchanges)]


FRAGMENTS = (
    *(
        "<b>",
        "</blockquote>",
        "<!--",
        "```",
        "````",
        "~~~",
        "`",
        "``",
        "***",
        "**",
        "*",
        "_",
        "__",
        "[x](y)",
        "![i](j)",
    ),
    *(
        "[a]: b",
        "[^1]",
        "> ",
        "# ",
        "---",
        "===",
        "- ",
        "1. ",
        "| a | b |",
        "|---|---|",
        ":-:",
        "\\",
        "\n",
        "\n\n",
        "\t",
    ),
    *(
        "    ",
        "&lt;",
        "&amp;",
        "$x$",
        "https://x.y/a_b?c=1&d=2",
        "www.a_b.com",
        "é",
        "\u200f",
        "\u00a0",
        "word",
        "!",
        "1",
    ),
)


@given(st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=12).map("".join).filter(str.strip))
def test_what_markdown_consists_of_loses_no_word_and_gets_no_meaning(text: str) -> None:
    lines = list(quoted(text))
    shape("\n".join(lines))
    if "```" not in text and "~~~" not in text:  # the language of a block of code is not among its words
        assert words(lines) == re.sub(r"[\s`*~]", "", printable(text))
