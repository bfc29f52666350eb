"""When a file of a cloned repository was last committed.

A repository can make git run programs: by hooks, and by its configuration
(``core.fsmonitor``, ``gpg.program``, ``core.sshCommand`` and more), which
git's manual counts as the user's own business:
https://git-scm.com/docs/gitsecurityboundary. So git is not run in it. It
runs in an empty repository of ours that borrows the objects alone, so that
no configuration and no hook but ours is ever looked at.

A commit has the time that its author's computer claims. Whoever wants to
can set it back.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from datetime import datetime
from pathlib import Path

from attnbook.grading.intake.places import FilePlace
from attnbook.grading.notebook.read import UnusableError

_SECONDS = 20  # for one repository
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REFERENCE = re.compile(r"ref: (refs/[\w./+-]+)")
_LONGEST_LIST = 16_000_000  # bytes of packed-refs


def is_there() -> bool:
    """Whether git can be run."""
    return shutil.which("git") is not None


def commit_time(repository: Path, file: tuple[str, ...]) -> datetime | None:
    """Return when a file was last committed, None where nobody knows.

    ``file`` has the parts of its path within the repository.
    """
    inside = repository / ".git"
    head = _head(inside)
    if not head or not is_there():
        return None
    with tempfile.TemporaryDirectory() as empty:
        ours = Path(empty, "repository")
        (ours / "refs").mkdir(parents=True)
        (ours / "HEAD").write_text("ref: refs/heads/none\n")
        shallow = _text(inside / "shallow")
        if shallow:
            commits = _COMMIT.findall(shallow)
            (ours / "shallow").write_text("".join(f"{c}\n" for c in commits))
        return _logged(ours, inside / "objects", head, "/".join(file))


def _logged(
    ours: Path, objects: Path, head: str, file: str
) -> datetime | None:
    command = [
        "git", "--no-pager", "--literal-pathspecs",
        # What these say may be made up; the objects are looked at instead.
        "-c", "core.commitGraph=false", "-c", "core.multiPackIndex=false",
        "log", "-1", "--format=%cI", head, "--", file,
    ]  # fmt: skip
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(ours),
        "LC_ALL": "C",
        "GIT_DIR": str(ours),
        "GIT_OBJECT_DIRECTORY": str(objects.absolute()),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
    }
    try:
        done = subprocess.run(
            command,
            cwd=ours,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
        return datetime.fromisoformat(done.stdout.decode().strip())
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def _head(inside: Path) -> str:
    """Return the commit that a repository stands at, "" if none is found."""
    head = _text(inside / "HEAD").strip()
    if _COMMIT.fullmatch(head):
        return head
    reference = _REFERENCE.fullmatch(head)
    if reference is None or ".." in reference[1]:
        return ""
    commit = _text(inside / reference[1]).strip()
    if _COMMIT.fullmatch(commit):
        return commit
    for line in _text(inside / "packed-refs").splitlines():
        commit, _, name = line.partition(" ")
        if name == reference[1] and _COMMIT.fullmatch(commit):
            return commit
    return ""


def _text(path: Path) -> str:
    try:
        return FilePlace(str(path)).read(_LONGEST_LIST).decode("utf-8")
    except (UnusableError, UnicodeDecodeError):
        return ""
