"""Shares of a class, when it is graded by several machines."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """Share ``index`` of ``count``, from 1."""

    index: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count <= 10_000:
            raise ValueError(
                "A shard is I/N, share I of N, with I from 1 to N and N at "
                f"most 10,000: got {self}."
            )

    def __str__(self) -> str:
        """Write it as :func:`parse` reads it."""
        return f"{self.index}/{self.count}"

    def has(self, student: str) -> bool:
        """Tell whether a student's submission is in the share.

        It hangs on the name alone, so that each machine knows its share
        without asking the others.
        """
        name = student.encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(b"shard\0" + name).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index - 1


def parse(text: str) -> Shard:
    """Read ``I/N``.

    Raises
    ------
    ValueError
        When it is none.
    """
    match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip(), re.ASCII)
    if not match:
        raise ValueError(
            f"Expected a shard as I/N, as in 2/3; got “{text[:40]}”."
        )
    return Shard(int(match[1]), int(match[2]))
