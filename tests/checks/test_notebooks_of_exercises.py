"""The notebooks and the checks say the same.

Whoever writes an exercise meets these rules first: each says what it
expected, what it found, and what to do.
"""

import re

import pytest
from chapters_and_notebooks import GRADED, headings, text_of

from attnbook.checks import WrongAnswer

FOLDERS = ("solutions", "exercises")
POINTS = 20

every_folder = pytest.mark.parametrize("folder", FOLDERS)


def counted(points):
    return "1 point" if points == 1 else f"{points} points"


def graded_parts(chapter):
    """Each part of each exercise by the grade_id of its cell, in order."""
    return {
        grade_id: part
        for exercise in chapter.exercises.values()
        for grade_id, part in exercise.graded.items()
    }


@every_folder
def test_graded_cells_and_parts_match_one_to_one(chapter, folder):
    graded, known = chapter.cells(folder, "grade"), graded_parts(chapter)
    assert list(graded) == list(known), (
        f"{folder}/{chapter.name}.ipynb: expected a graded cell for each "
        f"part of EXERCISES, in their order, {list(known)}, got "
        f"{list(graded)}: add the cell or the part that is missing, give "
        "both the same grade_id, put them in one order, then `make release`"
    )


@every_folder
def test_points_in_the_notebook_are_those_of_the_parts(chapter, folder):
    points = {
        cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader.points
        for cell in chapter.notebook(folder).cells
        if cell.metadata.get("nbgrader", {}).get("grade")
    }
    known = {
        grade_id: part.points
        for grade_id, part in graded_parts(chapter).items()
    }
    assert points == known, (
        f"{folder}/{chapter.name}.ipynb: expected graded cells of {known} "
        f"points, as in attnbook/checks/, got {points}: make them equal, "
        "then `make release`"
    )
    assert sum(points.values()) == POINTS, (
        f"{folder}/{chapter.name}.ipynb: expected {POINTS} points in a "
        f"chapter, got {sum(points.values())}, from {points}: give the new "
        "exercise what you take from others"
    )


def test_an_exercise_of_three_points_is_graded_in_parts(chapter, exercise):
    count = len(exercise.parts)
    wanted = range(2, 5) if exercise.points >= 3 else range(1, 3)
    assert count in wanted, (
        f"{exercise.grade_id}: expected two to four parts in an exercise of "
        f"three points or more, got {count}: give `parts=[Part(…), …]`"
    )


def test_a_graded_cell_is_one_call_of_its_own_check(chapter):
    defined = chapter.names("solutions")
    cells = chapter.cells("solutions", "grade")
    for exercise in chapter.exercises.values():
        for place, (grade_id, part) in enumerate(
            exercise.graded.items(), start=1
        ):
            where = f"solutions/{chapter.name}.ipynb, graded cell {grade_id}"
            found = GRADED.fullmatch(cells[grade_id])
            assert found and found["check"] == found["answer"], (
                f"{where}: expected `checks.check_NAME(NAME)` or a comment "
                "and a line, `# Part 1 of 2 · 3 points · TITLE` and "
                f'`checks.check_NAME(NAME, "PART")`, got '
                f"{cells[grade_id]!r}: name check and answer alike, and "
                "nothing else"
            )
            count = str(len(exercise.parts))
            wanted = (
                (str(place), count, counted(part.points), part.title)
                if part.name
                else (None, None, None, None)
            )
            told = found.group("place", "count", "points", "title")
            assert told == wanted and (found["part"] or "") == part.name, (
                f"{where}: expected place, number, points and title of the "
                f"part {part.name!r} to be {wanted}, got {told}"
            )
            check, answer = found["check"], found["answer"]
            bound = getattr(chapter.checks, f"check_{check}", None)
            owner = getattr(bound, "__self__", None)
            assert owner is exercise, (
                f"{where}: expected {chapter.checks.__name__}.check_{check} "
                f"to be the check of {exercise.grade_id}, got "
                f"{getattr(owner, 'grade_id', bound)}: bind it in that module"
            )
            assert callable(defined.get(answer)), (
                f"{where}: expected a cell above that defines {answer}, got "
                f"{defined.get(answer)!r}: define it between ### BEGIN "
                "SOLUTION and ### END SOLUTION"
            )


