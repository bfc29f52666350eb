"""Files that are handed in: what they are, and what is made of them."""

import json

import pytest

from attnbook.grading.__main__ import main
from attnbook.grading.notebook import read as notebooks
from attnbook.grading.notebook.assemble import assemble
from attnbook.grading.notebook.read import read
from attnbook.grading.notebook.release import find, known_releases


@pytest.fixture
def releases(course, tmp_path):
    return known_releases(course / "exercises", tmp_path / "x")[0]


def sources(learner, releases):
    handed_in = read(learner.hand_in())
    release, _ = find(handed_in, releases)
    cells, notes = assemble(handed_in, release)
    return [cell.source for cell in cells], notes


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "There is no file"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"print(1)\n", "is not JSON"),
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"{", "it breaks off in line 1: its end is missing"),
        (b'{\n "cells": [\n  "# Ti', "breaks off in line 3: its end"),
        (b'{\n "cells": [\n  {"source": "a"},\n', "breaks off in line 3:"),
        (b'{"cells": tru', "its end is missing"),
        (b'{"cells": 7 "nbformat": 4}', "not JSON. Export or save it"),
        (b"\n\n<!DOCTYPE html>\n<html></html>", "is a web page. On GitHub,"),
        (b"<html><body>{}</body></html>", "*Download raw file*"),
        (b'{"payload": {"blob": {}}}', "it is what GitHub shows of one"),
        (
            b"version https://git-lfs.github.com/spec/v1\n"
            b"oid sha256:00\nsize 1\n",
            "`git lfs pull` fetches the notebook",
        ),
        (
            b'{\n<<<<<<< HEAD\n "cells": [],\n=======\n "cells": []\n'
            b">>>>>>> theirs\n}\n",
            "mark of a conflict, “<<<<<<<”, in line 2.",
        ),
        (b'{\r\n"cells": [],\r\n=======\r\n}', "“=======”, in line 3."),
        (b"PK\x03\x04\x14\x00\xff", "it is a zip. Hand in the notebook"),
        (b"%PDF-1.7\n%\xff", "it is a PDF. Hand in the notebook itself"),
        (b"\x89PNG\r\n\x1a\n\xff", "not text in UTF-8"),
        (b"[1, 2]", "it has no “nbformat”"),
        (b"{}", "it has no “nbformat”"),
        (b'{"nbformat": 3, "worksheets": []}', "format 4 is needed"),
        (b'{"nbformat": "four"}', "format 4 is needed"),
        (b'{"nbformat": 4}', "no list of cells"),
        (b'{"nbformat": 4, "cells": {}}', "no list of cells"),
        (b'{"nbformat": 4, "cells": []}', "is none of the exercises"),
        (
            b'{"nbformat": 4, "cells": [], '
            b'"metadata": {"attnbook": {"exercise": "07-unheard-of"}}}',
            "it says “07-unheard-of”",
        ),
    ],
)
def test_a_file_that_is_no_notebook_gets_one_clear_line(
    content, words, course, tmp_path, capsys
):
    path = tmp_path / "handed-in.ipynb"
    if content is not None:
        path.write_bytes(content)
    grade = tmp_path / "grade.json"
    assert main([str(path), "--release", str(course / "exercises"),
                 "--json", str(grade)]) == 2  # fmt: skip
    printed = capsys.readouterr()
    assert words in printed.out
    assert printed.out.count("\n") == 1
    assert "Traceback" not in printed.out + printed.err
    written = json.loads(grade.read_text("utf-8"))
    assert written["status"] == "unusable"
    assert written["points"] == 0
    assert words in written["reason"]


