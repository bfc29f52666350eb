"""One measured number, and the table that they make together."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter


@dataclass(frozen=True)
class Measurement:
    """A median: what was measured, of which thing, in which unit."""

    what: str
    name: str
    value: float
    unit: str
    repeats: int = 1
    lowest: float | None = None
    highest: float | None = None
    ratio: float | None = None

    def as_dictionary(self) -> dict:
        return asdict(self)


def median_of(
    what: str,
    name: str,
    values: Sequence[float],
    unit: str,
    calibration: float | None = None,
) -> Measurement:
    """The median of the values; its ratio to the calibration, if given.

    Raises ValueError if there are no values.
    """
    if not values:
        raise ValueError(f"no values were measured for {what} of {name}")
    middle = statistics.median(values)
    return Measurement(
        what,
        name,
        middle,
        unit,
        repeats=len(values),
        lowest=min(values),
        highest=max(values),
        ratio=middle / calibration if calibration else None,
    )


def seconds_taken(work: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    start = perf_counter()
    work()
    return perf_counter() - start


def number(value: float | None, unit: str = "") -> str:
    """At least three figures, with the unit; a dash where there is none."""
    if value is None:
        return "–"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


def table(measurements: Sequence[Measurement]) -> str:
    """One plain-text table, with a line for each group."""
    header = ("", "median", "lowest", "highest", "ratio", "repeats")
    rows: list[tuple[str, ...]] = []
    group = None
    for one in measurements:
        if one.what != group:
            group = one.what
            rows.append((group, "", "", "", "", ""))
        rows.append(
            (
                f"  {one.name}",
                number(one.value, one.unit),
                number(one.lowest) if one.repeats > 1 else "–",
                number(one.highest) if one.repeats > 1 else "–",
                number(one.ratio),
                str(one.repeats),
            )
        )
    widths = [
        max(len(row[column]) for row in [header, *rows])
        for column in range(len(header))
    ]
    lines = []
    for row in [header, *rows]:
        first = row[0].ljust(widths[0])
        others = [
            cell.rjust(width)
            for cell, width in zip(row[1:], widths[1:], strict=True)
        ]
        lines.append("  ".join([first, *others]).rstrip())
    return "\n".join(lines)
