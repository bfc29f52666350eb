"""What the course says of itself, read from where it stands."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from attnbook.grading.grade import TIMEOUT
from attnbook.grading.notebook.read import UnusableError
from attnbook.grading.notebook.release import STUB, Release, known_releases

# The actions that no workflow of the course itself uses; to move one, see
# "The workflows" in CONTRIBUTING.md.
_ACTIONS = {
    "actions/download-artifact": (
        "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c # v8.0.1"
    ),
    "actions/upload-artifact": (
        "043fb46d1a93c77aae656e7c1c64a875d1fc6a0a # v7.0.1"
    ),
}
_PINNED = re.compile(r"uses: ([\w./-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)")


@dataclass(frozen=True)
class Facts:
    """What the templates may name."""

    repository: str  # "https://github.com/OWNER/NAME"
    version: str
    python: str  # the oldest Python that the course runs on, "3.11"
    exercises: tuple[Release, ...]
    actions: dict[str, str]  # "actions/checkout": "<commit> # v7.0.1"
    stub: str = STUB
    timeout: int = round(TIMEOUT)  # seconds for each cell
    shards: int = 4  # shares of a class

    @property
    def owner_and_name(self) -> str:
        """The repository as GitHub's actions name it."""
        return self.repository.removeprefix("https://github.com/")

    @property
    def name(self) -> str:
        """The repository's name, "attention-from-scratch"."""
        return self.repository.rsplit("/", 1)[1]

    @property
    def image(self) -> str:
        """The name of the image, without a registry."""
        return f"attnbook-grading:{self.version}"

    @property
    def matrix(self) -> list[int]:
        """The shares, counted from 1."""
        return list(range(1, self.shards + 1))

    def uses(self, action: str) -> str:
        """Return the action with its pinned commit.

        Raises
        ------
        ValueError
            When no commit of it is known.
        """
        if action not in self.actions:
            raise ValueError(
                f"No workflow of the course pins {action}: add it with its "
                "commit to attnbook/grading/systems/facts.py."
            )
        return f"{action}@{self.actions[action]}"


def read(root: Path) -> Facts:
    """Read what the checkout at ``root`` says.

    Raises
    ------
    ValueError
        When it is no checkout of the course; the text says what is missing.
    """
    try:
        text = (root / "pyproject.toml").read_text("utf-8")
    except OSError:
        raise ValueError(
            f"There is no pyproject.toml in {root}: run this in the checkout "
            "of the course."
        ) from None
    project = tomllib.loads(text)["project"]
    try:
        releases, notes = known_releases(root / "exercises", Path())
    except UnusableError as error:
        raise ValueError(str(error)) from None
    if notes:
        raise ValueError(" ".join(notes))
    fractions = [
        cell.grade_id
        for release in releases.values()
        for cell in release.graded
        if cell.points != int(cell.points)
    ]
    if fractions:
        raise ValueError(
            "Classroom 50 takes whole points only. Give whole points to "
            f"{', '.join(fractions)}."
        )
    return Facts(
        repository=project["urls"]["Repository"].rstrip("/"),
        version=project["version"],
        python=project["requires-python"].removeprefix(">="),
        exercises=tuple(releases.values()),
        actions=_ACTIONS | _pinned(root),
    )


def _pinned(root: Path) -> dict[str, str]:
    return {
        name: commit
        for path in sorted((root / ".github/workflows").glob("*.yml"))
        for name, commit in _PINNED.findall(path.read_text("utf-8"))
    }
