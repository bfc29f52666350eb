"""Grade an exercise notebook for Classroom 50: writes ``result.json``.

It is feedback: it runs in the student's own repository, and the grade of
record is the teacher's own run.

Put it at ``CLASSROOM/autograders/ASSIGNMENT/autograder.py`` of the
repository ``classroom50``, or at ``CLASSROOM/autograder.py`` for all
assignments. An assignment that is called as an exercise is that exercise:

    00-soft-lookup             20 points
    01-additive-attention      20 points
    02-luong-attention         20 points
    03-scaled-dot-product      20 points
    04-multi-head-attention    20 points
    05-positions               20 points
    06-transformer             20 points
    07-decoder-only            20 points
    08-sharing-heads           20 points
    09-long-context            20 points
    10-flash-attention         20 points
    11-encoders-and-modalities 20 points
    12-experts-and-state-spaces 20 points

An assignment of another name is the whole course. Give the assignment this
runtime, for the Python and the sandbox that the course is tested with::

    {"python": "3.11", "apt": ["bubblewrap", "libseccomp2"]}

Made by ``python -m attnbook.grading systems``.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

COURSE = "https://github.com/OWNER/attention-from-scratch"
# The name of a tag here keeps grades as they are while the course goes on.
REF = "main"
# An index that holds smaller builds of torch, "" for the usual ones.
PIP_EXTRA_INDEX_URL = ""


def run(*command: str) -> None:
    """Run a command; a failure ends the autograder as an error."""
    if subprocess.run(command, stdin=subprocess.DEVNULL).returncode:
        sys.exit(f"This failed: {' '.join(command)}")


def main() -> None:
    # Ubuntu 24.04 refuses user namespaces, and so the sandbox, to whoever is
    # not root. Where this does not help, points are marked as unprotected.
    allow = "kernel.apparmor_restrict_unprivileged_userns=0"
    if shutil.which("sudo"):
        subprocess.run(["sudo", "-n", "sysctl", "-q", "-w", allow])
    if PIP_EXTRA_INDEX_URL:
        os.environ["PIP_EXTRA_INDEX_URL"] = PIP_EXTRA_INDEX_URL
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder, "course")
        constraints = str(course / "constraints.txt")
        run(
            "git", "clone", "--quiet", "--depth", "1",
            "--branch", REF, COURSE, str(course),
        )  # fmt: skip
        run(
            sys.executable, "-m", "pip", "install", "--quiet",
            "--constraint", constraints, f"{course}[grading]",
        )  # fmt: skip
        # -P: what lies in the student's checkout is not imported.
        run(
            sys.executable, "-P", "-m",
            "attnbook.grading.systems.classroom50",
            "--release", str(course / "exercises"),
        )  # fmt: skip


if __name__ == "__main__":
    main()
