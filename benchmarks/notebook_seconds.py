"""How long each notebook took when it was last executed.

An executed notebook keeps its seconds (see :mod:`book.execution`); this
prints them, as Markdown for the summary of a workflow. A notebook that has
not changed since shows the seconds of the run that executed it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nbformat

from book.execution import KEPT

ROOT = Path(__file__).resolve().parents[1]


def seconds_by_notebook(root: Path) -> dict[str, float]:
    """The path of each executed notebook, and the seconds it took.

    Raises FileNotFoundError if no notebook was ever executed.
    """
    top = root / KEPT
    found = {
        path.relative_to(top).as_posix(): nbformat.read(path, as_version=4)
        for path in sorted(top.rglob("*.ipynb"))
    }
    if not found:
        raise FileNotFoundError(
            f"no notebook was executed yet: {top} holds none"
        )
    return {
        name: notebook.metadata.executed.seconds
        for name, notebook in found.items()
    }


def as_markdown(seconds: dict[str, float]) -> str:
    """A table, slowest first, with the sum."""
    rows = sorted(seconds.items(), key=lambda row: -row[1])
    lines = ["| notebook | seconds |", "|---|---:|"]
    lines += [f"| {name} | {taken:.1f} |" for name, taken in rows]
    lines.append(f"| all | {sum(seconds.values()):.1f} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.notebook_seconds",
        description="Print how long each notebook took.",
    )
    parser.add_argument(
        "--root", type=Path, default=ROOT, help="the top of the repository"
    )
    options = parser.parse_args(arguments)
    try:
        print(as_markdown(seconds_by_notebook(options.root)))
    except FileNotFoundError as missing:
        print(missing)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
