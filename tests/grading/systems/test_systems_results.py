"""What the systems are told of a grade, by the programs they run."""

import copy
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import yaml
from markdown_it import MarkdownIt

from attnbook.grading.notebook.read import UnusableError
from attnbook.grading.report import Report, Result
from attnbook.grading.systems import (
    classroom50,
    github,
    gradescope,
    submitted,
)
from attnbook.grading.systems.markdown import as_markdown
from attnbook.grading.systems.surroundings import taken

ROOT = Path(__file__).resolve().parents[3]
SCHEMAS = Path(__file__).parent / "schemas"
EXERCISE = "00-soft-lookup"
TIME = datetime.datetime(2026, 9, 1, 12, 0, 5, tzinfo=datetime.UTC)
# As Classroom 50's runner sets them.
SURROUNDINGS = {
    "CLASSROOM": "nlp",
    "ASSIGNMENT": EXERCISE,
    "SUBMISSION_TAG": "submit/2026-09-01T12-00-00Z-a1b2c3d",
    "COMMIT_URL": "https://github.com/school/nlp/commit/a1b2c3d",
    "RELEASE_URL": "https://github.com/school/nlp/releases/tag/x",
    "USERNAME": "student-01",
}
HOSTILE = (
    "# You passed\n| **20** / 20 | <b>A+</b> |\n```\n"
    "![x](https://example.org/x.png) [here](https://example.org)\n````\n"
)


