"""The grades as tables: for people, for programs, for Canvas and Moodle.

``grades.json`` is an object with these members:

===============  ==========================================================
``schema``       ``"attnbook.grading.grades/1"``
``exercises``    list: ``name``, ``title``, ``out_of``, ``due`` (ISO 8601 or
                 ``null``), ``rule`` (the deadline's rule in a sentence) and
                 ``items``, a list of ``grade_id``, ``title``, ``part``,
                 ``points``
``grades``       list, one for each submission, by student and exercise;
                 see below
===============  ==========================================================

A grade has ``student``, ``key`` (the name of the student's files),
``exercise``, ``status`` (``"graded"``, ``"unusable"``, ``"not graded"``),
``reason``, ``isolation``, ``received`` (ISO 8601 or ``null``), ``late`` (how
late, ``""`` if not), ``points``, ``by_hand`` (what a person added to them),
``penalty``, ``total`` (``null`` where there is none to report), ``out_of``,
``feedback`` (a path), ``notes`` and ``items``. An item has ``grade_id``,
``points`` (those that count), ``automatic`` (``null`` where no check judged
it), ``status``, ``mistake``, ``message`` and ``comment``, which is a
person's. Members may be added under the same schema name; none changes its
meaning.

``grades.csv`` has a line for each submission and a column for each item.
"""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from attnbook.grading.intake.file_names import readable
from attnbook.grading.records.formulas import harmless
from attnbook.grading.records.grades import Exercise, Grade
from attnbook.grading.records.results import key_of

SCHEMA = "attnbook.grading.grades/1"
WORKSHEET = "grades-moodle.csv"  # where there is one exercise


def number(value: float | None) -> float | int | str:
    """Return points as a table shows them: whole where they are, or ""."""
    if value is None:
        return ""
    value = round(value, 4)
    return int(value) if value == int(value) else value


def feedback_of(grade: Grade) -> str:
    """Return the path of the student's page, from the folder of tables."""
    return f"feedback/{key_of(grade.student)}/{grade.exercise.name}.html"


def worksheets_of(exercises: Sequence[Exercise]) -> dict[str, str]:
    """Return the file of each exercise's worksheet for Moodle."""
    if len(exercises) == 1:
        return {exercises[0].name: WORKSHEET}
    return {one.name: f"grades-moodle-{one.name}.csv" for one in exercises}


def as_json(exercises: Sequence[Exercise], grades: Sequence[Grade]) -> str:
    """Return the JSON document that the module describes."""
    # A grade to a line: a folder of them under version control shows what
    # changed.
    return (
        f'{{\n"schema": {json.dumps(SCHEMA)},\n'
        f'"exercises": {_lines(map(_exercise, exercises))},\n'
        f'"grades": {_lines(map(_grade, grades))}\n}}\n'
    )


def _lines(members: Iterable[dict[str, Any]]) -> str:
    return "[\n" + ",\n".join(map(json.dumps, members)) + "\n]"


def _exercise(exercise: Exercise) -> dict[str, Any]:
    policy = exercise.policy
    return {
        "name": exercise.name,
        "title": exercise.title,
        "out_of": number(exercise.out_of),
        "due": policy and policy.due.isoformat(),
        "rule": str(policy) if policy else "",
        "items": [
            {
                "grade_id": item.grade_id,
                "title": item.title,
                "part": item.part,
                "points": number(item.points),
            }
            for item in exercise.items
        ],
    }


def _grade(grade: Grade) -> dict[str, Any]:
    graded = grade.graded
    return {
        "student": grade.student,
        "key": key_of(grade.student),
        "exercise": grade.exercise.name,
        "status": graded.status,
        "reason": graded.trouble,
        "isolation": graded.report.isolation,
        "received": graded.received and graded.received.isoformat(),
        "late": grade.lateness.text,
        "points": number(grade.points) if grade.has_points else None,
        "by_hand": number(grade.by_hand),
        "penalty": number(grade.penalty),
        "total": None if grade.total is None else number(grade.total),
        "out_of": number(grade.out_of),
        "feedback": feedback_of(grade),
        "notes": list(graded.report.notes),
        "items": [
            {
                "grade_id": each.item.grade_id,
                "points": number(each.points),
                "automatic": each.automatic,
                "status": each.result.status if each.result else "",
                "mistake": each.result.mistake if each.result else "",
                "message": each.result.message if each.result else "",
                "comment": each.mark.comment,
            }
            for each in grade.items
        ],
    }


def as_csv(exercises: Sequence[Exercise], grades: Sequence[Grade]) -> str:
    """Return the table for people: a line for each submission."""
    columns = [
        (exercise, item) for exercise in exercises for item in exercise.items
    ]
    rows: list[list[Any]] = [
        [
            "student",
            "exercise",
            *(item.grade_id for _, item in columns),
            "points",
            "of these by hand",
            "late penalty",
            "total",
            "out of",
            "status",
            "reason",
            "late",
            "received",
            "isolation",
            "feedback",
        ]
    ]
    for grade in grades:
        graded = grade.graded
        points = {
            each.item.grade_id: number(each.points) for each in grade.items
        }
        rows.append(
            [
                grade.student,
                grade.exercise.name,
                *(
                    points[item.grade_id]
                    if exercise is grade.exercise and grade.has_points
                    else ""
                    for exercise, item in columns
                ),
                number(grade.points if grade.has_points else None),
                number(grade.by_hand),
                number(grade.penalty),
                number(grade.total),
                number(grade.out_of),
                graded.status,
                graded.trouble,
                grade.lateness.text,
                graded.received.isoformat() if graded.received else "",
                _isolation(graded.report.isolation),
                feedback_of(grade),
            ]
        )
    return _csv(rows)


