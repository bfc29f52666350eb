"""Graders side by side: each grades the same submissions by its own command.

A grader is a function from submissions and an empty folder to its cost and
its grades: ``grade(submissions, folder) -> (Cost, {student: points})``.
"""

from __future__ import annotations

import csv
import json
import os
import sys
import textwrap
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from attnbook.grading.notebook.read import read
from attnbook.grading.notebook.release import Release, known_releases
from benchmarks.process_memory import Cost, run
from teaching.example_class import EXERCISE, ROOT

Grades = dict[str, float]


def release() -> Release:
    """The release of the exercise that is graded."""
    found, _ = known_releases(ROOT / "exercises", Path())
    return found[EXERCISE]


def written(submissions: Mapping[str, str], folder: Path) -> Path:
    """Write each submission into a folder of its student's name."""
    for student, text in submissions.items():
        place = folder / student / EXERCISE
        place.mkdir(parents=True)
        (place / f"{EXERCISE}.ipynb").write_text(text, "utf-8")
    return folder


def environment() -> dict[str, str]:
    """One thread a process, and the commands of this Python on the path."""
    return {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}"
        f"{os.environ['PATH']}",
    }


def ours(
    jobs: int, submissions: Mapping[str, str], folder: Path
) -> tuple[Cost, Grades]:
    """Grade by `python -m attnbook.grading class`."""
    place = written(submissions, folder / "submitted")
    out = folder / "out"
    cost = run(
        [
            sys.executable, "-m", "attnbook.grading", "class", place,
            "--exercise", EXERCISE, "--out", out, "--jobs", str(jobs),
        ],
        ROOT,
        environment(),
    )  # fmt: skip
    with open(out / "grades.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    return cost, {row["student"]: float(row["total"]) for row in rows}


def nbgrader(
    submissions: Mapping[str, str], folder: Path
) -> tuple[Cost, Grades]:
    """Grade by `nbgrader autograde`, after `nbgrader generate_assignment`."""
    from nbgrader.api import Gradebook

    written(submissions, folder / "submitted")
    source = folder / "source" / EXERCISE
    source.mkdir(parents=True)
    name = f"{EXERCISE}.ipynb"
    (source / name).write_bytes((ROOT / "solutions" / name).read_bytes())
    (folder / "nbgrader_config.py").write_text(
        "c = get_config()\n"
        "c.CourseDirectory.course_id = 'measured'\n"
        "c.ExecutePreprocessor.timeout = 60\n",
        "utf-8",
    )
    command = [sys.executable, "-m", "nbgrader"]
    run([*command, "generate_assignment", EXERCISE], folder, environment())
    cost = run([*command, "autograde", EXERCISE], folder, environment())
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as gradebook:
        return cost, {
            student: gradebook.find_submission(EXERCISE, student).score
            for student in submissions
        }


def nbval(submissions: Mapping[str, str], folder: Path) -> tuple[Cost, Grades]:
    """Grade by plain nbval on two workers, and read its JUnit report."""
    place = written(submissions, folder / "submitted")
    # pytest ends with 1 where a cell failed, which is no failure here.
    script = (
        f"{sys.executable} -m pytest --nbval-lax -q -n 2 --dist loadscope "
        "-p no:cacheprovider --nbval-current-env --nbval-cell-timeout=60 "
        f"-c /dev/null --junitxml={folder / 'junit.xml'} {place}; "
        "test $? -le 1"
    )
    cost = run(["sh", "-c", script], folder, environment())
    cells = [
        cell
        for cell in read(ROOT / "exercises" / f"{EXERCISE}.ipynb").cells
        if cell.kind == "code"
    ]
    grades = dict.fromkeys(submissions, 0.0)
    for case in ElementTree.parse(folder / "junit.xml").iter("testcase"):
        student = next(
            student
            for student in submissions
            if f"{student}.{EXERCISE}" in case.get("classname", "")
            or f"{student}/{EXERCISE}" in case.get("classname", "")
        )
        cell = cells[int(case.get("name", "").split()[-1])]
        if cell.is_graded and not len(case):
            grades[student] += cell.points
    return cost, grades


def otter(
    python: Path, submissions: Mapping[str, str], folder: Path
) -> tuple[Cost, Grades]:
    """Grade by `otter run`, one submission after the other."""
    place = written(submissions, folder / "submitted")
    tests = folder / "tests"
    tests.mkdir()
    # A module that the notebook imports does not reach Otter's tests, and
    # one that a test file imports cannot be pickled with the results.
    imports = next(
        line
        for cell in release().setup
        for line in cell.source.splitlines()
        if line.startswith("from attnbook.checks")
    )
    for cell in release().graded:
        name = cell.source.split("(")[1].split(")")[0]
        text = f"""\
            from otter.test_files import test_case

            OK_FORMAT = False
            name = "{cell.grade_id}"
            points = {cell.points:g}

            @test_case(points={cell.points:g})
            def test_{name}({name}):
                {imports}

                {cell.source}
            """
        (tests / f"{cell.grade_id}.py").write_text(textwrap.dedent(text))
    command = python.parent / "otter"
    variables = {**environment(), "PYTHONPATH": str(ROOT)}
    packed = folder / "autograder.zip"
    run(
        [command, "generate", "-t", tests, "-o", packed, "--no-config",
         "--no-requirements", "--no-environment"],
        folder,
        variables,
    )  # fmt: skip
    seconds, memory, grades = 0.0, 0.0, {}
    for student in submissions:
        out = folder / "results" / student
        out.mkdir(parents=True)
        cost = run(
            [command, "run", "-a", packed, "-o", out, "--no-logo",
             place / student / EXERCISE / f"{EXERCISE}.ipynb"],
            folder,
            variables,
        )  # fmt: skip
        seconds += cost.seconds
        memory = max(memory, cost.memory)
        results = json.loads((out / "results.json").read_text("utf-8"))
        grades[student] = sum(
            test.get("score", 0) for test in results["tests"]
        )
    return Cost(seconds, memory), grades


def graders(otter_python: Path | None) -> dict:
    """Each grader by the name that the table shows."""
    found = {
        "this command, 1 job": partial(ours, 1),
        "this command, 2 jobs": partial(ours, 2),
        "nbgrader autograde": nbgrader,
        "pytest --nbval-lax -n 2": nbval,
    }
    if otter_python is not None:
        found["otter run, no container"] = partial(otter, otter_python)
    return found
