"""Runs in the place of ssh while a fault is on: `ssh_wrapper.py PLAN COMMAND...`, where COMMAND would do the real work.

PLAN is a JSON file, see `main`. It imports little, because it is started often.
"""

import json
import os
import subprocess
import sys
import threading
import time


def main(plan_path: str, *command: str) -> int:
    with open(plan_path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs as much as all the rest
        plan = json.load(file)
    mode = plan["mode"]
    write(1, plan.get("greeting", "").encode("latin-1"))
    write(2, plan.get("words", "").encode() * plan.get("times", 1))
    if mode == "work":
        os.execvp(command[0], command)  # noqa: S606 - it takes the place of this program
    if mode == "prompt":
        return prompt()
    if mode == "cut":
        cut(command, plan)
    if plan.get("then") == "hang":
        hang()
    return 255


def prompt() -> int:
    """Ask for a password as ssh does without BatchMode: on the terminal, or not at all."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
    except OSError:
        write(2, b"me@host: Permission denied (publickey,password).\n")
        return 255
    write(terminal, b"me@host's password: ")
    os.read(terminal, 100)
    return 255


def cut(command: tuple[str, ...], plan: dict[str, object]) -> None:
    """Let the real program begin, and stop in the middle of what it says or reads.

    `answer` says how much of its answer gets through at once: `some` of it, `listing` (up to the first flush packet) or
    `pack` (up to the beginning of a pack). `taken` is how many bytes it gets to read, None for all of them. `rest` is
    what becomes of the rest of its answer: `nothing`, `half` or `slow`.
    """
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    threading.Thread(target=feed, args=(child, plan["taken"]), daemon=True).start()
    {"some": some, "listing": listing, "pack": up_to_the_pack}[str(plan["answer"])](child)
    if plan["rest"] == "slow":
        for byte in iter(lambda: child.stdout.read(1), b""):
            write(1, byte)
            time.sleep(1)
    if plan["answer"] == "listing":  # what it was told to do is done when it has said everything
        rest = child.stdout.read()
        write(1, rest[: len(rest) // 2] if plan["rest"] == "half" else b"")
    child.kill()


def feed(child: subprocess.Popen[bytes], limit: int | None) -> None:
    """Pass on what comes, up to a number of bytes, and then the end."""
    try:
        while limit is None or limit > 0:
            piece = os.read(0, 65536 if limit is None else limit)
            if not piece:
                break
            child.stdin.write(piece)
            child.stdin.flush()
            limit = None if limit is None else limit - len(piece)
        child.stdin.close()
    except OSError:
        pass


def some(child: subprocess.Popen[bytes]) -> None:
    write(1, child.stdout.read(30))


def listing(child: subprocess.Popen[bytes]) -> None:
    while True:
        size = child.stdout.read(4)
        write(1, size)
        if size == b"0000":
            return
        write(1, child.stdout.read(int(size, 16) - 4))


def up_to_the_pack(child: subprocess.Popen[bytes]) -> None:
    passed = b""
    while not passed.endswith(b"packfile\n"):
        byte = child.stdout.read(1)
        write(1, byte)
        passed += byte
    write(1, child.stdout.read(20))


def hang() -> None:
    while True:
        time.sleep(3600)


def write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
