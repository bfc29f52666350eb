"""What is found, as tests look at it."""

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