def schema(name: str) -> jsonschema.Draft202012Validator:
    content = json.loads((SCHEMAS / f"{name}.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(content)
    return jsonschema.Draft202012Validator(content)


def result(points: float, out_of: float = 3, message: str = "") -> Result:
    return Result(
        grade_id="00-predict",
        title="Predict",
        points=points,
        out_of=out_of,
        status="passed" if points else "failed",
        message=message,
        seconds=0.1,
    )


def report(*results: Result, notes: tuple[str, ...] = ()) -> Report:
    return Report(
        notebook="00-soft-lookup.ipynb",
        exercise=EXERCISE,
        title="Soft look-up",
        results=results,
        notes=notes,
    )


# -- which notebook ----------------------------------------------------------


@pytest.fixture
def graded(monkeypatch):
    """The paths of which a grade was asked, which is then always the same."""
    asked = []

    def grade(path, name, release):
        asked.append(path)
        return replace(report(result(3)), notebook=name)

    monkeypatch.setattr(submitted, "grade", grade)
    return asked


def hand_in(folder: Path, *places: str, exercise: str = EXERCISE) -> None:
    for place in places:
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "exercises" / f"{exercise}.ipynb", target)


def grade_folder(folder: Path, *wanted: str):
    return submitted.grade_folder(
        folder, ROOT / "exercises", wanted or [EXERCISE]
    )


def test_the_notebook_is_found_wherever_it_is(tmp_path, graded):
    hand_in(tmp_path, "week 1/my copy.ipynb")
    reports, notes = grade_folder(tmp_path)
    assert graded == [tmp_path / "week 1/my copy.ipynb"]
    assert reports[EXERCISE].notebook == "week 1/my copy.ipynb"
    assert notes == []


def test_of_two_the_one_with_the_right_name_is_taken(tmp_path, graded):
    hand_in(tmp_path, "old.ipynb", f"work/{EXERCISE}.ipynb")
    _, notes = grade_folder(tmp_path)
    assert graded == [tmp_path / f"work/{EXERCISE}.ipynb"]
    assert notes == [
        f"old.ipynb was left out: work/{EXERCISE}.ipynb was graded as "
        f"{EXERCISE}."
    ]


def test_hidden_folders_and_links_are_passed_over(tmp_path, graded):
    hand_in(tmp_path, f".ipynb_checkpoints/{EXERCISE}.ipynb")
    (tmp_path / "link.ipynb").symlink_to(ROOT / f"solutions/{EXERCISE}.ipynb")
    (tmp_path / "folder").symlink_to(ROOT / "solutions")
    assert grade_folder(tmp_path) == ({}, [])
    assert graded == []


def test_another_exercise_and_other_notebooks_are_named(tmp_path, graded):
    hand_in(tmp_path, "05-positions.ipynb", exercise="05-positions")
    shutil.copy(ROOT / "chapters/00-soft-lookup.ipynb", tmp_path / "a.ipynb")
    (tmp_path / "notes.ipynb").write_text("{")
    reports, notes = grade_folder(tmp_path)
    assert reports == {}
    assert notes == [
        "a.ipynb was left out: it is no exercise.",
        "notes.ipynb was left out: it is no exercise.",
        "05-positions.ipynb was left out: it is 05-positions.",
    ]


def test_a_broken_notebook_has_no_points_out_of_all(tmp_path, graded):
    (tmp_path / f"{EXERCISE}.ipynb").write_text("{")
    reports, _ = grade_folder(tmp_path)
    (found,) = reports.values()
    assert (found.points, found.out_of) == (0, 20)
    assert found.results[0].message == (
        f"{EXERCISE}.ipynb is not a notebook: it is not JSON, as it breaks "
        "off in line 1: its end is missing. Save it in Jupyter and hand it "
        "in again."
    )
    assert graded == []


def test_a_copy_that_can_be_read_stands_for_a_broken_one(tmp_path, graded):
    (tmp_path / f"{EXERCISE}.ipynb").write_text("{")
    hand_in(tmp_path, f"{EXERCISE} (1).ipynb")
    grade_folder(tmp_path)
    assert graded == [tmp_path / f"{EXERCISE} (1).ipynb"]


def test_an_unknown_exercise_is_refused():
    with pytest.raises(UnusableError, match="no exercise “00-soft”"):
        submitted.releases(ROOT / "exercises", "00-soft")


# -- Classroom 50 ------------------------------------------------------------


def test_a_result_for_classroom_50_follows_its_schema():
    content = classroom50.result(
        [report(result(3), result(0, message="Wrong."))], SURROUNDINGS, TIME
    )
    schema("classroom50-result-v1").validate(content)
    assert (content["score"], content["max-score"]) == (3, 6)
    assert [test["passed"] for test in content["tests"]] == [True, False]
    assert content["tests"][0]["test-name"] == "Predict (00-predict)"
    assert content["owner"] == "student-01"
    assert content["datetime"] == "2026-09-01T12:00:05Z"


def test_its_scores_are_integers_and_the_schema_wants_them_so():
    content = classroom50.result([report(result(3.0))], SURROUNDINGS, TIME)
    assert isinstance(content["score"], int)
    content["score"] = 2.5
    with pytest.raises(jsonschema.ValidationError):
        schema("classroom50-result-v1").validate(content)


def test_half_points_are_not_rounded():
    with pytest.raises(UnusableError, match=r"whole points .* 2\.5"):
        classroom50.result([report(result(2.5))], SURROUNDINGS, TIME)


@pytest.mark.parametrize("name", ["CLASSROOM", "SUBMISSION_TAG"])
def test_outside_classroom_50_it_says_what_is_missing(name):
    surroundings = {k: v for k, v in SURROUNDINGS.items() if k != name}
    with pytest.raises(UnusableError, match=f"here {name} is not set"):
        classroom50.result([], surroundings, TIME)


# -- Gradescope --------------------------------------------------------------


def test_results_for_gradescope_follow_its_format():
    content = gradescope.results(
        report(result(3), result(0, message=HOSTILE), notes=("A note.",)),
        ["Another."],
    )
    schema("gradescope-results").validate(content)
    assert content["score"] == sum(t["score"] for t in content["tests"]) == 3
    assert [t["status"] for t in content["tests"]] == ["passed", "failed"]
    assert content["output"] == "A note.\nAnother."
    # Nothing of the learner's is rendered, and the log is the teacher's.
    assert content["tests"][1]["output"] == HOSTILE
    assert {t["output_format"] for t in content["tests"]} == {"text"}
    assert content["stdout_visibility"] == "hidden"


def test_what_the_system_says_to_the_grader_is_hidden_from_the_code(
    monkeypatch,
):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    monkeypatch.setenv("HOME_OF_THE_TEST", "here")
    assert taken()["GITHUB_STEP_SUMMARY"] == "summary.md"
    assert "GITHUB_STEP_SUMMARY" not in os.environ
    assert os.environ["HOME_OF_THE_TEST"] == "here"


# -- Markdown ----------------------------------------------------------------


def tokens(markdown: str) -> list[str]:
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    found = []
    for token in parser.parse(markdown):
        found.append(token.type)
        found += [child.type for child in token.children or []]
    return found


def test_a_grade_in_markdown_is_a_table_with_its_sum():
    conclude = replace(result(0, message="Wrong."), title="Conclude")
    text = as_markdown([report(result(3), conclude)])
    rendered = MarkdownIt("commonmark").enable("table").render(text)
    assert "<h2>Soft look-up: 3 of 6 points</h2>" in rendered
    rows = re.findall(r"<tr>(.*?)</tr>", rendered, re.DOTALL)
    assert len(rows) == 4
    assert ">✓ passed</td>" in rows[1]
    assert "3 / 6" in rows[-1]
    assert "Wrong.\n</code>" in rendered
    assert "grade of record" in rendered


def test_parts_stand_below_their_exercise_in_markdown():
    parts = [
        replace(result(3), part="sizes"),
        replace(result(0, message="Wrong."), part="costs"),
    ]
    text = as_markdown([report(*parts)])
    rendered = MarkdownIt("commonmark").enable("table").render(text)
    rows = re.findall(r"<tr>(.*?)</tr>", rendered, re.DOTALL)
    assert [">Predict<" in rows[1], "3 / 6" in rows[1]] == [True, True]
    assert "· sizes" in rows[2] and "✓ passed" in rows[2]
    assert "· costs" in rows[3] and "✗ failed" in rows[3]
    assert "<strong>Predict: costs</strong>: failed" in rendered


def test_a_title_with_marks_of_markdown_is_a_title():
    title = "A | *B* <b>C</b> `D` [E](F) # G"
    text = as_markdown([replace(report(result(3)), title=title)])
    rendered = MarkdownIt("commonmark").enable("table").render(text)
    shown = title.replace("<", "&lt;").replace(">", "&gt;")
    assert f"<h2>{shown}: 3 of 3 points</h2>" in rendered


def test_what_a_learner_writes_makes_no_markdown():
    hostile = report(result(0, message=HOSTILE), notes=(HOSTILE,))
    found = tokens(as_markdown([hostile], [HOSTILE]))
    plain = tokens(
        as_markdown([report(result(0, message="x"), notes=("x",))], ["x"])
    )
    assert found == plain
    assert not {"link_open", "image", "html_inline"} & set(found)


# -- the programs themselves, on a notebook ----------------------------------


def solved(folder: Path) -> None:
    """A notebook with the right answers, as a learner hands it in."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "solutions" / f"{EXERCISE}.ipynb", folder)


STAND_IN = """\
#!/bin/sh
echo "$(basename "$0") $*" >> "{log}"
case "$1 $2" in
  "-c import"*) exit {status} ;;
  "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
