"""A chapter and an exercise, made as `CONTRIBUTING.md` says, hold.

The recipes are followed in a copy of the repository; what they write stands
in their own blocks of code.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from recipes import CHAPTER, follow

from book.contents import END

# One process follows the recipes, for all tests of what comes of it.
pytestmark = [pytest.mark.xdist_group("recipes"), pytest.mark.slow]

# What a chapter with one small exercise still lacks, as the recipe says.
LACKING = {
    "test_a_chapter_compares_the_numbers_that_it_prints",
    "test_a_draft_with_planted_bugs_has_all_of_them",
}


def python(course: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run Python in the copy, with the package of the copy."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=course,
        env=os.environ | {"PYTHONPATH": str(course)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def done(course: Path, *arguments: str) -> str:
    """What a command prints that has to succeed."""
    result = python(course, *arguments)
    assert result.returncode == 0, f"{arguments}:\n{result.stdout[-4000:]}"
    return result.stdout


@pytest.fixture(scope="module")
def course(root, files, tmp_path_factory) -> Path:
    """A copy of the repository in which both recipes were followed."""
    copy = tmp_path_factory.mktemp("copy") / "course"
    for path in files:
        target = copy / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    follow(copy)
    # make release, notebooks and chapters; and of make teaching the part
    # that a new chapter changes.
    done(copy, "-m", "attnbook.grading", "release")
    done(copy, "-m", "book.notebooks")
    done(copy, "-m", "book.contents")
    done(copy, "-m", "attnbook.grading", "systems")
    return copy


def test_what_lint_compares_agrees(course):
    done(course, "-m", "ruff", "check", ".")
    done(course, "-m", "ruff", "format", "--check", ".")
    done(course, "-m", "book.notebooks", "--check")
    done(course, "-m", "book.contents", "--check")


@pytest.mark.parametrize(
    "name",
    [
        "_toc.yml",
        "README.md",
        "intro.md",
        "teaching/nbgrader/nbgrader_config.py",
    ],
)
def test_the_chapter_stands_where_the_others_do(course, name):
    assert CHAPTER in (course / name).read_text("utf-8")


def test_the_tests_miss_nothing_but_what_the_recipe_says(course):
    notebooks = "tests/notebooks"
    result = python(
        course,
        *("-m", "pytest", "-q", "-p", "no:cacheprovider"),
        *("-k", "uniform_lookup or uniform-lookup"),
        *("tests/checks", notebooks),
        # These two run kernels; what they run is graded and built below.
        f"--ignore={notebooks}/test_as_in_colab.py",
        f"--ignore={notebooks}/test_compared_outputs.py",
    )
    failed = re.findall(r"^FAILED \S+::(\w+)", result.stdout, re.MULTILINE)
    assert set(failed) == LACKING, result.stdout[-6000:]
    assert "expected five cells or more" in result.stdout
    assert "expected one exercise called" in result.stdout
    passed = int(re.search(r"(\d+) passed", result.stdout)[1])
    assert passed >= 40, result.stdout[-2000:]


def test_the_solution_has_full_marks_and_the_time_is_told(course):
    printed = done(
        course, "-m", "attnbook.grading", f"solutions/{CHAPTER}.ipynb"
    )
    assert re.search(r"1\. Average what is allowed +✓ +20 / 20", printed)
    assert re.search(r"Total +20 / 20", printed)
    assert re.search(r"^ +Time +\d+ s$", printed, re.MULTILINE)


def test_the_released_exercise_has_none(course):
    printed = done(
        course, "-m", "attnbook.grading", f"exercises/{CHAPTER}.ipynb"
    )
    assert re.search(r"1\. Average what is allowed +✗ +0 / 20", printed)
    assert re.search(r"Total +0 / 20", printed)
    assert "Not written yet" in printed


@pytest.fixture(scope="module")
def small_course(course, tmp_path_factory) -> Path:
    """The copy with the new chapter alone, so that it is built quickly."""
    small = tmp_path_factory.mktemp("small") / "course"
    shutil.copytree(course, small)
    for folder in ("chapters", "solutions", "exercises"):
        for path in (small / folder).glob("*.ipynb"):
            if path.stem != CHAPTER:
                path.unlink()
    chapters = small / "chapters.toml"
    _, entry = chapters.read_text("utf-8").rsplit("[[part]]", 1)
    chapters.write_text(f"[[part]]{entry}", "utf-8")
    contents = small / "_toc.yml"
    text = contents.read_text("utf-8")
    contents.write_text(text[: text.index(END) + len(END)] + "\n", "utf-8")
    intro = small / "intro.md"
    made = re.search(
        r"<!-- chapters.*<!-- .*? -->", intro.read_text("utf-8"), re.DOTALL
    )[0]
    intro.write_text(
        f"# A small book\n\n{made}\n\n```{{bibliography}}\n:all:\n```\n",
        "utf-8",
    )
    done(small, "-m", "book.contents")
    return small


@pytest.mark.timeout(600)
def test_the_book_has_its_pages(small_course):
    done(small_course, "-m", "book.build")
    pages = small_course / "_build" / "html"
    chapter = (pages / "chapters" / f"{CHAPTER}.html").read_text("utf-8")
    assert "array([2., 3.])" in chapter
    front = (pages / "intro.html").read_text("utf-8")
    assert f'href="chapters/{CHAPTER}.html"' in front
    assert "What do you answer when every key fits alike?" in front
    for folder in ("exercises", "solutions"):
        page = (pages / folder / f"{CHAPTER}.html").read_text("utf-8")
        assert "Average what is allowed" in page
