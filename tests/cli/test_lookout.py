"""Looking out for long: one look of all of a machine at a time, seldom, whatever stands in the way."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from peer_relay import disk
from peer_relay.cli.lookout import INCURABLE_S, is_read
from peer_relay.errors import AccessDenied, DeadlineExceeded, InvalidSetting, Unreachable
from peer_relay.standing import Standing
from tests.cli.scene import NOTHING, Scene
from tests.cli.support import FIRST_ID

if TYPE_CHECKING:
    from pathlib import Path

    from peer_relay.cli.lookout import Lookout

GONE = Unreachable(remote="git.example", reason="the network is down")
DENIED = AccessDenied(remote="git.example", act="read", reason="403")
UNSET = InvalidSetting(name="PEER_RELAY_ROOM", reason="is not set", advice="Set it.")


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Give a machine that has just reached its mailbox, on a host, and found nothing."""
    return Scene(tmp_path, monkeypatch)


def look_out(scene: Scene, seconds: float, interval_s: float | None = None) -> list[str]:
    """Look out for so long, and return what was complained of."""
    told: list[str] = []
    for _ in scene.lookout(None, told.append, interval_s).looks(seconds):
        pass
    return told


def test_a_host_is_looked_at_when_what_is_known_is_not_fresh_any_more(scene: Scene) -> None:
    assert look_out(scene, 60) == []
    assert scene.looks == [15, 30, 45, 60]


def test_what_another_process_found_is_seen_within_a_second_and_not_asked_for_again(scene: Scene) -> None:
    scene.stands = Standing("alice", "bob", waiting=(FIRST_ID,))
    scene.events = {5: scene.learn, 19: scene.learn, 33: scene.learn}
    seen = [
        scene.time.seconds for known in scene.lookout(None, pytest.fail).looks(40) if known and known.standing.waiting
    ]
    assert (seen[0], scene.looks) == (5, [])


def test_many_who_look_out_ask_no_more_often_than_one(scene: Scene) -> None:
    def tick(each: Lookout) -> None:
        assert list(each.looks(0))

    several = [scene.lookout(None, pytest.fail) for _ in range(7)]
    scene.outcome = GONE  # also then
    several[0].tell = lambda _: None
    for _ in range(301):
        for each in several:
            tick(each)
        scene.time.sleep(1)
    assert scene.looks == list(range(15, 301, 15))


def test_the_longer_nothing_happens_the_more_seldom_it_looks_until_something_does(scene: Scene) -> None:
    scene.events[3_600] = lambda: setattr(scene, "stands", Standing("alice", "bob", waiting=(FIRST_ID,)))
    look_out(scene, 3_900)
    before = [each for each in scene.looks if each <= 3_600]
    assert (before[1] - before[0], before[-1] - before[-2]) == (15, 60)
    assert [each - scene.looks[-1] for each in scene.looks[-3:]] == [-30, -15, 0]


def test_an_interval_that_was_asked_for_is_kept(scene: Scene) -> None:
    look_out(scene, 3, interval_s=0.5)
    assert scene.looks == [0.5, 1, 1.5, 2, 2.5, 3]
    assert look_out(scene, 400, interval_s=120) == []
    assert scene.looks[6:] == [123, 243, 363]


def test_a_mailbox_at_a_path_is_looked_at_every_second(scene: Scene) -> None:
    scene.config = replace(scene.config, remote="/srv/mailbox.git")
    look_out(scene, 4)
    assert scene.looks == [1, 2, 3, 4]


def test_who_finds_another_one_looking_leaves_it_to_that(scene: Scene) -> None:
    scene.tried.note()
    with disk.lock_file(scene.tried.folder / "lock", 0) as got:
        assert got
        look_out(scene, 60)
    assert (scene.looks, scene.opened) == ([], 0)


def test_the_relay_stays_open_over_hundreds_of_looks(scene: Scene) -> None:
    look_out(scene, 60, interval_s=0.1)
    assert (len(scene.looks) > 500, scene.opened) == (True, 1)


def test_a_time_to_come_does_not_keep_it_from_looking(scene: Scene) -> None:
    scene.on_disk = NOTHING._replace(contact_ms=scene.time.ms + 86_400_000)
    look_out(scene, 0)
    assert scene.looks == [0]


def test_what_stands_in_the_way_is_told_once_and_again_when_it_comes_back(scene: Scene) -> None:
    scene.outcome = GONE
    scene.later(40, outcome=replace_reason("another reason"))
    scene.later(70, outcome=None)
    scene.later(100, outcome=GONE)
    assert look_out(scene, 150) == [str(GONE), str(GONE)]
    assert len(scene.looks) == 10


def replace_reason(reason: str) -> Unreachable:
    return Unreachable(remote="git.example", reason=reason)


def test_another_thing_in_the_way_is_told_and_the_doctor_hears_of_it(scene: Scene) -> None:
    scene.outcome = GONE
    slow = DeadlineExceeded(remote="git.example", seconds=20)
    scene.later(20, outcome=slow)
    assert look_out(scene, 40) == [str(GONE), str(slow)]
    failure = scene.tried.failure()
    assert failure is not None
    assert (failure.what, failure.remedy) == (slow.what, slow.remedy)


def test_what_waiting_does_not_cure_is_tried_seldom_and_at_once_with_other_settings(scene: Scene) -> None:
    scene.outcome = DENIED
    assert look_out(scene, 700) == [str(DENIED)]
    assert scene.looks == [15, 15 + INCURABLE_S, 15 + 2 * INCURABLE_S]
    scene.config = replace(scene.config, token="another")
    assert look_out(scene, 0) == [str(DENIED)]
    assert scene.looks[3:] == [700]


def test_a_branch_that_is_refused_is_told_of(scene: Scene) -> None:
    scene.stands = NOTHING._replace(refusal="The branch was rewritten.")
    assert look_out(scene, 60) == ["The branch was rewritten."]


def test_a_mailbox_that_was_never_reached_is_told_of_as_one_that_is_lost(scene: Scene) -> None:
    scene.on_disk, scene.raises = Standing("alice"), GONE
    scene.later(20, raises=None)
    assert look_out(scene, 31) == [str(GONE)]
    assert scene.looks == [0, 15, 30]


def test_a_folder_that_cannot_be_used_is_told_of_and_left_alone_for_long(scene: Scene) -> None:
    scene.home.joinpath("rooms").write_text("")
    told = look_out(scene, 400)
    assert (len(told), "rooms" in told[0], scene.looks) == (1, True, [])


def test_a_room_that_is_not_there_is_told_of_once_and_one_that_is_saved_later_is_looked_at(scene: Scene) -> None:
    scene.problem = UNSET
    scene.later(30, problem=None)
    assert look_out(scene, 31) == [str(UNSET)]
    assert scene.looks == [30]


def test_an_address_that_is_none_is_told_of_as_any_other_problem(scene: Scene) -> None:
    scene.config = replace(scene.config, remote="ext::sh -c true")
    scene.outcome = DENIED
    assert look_out(scene, 60) == [str(DENIED)]


def test_a_pipe_is_read_as_long_as_somebody_holds_its_other_end() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        assert is_read(stream)
        os.close(reading)
        assert not is_read(stream)


def test_what_is_no_pipe_counts_as_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "out").open("w", encoding="utf-8") as stream:
        assert is_read(stream)
        monkeypatch.delattr("select.poll")
        assert is_read(stream)
    assert is_read(sys.stdout)
