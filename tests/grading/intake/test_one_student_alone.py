"""What one student hands in changes nobody else's notebook, time or name.

To a small class in each layout come one or two who forge: names that look
like another's, that carry a mark, a number or the name of an exercise, that
another system would give; and files that belong to other layouts. What they
may choose differs: a system writes the beginning of each name itself.
"""

import re
import shutil
import unicodedata
import zipfile
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

import layouts
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from attnbook.grading.intake.submissions import find

EXERCISE = "00-toy"
HONEST = ("student-01", "Student Two", "Müller, Jörg", "bob")
KINDS = (
    *layouts.LAYOUTS,
    "folders in a folder",
    "folders in a zip",
    "nbgrader in a zip",
    "files in a zip",
    "repositories named by exercise",
)


def marked(name):
    return f"{name} [{sha256(name.encode()).hexdigest()[:6]}]"


LOOK_ALIKE = [
    forged
    for number, name in enumerate(HONEST, 101)
    for forged in (
        name, name.upper(), name.title(), f" {name}", f"{name}\u200b",
        unicodedata.normalize("NFD", name), marked(name),
        marked(marked(name)), marked(name.upper()), f"{name} {number}",
        f"{name}_{number}", f"{name}_{number}_7", f"{name}_LATE_{number}",
        f"{EXERCISE}-{name}", f"{name}-{EXERCISE}", f"{name}_{EXERCISE}",
        f"{EXERCISE}-{name}-{EXERCISE}", f"01-other-{name}",
        f"{name}.ipynb", f"{name}.zip", f"{name}.ipynb (1)",
        f"{name}_{number}_assignsubmission_file_",
        f"{name}_{number}_9001_x.ipynb",
    )
]  # fmt: skip
OTHERS = [
    "submitted", "source", "release", "exercises", "solutions", "chapters",
    EXERCISE, "timestamp.txt", "nbgrader_config.py", "Participant 101",
    "101", "anon_101", "late", "LATE", "x\u202ey", "x" * 150, "x.y", "�",
]  # fmt: skip
PATHS = st.tuples(
    st.lists(
        st.sampled_from(
            (EXERCISE, "01-other", "exercises", "submitted", ".git", "x")
        ),
        max_size=3,
    ),
    st.sampled_from((
        f"{EXERCISE}.ipynb", "timestamp.txt", "HEAD", "work.zip", "x.tar.gz",
        "nbgrader_config.py", "1_2_x.ipynb", "student-01.ipynb",
        "student-01_101_assignsubmission_file_x.ipynb",
        "a_assignsubmission_file_x.ipynb", "bob_104_9004_x.ipynb",
    )),
).map(lambda parts: (*parts[0], parts[1]))  # fmt: skip
CONTENTS = st.sampled_from((
    "a notebook", "a zip", "2026-01-01 00:00:00 UTC",
    "2099-01-01 00:00:00 +0200", "ref: refs/heads/main", "",
))  # fmt: skip


@dataclass
class Forge:
    """What one student hands in who means others harm."""

    name: str
    files: dict[tuple[str, ...], str]  # a kind of content by path
    is_file: bool  # one file, where others have a folder
    is_marked_late: bool
    days: int  # after the others


FORGES = st.lists(
    st.builds(
        Forge,
        st.sampled_from(LOOK_ALIKE)
        | st.sampled_from(OTHERS)
        | st.text(max_size=5),
        st.dictionaries(PATHS, CONTENTS, max_size=4),
        st.booleans(),
        st.booleans(),
        st.integers(-3, 3),
    ),
    min_size=1,
    max_size=2,
)


