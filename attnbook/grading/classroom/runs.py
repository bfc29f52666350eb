"""What is kept of a run besides its results: record, secret, lock.

``OUT/runs/EXERCISE.json`` says what was graded and how, so that a merge can
tell whether shares belong together; beside it are the teacher's own tables
of :data:`TABLES`, where they were given. ``OUT/seed`` holds the secret from
which cases are drawn, which only its owner may read; it stays where it is, so
that a run that goes on draws the same cases. Publish neither of the two.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from attnbook.grading.classroom.shards import Shard, parse
from attnbook.grading.records.results import write_whole

try:
    import fcntl
except ModuleNotFoundError:  # on Windows, where shards can only be merged
    fcntl = None  # type: ignore[assignment]

SCHEMA = "attnbook.grading.run/1"

# What the command ``class`` is told of students by a table.
TABLES = ("groups", "times")

_SEED_BYTES = 8


class RunError(ValueError):
    """A folder cannot be used for a run; the text says why."""


@dataclass(frozen=True)
class Run:
    """What a share of a class was graded with.

    ``release``, ``package`` and ``seed`` are digests; ``students`` are the
    keys (:func:`attnbook.grading.records.results.key_of`) of those in the
    share.
    """

    exercise: str
    shard: Shard
    release: str
    package: str
    seed: str
    isolation: str
    limits: dict[str, float]
    students: tuple[str, ...] = ()
    merged_from: tuple[str, ...] = field(default=())


def write(out: Path, run: Run) -> Path:
    """Write the record of a run, whole or not at all."""
    content = {"schema": SCHEMA} | asdict(run) | {"shard": str(run.shard)}
    path = out / "runs" / f"{run.exercise}.json"
    write_whole(path, json.dumps(content, indent=1) + "\n")
    return path


def load_all(out: Path) -> list[Run]:
    """Read the records of a folder, one an exercise, sorted by its name.

    Raises
    ------
    RunError
        When one is damaged.
    """
    return [_load(path) for path in sorted((out / "runs").glob("*.json"))]


def _load(path: Path) -> Run:
    try:
        content = json.loads(path.read_bytes())
        if content.pop("schema") != SCHEMA:
            raise ValueError("schema")
        content["shard"] = parse(content["shard"])
        for name in ("students", "merged_from"):
            content[name] = tuple(content[name])
        return Run(**content)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise RunError(
            f"{path} is no record of a run of this version, or is damaged. "
            "Grade this share again."
        ) from None


def table_path(out: Path, exercise: str, kind: str) -> Path:
    """Return where a table of the teacher's own is kept."""
    return out / "runs" / f"{exercise}.{kind}.csv"


def keep_table(out: Path, exercise: str, kind: str, table: Path) -> None:
    """Keep a table for runs to come; drop it for ``none``."""
    path = table_path(out, exercise, kind)
    if str(table) == "none":
        path.unlink(missing_ok=True)
    elif table.resolve() != path.resolve():
        write_whole(path, table.read_text("utf-8-sig"))


def secret(out: Path, shared: Path | None) -> int:
    """Return the seed of a folder's runs, made on the first.

    Parameters
    ----------
    shared
        A file that holds the seed for several shares, instead. It is not
        copied, as the folder may be handed on.

    Raises
    ------
    RunError
        When the file holds no seed.
    """
    path = out / "seed"
    if shared is None and not path.exists():
        write_whole(path, secrets.token_hex(_SEED_BYTES) + "\n", 0o600)
    source = shared or path
    try:
        text = source.read_text("ascii", "replace").strip()
    except OSError as error:
        raise RunError(
            f"The seed in {source} cannot be read: {error.strerror}."
        ) from None
    if not re.fullmatch(r"[0-9a-f]{16,64}", text):
        raise RunError(
            f"{source} holds no seed: expected 16 to 64 hexadecimal digits, "
            "as `openssl rand -hex 8` prints."
        )
    # What generators of random numbers take.
    return int(text[:16], 16) >> 1


def fingerprint(seed: int) -> str:
    """Return what tells two seeds apart without telling them."""
    return hashlib.sha256(b"seed\0%d" % seed).hexdigest()[:16]


def forget(out: Path) -> None:
    """Remove a folder again that holds nothing but its lock."""
    with contextlib.suppress(OSError):
        if [path.name for path in out.iterdir()] == [".lock"]:
            (out / ".lock").unlink()
            out.rmdir()


@contextlib.contextmanager
def alone(out: Path) -> Iterator[None]:
    """Keep other graders out of a folder while this one writes there.

    Raises
    ------
    RunError
        When there is one already, or the folder cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise RunError(
            f"{out} is a file, and --out names a folder: name another."
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
        file = (out / ".lock").open("a")
    except OSError as error:
        raise RunError(f"{out} cannot be written: {error.strerror}.") from None
    # The system drops such a lock with the process, however that ends, and
    # does not pass it on to the processes that it forks.
    with file:
        try:
            if fcntl is not None:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunError(
                f"Another grader is at work in {out}. Wait for it, or name "
                "another folder with --out."
            ) from None
        for draft in out.rglob(".*.tmp"):  # of a grader that was killed
            with contextlib.suppress(OSError):
                os.unlink(draft)
        yield
