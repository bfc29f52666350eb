"""One notebook, a class and nbgrader's autograder give the same points.

For every part of every exercise: for right answers, for stubs, and for each
known mistake.
"""

from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from itertools import count as from_zero

import known_mistakes as notebooks
import pytest
import torch
from known_mistakes import CHAPTERS, ROOT
from nbgrader_course import Course
from ways_of_grading import (
    as_in_a_class,
    by_nbgrader,
    by_nbval,
    in_one_kernel,
)

from attnbook.grading.isolation.apart import Examiner
from attnbook.grading.isolation.limits import Limits
from attnbook.grading.isolation.sandbox import support
from attnbook.grading.notebook.release import known_releases
from attnbook.judging.exercise import Exercise

torch.set_num_threads(1)


def _apart(chapter):
    """Let the tests of a chapter share what was made for it."""
    mark = pytest.mark.xdist_group(f"same grades {chapter}")
    return pytest.param(
        chapter, marks=mark, id=f"{chapter} {CHAPTERS[chapter]}"
    )


@pytest.fixture(params=map(_apart, CHAPTERS), scope="module")
def chapter(request):
    return request.param


@pytest.fixture(scope="module")
def exercises(chapter):
    checks = import_module(f"attnbook.checks.{CHAPTERS[chapter]}")
    return checks.EXERCISES


@pytest.fixture(scope="module")
def release(chapter):
    releases, _ = known_releases(ROOT / "exercises", ROOT / "none.ipynb")
    return releases[chapter]


@pytest.fixture(scope="module")
def examiner(release):
    """The grader of classes, whose grades hang on no sandbox."""
    isolation = "bubblewrap" if support().ok else "none"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Exercise, "secret_seed", None)  # it sets its own
        with Examiner(release, Limits(), isolation, seed=2020) as examiner:
            yield examiner


@pytest.fixture(scope="module")
def course(warm, tmp_path_factory):
    course = Course(tmp_path_factory.mktemp("nbgrader"), warm.program)
    assert course.lay_out() == 0
    return course


def test_the_exercises_are_those_that_are_released():
    released = sorted(p.stem for p in (ROOT / "exercises").glob("*.ipynb"))
    assert released == sorted(CHAPTERS)


def test_whole_notebooks(
    chapter, exercises, release, examiner, course, tmp_path
):
    contents = {
        "right": notebooks.solved(chapter),
        "stubs": notebooks.released(chapter),
        "mistakes": notebooks.mistaken(
            chapter, dict(zip(exercises, from_zero()))
        ),
    }
    with ThreadPoolExecutor(2) as pool:
        in_course = pool.submit(by_nbgrader, contents, course, chapter)
        alone = {
            kind: by_nbval(content, tmp_path, chapter)
            for kind, content in contents.items()
        }
        in_class = {
            kind: as_in_a_class(content, release, examiner)
            for kind, content in contents.items()
        }
    for kind in contents:
        given = points(alone[kind])
        assert given == points(in_class[kind]), messages(in_class[kind])
        assert given == in_course.result()[kind]
        others = messages(in_class[kind])
        for grade_id, message in messages(alone[kind]).items():
            owner = next(e for e in exercises.values() if grade_id in e.graded)
            assert says_the_same(owner, message, others[grade_id])
        parts = graded_parts(exercises)
        if kind == "mistakes":
            assert given.keys() == parts.keys()
            assert sum(given.values()) < 20
        else:
            assert given == {
                grade_id: part.points if kind == "right" else 0
                for grade_id, part in parts.items()
            }


def test_each_known_mistake(chapter, exercises, release, examiner, warm):
    graded = {cell.grade_id: cell for cell in release.graded}
    answers = [
        (exercise, place, grade_id)
        for exercise in exercises.values()
        for place in range(notebooks.count(exercise))
        for grade_id in exercise.graded
    ]
    before = [cell.source for cell in release.setup]
    before.append(notebooks.brings_along(chapter))
    pairs = [
        (
            notebooks.takes(chapter, exercise.grade_id, place),
            graded[grade_id].source,
            graded[grade_id].points,
        )
        for exercise, place, grade_id in answers
    ]
    with ThreadPoolExecutor(1) as pool:
        judged = pool.submit(lambda: list(in_one_kernel(before, pairs)))
        in_class = in_a_class_of(chapter, exercises, release, examiner)
    differences, missed = [], set()
    for (exercise, place, grade_id), one in zip(
        answers, judged.result(), strict=True
    ):
        result = in_class[grade_id, place]
        is_right = place >= len(exercise.mistakes)
        points = graded[grade_id].points
        given = (
            points * one.is_passed_by_nbval,
            one.points_by_nbgrader,
            result.points,
        )
        if given[0] == 0:
            missed.add((exercise.grade_id, place))
        wanted = points if is_right else given[0]
        if given != (wanted,) * 3 or not says_the_same(
            exercise, one.message, result.message
        ):
            name = (
                f"right answer {place - len(exercise.mistakes)}"
                if is_right
                else exercise.mistakes[place].name
            )
            differences.append(
                f"{grade_id}, {name}: {given} points, {wanted} wanted\n"
                f"{one.message}\n{result.message}"
            )
    assert not differences, "\n\n".join(differences)
    assert missed == {
        (exercise.grade_id, place)
        for exercise in exercises.values()
        for place in range(len(exercise.mistakes))
    }


def says_the_same(exercise, one, other):
    """Whether two ways say the same of an answer.

    A class tries the attentions of 03-judge in another order, so the first
    that a grader lets pass may be another. What is measured in a process of
    its own may be another number than here, so that a mistake goes unnamed.
    """
    if exercise.grade_id in ("03-judge", "01-chunked-attention"):
        one, other = (text.splitlines()[:1] for text in (one, other))
    return one == other


def graded_parts(exercises):
    """The parts of all exercises, by the grade_ids of their cells."""
    return {
        grade_id: part
        for exercise in exercises.values()
        for grade_id, part in exercise.graded.items()
    }


def in_a_class_of(chapter, exercises, release, examiner):
    """Grade every known answer, those of several exercises at a time."""
    counts = {g: notebooks.count(e) for g, e in exercises.items()}
    results = {}
    for place in range(max(counts.values())):
        places = {g: place for g, count in counts.items() if place < count}
        content = notebooks.mistaken(chapter, places)
        report = as_in_a_class(content, release, examiner)
        for result in report.results:
            results[result.grade_id, place] = result
    return results


def points(report):
    return {result.grade_id: result.points for result in report.results}


def messages(report):
    return {result.grade_id: result.message for result in report.results}
