"""Hostile files and names, in one class that is graded as classes are."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from attnbook.grading.hostile import FOLDERS, NOTEBOOKS, Traps
from attnbook.grading.hostile.files import (
    EXERCISE,
    HONEST,
    NOTEBOOK,
    POINTS,
    whole_class,
)
from attnbook.grading.intake.file_names import readable
from attnbook.grading.intake.submissions import find
from attnbook.grading.notebook.read import UnusableError
from attnbook.grading.records import results

# A class is graded once.
pytestmark = pytest.mark.xdist_group("hostile files")

ROOT = Path(__file__).parents[3]
EXERCISES = ROOT / "exercises"

# Notebooks whose words stand in the pages beside the names.
TEXTS = [
    "hostile exception text",
    "hostile exception name",
    "hostile source",
    "hostile file names",
]

# What a terminal obeys; lines and the bar's own returns are no harm.
_ORDERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e\u2066]")


class Graded:
    """A class of one honest student and all hostile ones."""

    def __init__(self, root: Path) -> None:
        self.submissions, self.out = root / "submissions", root / "out"
        notebook = HONEST.notebook(EXERCISES)
        honest = self.submissions / "honest"
        honest.mkdir(parents=True)
        (honest / NOTEBOOK).write_bytes(notebook)
        for name in TEXTS:
            folder = self.submissions / name.replace(" ", "-")
            folder.mkdir()
            text = NOTEBOOKS[name].notebook(EXERCISES)
            (folder / NOTEBOOK).write_bytes(text)
        for kind in FOLDERS.values():
            folder = self.submissions / kind.folder
            folder.mkdir()
            kind.make(folder, notebook)
        with Traps(EXERCISES) as traps:
            self.done = subprocess.run(
                [
                    sys.executable, "-m", "attnbook.grading", "class",
                    str(self.submissions), "--exercise", EXERCISE,
                    "--out", str(self.out), "--jobs", "1", "--wall", "10",
                ],
                cwd=ROOT,
                capture_output=True,
                check=False,
            )  # fmt: skip
            self.effects = traps.effects()
        self.said = self.done.stdout.decode() + self.done.stderr.decode()
        self.results = {
            graded.place.split("/")[0]: graded
            for graded in results.load_all(self.out)
        }

    def of(self, folder: str) -> results.Graded:
        return self.results[readable(folder)]


@pytest.fixture(scope="module")
def graded(sandbox, tmp_path_factory):
    graded = Graded(tmp_path_factory.mktemp("hostile"))
    assert graded.done.returncode == 0, graded.said
    return graded


@pytest.mark.parametrize("kind", FOLDERS.values(), ids=list(FOLDERS))
def test_a_hostile_file_gets_what_it_deserves(kind, graded):
    result = graded.of(kind.folder)
    assert result.failure == ""
    if kind.points is None:
        assert result.status == "unusable"
        assert result.report.results == ()
    else:
        assert result.status == "graded"
        assert result.report.points == kind.points
    told = " ".join([result.trouble, *result.report.notes, graded.said])
    for words in kind.reports:
        assert words in told


def test_the_honest_student_beside_them_gets_the_points(graded):
    assert graded.of("honest").report.points == POINTS
    assert len(graded.results) == len(FOLDERS) + len(TEXTS) + 1


@pytest.mark.parametrize("name", TEXTS)
def test_a_hostile_text_costs_and_earns_nothing(name, graded):
    assert graded.of(name.replace(" ", "-")).report.points == POINTS


def test_nothing_was_written_outside_the_results(graded):
    assert graded.effects == {}
    assert not Path("/tmp", NOTEBOOK).exists()
    names = {path.name for path in graded.out.rglob("*")}
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in names)
    assert all(not name.startswith(("-", "..")) for name in names)
    assert all(
        path.resolve().is_relative_to(graded.out.resolve())
        for path in graded.out.rglob("*")
    )


def test_names_give_no_orders_to_the_terminal(graded):
    assert _ORDERS.search(graded.said) is None


def test_names_run_nothing_in_a_page(graded):
    pages = list(graded.out.rglob("*.html"))
    assert len(pages) > len(FOLDERS)
    for page in pages:
        text = page.read_text("utf-8")
        assert "<img src=x" not in text
        assert "<script>alert" not in text
        assert "<img src" not in text
        assert _ORDERS.search(text) is None


def test_names_are_no_formulas_in_a_table(graded):
    tables = list(graded.out.glob("*.csv"))
    assert tables
    for table in tables:
        with table.open(encoding="utf-8-sig", newline="") as file:
            fields = [field for row in csv.reader(file) for field in row]
        assert any("HYPERLINK" in field for field in fields)
        assert not any(re.match(r"[=+@\t\r]|-\D", f) for f in fields)


def test_a_zip_of_a_class_may_hold_paths_that_lead_out(tmp_path):
    path = tmp_path / "class.zip"
    whole_class(path, HONEST.notebook(EXERCISES))
    before = sorted(os.listdir(tmp_path))
    found = find(path, EXERCISE)
    usable = []
    for submission in found.submissions:
        try:
            submission.data(20_000_000)
            usable.append(submission.student)
        except UnusableError as error:
            assert "its zip" in str(error) or "link" in str(error)
    assert usable == ["student-01", "student-05"]
    assert sorted(os.listdir(tmp_path)) == before
    shown = " ".join(s.name + s.place for s in found.submissions)
    assert _ORDERS.search(shown) is None