esac
"""


def programs(folder: Path, python_is_old: bool = False) -> Path:
    """Programs that write down how they were called, and do no more."""
    place = folder / "programs"
    place.mkdir(exist_ok=True)
    for name in "sudo", "apt-get", "python3.11":
        path = place / name
        path.write_text(
            STAND_IN.format(log=folder / "log", status=int(python_is_old))
        )
        path.chmod(0o755)
    return place


@pytest.fixture
def git(tmp_path):
    """The environment in which the course's address is a repository here."""
    source = tmp_path / "source"
    for name in "attnbook", "experiments", "exercises":
        shutil.copytree(
            ROOT / name,
            source / name,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    for name in "constraints.txt", "pyproject.toml", "setup.py", "README.md":
        shutil.copy(ROOT / name, source)
    address = re.search(
        r'^COURSE = "(.*)"$',
        (ROOT / "teaching/classroom50/autograder.py").read_text("utf-8"),
        re.MULTILINE,
    )[1]
    settings = {
        f"url.{source.as_uri()}.insteadOf": address,
        "user.name": "Somebody",
        "user.email": "somebody@example.org",
        "safe.directory": "*",
        "init.defaultBranch": "main",
    }
    environment = os.environ | {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    # Nobody's machine is changed by a test.
    environment["PATH"] = f"{programs(tmp_path)}:{environment['PATH']}"
    for command in ["init", "-q"], ["add", "."], ["commit", "-qm", "C"]:
        subprocess.run(
            ["git", *command],
            cwd=source,
            env=environment,
            check=True,
        )
    return environment


def test_the_autograder_of_classroom_50_grades_a_checkout(tmp_path, git):
    work = tmp_path / "work"
    solved(work)
    # Nothing of the learner's is imported, nor is a link written through.
    (work / "attnbook.py").write_text("raise SystemExit('imported')")
    (work / "result.json").symlink_to(tmp_path / "elsewhere")
    done = subprocess.run(
        [sys.executable, ROOT / "teaching/classroom50/autograder.py"],
        cwd=work,
        capture_output=True,
        text=True,
        env=git
        | SURROUNDINGS
        | {
            "GITHUB_OUTPUT": str(tmp_path / "output"),
            # All of pip's work, but for the network and the installing.
            "PIP_DRY_RUN": "1",
            "PIP_NO_DEPS": "1",
            "PIP_NO_BUILD_ISOLATION": "0",
            "PIP_NO_INDEX": "1",
        },
    )
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads((work / "result.json").read_text("utf-8"))
    schema("classroom50-result-v1").validate(content)
    assert (content["score"], content["max-score"]) == (20, 20)
    assert "20 of 20 points" in (work / "release-body.md").read_text("utf-8")
    assert not (tmp_path / "elsewhere").exists()
    assert (tmp_path / "log").read_text() == (
        "sudo -n sysctl -q -w kernel.apparmor_restrict_unprivileged_userns=0\n"
    )


def test_classroom_50_hears_of_a_missing_notebook(tmp_path, capsys):
    (tmp_path / "work").mkdir()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "attnbook.grading.systems.classroom50"),
            *("--release", ROOT / "exercises"),
        ],
        cwd=tmp_path / "work",
        env=os.environ | SURROUNDINGS,
    )
    assert done.returncode == 0
    content = json.loads((tmp_path / "work/result.json").read_text("utf-8"))
    schema("classroom50-result-v1").validate(content)
    assert (content["score"], content["max-score"]) == (0, 20)
    assert "no 00-soft-lookup.ipynb here" in content["tests"][0]["output"]


