"""What a learner reads: the message, put together from what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from attnbook.judging.matching import Match
from attnbook.judging.parts import Case, Mistake, Part, Property
from attnbook.judging.troubles import Trouble

LONGEST_MESSAGE = 8  # lines

# How the line begins that names a mistake: it does so in every case, or here.
NAMED = (
    "This looks like a known mistake",
    "Here it does what a known mistake does",
)

# What is told of a case that was drawn anew: nothing of its numbers.
_FRESH = {
    "stub": "not written for all of them.",
    "forbidden": "your code calls what is taken away in this exercise.",
    "exception": "your code raised an exception.",
    "type": "a result is not of the kind that is asked for.",
    "shape": "a result has the wrong shape.",
    "nan": "a result holds NaN, “not a number”.",
    "input changed": "your code changed an input in place.",
    "measure": "what has to hold of every result does not.",
    "property": "what your code returned cannot be used.",
    "value": "a result is another number.",
    "gradient": "the values are right, but a gradient is not.",
}


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with an answer.

    ``kind`` is one of "not callable", "stub", "forbidden", "exception",
    "type", "shape", "nan", "input changed", "property", "value" and
    "gradient". ``mistake`` is the name of the known mistake it looks like,
    or None.
    """

    kind: str
    message: str
    mistake: str | None = None


def plain(label: str, trouble: Trouble) -> Diagnosis:
    """Say what is wrong, and no more."""
    return _diagnosis(label, *trouble)


def of_trial(
    label: str,
    trouble: Trouble,
    match: Match,
    where: Case | Property,
    first: Sequence[str] = (),
) -> Diagnosis:
    """Say what is wrong with a case or property, and which mistake it is.

    ``first`` are lines to begin with, where there are any.
    """
    kind, lines = trouble
    if not match.mistakes:
        lines = [*first, *lines, *_fallback(kind, where)]
        return _diagnosis(label, kind, lines)
    mistake = match.mistake
    if mistake is None:
        names = "; ".join(one.name for one in match.mistakes)
        named = [f"Several known mistakes give this: {names}."]
    else:
        named = [
            f"{NAMED[not match.is_sure]}: {mistake.name}.",
            mistake.sentence,
            f"Look again: {mistake.look}",
        ]
    if isinstance(where, Property):
        # The property's own advice is for those without a diagnosis.
        lines = [*named, lines[0]]
    else:
        room = LONGEST_MESSAGE - 1 - len(named)
        lines = [*first, *lines[: room - len(first)], *named]
    return _diagnosis(label, kind, lines, mistake and mistake.name)


def of_fresh_case(title: str, kind: str, mistake: Mistake | None) -> Diagnosis:
    """Say that only the known cases are right, and quote none."""
    lines = [
        f"Right on the cases of the notebook, wrong on others: {_FRESH[kind]}",
        "The others are made alike, with new numbers and sizes for each "
        "grading.",
        "Does your code hold numbers or a size of the cases that it was "
        "shown?",
    ]
    if mistake is None:
        lines.append(
            "Try it on inputs that you make up, one of them by hand, in "
            "sizes that all differ."
        )
        return _diagnosis(title, kind, lines)
    lines += [
        f"On those it looks like a known mistake: {mistake.name}.",
        mistake.sentence,
        f"Look again: {mistake.look}",
    ]
    return _diagnosis(title, kind, lines, mistake.name)


def tally(marks: Mapping[bool, Sequence[str]]) -> str:
    """Say which questions are right (True), and which are not."""
    right, wrong = (", ".join(marks[mark]) for mark in (True, False))
    if not right:
        return f"None is right yet: {wrong}."
    verbs = ["is" if len(marks[m]) == 1 else "are" for m in (True, False)]
    return f"{right} {verbs[0]} right; {wrong} {verbs[1]} not."


def mended(wanted: int, planted: int, left: Mistake | None) -> str:
    """Say how many bugs are fixed, and how many a part asks for."""
    if left is None:
        return (
            f"This part asks for {wanted} of {planted} bugs fixed, and "
            "nothing else broken."
        )
    count = planted - left.bugs
    are = "is" if count == 1 else "are"  # one bug may hide another
    return (
        f"At most {count} of {planted} bugs {are} fixed; this part asks for "
        f"{wanted}."
    )


def label(title: str, parts: Sequence[Part], part: Part) -> str:
    """Name an exercise and its part, as the learner sees them."""
    if not part.name:
        return title
    return f"{title}, part {parts.index(part) + 1}: {part.title}"


def points(count: int) -> str:
    """Return "1 point", "2 points"."""
    return "1 point" if count == 1 else f"{count} points"


def _fallback(kind: str, where: Case | Property) -> list[str]:
    """Say what to do where no known mistake fits."""
    if kind == "exception":
        return ["A hint “I see …” of this exercise may name this error."]
    if kind == "value" and isinstance(where, Case) and where.look:
        return [f"No known mistake gives this number. {where.look}"]
    return []


def _diagnosis(
    title: str, kind: str, lines: Sequence[str], mistake: str | None = None
) -> Diagnosis:
    text = [f"✗ {title}"]
    for line in lines:
        text += [f"  {part}" for part in line.splitlines()]
    return Diagnosis(kind, "\n".join(text[:LONGEST_MESSAGE]), mistake)
