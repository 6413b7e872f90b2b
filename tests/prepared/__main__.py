"""Imports all of the package, and then forks a process for whoever asks: `python -m tests.prepared SOCKET`."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import peer_relay

_CHILD = {signal.SIGCHLD}


def _import_everything() -> None:
    for module in pkgutil.walk_packages(peer_relay.__path__, "peer_relay."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    gc.freeze()


def _listening(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    return listener


def _wait_for_work(listener: socket.socket) -> dict[str, Any]:
    """Fork for each that asks; return only in the forked process, with what it has to do and its streams in place."""
    askers: dict[int, socket.socket] = {}

    def tell_of_ends(*_: object) -> None:
        while askers:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:  # this interrupted itself, where it had the last of them and had not told it yet
                return
            if pid == 0:
                return
            with askers.pop(pid) as asker, contextlib.suppress(OSError):
                asker.send(b"%d\n" % os.waitstatus_to_exitcode(status))

    signal.signal(signal.SIGCHLD, tell_of_ends)
    while True:
        asker, _ = listener.accept()
        _, streams, _, _ = socket.recv_fds(asker, 1, 3)
        with asker.makefile("rb") as lines:
            request = lines.readline()
        if not request:
            asker.close()  # it was killed
            continue
        signal.pthread_sigmask(signal.SIG_BLOCK, _CHILD)
        pid = os.fork()
        if pid == 0:
            for each in (listener, asker, *askers.values()):
                each.close()
            _take_over(streams)
            work: dict[str, Any] = json.loads(request)
            return work
        askers[pid] = asker
        with contextlib.suppress(OSError):
            asker.send(b"%d\n" % pid)
        for each in streams:
            os.close(each)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _CHILD)


def _take_over(streams: list[int]) -> None:
    """Be as Python is when it starts."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # a shell lets what runs in its background ignore these two
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _CHILD)


def main(path: str) -> None:
    """Listen before importing, so that whoever asks early only waits."""
    listener = _listening(path)
    _import_everything()
    work = _wait_for_work(listener)
    if work["pid_file"]:
        Path(work["pid_file"]).write_text(f"{os.getpid()}\n", encoding="ascii")
    os.chdir(work["folder"])
    os.environ.clear()
    os.environ.update(work["variables"])
    time.tzset()
    module, *arguments = work["command"]
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1])
