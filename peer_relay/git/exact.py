"""I2 in one place: the one way in which a commit of a room is built, and the proof that a commit was built that way.

Writing and checking share `draft_step`: a commit is accepted only if building it anew, from its parent and its record,
gives the same bytes (its signature aside). So no commit can hold anything that its record does not determine.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from peer_relay.commits import (
    Message,
    ParsedCommit,
    answer_message,
    archive_message,
    build,
    ends_with_right_mac,
    has_right_mac,
    question_message,
    room_message,
    take_apart,
    with_signature,
)
from peer_relay.errors import IllegalStep, InvalidRecord, RefusedCommit
from peer_relay.git.trees import Draft, Source, files_of, find_file, object_id, peek_file, with_file, without_files
from peer_relay.ids import ulid_ms
from peer_relay.ledger import Add, Archive, Ledger, Step
from peer_relay.paths import ROOM_FILE, Kind, Place, parse_path, path_for
from peer_relay.records import Answer, Question, Room, canonical_bytes, parse, parse_exchange_record
from peer_relay.signatures import is_signed_by
from peer_relay.signing import Signing
from peer_relay.store import Arrival, Snapshot, Verified
from peer_relay.times import MAX_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from peer_relay.keys import RoomKeys

    Finder = Callable[[Draft, str, str], str | None]
    Sign = Callable[[bytes], bytes]
    """Returns the armoured signature of a commit's unsigned content."""


class _NotSigned(ValueError):
    """A commit of which nothing but the signature is wrong."""


def draft_room(draft: Draft, room: Room, mac_key: bytes, sign: Sign | None = None) -> str:
    """Add the room's first commit to a draft, signed if there is something to sign with, and return its id."""
    tree = with_file(draft, None, ROOM_FILE, draft.add("blob", canonical_bytes(room)))
    return draft.add("commit", _signed(build(tree, None, room_message(room), mac_key), sign))


def draft_step(
    draft: Draft, tip: str, step: Step, mac_key: bytes, blob: str | None = None, *, sign: Sign | None = None
) -> str:
    """Add the commit of one step, with everything it needs, to a draft and return its id.

    Args:
        draft: gets the new objects.
        tip: the commit that the new one follows.
        step: what it does; whether it may is the ledger's business.
        mac_key: the room's.
        blob: the id of the record's canonical bytes, if they are known to be in the source.
        sign: signs the commit of a record; None to leave it unsigned. An archive commit is never signed.
    """
    parent = take_apart(draft.raw("commit", tip))
    if isinstance(step, Archive):
        tree = without_files(draft, parent.tree, map(path_for, step.places)) or ""
        message, sign = archive_message(parent.message.stamp), None
    else:
        blob = blob or draft.add("blob", canonical_bytes(step.record))
        tree = with_file(draft, parent.tree, path_for(step.place), blob)
        message = _message(step)
    return draft.add("commit", _signed(build(tree, tip, message, mac_key), sign))


def _signed(content: bytes, sign: Sign | None) -> bytes:
    return content if sign is None else with_signature(content, sign(content))


def _message(step: Add) -> Message:
    if isinstance(step.record, Question):
        return question_message(step.record)
    return answer_message(step.record, step.author)


def read_record(source: Draft, tree: str, place: Place, room_id: str) -> Question | Answer:
    """Return the record at a place of a tree.

    Raises:
        ValueError: there is none, or it says other things than its place.
        InvalidRecord: it is not canonical or breaks a rule.
    """
    return _record(source, _blob_at(source, tree, place, find_file), place, room_id)


def _blob_at(source: Draft, tree: str, place: Place, find: Finder) -> str:
    blob = find(source, tree, path_for(place))
    if blob is None:
        raise ValueError(f"it does not hold the {place.kind.value} that it names")
    return blob


def _record(source: Source, blob: str, place: Place, room_id: str) -> Question | Answer:
    record = parse_exchange_record(place.kind, source.raw("blob", blob))
    if record.id != place.question_id or (isinstance(record, Question) and record.asker_id != place.asker):
        raise ValueError(f"the {place.kind.value} in it says another id or asker than its path")
    if record.room != room_id:
        raise ValueError(f"the {place.kind.value} in it belongs to another room")
    return record


