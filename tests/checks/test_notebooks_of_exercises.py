"""The notebooks and the checks say the same."""

import re

import pytest

from attnbook.checks import WrongAnswer

FOLDERS = ("solutions", "exercises")


def headings(notebook):
    """The text of each exercise, by its heading."""
    text = "\n\n".join(
        cell.source for cell in notebook.cells if cell.cell_type == "markdown"
    )
    parts = re.split(r"^## \d+\. (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("folder", FOLDERS)
def test_graded_cells_and_exercises_match_one_to_one(chapter, folder):
    assert list(chapter.cells(folder, "grade")) == list(chapter.exercises)


@pytest.mark.parametrize("folder", FOLDERS)
def test_points_in_the_notebook_are_those_of_the_exercise(chapter, folder):
    points = {
        cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader.points
        for cell in chapter.notebook(folder).cells
        if cell.metadata.get("nbgrader", {}).get("grade")
    }
    assert points == {
        grade_id: exercise.points
        for grade_id, exercise in chapter.exercises.items()
    }
    assert sum(points.values()) == 20


def test_a_graded_cell_is_one_call_of_its_own_check(chapter):
    defined = chapter.names("solutions")
    for grade_id, source in chapter.cells("solutions", "grade").items():
        check, answer = re.fullmatch(
            r"checks\.check_(\w+)\((\w+)\)", source
        ).groups()
        assert check == answer
        bound = getattr(chapter.checks, f"check_{check}")
        assert bound.__self__ is chapter.exercises[grade_id]
        assert callable(defined[answer])


def test_every_cell_is_marked_as_nbgrader_wants_it(chapter):
    for cell in chapter.notebook("solutions").cells:
        marks = cell.metadata.get("nbgrader")
        if marks is None:
            continue
        assert marks.schema_version == 3
        assert marks.grade != marks.solution
        assert marks.locked == marks.grade
        assert ("### BEGIN SOLUTION" in cell.source) == marks.solution


def test_the_solutions_earn_all_points(chapter, capsys):
    for grade_id, exercise in chapter.exercises.items():
        exercise.check(chapter.answer("solutions", grade_id))
    chapter.checks.points_so_far()
    assert re.search(r"Total +20 / 20", capsys.readouterr().out)


def test_a_stub_only_defines_and_is_reported_as_not_written(chapter, exercise):
    stub = chapter.answer("exercises", exercise.grade_id)
    with pytest.raises(WrongAnswer, match="Not written yet"):
        exercise.check(stub)
    assert exercise.earned == 0


def test_the_release_holds_no_solution(chapter):
    for cell in chapter.notebook("exercises").cells:
        assert "SOLUTION" not in cell.source
    for source in chapter.cells("exercises", "solution").values():
        assert "raise NotImplementedError" in source


def test_the_last_cell_shows_the_points(chapter):
    last = chapter.notebook("exercises").cells[-1]
    assert last.source == "checks.points_so_far()"


def test_the_heading_is_the_title_on_the_scoreboard(chapter):
    titles = [exercise.title for exercise in chapter.exercises.values()]
    assert list(headings(chapter.notebook("exercises"))) == titles


def test_every_exercise_states_what_it_asks(chapter, exercise):
    text = headings(chapter.notebook("exercises"))[exercise.title]
    assert f"**{exercise.points} points ·" in text
    assert re.search(r"· \d+ minutes · (★☆☆|★★☆|★★★) ·", text)
    assert f"(../chapters/{chapter.name}.ipynb#" in text
    for part in ("**Shapes.**", "**A worked example.**"):
        assert part in text


def test_every_exercise_has_hints_and_one_for_an_error(chapter, exercise):
    text = headings(chapter.notebook("exercises"))[exercise.title]
    summaries = re.findall(r"<summary>Hint \d: ([^<]+)</summary>", text)
    assert len(summaries) >= 3
    assert any(
        re.search(r"\bI see\b.*(Error|Warning|error)", summary, re.DOTALL)
        for summary in summaries
    )


def test_sections_that_are_linked_exist_in_the_chapter(chapter):
    try:
        lesson = chapter.notebook("chapters")
    except FileNotFoundError:
        pytest.skip("the chapter is not there")
    titles = re.findall(
        r"^#+ (.+)$",
        "\n".join(c.source for c in lesson.cells if c.cell_type == "markdown"),
        flags=re.MULTILINE,
    )
    known = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in titles
    }
    text = "\n".join(c.source for c in chapter.notebook("exercises").cells)
    linked = re.findall(rf"{chapter.name}\.ipynb#([\w-]+)", text)
    assert linked and set(linked) <= known


def test_a_draft_with_planted_bugs_has_all_of_them(chapter):
    names = chapter.names("solutions")
    drafts = [name for name in names if name.endswith("_draft")]
    assert len(drafts) == 1
    repair = next(
        exercise
        for exercise in chapter.exercises.values()
        if exercise.title.startswith("Repair")
    )
    diagnosis = repair.diagnose(names[drafts[0]])
    left = re.fullmatch(r"at least bugs (.+) of 5", diagnosis.mistake)
    assert len(re.findall(r"\d", left[1])) >= 4
