"""The outbox: what is accepted stays until it is taken out, whatever happens to the process and to other files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from peer_relay import disk, sealed
from peer_relay.errors import StateUnusable
from peer_relay.outbox import Outbox, OutboxEntry, Status
from peer_relay.paths import Kind, Place
from tests.claims import claim
from tests.store.benches import answer, question

if TYPE_CHECKING:
    from pathlib import Path

BASE = "ab" * 20


def place(number: int, kind: Kind = Kind.QUESTION) -> Place:
    return Place(question(number).id, "alice", kind)


def accept(outbox: Outbox, number: int, base: str | None = BASE) -> OutboxEntry:
    return outbox.accept(place(number), question(number), "alice", base)


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "state" / "outbox")


def test_an_outbox_that_was_never_used_is_empty_and_has_no_folder(outbox: Outbox, tmp_path: Path) -> None:
    assert (outbox.entries(), outbox.damaged(), list(tmp_path.iterdir())) == ([], [], [])


@claim("I4")
def test_an_accepted_record_is_read_back_whole_by_another_process(outbox: Outbox, tmp_path: Path) -> None:
    asked = accept(outbox, 1)
    answered = outbox.accept(place(2, Kind.ANSWER), answer(question(2), 'Tab\t, "quotes", \U0001f600'), "bob", None)
    assert (asked.number, asked.status, asked.words, asked.base) == (1, Status.QUEUED, "", BASE)
    assert Outbox(tmp_path / "state" / "outbox").entries() == [asked, answered]


def test_a_saved_change_replaces_what_was_there(outbox: Outbox) -> None:
    entry = accept(outbox, 1, base=None)
    changed = replace(entry, base=BASE, status=Status.REFUSED, words="no\u2028secrets")
    outbox.save(changed)
    assert outbox.entries() == [changed]
    assert outbox.current(entry) == changed


def test_what_is_taken_out_is_gone_and_may_be_taken_out_again(outbox: Outbox) -> None:
    entry, other = accept(outbox, 1), accept(outbox, 2)
    outbox.remove(entry)
    outbox.remove(entry)
    assert (outbox.entries(), outbox.current(entry)) == ([other], None)


def test_entries_are_in_the_order_of_acceptance_not_of_ids(outbox: Outbox) -> None:
    entries = [accept(outbox, number) for number in (5, 1, 9, 3)]
    outbox.remove(entries[1])
    entries.append(accept(outbox, 2))
    assert [entry.number for entry in entries] == [1, 2, 3, 4, 5]
    assert outbox.entries() == [entries[0], *entries[2:]]


def test_two_that_are_accepted_at_the_same_time_under_one_number_are_both_kept(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(disk, "names_in", lambda _: [])  # neither sees the other
        entries = [
            outbox.accept(place(1, Kind.ANSWER), answer(question(1), text), "bob", BASE) for text in ("This.", "That.")
        ]
    assert [entry.number for entry in entries] == [1, 1]
    assert sorted(outbox.entries(), key=lambda entry: entry.name) == sorted(entries, key=lambda entry: entry.name)


DAMAGE = {
    "empty": lambda _: b"",
    "not JSON": lambda _: b"\x00\xff",
    "another record than its name": lambda data: data.replace(question(1).id.encode(), question(7).id.encode()),
    "another asker than its name": lambda data: data.replace(b'asker_id\\": \\"alice', b'asker_id\\": \\"bobby'),
    "an unknown status": lambda data: data.replace(b'"queued"', b'"odd"'),
    "an unknown field": lambda data: data.replace(b'{"record"', b'{"x":1,"record"'),
    "a record out of form": lambda data: data.replace(b"  \\", b" \\", 1),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_named_left_in_place_and_stops_nobody(outbox: Outbox, tmp_path: Path, damage: str) -> None:
    entry, other = accept(outbox, 1), accept(outbox, 2)
    path = tmp_path / "state" / "outbox" / entry.name
    before = sealed.unseal(entry.name, path.read_bytes())
    path.write_bytes(sealed.seal(entry.name, DAMAGE[damage](before)))
    assert sealed.unseal(entry.name, path.read_bytes()) != before
    assert (outbox.entries(), outbox.damaged()) == ([other], [entry.name])
    assert outbox.current(entry) == entry
    assert accept(outbox, 3).number == 3


def test_a_file_whose_name_is_none_is_named_and_what_is_hidden_is_not(outbox: Outbox, tmp_path: Path) -> None:
    entry = accept(outbox, 1)
    folder = tmp_path / "state" / "outbox"
    odd = [f"{entry.name}~", "notes.json", "x\udcff.json"]
    for name in (*odd, ".DS_Store", ".tmp-abc"):
        (folder / name).write_bytes((folder / entry.name).read_bytes())
    assert (outbox.entries(), outbox.damaged()) == ([entry], odd)


def test_a_folder_in_the_place_of_a_file_counts_as_damaged(outbox: Outbox, tmp_path: Path) -> None:
    entry = accept(outbox, 1)
    path = tmp_path / "state" / "outbox" / entry.name
    path.unlink()
    path.mkdir()
    assert (outbox.entries(), outbox.damaged(), outbox.current(entry)) == ([], [entry.name], entry)


def test_a_file_that_is_taken_out_while_the_folder_is_read_is_not_damaged(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = accept(outbox, 1)
    outbox.remove(entry)
    monkeypatch.setattr(disk, "names_in", lambda _: [entry.name])
    assert (outbox.entries(), outbox.damaged()) == ([], [])


@claim("I4")
def test_what_could_not_be_forced_to_the_disk_is_not_in_the_outbox(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    accept(outbox, 1)

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    for failing in ("fsync", "sync_folder"):
        with monkeypatch.context() as patch:
            patch.setattr(disk.os if failing == "fsync" else disk, failing, fail)
            with pytest.raises(StateUnusable) as caught:
                accept(outbox, 2)
        assert caught.value.reason == "Input/output error"
        assert [entry.place for entry in outbox.entries()] == [place(1)]
    assert len(list((tmp_path / "state" / "outbox").iterdir())) == 1
