"""Known mistakes as a student's notebook has them.

The mistakes are code of the checks, which a sandbox hides. So a cell of the
student's own brings along the sources of the checks, under another name, and
each answer is taken from there.
"""

from __future__ import annotations

import base64
import copy
import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path

from attnbook.judging.exercise import Exercise
from book.chapters import listed

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = {chapter.name: chapter.checks for chapter in listed()}

_BRINGS_ALONG = """\
import base64
import importlib.util
import json
import sys
import zlib

SOURCES = json.loads(zlib.decompress(base64.b64decode({sources!r})))
PACKAGES = {packages!r}


class Brought:
    def find_spec(name, path=None, target=None):
        if name in SOURCES:
            spec = importlib.util.spec_from_loader
            return spec(name, Brought, is_package=name in PACKAGES)

    def create_module(spec):
        return None

    def exec_module(module):
        module.__file__ = f"/nowhere/{{module.__name__}}.py"
        code = SOURCES[module.__name__]
        exec(compile(code, module.__file__, "exec"), vars(module))


sys.meta_path.insert(0, Brought)
known = {{
    grade_id: [
        *(mistake.answer for mistake in exercise.mistakes),
        exercise.reference,
        *exercise.right_answers,
    ]
    for grade_id, exercise in importlib.import_module(
        "known.checks.{module}"
    ).EXERCISES.items()
}}
"""


def brings_along(chapter: str) -> str:
    """Return the cell that defines ``known``: answers by grade_id.

    Those of all known mistakes in their order, then the right ones.
    """
    package, module = ROOT / "attnbook", CHAPTERS[chapter]
    sources, packages = {}, ["known", "known.checks"]
    for path in (
        *package.glob("judging/**/*.py"),
        *package.glob(f"checks/{module}/**/*.py"),
    ):
        parts = ["known", *path.relative_to(package).with_suffix("").parts]
        if parts[-1] == "__init__":
            parts.pop()
            packages.append(".".join(parts))
        sources[".".join(parts)] = re.sub(
            r"\battnbook\.(checks|judging)\b",
            r"known.\1",
            path.read_text("utf-8"),
        )
    # All of it, as it stands, is longer than a cell may be.
    everything = json.dumps({**dict.fromkeys(packages, ""), **sources})
    packed = base64.b64encode(zlib.compress(everything.encode()))
    return _BRINGS_ALONG.format(
        sources=packed.decode(),
        packages=packages,
        module=module,
    )


def takes(chapter: str, grade_id: str, place: int) -> str:
    """Return the solution cell that takes the answer at a place.

    ``grade_id`` is that of the exercise, whatever its parts.
    """
    return f"{asked(chapter)[grade_id]} = known[{grade_id!r}][{place}]"


def count(exercise: Exercise) -> int:
    """How many answers ``known`` has of an exercise."""
    return len(exercise.mistakes) + 1 + len(exercise.right_answers)


def released(chapter: str) -> dict:
    """Return the content of a released notebook."""
    path = ROOT / "exercises" / f"{chapter}.ipynb"
    return json.loads(path.read_text("utf-8"))


def answers_of(chapter: str) -> dict[str, str]:
    """Return the sources of the solutions' answers, by grade_id."""
    path = ROOT / "solutions" / f"{chapter}.ipynb"
    return {
        grade_id_of(cell): "".join(cell["source"])
        for cell in json.loads(path.read_text("utf-8"))["cells"]
        if marks_of(cell).get("solution")
    }


def solved(chapter: str) -> dict:
    """Return the released notebook with the answers of the solutions."""
    return answered(released(chapter), answers_of(chapter))


def mistaken(chapter: str, places: Mapping[str, int]) -> dict:
    """Return the released notebook with answers taken from ``known``.

    ``places`` says which, by grade_id.
    """
    content = answered(
        released(chapter),
        {
            f"{grade_id}-answer": takes(chapter, grade_id, place)
            for grade_id, place in places.items()
        },
    )
    content["cells"].insert(0, code_cell(brings_along(chapter), "brings"))
    return content


def answered(content: dict, answers: Mapping[str, str]) -> dict:
    """Return a notebook with other sources in its solution cells."""
    content, left = copy.deepcopy(content), dict(answers)
    for cell in content["cells"]:
        if grade_id_of(cell) in left:
            cell["source"] = left.pop(grade_id_of(cell))
    assert not left, f"there are no cells {sorted(left)}"
    return content


def asked(chapter: str) -> dict[str, str]:
    """Return the name that the cells of each exercise check, by its id."""
    found, exercise = {}, ""
    for cell in released(chapter)["cells"]:
        if marks_of(cell).get("solution"):
            exercise = grade_id_of(cell).removesuffix("-answer")
        elif marks_of(cell).get("grade"):
            call = re.search(
                r"^checks\.check_\w+\((\w+)", "".join(cell["source"]), re.M
            )
            found[exercise] = call[1]
    return found


def marks_of(cell: dict) -> dict:
    """Return nbgrader's metadata of a cell, {} where it has none."""
    return cell["metadata"].get("nbgrader", {})


def grade_id_of(cell: dict) -> str:
    """Return a cell's grade_id, "" where it has none."""
    return marks_of(cell).get("grade_id", "")


def code_cell(source: str, identity: str) -> dict:
    """Return a code cell that has not been run."""
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": identity,
        "metadata": {},
        "outputs": [],
        "source": source,
    }
