"""A small world in which documented commands are run: two people, their machines, and a host called github.com.

1. Every command is the real program in a real shell; what a page shows is what it printed.
2. `github.com` is a folder of bare repositories behind a program called `ssh`, which runs git's own server side on it,
   as sshd does on a host. The agents' programs are recorders. Everything else is real.
3. Nobody leaves this machine: where https would be tried, a proxy that is not there says no at once.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass, field
from pathlib import Path

PEOPLE = ("alice", "bob")
LIMIT_S = 50.0

_SSH = """#!/bin/sh
# Runs what would be run on the host: the last argument, in the folder of the repositories.
for last in "$@"; do :; done
cd "{root}/github" && exec sh -c "$last"
"""
_GH = """#!/bin/sh
# Makes an empty repository, as `gh repo create NAME --private` does, and says where it is.
git init --quiet --bare --initial-branch=main "{root}/github/$USER/$3.git" && echo "https://github.com/$USER/$3"
"""
_AGENT = """#!/bin/sh
# An agent's program, as far as it is asked to add a server.
echo "$(basename "$0") $*" >> "$HOME/.agents"
echo "Added stdio MCP server peer-relay"
"""
_RUN = """
cd "$(cat "{state}/cwd")"
. "{state}/variables"
(exit "$(cat "{state}/status")")
{command}
echo $? > "{state}/status"
pwd > "{state}/cwd"
export -p > "{state}/variables"
"""
_INVITE = re.compile(r"\bpr1-[a-z2-7]{16,}")


@dataclass
class World:
    """The people and the host.

    Attributes:
        root: a folder that does not exist yet.
        invite: the newest invite that was printed, or put into a file of that name; `peer-relay join` gets it pasted.
        kept: what is in that file.
        columns: how wide terminals are.
    """

    root: Path
    invite: str = ""
    kept: str = ""
    columns: int = 100
    agents: tuple[str, ...] = ("claude",)
    _environments: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        programs = {"ssh": _SSH, "gh": _GH, **dict.fromkeys(self.agents, _AGENT)}
        (self.root / "bin").mkdir(parents=True)
        (self.root / "github" / "alice").mkdir(parents=True)
        for name, text in programs.items():
            path = self.root / "bin" / name
            path.write_text(text.format(root=self.root))
            path.chmod(0o755)
        (self.root / "bin" / "peer-relay").symlink_to(Path(sys.executable).with_name("peer-relay"))
        for name in PEOPLE:
            self._environments[name] = self._settle(name)

    def home(self, name: str) -> Path:
        """Return a person's home folder."""
        return self.root / name

    def run(self, person: str, command: str) -> str:
        """Run a line of shell as a person types it, and return what the person sees, or nothing.

        What it changes of the shell (the folder, variables, `$?`) is there for the person's next line.
        """
        given = f"{self.invite}\n" if re.match(r"\S*peer-relay join\b", command) else ""
        done = subprocess.run(
            ["bash", "-c", self._line(person, command)],
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            env=self._environments[person],
            timeout=LIMIT_S,
            check=False,
        )
        return self._seen(done.stdout)

    def run_on_terminal(self, person: str, command: str) -> str:
        """Run a line on a terminal of its own and return all that it was sent, colours and all."""
        command = f"export TERM=xterm-256color COLORTERM=truecolor; {command}"
        main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 50, self.columns, 0, 0))
        process = subprocess.Popen(
            ["bash", "-c", self._line(person, command)],
            stdin=subprocess.DEVNULL,
            stdout=side,
            stderr=side,
            env=self._environments[person],
            start_new_session=True,
        )
        os.close(side)
        sent = b""
        while select.select([main], [], [], LIMIT_S)[0]:
            try:
                piece = os.read(main, 65536)
            except OSError:  # how Linux says that the other side was closed
                break
            if not piece:
                break
            sent += piece
        os.close(main)
        process.wait(LIMIT_S)
        return self._seen(sent.decode().replace("\r\n", "\n"))

    def _line(self, person: str, command: str) -> str:
        return _RUN.format(state=self.home(person) / ".shell", command=command)

    def _seen(self, printed: str) -> str:
        file = self.home("alice") / "project" / "invite"
        kept = file.read_text() if file.exists() else ""
        if found := _INVITE.findall(printed) or (_INVITE.findall(kept) if kept != self.kept else []):
            self.invite = found[-1]
        self.kept = kept
        for name in PEOPLE:
            printed = printed.replace(str(self.home(name)), f"/home/{name}")
        return printed.replace(str(self.root), "/srv").replace(sys.prefix, "/home/alice/.venvs/peer-relay")

    def _settle(self, name: str) -> dict[str, str]:
        """Make a person's home and return the person's environment."""
        home, state = self.home(name), self.home(name) / ".shell"
        (home / "project").mkdir(parents=True)
        state.mkdir()
        (state / "cwd").write_text(f"{home / 'project'}\n")
        (state / "status").write_text("0\n")
        (state / "variables").touch()
        (home / ".gitconfig").touch()
        return {
            "COLUMNS": str(self.columns),
            "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PATH": f"{self.root / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "TERM": "dumb",
            "TZ": "UTC",
            "USER": name,
            "https_proxy": "http://127.0.0.1:9",
        }