@dataclass(frozen=True)
class Examiner:
    """Checks the commits of one room.

    Attributes:
        keys: the room's id and MAC key.
        signing: which keys are pinned. What is said below to be *ahead* are the marks of it that a commit is at or
            before.
    """

    keys: RoomKeys
    signing: Signing = Signing()  # noqa: RUF009 - it is frozen

    def first_look(self, source: Source, tip: str) -> Snapshot:
        """Verify a tip without knowing anything before it: its commit, and the whole of its tree at once.

        Args:
            source: holds the tip, everything below it, and the same of its parent if it has one (depth 2).
            tip: the branch's commit.

        Returns:
            The snapshot at the tip.

        Raises:
            RefusedCommit: something is not as it must be; the room is refused as a whole.
            UnsupportedFormat: the room is of another format.
        """
        draft = Draft(source)
        try:
            commit = self._authentic(source, tip)
            snapshot = Snapshot(tip, self._whole_tree(draft, commit.tree))
            if commit.parent is None:
                self._expect(draft, commit, draft_room(draft, snapshot.ledger.room, self.keys.mac_key))
            else:
                parent = Snapshot(commit.parent, self._names_of(draft, commit.parent, snapshot.ledger.room))
                self._expect_step(draft, commit, parent)
            self._check_signature(commit, self.signing.ahead_of([tip]))
        except (ValueError, InvalidRecord, IllegalStep) as error:
            raise self._refused(source, tip, error) from error
        return snapshot

    def first(self, draft: Draft, commit_id: str, ahead: frozenset[str] = frozenset()) -> Verified:
        """Verify the room's first commit, which nothing comes before.

        Args:
            draft: an empty one on a source of it; what the commit should be is built in it.
            commit_id: the one to verify.
            ahead: the marks that it is at or before.

        Raises:
            RefusedCommit: it is not exactly the commit with which a room of this token begins.
            UnsupportedFormat: the room is of another format.
        """
        try:
            commit = self._authentic(draft, commit_id)
            room = self._room(draft, find_file(draft, commit.tree, ROOM_FILE))
            self._expect(draft, commit, draft_room(draft, room, self.keys.mac_key))
            vouched = self._check_signature(commit, ahead)
        except (ValueError, InvalidRecord) as error:
            raise self._refused(draft, commit_id, error) from error
        return Verified(Snapshot(commit_id, Ledger(room)), None, commit.signature is not None, vouched)

    def next(self, draft: Draft, known: Snapshot, commit_id: str, ahead: frozenset[str] = frozenset()) -> Verified:
        """Verify the commit that follows a verified one.

        Args:
            draft: an empty one on a source of both; what the commit should be is built in it.
            known: the commit before.
            commit_id: the one to verify.
            ahead: the marks that it is at or before.

        Raises:
            RefusedCommit: it is not exactly the commit that its record demands, or not signed by a pinned key.
        """
        try:
            commit = self._authentic(draft, commit_id)
            step, ledger = self._expect_step(draft, commit, known)
            vouched = self._check_signature(commit, ahead)
        except (ValueError, InvalidRecord, IllegalStep) as error:
            raise self._refused(draft, commit_id, error) from error
        arrival = Arrival(commit_id, step.place) if isinstance(step, Add) else None
        return Verified(Snapshot(commit_id, ledger), arrival, commit.signature is not None, vouched)

    def record(self, draft: Draft, wanted: Arrival) -> Question | Answer:
        """Return a record from the tree of a verified commit.

        Raises:
            RefusedCommit: the tree holds no such record, or not in canonical form.
        """
        try:
            tree = take_apart(draft.raw("commit", wanted.commit)).tree
            return read_record(draft, tree, wanted.place, self.keys.room_id)
        except (ValueError, InvalidRecord) as error:
            raise RefusedCommit(commit=wanted.commit, reason=_clause(error)) from error

    def arrival(
        self, source: Source, commit_id: str, room: Room, ahead: frozenset[str] = frozenset()
    ) -> tuple[Arrival | None, str | None]:
        """Read what an older commit of a verified history says it added, and its parent.

        The hash chain from a verified commit vouches that this is the room's history; the MAC and the signature are
        checked again.

        Raises:
            RefusedCommit: it is not in the form of a room's commits, or not signed by a pinned key.
        """
        try:
            commit = self._authentic(source, commit_id)
            place = None if commit.message.question_id is None else _place(commit, room)
            self._check_signature(commit, ahead)
        except ValueError as error:
            raise self._refused(source, commit_id, error) from error
        return None if place is None else Arrival(commit_id, place), commit.parent

    def check_unchanged(self, source: Source, tip: str, added: Mapping[Place, str]) -> None:
        """Check that each record at a tip is the one that its commit added.

        Args:
            source: holds the tip and these commits.
            tip: a verified commit.
            added: by the place of a record the commit that says it added it.

        Raises:
            RefusedCommit: a record is another one, or no commit added it.
        """
        for path, blob in files_of(Draft(source), take_apart(source.raw("commit", tip)).tree).items():
            if path == ROOM_FILE:
                continue
            place = parse_path(path)
            commit = added.get(place)
            tree = None if commit is None else take_apart(source.raw("commit", commit)).tree
            if tree is None or peek_file(Draft(source), tree, path) != blob:
                reason = f"the {place.kind.value} {place.question_id} in it is not what its author committed"
                raise RefusedCommit(commit=tip, reason=reason)

    def is_within(self, source: Source, commit_id: str, known: Snapshot) -> bool:
        """Return whether a commit of a holder of the token is of the same room, and names no more than a verified one.

        Raises:
            ValueError: it is not in the form of a room's commits.
        """
        files = files_of(Draft(source), self._authentic(source, commit_id).tree)
        is_same_room = files.get(ROOM_FILE) == object_id("blob", canonical_bytes(known.ledger.room))
        return is_same_room and files.keys() <= _paths_of(known.ledger)

    def _authentic(self, source: Source, commit_id: str) -> ParsedCommit:
        commit = take_apart(source.raw("commit", commit_id))
        if not has_right_mac(commit, self.keys.mac_key):
            raise ValueError("its Room-Mac is wrong")
        return commit

    def _check_signature(self, commit: ParsedCommit, ahead: frozenset[str]) -> bool:
        """Return whether a commit is signed by a key that is pinned for its author.

        Raises:
            ValueError: it is not, and has to be.
        """
        if not self.signing.pins or (commit.parent and commit.message.question_id is None):
            return False  # an archive commit is a function of its parent, and is never signed
        peer = commit.message.stamp.peer
        keys = self.signing.keys_of(peer, ahead)
        if commit.signature is not None and is_signed_by(commit.signature, commit.unsigned, keys):
            return True
        if self.signing.is_bound(peer, ahead):
            raise _NotSigned(f"it is not signed by the key that is pinned for {peer}")
        return False

    def _refused(self, source: Source, commit_id: str, error: Exception) -> RefusedCommit:
        """Return the refusal of a commit; a holder of the token may have a newer program, and nobody else can."""
        reason = _clause(error)
        if isinstance(error, _NotSigned):
            return RefusedCommit(commit=commit_id, reason=reason, advice=RefusedCommit.UNSIGNED)
        with contextlib.suppress(ValueError):
            if ends_with_right_mac(source.raw("commit", commit_id), self.keys.mac_key):
                return RefusedCommit(commit=commit_id, reason=reason, advice=RefusedCommit.BY_A_HOLDER)
        return RefusedCommit(commit=commit_id, reason=reason)

    def _whole_tree(self, draft: Draft, tree: str) -> Ledger:
        files = files_of(draft, tree)
        room = self._room(draft, files.get(ROOM_FILE))
        ledger = Ledger.from_paths(room, files)
        for path, blob in files.items():
            if path != ROOM_FILE:
                _record(draft, blob, parse_path(path), room.room)
        return ledger

    def _room(self, draft: Draft, blob: str | None) -> Room:
        if blob is None:
            raise ValueError(f"it holds no {ROOM_FILE}")
        room = parse(Room, draft.raw("blob", blob))
        if room.room != self.keys.room_id:
            raise ValueError(f"its {ROOM_FILE} belongs to another room")
        return room

    def _names_of(self, draft: Draft, commit_id: str, room: Room) -> Ledger:
        """Return the state that the names at a commit tell, for a parent that is not itself examined."""
        return Ledger.from_paths(room, files_of(draft, take_apart(draft.raw("commit", commit_id)).tree))

    def _expect_step(self, draft: Draft, commit: ParsedCommit, known: Snapshot) -> tuple[Step, Ledger]:
        """Return what a commit does, and the state after it.

        Its folders need no look of their own: they are built anew, and have to be the same (I2). Only to say what is
        wrong are they read with care.
        """
        if commit.parent != known.tip:
            raise ValueError("it does not follow the commit before it")
        try:
            return self._follow(draft, commit, known, peek_file)
        except (ValueError, InvalidRecord, IllegalStep):
            return self._follow(draft, commit, known, find_file)

    def _follow(self, draft: Draft, commit: ParsedCommit, known: Snapshot, find: Finder) -> tuple[Step, Ledger]:
        step, blob = self._step(draft, commit, known.ledger, find)
        ledger = known.ledger.apply(step)
        self._expect(draft, commit, draft_step(draft, known.tip, step, self.keys.mac_key, blob))
        return step, ledger

    def _step(
        self, draft: Draft, commit: ParsedCommit, ledger: Ledger, find: Finder
    ) -> tuple[Add, str] | tuple[Archive, None]:
        """Return what a commit says that it does, and the blob of the record that it adds."""
        if commit.message.question_id is None:
            if commit.message != archive_message(commit.message.stamp):
                raise ValueError("it is none of the commits that a room consists of")
            return ledger.archive(), None
        place = _place(commit, ledger.room)
        blob = _blob_at(draft, commit.tree, place, find)
        return Add(place, _record(draft, blob, place, self.keys.room_id), commit.message.stamp.peer), blob

    def _expect(self, draft: Draft, commit: ParsedCommit, rebuilt: str) -> None:
        """Compare with what this program would have written, and say what differs."""
        expected = draft.raw("commit", rebuilt)
        if expected == commit.unsigned:
            return
        if take_apart(expected).tree != commit.tree:
            before = "of its parent and this one change" if commit.parent else "with which a room begins"
            raise ValueError(f"its files are not those {before}")
        raise ValueError("its author, time or message is not what its record demands")


