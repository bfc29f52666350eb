"""The most memory that a command takes, with all that it starts."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import psutil

_BETWEEN_LOOKS = 0.25  # seconds


@dataclass(frozen=True)
class Cost:
    """Of one command: wall-clock seconds, and peak memory in MiB.

    Memory is the sum of the proportional set sizes: a page that several
    processes share counts once.
    """

    seconds: float
    memory: float


def run(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str] | None = None,
) -> Cost:
    """Run a command to its end and measure it.

    Raises
    ------
    RuntimeError
        When it ends with another status than 0; the text holds the end of
        what it printed.
    """
    began = perf_counter()
    with subprocess.Popen(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        peak = _Peak(process.pid)
        peak.start()
        printed = process.communicate()[0].decode("utf-8", "replace")
        seconds = perf_counter() - began
        peak.stop()
    if process.returncode:
        raise RuntimeError(
            f"{' '.join(map(str, command))} ended with "
            f"{process.returncode}:\n{printed[-2000:]}"
        )
    return Cost(seconds, peak.mebibytes)


class _Peak(threading.Thread):
    """Looks at a process and all below it, again and again."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.mebibytes = 0.0
        self._top = psutil.Process(pid)
        self._is_over = threading.Event()

    def run(self) -> None:
        while not self._is_over.wait(_BETWEEN_LOOKS):
            with contextlib.suppress(psutil.NoSuchProcess):
                family = [self._top, *self._top.children(recursive=True)]
                self.mebibytes = max(
                    self.mebibytes, sum(map(_proportional, family)) / 2**20
                )

    def stop(self) -> None:
        self._is_over.set()
        self.join()


def _proportional(process: psutil.Process) -> int:
    """Bytes of a process; 0 when it has ended, or may not be looked at."""
    with contextlib.suppress(psutil.Error, OSError):
        return process.memory_full_info().pss
    return 0
