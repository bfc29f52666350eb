"""English that every Python carries: the help texts of the language.

`pydoc_data.topics` holds what `help()` prints about Python itself, a few
hundred kilobytes of real prose with some code in it. So a language model
needs no download. The texts differ between versions of Python, and numbers
measured on them do so too: a table names the version, `PYTHON`.

The help texts repeat themselves. A paragraph that occurs again is dropped
before anything is held out; otherwise a third of the held-out text would be
known from training.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable
from functools import cache
from pydoc_data import topics

PYTHON = platform.python_version()
PARTS = ("train", "validation", "held-out")
BLOCK = 2000  # characters, and as many more as end the paragraph
VALIDATION, HELD_OUT = 4, 9  # which block of every ten


@cache
def english(part: str) -> str:
    """Return one part of the text: about 8, 1 and 1 tenths of it.

    Repeated paragraphs are dropped, the rest is cut between paragraphs into
    blocks of about 2,000 characters, and of every ten blocks one is for
    validation and one is held out.

    Args:
        part: "train"; "validation", to tune on; or "held-out", to measure on.

    Raises:
        ValueError: for another part.
    """
    if part not in PARTS:
        raise ValueError(
            f"unknown part {part!r} of the English text: expected one of "
            f"{PARTS}"
        )
    return "".join(
        block
        for number, block in enumerate(_blocks(_once(_paragraphs())))
        if _part_of(number) == part
    )


def _part_of(number: int) -> str:
    """The part that a block belongs to."""
    return {VALIDATION: "validation", HELD_OUT: "held-out"}.get(
        number % 10, "train"
    )


def _paragraphs() -> list[str]:
    """Every paragraph of the topics, in the alphabetical order of these."""
    return [
        paragraph.strip("\n")
        for topic in sorted(topics.topics)
        for paragraph in re.split(r"\n\s*\n", topics.topics[topic])
        if paragraph.split()
    ]


def _once(paragraphs: Iterable[str]) -> list[str]:
    """Each paragraph where it stands first; the white space may differ."""
    found: dict[str, str] = {}
    for paragraph in paragraphs:
        found.setdefault(" ".join(paragraph.split()), paragraph)
    return list(found.values())


def _blocks(paragraphs: Iterable[str]) -> list[str]:
    """Whole paragraphs in blocks of `BLOCK` characters or a little more."""
    blocks = [""]
    for paragraph in paragraphs:
        if len(blocks[-1]) >= BLOCK:
            blocks.append("")
        blocks[-1] += paragraph + "\n\n"
    return blocks
