"""Submissions whose harm is in the file: archives, links, names, sizes.

Each is what one student handed in, in a folder of their own beside the
folders of others; or a whole class in one zip.
"""

from __future__ import annotations

import io
import json
import os
import socket
import stat
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from attnbook.grading.hostile.kind import EARNED, Kind

EXERCISE = "03-scaled-dot-product"
NOTEBOOK = f"{EXERCISE}.ipynb"
POINTS = sum(EARNED[EXERCISE].values())

HONEST = Kind("honest", "Answers one exercise rightly and another wrongly.")


@dataclass(frozen=True)
class Folder:
    """One way to do harm by the file itself.

    Parameters
    ----------
    name, tries
        As of a :class:`attnbook.grading.hostile.kind.Kind`.
    make
        Writes what is handed in into an empty folder, the student's own;
        is given the bytes of an honest notebook.
    points
        What it deserves; None where there is nothing to grade.
    reports
        Words that stand in the reason, or in the notes of the class.
    student
        The student's folder; by default made of the kind's name.
    """

    name: str
    tries: str
    make: Callable[[Path, bytes], None]
    points: float | None = None
    reports: tuple[str, ...] = ()
    student: str = ""

    @property
    def folder(self) -> str:
        """The name of the student's folder."""
        return self.student or self.name.replace(" ", "-")


