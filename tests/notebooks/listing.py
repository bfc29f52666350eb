"""The names of the notebooks, for tests of one notebook each."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def names(*folders: str) -> list[str]:
    return [
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in sorted((ROOT / folder).glob("*.ipynb"))
    ]


CHAPTERS = names("chapters")
EXERCISES = names("exercises")
ALL = names("chapters", "solutions", "exercises")
