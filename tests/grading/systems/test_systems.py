"""What teachers copy is what the course makes, and says what it is."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from attnbook.grading.__main__ import main as grading
from attnbook.grading.systems import facts, making
from attnbook.grading.systems.command import main

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def course():
    return facts.read(ROOT)


@pytest.fixture
def checkout(tmp_path):
    """A copy of what the command reads and writes, that may be spoilt."""
    for folder in ".github/workflows", "exercises":
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    assert main(["--root", str(tmp_path)]) == 0
    return tmp_path


def check(root: Path) -> int:
    return main(["--check", "--root", str(root)])


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_what_is_in_teaching_is_what_the_command_makes(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert grading(["systems", "--check"]) == 0
    assert "agrees" in capsys.readouterr().out


def test_made_twice_is_made_once(checkout, capsys):
    capsys.readouterr()
    assert main(["--root", str(checkout)]) == 0
    assert "up to date" in capsys.readouterr().out


def test_check_names_the_line_that_differs(checkout, capsys):
    path = checkout / "teaching/github/grade.yml"
    spoil(path, "timeout-minutes: 45", "timeout-minutes: 450")
    lines = path.read_text("utf-8").split("\n")
    number = lines.index("    timeout-minutes: 450") + 1
    assert check(checkout) == 1
    assert f"grade.yml, line {number}," in capsys.readouterr().out
    assert main(["--root", str(checkout)]) == 0
    assert check(checkout) == 0


def test_check_misses_a_file_and_finds_a_stray_one(checkout, capsys):
    made = checkout / "teaching/gradescope"
    (made / "setup.sh").rename(made / "install.sh")
    assert check(checkout) == 1
    printed = capsys.readouterr().out
    assert "setup.sh is missing" in printed
    assert "install.sh is made by no template" in printed


def test_check_wants_the_programs_to_be_executable(checkout, capsys):
    path = checkout / "teaching/gradescope/run_autograder"
    path.chmod(0o644)
    assert check(checkout) == 1
    assert "run_autograder must be executable" in capsys.readouterr().out
    assert main(["--root", str(checkout)]) == 0
    assert path.stat().st_mode & 0o111


def test_another_address_reaches_every_file_that_fetches(checkout):
    spoil(
        checkout / "pyproject.toml",
        facts.read(checkout).repository,
        "https://github.com/school/attention",
    )
    assert check(checkout) == 1
    assert main(["--root", str(checkout)]) == 0
    for path in (checkout / "teaching").glob("*/*"):
        text = path.read_text("utf-8")
        assert "OWNER" not in text, path
        assert "school/attention" in text, path


def test_another_exercise_reaches_every_list_of_them(checkout):
    shutil.copy(
        checkout / "exercises/05-positions.ipynb",
        checkout / "exercises/07-more.ipynb",
    )
    assert main(["--root", str(checkout)]) == 0
    with_it = {
        path.relative_to(checkout / "teaching").as_posix()
        for path in (checkout / "teaching").glob("*/*")
        if "07-more" in path.read_text("utf-8")
    }
    assert with_it == {
        "classroom50/autograder.py",
        "github/grade-class.yml",
        "gradescope/run_autograder",
        "kubernetes/grade-class.yaml",
        "kubernetes/grade-class-no-sandbox.yaml",
        "nbgrader/nbgrader_config.py",
    }


def test_half_points_are_refused_as_classroom_50_refuses_them(
    checkout, capsys
):
    path = checkout / "exercises/00-soft-lookup.ipynb"
    spoil(path, '"points": 2', '"points": 1.5')
    assert main(["--root", str(checkout)]) == 2
    said = capsys.readouterr().err
    assert "Give whole points to 00-" in said
    assert "00-conclude" in said


def test_outside_a_checkout_it_says_what_it_needs(tmp_path, capsys):
    assert main(["--root", str(tmp_path)]) == 2
    assert "run this in the checkout" in capsys.readouterr().err


def test_without_the_exercises_it_says_what_it_needs(checkout, capsys):
    shutil.rmtree(checkout / "exercises")
    assert main(["--root", str(checkout)]) == 2
    assert "no released exercise" in capsys.readouterr().err


def test_an_action_that_nobody_pinned_is_refused(course):
    with pytest.raises(ValueError, match="attnbook/grading/systems/facts"):
        course.uses("actions/cache-of-somebody")


def test_every_file_says_first_what_its_grades_are(course):
    for path, text in making.made(course).items():
        lines = [line.lstrip("# ") for line in text.split("\n")]
        head = " ".join(lines[:8])
        assert "grade of record" in head or "those of record" in head, path
        assert "feedback" in head, path


def test_every_file_says_how_it_is_made(course):
    for path, text in making.made(course).items():
        assert "python -m attnbook.grading systems" in text, path


def test_no_line_is_longer_than_the_rest_of_the_course_allows(course):
    for path, text in making.made(course).items():
        for number, line in enumerate(text.split("\n"), start=1):
            # A commit or an address cannot be broken.
            is_whole = "uses: " in line or course.owner_and_name in line
            assert len(line) <= 79 or is_whole, (path, number)


def test_the_installed_package_has_its_templates(tmp_path):
    subprocess.run(
        [
            sys.executable, "setup.py", "-q",
            "egg_info", "--egg-base", tmp_path,
            "build", "--build-base", tmp_path,
        ],
        cwd=ROOT,
        check=True,
    )  # fmt: skip
    for wing in ("records", "systems"):
        kept = ROOT / "attnbook/grading" / wing / "templates"
        built = tmp_path / "lib/attnbook/grading" / wing / "templates"
        assert sorted(path.name for path in built.iterdir()) == sorted(
            path.name for path in kept.iterdir()
        )
