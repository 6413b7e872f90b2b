"""What people paste instead of an invite: understood as far as the checksum fits, otherwise named for what it is."""

from __future__ import annotations

import pytest

from peer_relay.cli.pasting import is_cut, understand
from peer_relay.errors import InvalidInvite
from peer_relay.invite import Invite, format_invite
from peer_relay.keys import format_token
from tests.claims import claim
from tests.cli.support import TOKEN

INVITE = Invite(remote="git@github.com:alice/mailbox.git", token=TOKEN, peer_id="bob")
LINE = format_invite(INVITE)
OTHER = format_invite(Invite(remote="/srv/x.git", token=format_token(bytes(32)), peer_id="bob"))
PARTS = [LINE[start : start + 40] for start in range(0, len(LINE), 40)]


@pytest.mark.parametrize(
    "text",
    [
        LINE,
        f"\r\n  {LINE}\t\r\n",
        "\n".join(PARTS),
        "\r\n> ".join([PARTS[0], "".join(PARTS[1:])]).replace("> ", ""),
        "\u200b".join(PARTS),
        " \u00ad\ufeff".join(PARTS),
        f"`{LINE}`",
        f"**{LINE}**.",
        f"\u201c{LINE}\u201d",
        f"Send this invite to bob in private; whoever has it can read and write in the room:\n\n{LINE}\n\nbob needs",
        f"Here: {LINE}, Bob",
    ],
)
def test_an_invite_is_found_whatever_a_chat_program_made_of_it(text: str) -> None:
    assert understand(text) == INVITE


CUT = "its end is missing. Copy the whole line that begins with pr1- again."
TYPO = "its checksum is wrong, so a character is missing or mistyped. Copy the whole line that begins with pr1- again."
TWICE = "it was pasted twice, or there are two of them. Paste one of them, once."
NO_INVITE = "it must be one line that begins with pr1-. Copy the whole line that begins with pr1- again."
REFUSED = {
    "": "nothing was pasted. Copy the whole line that begins with pr1-.",
    " \n\u200b": "nothing was pasted. Copy the whole line that begins with pr1-.",
    "hello": NO_INVITE,
    LINE[1:]: NO_INVITE,
    TOKEN: "this is a room token, and no invite. Ask your peer for the line that begins with pr1-; `peer-relay invite` "
    "prints it again.",
    LINE * 2: TWICE,
    f"{LINE}\n{LINE}\n": TWICE,
    f"{LINE} {OTHER}": TWICE,
    "pr1-": CUT,
    LINE[:40]: CUT,
    LINE[:-1]: CUT,
    LINE[:-9]: CUT,
    LINE[:9] + LINE[10:]: TYPO,
    LINE[:20] + ("a" if LINE[20] != "a" else "b") + LINE[21:]: TYPO,
    LINE + "a": TYPO,
    LINE.upper(): NO_INVITE,
    LINE[:8] + "z" * 40: TYPO,
    f"{PARTS[0]} and {PARTS[1]}": TYPO,
}


@claim("I10")
@pytest.mark.parametrize(("text", "words"), REFUSED.items())
def test_everything_else_is_refused_in_its_own_words_and_not_repeated(text: str, words: str) -> None:
    with pytest.raises(InvalidInvite) as refused:
        understand(text)
    assert str(refused.value) == f"The invite is not valid: {words}"


def test_every_beginning_of_an_invite_is_seen_to_be_cut_and_nothing_else_is() -> None:
    assert [length for length in range(4, len(LINE)) if not is_cut(LINE[:length])] == []
    assert [text for text in (LINE, LINE + "a", LINE * 2, "", "hello", TOKEN, LINE.upper()) if is_cut(text)] == []
