"""The command that measures grading: ``make bench-grading``.

The same submissions of one exercise (right, half right, wrong, stub) go
through this course's command, nbgrader, plain nbval and Otter; then ours
through classes of growing size. It prints two tables.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

from benchmarks.graders import Grades, graders, ours
from benchmarks.process_memory import Cost
from benchmarks.stages_of_grading import stages
from teaching.example_class import STUDENTS, notebook

# Right, half right, wrong, stub: as the example class has them. The one that
# never ends is left out, as it would measure the time limit.
_KINDS = {
    "right": ("student-01", "student-02", "student-07"),
    "half right": ("student-03", "student-05"),
    "wrong": ("student-04", "student-12", "student-11"),
    "stub": ("student-06",),
}


def submissions(count: int) -> dict[str, str]:
    """Return so many submissions, as many of each kind."""
    kinds = cycle(cycle(kind) for kind in _KINDS.values())

    def students() -> Iterator[str]:
        for kind in kinds:
            yield next(kind)

    made = {}
    for number, like in enumerate(islice(students(), count), start=1):
        student = f"student-{number:04}"
        answers = {
            grade_id: f"# {student}\n{source}"
            for grade_id, source in STUDENTS[like].items()
        }
        made[student] = notebook(answers)
    return made


def row(
    name: str, count: int, cost: Cost, grades: Grades, first: Grades
) -> str:
    """One line of the table that compares graders."""
    same = sum(grades.get(one) == points for one, points in first.items())
    return (
        f"{name:<26}{cost.seconds / count:>10.3f}"
        f"{60 * count / cost.seconds:>12,.0f}{cost.memory:>12,.0f}"
        f"{sum(grades.values()):>12,g}{same:>9} of {count}"
    )


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.class_grading", description=__doc__
    )
    parser.add_argument(
        "--submissions", type=int, default=40, help="for all graders"
    )
    parser.add_argument(
        "--growth",
        type=int,
        nargs="*",
        default=[10, 100, 400, 1000],
        help="sizes of class for this command alone",
    )
    parser.add_argument(
        "--otter",
        type=Path,
        metavar="PYTHON",
        help="the Python of an environment that holds otter-grader",
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="grading-") as folder:
        _compare(options, Path(folder))
        _grow(options, Path(folder))
    return 0


def _compare(options: argparse.Namespace, folder: Path) -> None:
    count = options.submissions
    same = submissions(count)
    first: Grades = {}
    print(f"{count} submissions, each grader once")
    print(
        f"{'':<26}{'s each':>10}{'a minute':>12}{'peak MiB':>12}"
        f"{'points':>12}{'as ours':>12}"
    )
    for number, (name, grade) in enumerate(graders(options.otter).items()):
        place = folder / f"grader-{number}"
        place.mkdir()
        cost, grades = grade(same, place)
        first = first or grades
        print(row(name, count, cost, grades, first), flush=True)
    if options.otter is None:
        print("otter: not measured, no environment was given (--otter)")


def _grow(options: argparse.Namespace, folder: Path) -> None:
    print()
    print("This command at 2 jobs, by size of the class")
    print(f"{'':<12}{'s':>10}{'s each':>10}{'a minute':>12}{'peak MiB':>12}")
    for count in options.growth:
        place = folder / f"class-{count}"
        place.mkdir()
        cost, _ = ours(2, submissions(count), place)
        print(
            f"{count:<12,}{cost.seconds:>10.1f}{cost.seconds / count:>10.3f}"
            f"{60 * count / cost.seconds:>12,.0f}{cost.memory:>12,.0f}",
            flush=True,
        )
    print()
    print("Where the time goes, one job, ms a submission (median)")
    for name, milliseconds in stages(submissions(20)).items():
        print(f"  {name:<40}{milliseconds:>8.1f}")


if __name__ == "__main__":
    sys.exit(main())
