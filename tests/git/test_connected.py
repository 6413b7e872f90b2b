"""A branch at a path never points to a commit of which something is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from peer_relay.errors import PushRefused
from peer_relay.git.connected import are_in_line
from tests.git.building import commit, line
from tests.git.local_mailbox import REF, deadline, push, transport
from tests.servers import create_repository, run_git

if TYPE_CHECKING:
    from pathlib import Path

LINE = line(4)
OBJECTS = [each for step in LINE for each in step.objects]


@pytest.fixture
def mailbox(tmp_path: Path) -> Path:
    return create_repository(tmp_path / "mailbox.git")


def tip(mailbox: Path) -> str:
    return run_git("for-each-ref", "--format=%(objectname)", REF.decode(), cwd=mailbox).decode().strip()


@pytest.mark.parametrize("missing", range(len(OBJECTS)))
def test_a_push_that_leaves_anything_out_moves_no_branch(mailbox: Path, missing: int) -> None:
    objects = [each for number, each in enumerate(OBJECTS) if number != missing]
    # In another order the line does not show by itself, and every object is looked for.
    with pytest.raises(PushRefused) as caught:
        transport(mailbox).push(REF, None, LINE[-1].name, objects[::-1], deadline())
    assert (caught.value.words, tip(mailbox)) == ("missing necessary objects", "")
    transport(mailbox).push(REF, None, LINE[-1].name, [OBJECTS[missing]], deadline())
    assert tip(mailbox) == LINE[-1].name.decode()


def test_what_no_branch_leads_to_any_more_counts_while_it_is_there(mailbox: Path) -> None:
    push(mailbox, LINE)
    run_git("update-ref", "-d", REF.decode(), cwd=mailbox)
    transport(mailbox).push(REF, None, LINE[2].name, [], deadline())
    assert tip(mailbox) == LINE[2].name.decode()
    transport(mailbox).push(REF, LINE[2].name, LINE[1].name, [], deadline())
    assert tip(mailbox) == LINE[1].name.decode()


@pytest.mark.parametrize("what", ["a blob", "a tag", "a commit without its files", "a commit that is too large"])
def test_whatever_a_branch_was_pointed_at_it_can_be_put_back(mailbox: Path, what: str) -> None:
    """Found by hand: `peer-relay restore` told people to run `git fsck`, which does not help."""
    push(mailbox, LINE)
    who = f"tree {'12' * 20}\nauthor x <x@x> 0 +0000\ncommitter x <x@x> 0 +0000\n\n"
    kind, content = {
        "a blob": ("blob", "no commit"),
        "a tag": ("tag", f"object {LINE[-1].name.decode()}\ntype commit\ntag v1\ntagger x <x@x> 0 +0000\n\n"),
        "a commit without its files": ("commit", who),
        "a commit that is too large": ("commit", who + "x" * (2 << 20)),
    }[what]
    made = run_git("hash-object", "-w", "--literally", "-t", kind, "--stdin", cwd=mailbox, data=content.encode())
    (mailbox / REF.decode()).write_bytes(made)
    transport(mailbox).push(REF, made.strip(), LINE[-1].name, [], deadline())
    assert tip(mailbox) == LINE[-1].name.decode()


def test_a_line_shows_by_itself_and_a_gap_in_it_does_not() -> None:
    middle = LINE[1].name
    newest = [each for step in LINE[2:] for each in step.objects]
    assert are_in_line(newest, middle, LINE[3].name)
    assert are_in_line(OBJECTS, None, LINE[3].name)
    assert not are_in_line(newest, None, LINE[3].name)
    assert not are_in_line(newest, LINE[0].name, LINE[3].name)
    assert not are_in_line(LINE[3].objects, middle, LINE[3].name)
    assert not are_in_line([], middle, middle)
    assert not are_in_line(commit(None, {"a": b"b"}).objects, None, middle)
