"""A class in shares, by the very command lines of the manifests.

The pods are processes here, each with the environment that Kubernetes gives
one and the image's folder to work in. One is killed in the middle and started
again, as the Job does it.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from attnbook.grading.classroom.shards import Shard
from attnbook.grading.isolation.sandbox import support

ROOT = Path(__file__).resolve().parents[3]
EXERCISE = "00-soft-lookup"
SHARDS = 2
RIGHT, STUB = "solutions", "exercises"
CLASS = {
    "student-01": RIGHT,
    "student-02": STUB,
    "student-03": STUB,
    "student-04": RIGHT,
    "student-05": RIGHT,
    "student-06": STUB,
}


@dataclass
class Cluster:
    """The volumes of a cluster, and its pods."""

    folder: Path
    manifest: str

    def __post_init__(self) -> None:
        for student, what in CLASS.items():
            place = self.folder / "submissions" / student
            place.mkdir(parents=True)
            shutil.copy(ROOT / what / f"{EXERCISE}.ipynb", place)
        for name in "seed", "results", "course":
            (self.folder / name).mkdir()
        (self.folder / "seed/seed").write_text("0123456789abcdef\n")
        shutil.copytree(ROOT / "exercises", self.folder / "course/exercises")
        # As in the image, the package is one that nobody works on: what was
        # graded by another version is graded again.
        shutil.copytree(ROOT / "attnbook", self.folder / "package/attnbook")

    def start(self, job: str, **settings: str) -> subprocess.Popen:
        """Start the pod of a job with these variables set."""
        path = ROOT / "teaching/kubernetes" / f"{self.manifest}.yaml"
        found = list(yaml.safe_load_all(path.read_text("utf-8")))
        (pod,) = (
            document["spec"]["template"]["spec"]
            for document in found
            if document["kind"] == "Job"
            and document["metadata"]["name"] == job
        )
        (container,) = pod["containers"]
        command = list(container["command"])
        for mount in container["volumeMounts"]:
            if mount["name"] != "scratch":
                place = mount["mountPath"]
                command[-1] = (
                    command[-1]
                    .replace(f" {place}", f" {self.folder}{place}")
                    .replace(f'"{place}', f'"{self.folder}{place}')
                )
        scripts = Path(sys.executable).parent
        return subprocess.Popen(
            command,
            cwd=self.folder / "course",
            env={
                "PATH": f"{scripts}:{os.environ['PATH']}",
                "HOME": str(self.folder),
                "PYTHONPATH": str(self.folder / "package"),
                **settings,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def grade(self, index: int) -> subprocess.Popen:
        """Start the pod of an index, counted from 0 as Kubernetes counts."""
        return self.start(
            "grade",
            EXERCISE=EXERCISE,
            SHARDS=str(SHARDS),
            JOB_COMPLETION_INDEX=str(index),
        )

    def graded(self, index: int) -> list[Path]:
        place = self.folder / "results/shards" / str(index + 1)
        return sorted(place.glob("results/*/*.json"))


def finish(process: subprocess.Popen, status: int = 0) -> str:
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == status, printed
    return printed


@pytest.fixture
def cluster(tmp_path):
    """A cluster as good as this machine: with the sandbox, if it has one."""
    name = "grade-class" if support().ok else "grade-class-no-sandbox"
    return Cluster(tmp_path, name)


def test_a_pod_that_is_killed_goes_on_and_all_shares_are_joined(cluster):
    killed, other = cluster.grade(0), cluster.grade(1)
    while not cluster.graded(0):
        assert killed.poll() is None, killed.communicate()[0]
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    kept = {path: path.read_bytes() for path in cluster.graded(0)}
    finish(other)
    finish(cluster.grade(0))
    assert {path: path.read_bytes() for path in kept} == kept
    finish(cluster.start("merge"))
    whole = cluster.folder / "results/class"
    grades = json.loads((whole / "grades.json").read_text("utf-8"))["grades"]
    assert {grade["student"]: grade["points"] for grade in grades} == {
        student: 20 if what == RIGHT else 0 for student, what in CLASS.items()
    }
    isolation = "bubblewrap" if cluster.manifest == "grade-class" else "none"
    assert {grade["isolation"] for grade in grades} == {isolation}
    assert (whole / "gradebook.db").exists()
    shares = [len(cluster.graded(index)) for index in range(SHARDS)]
    assert shares == [
        sum(Shard(index, SHARDS).has(student) for student in CLASS)
        for index in (1, 2)
    ]
    assert min(shares) > 1


def test_what_cannot_be_done_ends_with_the_status_that_is_not_tried_again(
    cluster,
):
    done = cluster.start(
        "grade", EXERCISE="no-such", SHARDS="2", JOB_COMPLETION_INDEX="0"
    )
    assert "no-such" in finish(done, 2)


def run_step(name: str, folder: Path, more: str = "", **variables: str):
    """Run the script of a step of the workflow as GitHub does."""
    path = ROOT / "teaching/github/grade-class.yml"
    jobs = yaml.safe_load(path.read_text("utf-8"))["jobs"]
    (script,) = (
        step["run"]
        for job in jobs.values()
        for step in job["steps"]
        if step["name"] == name
    )
    scripts = Path(sys.executable).parent
    return subprocess.run(
        ["bash", "-e", "-c", f"{script} {more}"],
        cwd=folder,
        env={
            "PATH": f"{scripts}:{os.environ['PATH']}",
            "HOME": str(folder),
            **variables,
        },
        capture_output=True,
        text=True,
    )


def test_the_workflow_asks_for_what_the_commands_offer(cluster):
    folder = cluster.folder
    (folder / "class").mkdir()
    (folder / "submissions").rename(folder / "class/submissions")
    unprotected = "" if support().ok else "--no-sandbox"
    done = run_step(
        "Grade this share",
        folder,
        f"--dry-run {unprotected}",
        EXERCISE=EXERCISE,
        SHARD="2",
    )
    assert done.returncode == 0, done.stderr
    assert "2/4, of the whole class" in done.stdout
    done = run_step("Join them", folder)
    assert "Not merged: there is no folder shards/*" in done.stderr