def test_a_folder_is_no_notebook(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().out


def test_without_releases_the_command_says_how_to_make_them(
    learner, tmp_path, capsys
):
    assert main([str(learner.hand_in()), "--release", str(tmp_path)]) == 2
    assert "python -m attnbook.grading release" in capsys.readouterr().out


def test_a_damaged_cell_is_left_out_and_the_others_kept():
    content = {
        "nbformat": 4,
        "metadata": [],
        "cells": [
            7,
            {"cell_type": "code", "source": 3},
            {"cell_type": "code", "source": ["a = 1\n", "a"], "metadata": 1},
            {"cell_type": "code", "source": "b = '\ud800'", "id": 5},
        ],
    }
    parsed = notebooks.parse(content, None)
    assert parsed.damaged == 2
    assert [cell.source for cell in parsed.cells] == ["a = 1\na", "b = '?'"]
    assert [cell.number for cell in parsed.cells] == [3, 4]


def test_a_notebook_is_known_by_its_metadata_whatever_its_name(
    learner, releases
):
    learner.path = learner.path.with_name("homework.ipynb")
    assert find(read(learner.hand_in()), releases)[0].name == "00-toy"


def test_a_notebook_is_known_by_its_name_without_metadata(learner, releases):
    learner.content["metadata"] = {}
    learner.path = learner.path.with_name("ada 00-toy (1).ipynb")
    assert find(read(learner.hand_in()), releases)[0].name == "00-toy"


def test_a_notebook_is_known_by_its_cells_alone(learner, releases):
    learner.content["metadata"] = {}
    learner.path = learner.path.with_name("homework.ipynb")
    assert find(read(learner.hand_in()), releases)[0].name == "00-toy"


def test_a_notebook_of_another_chapter_is_graded_as_what_it_is(
    fresh, releases
):
    other = fresh("01-other")
    other.path = other.path.with_name("00-toy.ipynb")
    release, notes = find(read(other.hand_in()), releases)
    assert release.name == "01-other"
    assert notes == ["The file is called 00-toy but is 01-other."]
    other.content["metadata"]["attnbook"]["exercise"] = "00-toy"
    for cell in other.content["cells"]:
        cell["id"] += "-other"
    release, notes = find(read(other.hand_in()), releases)
    assert release.name == "01-other"
    assert "it was graded as 01-other" in notes[0]


def test_a_chapter_handed_in_for_its_exercises_is_told_apart(
    course, tmp_path, capsys
):
    path = tmp_path / "00-toy.ipynb"
    cell = {"cell_type": "code", "source": "1 + 1", "id": "one"}
    path.write_text(json.dumps({"nbformat": 4, "cells": [cell]}))
    assert main([str(path), "--release", str(course / "exercises")]) == 2
    assert "Is it the chapter?" in capsys.readouterr().out


def test_an_untouched_notebook_runs_as_it_stands(learner, releases):
    expected = [
        cell["source"] if isinstance(cell["source"], str)
        else "".join(cell["source"])
        for cell in learner.content["cells"]
        if cell["cell_type"] == "code"
    ]  # fmt: skip
    assert sources(learner, releases) == (expected, [])


def test_a_missing_graded_cell_is_restored_after_its_solution(
    learner, releases
):
    learner.delete("negate-check")
    run, notes = sources(learner, releases)
    assert run.index("checks.check_negate(negate)") == 4
    assert notes == [
        "The graded cell “00-negate” was missing and was restored."
    ]


def test_a_missing_locked_cell_is_restored_at_the_top(learner, releases):
    learner.delete("imports")
    run, notes = sources(learner, releases)
    assert run[0] == "import toy_checks as checks"
    assert "locked cell “00-imports” was missing" in notes[0]


@pytest.fixture
def plain_imports(learner, tmp_path):
    """The releases, where the cell of imports is not locked."""
    learner["imports"]["metadata"] = {}
    learner.insert_before("imports", "import math")
    folder = tmp_path / "released"
    folder.mkdir()
    released = learner.hand_in().rename(folder / "00-toy.ipynb")
    return known_releases(folder, released)[0]


def test_a_missing_cell_of_imports_is_restored_though_it_is_not_locked(
    learner, plain_imports
):
    releases = plain_imports
    assert sources(learner, releases)[1] == []
    learner.write("imports", "import toy_checks as checks, sys")
    assert sources(learner, releases)[1] == []
    learner.delete("imports")
    run, notes = sources(learner, releases)
    assert run[:2] == ["import toy_checks as checks", "import math"]
    assert notes == ["Cells were missing and were restored: “imports”."]


def test_an_edited_cell_of_imports_runs_after_the_one_of_the_release(
    learner, plain_imports
):
    released = "import toy_checks as checks"
    edited = "\n".join(
        [
            "from __future__ import annotations",
            "assert cuda()",
            "import nothing_of_this_name",
            "from math import pi, tau",
            released,
            "import all the rest",
        ]
    )
    cell = learner["imports"]
    cell["source"] = edited
    run, notes = sources(learner, plain_imports)
    assert [*run[:2], run[3]] == ["import math", released, edited]
    names = {}
    exec(run[2], names)
    assert names["tau"] == 2 * names["pi"]
    assert notes == []
    cell["id"] = "another"
    assert sources(learner, plain_imports) == (run, [])
    # One that passes for a graded cell is left out, and has no place.
    cell.update(learner["double-check"] | {"id": "imports"})
    assert released in sources(learner, plain_imports)[0]


def test_an_edited_graded_cell_is_restored(learner, releases):
    learner.write("negate-check", "print('right')")
    run, notes = sources(learner, releases)
    assert "print('right')" not in run
    assert run.count("checks.check_negate(negate)") == 1
    assert notes == [
        "The graded cell “00-negate” (cell 8) was edited and was restored."
    ]


def test_a_graded_cell_never_runs_before_its_solution(learner, releases):
    cells = learner.content["cells"]
    solution = learner["double-solution"]
    cells.remove(solution)
    cells.append(solution)
    run, _ = sources(learner, releases)
    assert run.index("checks.check_double(double)") > run.index(
        "".join(solution["source"])
    )


def test_both_halves_of_a_split_solution_are_run(learner, releases):
    learner.write("double-solution", "factor = 2")
    learner.duplicate(
        "double-solution", "def double(number):\n    return factor * number"
    )
    run, notes = sources(learner, releases)
    assert run[1] == "factor = 2"
    assert run[2].startswith("def double")
    assert "2 copies of the solution cell “00-double-answer”" in notes[0]


def test_a_doubled_graded_cell_is_run_once(learner, releases):
    learner.duplicate("double-check")
    run, notes = sources(learner, releases)
    assert run.count("checks.check_double(double)") == 1
    assert "2 copies of the graded cell “00-double”" in notes[0]


def test_an_own_cell_made_from_a_copy_of_a_graded_one_is_kept(
    learner, releases
):
    learner.duplicate("double-check", "helper = 1")
    run, _ = sources(learner, releases)
    assert run.count("checks.check_double(double)") == 1
    assert "helper = 1" in run


def test_a_missing_solution_cell_is_noted(learner, releases):
    learner.delete("halve-solution")
    run, notes = sources(learner, releases)
    assert "checks.check_halve(halve)" in run
    assert notes == ["The solution cell “00-halve-answer” was missing."]


def test_a_check_without_its_solution_cell_waits_for_the_own_cells(
    learner, releases
):
    learner.delete("halve-solution")
    learner.delete("halve-check")
    learner.insert_before("points", "def halve(number):\n    return 0")
    run, _ = sources(learner, releases)
    assert run[-1] == "checks.check_halve(halve)"


def test_cells_are_known_by_their_ids_where_metadata_was_dropped(
    learner, releases
):
    for cell in learner.content["cells"]:
        cell["metadata"] = {}
    learner.write("double-check", "pass")
    run, notes = sources(learner, releases)
    assert "pass" not in run
    assert len(notes) == 1


def test_cells_are_known_by_their_source_where_ids_were_dropped_too(
    learner, releases
):
    for cell in learner.content["cells"]:
        cell["metadata"] = {}
        del cell["id"]
    run, _ = sources(learner, releases)
    assert run.count("checks.check_double(double)") == 1
    assert run.index("checks.check_double(double)") > next(
        i for i, source in enumerate(run) if source.startswith("def double")
    )


def test_a_notebook_worked_on_in_place_is_not_its_own_measure(
    course, tmp_path, monkeypatch
):
    import shutil

    root = tmp_path / "checkout"
    shutil.copytree(course, root)
    (root / "attnbook").mkdir()
    monkeypatch.setattr("attnbook.grading.notebook.release.OWN", root)
    monkeypatch.chdir(root)
    path = root / "exercises" / "00-toy.ipynb"
    path.write_text(
        path.read_text("utf-8").replace("checks.check_halve(halve)", "pass")
    )
    releases, notes = known_releases(None, path)
    assert notes == []
    graded = {c.grade_id: c.source for c in releases["00-toy"].graded}
    assert graded["00-halve"] == "checks.check_halve(halve)"
    shutil.rmtree(root / "solutions")
    _, notes = known_releases(None, path)
    assert "graded cells were taken as they are" in notes[0]
