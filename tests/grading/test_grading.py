"""Notebooks that are run: whatever happens in a cell, the rest is graded.

A run takes seconds, so several troubles share one notebook.
"""

import importlib.util
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest

from attnbook.grading.__main__ import main
from attnbook.grading.grade import grade
from attnbook.grading.notebook import nbval_plugin
from attnbook.grading.notebook.read import UnusableError

# Each is graded once.
pytestmark = pytest.mark.xdist_group("one notebook")

CELL_LIMIT = 5.0  # seconds


def graded(course, learner):
    report = grade(learner.hand_in(), course / "exercises", CELL_LIMIT)
    return report, {result.grade_id: result for result in report.results}


@pytest.fixture(scope="module")
def spoilt(course, fresh):
    """Grade a notebook in which much goes wrong and the last is right."""
    learner = fresh()
    learner.answer("double", "number * number")
    learner.write("negate-solution", "def negate(number:\n    return 1")
    learner.write("halve-check", "print('right')")
    learner.delete("third-check")
    learner.answer_rightly("third")
    for source in (
        "exit()",
        "input('Name? ')",
        "while True:\n    print('x' * 10_000)",
        "# NBVAL_SKIP\n1 / 0",
        "print('x' * 5_000_000)",
        "\x00",
    ):
        learner.insert_before("third-solution", source)
    learner.insert_before(
        "third-solution",
        "1 / 0",
        metadata={"tags": ["raises-exception", "nbval-skip"]},
    )
    return graded(course, learner)


def note(report, words):
    return next((n for n in report.notes if words in n), None)


def test_a_right_answer_after_much_trouble_gets_its_points(spoilt):
    report, results = spoilt
    assert results["00-third"].status == "passed"
    assert (report.points, report.out_of) == (5, 20)


def test_a_known_mistake_is_named_in_the_grade(spoilt):
    result = spoilt[1]["00-double"]
    assert result.status == "failed"
    assert "squared instead of doubled" in result.message


def test_a_syntax_error_is_told_where_its_function_is_missed(spoilt):
    message = spoilt[1]["00-negate"].message
    assert "because the answer to “Negate” failed." in message
    assert "SyntaxError" in message
    assert "(line 1)" in message
    assert note(spoilt[0], "Cell 7") is None  # it is told once


def test_a_stub_is_graded_as_not_written_though_its_check_was_edited(spoilt):
    result = spoilt[1]["00-halve"]
    assert result.points == 0
    assert "Not written yet" in result.message
    assert note(spoilt[0], "“00-halve” (cell 11) was edited and was restored")


def test_a_missing_graded_cell_is_restored_and_counted(spoilt):
    assert note(spoilt[0], "“00-third” was missing and was restored")
    assert spoilt[1]["00-third"].points == 5


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (13, "It calls `exit()`"),
        (14, "It asks for input"),
        (15, "was stopped"),
        (16, "ZeroDivisionError"),
        (18, "SyntaxError"),
        (19, "ZeroDivisionError"),
    ],
)
def test_cells_of_the_learner_fail_in_words(spoilt, number, words):
    assert words in note(spoilt[0], f"Cell {number} failed")


def test_much_output_alone_does_no_harm(spoilt):
    assert note(spoilt[0], "Cell 17") is None


@pytest.fixture(scope="module")
def crashed(course, fresh):
    """Grade a notebook that ends its kernel again and again."""
    learner = fresh()
    learner.answer_rightly("double", "third")
    learner.insert_before("double-check", "import os\nos._exit(0)")
    learner.insert_before("third-check", "get_ipython().ask_exit()")
    learner.write(
        "negate-solution",
        "def negate(number):\n    import ctypes\n    ctypes.string_at(0)",
    )
    learner.write(
        "halve-solution", "def halve(number):\n    while True:\n        pass"
    )
    return graded(course, learner)


def test_cells_after_a_crash_are_graded(crashed):
    report, results = crashed
    assert results["00-double"].points == 5
    assert results["00-third"].points == 5
    assert report.points == 10


def test_a_graded_cell_that_crashes_says_so(crashed):
    result = crashed[1]["00-negate"]
    assert result.status == "crashed"
    assert "ended Python itself" in result.message
    assert note(crashed[0], "Cell 5 failed: It ended Python itself")


def test_a_cell_that_asks_the_kernel_to_end_is_left_out(crashed):
    assert "ended Python itself" in note(crashed[0], "Cell 15 failed")


def test_a_loop_without_end_is_stopped_at_the_time_limit(crashed):
    result = crashed[1]["00-halve"]
    assert result.status == "timed out"
    assert "ran for 5 s and was stopped" in result.message
    assert result.seconds < 30