class Class:
    """A class in one layout, to which forgers may come."""

    def __init__(self, kind, folder, toy, releases):
        self.layout, *words = kind.split()
        self.releases = releases
        self.is_of_exercise = "exercise" in words
        self.contents = {
            "a notebook": toy("mallory"),
            "a zip": layouts.zipped({"x.ipynb": toy("mallory's zip")}),
        }
        notebooks = {
            f"{EXERCISE}-{name}" if self.is_of_exercise else name: toy(name)
            for name in HONEST
        }
        self.tops = {*notebooks, *(f"{name}.ipynb" for name in notebooks)}
        self.students = folder / "class" / "students"
        if "folder" not in words:
            self.students = folder / "students"
        self.path = layouts.make(
            self.layout, self.students, notebooks, EXERCISE
        )
        if "folder" in words:
            self.path = self.students.parent
        if self.layout == "nbgrader":
            self.students /= "submitted"
        if "zip" in words:
            self.path = folder / "class.zip"
            with zipfile.ZipFile(self.path, "w") as archive:
                for file in sorted(self.students.rglob("*.*")):
                    archive.write(file, file.relative_to(self.students.parent))
        self.before = self.found()
        assert len(self.before) == len(HONEST)

    def found(self, path=None):
        """Return what is found of each student, by name."""
        found = find(path or self.path, EXERCISE, self.releases)
        by_name = {
            one.student: (one.digest, one.received, one.is_marked_late)
            for one in found.submissions
        }
        assert len(by_name) == len(found.submissions), "two have one name"
        return by_name

    def found_with(self, forges):
        """Return what is found when these hand in too."""
        if self.path.is_file():
            path = self.path.with_name("forged.zip")
            shutil.copy(self.path, path)
            members = {
                name: data
                for number, forge in enumerate(forges, 20_001)
                for name, data in self._members(forge, number)
            }
            with zipfile.ZipFile(path, "a") as archive:
                for name, data in members.items():
                    archive.writestr(name, data)
            return self.found(path)
        tops = []
        try:
            for forge in forges:
                top = self.students / self._top(forge)
                if top.name not in self.tops and not top.exists():
                    tops.append(top)
                    self._write(top, forge)
            return self.found()
        finally:
            for top in tops:
                shutil.rmtree(top) if top.is_dir() else top.unlink()

    def _data(self, content):
        return self.contents.get(content, content.encode())

    def _top(self, forge):
        """Return what stands at the top, named by the student."""
        name = forge.name
        if self.is_of_exercise:
            # A part of an address, which the system puts the exercise before.
            name = re.sub(r"[^\w.-]", "-", name, flags=re.ASCII)
            name = f"{EXERCISE}-{name}"
        name = re.sub(r"[/\0]", "", name)
        return name if name.strip(". ") else "mallory"

    def _write(self, top, forge):
        time = layouts.TIME + timedelta(days=forge.days)
        if self.layout == "files" or forge.is_file:
            content = next(iter(forge.files.values()), "a notebook")
            layouts.write(top, self._data(content), time)
            return
        top.mkdir()
        for parts, content in forge.files.items():
            path = top.joinpath(*parts)
            if not path.exists() and all(
                above.is_dir() or not above.exists() for above in path.parents
            ):
                layouts.write(path, self._data(content), time)

    def _members(self, forge, number):
        """Yield the files that come into a zip, named by the system."""
        name = forge.name.replace("/", "").replace("\0", "").replace("\\", "")
        for order, (parts, content) in enumerate(forge.files.items()):
            path, flat = "/".join(parts), "_".join(parts)
            if self.layout.startswith("moodle"):
                # Moodle takes the underscores out of a name.
                top = f"{name.replace('_', ' ') or 'x'}_{number}"
                between = "_" if "flat" in self.layout else "/"
                path = flat if "flat" in self.layout else path
                path = f"{top}_assignsubmission_file{between}{path}"
            elif self.layout == "canvas-zip":
                short = re.sub(r"\W", "", name).lower() or "x"
                late = "_LATE" if forge.is_marked_late else ""
                path = (
                    f"{short}{late}_{number}_{number + 9_000 + order}_{flat}"
                )
            else:
                if self._top(forge) in self.tops:
                    return
                top = f"{self.students.name}/{self._top(forge)}"
                is_file = self.layout == "files" or forge.is_file
                path = top if is_file else f"{top}/{path}"
            yield path, self._data(content)


@pytest.fixture(scope="module", params=KINDS)
def honest(request, toy, releases, tmp_path_factory):
    folder = tmp_path_factory.mktemp("honest")
    return Class(request.param, folder, toy, releases)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(forges=FORGES)
@example(forges=[Forge(" student-01", {}, False, False, 0)])
def test_nobody_elses_notebook_time_or_name_changes(honest, forges):
    found = honest.found_with(forges)
    assert {name: found.get(name) for name in honest.before} == honest.before