@pytest.mark.parametrize("python_is_old", [False, True])
def test_gradescope_installs_a_python_that_is_new_enough(
    tmp_path, git, python_is_old
):
    place = programs(tmp_path, python_is_old)
    shutil.copy(place / "python3.11", place / "python3")
    text = (ROOT / "teaching/gradescope/setup.sh").read_text("utf-8")
    script = text.replace("/autograder", str(tmp_path / "autograder"))
    done = subprocess.run(
        ["bash", "-c", script], env=git, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    log = (tmp_path / "log").read_text().splitlines()
    python = "python3.11" if python_is_old else "python3"
    assert f"{python} -m venv {tmp_path}/autograder/venv" in log
    newer = "install -q -y --no-install-recommends python3.11 python3.11-venv"
    assert (f"apt-get {newer}" in log) is python_is_old
    assert log[-1].startswith("python -m pip install")
    assert log[-1].endswith(f"{tmp_path}/autograder/course[grading]")
    assert (tmp_path / "autograder/course/exercises").is_dir()


def run_autograder(root: Path, exercise: str) -> subprocess.CompletedProcess:
    """Run Gradescope's program, with another folder for /autograder."""
    text = (ROOT / "teaching/gradescope/run_autograder").read_text("utf-8")
    assert "exercise=WRITE-THE-EXERCISE-HERE\n" in text
    program = root / "run_autograder"
    program.write_text(
        text.replace("WRITE-THE-EXERCISE-HERE", exercise)
        .replace("/autograder/course/exercises", str(ROOT / "exercises"))
        .replace("/autograder/venv/bin/python", sys.executable)
        .replace("/autograder", str(root))
    )
    program.chmod(0o755)
    return subprocess.run([program], capture_output=True, text=True)


def test_gradescope_grades_a_submission(tmp_path):
    solved(tmp_path / "submission")
    done = run_autograder(tmp_path, EXERCISE)
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads((tmp_path / "results/results.json").read_text())
    schema("gradescope-results").validate(content)
    assert content["score"] == 20
    assert sum(test["max_score"] for test in content["tests"]) == 20


def test_a_notebook_cannot_talk_gradescope_into_points(tmp_path):
    hand_in(tmp_path, f"submission/{EXERCISE}.ipynb")
    path = tmp_path / f"submission/{EXERCISE}.ipynb"
    content = json.loads(path.read_text("utf-8"))
    lie = copy.deepcopy(
        next(c for c in content["cells"] if c["cell_type"] == "code")
    )
    lie["id"], lie["metadata"] = "lie", {}
    lie["source"] = (
        "from attnbook.checks import soft_lookup\n"
        "from attnbook.judging import exercise\n"
        "exercise.Exercise.check = lambda *anything: None\n"
        "for name in dir(soft_lookup):\n"
        "    if name.startswith('check_'):\n"
        "        setattr(soft_lookup, name, lambda *anything: None)\n"
    )
    content["cells"].insert(1, lie)
    path.write_text(json.dumps(content), "utf-8")
    assert run_autograder(tmp_path, EXERCISE).returncode == 0
    content = json.loads((tmp_path / "results/results.json").read_text())
    assert content["score"] == 0


def test_gradescope_is_told_that_there_is_no_notebook(tmp_path):
    hand_in(tmp_path, "submission/other.ipynb", exercise="05-positions")
    assert run_autograder(tmp_path, EXERCISE).returncode == 0
    content = json.loads((tmp_path / "results/results.json").read_text())
    schema("gradescope-results").validate(content)
    assert content["score"] == 0
    assert "Hand in 00-soft-lookup.ipynb" in content["tests"][0]["output"]
    assert "it is 05-positions" in content["output"]


def test_gradescope_without_an_exercise_says_what_to_write(tmp_path):
    (tmp_path / "submission").mkdir()
    done = run_autograder(tmp_path, "WRITE-THE-EXERCISE-HERE")
    assert done.returncode == 2
    assert "no exercise “WRITE-THE-EXERCISE-HERE”. Known are" in done.stderr
    assert not (tmp_path / "results/results.json").exists()


def test_a_push_shows_the_points_in_the_summary(tmp_path):
    solved(tmp_path / "work")
    (tmp_path / "course").symlink_to(ROOT)
    workflow = yaml.safe_load(
        (ROOT / "teaching/github/grade.yml").read_text("utf-8")
    )
    steps = workflow["jobs"]["grade"]["steps"]
    script = next(s["run"] for s in steps if s["name"] == "Grade")
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ
        | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        },
    )
    assert done.returncode == 0, done.stdout + done.stderr
    summary = (tmp_path / "summary.md").read_text("utf-8")
    assert "20 of 20 points" in summary
    assert "table_open" in tokens(summary)
    page = (tmp_path / "feedback" / f"{EXERCISE}.html").read_text("utf-8")
    assert "20 of 20 points" in page
    assert (tmp_path / "feedback" / f"{EXERCISE}.json").exists()


def test_a_push_without_an_exercise_says_what_was_expected(
    tmp_path, monkeypatch
):
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    (tmp_path / "work").mkdir()
    status = github.main(
        [
            str(tmp_path / "work"),
            *("--release", str(ROOT / "exercises")),
            *("--out", str(tmp_path / "feedback")),
        ]
    )
    assert status == 2
    assert "Expected one of: 00-soft-lookup.ipynb, 01" in summary.read_text()


def test_what_a_learner_wrote_is_no_order_to_github(tmp_path, capsys):
    (tmp_path / "work").mkdir()
    github.main(
        [
            str(tmp_path / "work"),
            *("--release", str(ROOT / "exercises")),
            *("--out", str(tmp_path / "feedback")),
        ]
    )
    first, *lines, last = capsys.readouterr().out.splitlines()
    assert first.startswith("::stop-commands::")
    token = first.removeprefix("::stop-commands::")
    assert len(token) == 32
    assert last == f"::{token}::"
    assert lines