def _zip(folder: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    path = folder / "answers.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def _written(*parts: bytes) -> Callable[[Path, bytes], None]:
    def make(folder: Path, notebook: bytes) -> None:
        (folder / NOTEBOOK).write_bytes(b"".join(parts))

    return make


def _changed(
    change: Callable[[bytes], bytes],
) -> Callable[[Path, bytes], None]:
    def make(folder: Path, notebook: bytes) -> None:
        (folder / NOTEBOOK).write_bytes(change(notebook))

    return make


def _named(name: str) -> Callable[[Path, bytes], None]:
    def make(folder: Path, notebook: bytes) -> None:
        (folder / name).write_bytes(notebook)

    return make


# -- zips ------------------------------------------------------------------


def _zip_bomb(folder: Path, notebook: bytes) -> None:
    with (
        zipfile.ZipFile(
            folder / "answers.zip", "w", zipfile.ZIP_DEFLATED
        ) as archive,
        archive.open(NOTEBOOK, "w", force_zip64=True) as file,
    ):
        for _ in range(1_000):
            file.write(bytes(1_000_000))


def _lying_zip_bomb(folder: Path, notebook: bytes) -> None:
    size = 200_000_000
    path = _zip(folder, (NOTEBOOK, bytes(size)))
    data = path.read_bytes()
    path.write_bytes(
        data.replace(struct.pack("<I", size), struct.pack("<I", 1_000))
    )


def _overlapping(folder: Path, notebook: bytes) -> None:
    path = _zip(folder, (NOTEBOOK, bytes(10_000_000)))
    with zipfile.ZipFile(path, "a") as archive:
        first = archive.infolist()[0]
        for number in range(200):
            double = zipfile.ZipInfo(f"{number}-{NOTEBOOK}")
            for name in ("CRC", "compress_size", "file_size", "header_offset",
                         "compress_type"):  # fmt: skip
                setattr(double, name, getattr(first, name))
            archive.filelist.append(double)
            archive.NameToInfo[double.filename] = double
        archive._didModify = True


def _traversing(folder: Path, notebook: bytes) -> None:
    _zip(
        folder,
        (f"../honest/{NOTEBOOK}", b"{}"),
        (f"../../../../../../tmp/{NOTEBOOK}", notebook),
        (f"/tmp/{NOTEBOOK}", notebook),
        (f"..\\..\\{NOTEBOOK}", notebook),
    )


def _linked_in_zip(folder: Path, notebook: bytes) -> None:
    link = zipfile.ZipInfo(NOTEBOOK)
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    _zip(folder, (link, f"../honest/{NOTEBOOK}".encode()))


def _encrypted(folder: Path, notebook: bytes) -> None:
    path = _zip(folder, (NOTEBOOK, notebook))
    data = bytearray(path.read_bytes())
    data[6] |= 1  # the flag, in the file's own header
    data[data.rindex(b"PK\1\2") + 8] |= 1  # and in the list
    path.write_bytes(data)


def _zip_in_zip(folder: Path, notebook: bytes) -> None:
    data = bytes(10_000_000)
    for level in range(6):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(10):
                archive.writestr(f"{level}-{number}.zip", data)
        data = buffer.getvalue()
    (folder / "answers.zip").write_bytes(data)


def _many_in_zip(folder: Path, notebook: bytes) -> None:
    with zipfile.ZipFile(folder / "answers.zip", "w") as archive:
        for number in range(12_000):
            archive.writestr(f"{number}.ipynb", b"")


def _slow_in_zip(folder: Path, notebook: bytes) -> None:
    slow = b'{"nbformat":4,"cells":[' + b"[]," * 1_600_000 + b"[]]}"
    members = [(f"{number}.ipynb", slow) for number in range(20)]
    _zip(folder, (NOTEBOOK, notebook), *members)


# -- links, pipes, folders ---------------------------------------------------


def _linked(folder: Path, notebook: bytes) -> None:
    (folder / NOTEBOOK).symlink_to(Path("..") / "honest" / NOTEBOOK)


def _linked_folder(folder: Path, notebook: bytes) -> None:
    (folder / "work").symlink_to(Path("..") / "honest")


def _linked_round(folder: Path, notebook: bytes) -> None:
    (folder / "round").symlink_to(folder, target_is_directory=True)
    (folder / NOTEBOOK).symlink_to(NOTEBOOK)


def _linked_device(folder: Path, notebook: bytes) -> None:
    (folder / NOTEBOOK).symlink_to("/dev/zero")


def _pipe(folder: Path, notebook: bytes) -> None:
    os.mkfifo(folder / NOTEBOOK)


def _socket(folder: Path, notebook: bytes) -> None:
    here = os.open(folder, os.O_RDONLY)
    try:  # a socket's path may have 107 bytes
        with socket.socket(socket.AF_UNIX) as line:
            line.bind(f"/proc/self/fd/{here}/{NOTEBOOK}")
    finally:
        os.close(here)


def _as_folder(folder: Path, notebook: bytes) -> None:
    (folder / NOTEBOOK).mkdir()


def _sparse(folder: Path, notebook: bytes) -> None:
    with (folder / NOTEBOOK).open("wb") as file:
        file.write(notebook)
        file.truncate(1 << 40)


# -- notebooks that are none -------------------------------------------------


def _large(notebook: bytes) -> bytes:
    content = json.loads(notebook)
    content["cells"][-1]["outputs"] = [
        {"output_type": "stream", "name": "stdout", "text": "x" * 200_000_000}
    ]
    return json.dumps(content).encode()


def _many_cells(notebook: bytes) -> bytes:
    cell = '{"cell_type":"code","metadata":{},"source":""}'
    cells = ",".join([cell] * 200_000)
    return f'{{"nbformat":4,"metadata":{{}},"cells":[{cells}]}}'.encode()


def _odd_numbers(notebook: bytes) -> bytes:
    content = json.loads(notebook)
    for cell in content["cells"]:
        cell["execution_count"] = float("nan")
        cell["metadata"].get("nbgrader", {})["points"] = float("inf")
    content["nbformat_minor"] = -1
    return json.dumps(content).encode()


def _twice(notebook: bytes) -> bytes:
    """Give the cells twice: the last ones count, as in Jupyter."""
    text = notebook.decode()
    return ('{"cells": [], "nbformat": 3, ' + text[1:]).encode()


KINDS = [
    Folder(
        "zip bomb",
        "Hands in a zip whose notebook has a gigabyte.",
        _zip_bomb,
        reports=("too large",),
    ),
    Folder(
        "lying zip bomb",
        "Hands in a zip that says that its 200 MB are a thousand bytes.",
        _lying_zip_bomb,
    ),
    Folder(
        "overlapping zip",
        "Hands in a zip two hundred of whose files are the same bytes.",
        _overlapping,
        reports=("shares its bytes",),
    ),
    Folder(
        "zips in zips",
        "Hands in a zip of ten zips of ten zips, six deep.",
        _zip_in_zip,
        reports=("a zip within a zip",),
    ),
    Folder(
        "many files in a zip",
        "Hands in a zip of twelve thousand empty notebooks.",
        _many_in_zip,
        reports=("12,000 files",),
    ),
    Folder(
        "slow notebooks in a zip",
        "Hands in a zip of twenty notebooks that take a second each to read, "
        "beside an honest one.",
        _slow_in_zip,
        points=POINTS,
        reports=("was not looked into",),
    ),
    Folder(
        "path traversal",
        "Hands in a zip with paths that lead out, to another's notebook.",
        _traversing,
        reports=("leads out of its zip",),
    ),
    Folder(
        "link in a zip",
        "Hands in a zip with a symbolic link to another's notebook.",
        _linked_in_zip,
        reports=("symbolic link",),
    ),
    Folder(
        "encrypted zip",
        "Hands in a zip with a password.",
        _encrypted,
        reports=("encrypted",),
    ),
    Folder(
        "zip that is none",
        "Hands in rubbish that is called a zip.",
        lambda folder, notebook: (
            (folder / "answers.zip").write_bytes(b"PK\5\6" + bytes(100))
            and None
        ),
    ),
    Folder(
        "link to another's notebook",
        "Hands in a symbolic link to another student's notebook.",
        _linked,
        reports=("symbolic link",),
    ),
    Folder(
        "link to another's folder",
        "Hands in a symbolic link to another student's folder.",
        _linked_folder,
        reports=("symbolic link",),
    ),
    Folder(
        "links in a circle",
        "Hands in links to themselves and to their own folder.",
        _linked_round,
        reports=("symbolic link",),
    ),
    Folder(
        "link to a device",
        "Hands in a link to a device that can be read for ever.",
        _linked_device,
        reports=("symbolic link",),
    ),
    Folder(
        "named pipe",
        "Hands in a named pipe, which blocks whoever opens it.",
        _pipe,
        reports=("named pipe",),
    ),
    Folder(
        "socket",
        "Hands in a Unix socket.",
        _socket,
        reports=("socket",),
    ),
    Folder(
        "folder called notebook",
        "Hands in an empty folder that is called as a notebook is.",
        _as_folder,
    ),
    Folder(
        "sparse file",
        "Hands in a file of a terabyte, which takes no room on the disk.",
        _sparse,
        reports=("too large",),
    ),
    Folder(
        "large notebook",
        "Hands in a notebook of 200 MB.",
        _changed(_large),
        reports=("too large",),
    ),
    Folder(
        "many cells",
        "Hands in a notebook of two hundred thousand cells.",
        _changed(_many_cells),
    ),
    Folder(
        "deep JSON",
        "Hands in JSON that is nested two million deep.",
        _written(b'{"nbformat":4,"cells":', b"[" * 2_000_000),
    ),
    Folder(
        "large numbers in JSON",
        "Hands in JSON with a number of a million digits.",
        _written(b'{"nbformat":', b"4" * 1_000_000, b',"cells":[]}'),
    ),
    Folder(
        "no JSON",
        "Hands in a program that is called a notebook.",
        _written(b"#!/bin/sh\ntouch /tmp/ran\n"),
    ),
    Folder(
        "no text",
        "Hands in bytes that are no text.",
        _written(b"\xff\xfe\x00\xd8" * 1_000),
    ),
    Folder(
        "wrong format",
        "Hands in a notebook of format 3, with format 4 in its cells.",
        _changed(lambda n: n.replace(b'"nbformat": 4', b'"nbformat": 3')),
        reports=("format 3",),
    ),
    Folder(
        "odd numbers",
        "Hands in a notebook with NaN and infinity for counts and points.",
        _changed(_odd_numbers),
        points=POINTS,
    ),
    Folder(
        "members twice",
        "Hands in a notebook that has its cells and its format twice.",
        _changed(_twice),
        points=POINTS,
    ),
    # -- names ------------------------------------------------------------
    Folder(
        "HTML in names",
        "Calls itself and its file by HTML that runs a script.",
        _named(f"<script>alert(1)<&>{NOTEBOOK}"),
        points=POINTS,
        student="<img src=x onerror=alert(1)>",
    ),
    Folder(
        "formula in names",
        "Calls itself by a formula that a spreadsheet would calculate.",
        _named(NOTEBOOK),
        points=POINTS,
        student='=HYPERLINK("http:⧸⧸127.0.0.1","student-02")',
    ),
    Folder(
        "terminal escapes in names",
        "Calls itself and its file by what clears a terminal.",
        _named(f"\x1b[2J\x1b]0;x\x07\n{NOTEBOOK}"),
        points=POINTS,
        student="\x1b[31mstudent\x9b2J\r\n\u202e10",
    ),
    Folder(
        "path in a name",
        "Calls itself by a path that leads out of the results.",
        _named(NOTEBOOK),
        points=POINTS,
        student="..\\..\\..%2f..%2fhonest",
    ),
    Folder(
        "long name",
        "Calls itself by the longest name that a file can have.",
        _named(NOTEBOOK),
        points=POINTS,
        student="ß" * 120 + "a",
    ),
    Folder(
        "another's name",
        "Calls itself as another student does, but for the case.",
        _named(NOTEBOOK),
        points=POINTS,
        student="Honest ",
    ),
]


def whole_class(path: Path, notebook: bytes) -> None:
    """Write a zip of a class whose names lead out, and one honest student."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"student-01/{NOTEBOOK}", notebook)
        for name in (
            f"../student-02/{NOTEBOOK}",
            f"student-03/../../{NOTEBOOK}",
            f"/etc/{NOTEBOOK}",
            f"C:\\student-04\\{NOTEBOOK}",
            f"student-05/\u202e\x1b[2J{NOTEBOOK}",
        ):
            archive.writestr(name, notebook)
        link = zipfile.ZipInfo(f"student-06/{NOTEBOOK}")
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")


FOLDERS = {kind.name: kind for kind in KINDS}
