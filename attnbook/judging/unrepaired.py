"""What may be left of a repair exercise: any of its planted bugs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import combinations
from typing import Any

from attnbook.judging.exercise import Mistake
from attnbook.judging.planted_bugs import bugs_left


def unrepaired(
    planted: Mapping[str, tuple[str, str, str]],
    draft: Callable,
    never_together: Collection[str] = (),
    **told: Any,
) -> list[Mistake]:
    """A mistake for each choice of bugs that remain, the fewest first.

    Parameters
    ----------
    planted, draft
        All bugs, and the function that computes with those it is given; as
        for :func:`attnbook.judging.planted_bugs.bugs_left`.
    never_together
        Bugs of which one undoes what the other does: choices that hold all
        of these are left out.
    told
        ``told_first`` and ``begins`` of that function.
    """
    choices: list[Sequence[str]] = [
        bugs
        for count in range(1, len(planted) + 1)
        for bugs in combinations(planted, count)
    ]
    return [
        bugs_left(bugs, planted, draft, **told)
        for bugs in choices
        if not never_together or not set(never_together) <= set(bugs)
    ]
