"""The repository's address, and every link that is derived from it.

The address stands in one place, ``[project.urls] Repository`` of
``pyproject.toml``. The book's buttons read it at build time. What has to
carry a copy (the first code cell of a notebook, the README's badges,
``CITATION.cff``) is rewritten by::

    python -m book.address --set https://github.com/you/your-fork
    python -m book.address --check
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
BRANCH = "main"
COLAB = "https://colab.research.google.com"
PROSE = ("README.md", "CITATION.cff", "CONTRIBUTING.md", "intro.md")
FORM = "https://github.com/OWNER/NAME"

INSTALL = """\
try:
    import attnbook
except ModuleNotFoundError:
    %pip install -q "attnbook @ git+{repository}"
"""
_INSTALL_CELL = re.compile(
    r"try:\n    import attnbook(?:  # noqa: F401)?\n"
    r"except ModuleNotFoundError:\n"
    r'    %pip install -q "attnbook @ git\+(?P<repository>[^"]+)"\n?'
)
_DECLARED = re.compile(r'^(Repository\s*=\s*)"(?P<url>[^"]*)"', re.MULTILINE)


@dataclass(frozen=True)
class Address:
    """Where the repository is, and what follows from that.

    Raises:
        ValueError: the address is not of the form
            ``https://github.com/OWNER/NAME``.
    """

    repository: str

    def __post_init__(self):
        if not re.fullmatch(
            r"https://github\.com/[A-Za-z0-9-]+/[A-Za-z0-9._-]+",
            self.repository,
        ) or self.repository.endswith(".git"):
            raise ValueError(
                f"expected an address like {FORM}, got "
                f"{self.repository!r}: give the page of the repository, "
                "without .git and without a closing slash"
            )

    @property
    def owner(self) -> str:
        """The account that the repository belongs to."""
        return self.repository.split("/")[3]

    @property
    def name(self) -> str:
        """The repository's name."""
        return self.repository.split("/")[4]

    @property
    def pages(self) -> str:
        """Where GitHub Pages publishes the book, with a closing slash."""
        site = f"{self.owner.lower()}.github.io"
        if self.name.lower() == site:
            return f"https://{site}/"
        return f"https://{site}/{self.name}/"

    def colab(self, path: str) -> str:
        """The link that opens the notebook at ``path`` in Colab."""
        return f"{COLAB}/github/{self.owner}/{self.name}/blob/{BRANCH}/{path}"

    def source(self, path: str) -> str:
        """The link that shows the file at ``path``."""
        return f"{self.repository}/blob/{BRANCH}/{path}"

    @property
    def install_cell(self) -> str:
        """The source of the first code cell of every notebook."""
        return INSTALL.format(repository=self.repository).rstrip("\n")


def declared(root: Path = ROOT) -> Address:
    """The address that ``pyproject.toml`` declares.

    Raises:
        KeyError: there is no ``[project.urls] Repository``.
        ValueError: the address has another form.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    return Address(project["project"]["urls"]["Repository"])


def declare(address: Address, root: Path = ROOT) -> None:
    """Write ``address`` into ``pyproject.toml``."""
    path = root / "pyproject.toml"
    text = path.read_text("utf-8")
    path.write_text(
        _DECLARED.sub(
            lambda found: f'{found[1]}"{address.repository}"', text, count=1
        ),
        "utf-8",
    )


def notebooks(root: Path = ROOT) -> list[Path]:
    """Every notebook of the course, in a stable order."""
    folders = ("chapters", "exercises", "solutions")
    return [
        path
        for name in folders
        for path in sorted((root / name).glob("*.ipynb"))
    ]


def recorded(root: Path = ROOT) -> Address:
    """The address that the notebooks carry: that of the last rewriting.

    Raises:
        ValueError: no notebook carries one.
    """
    for path in notebooks(root):
        for cell in nbformat.read(path, as_version=4).cells:
            found = _INSTALL_CELL.search(cell.source)
            if found:
                return Address(found["repository"])
    raise ValueError("no notebook has the cell that installs the package")


def with_address(text: str, old: Address, new: Address) -> str:
    """Prose with every form of ``old`` written with ``new``.

    The forms are the repository, its links into Colab, its badges (all of
    which hold OWNER/NAME) and its pages.
    """
    for pages in (old.pages, old.pages.rstrip("/")):
        text = re.sub(
            re.escape(pages) + r"(?![\w.-]*\w)" * (pages[-1] != "/"),
            new.pages if pages[-1] == "/" else new.pages.rstrip("/"),
            text,
        )
    return re.sub(
        rf"(?<![\w.-]){re.escape(f'{old.owner}/{old.name}')}(?!\.?[\w-])",
        f"{new.owner}/{new.name}",
        text,
    )


def with_install_cell(path: Path, address: Address) -> str:
    """The notebook at ``path`` with ``address`` in its install cell."""
    text = path.read_text("utf-8")
    notebook = nbformat.reads(text, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        if _INSTALL_CELL.search(cell.source):
            before = cell.source
            cell.source = _INSTALL_CELL.sub(
                lambda _: address.install_cell + "\n", before
            ).rstrip("\n")
            if cell.source == before:
                return text
    from book.notebooks import as_text

    return as_text(notebook)


def copies(root: Path, address: Address) -> dict[Path, str]:
    """Each file that carries the address, and what it should hold.

    Notebooks come last: what they carry says which address to look for in
    the prose, so a run that was cut off can be run again.
    """
    old = recorded(root)
    wanted = {
        root / name: with_address(
            (root / name).read_text("utf-8"), old, address
        )
        for name in PROSE
        if (root / name).exists()
    }
    for path in notebooks(root):
        wanted[path] = with_install_cell(path, address)
    return wanted


def stale(root: Path = ROOT) -> list[Path]:
    """The files whose copy of the address differs from the declared one."""
    return [
        path
        for path, text in copies(root, declared(root)).items()
        if path.read_text("utf-8") != text
    ]


def rewrite(root: Path = ROOT) -> list[Path]:
    """Bring every copy in line with ``pyproject.toml``; what was changed."""
    wanted = copies(root, declared(root))
    changed = stale(root)
    for path in changed:
        path.write_text(wanted[path], "utf-8")
    return changed


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """The command; its exit status is 1 where a copy is stale."""
    parser = argparse.ArgumentParser(
        prog="python -m book.address", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--set", metavar="URL", help=f"such as {FORM}")
    parser.add_argument(
        "--check", action="store_true", help="change nothing, only compare"
    )
    chosen = parser.parse_args(arguments)
    if chosen.set and chosen.check:
        parser.error("give either --set or --check")
    try:
        if chosen.set:
            declare(Address(chosen.set.rstrip("/")), root)
        address = declared(root)
    except ValueError as problem:
        print(f"address: {problem}", file=sys.stderr)
        return 2
    if chosen.check:
        for path in (wrong := stale(root)):
            print(f"{path.relative_to(root)}: another address")
        if wrong:
            print("run `make address` to rewrite them")
        return 1 if wrong else 0
    for path in rewrite(root):
        print(f"rewrote {path.relative_to(root)}")
    print(f"repository  {address.repository}")
    print(f"pages       {address.pages}")
    print(f"Colab       {address.colab('chapters/')}…")
    return 0


if __name__ == "__main__":
    sys.exit(main())
