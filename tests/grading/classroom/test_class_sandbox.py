"""A class of real notebooks in the real sandbox, killed and gone on with."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from attnbook.grading.records import results

# A grader is killed once.
pytestmark = pytest.mark.xdist_group("class sandbox")

ROOT = Path(__file__).resolve().parents[3]
EXERCISE = "00-soft-lookup"
ENDLESS = "import time\ntime.sleep(600)"


def command(submissions: Path, out: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "attnbook.grading", "class", str(submissions),
        "--exercise", EXERCISE, "--out", str(out), *more,
    ]  # fmt: skip


def with_first_cell(path: Path, source: str) -> str:
    content = json.loads(path.read_text("utf-8"))
    cell = {
        "cell_type": "code",
        "id": "own",
        "metadata": {},
        "execution_count": None,
        "outputs": [],
        "source": source,
    }
    content["cells"].insert(0, cell)
    return json.dumps(content)


@pytest.fixture(scope="module")
def submissions(sandbox, tmp_path_factory):
    """Write a right one, a stub, one that ends Python, one that waits."""
    folder = tmp_path_factory.mktemp("class") / "in"
    solution = ROOT / "solutions" / f"{EXERCISE}.ipynb"
    stub = ROOT / "exercises" / f"{EXERCISE}.ipynb"
    for student, text in {
        "student-01": solution.read_text("utf-8"),
        "student-02": stub.read_text("utf-8"),
        "student-03": with_first_cell(solution, "import os\nos._exit(0)"),
        "student-04": with_first_cell(solution, ENDLESS),
    }.items():
        (folder / student).mkdir(parents=True)
        (folder / student / f"{EXERCISE}.ipynb").write_text(text, "utf-8")
    return folder


@pytest.fixture(scope="module")
def killed(submissions, tmp_path_factory):
    """Kill a grader while it grades the endless one; return its folder."""
    out = tmp_path_factory.mktemp("out") / "out"
    grader = subprocess.Popen(
        command(submissions, out, "--jobs", "1"),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(1_200):
            if len(results.paths(out)) == 3 or grader.poll() is not None:
                break
            time.sleep(0.1)
        assert len(results.paths(out)) == 3
        time.sleep(0.5)
        started = psutil.Process(grader.pid).children(recursive=True)
    finally:
        grader.kill()
        grader.wait()
    return out, started


def test_nothing_outlives_a_grader_that_was_killed(killed):
    started = killed[1]
    assert len(started) >= 4  # worker, bubblewrap, zygote, student
    _, alive = psutil.wait_procs(started, timeout=20)
    assert not alive


def test_the_next_run_grades_what_is_left(killed, submissions, tmp_path):
    out = killed[0]
    before = {path: path.read_bytes() for path in results.paths(out)}
    last = submissions / "student-04" / f"{EXERCISE}.ipynb"
    mended = shutil.copytree(submissions, tmp_path / "in")
    solution = ROOT / "solutions" / f"{EXERCISE}.ipynb"
    shutil.copy(solution, mended / "student-04" / last.name)
    done = subprocess.run(
        command(mended, out, "--jobs", "2"),
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "To grade:    1; 3 are graded already" in done.stdout
    for path, content in before.items():
        old, new = json.loads(content), json.loads(path.read_bytes())
        assert new["graded_at"] == old["graded_at"]
    graded = {g.student: g.report for g in results.load_all(out)}
    assert {s: r.points for s, r in graded.items()} == {
        "student-01": 20,
        "student-02": 0,
        "student-03": 20,
        "student-04": 20,
    }
    assert {r.isolation for r in graded.values()} == {"bubblewrap"}
    assert "Cell 1 failed: It ended Python itself" in " ".join(
        graded["student-03"].notes
    )
