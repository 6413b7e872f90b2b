"""The rival that everybody has: a shell script of git commands that does the same job."""

from __future__ import annotations

import itertools
import os
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.servers import GIT_ENVIRONMENT, create_repository, run_git

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

BRANCH = "refs/heads/script"
QUESTION = "Why does the session token expire after 15 minutes? Mobile users are logged out. Case {}."

# As a careful person would write it: one bare clone, no working tree, and a push that fails if somebody was faster. The
# index makes the three trees in fewer processes than `git ls-tree | git mktree` for each of them.
ASK = """
git fetch --quiet origin "+$BRANCH:$BRANCH"
tip=$(git rev-parse "$BRANCH")
blob=$(git hash-object -w --stdin)
git read-tree "$tip"
git update-index --add --cacheinfo "100644,$blob,$NAME"
commit=$(git commit-tree "$(git write-tree)" -p "$tip" -m "alice asks: $NAME")
git push --quiet --force-with-lease="$BRANCH:$tip" origin "$commit:$BRANCH"
"""
FETCH = 'git fetch --quiet origin "+$BRANCH:$BRANCH"'
PERSON = {f"GIT_{role}_{what}": "alice@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@dataclass
class Script:
    """One person with the script: a clone of its own of a branch of its own.

    Attributes:
        url: the mailbox.
        clone: where the clone is made.
        environ: what the commands are started with.
    """

    url: str
    clone: Path
    environ: Mapping[str, str]
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        """Make the clone and fetch."""
        create_repository(self.clone)
        run_git("-C", self.clone, "remote", "add", "origin", self.url)
        self.poll()

    def ask(self) -> None:
        """Put one more file into the mailbox."""
        number = next(self._numbers)
        self.run(ASK, f"alice/2026-12-01/{self.clone.name}-{number:06}.question.json", QUESTION.format(number))

    def poll(self) -> None:
        """Look for something new."""
        self.run(FETCH)

    def run(self, script: str, name: str = "", text: str = "") -> bytes:
        """Run commands in the clone and return what they print."""
        environ = {**self.environ, **GIT_ENVIRONMENT, **PERSON, "BRANCH": BRANCH, "NAME": name}
        return subprocess.run(
            ["sh", "-eu", "-c", script],
            cwd=self.clone,
            input=text.encode(),
            env={"PATH": os.environ["PATH"], "HOME": str(self.clone), **environ},
            check=True,
            stdout=subprocess.PIPE,
            timeout=60,
        ).stdout
