"""What the checks of one examination share: what they were given, and what they find out for each other.

Each thing is found out once, by the first who asks for it; who asks gets the error if there is one.
"""

from __future__ import annotations

import shlex
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from peer_relay import disk
from peer_relay.app import assemble
from peer_relay.deadline import Deadline
from peer_relay.doctor import folder as state_folder
from peer_relay.errors import InvalidSetting, PeerRelayError
from peer_relay.git.clone import Clone
from peer_relay.git.store import GitStore
from peer_relay.paths import branch_ref
from peer_relay.settings import DEFAULT_TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from peer_relay.agents.launch import Launch
    from peer_relay.app import Parts
    from peer_relay.clock import Clock
    from peer_relay.git.observed import Observer
    from peer_relay.git.remote import Remote
    from peer_relay.settings import Chosen, Settings
    from peer_relay.store import Refreshed

_SECRET_VARIABLES = ("PEER_RELAY_ROOM_TOKEN", "PEER_RELAY_GIT_PASSWORD", "GITHUB_TOKEN", "GH_TOKEN")


@dataclass(frozen=True)
class Given:
    """What a face hands in.

    Attributes:
        environ: the process's environment.
        surroundings: the same without the variables that only look set.
        read_settings: reads peer-relay's own variables.
        choose_room: chooses the room to use.
        room: the saved room that was asked for by name, or None.
        home: the user's home folder.
        cwd: the working folder.
        python: the path of the running Python.
        launch_for: returns how an agent is to start the server, from the settings, the name of a saved room or None,
            and the mailbox or None.
        user_id: the number of the user who runs this; None where users have none.
        clock: this machine's.
        observer: is told of every operation on the mailbox.
    """

    environ: Mapping[str, str]
    surroundings: Mapping[str, str]
    read_settings: Callable[[], Settings]
    choose_room: Callable[[], Chosen]
    room: str | None
    home: Path
    cwd: Path
    python: str
    launch_for: Callable[[Settings, str | None, Remote | None], Launch]
    user_id: int | None
    clock: Clock
    observer: Observer | None = None


class Case:
    """One examination. To be closed at its end."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self._closing = ExitStack()

    def close(self) -> None:
        """Give back connections, and throw away what was fetched to be looked at."""
        self._closing.close()

    def command(self, words: str) -> str:
        """Return a command of peer-relay for the same room, as it can be pasted into a shell."""
        room = f" --room {shlex.quote(self.given.room)}" if self.given.room else ""
        return f"peer-relay {words}{room}"

    @property
    def secrets(self) -> list[str]:
        """What no row may hold: the secrets among the variables. Saved ones are known by their form."""
        return [value for name in _SECRET_VARIABLES if (value := self.given.environ.get(name, "").strip())]

    @property
    def now_ms(self) -> int:
        """The time for display, right or wrong."""
        return self.given.clock.observed_ms()

    @cached_property
    def settings(self) -> Settings:
        """The variables.

        Raises:
            InvalidSetting: one has a value that it cannot have.
        """
        return self.given.read_settings()

    @cached_property
    def timeout_s(self) -> float:
        """How long one operation on the mailbox may take."""
        with suppress(InvalidSetting):
            return self.settings.timeout
        return DEFAULT_TIMEOUT_S

    @cached_property
    def chosen(self) -> Chosen:
        """The room to use.

        Raises:
            InvalidSetting, StateUnusable: it is not clear which, or it cannot be read.
        """
        return self.given.choose_room()

    @cached_property
    def parts(self) -> Parts:
        """What goes with that room.

        Raises:
            InvalidToken, InvalidRemote, InvalidSetting: its settings are wrong.
        """
        parts = assemble(self.chosen.config, self.given.surroundings, self.given.observer)
        self._closing.callback(parts.store.close)
        return parts

    @property
    def launch(self) -> Launch:
        """How an agent is to start the server, for the room to use if it is clear which.

        Raises:
            InvalidSetting: a variable has a value that it cannot have.
        """
        with suppress(PeerRelayError):
            room = self.chosen.saved_as if len(self.settings.rooms.names()) > 1 else None
            return self.given.launch_for(self.settings, room, self.parts.remote)
        return self.given.launch_for(self.settings, None, None)

    @property
    def ref(self) -> bytes:
        """The room's branch."""
        return branch_ref(self.parts.keys.room_id).encode("ascii")

    @cached_property
    def clone(self) -> Clone:
        """This machine's private copy of the branch."""
        return Clone(self.parts.state.clone_folder, self.parts.transport.remote)

    @cached_property
    def store(self) -> GitStore:
        """The mailbox, seen through a copy that belongs to this examination.

        Raises:
            StateUnusable: there is no place for the copy.
        """
        with disk.reported(Path("The folder for temporary files")):
            made = tempfile.TemporaryDirectory(prefix="peer-relay-doctor-", ignore_cleanup_errors=True)
        folder = self._closing.enter_context(made)
        clone = Clone(Path(folder) / "clone", self.parts.transport.remote)
        return GitStore(self.parts.transport, clone, self.parts.keyring)

    @cached_property
    def tip(self) -> str | None:
        """The newest commit that this machine has verified, or None.

        Raises:
            StateUnusable: the checkpoint cannot be read.
        """
        known = self.parts.state.load()
        return known.snapshot.tip if known else None

    @cached_property
    def refreshed(self) -> Refreshed:
        """What a look at the room finds, against what was known before.

        Raises:
            MailboxError, TransportError: there is nothing that could be entered, or it was not reached.
        """
        known = self.parts.state.load()
        before, refusal = (known.snapshot, known.refusal) if known else (None, None)
        return self.store.refresh(before, refusal, self.deadline(3))

    def deadline(self, times: int = 1) -> Deadline:
        """Return the time limit of one operation, or of so many."""
        return Deadline(self.timeout_s * times, self.given.clock.monotonic)

    @contextmanager
    def locked(self, *, to_mend: bool = False) -> Iterator[None]:
        """Hold the lock on what this machine keeps for the room, if it keeps anything.

        Args:
            to_mend: whether something is to be changed. Who only looks makes no lock where nobody had one.

        Raises:
            Busy: another process holds it.
        """
        folder = self.parts.state.folder
        if not (folder if to_mend else folder / "lock").exists():
            yield
            return
        with self.parts.state.locked(Deadline(state_folder.PATIENCE_S, self.given.clock.monotonic)):
            yield
