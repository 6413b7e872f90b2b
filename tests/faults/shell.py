"""git behind a program of ours in the place of ssh: what injects the faults of ssh.

While all is well the program is a small shell script that runs what ssh would run over there, over here, or the real
ssh. A fault is a plan in a file, which `ssh_wrapper.py` carries out.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.faults.catalogue import LOOKS, Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.servers import SshServer

_WRAPPER = Path(__file__).with_name("ssh_wrapper.py")
# The last argument is the command for the host. A run counts for a fault if it is one of its service and, for a fetch,
# every second one: a fetch comes after a look.
_SCRIPT = """#!/bin/sh
for command; do :; done
service=${{command%% *}}
echo "$service" >>{folder}/runs
if [ -e {folder}/replica ] && [ "$service" = git-upload-pack ]; then command="$service $(cat {folder}/replica)"; fi
if [ -e {folder}/plan ] && [ "$service" = "$(cat {folder}/service)" ]; then
    echo "$service" >>{folder}/counted
    if [ $(( $(wc -l <{folder}/counted) % $(cat {folder}/every) )) -eq 0 ]; then
        echo struck >>{folder}/struck
        plan={folder}/plan
        if [ -e {folder}/once ]; then plan={folder}/spent; mv {folder}/plan "$plan"; fi
        exec {python} -I -S {wrapper} "$plan" sh -c "$command"
    fi
fi
{run}
"""
_HERE = 'exec sh -c "$command"'


class ShellRemote:
    """A mailbox behind ssh, and its faults.

    Args:
        folder: for the program and its plans.
        repository: the mailbox.
        replica: an older copy of it.
        server: a real sshd to go to while all is well; None to do without.
    """

    secrets = ()

    def __init__(self, folder: Path, repository: Path, replica: Path, server: SshServer | None = None) -> None:
        self._folder = folder
        self._replica = replica
        folder.mkdir()
        script = folder / "ssh"
        run = _HERE
        if server is not None:  # the arguments of the replica come last, as those of the mailbox do
            run = f'if [ -e {folder}/replica ]; then {_HERE}; fi\nexec {server.ssh_command} "$@"'
        words = {"folder": folder, "python": shlex.quote(sys.executable), "wrapper": shlex.quote(str(_WRAPPER))}
        script.write_text(_SCRIPT.format(run=run, **words))
        script.chmod(0o755)
        self.url = f"ssh://git@host.invalid{repository}" if server is None else server.url(repository)
        self.environ: Mapping[str, str] = {**os.environ, "GIT_SSH_COMMAND": str(script)}

    def strike(self, name: str, place: Place, seed: int) -> None:
        """Let a fault strike at a place from now on."""
        del seed
        if name == "stale replica":
            (self._folder / "replica").write_text(shlex.quote(str(self._replica)))
            (self._folder / "struck").touch()
            if place is not Place.APPLIED:
                return
            name = "dropped"
            (self._folder / "once").touch()
        is_push = place in (Place.PUSH_LISTING, Place.PUSH, Place.APPLIED)
        (self._folder / "service").write_text("git-receive-pack" if is_push else "git-upload-pack")
        (self._folder / "every").write_text("2" if place is Place.FETCH else "1")
        (self._folder / "counted").write_text("")
        (self._folder / "plan").write_text(json.dumps(plan_for(name, place)))

    def lift(self) -> None:
        """Be well again."""
        for name in ("plan", "replica", "once"):
            (self._folder / name).unlink(missing_ok=True)

    def count(self) -> int:
        """Return how many times ssh was run since this was asked last."""
        runs = self._folder / "runs"
        number = runs.read_text().count("\n") if runs.exists() else 0
        runs.write_text("")
        return number

    def has_struck(self) -> bool:
        """Return whether the fault struck at all."""
        return (self._folder / "struck").exists()

    def close(self) -> None:
        """Nothing is left to end."""


def plan_for(name: str, place: Place) -> dict[str, Any]:
    """Return what `ssh_wrapper.py` has to do."""
    if name in SIMPLE:
        return SIMPLE[name]
    then, rest = CUTS[name]
    if rest == "nothing" and place in LOOKS:
        return {"mode": then, "then": then}
    answer = {Place.FETCH: "pack", Place.PUSH: "listing", Place.APPLIED: "listing"}.get(place, "some")
    taken = {"cut in the pack": IN_THE_PACK}.get(name, 0) if place is Place.PUSH else None
    return {"mode": "cut", "answer": answer, "taken": taken, "rest": rest, "then": then}


CUTS = {
    "dropped": ("die", "nothing"),
    "cut in the pack": ("die", "nothing"),
    "truncated": ("die", "half"),
    "silence": ("hang", "nothing"),
    "half-open": ("hang", "half"),
    "slow": ("die", "slow"),
}
"""How ssh stops in the middle, and what becomes of the rest of the answer, by the fault's name."""

IN_THE_PACK = 220
"""How many bytes bring a push into its pack, and not to the end of it."""

_CHANGED = (
    "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n"
    "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n"
    "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n"
    "IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\n"
    "Host key for host has changed and you have requested strict checking.\nHost key verification failed.\n"
)
_MUCH = {"words": "warning: something is not quite as it should be over there\n", "times": 5200}
SIMPLE: dict[str, dict[str, Any]] = {
    "prompt": {"mode": "prompt"},
    "banner": {"mode": "work", "greeting": "Welcome to host. Unauthorised use is \x1b[31mforbidden\x1b[0m.\n"},
    "garbage": {"mode": "work", "greeting": "\x00\xff\x16\x03\x01 \x07\x9b31m0000ffff\n"},
    "much on stderr": {"mode": "work", **_MUCH},
    "stderr and death": {"mode": "die", **_MUCH},
    "host key": {"mode": "die", "words": _CHANGED},
    "no key": {"mode": "die", "words": "git@host: Permission denied (publickey).\r\n"},
    "no name": {"mode": "die", "words": "ssh: Could not resolve hostname host: Name or service not known\r\n"},
    "timed out": {"mode": "die", "words": "ssh: connect to host host port 22: Connection timed out\r\n"},
}
"""What happens at every place alike, by the fault's name."""
