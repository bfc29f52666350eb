"""The list of the chapters is read, checked, and written where it stands."""

from __future__ import annotations

import re
import shutil

import pytest

from attnbook.grading.notebook.release import compare_all
from book.address import declared
from book.chapters import (
    FOLDERS,
    ChapterError,
    listed,
    missing,
    opening_of,
)
from book.contents import MADE, main
from book.path_picture import path_picture

OPENING = """\
# A title

A scene.

**What is
asked?**

*About 45 minutes. You need [chapter 03](03-three.ipynb) and
[04](04-four.ipynb); it compares with [01](01-one.ipynb).*
"""

ENTRY = """
[[part.chapter]]
name = "{0}"
checks = "{1}"
mechanisms = ["attnbook.mechanisms.{1}"]
build = "a"
measure = "b"
afterwards = "c"
stop = "d"
"""


@pytest.fixture
def course(root, tmp_path):
    """A course of two chapters, and the files that list them."""
    (tmp_path / "chapters.toml").write_text(
        '[[part]]\ntitle = "First"\n'
        + ENTRY.format("03-three", "three")
        + "year = 2017\naside = true\n"
        + ENTRY.format("04-four", "four")
    )
    for name, module in (("03-three", "three"), ("04-four", "four")):
        for folder in FOLDERS:
            path = tmp_path / folder / f"{name}.ipynb"
            path.parent.mkdir(exist_ok=True)
            shutil.copy(root / folder / "05-positions.ipynb", path)
        for path in (
            tmp_path / f"attnbook/checks/{module}/__init__.py",
            tmp_path / f"attnbook/mechanisms/{module}.py",
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    for name in (*(name for name, _, _ in MADE), "pyproject.toml"):
        shutil.copy(root / name, tmp_path / name)
    assert main([], tmp_path) == 0
    return tmp_path


def change(course, before, after):
    path = course / "chapters.toml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


# -- this repository ---------------------------------------------------------


def test_what_lists_the_chapters_is_what_the_list_makes(root, capsys):
    status = main(["--check"], root)
    assert status == 0, capsys.readouterr().out


def test_the_exercises_are_what_the_solutions_make(root):
    differences = compare_all(root / "solutions", root / "exercises")
    assert differences == [], "run `make release`"


# -- what is read ------------------------------------------------------------


def test_the_opening_of_a_chapter_is_read():
    opening = opening_of(OPENING)
    assert opening.title == "A title"
    assert opening.question == "What is asked?"
    assert opening.minutes == 45
    assert opening.needs == ("03", "04")


@pytest.mark.parametrize(
    ("lacking", "told"),
    [
        ("# A title", "its title"),
        ("asked?**", "its question"),
        ("About 45 minutes", "About 60 minutes"),
    ],
)
def test_an_opening_that_lacks_something_says_what(lacking, told):
    with pytest.raises(ChapterError, match="expected in the first cell") as e:
        opening_of(OPENING.replace(lacking, ""))
    assert told in str(e.value)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("[[part]]", "[[part", "is no TOML"),
        ('name = "04-four"', 'name = "4-four"', "such as 07-long-context"),
        ('name = "04-four"', 'name = "02-two"', "expected the numbers"),
        ('name = "04-four"', 'name = "03-four"', "expected the numbers"),
        ('title = "First"', "", "no title"),
        ('build = "a"\n', "", "expected `build`"),
        ('build = "a"', "build = 3", "got 3"),
        ('build = "a"', 'bild = "a"', "no field `bild`"),
        ("year = 2017", 'year = "2017"', "a year"),
        ("aside = true", "aside = 1", "true or false"),
        ('stop = "d"', f'stop = "{"d" * 39}"', "38 letters at most"),
        ('["attnbook.mechanisms.four"]', '"four"', "a list of modules"),
    ],
)
def test_an_entry_that_is_wrong_says_what_was_expected(
    course, before, after, told
):
    change(course, before, after)
    with pytest.raises(ChapterError) as caught:
        listed(course)
    assert told in str(caught.value)
    assert "chapters.toml" in str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        "chapters/04-four.ipynb",
        "solutions/04-four.ipynb",
        "exercises/04-four.ipynb",
        "attnbook/checks/four/__init__.py",
        "attnbook/mechanisms/four.py",
    ],
)
def test_what_an_entry_names_has_to_be_there(course, path, capsys):
    (course / path).unlink()
    assert [f"there is no {path}" in told for told in missing(course)] == [
        True
    ]
    assert main(["--check"], course) == 2
    assert path in capsys.readouterr().err


def test_a_notebook_without_an_entry_is_noticed(course):
    shutil.copy(
        course / "solutions/04-four.ipynb", course / "solutions/05-new.ipynb"
    )
    assert missing(course) == [
        "solutions/05-new.ipynb stands in no entry of chapters.toml: add one"
    ]


# -- what is written ---------------------------------------------------------


def test_every_file_lists_the_chapters_of_the_list(course):
    contents, readme, front = (
        (course / name).read_text("utf-8") for name, _, _ in MADE
    )
    assert re.findall(r"- file: chapters/(\S+)", contents) == [
        "03-three",
        "04-four",
    ]
    assert contents.count("caption: First") == 1
    assert "caption: Teaching" in contents
    link = declared(course).colab("exercises/03-three.ipynb")
    assert "| 03 Positions | a | b | [Colab](" in readme
    assert f"[exercises]({link})" in readme
    assert "[04 Positions](chapters/04-four.ipynb) | How does attention" in (
        front
    )
    assert "| c | 03, 04 | 80 |" in front
    assert "chapters/00-" not in contents + front


def test_the_check_notices_a_change_by_hand_and_changes_nothing(
    course, capsys
):
    path = course / "README.md"
    path.write_text(path.read_text("utf-8").replace("| a | b |", "| a | c |"))
    before = path.read_text("utf-8")
    assert main(["--check"], course) == 1
    assert "README.md" in (printed := capsys.readouterr().out)
    assert "make chapters" in printed
    assert path.read_text("utf-8") == before
    assert main([], course) == 0
    assert main(["--check"], course) == 0


def test_a_file_that_has_lost_its_marks_is_named(course, capsys):
    path = course / "intro.md"
    path.write_text(path.read_text("utf-8").replace("<!-- chapters", "<!-- "))
    assert main([], course) == 2
    assert "intro.md: expected the chapters between" in capsys.readouterr().err


def test_the_path_goes_aside_and_comes_back(course):
    picture = path_picture(listed(course), course)
    assert picture.count("<a href=") == 2
    assert "It" not in re.search(r"<desc.*?</desc>", picture)[0]
    assert ", and comes back at Positions." in picture
    assert picture.count(">2017</text>") == 1
    line = re.search(r'<path d="([^"]+)"/>', picture)[1]
    assert line.startswith("M104 35 C 104") and line.endswith("70 135")
