"""A mailbox that is a folder on this machine or on a shared disk: the `Transport` for a path.

It reads and writes the repository's own files, because dulwich's client for local paths adds a pack to the shared
repository at each push and reads branches after it has collected their objects.

1. Objects are durable before the branch points to them, and the branch is durable before `push` returns.
2. The branch is compared and replaced under its lock file, which is what git and everybody else who writes there takes.
3. Another program's lock is never broken: on a shared disk its owner may be alive on another machine. The lock of a
   process of ours that was killed is known as such and is removed by the next one that writes (`branch_lock`).
4. No object is built before its size, and the sizes of what it is stored as a difference to, are known to be small.
5. The repository is opened for each call: nothing is kept that another program could change meanwhile (`opening`).
6. A branch never points to a commit of which something is missing.
7. After a push it is packed a little if there is much in it; that never fails the push (`upkeep`).

Not promised: the deadline does not interrupt a system call, which on a network disk may hang.
"""

from __future__ import annotations

import errno
import os
import re
import tempfile
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from dulwich.errors import NotGitRepository
from dulwich.file import adjust_shared_perm
from dulwich.object_format import DEFAULT_OBJECT_FORMAT
from dulwich.objects import ObjectID, valid_hexsha
from dulwich.pack import PackFileDisappeared
from dulwich.refs import HEADREF, LOCAL_BRANCH_PREFIX, SYMREF, DiskRefsContainer, Ref, check_ref_format
from dulwich.repo import InvalidWorktreeConfiguration, UnsupportedExtension, UnsupportedVersion

from peer_relay.crash_points import CrashPoint, reached
from peer_relay.disk import reason_of, sync_folder, without_waiting
from peer_relay.errors import (
    AccessDenied,
    BranchLocked,
    DeadlineExceeded,
    MalformedPack,
    Moved,
    NotAGitServer,
    OutcomeUnknown,
    PushBlocked,
    PushRefused,
    RepositoryNotFound,
    Unreachable,
)
from peer_relay.git.branch_lock import BranchLock
from peer_relay.git.collect import Collector, object_folders
from peer_relay.git.connected import are_in_line, is_complete
from peer_relay.git.inplace import InPlace
from peer_relay.git.limits import MAX_STORED_BYTES, MOST_BYTES, check_file_size
from peer_relay.git.objects import Objects
from peer_relay.git.opening import Opening, Parts
from peer_relay.git.outcomes import CONFLICT_ADVICE, FULL_ADVICE, MISSING_OBJECTS
from peer_relay.git.packfile import DAMAGE
from peer_relay.git.transport import FetchReply
from peer_relay.git.upkeep import Upkeep

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dulwich.file import SharedPerm
    from dulwich.objects import ShaFile
    from dulwich.repo import Repo

    from peer_relay.deadline import Deadline
    from peer_relay.errors import TransportError
    from peer_relay.git.remote import Remote
    from peer_relay.git.transport import FetchRequest

Opened = TypeVar("Opened", "Parts | Repo", "Repo")

