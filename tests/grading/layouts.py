"""Makes a class's submissions in each layout that teachers have."""

import datetime
import io
import os
import re
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

LAYOUTS = (
    "folders",
    "nbgrader",
    "moodle-zip",
    "moodle-flat-zip",
    "canvas-zip",
    "repositories",
    "files",
)
EXERCISE = "03-scaled-dot-product"
TIME = datetime.datetime(2026, 11, 20, 17, 0, tzinfo=datetime.UTC)


def make(
    layout: str,
    folder: Path,
    notebooks: Mapping[str, bytes],
    exercise: str = EXERCISE,
) -> Path:
    """Write the notebooks of students below a folder; return what to grade.

    Students are numbered from 101, in the order of the mapping, where a
    layout has numbers; :func:`labels` says what they are called then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return _MAKERS[layout](folder, notebooks, f"{exercise}.ipynb")


def labels(layout: str, students) -> list[str]:
    """Return what ``find`` calls these students."""
    if layout.startswith("moodle"):
        return [f"{s} {n}" for n, s in enumerate(students, 101)]
    if layout.startswith("canvas"):
        return [f"{_canvas_name(s)} {n}" for n, s in enumerate(students, 101)]
    return list(students)


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return a zip with these files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def zipped_member(
    information: zipfile.ZipInfo,
    data: bytes,
    compression: int = zipfile.ZIP_DEFLATED,
) -> bytes:
    """Return a zip of one file, with the properties that are given."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        information.compress_type = compression
        archive.writestr(information, data)
    return stream.getvalue()


def write(path: Path, data: bytes, time: datetime.datetime = TIME) -> None:
    """Write a file that was last changed at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (time.timestamp(),) * 2)


def commit(repository: Path, time: datetime.datetime = TIME) -> None:
    """Commit all there is in a folder."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(repository),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "student",
        "GIT_AUTHOR_EMAIL": "student@example.org",
        "GIT_COMMITTER_NAME": "student",
        "GIT_COMMITTER_EMAIL": "student@example.org",
        "GIT_AUTHOR_DATE": time.isoformat(),
        "GIT_COMMITTER_DATE": time.isoformat(),
    }
    for command in (
        ["init", "-q", "-b", "main"],
        ["add", "-A"],
        ["commit", "-q", "--no-gpg-sign", "-m", "Hand in"],
    ):
        subprocess.run(
            ["git", *command], cwd=repository, env=environment, check=True
        )


def _folders(folder, notebooks, file):
    for student, data in notebooks.items():
        write(folder / student / file, data)
    return folder


def _nbgrader(folder, notebooks, file):
    for student, data in notebooks.items():
        assignment = folder / "submitted" / student / Path(file).stem
        write(assignment / file, data)
        time = f"{TIME:%Y-%m-%d %H:%M:%S.%f} UTC"
        (assignment / "timestamp.txt").write_text(time)
    return folder


def _zip(name, form):
    def written(folder, notebooks, file):
        path = folder / name
        members = {
            form(student, number, file): data
            for number, (student, data) in enumerate(notebooks.items(), 101)
        }
        path.write_bytes(zipped(members))
        return path

    return written


def _canvas_name(student):
    return re.sub(r"\W", "", student).lower()


def _repositories(folder, notebooks, file):
    for student, data in notebooks.items():
        write(folder / student / file, data)
        commit(folder / student)
    return folder


def _files(folder, notebooks, file):
    for student, data in notebooks.items():
        write(folder / f"{student}.ipynb", data)
    return folder


_MAKERS = {
    "folders": _folders,
    "nbgrader": _nbgrader,
    "moodle-zip": _zip(
        "Attention-Exercise 3-4711.zip",
        lambda student, number, file: (
            f"{student}_{number}_assignsubmission_file/{file}"
        ),
    ),
    "moodle-flat-zip": _zip(
        "Attention-Exercise 3-4711.zip",
        lambda student, number, file: (
            f"{student}_{number}_assignsubmission_file_{file}"
        ),
    ),
    "canvas-zip": _zip(
        "submissions.zip",
        lambda student, number, file: (
            f"{_canvas_name(student)}_{number}_{number + 9_000}_{file}"
        ),
    ),
    "repositories": _repositories,
    "files": _files,
}
