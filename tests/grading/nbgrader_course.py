"""An nbgrader course as a teacher runs it, by nbgrader's own commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from known_mistakes import ROOT
from nbgrader.api import Gradebook

from attnbook.grading.systems.command import main as systems


def environment(folder: Path) -> dict[str, str]:
    """Return the variables with which nbgrader's programs are called."""
    scripts = Path(sys.executable).parent
    return os.environ | {
        # nbgrader calls alembic by its name.
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "IPYTHONDIR": str(folder / "ipython"),
    }


def run(python: Path | str, folder: Path, *arguments: str) -> str:
    """Run a Python in a folder, as for nbgrader; return what it printed."""
    done = subprocess.run(
        [python, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env=environment(folder),
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    return done.stdout


@dataclass
class Course:
    """An nbgrader course with every exercise as an assignment."""

    folder: Path
    python: Path | str = sys.executable

    def lay_out(self) -> int:
        """Make the course, or bring it up to date; return the status."""
        return systems(
            ["--root", str(ROOT), "--nbgrader-course", str(self.folder)]
        )

    def nbgrader(self, *arguments: str) -> None:
        """Call nbgrader in the folder of the course."""
        run(self.python, self.folder, "-m", "nbgrader", *arguments)

    def released(self, chapter: str) -> Path:
        """Return where nbgrader releases a notebook."""
        return self.folder / "release" / chapter / f"{chapter}.ipynb"

    def submitted(self, student: str, chapter: str) -> Path:
        """Return where a student's notebook is handed in."""
        place = self.folder / "submitted" / student / chapter
        return place / f"{chapter}.ipynb"

    def hand_in(self, student: str, chapter: str, content: dict) -> None:
        """Write a student's notebook."""
        path = self.submitted(student, chapter)
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content), "utf-8")

    def scores(
        self, student: str, chapter: str, database: Path | None = None
    ) -> dict[str, float]:
        """Return what the checks gave a student, by grade_id."""
        database = database or self.folder / "gradebook.db"
        with Gradebook(f"sqlite:///{database}") as gradebook:
            notebook = gradebook.find_submission_notebook(
                chapter, chapter, student
            )
            return {grade.name: grade.auto_score for grade in notebook.grades}
