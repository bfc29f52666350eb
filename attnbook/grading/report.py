"""A grade, and how it is shown: terminal, JSON, JUnit, HTML.

The JSON document (``--json``) is an object with these members:

===============  ==========================================================
``schema``       ``"attnbook.grading/1"``
``notebook``     the path that was given
``status``       ``"graded"``, or ``"unusable"`` when the file cannot be
``reason``       why it is unusable; ``""`` when graded
``exercise``     name of the release, ``"00-soft-lookup"``; ``""`` unknown
``title``        its first heading
``points``       number, the sum over the results
``out_of``       number, all the points there are; 0 when unusable
``results``      list, one object for each graded cell, see below
``notes``        list of strings: what was restored, which cells failed
``seconds``      number, how long grading took
``isolation``    how the learner's code was kept apart: ``"bubblewrap"``;
                 ``"none"``, the grade is unprotected; ``""``, it ran with
                 the rights of whoever graded it
===============  ==========================================================

Each result has ``grade_id``, ``title`` (of the exercise), ``points``,
``out_of``, ``status`` (``"passed"``, ``"failed"``, ``"timed out"``,
``"crashed"``, ``"not run"``), ``message`` (``""`` when passed; lines end in
``\\n``), ``seconds``, ``mistake`` (name of the known mistake that it looks
like, ``""`` if none) and ``part`` (which part of the exercise, ``""`` where
it has one cell).
Members may be added under the same schema name; none changes its meaning.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from xml.etree import ElementTree

SCHEMA = "attnbook.grading/1"


@dataclass(frozen=True)
class Result:
    """The outcome of one graded cell."""

    grade_id: str
    title: str
    points: float
    out_of: float
    status: str
    message: str
    seconds: float
    mistake: str = ""
    part: str = ""

    @property
    def label(self) -> str:
        """The exercise, and which part of it."""
        return f"{self.title}: {self.part}" if self.part else self.title


@dataclass(frozen=True)
class Marked:
    """What one exercise earned, with the results of its parts."""

    title: str
    results: tuple[Result, ...]

    @property
    def points(self) -> float:
        """The points earned."""
        return sum(result.points for result in self.results)

    @property
    def out_of(self) -> float:
        """The points there are."""
        return sum(result.out_of for result in self.results)

    @property
    def parts(self) -> tuple[Result, ...]:
        """The results by part, none where the exercise has one cell."""
        return self.results if len(self.results) > 1 else ()

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing."""
        return all(result.status == "passed" for result in self.results)


@dataclass(frozen=True)
class Missing:
    """Why points are missing: the parts for which the reason is the same."""

    label: str
    grade_ids: tuple[str, ...]
    status: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """The grade of one notebook, or the reason why it has none."""

    notebook: str
    reason: str = ""
    exercise: str = ""
    title: str = ""
    results: tuple[Result, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    isolation: str = ""

    @property
    def points(self) -> float:
        """The points earned."""
        return sum(result.points for result in self.results)

    @property
    def out_of(self) -> float:
        """The points there are."""
        return sum(result.out_of for result in self.results)


def by_exercise(results: Iterable[Result]) -> list[Marked]:
    """Bring the results of one exercise together."""
    return [
        Marked(title, tuple(group))
        for title, group in groupby(results, key=lambda one: one.title)
    ]


def missing(results: Iterable[Result]) -> list[Missing]:
    """Say why points are missing; what several parts say alike once."""
    found = []
    for exercise in by_exercise(results):
        reasons: dict[tuple[str, tuple[str, ...]], list[Result]] = {}
        for one in exercise.results:
            if one.status != "passed":
                reason = one.status, tuple(message_lines(one.message))
                reasons.setdefault(reason, []).append(one)
        for (status, lines), alike in reasons.items():
            parts = "; ".join(one.part for one in alike if one.part)
            label = f"{exercise.title}: {parts}" if parts else exercise.title
            ids = tuple(one.grade_id for one in alike)
            found.append(Missing(label, ids, status, lines))
    return found


def as_text(report: Report) -> str:
    """Lay the report out for a terminal."""
    if report.reason:
        return f"Not graded: {report.reason}\n"
    rows = [row for one in by_exercise(report.results) for row in _rows(one)]
    width = max(len(text) for text, *_ in [*rows, ("Exercise",)])
    rule = "─" * (width + 14)
    lines = [
        f"{report.title} · {report.exercise}",
        f"Graded: {report.notebook}",
        "",
        f"  {'Exercise':<{width}}       Points",
        f"  {rule}",
    ]
    lines += [
        f"  {text:<{width}}  {mark} {points:>4g} / {out_of:<3g}"
        for text, mark, points, out_of in rows
    ]
    lines += [
        f"  {rule}",
        f"  {'Total':<{width}}    {report.points:>4g} / {report.out_of:<3g}",
        f"  {'Time':<{width}}    {_duration(report.seconds)}",
    ]
    lines = [line.rstrip() for line in lines]
    failures = missing(report.results)
    if failures:
        lines += ["", "Where points are missing"]
    for one in failures:
        ids = ", ".join(one.grade_ids)
        lines += ["", f"  {one.label} ({ids}): {one.status}"]
        lines += [f"    {line}" for line in one.lines]
    if report.notes:
        lines += ["", "Notes", ""]
        lines += [f"  • {note}" for note in report.notes]
    return "\n".join(lines) + "\n"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:>4.0f} s"
    return f"{seconds / 60:>4.1f} min"


