"""What is checked, in this order: the one list of it. The ids are for programs and never change."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain


@dataclass(frozen=True)
class Topic:
    """What one check is about.

    Attributes:
        id: its name for programs.
        title: its name for people, of 15 characters at most.
        why: why it matters, in a sentence.
        needs: ids of earlier checks without which this one makes no sense.
        operations: how many operations on the mailbox, each with the time limit of one, it may take.
    """

    id: str
    title: str
    why: str
    needs: tuple[str, ...] = ()
    operations: int = 0


_MACHINE = (
    Topic("python", "Python", "Another Python may lack what peer-relay uses."),
    Topic(
        "packages", "Packages", "Each library was tested in these versions; others may fail in the middle of a call."
    ),
    Topic("clock", "Clock", "With a wrong clock nothing can be asked or answered: what is written stays for ever."),
)
_SETTINGS = (
    Topic(
        "variables",
        "Variables",
        "One that is wrong, misspelt or not filled in leads to another room than you think, or to none.",
    ),
    Topic(
        "surroundings",
        "Surroundings",
        "They decide which ssh, which proxy, which certificates and which login are used.",
    ),
    Topic("rooms", "Saved rooms", "A saved room is all that this machine needs to enter it again.", ("variables",)),
    Topic(
        "choice",
        "Room to use",
        "Without it nothing can be asked, answered or read.",
        ("variables", "surroundings"),
    ),
)
_DISK = (
    Topic("folder", "State folder", "A question that cannot be written down here is not accepted.", ("choice",)),
    Topic(
        "modes",
        "File modes",
        "The room token and the outbox are in these files: whoever reads them can write in your name.",
        ("variables",),
    ),
    Topic("lock", "Lock", "Whoever holds it keeps every other process of this peer from the mailbox.", ("folder",)),
    Topic("leftovers", "Leftovers", "They take space, and may hold a room token.", ("choice",)),
    Topic(
        "outbox",
        "Outbox",
        "Your peer has not seen what waits here. It goes out by itself once nothing stands in its way.",
        ("choice",),
    ),
    Topic(
        "outbox-files", "Outbox files", "What is in such a file never goes out, and nobody else has it.", ("choice",)
    ),
    Topic(
        "checkpoint",
        "Checkpoint",
        "Without it this machine does not notice a history that was rewritten before the next look.",
        ("choice",),
    ),
    Topic(
        "clone",
        "Clone",
        "The next call has to fetch a damaged one again, and cannot without the mailbox.",
        ("lock",),
        operations=1,
    ),
)
_MAILBOX = (
    Topic(
        "read",
        "Read",
        "What your peer writes does not arrive, and what you write stays queued.",
        ("choice",),
        operations=1,
    ),
    Topic(
        "write",
        "Write",
        "Questions and answers are pushed; without that right they stay queued on this machine.",
        ("read",),
        operations=1,
    ),
    Topic("login", "Login", "It is good to know which key or password the mailbox depends on.", ("read",)),
    Topic(
        "latency",
        "Latency",
        "Every call begins with such a look, and an agent that waits repeats it.",
        ("read",),
        operations=1,
    ),
    Topic(
        "public",
        "Privacy",
        "Whoever can read the mailbox can read every question and every answer.",
        ("read",),
        operations=1,
    ),
    Topic(
        "default-branch",
        "Default branch",
        "A host shows the default branch first, runs its automation on it, and refuses to delete it.",
        ("read",),
        operations=1,
    ),
    Topic(
        "rules",
        "Branch rules",
        "A rule against rewriting and deleting keeps the history where it is; any other may keep records out.",
        ("read",),
    ),
)
_ROOM = (
    Topic(
        "room",
        "Room",
        "Only the two peers of a room can take part in it, and only with its token.",
        ("read",),
        operations=3,
    ),
    Topic(
        "signing",
        "Signatures",
        "What has to be signed and cannot be stays queued on this machine.",
        ("choice",),
        operations=1,
    ),
    Topic(
        "history",
        "History",
        "A history that is not exactly what was verified is not read: somebody changed what must not change.",
        ("room",),
    ),
    Topic(
        "newest",
        "Newest record",
        "The order of a room does not depend on clocks, but the times and ages that people read do.",
        ("history",),
        operations=3,
    ),
)
_AGENTS = (
    Topic("agents", "Registered in", "An agent that does not know the server has none of its tools.", ("variables",)),
    Topic("hook", "Hook", "Without it an agent hears of a question only when it is told to look.", ("variables",)),
)
_GROUPS = {
    "This machine": _MACHINE,
    "Settings": _SETTINGS,
    "On this disk": _DISK,
    "Mailbox": _MAILBOX,
    "Room": _ROOM,
    "Agents": _AGENTS,
}

TOPICS = tuple(chain.from_iterable(_GROUPS.values()))
GROUP_OF = {topic.id: group for group, topics in _GROUPS.items() for topic in topics}
"""The heading under which each stands, by its id."""
