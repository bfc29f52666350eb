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
import time
from datetime import datetime
from pathlib import Path

from attnbook.grading.intake.places import FilePlace
from attnbook.grading.notebook.read import UnusableError

_SECONDS = 20.0  # for one repository
_KIB = 256 * 1024  # of memory that git may take; some systems know no bound

# The shell sets the bound for itself, and git takes its place.
_BOUNDED = f'ulimit -v {_KIB} 2>/dev/null; ulimit -c 0; exec "$0" "$@"'

_COMMIT = re.compile(r"[0-9a-f]{40}")
_REFERENCE = re.compile(r"ref: (refs/[\w./+-]+)")
_LONGEST_LIST = 16_000_000  # bytes of packed-refs


def is_there() -> bool:
    """Whether git can be run."""
    return shutil.which("git") is not None


class Commits:
    """The commits of one repository.

    git believes what an object says of its size, and a megabyte may say
    gigabytes. So it gets little memory, and little time for all the files
    of a repository together.
    """

    def __init__(self, repository: Path) -> None:
        self._inside = repository / ".git"
        self._seconds = _SECONDS
        self._times: dict[tuple[str, ...], datetime | None] = {}

    def last_of(self, file: tuple[str, ...]) -> datetime | None:
        """Return when a file was last committed, None where nobody knows.

        ``file`` has the parts of its path within the repository.
        """
        if file not in self._times:
            began = time.monotonic()
            self._times[file] = self._looked_up("/".join(file))
            self._seconds -= time.monotonic() - began
        return self._times[file]

    def _looked_up(self, file: str) -> datetime | None:
        head = _head(self._inside)
        if not head or self._seconds <= 0 or not is_there():
            return None
        with tempfile.TemporaryDirectory() as empty:
            ours = Path(empty, "repository")
            (ours / "refs").mkdir(parents=True)
            (ours / "HEAD").write_text("ref: refs/heads/none\n")
            shallow = _text(self._inside / "shallow")
            if shallow:
                commits = _COMMIT.findall(shallow)
                (ours / "shallow").write_text(
                    "".join(f"{commit}\n" for commit in commits)
                )
            objects = self._inside / "objects"
            return _logged(ours, objects, head, file, self._seconds)


def _logged(
    ours: Path, objects: Path, head: str, file: str, seconds: float
) -> datetime | None:
    command = [
        "sh", "-c", _BOUNDED,
        "git", "--no-pager", "--literal-pathspecs",
        # What these say may be made up; the objects are looked at instead.
        "-c", "core.commitGraph=false", "-c", "core.multiPackIndex=false",
        # A large pack is looked at in windows, which fit into the memory.
        "-c", "core.packedGitWindowSize=16m", "-c", "core.packedGitLimit=64m",
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
            timeout=seconds,
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
