"""Studies over seeds, too long for a notebook, with their tables.

Each study is a module that says in `TABLES` which small tables it writes into
`tables/`, and a command: see `command`. The chapters read them with `table`.
"""

from __future__ import annotations

import csv
from pathlib import Path

FOLDER = Path(__file__).parent / "tables"


def table(name: str) -> list[dict[str, str | float]]:
    """Read a committed table, one dictionary a row; numbers as floats.

    Args:
        name: the file's name without ".csv", such as "leaderboard".

    Raises:
        FileNotFoundError: if there is no such table, naming those there are.
    """
    path = FOLDER / f"{name}.csv"
    if not path.exists():
        there = ", ".join(sorted(p.stem for p in FOLDER.glob("*.csv")))
        raise FileNotFoundError(
            f"no table {name!r} in experiments/tables/; there are: {there}"
        )
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {column: _number(text) for column, text in row.items()}
            for row in csv.DictReader(file)
        ]


def write_table(path: Path, rows: list[dict[str, object]]) -> None:
    """Write rows as CSV, whole or not at all.

    Raises:
        ValueError: if there is no row.
    """
    if not rows:
        raise ValueError(f"no rows to write to {path}; expected at least one")
    draft = path.with_suffix(".part")
    with draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    draft.replace(path)


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
