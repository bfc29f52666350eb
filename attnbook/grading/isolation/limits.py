"""What a submission may use up before it is stopped."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Limits:
    """The limits of one submission.

    Parameters
    ----------
    wall
        Seconds for one cell, and for one call of a learner's function.
    total
        Seconds for the whole submission.
    cpu
        Seconds of processor time for the whole submission.
    memory
        MiB that its process may take beyond what it started with.
    disk
        MiB for all files that it writes, and for the largest of them.
    threads
        Threads at one time. Where the grader runs as root, Linux does not
        count them; then they are looked at now and then, and four times as
        many end the process.
    output
        MB of printed text and figures that are kept; the rest is dropped.
    open_files
        Files and pipes open at one time.
    notebook
        MB of the notebook file itself; a larger one is not read.

    Raises
    ------
    ValueError
        When a value is no number, or out of its range.
    """

    wall: float = 60.0
    total: float = 300.0
    cpu: float = 150.0
    memory: float = 1024.0
    disk: float = 64.0
    threads: int = 64
    output: float = 1.0
    open_files: int = 128
    notebook: float = 20.0

    def __post_init__(self) -> None:
        for field in fields(self):
            low, high, unit = _RANGES[field.name]
            value = getattr(self, field.name)
            is_number = isinstance(value, (int, float)) and not isinstance(
                value, bool
            )
            is_whole = field.name in _WHOLE
            if (
                not is_number
                or not math.isfinite(value)
                or not low <= value <= high
                or (is_whole and value != int(value))
            ):
                kind = "a whole number" if is_whole else "a number"
                raise ValueError(
                    f"The limit `{field.name}` must be {kind} of {unit} "
                    f"from {low:,} to {high:,}; got {value!r}."
                )


_WHOLE = ("threads", "open_files")
_DAY = 86_400
_RANGES = {
    "wall": (0.1, _DAY, "seconds"),
    "total": (0.1, _DAY, "seconds"),
    "cpu": (1, _DAY, "seconds"),
    # Python, NumPy and torch need some to work at all.
    "memory": (64, 1 << 20, "MiB"),
    "disk": (1, 1 << 20, "MiB"),
    "threads": (1, 10_000, "threads"),
    "output": (0.001, 1_000, "MB"),
    "open_files": (16, 4_096, "files"),
    "notebook": (0.001, 1_000, "MB"),
}
