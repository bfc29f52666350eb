"""The result of one submission, as a file that is there or is not.

``OUT/results/KEY/EXERCISE.json`` is one JSON object with these members:

==================  =======================================================
``schema``          ``"attnbook.grading.class/1"``
``student``         as the submission names them
``exercise``        name of the release, ``"03-scaled-dot-product"``
``status``          ``"graded"``; ``"unusable"``, there was nothing that
                    could be graded; ``"not graded"``, the grader failed
``failure``         how the grader failed; ``""`` if it did not
``key``             SHA-256 of all that the grade hangs on
``digest``          SHA-256 of the submission alone
``report``          as of ``attnbook.grading/1``, without ``schema``,
                    ``status`` and the sums
``received``        ISO 8601, ``null`` where it is not known
``is_marked_late``  whether the system it came from says that it is late
``place``           where the submission was found
``identifiers``     object of strings: what other systems call the student
``graded_at``       ISO 8601 in UTC
``sources``         object: what stands in each solution cell, by grade_id
==================  =======================================================

``KEY`` is made of the student's name by :func:`key_of`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path

from attnbook.grading.report import Report, Result

SCHEMA = "attnbook.grading.class/1"

_LONGEST_SLUG = 40


class ResultError(ValueError):
    """A result file cannot be used; the text says which, and what to do."""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class Graded:
    """A submission and its grade; members as in the module's table."""

    student: str
    exercise: str
    key: str
    report: Report
    digest: str = ""
    failure: str = ""
    received: datetime | None = None
    is_marked_late: bool = False
    place: str = ""
    identifiers: Mapping[str, str] = field(default_factory=dict)
    graded_at: str = field(default_factory=_now)
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """One of "graded", "unusable" and "not graded"."""
        if self.failure:
            return "not graded"
        return "unusable" if self.report.reason else "graded"

    @property
    def trouble(self) -> str:
        """Why there is no grade, "" where there is one."""
        return self.failure or self.report.reason


def key_of(student: str) -> str:
    """Return a safe name for a student's files and links.

    It begins like the student's name and differs wherever that differs.
    """
    plain = unicodedata.normalize("NFKD", student[: 4 * _LONGEST_SLUG])
    plain = plain.encode("ascii", "ignore").decode().lower()
    slug = re.sub("[^a-z0-9]+", "-", plain)[:_LONGEST_SLUG].strip("-")
    whole = student.encode("utf-8", "surrogatepass")
    return f"{slug or 'student'}-{hashlib.sha256(whole).hexdigest()[:10]}"


def path_of(out: Path, student: str, exercise: str) -> Path:
    """Return where the result of a student's submission stands."""
    return out / "results" / key_of(student) / f"{exercise}.json"


def write(out: Path, graded: Graded) -> Path:
    """Write a result, whole or not at all, and return its path."""
    content = {"schema": SCHEMA, "status": graded.status} | asdict(graded)
    content["received"] = graded.received and graded.received.isoformat()
    path = path_of(out, graded.student, graded.exercise)
    text = json.dumps(content, indent=1, ensure_ascii=True)
    write_whole(path, text + "\n")
    return path


def write_whole(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file so that a crash leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
    # The new name is safe only when the folder is.
    with contextlib.suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def load(path: Path) -> Graded:
    """Read a result.

    Raises
    ------
    ResultError
        When the file is damaged or is not what its place says.
    """
    try:
        graded = _parse(json.loads(path.read_bytes()))
    except OSError as error:
        raise ResultError(
            f"{path} cannot be read: {error.strerror}."
        ) from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise ResultError(
            f"{path} is not a result of this version or is damaged. Move it "
            "away and grade the class again: only what is missing is graded."
        ) from None
    if path.parts[-2:] != (key_of(graded.student), f"{graded.exercise}.json"):
        raise ResultError(
            f"{path} holds a result that belongs into "
            f"{key_of(graded.student)}/{graded.exercise}.json. Move it away "
            "and grade the class again: only what is missing is graded."
        )
    return graded


def _parse(content: dict) -> Graded:
    if content["schema"] != SCHEMA:
        raise ValueError(content["schema"])
    members = {f.name: content[f.name] for f in fields(Graded)}
    report = dict(members["report"])
    report["results"] = tuple(
        Result(**{f.name: result[f.name] for f in fields(Result)})
        for result in report["results"]
    )
    report["notes"] = tuple(report["notes"])
    members["report"] = Report(
        **{f.name: report[f.name] for f in fields(Report)}
    )
    received = members["received"]
    members["received"] = received and datetime.fromisoformat(received)
    members["identifiers"] = dict(members["identifiers"])
    members["sources"] = dict(members["sources"])
    graded = Graded(**members)
    for name in (
        "student",
        "exercise",
        "key",
        "digest",
        "failure",
        "place",
        "graded_at",
    ):
        if not isinstance(members[name], str):
            raise TypeError(name)
    return graded


def paths(out: Path) -> list[Path]:
    """Return the result files of a grading, sorted."""
    return sorted((out / "results").glob("*/*.json"))


def load_all(out: Path) -> list[Graded]:
    """Read all results of a grading, sorted by student and exercise.

    Raises
    ------
    ResultError
        When one of them is damaged.
    """
    found = [load(path) for path in paths(out)]
    return sorted(found, key=lambda graded: (graded.student, graded.exercise))