def _rows(exercise: Marked) -> list[tuple[str, str, float, float]]:
    """Return the row of an exercise, then one for each of its parts."""
    mark = "✓" if exercise.is_whole else "✗"
    return [
        (exercise.title, mark, exercise.points, exercise.out_of),
        *(
            (
                f"    {one.part}",
                "✓" if one.status == "passed" else "✗",
                one.points,
                one.out_of,
            )
            for one in exercise.parts
        ),
    ]


def message_lines(message: str) -> list[str]:
    """Return a message's lines, without the heading that names it again."""
    lines = message.splitlines()
    if lines and lines[0].startswith("✗"):
        lines = lines[1:]
    indents = [len(s) - len(s.lstrip()) for s in lines if s.strip()]
    return [line[min(indents, default=0) :] for line in lines]


def as_json(report: Report) -> str:
    """Return the JSON document that the module describes."""
    content = {
        "schema": SCHEMA,
        "notebook": report.notebook,
        "status": "unusable" if report.reason else "graded",
        "reason": report.reason,
        "exercise": report.exercise,
        "title": report.title,
        "points": report.points,
        "out_of": report.out_of,
        "results": [vars(result) for result in report.results],
        "notes": list(report.notes),
        "seconds": report.seconds,
        "isolation": report.isolation,
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def as_junit(report: Report) -> str:
    """Return a JUnit document: a test case for each graded cell."""
    failures = sum(result.status != "passed" for result in report.results)
    suite = ElementTree.Element(
        "testsuite",
        name=_for_xml(report.exercise or report.notebook),
        tests=str(len(report.results) or 1),
        failures=str(failures),
        errors="1" if report.reason else "0",
        skipped="0",
        time=str(report.seconds),
    )
    if report.reason:
        case = ElementTree.SubElement(
            suite, "testcase", name="notebook", classname="attnbook.grading"
        )
        ElementTree.SubElement(case, "error", message=_for_xml(report.reason))
    else:
        properties = ElementTree.SubElement(suite, "properties")
        for name in ("points", "out_of"):
            ElementTree.SubElement(
                properties,
                "property",
                name=name,
                value=f"{getattr(report, name):g}",
            )
    for result in report.results:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            name=_for_xml(result.grade_id),
            classname=_for_xml(report.exercise),
            time=str(result.seconds),
        )
        if result.status != "passed":
            lines = [_for_xml(line) for line in message_lines(result.message)]
            failure = ElementTree.SubElement(
                case, "failure", message=": ".join([result.status, *lines[:1]])
            )
            failure.text = "\n".join(lines)
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _for_xml(text: str) -> str:
    return re.sub(
        r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text
    )


_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem;
  margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; padding-bottom: .5rem; }
th, td { text-align: left; padding: .35rem .5rem;
  border-bottom: 1px solid #8886; }
.number { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
tfoot th, tfoot td { font-weight: 700; border-bottom: 0; }
.part th { font-weight: 400; padding-left: 1.5rem; }
h3 { margin-bottom: .25rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0;
  padding: .6rem .8rem; border-left: .25rem solid #d55e00;
  background: #8881; }
li, p { overflow-wrap: anywhere; }
.total { font-size: 1.25rem; }
"""


def as_html(report: Report) -> str:
    """Return a page that needs nothing but itself."""
    name = report.title or "Not graded"
    body = [f"<h1>{_escape(name)}</h1>"]
    if report.reason:
        body += [f"<p>{_escape(report.reason)}</p>"]
    else:
        body += _html_grade(report)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, '
        'initial-scale=1">\n'
        f"<title>Grade: {_escape(name)}</title>\n"
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def _html_grade(report: Report) -> list[str]:
    total = f"{report.points:g} of {report.out_of:g}"
    rows = [
        row
        for exercise in by_exercise(report.results)
        for row in _html_rows(exercise)
    ]
    body = [
        f'<p class="total">{total} points</p>',
        "<table>",
        f"<caption>{_escape(report.notebook)}</caption>",
        '<thead><tr><th scope="col">Exercise</th>'
        '<th scope="col">Result</th>'
        '<th scope="col" class="number">Points</th></tr></thead>',
        "<tbody>",
        *rows,
        "</tbody>",
        '<tfoot><tr><th scope="row">Total</th><td></td>'
        f'<td class="number">{report.points:g} / {report.out_of:g}</td>'
        "</tr></tfoot>",
        "</table>",
    ]
    failures = missing(report.results)
    if failures:
        body.append("<h2>Where points are missing</h2>")
    for one in failures:
        body += [
            f"<h3>{_escape(one.label)}</h3>",
            f"<pre>{_escape(chr(10).join(one.lines))}</pre>",
        ]
    if report.notes:
        body += [
            "<h2>Notes</h2>",
            "<ul>",
            *(f"<li>{_escape(note)}</li>" for note in report.notes),
            "</ul>",
        ]
    return body


def _html_rows(exercise: Marked) -> list[str]:
    status = exercise.results[0].status if not exercise.parts else ""
    mark = f"{'✓' if exercise.is_whole else '✗'} {_escape(status)}"
    rows = [(exercise.title, "", mark, exercise.points, exercise.out_of)]
    rows += [
        (
            one.part,
            ' class="part"',
            f"{'✓' if one.status == 'passed' else '✗'} {_escape(one.status)}",
            one.points,
            one.out_of,
        )
        for one in exercise.parts
    ]
    return [
        f'<tr{kind}><th scope="row">{_escape(text)}</th><td>{mark}</td>'
        f'<td class="number">{points:g} / {out_of:g}</td></tr>'
        for text, kind, mark, points, out_of in rows
    ]


def _escape(text: str) -> str:
    return html.escape(_for_xml(text))
