"""What is found, as tests look at it."""

import contextlib
import tracemalloc
from collections.abc import Iterator

import pytest

from attnbook.grading.notebook.read import UnusableError

MEGABYTE = 1_000_000


def read(submission, limit=20 * MEGABYTE):
    return submission.data(limit)


def refusal(submission, limit=20 * MEGABYTE):
    with pytest.raises(UnusableError) as error:
        submission.data(limit)
    return str(error.value)


def by_student(found):
    return {one.student: one for one in found.submissions}


def students(found):
    return [one.student for one in found.submissions]


@contextlib.contextmanager
def taking_less_than(size: int) -> Iterator[None]:
    """Fail where Python takes more memory inside, in bytes."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < size
