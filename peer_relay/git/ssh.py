"""Mailboxes at ssh addresses: the user's own ssh program, with the user's own configuration and keys.

1. ssh never asks: BatchMode, no terminal, no askpass. A key with a passphrase has to be in the agent.
2. The deadline kills ssh and its process group, so a host that accepts and says nothing ends on time; the end of an
   operation ends them, too. Nothing outlives `close`.
3. What ssh writes to its standard error goes to a temporary file, because a pipe that nobody reads stops ssh. Only its
   end is read, and only to say why an operation failed. It holds what the remote says, too, so ssh is killed once there
   are more than `MAX_STDERR_BYTES`.
4. Only where a person asks how the login is made is ssh told to say it, because it then repeats the host's greeting,
   too. None of that gets into the words that are shown once the login is made.
5. The words of `GIT_SSH_COMMAND` come first, so that its options win over these (the first one counts for OpenSSH).
6. Sessions share one connection where they can (`multiplexing`), but for the one of a person who asks how the login is
   made. ssh makes a new one by itself if that is dead, and so does the operation after one that failed. No session is
   kept: git reads where a branch is once in a session, so a second question would be given the first answer.

The program is taken for OpenSSH, or for a script that passes its arguments on to it, unless it is called plink or
tortoiseplink: those get their own options for the port and for not asking, and none of OpenSSH's.
"""

from __future__ import annotations

import io
import math
import os
import re
import tempfile
import threading
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING

from dulwich.client import TraditionalGitClient
from dulwich.protocol import Protocol

from peer_relay.errors import NotAGitServer, TooLarge, TransportError, Unreachable
from peer_relay.git import process
from peer_relay.git.limits import MAX_STDERR_BYTES
from peer_relay.git.multiplexing import Multiplexing
from peer_relay.git.outcomes import contact_failure
from peer_relay.git.smart import NOT_GIT, SmartTransport
from peer_relay.git.words import clean, last_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

    from peer_relay.git.environment import NetworkEnvironment
    from peer_relay.git.remote import Remote
    from peer_relay.git.smart import Operation

_GREETING_ADVICE = "Check the address, and that the shell of that account prints nothing of its own."
_GRACE_S = 1.0
_LOOK_EVERY_S = 0.1
_STDERR_BYTES = 8192
_STDERR_LINES = 6
_FETCH_SERVICE = "git-upload-pack"
_PROTOCOL_VARIABLE = "GIT_PROTOCOL"
_SETTINGS = ("ServerAliveInterval=5", "ServerAliveCountMax=3", f"SendEnv={_PROTOCOL_VARIABLE}")
# What OpenSSH says with LogLevel=VERBOSE: older ones without the method, and all of them more at the end.
_LET_IN = re.compile(r'^Authenticated to .*?(?: using "(?P<method>[a-z0-9@.-]{1,60})")?\.\r?\n', re.MULTILINE)
_TRAFFIC = re.compile(r"^(?:Transferred|Bytes per second): sent .*\n?", re.MULTILINE)
_PUTTY = re.compile(r"(tortoise)?plink(\.exe)?", re.IGNORECASE)


class SshTransport(SmartTransport):
    """A repository on a host that the user's ssh reaches."""

    def __init__(self, remote: Remote, environment: NetworkEnvironment) -> None:
        super().__init__(remote)
        self._environment = environment
        self._path = remote.path.encode()
        self._shared = Multiplexing(environment)
        self._call: _Call | None = None
        self._login = ""

    @property
    def login(self) -> str:
        """See `Transport.login`: the program and, once a person asked and OpenSSH said so, the method."""
        return self._login

    def close(self) -> None:
        """See `Transport.close`. Each operation has ended its own ssh, unless it is still going on."""
        if self._call is not None:
            self._call.kill()
        self._shared.end()

    @contextmanager
    def _open(self, operation: Operation) -> Iterator[_Client]:
        with tempfile.TemporaryFile() as stderr:
            self._call = call = _Call(self._remote, self._environment, self._shared, operation, stderr)
            over = threading.Event()
            guard = threading.Thread(target=call.guard, args=(over,), daemon=True)
            guard.start()
            try:
                yield _Client(call)
                self._login = self._login or call.program
            except BaseException:
                self._shared.end()  # whatever is wrong with it, the next operation begins anew
                raise
            finally:
                call.end()
                over.set()
                guard.join()
                self._login = f"{call.program} ({call.method})" if call.method else self._login

    def _last_words(self) -> str:
        return self._call.words if self._call is not None else ""

    def _failure(self, error: Exception, act: str) -> TransportError:
        if self._call is not None and self._call.is_flooded:
            return TooLarge(remote=self.remote, reason=f"messages of more than {MAX_STDERR_BYTES:,} bytes")
        return super()._failure(error, act)

    def _nonsense(self, act: str) -> TransportError:
        """Return the error for an answer that ends in the middle, or that something else stands in front of."""
        if self._call is None or not self._call.broke_off:
            return NotAGitServer(remote=self.remote, reason=NOT_GIT, advice=_GREETING_ADVICE)
        if self._call.words:
            return contact_failure(self.remote, act, self._call.words)
        return Unreachable(remote=self.remote, reason="the connection broke off")


