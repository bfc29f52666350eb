"""What the tests of the repository read: its files and its prose."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FENCE = re.compile(r"^ *(```|~~~).*?^ *\1 *$", re.MULTILINE | re.DOTALL)
CODE_SPAN = re.compile(r"(`+)[^`].*?\1", re.DOTALL)
MATHS = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass(frozen=True)
class Document:
    """Markdown from one file; of a notebook, all its Markdown cells."""

    path: Path
    markdown: str

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def without_code(self) -> str:
        return CODE_SPAN.sub("", COMMENT.sub("", FENCE.sub("", self.markdown)))

    @property
    def prose(self) -> str:
        """The text without code, mathematics and addresses."""
        text = MATHS.sub("", self.without_code)
        text = re.sub(r"\]\([^)]*\)", "]", text)
        return re.sub(r"https?://\S+", "", text)


def tracked_files() -> list[Path]:
    """Every file that is or could be committed: not what git ignores."""
    listed = subprocess.run(
        [
            "git",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("this copy is no git checkout: its files are not known")
    names = (name for name in listed.stdout.split("\0") if name)
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def markdown_of(path: Path) -> str:
    """The Markdown of a .md file or of a notebook's Markdown cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join(
        "".join(cell["source"])
        for cell in cells
        if cell["cell_type"] == "markdown"
    )


def find_documents(files: list[Path]) -> Iterator[Document]:
    for path in files:
        # Submissions of the example class are no documents of the course,
        # and one of them is broken on purpose.
        if "example-class" in path.parts:
            continue
        if path.suffix in {".md", ".ipynb"}:
            yield Document(path, markdown_of(path))


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def files() -> list[Path]:
    return tracked_files()


@pytest.fixture(scope="session")
def documents(files: list[Path]) -> list[Document]:
    return list(find_documents(files))
