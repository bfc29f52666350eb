"""The result of one submission, as a file: written once, read by all.

``OUT/results/`` holds one JSON document for each submission. It is written
whole or not at all, so that a grader that is killed loses none, and what is
published (gradebook, tables, pages) is made from these files alone.

The document has the members of :class:`Graded`; ``report`` is what
``python -m attnbook.grading --json`` writes of a notebook.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from attnbook.grading import report as reports
from attnbook.grading.report import Report, Result

SCHEMA = "attnbook.grading.class/1"


@dataclass(frozen=True)
class Graded:
    """One submission and its grade.

    ``key`` is the digest of all that the grade depends on: the submission,
    the release, the package. ``sources`` maps the grade_id of a solution
    cell to what the student wrote there.
    """

    student: str
    exercise: str
    key: str
    report: Report
    received: datetime | None = None
    is_marked_late: bool = False
    place: str = ""
    identifiers: Mapping[str, str] = field(default_factory=dict)
    graded_at: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)


def key_of(student: str) -> str:
    """Return a name for the files of a student, whatever the label says.

    Lower-case letters, digits and hyphens, with a part of a digest, so that
    two labels never share one.
    """
    plain = unicodedata.normalize("NFKD", student).encode("ascii", "ignore")
    slug = re.sub(r"[^a-z0-9]+", "-", plain.decode().lower())[:40].strip("-")
    digest = hashlib.sha256(student.encode("utf-8", "surrogatepass"))
    return f"{slug or 'student'}-{digest.hexdigest()[:10]}"


def path_of(out: Path, student: str, exercise: str) -> Path:
    """Return where the result of a submission is kept."""
    return out / "results" / f"{key_of(student)}.{exercise}.json"


def write(out: Path, graded: Graded) -> Path:
    """Write one result, whole or not at all; return its path."""
    path = path_of(out, graded.student, graded.exercise)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "schema": SCHEMA,
        "student": graded.student,
        "exercise": graded.exercise,
        "key": graded.key,
        "received": graded.received and graded.received.isoformat(),
        "is_marked_late": graded.is_marked_late,
        "place": graded.place,
        "identifiers": dict(graded.identifiers),
        "graded_at": graded.graded_at,
        "sources": dict(graded.sources),
        "report": json.loads(reports.as_json(graded.report)),
    }
    whole = path.with_name(path.name + ".part")
    with whole.open("w", encoding="utf-8", newline="\n") as file:
        json.dump(content, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    whole.replace(path)
    return path


def load(path: Path) -> Graded:
    """Read one result.

    Raises
    ------
    ValueError
        When the file is no such result.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
        if content["schema"] != SCHEMA:
            raise KeyError("schema")
        report = content["report"]
        received = content["received"]
        return Graded(
            student=content["student"],
            exercise=content["exercise"],
            key=content["key"],
            report=Report(
                notebook=report["notebook"],
                reason=report["reason"],
                exercise=report["exercise"],
                title=report["title"],
                results=tuple(Result(**r) for r in report["results"]),
                notes=tuple(report["notes"]),
                seconds=report["seconds"],
                isolation=report.get("isolation", ""),
            ),
            received=received and datetime.fromisoformat(received),
            is_marked_late=content["is_marked_late"],
            place=content["place"],
            identifiers=content["identifiers"],
            graded_at=content["graded_at"],
            sources=content["sources"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is no result of the grader ({error!r}). Delete it and "
            "grade again."
        ) from None


def load_all(out: Path) -> list[Graded]:
    """Read all results below a folder, by student, then exercise.

    Raises
    ------
    ValueError
        When a file is no result.
    """
    found = []
    for path in sorted((out / "results").glob("*.json")):
        # Another grader may replace a file between the two.
        with contextlib.suppress(FileNotFoundError):
            found.append(load(path))
    return sorted(found, key=lambda g: (g.student, g.exercise))
