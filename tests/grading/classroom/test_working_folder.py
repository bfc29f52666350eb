"""The command for a class, run where students' files lie."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from attnbook.grading.notebook import release
from attnbook.grading.notebook.read import UnusableError
from attnbook.grading.notebook.release import checkout, known_releases

ROOT = Path(__file__).resolve().parents[3]
EXERCISE = "00-soft-lookup"

# What a student names files after: standard library, packages, our own.
_MODULES = (
    "argparse", "gettext", "json", "html", "sqlite3", "multiprocessing",
    "numpy", "torch", "nbformat", "nbgrader", "sqlalchemy", "jinja2", "tqdm",
    "teaching", "book",
)  # fmt: skip


@pytest.fixture
def planted(tmp_path):
    """Return a folder of submissions that wants to be more than that.

    Whatever of it is run writes a file of its name into ``ran``.
    """
    folder, ran = tmp_path / "in", tmp_path / "ran"
    ran.mkdir()
    for student in ("ann", "exercises"):
        (folder / student).mkdir(parents=True)
    content = json.loads(
        (ROOT / "exercises" / f"{EXERCISE}.ipynb").read_text()
    )
    (folder / "ann" / "work.ipynb").write_text(json.dumps(content))
    for cell in content["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade"):
            cell["source"] = f"open({str(ran / 'release')!r}, 'w').close()"
            cell["metadata"]["nbgrader"]["points"] = 1_000
    stolen = folder / "exercises" / f"{EXERCISE}.ipynb"
    stolen.write_text(json.dumps(content))
    for name in _MODULES:
        (folder / f"{name}.py").write_text(
            f"open({str(ran / name)!r}, 'w').close()\n"
        )
    return folder


def run(folder, *arguments, python=("-m",), **environment):
    """Run the command in a folder; return what came of it."""
    return subprocess.run(
        [sys.executable, *python, "attnbook.grading", "class", *arguments],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


def options(submissions, out, *more):
    return [str(submissions), "--exercise", EXERCISE, "--out", str(out), *more]


def ran(planted):
    return sorted(path.name for path in (planted.parent / "ran").iterdir())


def test_it_is_not_run_from_within_the_submissions(planted, tmp_path):
    for folder in (planted, planted / "ann"):
        done = run(folder, *options(planted, tmp_path / "out", "--dry-run"))
        assert done.returncode == 2
        assert "the working folder is among the submissions" in done.stderr
        assert ran(planted) == []


def test_from_within_by_p_the_exercises_are_still_ours(planted, tmp_path):
    done = run(
        planted,
        *options(".", tmp_path / "out", "--dry-run"),
        python=("-P", "-m"),
    )
    assert done.returncode == 0, done.stderr
    assert f"The exercises are those of {ROOT / 'exercises'}" in done.stdout
    assert ran(planted) == []


def test_nothing_beside_the_submissions_is_imported_or_run(
    planted, sandbox, tmp_path
):
    """The whole way to grades, where the working folder holds all that."""
    submissions = tmp_path / "class"
    (planted / "ann").rename(submissions)
    done = run(
        planted,
        *options(submissions, tmp_path / "out", "--jobs", "1"),
        # Who has said so for all folders means it least for this one.
        PYTHONPATH=".",
    )
    assert done.returncode == 0, done.stderr
    assert ran(planted) == []
    grades = json.loads((tmp_path / "out" / "grades.json").read_text("utf-8"))
    assert [grade["out_of"] for grade in grades["grades"]] == [20]


# -- a package that is installed apart from its checkout --------------------


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Let the package run from where no exercises are."""
    monkeypatch.setattr(release, "OWN", tmp_path / "site-packages")


def test_installed_apart_it_takes_the_checkout_that_one_stands_in(
    course, installed, monkeypatch, tmp_path
):
    monkeypatch.chdir(course)
    assert checkout() == course
    assert checkout(tmp_path / "in") == course


@pytest.mark.parametrize("place", [".", "..", "exercises", "in", "in.zip"])
def test_installed_apart_it_takes_none_among_or_around_the_submissions(
    place, course, installed, monkeypatch
):
    monkeypatch.chdir(course)
    assert checkout(Path(place)) is None
    with pytest.raises(UnusableError, match="--release"):
        known_releases(None, Path("none"), Path(place))
