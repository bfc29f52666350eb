"""A grade in Markdown, as GitHub shows it in a summary or a release."""

from __future__ import annotations

import re
from collections.abc import Iterable

from attnbook.grading.report import Report, Result

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
        *(_row(result) for result in report.results),
        f"| **Total** |  | **{report.points:g} / {report.out_of:g}** |",
        "",
    ]
    for result in report.results:
        if result.status != "passed":
            name = f"**{escaped(result.title)}**: {escaped(result.status)}"
            lines += [name, "", *_fenced(result.message.splitlines())]
    if report.notes:
        lines += ["Notes", "", *_fenced(report.notes)]
    return lines


def _row(result: Result) -> str:
    mark = "✓" if result.status == "passed" else "✗"
    return (
        f"| {escaped(result.title)} | {mark} {escaped(result.status)} "
        f"| {result.points:g} / {result.out_of:g} |"
    )


def escaped(text: str) -> str:
    """Return one line of text in which no character marks anything."""
    return _MARKS.sub(r"\\\1", " ".join(text.split()))


def _fenced(lines: Iterable[str]) -> list[str]:
    text = "\n".join(lines)
    longest = max(map(len, _FENCES.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return [f"{fence}text", text, fence, ""]
