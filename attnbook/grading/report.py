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

Each result has ``grade_id``, ``title``, ``points``, ``out_of``, ``status``
(``"passed"``, ``"failed"``, ``"timed out"``, ``"crashed"``, ``"not run"``),
``message`` (``""`` when passed; lines end in ``\\n``), ``seconds`` and
``mistake`` (name of the known mistake that it looks like, ``""`` if none).
Members may be added under the same schema name; none changes its meaning.
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
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


def as_text(report: Report) -> str:
    """Lay the report out for a terminal."""
    if report.reason:
        return f"Not graded: {report.reason}\n"
    width = max([len(r.title) for r in report.results] + [len("Exercise")])
    rule = "─" * (width + 14)
    lines = [
        f"{report.title} · {report.exercise}",
        f"Graded: {report.notebook}",
        "",
        f"  {'Exercise':<{width}}       Points",
        f"  {rule}",
    ]
    for result in report.results:
        mark = "✓" if result.status == "passed" else "✗"
        lines.append(
            f"  {result.title:<{width}}  {mark} {result.points:>4g} / "
            f"{result.out_of:<3g}"
        )
    lines += [
        f"  {rule}",
        f"  {'Total':<{width}}    {report.points:>4g} / {report.out_of:<3g}",
        f"  {'Time':<{width}}    {_duration(report.seconds)}",
    ]
    lines = [line.rstrip() for line in lines]
    failures = [r for r in report.results if r.status != "passed"]
    if failures:
        lines += ["", "Where points are missing"]
    for result in failures:
        lines += ["", f"  {result.title} ({result.grade_id}): {result.status}"]
        lines += [f"    {line}" for line in _message_lines(result)]
    if report.notes:
        lines += ["", "Notes", ""]
        lines += [f"  • {note}" for note in report.notes]
    return "\n".join(lines) + "\n"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:>4.0f} s"
    return f"{seconds / 60:>4.1f} min"


def _message_lines(result: Result) -> list[str]:
    """Return a message's lines, without the heading that names it again."""
    lines = result.message.splitlines()
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
            lines = [_for_xml(line) for line in _message_lines(result)]
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
        f'<tr><th scope="row">{_escape(result.title)}</th>'
        f"<td>{'✓' if result.status == 'passed' else '✗'} "
        f"{_escape(result.status)}</td>"
        f'<td class="number">{result.points:g} / {result.out_of:g}</td></tr>'
        for result in report.results
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
    failures = [r for r in report.results if r.status != "passed"]
    if failures:
        body.append("<h2>Where points are missing</h2>")
    for result in failures:
        message = "\n".join(_message_lines(result))
        body += [
            f"<h3>{_escape(result.title)}</h3>",
            f"<pre>{_escape(message)}</pre>",
        ]
    if report.notes:
        body += [
            "<h2>Notes</h2>",
            "<ul>",
            *(f"<li>{_escape(note)}</li>" for note in report.notes),
            "</ul>",
        ]
    return body


def _escape(text: str) -> str:
    return html.escape(_for_xml(text))