_LOCK_WAIT_S = 0.01
# A push holds the lock for milliseconds, so one that is this old was left behind.
_ABANDONED_S = 600.0
_REF_BYTES = 1024
_PROBE_BYTES = 4096
_PLAIN_FORM = "Make the mailbox with `git init --bare` and no other options."
_REFS = b"refs"
_PACKED_REFS = b"packed-refs"
_PACKED = re.compile(rb"([0-9a-f]{40}) (.+)\n")
_NAME_AT = 41
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class LocalTransport:
    """The repository at a path, bare or with a working tree, in the places where git looks for it."""

    def __init__(self, remote: Remote) -> None:
        self._opening = Opening(str(Path(remote.path)))
        self._display = remote.display
        self._upkeep = Upkeep()

    @property
    def remote(self) -> str:
        """The path as it may be shown."""
        return self._display

    @property
    def login(self) -> str:
        """What lets this process in: nothing but the system."""
        return "file permissions of this machine's user"

    def close(self) -> None:
        """Do nothing: nothing is kept between calls."""

    def read_ref(self, ref: bytes, deadline: Deadline) -> bytes | None:
        """Return the commit that a branch points to, or None; see `Transport.read_ref`."""
        with self._errors("read"), self._open() as repo:
            self._check(deadline)
            return self._read(repo, ref)

    def fetch(self, request: FetchRequest, sink: BinaryIO, deadline: Deadline) -> FetchReply:
        """Write what the clone lacks as one pack; see `Transport.fetch`."""
        start = sink.tell()
        with self._errors("read"):
            self._check(deadline)
            try:
                return self._fetch(request, sink, deadline)
            except (KeyError, PackFileDisappeared, FileNotFoundError):
                # Somebody repacked the repository in between. What is missing the second time is missing.
                sink.seek(start)
                sink.truncate()
                return self._fetch(request, sink, deadline)

    def push(
        self, ref: bytes, expected: bytes | None, new: bytes, objects: Sequence[ShaFile], deadline: Deadline
    ) -> None:
        """Move the branch by compare-and-swap; see `Transport.push`."""
        with self._errors("write"), self._open() as repo:
            self._check(deadline)
            if self._is_done(repo, ref, expected, new):
                return
            with self._upkeep.put(repo, objects):
                self._refuse_gap(expected, new, objects, deadline)
                reached(CrashPoint.OBJECTS_DURABLE)
                self._swap(repo, ref, expected, new, deadline)
            self._upkeep.after_push(repo, deadline)

    def check_write(self, ref: bytes, deadline: Deadline) -> None:
        """Write where a push would, and take it away again; see `Transport.check_write`."""
        with self._errors("write"), self._open() as repo:
            self._check(deadline)
            self._refuse_conflict(repo, ref, _ref_path(repo, ref))
            folder = _ref_path(repo, ref).parent
            while not folder.exists():
                folder = folder.parent
            for each in (Path(repo.object_store.path), folder):
                _write_and_forget(each)

    def default_branch(self, deadline: Deadline) -> bytes | None:
        """Return the branch that the file HEAD names; see `Transport.default_branch`."""
        with self._errors("read"), self._open() as repo:
            self._check(deadline)
            with open(_ref_name(repo, HEADREF), "rb", opener=without_waiting) as file:
                name = file.read(_REF_BYTES).removeprefix(SYMREF).rstrip(b"\r\n")
            if not name.startswith(LOCAL_BRANCH_PREFIX) or not check_ref_format(Ref(name)):
                return None
            return name if _ref_path(repo, name).is_file() or Ref(name) in _packed_refs(repo) else None

    # -----------------------------------------------------------------------------------------------------------------
    # Reading

    @contextmanager
    def in_place(self, deadline: Deadline | None = None) -> Iterator[InPlace | None]:
        """Open the repository's objects, to be read where they are; None if it is shallow.

        Args:
            deadline: by when the reading has to end; None for no such time.

        Raises:
            TransportError: it cannot be opened; also by what is read.
        """

        def check() -> None:
            if deadline is not None:
                self._check(deadline)

        with ExitStack() as stack:
            with self._errors("read"):
                repo = stack.enter_context(self._open_whole())
                objects = Objects(object_folders(repo.object_store), self._display, MAX_STORED_BYTES)
                is_shallow = bool(repo.get_shallow())
            source = stack.enter_context(closing(InPlace(objects, partial(self._system_error, "read"), check)))
            yield None if is_shallow else source

    def _fetch(self, request: FetchRequest, sink: BinaryIO, deadline: Deadline) -> FetchReply:
        with self._open_whole() as repo:
            tip = self._read(repo, request.ref)
            if tip is None or tip == request.have:
                return FetchReply(tip=tip)
            with Collector(repo, self._display, lambda: self._check(deadline)) as collector:
                shallow = collector.collect(ObjectID(tip), request)
                collector.write(sink, request.max_bytes)
            return FetchReply(tip=tip, shallow=shallow)

    def _open(self) -> Parts | Repo:
        """Open the repository for a look or a push."""
        return self._readable(self._opening.parts())

    def _open_whole(self) -> Repo:
        """Open the repository with everything that is in it."""
        return self._readable(self._opening.whole())

    def _readable(self, repo: Opened) -> Opened:
        if isinstance(repo.refs, DiskRefsContainer) and repo.object_store.object_format is DEFAULT_OBJECT_FORMAT:
            return repo
        repo.close()
        reason = "the repository is of a newer form, with SHA-256 names or a reftable"
        raise NotAGitServer(remote=self._display, reason=reason, advice=_PLAIN_FORM)

    def _read(self, repo: Parts | Repo, ref: bytes) -> bytes | None:
        """Return where a branch points to.

        dulwich's own look-up takes a file that may not be read for one that is not there. A repository that is taken
        away meanwhile, as a disk is, has no branch any more and did not lose one.
        """
        value = _ref_value(repo, ref)
        if value is None:
            if not os.path.exists(_ref_path(repo, HEADREF)):
                raise NotGitRepository
            value = _ref_value(repo, ref)  # it may have come back
        if value is None:
            return None
        if not valid_hexsha(value):
            raise MalformedPack(remote=self._display, reason="the branch's file does not hold the name of a commit")
        return value

    # -----------------------------------------------------------------------------------------------------------------
    # Writing

    def _is_done(self, repo: Parts | Repo, ref: bytes, expected: bytes | None, new: bytes) -> bool:
        """Whether the branch is at `new` already; `Moved` if it is neither there nor at `expected`."""
        current = self._read(repo, ref)
        if current not in (expected, new):
            raise Moved(remote=self._display)
        return current == new

    def _swap(self, repo: Parts | Repo, ref: bytes, expected: bytes | None, new: bytes, deadline: Deadline) -> None:
        path, permissions = _ref_path(repo, ref), repo.object_store.shared_perm
        there = os.path.isdir(path.parent)
        created = [] if there else self._make_folders(path.parent, _ref_path(repo, _REFS), permissions)
        try:
            with BranchLock(path, new + b"\n", permissions) as lock:
                while not lock.take():
                    self._wait_for_lock(lock.path, deadline)
                if self._is_done(repo, ref, expected, new):
                    return
                if expected is None or path.is_dir():  # a branch that has a file has no conflict
                    self._refuse_conflict(repo, ref, path)
                if not lock.move_branch():
                    raise OutcomeUnknown(remote=self._display, reason="somebody removed the branch's lock meanwhile")
        except NotADirectoryError as error:
            raise self._conflict() from error
        self._sync([path.parent, *created])
        reached(CrashPoint.BRANCH_UNLOCKED)

    def _sync(self, folders: Sequence[Path]) -> None:
        try:
            for folder in folders:
                sync_folder(folder)
        except OSError as error:
            raise OutcomeUnknown(remote=self._display, reason=reason_of(error)) from error

    def _make_folders(self, folder: Path, top: Path, permissions: SharedPerm | None) -> list[Path]:
        """Make a branch's folders and return those whose list of names has changed.

        Only below `top`: a repository that was taken away meanwhile must not get a hollow one in its place.
        """
        missing = [each for each in takewhile(lambda each: each != top, [folder, *folder.parents]) if not each.exists()]
        try:
            for each in reversed(missing):
                each.mkdir(exist_ok=True)
                adjust_shared_perm(each, permissions)
        except (FileExistsError, NotADirectoryError) as error:
            raise self._conflict() from error
        return [each.parent for each in missing]

    def _wait_for_lock(self, lock: Path, deadline: Deadline) -> None:
        """Wait a moment, unless the lock was left behind or the time is over (3)."""
        age_s = 0.0
        with suppress(FileNotFoundError):
            age_s = time.time() - lock.stat().st_mtime
        if age_s > _ABANDONED_S:
            reason = f"its lock {lock} is {age_s / 60:.0f} minutes old"
            raise BranchLocked(remote=self._display, reason=reason)
        if deadline.remaining_s() <= _LOCK_WAIT_S:
            raise BranchLocked(remote=self._display, reason=f"another program holds its lock {lock}")
        time.sleep(_LOCK_WAIT_S)

    def _refuse_gap(self, expected: bytes | None, new: bytes, objects: Sequence[ShaFile], deadline: Deadline) -> None:
        """Let no branch point to a commit whose history or files are not all here (6)."""
        if are_in_line(objects, expected, new):
            return
        with self._open_whole() as repo:
            if not is_complete(repo, new, expected, self._display, lambda: self._check(deadline)):
                raise PushRefused(remote=self._display, words=MISSING_OBJECTS)

    def _refuse_conflict(self, repo: Parts | Repo, ref: bytes, path: Path) -> None:
        packed = _packed_refs(repo)
        if path.is_dir() or any(name.startswith(ref + b"/") or ref.startswith(name + b"/") for name in packed):
            raise self._conflict()

    def _conflict(self) -> PushBlocked:
        words = "there is another branch whose name begins with the room's, or is the beginning of it"
        return PushBlocked(remote=self._display, words=words, advice=CONFLICT_ADVICE)

    # -----------------------------------------------------------------------------------------------------------------
    # Both

    def _check(self, deadline: Deadline) -> None:
        if deadline.expired:
            raise DeadlineExceeded(remote=self._display, seconds=deadline.seconds)

    @contextmanager
    def _errors(self, act: str) -> Iterator[None]:
        """Turn what dulwich and the system raise into the contract's errors."""
        try:
            yield
        except NotGitRepository as error:
            raise RepositoryNotFound(remote=self._display) from error
        except (UnsupportedVersion, UnsupportedExtension, InvalidWorktreeConfiguration) as error:
            reason = "the repository needs a newer git"
            raise NotAGitServer(remote=self._display, reason=reason, advice=_PLAIN_FORM) from error
        except DAMAGE as error:
            reason = "an object or file of the repository cannot be read"
            raise MalformedPack(remote=self._display, reason=reason) from error
        except OSError as error:
            raise self._system_error(act, error) from error

    def _system_error(self, act: str, error: OSError) -> TransportError:
        if isinstance(error, PermissionError) or error.errno == errno.EROFS:
            return AccessDenied(remote=self._display, act=act, reason=reason_of(error))
        if error.errno in _FULL:
            return PushBlocked(remote=self._display, words=reason_of(error), advice=FULL_ADVICE)
        return Unreachable(remote=self._display, reason=reason_of(error))


