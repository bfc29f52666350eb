"""Looks into a student's notebooks, to see of which exercise each is.

A student decides how many there are and what it takes to read them: some
kilobytes of a zip may be hours of work. So there is a bound on what is spent
on one student. What was not looked into may be anything, and is said to be
so; never is it said to be none of the exercises.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from attnbook.grading.intake.places import Place, TooLargeError, megabytes
from attnbook.grading.notebook.read import (
    MOST_PARTS,
    UnusableError,
    loads,
    parts_of,
)
from attnbook.grading.notebook.release import Release
from attnbook.grading.notebook.release import find as find_release

MOST_NOTEBOOKS = 100  # of one student

# The largest that are unpacked, and those that are slowest to read, of one
# student. Either of the two takes seconds in all.
_LARGEST_ONES = 10
_SLOWEST_ONES = 2


@dataclass(frozen=True)
class Seen:
    """What a look into a notebook told."""

    exercise: str = ""  # "" where it cannot be told
    doubt: str = ""  # then a sentence: why not
    is_too_large: bool = False  # to be looked into, and to be graded
    is_notebook: bool = False  # it was read, and is of no exercise


class Looks:
    """The looks that are taken into the notebooks of one student.

    Parameters
    ----------
    releases
        All exercises by name.
    largest
        Bytes of a notebook that may be graded.
    """

    def __init__(self, releases: Mapping[str, Release], largest: int) -> None:
        self._releases = dict(releases)
        self._largest = largest
        self._notebooks = MOST_NOTEBOOKS
        self._bytes = _LARGEST_ONES * largest
        self._parts = _SLOWEST_ONES * MOST_PARTS

    def into(self, place: Place, name: str) -> Seen:
        """Tell what a notebook is of, and call it ``name`` in messages."""
        not_looked = f"{name} was not looked into"
        if not self._notebooks:
            return Seen(
                doubt=f"{not_looked}, as {MOST_NOTEBOOKS} others were."
            )
        self._notebooks -= 1
        beyond = f"{not_looked}, as so much is in the others."
        try:
            data = place.read(min(self._largest, self._bytes))
            self._bytes -= len(data)
            parts = parts_of(data)
            if parts <= MOST_PARTS:  # More are refused at once.
                if parts > self._parts:
                    return Seen(doubt=beyond)
                self._parts -= parts
            notebook = loads(data, name, self._largest)
        except TooLargeError as error:
            if error.size <= self._largest:
                return Seen(doubt=beyond)
            return Seen(
                doubt=f"{not_looked}: it has {megabytes(error.size)}, and at "
                f"most {megabytes(self._largest)} are read (--notebook).",
                is_too_large=True,
            )
        except UnusableError as error:
            return Seen(doubt=str(error))
        try:
            return Seen(find_release(notebook, self._releases)[0].name)
        except UnusableError:
            return Seen(
                doubt=f"{name} is none of the exercises.", is_notebook=True
            )
