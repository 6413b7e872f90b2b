"""`verify`: the proof that a room's whole history is exact, and the git commands for whoever has no peer-relay."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from peer_relay.cli.command import command, manners
from peer_relay.cli.ending import Failure
from peer_relay.cli.output import console, emit, say, warn
from peer_relay.cli.progress import Watcher, progress_bar
from peer_relay.cli.terminal import printable
from peer_relay.git.remote import parse_remote
from peer_relay.keys import RoomKeys
from peer_relay.paths import branch_ref
from peer_relay.replaying import open_verification
from peer_relay.settings import load_config, surroundings
from peer_relay.verification import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from peer_relay.config import RelayConfig
    from peer_relay.verification import Proof, Verdict

_COLOURS = {Outcome.PROVED: "green", Outcome.REFUTED: "red", Outcome.UNKNOWN: "yellow"}
_WIDTH = max(len(outcome.value) for outcome in Outcome)


@command(
    examples=(
        "peer-relay verify",
        "peer-relay verify --json  # one object, for a program",
        "peer-relay verify --plain-git  # what somebody without peer-relay can check",
    ),
    prints_data=True,
    enters_room=True,
)
@click.option("--plain-git", is_flag=True, help="Print git commands that check what git can; contacts nothing.")
def verify(plain_git: bool) -> None:  # noqa: FBT001 - click passes flags by name
    """Prove that the whole history of the room is exact.

    Every commit is read anew from the mailbox and verified, from the first on: it has to be byte for byte the one that
    its record demands. What is printed was proved. Ends with exit status 1 at the first commit that is not exact, and
    also if an id was used twice or if the history lost what this machine had verified before.
    """
    config = load_config(warn, manners().room)
    remote, branch = _place_of(config)
    if plain_git:
        _print_commands(remote, branch)
        return
    fetched = open_verification(config, surroundings(), Watcher())
    with fetched as verification, progress_bar("Verifying", "commits") as show:
        verdict = verification.run(show)
    if manners().as_json:
        emit(as_object(remote, branch, verdict))
    else:
        _print_proofs(verdict.proofs)
    if verdict.problems:
        raise Failure(" ".join(verdict.problems), kind="NotExact")


def as_object(remote: str, branch: str, verdict: Verdict) -> dict[str, Any]:
    """Return a verdict with stable field names; what there is not is None."""
    tally, refused, checkpoint = verdict.tally, verdict.refused, verdict.checkpoint
    return {
        "exact": not verdict.problems,
        "remote": remote,
        "branch": branch,
        "tip": verdict.tip,
        "total": verdict.total,
        "commits": tally.commits,
        "questions": tally.questions,
        "answers": tally.answers,
        "archives": tally.archives,
        "signed": tally.signed,
        **({"vouched": tally.vouched} if verdict.pinned else {}),
        "first": verdict.first,
        "last": verdict.last,
        "proofs": [
            {"name": each.name, "outcome": each.outcome.value, "sentence": each.sentence} for each in verdict.proofs
        ],
        "refused": None if refused is None else {"commit": refused.commit, "reason": refused.reason},
        "reused": [{"question_id": each.question_id, "commits": list(each.commits)} for each in verdict.reused],
        "checkpoint": None if checkpoint is None else {"commit": checkpoint, "contained": verdict.contained},
    }


def git_commands(remote: str, branch: str) -> Iterator[str]:
    """Yield the lines that check with git alone what git can see, to be pasted into a shell or piped into one.

    They are the ones of the README. Each time they work in a new clone in a new folder, because an old one would show
    an old history; what has to come out is said by the lines themselves, because not every shell takes a comment.

    Args:
        remote: the mailbox's address as it may be shown.
        branch: the name of the room's branch.
    """
    branch = shlex.quote(branch)
    yield 'cd "$(mktemp -d)"'
    yield f"git clone --quiet --mirror {shlex.quote(remote)} audit.git"
    yield "cd audit.git"
    for heading, line in (
        ("Merges (there must be none):", f"git rev-list --min-parents=2 {branch}"),
        (
            "Commits that change a file (there must be none):",
            f"git --no-pager log -m --first-parent --no-renames --diff-filter=CMRTUX {branch}",
        ),
        (
            "Files that were added twice (there must be none):",
            f"git --no-pager log --no-renames --diff-filter=A --name-only --format= {branch} | sort | uniq -d",
        ),
        (
            "Commits that take files away (archive commits, and nothing else):",
            f"git --no-pager log --diff-filter=D {branch}",
        ),
    ):
        yield f"echo {shlex.quote(heading)}"
        yield line


def _place_of(config: RelayConfig) -> tuple[str, str]:
    """Return the mailbox's address as it may be shown, and the name of the room's branch."""
    branch = branch_ref(RoomKeys.from_token(config.token).room_id).removeprefix("refs/heads/")
    return parse_remote(config.remote).display, branch


def _print_commands(remote: str, branch: str) -> None:
    lines = [printable(line) for line in git_commands(remote, branch)]
    if manners().as_json:
        emit({"remote": remote, "branch": branch, "commands": lines})
    else:
        say("\n".join(lines))


def _print_proofs(proofs: Sequence[Proof]) -> None:
    terminal = console()
    if terminal is not None:
        _print_table(terminal, proofs)
        return
    for each in proofs:
        say(f"{each.outcome.value:{_WIDTH}} {printable(each.sentence)}")


def _print_table(terminal: Console, proofs: Sequence[Proof]) -> None:
    from rich.table import Table  # noqa: PLC0415 - only a terminal needs it
    from rich.text import Text  # noqa: PLC0415

    table = Table.grid(padding=(0, 2))
    for each in proofs:
        table.add_row(Text(each.outcome.value, style=_COLOURS[each.outcome]), Text(printable(each.sentence)))
    terminal.print(table)