def _ref_path(repo: Parts | Repo, ref: bytes) -> Path:
    return Path(_ref_name(repo, ref))


def _ref_name(repo: Parts | Repo, ref: bytes) -> str:
    assert isinstance(repo.refs, DiskRefsContainer)  # noqa: S101 - as `_open` has made sure
    return os.fsdecode(repo.refs.refpath(Ref(ref)))


def _ref_value(repo: Parts | Repo, ref: bytes) -> bytes | None:
    """Return what a branch's file holds, or the list of packed ones; None if neither has it."""
    try:
        with open(_ref_name(repo, ref), "rb", buffering=0, opener=without_waiting) as file:
            return file.read(_REF_BYTES).rstrip(b"\r\n")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return _packed_value(repo, ref)


def _packed_value(repo: Parts | Repo, ref: bytes) -> bytes | None:
    """Return what the list of packed branches says of one: git sorts it, so a few lines are enough if it is there."""
    path = _ref_name(repo, _PACKED_REFS)
    with suppress(FileNotFoundError), open(path, "rb", opener=without_waiting) as file:
        low, high = 0, os.fstat(file.fileno()).st_size
        while low < high:
            middle = (low + high) // 2
            if b"" < _next_line(file, middle)[_NAME_AT:].rstrip(b"\n") < ref:
                low = middle + 1
            else:
                high = middle
        if (found := _PACKED.fullmatch(_next_line(file, low))) and found[2] == ref:
            return found[1]
    return _packed_refs(repo).get(Ref(ref))


def _packed_refs(repo: Parts | Repo) -> dict[Ref, ObjectID]:
    """Return the list of packed branches: one of 100 MB took 300 MB and 16 s."""
    with suppress(OSError):
        check_file_size(Path(_ref_name(repo, _PACKED_REFS)).stat().st_size, MOST_BYTES["packed-refs"])
    return repo.refs.get_packed_refs()


def _next_line(file: BinaryIO, offset: int) -> bytes:
    """Return the first line after the one at an offset that names a branch."""
    file.seek(offset)
    file.readline(_REF_BYTES)
    line = file.readline(_REF_BYTES)
    return file.readline(_REF_BYTES) if line.startswith(b"^") else line


def _write_and_forget(folder: Path) -> None:
    """Write a little to a folder's file system, in a file that git would not take for an object or a branch."""
    with tempfile.TemporaryFile(dir=folder, prefix="tmp_obj_", suffix=".lock") as file:
        file.write(bytes(_PROBE_BYTES))
        file.flush()
        os.fsync(file.fileno())
