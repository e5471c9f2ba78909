"""Child processes that may be killed, ways to kill them, and what they leave running."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

_HEAVY = [
    "trimtab.fit.tune",
    "trimtab.models.activations",
    "tiny_models",
    "peft",
    "transformers.models.auto.modeling_auto",
    "transformers.models.gpt2.modeling_gpt2",
    "transformers.models.llama.modeling_llama",
    "transformers.models.bert.modeling_bert",
]
_LIBRARY = ctypes.CDLL(None)


def start_child(target: Callable[..., None], *arguments: Any, heavy: bool = True) -> BaseProcess:
    """Start a function in a child process: a fork of a server that has imported the heavy packages once, or one that
    begins with nothing, whose own forks cost little.
    """
    context = multiprocessing.get_context("forkserver" if heavy else "spawn")
    context.set_forkserver_preload(_HEAVY)
    child = context.Process(target=target, args=arguments)  # pyright: ignore[reportAttributeAccessIssue]
    child.start()
    return child


def end_child(child: BaseProcess, seconds: float = 120) -> int:
    """Wait for a child and return its exit code; -9 where it was killed."""
    child.join(seconds)
    if child.exitcode is None:
        child.kill()
        raise AssertionError(f"the child did not end within {seconds} s")
    return child.exitcode


def run_child(target: Callable[..., None], *arguments: Any) -> int:
    """Run a function in a child process and return its exit code; -9 where it was killed."""
    return end_child(start_child(target, *arguments))


def fork(action: Callable[[], None]) -> int:
    """Run an action in a fork of this process; return the fork's process id."""
    child = os.fork()
    if child == 0:
        try:
            action()
        except BaseException as error:  # noqa: BLE001  (whatever it was, the child must end here)
            sys.excepthook(type(error), error, error.__traceback__)
            os._exit(1)
        os._exit(0)
    return child


def ended(child: int) -> int:
    """Wait for a fork; return its exit code, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def forked(action: Callable[[], None]) -> int:
    """Run an action in a fork of this process; return its exit code, or minus the signal that killed it."""
    return ended(fork(action))


def count_changes(root: Path, at: Callable[[int], None]) -> None:
    """Call `at(n)` before the n-th change of this process under `root`: opening to write, renaming, removing."""
    seen = [0]
    prefix = str(root)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree"):
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        if str(arguments[0]).startswith(prefix):
            seen[0] += 1
            at(seen[0])

    sys.addaudithook(hook)


def die() -> None:
    """Kill this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at_change(number: int, root: Path) -> None:
    """Kill this process before its n-th change under `root`."""
    count_changes(root, lambda n: die() if n == number else None)


class _Event(ctypes.Structure):
    """What a timer of the system does: send a signal (`sigevent` of glibc, which takes 64 bytes)."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_byte * 48),
    )


def kill_after(seconds: float) -> None:
    """Kill this process after some time, wherever it is then.

    By a timer of the system: a thread of Python's would wait for the others to let it run.
    """
    timer, nanoseconds = ctypes.c_void_p(), max(1, int(seconds * 1e9))
    event = _Event(signal=signal.SIGKILL)
    assert _LIBRARY.timer_create(time.CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)) == 0
    # first the interval at which it repeats, then the time until it is due, in seconds and nanoseconds each
    due = (ctypes.c_long * 4)(0, 0, *divmod(nanoseconds, 10**9))
    assert _LIBRARY.timer_settime(timer, 0, due, None) == 0


_die_of = ctypes.CFUNCTYPE(None, ctypes.c_int)(lambda _number: die())


def kill_in_write(size: int) -> None:
    """Kill this process in the middle of the first file that grows past `size` bytes, which stay written.

    The system signals the thread that writes, inside its call. A handler of Python's own would run only after the
    library that writes had met the error and tidied up; this one is called at once and does not return.
    """
    _LIBRARY.signal(signal.SIGXFSZ, _die_of)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def alive_in(session: int) -> list[int]:
    """Return the processes of a session that have not ended (Linux)."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == session and fields[0] not in "ZX":
            found.append(int(status.parent.name))
    return found


def seconds_outlived(session: int, patience_s: float = 10) -> float:
    """Wait until nothing of a session is left and return how long that took, in seconds."""
    began = time.monotonic()
    while left := alive_in(session):
        took = time.monotonic() - began
        if took > patience_s:
            lines = [Path(f"/proc/{one}/cmdline").read_bytes().replace(b"\0", b" ").decode() for one in left]
            raise AssertionError(f"still alive {took:.1f} s after their parent was killed: {lines}")
        time.sleep(0.01)
    return time.monotonic() - began
