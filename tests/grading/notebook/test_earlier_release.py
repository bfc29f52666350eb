"""A notebook whose exercises had one graded cell each, before their parts."""

import copy
import json
from pathlib import Path

import pytest

from attnbook.grading.notebook.assemble import assemble
from attnbook.grading.notebook.changes import changes
from attnbook.grading.notebook.read import parse
from attnbook.grading.notebook.release import Release

ROOT = Path(__file__).resolve().parents[3]
NAME = "03-scaled-dot-product"
ANSWER = "def sink_attention(*inputs): ..."


@pytest.fixture(scope="module")
def content():
    path = ROOT / "exercises" / f"{NAME}.ipynb"
    return json.loads(path.read_text("utf-8"))


@pytest.fixture(scope="module")
def release(content):
    return Release(NAME, parse(content, Path(f"{NAME}.ipynb")))


@pytest.fixture
def earlier(content, release):
    """The notebook as it was, with an answer to one exercise."""
    content, cells = copy.deepcopy(content), []
    parts = release.cells_of("03-sink-attention")
    assert len(parts) > 1
    for cell in content["cells"]:
        marks = cell["metadata"].get("nbgrader", {})
        if marks.get("grade_id") == "03-sink-attention-answer":
            cell["source"] = ANSWER
        if marks.get("grade_id") == parts[0]:
            marks |= {"grade_id": "03-sink-attention", "points": 4}
            cell["source"] = "checks.check_sink_attention(sink_attention)"
            cell["id"] = "sink-attention-check"
        elif marks.get("grade_id") in parts:
            continue
        cells.append(cell)
    return parse(content | {"cells": cells}, Path("earlier.ipynb"))


def test_the_parts_take_the_place_of_the_one_cell(earlier, release):
    cells, _ = assemble(earlier, release)
    graded = [cell for cell in cells if cell.is_graded]
    assert [c.grade_id for c in graded] == [c.grade_id for c in release.graded]
    place = [cell.source for cell in cells].index(ANSWER)
    after = [cell.grade_id for cell in cells[place + 1 :] if cell.is_graded]
    parts = release.cells_of("03-sink-attention")
    assert after[: len(parts)] == parts
    assert "checks.check_sink_attention(sink_attention)" not in [
        cell.source for cell in cells
    ]


def test_it_is_said_once_and_blames_nobody(earlier, release):
    _, notes = assemble(earlier, release)
    assert len(notes) == 1
    assert "of an earlier release" in notes[0]
    assert changes(earlier, release) == []
