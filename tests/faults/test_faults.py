"""Every fault of the catalogue where it strikes: nothing is lost, nothing is there twice, nothing is stuck.

`python -m tests.faults` does the same at every place, with more seeds, and with a real sshd behind every run of ssh.
Here some are left out that would only cost time: see `is_in_the_slice`.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.claims import claim
from tests.faults import shell, web
from tests.faults.__main__ import main
from tests.faults.catalogue import CATALOGUE, Place, Way, trials
from tests.faults.trial import Trial, Verdict, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.faults.scene import Scene
    from tests.servers import SshServer

_FIRST_CONTACT = {"dropped", "silence", "flush only", "401", "404", "429, seconds", "no key", "banner"}
_LIKE_OTHERS = {
    **dict.fromkeys(("503", "504"), (Place.LISTING, Place.APPLIED)),
    **dict.fromkeys(("prompt", "garbage", "stderr and death", "host key", "no name", "timed out"), (Place.LISTING,)),
}


def is_in_the_slice(trial: Trial) -> bool:
    """Leave out what goes the same way through the code as another one, and most logins at a real sshd."""
    if trial.way is Way.SSHD:
        return trial.place is (Place.PUSH_LISTING if trial.fault.waits else Place.LISTING)
    if trial.place is Place.FIRST:
        return trial.fault.name in _FIRST_CONTACT
    if trial.way is Way.SSH and trial.place in (Place.FETCH, Place.PUSH_LISTING):
        return False  # to ssh, each of these is one more program that is started
    return trial.place in _LIKE_OTHERS.get(trial.fault.name, Place)


# The seed decides which call meets the fault, so that all of them do.
EVERY = [Trial(*each, seed=number % 4) for number, each in enumerate(trials())]
SLICE = [each for each in EVERY if is_in_the_slice(each)]
QUICK = sorted(
    {(str(each.way), each.fault.name) for each in SLICE if each.way is not Way.SSHD and not each.fault.waits}
)


def broken(
    wanted: Sequence[Trial], scene: Scene, folder: Path, server: SshServer | None = None
) -> dict[str, list[str]]:
    """Carry out trials, several at once, and return the promises that did not hold."""

    def one(trial: Trial) -> Verdict:
        own = folder / str(wanted.index(trial))
        own.mkdir()
        return run(trial, scene, own, server)

    with ThreadPoolExecutor(6 if wanted[0].fault.waits else 1) as pool:
        verdicts = pool.map(one, wanted)
        results = list(zip(wanted, verdicts, strict=True))
    return {f"{each.fault.name}, {each.place}, {each.act}": found.broken for each, found in results if found.broken}


@claim("I3", "I4", "I9", "I10", "delivered-or-queued", "deadline", "secrets-never-shown")
@pytest.mark.parametrize(("way", "name"), QUICK)
def test_a_fault_loses_nothing_and_doubles_nothing(way: str, name: str, scene: Scene, tmp_path: Path) -> None:
    assert broken([each for each in SLICE if (each.way, each.fault.name) == (way, name)], scene, tmp_path) == {}


@claim("I3", "I4", "delivered-or-queued", "deadline")
@pytest.mark.parametrize("way", [Way.HTTP, Way.SSH])
def test_a_fault_that_keeps_a_call_waiting_ends_with_its_deadline(way: Way, scene: Scene, tmp_path: Path) -> None:
    assert broken([each for each in SLICE if each.way is way and each.fault.waits], scene, tmp_path) == {}


@claim("I3", "I4", "delivered-or-queued", "deadline")
@pytest.mark.parametrize("waits", [False, True])
def test_a_fault_in_front_of_a_real_sshd_loses_nothing(
    waits: bool, scene: Scene, tmp_path: Path, ssh_server: SshServer
) -> None:
    wanted = [each for each in SLICE if each.way is Way.SSHD and each.fault.waits is waits]
    assert broken(wanted, scene, tmp_path, ssh_server) == {}


# ---------------------------------------------------------------------------------------------------------------------
# The catalogue and the run


def test_every_fault_of_the_catalogue_can_be_injected_and_every_injection_is_in_the_catalogue() -> None:
    by_http = {fault.name for fault in CATALOGUE if Way.HTTP in fault.at}
    assert by_http == {*web.INJECTIONS, "redirect", "stale replica"}
    by_ssh = {fault.name for fault in CATALOGUE if Way.SSH in fault.at}
    assert by_ssh == {*shell.SIMPLE, *shell.CUTS, "stale replica"}


def test_every_fault_is_in_the_slice_and_half_of_its_places_are() -> None:
    assert {each.fault.name for each in SLICE} == {fault.name for fault in CATALOGUE}
    assert len(SLICE) > 0.5 * len(EVERY)


def test_names_and_descriptions_of_faults_tell_them_apart() -> None:
    assert len({fault.name for fault in CATALOGUE}) == len({fault.what for fault in CATALOGUE}) == len(CATALOGUE)


def test_a_run_prints_a_row_for_each_place_and_writes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "faults.json"
    assert main(["--way", "http", "--fault", "sideband error", "--seeds", "1", "--json", str(file)]) == 0
    head, *rows, sums = capsys.readouterr().out.splitlines()
    assert head.split()[:4] == ["way", "fault", "place", "trials"]
    assert [row.split("  ")[0:1] for row in rows] == [["http"]] * 3
    assert sums.startswith("faults 1, places 3, trials 3, lost 0, duplicated 0, stuck 0, broken promises 0, longest")
    written = json.loads(file.read_text())
    assert written["seeds"] == [0]
    assert [(row["fault"], row["trials"], row["broken"]) for row in written["rows"]] == [("sideband error", 1, [])] * 3


def test_a_run_names_each_promise_that_did_not_hold(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lies(trial: Trial, *_: object) -> Verdict:
        return Verdict(seconds=9.0, lost=1, duplicated=2, stuck=1, broken=["a record was lost"])

    monkeypatch.setattr("tests.faults.__main__.run", lies)
    assert main(["--way", "http", "--fault", "404", "--seeds", "2"]) == 1
    *_, named, sums = capsys.readouterr().out.splitlines()
    assert named == "BROKEN http, 404, a push, not applied: seed 1: a record was lost"
    assert sums.startswith("faults 1, places 5, trials 10, lost 10, duplicated 20, stuck 10, broken promises 10")
