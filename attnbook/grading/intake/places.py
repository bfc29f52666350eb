"""Where a handed-in file lies on this disk, and how it is read.

Whoever hands in a file decides on its name, its kind and its size. So no
symbolic link is followed, only plain files are opened, and the size is
looked at before anything is read.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from attnbook.grading.intake.file_names import readable
from attnbook.grading.notebook.read import UnusableError

MOST_FILES = 10_000  # looked at in the folder of one student
_DEEPEST = 20  # folders within folders

# What programs leave behind, with nothing in it that is handed in.
_LEFT_BEHIND = {
    ".ds_store",
    ".git",
    ".github",
    ".idea",
    ".ipynb_checkpoints",
    ".vscode",
    "__macosx",
    "__pycache__",
    "desktop.ini",
    "node_modules",
    "site-packages",
    "thumbs.db",
}


class Place(Protocol):
    """Something that can be read from; it can be pickled."""

    def read(self, limit: int) -> bytes:
        """Return the content.

        Raises
        ------
        UnusableError
            When it cannot be read, or is longer than ``limit`` bytes.
        """


@dataclass(frozen=True)
class Entry:
    """A file or folder below what the teacher gave."""

    parts: tuple[str, ...]  # of its path; may hold what cannot be shown
    place: Place | None = None
    time: datetime | None = None
    reason: str = ""  # why it cannot be read
    is_folder: bool = False

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.parts[-1]


@dataclass(frozen=True)
class FilePlace:
    """A file on disk."""

    path: str

    def read(self, limit: int) -> bytes:
        """Return the content; see :class:`Place`."""
        name = readable(os.path.basename(self.path))
        with open_plainly(self.path) as file:
            before = os.fstat(file.fileno())
            if before.st_size > limit:
                raise TooLargeError(name, before.st_size, limit)
            try:
                data = file.read(limit + 1)
            except OSError as error:
                raise _unreadable(name, error) from None
            after = os.fstat(file.fileno())
        if (
            len(data) != before.st_size
            or after.st_mtime_ns != before.st_mtime_ns
        ):
            raise UnusableError(
                f"{name} changed while it was read. Grade it again when "
                "nobody writes to it."
            )
        return data


def open_plainly(path: str):
    """Open a plain file for reading, and nothing else.

    Raises
    ------
    UnusableError
        When it is a link, a device, or cannot be opened.
    """
    name = readable(os.path.basename(path))
    # A named pipe that nobody writes to would block without O_NONBLOCK.
    flags = os.O_RDONLY
    for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, flag, 0)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UnusableError(f"{name} {_KINDS[stat.S_IFLNK]}") from None
        raise _unreadable(name, error) from None
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind != stat.S_IFREG:
        os.close(descriptor)
        raise UnusableError(f"{name} {what_it_is(kind)}")
    return os.fdopen(descriptor, "rb")


def _unreadable(name: str, error: OSError) -> UnusableError:
    return UnusableError(f"{name} cannot be read: {error.strerror}.")


_KINDS = {
    stat.S_IFLNK: "is a symbolic link, and links are not followed. Put the "
    "file itself in its place.",
    stat.S_IFIFO: "is a named pipe and not a file.",
    stat.S_IFSOCK: "is a socket and not a file.",
    stat.S_IFCHR: "is a device and not a file.",
    stat.S_IFBLK: "is a device and not a file.",
    stat.S_IFDIR: "is a folder and not a file.",
}


def what_it_is(kind: int) -> str:
    """Say what is not a plain file, from the kind in its mode."""
    return _KINDS.get(kind, "is not a plain file.")


class TooLargeError(UnusableError):
    """The file has more bytes than are read of it."""

    def __init__(self, name: str, size: int, limit: int) -> None:
        super().__init__(
            f"{name} is too large: {megabytes(size)}, and at most "
            f"{megabytes(limit)} are read. Clear the outputs of the "
            "notebook, and hand in the notebook alone."
        )
        self.size = size


def megabytes(size: int) -> str:
    """Write a number of bytes in MB."""
    return f"{size / 1e6:,.1f}".removesuffix(".0") + " MB"


def is_litter(name: str, depth: int, is_folder: bool) -> bool:
    """Whether a program left the file or folder behind, and no student.

    At the top, depth 0, a name may be a student's: there a folder whose
    name begins with a dot is looked into.
    """
    lower = name.casefold()
    return (
        lower in _LEFT_BEHIND
        or lower.startswith("._")
        or (is_folder and depth > 0 and lower.startswith("."))
    )


def walk(root: Path) -> list[Entry]:
    """Return what lies below a folder, in order, without following links.

    A folder ``.git`` is named but not entered.

    Raises
    ------
    UnusableError
        When the folder itself cannot be read.
    """
    try:
        tops = _listed(str(root))
    except OSError as error:
        raise _unreadable(str(root), error) from None
    entries = []
    for top in tops:
        below = _walk(top, (top.name,))
        for count, entry in enumerate(below):
            if count == MOST_FILES:
                entries.append(
                    Entry(
                        (top.name,),
                        reason=f"{readable(top.name)} holds more than "
                        f"{MOST_FILES:,} files, and the rest was not "
                        "looked at.",
                    )
                )
                break
            entries.append(entry)
    return entries


def _listed(folder: str) -> list[os.DirEntry]:
    with os.scandir(folder) as found:
        return sorted(found, key=lambda entry: entry.name)


def _walk(found: os.DirEntry, parts: tuple[str, ...]) -> Iterator[Entry]:
    name = readable(found.name)
    try:
        status = found.stat(follow_symlinks=False)
    except OSError as error:
        yield Entry(parts, reason=str(_unreadable(name, error)))
        return
    kind = stat.S_IFMT(status.st_mode)
    if found.name == ".git" and kind == stat.S_IFDIR:
        yield Entry(parts, is_folder=True)
        return
    if is_litter(found.name, len(parts) - 1, kind == stat.S_IFDIR):
        return
    if kind == stat.S_IFREG:
        try:
            time = datetime.fromtimestamp(status.st_mtime, UTC)
        except (OverflowError, ValueError, OSError):
            time = None
        yield Entry(parts, FilePlace(found.path), time)
    elif kind != stat.S_IFDIR:
        yield Entry(parts, reason=f"{name} {what_it_is(kind)}")
    elif len(parts) > _DEEPEST:
        yield Entry(
            parts,
            reason=f"{name} lies more than {_DEEPEST} folders deep, and "
            "was not looked into.",
            is_folder=True,
        )
    else:
        yield Entry(parts, is_folder=True)
        try:
            inside = _listed(found.path)
        except OSError as error:
            yield Entry(parts, reason=str(_unreadable(name, error)))
            return
        for entry in inside:
            yield from _walk(entry, (*parts, entry.name))