def test_the_text_says_beforehand_what_earns_what(chapter, exercise):
    if len(exercise.parts) == 1:
        return
    wanted = "; ".join(
        f"{part.points} for {part.title}" for part in exercise.parts
    )
    text = " ".join(text_of(chapter, exercise).split())
    assert f"**Points.** {wanted}." in text, (
        f"solutions/{chapter.name}.ipynb, “{exercise.title}”: expected a "
        f"paragraph\n**Points.** {wanted}.\nWrite it, then `make release`"
    )


def test_every_cell_is_marked_as_nbgrader_wants_it(chapter):
    for cell in chapter.notebook("solutions").cells:
        marks = cell.metadata.get("nbgrader")
        if marks is None:
            continue
        where = f"solutions/{chapter.name}.ipynb, cell {cell.id}"
        assert marks.schema_version == 3, (
            f"{where}: expected nbgrader's schema_version 3, got "
            f"{marks.schema_version}: set it, or mark the cell anew in the "
            "panel Create Assignment"
        )
        assert marks.grade != marks.solution, (
            f"{where}: expected either an answer (`solution`) or a graded "
            f"cell (`grade`), got grade {marks.grade} and solution "
            f"{marks.solution}: choose “Autograded answer” or “Autograder "
            "tests”"
        )
        assert marks.locked == marks.grade, (
            f"{where}: expected graded cells, and no others, to be locked, "
            f"got grade {marks.grade} and locked {marks.locked}: set both "
            "alike"
        )
        has_gap = "### BEGIN SOLUTION" in cell.source
        assert has_gap == marks.solution, (
            f"{where}: expected `### BEGIN SOLUTION` in answers and nowhere "
            f"else; this cell {'has' if has_gap else 'lacks'} it and is "
            f"marked solution {marks.solution}"
        )


def test_the_solutions_earn_all_points(chapter, capsys):
    for exercise in chapter.exercises.values():
        exercise.check(chapter.answer("solutions", exercise))
    capsys.readouterr()
    chapter.checks.points_so_far()
    printed = capsys.readouterr().out
    assert re.search(rf"Total +{POINTS} / {POINTS}", printed), (
        f"solutions/{chapter.name}.ipynb: expected all {POINTS} points, "
        f"got\n{printed}"
    )


def test_a_stub_only_defines_and_is_reported_as_not_written(chapter, exercise):
    stub = chapter.answer("exercises", exercise)
    for part in exercise.parts:
        with pytest.raises(WrongAnswer, match="Not written yet"):
            exercise.check(stub, part.name)
    assert exercise.earned == 0, (
        f"{exercise.grade_id}: expected a stub to earn 0 points, got "
        f"{exercise.earned}"
    )


def test_the_release_holds_no_solution(chapter):
    where = f"exercises/{chapter.name}.ipynb"
    for cell in chapter.notebook("exercises").cells:
        assert "SOLUTION" not in cell.source, (
            f"{where}, cell {cell.id}: expected no solution: run `make "
            "release`, and see that BEGIN and END come in pairs"
        )
    for grade_id, source in chapter.cells("exercises", "solution").items():
        assert "raise NotImplementedError" in source, (
            f"{where}, {grade_id}: expected a stub that raises "
            f"NotImplementedError, got\n{source}\nrun `make release`"
        )


def test_the_last_cell_shows_the_points(chapter):
    last = chapter.notebook("exercises").cells[-1]
    assert last.source == "checks.points_so_far()", (
        f"exercises/{chapter.name}.ipynb: expected the last cell to be "
        f"`checks.points_so_far()`, got {last.source!r}: put new exercises "
        "before the last two cells"
    )


