"""Zips: what lies in them, and reading a file out of one.

Nothing is ever extracted. A zip says of itself how many files it has and
how long they are; none of it is believed before memory is spent:

- the list of files is refused above a size, and so is their number;
- what a file claims to hold is compared with the limit first, and no more
  than the limit is unpacked, whatever it claims. How far a file is packed
  is not judged: a notebook that prints zeros is packed as far as a bomb;
- only stored and deflated files are read, as LMS and desktops write them:
  the library unpacks the other kinds without a limit;
- files whose bytes overlap, links and encrypted files are refused.
"""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from attnbook.grading.intake.file_names import readable
from attnbook.grading.intake.places import (
    MOST_FILES,
    Entry,
    FilePlace,
    TooLargeError,
    is_litter,
    open_plainly,
    what_it_is,
)
from attnbook.grading.notebook.read import UnusableError

LARGEST_INSIDE = 64_000_000  # bytes of a zip within a zip
_MOST_IN_CLASS = 100_000  # files in the zip of a class

# Bytes of the list of files, of which fifty become a kilobyte of memory.
_LONGEST_LIST = 16_000_000
_LONGEST_LIST_INSIDE = 3_000_000

_UNIX = 3  # the system whose modes stand in a zip
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
)


@dataclass(frozen=True)
class MemberPlace:
    """A file in a zip, known by its number in the list of files."""

    archive: FilePlace | MemberPlace
    number: int
    name: str
    checksum: int

    def read(self, limit: int) -> bytes:
        """Return the content; see :class:`~.places.Place`."""
        opened = _opened(self.archive)
        found = opened.infolist()
        if (
            self.number >= len(found)
            or self.checksum != found[self.number].CRC
        ):
            raise UnusableError(
                f"The zip with {self.name} changed since it was looked "
                "through. Start again."
            )
        information = found[self.number]
        if information.file_size > limit:
            raise TooLargeError(self.name, information.file_size, limit)
        try:
            with opened.open(information) as file:
                # What a thousand bytes claim to be is not unpacked further.
                return file.read(information.file_size + 1)
        except _DAMAGE as error:
            raise UnusableError(
                f"{self.name} is damaged in its zip ({readable(str(error))})."
                " Hand it in again."
            ) from None


def is_zip(name: str) -> bool:
    """Whether a file is called a zip."""
    return name.casefold().endswith(".zip")


def contents(
    archive: FilePlace | MemberPlace, parts: tuple[str, ...] = ()
) -> list[Entry]:
    """Return what lies in a zip, with ``parts`` put before each path.

    Raises
    ------
    UnusableError
        When it is no zip that can be read.
    """
    opened = _opened(archive)
    files = opened.infolist()
    is_inside = bool(parts)
    most = MOST_FILES if is_inside else _MOST_IN_CLASS
    if len(files) > most:
        raise UnusableError(
            f"The zip {readable(parts[-1]) if parts else ''} holds "
            f"{len(files):,} files, and at most {most:,} are looked "
            "at. Hand in the notebook alone."
        )
    overlapping = _overlapping(files)
    entries = []
    for number, information in enumerate(files):
        path, reason = _path(information)
        if not path or _is_litter((*parts, *path), information.is_dir()):
            continue
        if information.is_dir():
            entries.append(Entry((*parts, *path), is_folder=True))
            continue
        reason = reason or _refusal(information, number in overlapping)
        name = readable(path[-1])
        place = MemberPlace(archive, number, name, information.CRC)
        entries.append(
            Entry(
                (*parts, *path),
                None if reason else place,
                _time(information),
                f"{name} {reason}" if reason else "",
            )
        )
    return entries


def _is_litter(path: tuple[str, ...], is_folder: bool) -> bool:
    last = len(path) - 1
    return any(
        is_litter(part, depth, depth < last or is_folder)
        for depth, part in enumerate(path)
    )


def _path(information: zipfile.ZipInfo) -> tuple[tuple[str, ...], str]:
    """Return the parts of a path within a zip, and why it is refused."""
    name = _decoded(information).replace("\\", "/")
    reason = ""
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        reason = "has an absolute path in its zip and was not read."
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        reason = "has a path that leads out of its zip and was not read."
    return tuple(part for part in parts if part != ".."), reason


def _decoded(information: zipfile.ZipInfo) -> str:
    """Read a name as UTF-8 where it can be, though the zip may not say so."""
    name = information.filename
    if not information.flag_bits & 0x800:
        try:
            return name.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    return name


