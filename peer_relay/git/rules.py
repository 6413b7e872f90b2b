"""What a repository at a path says about pushes that would take something away: its own configuration, and no more."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from dulwich.errors import NotGitRepository
from dulwich.repo import Repo


@dataclass(frozen=True)
class PushRules:
    """What git itself refuses there.

    Attributes:
        keeps_history: whether a push may not rewrite a branch (`receive.denyNonFastForwards`).
        keeps_branches: whether a push may not delete a branch (`receive.denyDeletes`).
    """

    keeps_history: bool
    keeps_branches: bool


def push_rules(path: str) -> PushRules | None:
    """Return the rules of the repository at a path, where git looks for it; None if they cannot be told."""
    try:
        with closing(_open(path)) as repo:
            config = repo.get_config()
            keeps = [
                config.get_boolean((b"receive",), name, default=False)
                for name in (b"denyNonFastForwards", b"denyDeletes")
            ]
            return PushRules(*map(bool, keeps))
    except Exception:  # noqa: BLE001 - dulwich raises its own, the system's and the configuration parser's
        return None


def _open(path: str) -> Repo:
    try:
        return Repo(path)
    except NotGitRepository:
        return Repo(f"{path}.git")
