"""A record has one path, and a path names one record or is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer_relay.paths import ROOM_FILE, Kind, Place, branch_ref, parse_path, path_for
from peer_relay.times import MAX_MS
from tests import independent
from tests.claims import claim
from tests.pure.samples import ID, ROOM_ID, ids, peers

PATH = f"alice/2026-11-22/{ID}.question.json"
places = st.builds(Place, question_id=ids, asker=peers, kind=st.sampled_from(Kind))


@given(places)
def test_a_path_is_read_back_as_the_place_it_was_built_from(place: Place) -> None:
    path = path_for(place)
    assert parse_path(path) == place
    date = independent.written(independent.ulid_ms(place.question_id))[:10]
    assert path == f"{place.asker}/{date}/{place.question_id}.{place.kind.value}.json"


@given(places, st.integers(0, 80), st.sampled_from([*"/.-aA0I \n", "\u0660", ""]))
def test_whatever_is_accepted_is_spelt_in_one_way(place: Place, position: int, letter: str) -> None:
    path = path_for(place)
    changed = path[:position] + letter + path[position + 1 :]
    try:
        accepted = parse_path(changed)
    except ValueError:
        return
    assert path_for(accepted) == changed


def test_a_question_and_its_answer_lie_side_by_side() -> None:
    assert path_for(Place(ID, "alice", Kind.QUESTION)) == PATH
    assert path_for(Place(ID, "alice", Kind.ANSWER)) == f"alice/2026-11-22/{ID}.answer.json"


@claim("I1", "trust-model")
@pytest.mark.parametrize(
    "path",
    [
        "",
        ROOM_FILE,
        "alice",
        "alice/2026-11-22",
        f"alice/{ID}.question.json",
        f"2026-11-22/{ID}.question.json",
        f"/{PATH}",
        f"./{PATH}",
        f"../{PATH}",
        f"{PATH}/",
        f"{PATH}/x",
        f"{PATH}\n",
        f"{PATH}.orig",
        f" {PATH}",
        PATH.replace("/", "//"),
        PATH.replace("/", "\\"),
        PATH.replace("/2026", "/../2026"),
        PATH.replace("2026-11-22", "2026-11-21"),
        PATH.replace("2026-11-22", "2026-11-23"),
        PATH.replace("2026-11-22", "26-11-22"),
        PATH.replace("2026-11-22", "2026-11-2"),
        PATH.replace("2026-11-22", "2026/11/22"),
        PATH.replace("2026-11-22", "2026-11-22x"),
        PATH.replace("2026", "２０２６"),  # noqa: RUF001 - digits of another alphabet
        PATH.replace("alice", "Alice"),
        PATH.replace("alice", "-alice"),
        PATH.replace("alice", ""),
        PATH.replace("alice", "."),
        PATH.replace("alice", "a" * 33),
        PATH.replace("alice", "al\u0131ce"),
        PATH.replace(ID, ID.lower()),
        PATH.replace(ID, ID[:-1]),
        PATH.replace(ID, ID + "0"),
        PATH.replace(ID, ID[:-1] + "I"),
        PATH.replace(ID, "8" + ID[1:]),
        PATH.replace(".question", ".Question"),
        PATH.replace(".question", ".room"),
        PATH.replace(".question", ""),
        PATH.replace(".question", ".question.answer"),
        PATH.replace(".json", ".JSON"),
        PATH.replace(".json", ""),
        f"alice/10000-01-01/{independent.ulid(MAX_MS + 1)}.question.json",
        f"alice/10889-08-02/{'7' + 'Z' * 25}.question.json",
        f"alice/9999-12-31/{'7' + 'Z' * 25}.question.json",
    ],
)
def test_no_other_name_is_the_path_of_a_record(path: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_path(path)
    assert str(caught.value) == "not the path of a record"


def test_the_branch_of_a_room_bears_its_public_id() -> None:
    assert branch_ref(ROOM_ID) == "refs/heads/peer-relay/duphlmqjg6ppk7fb"
