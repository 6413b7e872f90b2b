"""The steps of writing and reading in their order, each with a name at which a test can end the process.

1. The order of the members is the write order that the promises rest on (I3, I4): what a step needs is on the disk, or
   in the mailbox, before the step after it. After a kill at any of them the next command works without any repair.
2. Nothing happens at a point unless a test has armed it in the same process; nothing else can arm it.

A point is named after what is true when it is reached.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class CrashPoint(Enum):
    """What is true when a point is reached, in the order of a record's way into the mailbox and back."""

    FILE_WRITTEN = "any file of the state folder: it is whole, under a temporary name"
    FILE_NAMED = "any file of the state folder: it has its name, which a loss of power may still take away"

    # Accepting: nothing has left this machine.
    ACCEPTED = "the record is in the outbox and on the disk: from here on it goes out"
    ASKED = "the answer is waited for, and that is on the disk"

    # Taking it out, under this machine's lock.
    BASE_NOTED = "the commit from which on to look for the record is on the disk, before the first push (I3)"
    BUILT = "its blob, trees and commit are built, in memory only"

    # A mailbox at a path.
    OBJECT_WRITTEN = "an object, or a pack of them, is in a repository, under a temporary name"
    OBJECTS_DURABLE = "all objects are in the repository and on its disk, and no branch points to them"
    BRANCH_WRITTEN = "the branch's new value is on the disk, in a file that nobody looks at"
    BRANCH_LOCKED = "the branch's lock is taken"
    BRANCH_MOVED = "the branch points to the new commit, which a loss of power may still undo"
    BRANCH_UNLOCKED = "the files of the lock are gone, and the branch is on the disk"

    # A mailbox behind ssh or http.
    PUSH_BEGUN = "the remote announced what was expected, and the pack is about to go"
    PUSH_HANDED_OVER = "every object was handed to the connection; how much of it arrived is not known"
    REPORT_COMES = "the remote begins to answer: whether it took the push is decided"
    REPORT_READ = "the remote's report is read"

    # Afterwards.
    COPIED = "the objects are in the clone as well"
    SEEN = "the mailbox holds the record, and only the checkpoint does not know it"
    SAVED = "the checkpoint knows it"
    SETTLED = "the record is out of the outbox"

    # Reading.
    CLONE_BEGUN = "an empty clone is ready, beside its place"
    CLONE_MADE = "an empty clone is in its place"
    FETCHED = "what is new came, in a file without a name"
    TAKEN_IN = "the objects are in the clone, and its boundary is not noted"
    BOUNDARY_NOTED = "the clone knows where its history ends"
    AWAITED = "an answer that arrived is waited for by this machine, too"
    CLONE_ASIDE = "a useless clone is out of its place, and not removed yet"
    SHOWN = "an answer is noted as handed out"
    READ = "an answer counts as read, and the note that it was shown is still there"


_listeners: list[Callable[[CrashPoint], None]] = []


def reached(point: CrashPoint) -> None:
    """Tell the test that armed the points, if there is one."""
    for listen in _listeners:
        listen(point)


def arm(listener: Callable[[CrashPoint], None] | None) -> None:
    """Have every point reported to a listener from now on, or to nobody. For tests alone."""
    _listeners[:] = [] if listener is None else [listener]