def _refusal(information: zipfile.ZipInfo, overlaps: bool) -> str:
    kind = stat.S_IFMT(information.external_attr >> 16)
    has_mode = information.create_system == _UNIX
    if has_mode and kind not in (0, stat.S_IFREG):
        return what_it_is(kind)
    if information.flag_bits & 1:
        return "is encrypted. Hand it in without a password."
    if information.compress_type not in (
        zipfile.ZIP_STORED,
        zipfile.ZIP_DEFLATED,
    ):
        return (
            "is packed in a way that is not read here. Make the zip with "
            "the usual settings, or hand in the notebook alone."
        )
    if overlaps:
        return (
            "shares its bytes with other files of its zip, as no program "
            "writes them, and was not read."
        )
    return ""


def _overlapping(files: list[zipfile.ZipInfo]) -> set[int]:
    """Return the numbers of the files whose bytes belong to two."""
    order = sorted(
        range(len(files)), key=lambda number: files[number].header_offset
    )
    found: set[int] = set()
    end, last = 0, -1
    for number in order:
        file = files[number]
        if file.header_offset < end:
            found |= {last, number}
        own = (
            file.header_offset
            + zipfile.sizeFileHeader
            + len(file.orig_filename)
            + file.compress_size
        )
        if own > end:
            end, last = own, number
    return found


def _time(information: zipfile.ZipInfo) -> datetime | None:
    """Return the time of a file: a zip has that of the clock on the wall."""
    try:
        time = datetime(*information.date_time)
        # 1980 stands where nothing was known.
        return time.astimezone() if time.year > 1980 else None
    except (ValueError, OverflowError, OSError):
        return None


# -- opening -----------------------------------------------------------------


class _FileReader(io.FileIO):
    def read(self, size: int | None = -1) -> bytes:
        _refuse_long(size, _LONGEST_LIST)
        return super().read(size)


class _BytesReader(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        _refuse_long(size, _LONGEST_LIST_INSIDE)
        return super().read(size)


def _refuse_long(size: int | None, longest: int) -> None:
    """Refuse to read a long list, the one thing that is read in one piece."""
    if size is not None and size > longest:
        raise zipfile.BadZipFile("its list of files is too long")


def _opened(archive: FilePlace | MemberPlace) -> zipfile.ZipFile:
    outermost = archive
    while isinstance(outermost, MemberPlace):
        outermost = outermost.archive
    try:
        status = os.stat(outermost.path)
    except OSError as error:
        name = readable(os.path.basename(outermost.path))
        raise UnusableError(
            f"{name} cannot be read: {error.strerror}."
        ) from None
    state = (status.st_size, status.st_mtime_ns)
    # A process of its own place in the file: forked ones would share it.
    if isinstance(archive, MemberPlace):
        return _inside(archive, state, os.getpid())
    return _on_disk(archive.path, state, os.getpid())


@lru_cache(maxsize=1)
def _inside(
    archive: MemberPlace, state: tuple, process: int
) -> zipfile.ZipFile:
    """Open a zip in a zip, which is unpacked once and not for each file."""
    data = archive.read(LARGEST_INSIDE)
    return _parsed(_BytesReader(data), archive.name)


def forget() -> None:
    """Let go of the zip in a zip that was opened last."""
    _inside.cache_clear()


@lru_cache(maxsize=2)
def _on_disk(path: str, state: tuple, process: int) -> zipfile.ZipFile:
    """Open a zip, whose list is read once and not for each student."""
    with open_plainly(path) as plain:
        reader = _FileReader(os.dup(plain.fileno()), "rb")
    try:
        return _parsed(reader, os.path.basename(path))
    except UnusableError:
        reader.close()
        raise


def _parsed(reader: io.IOBase, name: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(reader)
    except _DAMAGE as error:
        raise UnusableError(
            f"{readable(name)} is no zip that can be read "
            f"({readable(str(error))}). Make it again."
        ) from None


def unpacked(entry: Entry) -> list[Entry]:
    """Return the files of a zip in its place; what is no zip as it is.

    One level: a zip in such a zip stays closed.
    """
    if entry.is_folder or entry.place is None or not is_zip(entry.name):
        return [entry]
    try:
        inside = contents(entry.place, entry.parts)
    except UnusableError as error:
        return [Entry(entry.parts, time=entry.time, reason=str(error))]
    return [
        Entry(
            file.parts,
            reason=f"{readable(file.name)} is a zip within a zip, "
            "and was not opened. Hand in the notebook alone.",
        )
        if is_zip(file.name) and not file.is_folder
        else file
        for file in inside
    ]
