"""Notebooks of strangers: read within bounds, and restored with a note."""

import json
import time

import pytest

from attnbook.grading.grade import answers, clean, grade_bytes, what_happened
from attnbook.grading.isolation.limits import Limits
from attnbook.grading.notebook import read as notebooks
from attnbook.grading.notebook.read import UnusableError, loads
from attnbook.grading.notebook.release import known_releases
from attnbook.grading.notebook.running import Fate


def notebook(*cells, **more) -> bytes:
    return json.dumps({"nbformat": 4, "cells": cells} | more).encode()


CODE = {"cell_type": "code", "source": ""}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"[" * 100_000, "is not JSON"),
        (b'{"a":' * 100_000, "is not JSON"),
        (b"9" * 5_000, "is not JSON"),
        (b"\xff\xfe{}", "not text in UTF-8"),
        (b"NaN", "it has no “nbformat”"),
        (b'{"nbformat": NaN}', "notebook format nan"),
        (b'{"nbformat": 1e999}', "notebook format inf"),
        (b'{"nbformat": %s}' % (b"9" * 4_000), "notebook format 999999999"),
        (
            b'{"nbformat": %s1%s}' % (b"[" * 900, b"]" * 900),
            "notebook format a list",
        ),
        (b'{"nbformat": 4, "nbformat": 3}', "notebook format 3"),
        (b"[" + b"[]," * 4_000_000 + b"[]]", "too many parts"),
        (notebook(*[CODE] * 5_001), "has 5,001 cells"),
        (
            notebook(CODE | {"source": "x" * 1_000_001}),
            "cell 1 has 1,000,001 characters",
        ),
        (
            notebook(CODE | {"source": ["x" * 600_000] * 2}),
            "cell 1 has 1,200,000 characters",
        ),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_hostile_bytes_get_one_clear_line(data, words):
    with pytest.raises(UnusableError) as refusal:
        loads(data, "handed-in.ipynb")
    text = str(refusal.value)
    assert words in text
    assert "handed-in.ipynb" in text
    assert len(text) < 300


def test_a_file_beyond_the_limit_is_not_parsed(monkeypatch):
    monkeypatch.setattr(notebooks.json, "loads", None)
    with pytest.raises(UnusableError, match=r"larger than 0\.001 MB"):
        loads(b" " * 1_001, "large.ipynb", 1_000)


def test_the_last_of_two_keys_counts_as_in_jupyter():
    data = b'{"nbformat": 4, "cells": [], "cells": [%s]}'
    cell = json.dumps(CODE | {"source": "1"}).encode()
    assert [c.source for c in loads(data % cell, "x").cells] == ["1"]


@pytest.fixture(scope="module")
def release(course, tmp_path_factory):
    path = tmp_path_factory.mktemp("none") / "x"
    return known_releases(course / "exercises", path)[0]["00-toy"]


class Examiner:
    """Gives every cell the fate that a test has in mind."""

    limits = Limits(notebook=3)
    isolation = "bubblewrap"

    def __init__(self, fate=None):
        self.fate = fate or (lambda cell: Fate("passed"))

    def run(self, cells):
        self.cells = cells
        return [self.fate(cell) for cell in cells]


@pytest.fixture
def graded(learner, release):
    """Return a function that grades what the learner's notebook holds."""

    def grade(examiner=None, name="00-toy.ipynb"):
        data = json.dumps(learner.content).encode()
        return grade_bytes(data, name, release, examiner or Examiner())

    return grade


def test_a_released_notebook_has_no_notes(graded):
    report = graded()
    assert report.notes == ()
    assert report.isolation == "bubblewrap"
    assert report.points == report.out_of == 20


def test_a_known_mistake_is_named_in_the_result(graded):
    fate = Fate("error", "WrongAnswer", "No.", mistake="kept the sign")
    report = graded(Examiner(lambda cell: fate))
    assert {r.mistake for r in report.results} == {"kept the sign"}


def note(report, words):
    return next((n for n in report.notes if words in n), None)


def test_changed_marks_are_said_and_have_no_effect(graded, learner):
    learner["double-check"]["metadata"]["nbgrader"]["points"] = 1_000
    learner["halve-check"]["metadata"]["nbgrader"]["grade"] = False
    learner["third-check"]["metadata"]["nbgrader"]["locked"] = [[]]
    report = graded()
    assert (report.points, report.out_of) == (20, 20)
    assert "metadata of cells 5, 11, 14" in note(report, "marks were changed")


def test_another_order_is_said_and_answers_come_first(graded, learner):
    cells = learner.content["cells"]
    cells.remove(check := learner["double-check"])
    cells.insert(0, check)
    examiner = Examiner()
    report = graded(examiner)
    assert "“00-double” stands before “00-imports”" in note(report, "order")
    ids = [cell.grade_id for cell in examiner.cells]
    assert ids.index("00-double-answer") < ids.index("00-double")


