"""How long each notebook took when the book last executed it.

The book's execution cache keeps the seconds of every notebook that it ran;
this prints them, as Markdown for the summary of a workflow. A notebook that
came out of the cache shows the seconds of the run that put it there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from jupyter_cache import get_cache

ROOT = Path(__file__).resolve().parents[1]
CACHES = ROOT / "_build" / ".jupyter_cache"


def newest_cache(caches: Path) -> Path:
    """The cache that the last build used.

    Raises FileNotFoundError if no notebook was ever executed.
    """
    found = [path.parent for path in caches.glob("*/global.db")]
    if not found:
        raise FileNotFoundError(
            f"no notebook was executed yet: {caches} holds no cache"
        )
    return max(found, key=lambda path: path.stat().st_mtime)


def seconds_by_notebook(cache: Path) -> dict[str, float]:
    """The path of each notebook in the cache, and the seconds it took."""
    records = sorted(
        get_cache(str(cache)).list_cache_records(),
        key=lambda record: record.accessed,
    )
    return {
        "/".join(Path(record.uri).parts[-2:]): record.data["execution_seconds"]
        for record in records
        if "execution_seconds" in record.data
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
        description="Print how long each notebook of the book took.",
    )
    parser.add_argument(
        "--caches",
        type=Path,
        default=CACHES,
        help="the folder of the execution caches",
    )
    options = parser.parse_args(arguments)
    try:
        print(as_markdown(seconds_by_notebook(newest_cache(options.caches))))
    except FileNotFoundError as missing:
        print(missing)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
