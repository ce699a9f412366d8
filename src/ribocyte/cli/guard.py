"""What goes wrong, as one line on stderr and an exit code; and how work is stopped from outside."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import traceback
from types import FrameType
from typing import Any, Self

import typer
from typer.core import TyperCommand

from ribocyte.cli import present
from ribocyte.errors import RibocyteError


class Command(TyperCommand):
    """A subcommand whose failures are explained in one line; ``--debug`` adds the traceback.

    Exit codes: 1 where the work failed, 2 where the request was wrong. Usage errors are typer's and 2 as well.
    """

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the command."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # while a full disk or a closed pipe can still be told
        except typer.Exit:
            raise
        except (Exception, KeyboardInterrupt) as error:
            if ctx.find_root().params["debug"]:
                traceback.print_exc()
            raise typer.Exit(_explain(error)) from None
        return result


class StopRequest:
    """Ctrl-C or SIGTERM as a wish: the first is noted, and a second stops at once.

    While nobody has asked yet, as long as data is being read, there is nothing to finish and the first one
    stops at once too. Use it as a context manager, and call it to ask.
    """

    def __init__(self) -> None:
        self.wished = self.asked = False
        self.previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self.previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        """Say whether a stop was asked for."""
        self.asked = True
        return self.wished

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self.wished or not self.asked:
            raise KeyboardInterrupt
        self.wished = True
        if not present.is_helper():
            # Straight to the descriptor: the signal may have come in the middle of a write to sys.stderr.
            os.write(2, b"\nribocyte: finishing this step; once more stops at once\n")


_WRONG_PATHS = {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EACCES}


def _explain(error: BaseException) -> int:
    """Say in one line on stderr what went wrong; give the exit code."""
    match error:
        case RibocyteError():
            if not present.is_helper():  # the first process says it for all
                present.complain(str(error))
            return error.exit_code
        case BrokenPipeError():  # whoever read our output has seen enough
            _abandon_output()
        case KeyboardInterrupt():
            present.complain("stopped")
        case MemoryError():
            present.complain("not enough memory")
        case RuntimeError() if "allocate memory" in str(error) or "out of memory" in str(
            error
        ):  # as PyTorch says it
            present.complain("not enough memory")
        case OSError():
            _abandon_output()
            present.complain(f"{error.filename or 'standard output'}: {error.strerror or error}")
            return 2 if error.errno in _WRONG_PATHS else 1
        case _:
            present.complain(
                f"a bug in ribocyte, not in what you asked: {type(error).__name__}: {error}; "
                "please report it with what this prints: ribocyte --debug …"
            )
    return 1


def _abandon_output() -> None:
    """Let what is left in the buffer go nowhere, so that Python does not fail on it once more when it ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
