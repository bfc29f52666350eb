"""The limits of a submission."""

import pytest

from attnbook.grading.isolation.limits import Limits


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("wall", 0),
        ("total", float("nan")),
        ("cpu", "10"),
        ("memory", 1),
        ("disk", True),
        ("threads", 1.5),
        ("open_files", 3),
        ("notebook", -1),
        ("output", float("inf")),
    ],
)
def test_limits_out_of_range_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"`{name}` must be a .*; got"):
        Limits(**{name: value})