def _place(commit: ParsedCommit, room: Room) -> Place:
    """Return the place of the record that a commit names in its subject, its author and its trailer."""
    message, peers = commit.message, room.peers
    question_id = message.question_id or ""
    if ulid_ms(question_id) > MAX_MS:
        raise ValueError("its Question-Id is of a time after the year 9999")
    if message.stamp.peer not in peers:
        raise ValueError("its author is not a peer of this room")
    kind = Kind.ANSWER if message.subject.startswith(f"{message.stamp.peer} answers: ") else Kind.QUESTION
    other = peers[0] if message.stamp.peer == peers[1] else peers[1]
    return Place(question_id, message.stamp.peer if kind is Kind.QUESTION else other, kind)


def _paths_of(ledger: Ledger) -> set[str]:
    """Return the paths of all files at a tip."""
    asked = {**ledger.open, **ledger.answered}
    places = [Place(each, by, Kind.QUESTION) for each, by in asked.items()]
    places += [Place(each, by, Kind.ANSWER) for each, by in ledger.answered.items()]
    return {ROOM_FILE, *map(path_for, places)}


def _clause(error: Exception) -> str:
    if isinstance(error, IllegalStep):
        return error.reason
    if isinstance(error, InvalidRecord):
        return f"its {error.kind} is not acceptable ({'; '.join(map(str, error.problems))})"
    return str(error)
