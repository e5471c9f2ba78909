"""The command line: runs one command of `trimtab.commands` and turns what goes wrong into a message and an exit code.

Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted. Nothing is imported here before somebody listens for Ctrl-C,
so that it is an exit code at every instant and not death by a signal.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

_INTERRUPTED = 130


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, as a class of its own.

    Once a plain KeyboardInterrupt has passed through code that was compiled from a string, as every dataclass is made
    by, `python -m` ends by killing itself with SIGINT, whatever exit code it was given.
    """


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        # not where Ctrl-C is meant to be ignored, as by a shell's background jobs
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _interrupt)
        code = run_command(sys.argv[1:])
        # nothing is left but the interpreter's own end, which Ctrl-C would turn into death by a signal
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:  # pressed again, or between two of our own lines
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        code = _INTERRUPTED
    sys.exit(code)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise Interrupted


def run_command(arguments: list[str]) -> int:
    """Run one command and return its exit code; errors are one message on stderr."""
    try:
        return _run_command(arguments)
    except KeyboardInterrupt:
        print("trimtab: interrupted; finished stages are kept, run again to go on", file=sys.stderr)
        return _INTERRUPTED


def _run_command(arguments: list[str]) -> int:
    import typer

    from trimtab.commands import app
    from trimtab.errors import TrimtabError

    try:
        code = app(arguments, standalone_mode=False)
        if code == _INTERRUPTED:  # typer turns Ctrl-C into this code
            raise KeyboardInterrupt
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except TrimtabError as error:
        print(f"trimtab: {error}", file=sys.stderr)
        return error.exit_code
    except typer.Abort:
        raise KeyboardInterrupt from None
    except BrokenPipeError:
        return _nobody_reads()
    except SystemExit as stop:
        # a long answer meets the closed pipe inside typer, which leaves by this way
        if isinstance(stop.__context__, BrokenPipeError):
            return _nobody_reads()
        raise
    except typer.Exit as stop:
        return stop.exit_code
    except OSError as error:
        # a file or a disk outside the store: its name and the system's reason are all there is to say
        where = f"{error.filename}: " if error.filename else ""
        print(f"trimtab: {where}{error.strerror or error}", file=sys.stderr)
        return 1
    except Exception as error:
        if type(error).__module__.startswith(("click", "typer")):
            return _usage_error(error)
        raise


def _nobody_reads() -> int:
    """Let go of stdout, whose reader went away: nothing more can be said there."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0


def _usage_error(error: Any) -> int:
    """Print what typer found wrong with the arguments."""
    error.show()
    return 2
