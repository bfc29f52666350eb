"""A grade in Markdown, as GitHub shows it in a summary or a release."""

from __future__ import annotations

import re
from collections.abc import Iterable

from attnbook.grading.report import Marked, Report, by_exercise, missing

FEEDBACK = "This is feedback. The grade of record is your teacher's own run."
_MARKS = re.compile(r"([\\`*_{}\[\]()#+.!|<>&~$@-])")
_FENCES = re.compile(r"`{3,}")


def as_markdown(reports: Iterable[Report], notes: Iterable[str] = ()) -> str:
    """Return a table for each report, then what points are missing for.

    What a learner wrote (messages, names of files) stands in fences or is
    escaped, so that it can make no heading, link or table of its own.
    """
    lines = [FEEDBACK, ""]
    for report in reports:
        lines += _one(report)
    if notes := list(notes):
        lines += ["### Notes", "", *_fenced(notes)]
    return "\n".join(lines)


def _one(report: Report) -> list[str]:
    total = f"{report.points:g} of {report.out_of:g} points"
    lines = [
        f"## {escaped(report.title)}: {total}",
        "",
        "| Exercise | Result | Points |",
        "| :--- | :--- | ---: |",
        *(
            row
            for exercise in by_exercise(report.results)
            for row in _rows(exercise)
        ),
        f"| **Total** |  | **{report.points:g} / {report.out_of:g}** |",
        "",
    ]
    for one in missing(report.results):
        name = f"**{escaped(one.label)}**: {escaped(one.status)}"
        lines += [name, "", *_fenced(one.lines)]
    if report.notes:
        lines += ["Notes", "", *_fenced(report.notes)]
    return lines


def _rows(exercise: Marked) -> list[str]:
    whole = "✓" if exercise.is_whole else "✗"
    status = "" if exercise.parts else f" {exercise.results[0].status}"
    rows = [(exercise.title, whole + status, exercise)]
    rows += [
        (
            f"· {one.part}",
            f"{'✓' if one.status == 'passed' else '✗'} {one.status}",
            one,
        )
        for one in exercise.parts
    ]
    return [
        f"| {escaped(text)} | {escaped(mark)} "
        f"| {one.points:g} / {one.out_of:g} |"
        for text, mark, one in rows
    ]


def escaped(text: str) -> str:
    """Return one line of text in which no character marks anything."""
    return _MARKS.sub(r"\\\1", " ".join(text.split()))


def _fenced(lines: Iterable[str]) -> list[str]:
    text = "\n".join(lines)
    longest = max(map(len, _FENCES.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return [f"{fence}text", text, fence, ""]