def test_the_heading_is_the_title_on_the_scoreboard(chapter):
    titles = [exercise.title for exercise in chapter.exercises.values()]
    found = list(headings(chapter.notebook("exercises")))
    assert found == titles, (
        f"exercises/{chapter.name}.ipynb: expected the headings `## N. …` to "
        f"be the titles in attnbook/checks/, {titles}, got {found}: write "
        "the same in both, in the same order, then `make release`"
    )


def test_every_exercise_states_what_it_asks(chapter, exercise):
    text = text_of(chapter, exercise)
    where = f"solutions/{chapter.name}.ipynb, “{exercise.title}”"
    points = counted(exercise.points)
    wanted = {
        f"its points, `**{points} ·`": rf"\*\*{points} ·",
        "minutes and difficulty, `· 20 minutes · ★★☆ ·`": (
            r"· \d+ minutes · (★☆☆|★★☆|★★★) ·"
        ),
        f"a link to a section, `(../chapters/{chapter.name}.ipynb#…)`": (
            rf"\(\.\./chapters/{chapter.name}\.ipynb#"
        ),
        "a paragraph that begins with `**Shapes.**`": r"\*\*Shapes\.\*\*",
        "a paragraph that begins with `**A worked example.**`": (
            r"\*\*A worked example\.\*\*"
        ),
    }
    lacking = [
        what for what, form in wanted.items() if not re.search(form, text)
    ]
    assert not lacking, (
        f"{where}: expected below the heading {'; '.join(wanted)}; it lacks "
        f"{'; '.join(lacking)}: write it, then `make release`"
    )


def test_every_exercise_has_hints_and_one_for_an_error(chapter, exercise):
    text = text_of(chapter, exercise)
    where = f"solutions/{chapter.name}.ipynb, “{exercise.title}”"
    summaries = re.findall(r"<summary>Hint \d: ([^<]+)</summary>", text)
    assert len(summaries) >= 3, (
        f"{where}: expected three hints or more, `<details><summary>Hint 1: "
        f"…</summary>`, got {summaries}: write them, then `make release`"
    )
    assert any(
        re.search(r"\bI see\b.*(Error|Warning|error)", summary, re.DOTALL)
        for summary in summaries
    ), (
        f"{where}: expected one hint to name an error that learners meet, "
        f"`Hint 3: I see ValueError: …`, got {summaries}: add one, then "
        "`make release`"
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
    linked = set(re.findall(rf"{chapter.name}\.ipynb#([\w-]+)", text))
    assert linked, (
        f"exercises/{chapter.name}.ipynb: expected links to sections of its "
        f"chapter, `(../chapters/{chapter.name}.ipynb#…)`, got none"
    )
    assert linked <= known, (
        f"exercises/{chapter.name}.ipynb links to sections that the chapter "
        f"does not have, {sorted(linked - known)}; it has {sorted(known)}: "
        "correct the link in solutions/, then `make release`"
    )


def test_a_draft_with_planted_bugs_has_all_of_them(chapter):
    names = chapter.names("solutions")
    drafts = [name for name in names if name.endswith("_draft")]
    repairs = [
        exercise
        for exercise in chapter.exercises.values()
        if exercise.title.startswith("Repair")
    ]
    assert len(drafts) == 1 and repairs, (
        f"solutions/{chapter.name}.ipynb: expected one exercise called "
        "“Repair …” and one function NAME_draft with five bugs for it, got "
        f"exercises {[exercise.title for exercise in repairs]} and drafts "
        f"{drafts}: write one with bugs_left of attnbook.judging.planted_bugs"
    )
    diagnosis = repairs[0].diagnose(names[drafts[0]])
    left = re.fullmatch(
        r"at least bugs (.+) of 5", (diagnosis and diagnosis.mistake) or ""
    )
    assert left and len(re.findall(r"\d", left[1])) >= 4, (
        f"{repairs[0].grade_id}: expected {drafts[0]} to be named as “at "
        "least bugs 1, 2, 3, 4 and 5 of 5”, or all but one that another "
        f"hides, got {diagnosis and diagnosis.mistake!r}: plant those that "
        "are missing in the draft"
    )
