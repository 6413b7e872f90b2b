"""The table of the benchmarks: how it is put together and published, and that the published one is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.__main__ import GROUPS, PAGE, RUNS, main
from benchmarks.measure import Comparison, faster
from benchmarks.report import BEGIN, END, Circumstances, Row, from_json, merged, publish, replaced, to_json, to_markdown
from benchmarks.setting import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.setting import Setting

TODAY, BEFORE = (Circumstances(date, "2.39.5", "3.11.7", "Linux") for date in ("2026-12-01", "2026-11-24"))


def row(group: str, what: str = "ask", measured: Circumstances = TODAY) -> Row:
    compared = Comparison(what, "a script", [10.0, 20.0], [40.0, 1000.0], goal=faster(3), group=group)
    return Row.of(compared, measured)


def test_a_row_holds_the_ratio_its_spread_the_goal_and_the_medians() -> None:
    assert row("local").markdown == (
        "| local | ask | a script | **0.135** | 0.043 to 0.227 | at least 3 x faster | yes | 15 | 520 | ms | 2 |"
    )


def test_a_goal_that_is_not_met_stands_out_and_what_has_none_says_nothing() -> None:
    missed = Comparison("ask", "a script", [2.0], [1.0], goal=faster(3))
    without = Comparison("ask", "a script", [2_048_000], [1], "bytes")
    assert "| at least 3 x faster | **no** |" in Row.of(missed, TODAY).markdown
    assert "|  |  | 2,048,000 | 1 | bytes | 1 |" in Row.of(without, TODAY).markdown


def test_the_table_says_with_what_each_group_was_measured() -> None:
    assert to_markdown([row("local"), row("http")]).endswith(
        "\n\nMeasured: 2026-12-01, git 2.39.5, Python 3.11.7, Linux."
    )
    assert to_markdown([row("local"), row("http", measured=BEFORE)]).endswith(
        "\n\nMeasured (local): 2026-12-01, git 2.39.5, Python 3.11.7, Linux.  \n"
        "Measured (http): 2026-11-24, git 2.39.5, Python 3.11.7, Linux."
    )


def test_json_holds_the_same_as_the_table() -> None:
    rows = [row("local"), row("http", measured=BEFORE)]
    assert from_json(to_json(rows)) == rows


def test_a_group_that_is_measured_again_replaces_its_rows_and_no_others() -> None:
    old = [row("http", measured=BEFORE), row("local", "poll", BEFORE), row("gone")]
    new = [row("local", "look"), row("local", "ask")]
    assert merged(old, new, ["local", "http"]) == [*new, old[0]]


def test_publishing_changes_what_is_between_the_markers_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\n{END}\nafter\n")
    publish([row("http")], page, ["local", "http"])
    publish([row("local")], page, ["local", "http"])
    table = to_markdown([row("local"), row("http")])
    assert page.read_text() == f"before\n{BEGIN}\n\n{table}\n\n{END}\nafter\n"
    assert from_json((tmp_path / "page.json").read_text()) == [row("local"), row("http")]


def test_the_published_page_shows_what_is_in_the_file_beside_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = from_json(PAGE.with_suffix(".json").read_text(encoding="utf-8"))
    assert replaced(page, to_markdown(rows)) == page
    assert merged(rows, [], [*GROUPS]) == rows
    named = [(each.group, each.what, each.against, each.unit) for each in rows]
    assert len(named) == len(set(named))


def test_the_groups_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--list"])
    assert capsys.readouterr().out.split() == [*GROUPS]


@pytest.mark.parametrize("few", [["--quick"], ["--runs", str(RUNS - 1)]])
def test_too_few_runs_are_not_published(few: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--write", *few])
    assert f"a page of fewer than {RUNS} runs is not published" in capsys.readouterr().err


def test_a_group_that_does_not_exist_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "local,nowhere"])
    assert "no such group: nowhere" in capsys.readouterr().err


def test_what_is_measured_is_printed_and_a_group_without_its_server_is_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def counted(setting: Setting) -> Iterator[Comparison]:
        yield Comparison("ask", "a script", [1.0] * setting.runs, [2.0] * setting.runs, "requests")

    def served(setting: Setting) -> Iterator[Comparison]:
        raise MISSING("sshd is not installed")
        yield

    monkeypatch.setitem(GROUPS, "counted", counted)
    monkeypatch.setitem(GROUPS, "served", served)
    main(["--only", "served,counted", "--runs", "4", "--json", str(tmp_path / "found.json")])
    rows = from_json((tmp_path / "found.json").read_text())
    assert [(each.group, each.ratio, each.runs) for each in rows] == [("counted", 0.5, 4)]
    assert capsys.readouterr() == (
        to_markdown(rows) + "\n",
        "served: left out, because sshd is not installed.\ncounted: ask, against a script: 0.5\n",
    )