@pytest.fixture(scope="module")
def stubborn(course, fresh):
    """Grade a loop that catches interrupts, and checks that are dodged."""
    learner = fresh()
    learner.write(
        "double-solution",
        "import time\n"
        "def double(number):\n"
        "    while True:\n"
        "        try:\n"
        "            while True:\n"
        "                time.sleep(0.01)\n"
        "                print('still here')\n"
        "        except BaseException:\n"
        "            pass",
    )
    learner.answer("negate", "exit()")
    learner.write(
        "halve-solution",
        "def halve(number):\n    raise SystemExit",
    )
    learner.write("third-solution", "third = None")
    learner.delete("points")
    return graded(course, learner)


def test_a_loop_that_catches_the_interrupt_is_ended(stubborn):
    result = stubborn[1]["00-double"]
    assert result.status == "timed out"
    assert "could not be interrupted" in result.message


@pytest.mark.parametrize("name", ["negate", "halve"])
def test_leaving_the_check_by_exit_earns_nothing(stubborn, name):
    result = stubborn[1][f"00-{name}"]
    assert result.points == 0
    assert "It calls `exit()`" in result.message


def test_an_answer_that_is_no_function_is_named(stubborn):
    assert "got None" in stubborn[1]["00-third"].message


def test_the_solutions_earn_every_point(course, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("attnbook.grading.notebook.release.OWN", course)
    monkeypatch.chdir(course)
    files = {form: tmp_path / f"grade.{form}" for form in
             ("json", "junit", "html")}  # fmt: skip
    arguments = [f"--{form}={path}" for form, path in files.items()]
    assert main(["solutions/00-toy.ipynb", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "20 / 20" in printed
    assert "Where points are missing" not in printed
    grade = json.loads(files["json"].read_text("utf-8"))
    assert grade["points"] == grade["out_of"] == 20
    assert grade["notes"] == []
    assert "20 of 20 points" in files["html"].read_text("utf-8")
    assert 'failures="0"' in files["junit"].read_text("utf-8")


def test_a_released_notebook_fails_in_its_graded_cells_and_nowhere_else(
    course, tmp_path
):
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "--nbval-lax",
            "-p", "nbval.plugin", "-p", "no:cacheprovider",
            "--nbval-current-env", "--nbval-cell-timeout=30", "-rf",
            "--tb=no", str(course / "exercises" / "00-toy.ipynb"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment,
    )  # fmt: skip
    failed = [
        line.split("::")[1].split(" -")[0]
        for line in done.stdout.splitlines()
        if line.startswith("FAILED")
    ]
    assert failed == ["Cell 2", "Cell 4", "Cell 6", "Cell 8"]
    assert "4 failed, 6 passed" in done.stdout


def test_a_kernel_whose_runner_was_killed_is_not_left_behind(course, fresh):
    learner = fresh("01-other")
    pid = learner.path.with_suffix(".pid")
    learner.answer_rightly("double")
    learner.insert_before(
        "double-check",
        "import ctypes, os, signal\n"
        f"open({str(pid)!r}, 'w').write(str(os.getpid()))\n"
        "os.kill(os.getppid(), signal.SIGKILL)\n"
        # It holds Python's lock, so that the kernel cannot see it is alone.
        "ctypes.PyDLL(None).sleep(600)",
    )
    report, _ = graded(course, learner)
    assert report.points == 5
    assert note(report, "Cell 5 failed")
    kernel = int(pid.read_text())
    assert (
        not psutil.pid_exists(kernel)
        or psutil.Process(kernel).status() == psutil.STATUS_ZOMBIE
    )


def test_output_beyond_measure_is_dropped_and_its_cell_interrupted():
    interrupted = []

    class Deaf(nbval_plugin.GradingKernel):
        def __init__(self):
            self._pending, self._printed = [], 0
            self.is_flooded = False

        def interrupt(self):
            interrupted.append(self._printed)

    kernel = Deaf()
    text = "x" * (nbval_plugin.KEPT_OUTPUT // 2)
    message = {"msg_type": "stream", "content": {"text": text}}
    for _ in range(nbval_plugin.MOST_OUTPUT // len(text) + 2):
        kernel._keep(message)
    error = {"msg_type": "error", "content": {}}
    kernel._keep(error)
    assert kernel._pending == [message, message, error]
    assert len(interrupted) == 1
    assert kernel.is_flooded


def test_a_cell_whose_error_was_lost_in_its_output_has_not_passed():
    reply = {"status": "error", "ename": "WrongAnswer", "evalue": "No."}
    kernel = SimpleNamespace(
        reply=reply, is_alive=lambda: True, is_flooded=False, _give_up=None
    )
    item = SimpleNamespace(
        parent=SimpleNamespace(kernel=kernel), test_outputs=[]
    )
    fate = nbval_plugin._fate(item, None)
    assert fate == {"kind": "error", "name": "WrongAnswer", "text": "No."}
    reply["status"] = "ok"
    assert nbval_plugin._fate(item, None) == {"kind": "passed"}


def test_what_is_not_installed_is_named(course, learner, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda m: None if m == "nbval" else found(m),
    )
    with pytest.raises(UnusableError, match="pip install nbval"):
        grade(learner.hand_in(), course / "exercises")