def _isolation(level: str) -> str:
    return "unprotected" if level == "none" else level


def as_canvas(exercises: Sequence[Exercise], grades: Sequence[Grade]) -> str:
    """Return the table that *Import grades* in Canvas's gradebook reads.

    Its importer wants the columns Student, ID, SIS User ID, SIS Login ID and
    Section, in this order, then the assignments, each named ``Title (ID)``
    by Canvas's own number or by its exact title; a line of ``Points
    Possible``; and leaves a grade as it is where a cell is empty. It finds
    a student by the ID, else by the SIS columns, else by the name. Read in
    https://github.com/instructure/canvas-lms/blob/master/lib/gradebook_importer.rb
    and ``gradebook_exporter.rb`` beside it.
    """
    rows: list[list[Any]] = [
        [
            "Student",
            "ID",
            "SIS User ID",
            "SIS Login ID",
            "Section",
            *(exercise.canvas or exercise.name for exercise in exercises),
        ],
        # The importer takes every line for it that has these two words.
        [
            "    Points Possible",
            "",
            "",
            "",
            "",
            *(number(exercise.out_of) for exercise in exercises),
        ],
    ]
    for student, by_exercise in _by_student(grades).items():
        known: dict[str, str] = {}
        for grade in by_exercise.values():
            known |= grade.graded.identifiers
        name = known.get("full_name") or student
        rows.append(
            [
                name.replace("Points Possible", "Points\u00a0Possible"),
                known.get("canvas_id", ""),
                known.get("sis_user_id", ""),
                known.get("sis_login_id", ""),
                "",
                *(
                    number(by_exercise[exercise.name].total)
                    if exercise.name in by_exercise
                    else ""
                    for exercise in exercises
                ),
            ]
        )
    return _csv(rows)


def as_moodle(grades: Iterable[Grade]) -> str:
    """Return the grading worksheet of a Moodle assignment.

    *Upload grading worksheet* reads the columns Identifier, Grade, Last
    modified (grade) and Feedback comments, by these names in the language
    that the teacher sees Moodle in, here English, and leaves a grade as it
    is where the cell is empty. The identifier is the word Participant and
    the number that stands in the names of the files that Moodle hands out;
    for a team that is the group's, of which nobody is found, or somebody
    else. A grade that Moodle has already is replaced only where one ticks
    *Allow updating records that have been modified more recently in Moodle
    than in the spreadsheet*, for when it was changed is not known here.
    *Import* of the gradebook reads the same file: map the e-mail address,
    or whatever tells your students apart, and Grade. Read in
    https://github.com/moodle/moodle/blob/main/mod/assign/feedback/offline/importgradeslib.php,
    ``locallib.php`` beside it, and ``mod/assign/lang/en/assign.php``.
    """
    rows: list[list[Any]] = [
        [
            "Identifier",
            "Full name",
            "Email address",
            "Status",
            "Grade",
            "Maximum grade",
            "Grade can be changed",
            "Last modified (submission)",
            "Last modified (grade)",
            "Feedback comments",
        ]
    ]
    for grade in grades:
        known = grade.graded.identifiers
        identifier = known.get("moodle_id", "")
        rows.append(
            [
                f"Participant {identifier}" if identifier else "",
                known.get("full_name") or grade.student,
                known.get("email", ""),
                "Submitted for grading",
                number(grade.total),
                number(grade.out_of),
                "Yes",
                "",
                "",
                _comment(grade),
            ]
        )
    return _csv(rows)


def _comment(grade: Grade) -> str:
    """Say in a few lines of HTML, as Moodle keeps comments, what counted."""
    if not grade.has_points:
        return html.escape(f"Not graded: {readable(grade.graded.trouble)}")
    lines = [
        f"{each.item.label}: {number(each.points)} of "
        f"{number(each.item.points)}"
        + (f". {each.mark.comment}" if each.mark.comment else "")
        for each in grade.items
    ]
    if grade.penalty:
        lines.append(f"{grade.lateness.text}: −{number(grade.penalty)}")
    lines.append(f"Total: {number(grade.total)} of {number(grade.out_of)}")
    return "<br>".join(html.escape(readable(line, 500)) for line in lines)


def _by_student(grades: Iterable[Grade]) -> dict[str, dict[str, Grade]]:
    students: dict[str, dict[str, Grade]] = {}
    for grade in grades:
        students.setdefault(grade.student, {})[grade.exercise.name] = grade
    return students


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    """Write a table as RFC 4180 wants it, free of formulas."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([harmless(value) for value in row] for row in rows)
    return text.getvalue()