def test_cells_of_the_learners_own_are_counted(graded, learner):
    assert note(graded(), "own") is None
    learner.insert_before("double-check", "1 + 1")
    assert "is 1 cell of the learner's own: 5" in note(graded(), "own")
    for _ in range(29):
        learner.insert_before("double-check", "1 + 1")
    text = note(graded(), "own")
    assert "are 30 cells" in text
    assert text.endswith("14 and 20 more.")


def test_cells_whose_ids_an_editor_made_anew_are_not_the_learners_own(
    graded, learner
):
    for identities in (["one"] * 100, ["", *"abcdefghijklmnop"]):
        for cell, identity in zip(
            learner.content["cells"], identities, strict=False
        ):
            cell["id"] = identity
        assert graded().notes == ()


def test_a_failed_cell_is_named_where_its_names_are_missed(graded, learner):
    learner.insert_before(
        "double-solution", "import nothing_here\nimport math"
    )
    missed = "name 'math' is not defined"
    no_function = Fate("error", "NameError", "name 'negate' is not defined")
    fates = {
        "00-double": Fate("error", "WrongAnswer", f"It raised: {missed}."),
        "00-negate-answer": Fate("error", "NameError", missed),
        "00-negate": no_function,
    }

    def fate(cell):
        if "nothing_here" in cell.source:
            return Fate("error", "OSError")
        return fates.get(cell.grade_id, Fate("passed"))

    report = graded(Examiner(fate))
    cause = "`math` is not defined, because cell 4 failed.\nOSError."
    assert [result.message for result in report.results[:2]] == [
        f"It raised: {missed}.\n{cause}",
        "`negate` is not defined, because the answer to “Negate” "
        f"failed.\nNameError: {missed}\n{cause}",
    ]
    assert note(report, "failed") is None


def test_a_name_of_another_exercise_is_said(graded, learner):
    learner.content["metadata"]["attnbook"]["exercise"] = "\x1b]0;<b>\ud800"
    assert "names another exercise" in note(graded(), "metadata")


def test_the_notebook_of_another_exercise_is_refused_by_name(fresh, release):
    data = json.dumps(fresh("01-other").content).encode()
    with pytest.raises(UnusableError, match=r"a\.ipynb is not 00-toy.*01-oth"):
        grade_bytes(data, "a.ipynb", release, Examiner())


def test_a_hostile_file_name_is_shortened_and_cleaned(graded):
    name = "\x1b[31m\u202e<b>" + "x" * 10_000
    shown = graded(name=name).notebook
    assert shown.startswith("<b>x")
    assert len(shown) <= 200


def test_what_is_larger_than_the_limit_is_refused(graded, learner):
    for name in ("double", "negate", "halve", "third"):
        learner.write(f"{name}-solution", " " * 900_000)
    with pytest.raises(UnusableError, match="larger than 3 MB"):
        graded()


def test_answers_are_what_stands_in_solution_cells(learner, release):
    learner.answer("double", "1")
    learner.duplicate("double-solution", "second")
    learner.delete("negate-solution")
    learner.write("halve-solution", "x" * 200_000)
    found = answers(loads(json.dumps(learner.content).encode(), "x"), release)
    assert found["00-double-answer"].endswith("return 1\nsecond")
    assert "00-negate-answer" not in found
    assert len(found["00-halve-answer"]) == 100_000
    assert "00-double" not in found


def test_sources_made_to_stop_the_search_for_a_name_do_not(graded, learner):
    blanks = "\n" * 400_000 + " " * 400_000
    learner.insert_before("double-check", blanks + "def " * 40_000 + "double")
    learner.insert_before("double-check", "from " + "double" * 100_000)

    def undefined(cell):
        if cell.is_graded:
            return Fate("error", "NameError", "name 'double' is not defined")
        return Fate("passed")

    began = time.process_time()
    report = graded(Examiner(undefined))
    # Seconds on any machine; with all lines at once it takes hours.
    assert time.process_time() - began < 60
    assert "`double` is not defined" in report.results[0].message


def test_thousands_of_failures_make_few_notes(graded, learner):
    for _ in range(500):
        learner.insert_before("double-check", "1 / 0")
    fate = Fate("error", "ZeroDivisionError", "x" * 4_000)
    report = graded(Examiner(lambda cell: fate))
    assert len(report.notes) < 30
    assert note(report, "more failed")


def test_an_examiner_may_say_how_a_cell_ended():
    fate = Fate("not run", text="The time was used up.")
    assert what_happened(fate, 60) == "The time was used up."
    assert "too often" in what_happened(Fate("not run"), 60)


def test_a_cell_that_the_notebooks_end_stopped_says_how_long_it_ran():
    assert "ran for 5.1 s" in what_happened(Fate("timeout", seconds=5.1), 60)
    assert "ran for 60 s" in what_happened(Fate("timeout", seconds=64), 60)
    assert "ran for 60 s" in what_happened(Fate("timeout"), 60)


def test_controls_and_turned_text_are_taken_out():
    text = "a\x00\x1b[31mb\u202e\u2066c\ud800\x9bd"
    assert clean(text, 100) == "abcd"
    assert len(clean("x" * 10**6, 10)) == 10
