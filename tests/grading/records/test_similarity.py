"""Which answers are said to be alike, and which are not."""

import io
import os
import random
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest
from graded_class import graded

from attnbook.grading.notebook.release import known_releases
from attnbook.grading.records import similarity
from attnbook.grading.records.grades import exercise_of, grade_of
from attnbook.grading.records.similarity import similar

VERBS = ("roll", "stack", "split", "flip", "clip", "repeat", "sort", "where")


@pytest.fixture(scope="module")
def toy(course):
    releases, _ = known_releases(course / "exercises", course)
    return exercise_of(releases["00-toy"], [])


def lines(seed, count=14):
    """Return lines of code as only one student would write them."""
    dice = random.Random(seed)
    return [
        f"    value{i} = np.{dice.choice(VERBS)}(number, "
        f"{dice.randrange(100)}) {dice.choice('+-*/')} {dice.randrange(100)}"
        for i in range(count)
    ]


def answer(seed, name="double"):
    body = "\n".join(lines(seed))
    return f"def {name}(number):\n{body}\n    return value3\n"


def compare(toy, sources):
    """Compare students by what they wrote for the first exercise."""
    grades = [
        grade_of(
            graded(
                student,
                sources=source
                if isinstance(source, dict)
                else {"00-double-answer": source},
            ),
            toy,
            {},
        )
        for student, source in sources.items()
    ]
    return similar(toy, grades)


def class_of(count):
    return {f"student-{n:02}": answer(n) for n in range(1, count + 1)}


def test_answers_written_apart_are_not_alike(toy):
    found = compare(toy, class_of(12))
    assert found.groups == ()
    assert (found.compared, found.left_out) == (12, 0)


@pytest.mark.parametrize("count", [2, 12])
def test_a_copy_is_found_in_a_class_of_any_size(toy, count):
    sources = class_of(count)
    sources["student-02"] = sources["student-01"]
    (group,) = compare(toy, sources).groups
    assert group.students == ("student-01", "student-02")
    assert group.shares == (1, 1)
    assert group.shares_with_names == (1, 1)
    assert group.titles == ("Double",)


def test_names_comments_and_layout_hide_nothing(toy):
    sources = class_of(12)
    copy = sources["student-01"].replace("value", "mine")
    copy = copy.replace(" = ", "=").replace(")\n", ")  # my own\n\n")
    assert copy != sources["student-01"]
    (group,) = compare(toy, sources | {"student-13": copy}).groups
    assert group.students == ("student-01", "student-13")
    assert group.shares == (1, 1)
    assert group.shares_with_names[1] < 0.5


def test_a_copy_with_lines_added_is_found(toy):
    sources = class_of(12)
    sources["student-02"] = sources["student-01"].replace(
        "    return", "\n".join(lines(99, 5)) + "\n    return"
    )
    (group,) = compare(toy, sources).groups
    assert group.students == ("student-01", "student-02")
    assert 0.8 <= group.shares[0] < 1


def test_many_who_wrote_the_very_same_are_one_group(toy):
    sources = class_of(60)
    sources |= dict.fromkeys(list(sources)[:30], sources["student-01"])
    (group,) = compare(toy, sources).groups
    assert len(group.students) == 30


def test_what_much_of_the_class_shares_is_left_out(toy):
    shared = "\n".join(lines(1000, 2_000))
    sources = {
        student: source.replace("    return", shared + "\n    return")
        for student, source in class_of(12).items()
    }
    assert compare(toy, sources).groups == ()


def test_the_release_and_short_answers_are_left_out(toy):
    released = {
        cell.grade_id: cell.source
        for cell in toy.release.cells
        if cell.is_solution
    }
    short = {
        f"student-{n:02}": "def double(number):\n    return number + number"
        for n in range(2)
    }
    found = compare(toy, {"a": released, "b": released} | short)
    assert found.groups == ()
    assert (found.compared, found.left_out) == (0, 4)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "'''" * 5_000,
        "(" * 50_000,
        "  x\n y\n" * 3_000,
        "%%bash\n!ls ?x\n" * 100,
        "\0\x0c\ud800 ﬀ = 1\n" * 100,
        "'" * 50_000,
        "x" * 2_000_000,
        "\\\n" * 20_000,
        "1_" * 20_000,
        "f'{" * 5_000,
    ],
)
def test_no_source_stops_the_comparison(toy, source):
    sources = class_of(3) | {"student-08": source, "student-09": source}
    found = compare(toy, sources)
    assert found.compared + found.left_out == 5


def test_the_tokens_after_a_fault_are_compared_too(toy):
    sources = class_of(6)
    broken = "a = (1\n'''\n" + sources["student-01"]
    found = compare(
        toy, sources | {"student-08": broken, "student-09": broken}
    )
    assert ("student-08", "student-09") in {g.students for g in found.groups}


def test_fingerprints_are_the_same_in_another_process():
    code = (
        "from attnbook.grading.records.similarity import _chosen\n"
        f"print(sorted(_chosen({answer(1)!r})))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


# What Python's own tokenizer takes a minute to an hour for, each.
ENDLESS = {
    "blanks": "x" + " " * 99_990 + "?",
    "quotes that never close": "'\\" * 50_000,
    "quotes of two kinds": "'\"'" * 33_000,
    "a text of many lines": '"""' + '\n"' * 49_000 + "\\",
    "brackets": "(" * 99_990,
    "backslashes": "\\" * 99_990,
    "digits": "1e" * 50_000,
    "prefixes": "rb" * 50_000,
    "no Python": "%%html\n" + "x \t" * 33_000 + "?",
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("source", ENDLESS.values(), ids=ENDLESS)
def test_no_answer_stalls_the_comparison(toy, source):
    sources = {**class_of(4), "student-05": source, "student-06": source}
    found = compare(toy, sources)
    assert found.compared + found.left_out == 6


def test_a_copy_with_an_endless_line_is_found(toy):
    sources = class_of(6)
    for student in ("student-05", "student-06"):
        sources[student] = sources["student-01"] + ENDLESS["blanks"]
    (group,) = compare(toy, sources).groups
    assert set(group.students) == {"student-01", "student-05", "student-06"}


def test_whose_answers_are_not_read_whole_is_told(toy):
    sources = class_of(6)
    sources["student-05"] = f"# {'x' * 100_000}\n{sources['student-01']}"
    sources["student-05"] = sources["student-05"][:100_000]  # as it is kept
    assert compare(toy, sources).cut == ("student-05",)


def test_python_is_read_as_python_reads_it():
    source = Path(similarity.__file__).read_text("utf-8")
    skipped = {
        tokenize.COMMENT, tokenize.DEDENT, tokenize.ENDMARKER,
        tokenize.INDENT, tokenize.NL,
    }  # fmt: skip
    theirs = [
        ";" if token.type == tokenize.NEWLINE else token.string
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in skipped
    ]
    assert list(similarity._tokens(source).exact) == theirs
