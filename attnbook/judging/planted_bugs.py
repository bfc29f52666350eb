"""The mistakes of a repair exercise: which planted bugs are left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from attnbook.judging.parts import Mistake


def bugs_left(
    bugs: Sequence[str],
    planted: Mapping[str, tuple[str, str, str]],
    answer: Callable,
    told_first: Sequence[str] | None = None,
    begins: str = "What you see comes from",
) -> Mistake:
    """A draft in which these bugs remain: one is told, the rest counted.

    Parameters
    ----------
    bugs
        Those that remain, in the order of ``planted``.
    planted
        All bugs in the order of the draft's lines, each with its name, its
        sentence and where to look.
    answer
        ``answer(…, bugs=bugs)`` computes with these bugs.
    told_first
        All bugs in the order in which a symptom shows them; by default that
        of ``planted``.
    begins
        How the sentence begins where several are left.
    """
    told = min(bugs, key=list(told_first or planted).index)
    name, sentence, look = planted[told]
    if len(bugs) > 1:
        place = {bug: n for n, bug in enumerate(planted, start=1)}
        *most, last = (str(place[bug]) for bug in bugs)
        name = f"at least bugs {', '.join(most)} and {last} of {len(planted)}"
        sentence = f"{begins} bug {place[told]}: {sentence}"
    return Mistake(
        name, sentence, partial(answer, bugs=bugs), look, bugs=len(bugs)
    )