class _Call:
    """One run of ssh."""

    def __init__(
        self,
        remote: Remote,
        environment: NetworkEnvironment,
        shared: Multiplexing,
        operation: Operation,
        stderr: IO[bytes],
    ) -> None:
        self.words = ""
        self.broke_off = False
        self.is_flooded = False
        self.method: str | None = None
        self._argv = environment.ssh_command or ("ssh",)
        self._remote = remote
        self._environment = environment
        self._shared = shared
        self._operation = operation
        self._stderr = stderr
        self._process: process.Process | None = None
        self._lock = threading.Lock()
        self._killed = False

    @property
    def program(self) -> str:
        """The program's name as it may be shown."""
        return clean(self._argv[0])

    def start(self, service: str, path: str) -> Protocol:
        """Run git's side of a conversation on the remote host and return ours.

        Raises:
            Unreachable: there is no ssh program.
        """
        program, *rest = self._argv
        environ = {name: value for name, value in self._environment.environ.items() if name != _PROTOCOL_VARIABLE}
        if service == _FETCH_SERVICE:
            environ[_PROTOCOL_VARIABLE] = "version=2"
        options = [*self._options(program), *self._sharing()]
        argv = [program, *rest, *options, self._destination, f"{service} {_quoted(path)}"]
        with self._lock:
            try:
                self._process = started = process.start(argv, environ, stderr=self._stderr)
            except OSError as error:
                raise self._no_program(error) from None
            if self._killed:
                process.kill(started)
        return self._conversation(started)

    def _sharing(self) -> list[str]:
        """Return the options for the connection that is shared: none for who asks about the login of a new one."""
        if self._operation.asks_how:
            return []
        return self._shared.options(self._argv, [*_port("-p", self._remote.port), self._destination])

    def _conversation(self, started: process.Process) -> Protocol:
        stdin, stdout = started.stdin, started.stdout
        assert stdin is not None  # noqa: S101 - `process.start` makes both pipes
        assert stdout is not None  # noqa: S101 - the same

        def read(size: int) -> bytes:
            stdin.flush()
            data = stdout.read(size)
            self._operation.spend(len(data))
            self.broke_off = len(data) < size
            return data

        return Protocol(self._operation.counted(read), stdin.write)

    def guard(self, over: threading.Event) -> None:
        """Kill ssh at the deadline, or before if its messages fill the disk; until the operation is over."""
        deadline = self._operation.deadline
        while not over.wait(min(_LOOK_EVERY_S, deadline.remaining_s())):
            self.is_flooded = os.fstat(self._stderr.fileno()).st_size > MAX_STDERR_BYTES
            if self.is_flooded or deadline.expired:
                self.kill()
                break

    def kill(self) -> None:
        """Kill ssh, now or as soon as it is started. May be called from another thread."""
        with self._lock:
            self._killed = True
            if self._process is not None:
                process.kill(self._process)

    def end(self) -> None:
        """End ssh, and keep the end of what it wrote to its standard error."""
        if self._process is not None:
            process.end(self._process, _GRACE_S)
        size = self._stderr.seek(0, io.SEEK_END)
        self._stderr.seek(max(0, size - _STDERR_BYTES))
        said = self._stderr.read().decode("utf-8", "replace")
        if self._operation.asks_how:
            self.method, said = _method_and_rest(said)
        self.words = last_lines(said, _STDERR_LINES)

    def _options(self, program: str) -> list[str]:
        port = self._remote.port
        if _PUTTY.fullmatch(re.split(r"[/\\]", program)[-1]):
            return ["-batch", *_port("-P", port)]
        seconds = math.ceil(self._operation.deadline.remaining_s()) or 1
        level = "VERBOSE" if self._operation.asks_how else "ERROR"
        settings = ["BatchMode=yes", f"ConnectTimeout={seconds}", f"LogLevel={level}", *_SETTINGS]
        return ["-x", *chain(*(("-o", each) for each in settings)), *_port("-p", port)]

    @property
    def _destination(self) -> str:
        return f"{self._remote.username}@{self._remote.host}" if self._remote.username else self._remote.host

    def _no_program(self, error: OSError) -> Unreachable:
        why = clean(error.strerror or "it does not start")
        reason = f"the program {self.program} does not start ({why})"
        advice = "Install OpenSSH, or name your ssh program in GIT_SSH_COMMAND."
        return Unreachable(remote=self._operation.remote, reason=reason, advice=advice)


class _Client(TraditionalGitClient):
    """dulwich's client for git's protocol over a stream."""

    def __init__(self, call: _Call) -> None:
        super().__init__()
        self._call = call

    def _connect(
        self, cmd: bytes, path: str | bytes, protocol_version: int | None = None
    ) -> tuple[Protocol, Callable[[], bool], None]:
        """Start the conversation. Nothing is read while there is more to be said: see `_TipOnly`, which says little."""
        del protocol_version
        # The path of an ssh:// address begins with a slash, also where it begins in somebody's home.
        path = path.decode() if isinstance(path, bytes) else path
        service = f"git-{cmd.decode()}"
        return self._call.start(service, path.removeprefix("/") if path.startswith("/~") else path), _no, None


def _port(option: str, port: int | None) -> list[str]:
    return [option, str(port)] if port else []


def _no() -> bool:
    return False


def _method_and_rest(said: str) -> tuple[str | None, str]:
    """Take apart what ssh wrote with LogLevel=VERBOSE.

    Returns:
        The method of the login, if it says so; and what it would have written without, as far as it comes after the
        login: what comes before is the host's greeting.
    """
    let_in = _LET_IN.search(said)
    rest = said if let_in is None else said[let_in.end() :]
    return (let_in and let_in["method"]), _TRAFFIC.sub("", rest)


def _quoted(path: str) -> str:
    """Quote a path for the remote shell as git does, also where it is not needed: some servers expect the quotes."""
    return "'" + path.replace("'", "'\\''") + "'"
