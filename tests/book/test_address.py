"""The repository's address stands in one place; the rest follows."""

from __future__ import annotations

import re
import shutil
import tomllib

import pytest

from book import address as addresses
from book.address import Address

FORK = "https://github.com/a-school/our-attention"


@pytest.fixture
def clone(root, tmp_path):
    """What carries the address, in a folder to change."""
    for name in ("pyproject.toml", *addresses.PROSE):
        if (root / name).exists():
            shutil.copy(root / name, tmp_path / name)
    for name in ("chapters", "exercises", "solutions"):
        shutil.copytree(
            root / name,
            tmp_path / name,
            ignore=shutil.ignore_patterns(".*"),
        )
    return tmp_path


def texts(folder) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_copy_is_the_declared_address(root, capsys):
    assert addresses.main(["--check"], root) == 0
    assert capsys.readouterr().out == ""


def test_a_fork_finds_its_own_address_everywhere(clone):
    before = texts(clone)
    original = addresses.declared(clone)
    assert addresses.main(["--set", FORK], clone) == 0
    after = texts(clone)
    assert addresses.main(["--check"], clone) == 0
    changed = [name for name in before if before[name] != after[name]]
    assert {"pyproject.toml", "README.md"} < set(changed)
    assert all(name in changed for name in before if name.endswith(".ipynb"))
    slug = f"{original.owner}/{original.name}"
    for name, text in after.items():
        assert slug not in text, name
        assert original.pages.rstrip("/") not in text, name


def test_going_back_gives_the_same_bytes(clone):
    before = texts(clone)
    original = addresses.declared(clone).repository
    addresses.main(["--set", FORK], clone)
    addresses.main(["--set", original], clone)
    assert texts(clone) == before


def test_an_address_edited_by_hand_is_seen_as_stale(clone, capsys):
    project = clone / "pyproject.toml"
    original = addresses.declared(clone).repository
    project.write_text(project.read_text().replace(original, FORK))
    assert addresses.main(["--check"], clone) == 1
    said = capsys.readouterr().out
    assert "README.md" in said and "make address" in said
    assert addresses.main([], clone) == 0
    assert addresses.main(["--check"], clone) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        "github.com/a/b",
        "https://github.com/a",
        "https://github.com/a/b.git",
        "https://github.com/a/b/c",
        "https://example.org/a/b",
        'https://github.com/a/b"; rm',
    ],
)
def test_what_is_no_address_is_refused_and_nothing_changes(
    clone, wrong, capsys
):
    before = texts(clone)
    assert addresses.main(["--set", wrong], clone) == 2
    said = capsys.readouterr().err
    assert wrong in said.replace("\\", "") or repr(wrong) in said
    assert "https://github.com/OWNER/NAME" in said
    assert texts(clone) == before


def test_links_follow_from_the_address():
    address = Address("https://github.com/A-School/course")
    assert address.pages == "https://a-school.github.io/course/"
    assert address.colab("chapters/a.ipynb") == (
        "https://colab.research.google.com/github/A-School/course"
        "/blob/main/chapters/a.ipynb"
    )
    own_site = Address("https://github.com/me/me.github.io")
    assert own_site.pages == "https://me.github.io/"


def test_another_repository_in_the_prose_is_left_alone():
    old, new = Address("https://github.com/a/b"), Address(FORK)
    text = "https://github.com/a/bc, https://github.com/za/b, a/b.c"
    assert addresses.with_address(text, old, new) == text


def test_the_readme_links_each_notebook_to_colab(root):
    readme = (root / "README.md").read_text("utf-8")
    address = addresses.declared()
    links = set(re.findall(rf"{re.escape(addresses.COLAB)}[^\s)\"]+", readme))
    paths = [
        path.relative_to(root).as_posix()
        for path in addresses.notebooks(root)
        if path.parent.name in ("chapters", "exercises")
    ]
    assert {address.colab(path) for path in paths} <= links


def test_the_settings_of_the_book_hold_no_copy(root):
    config = (root / "_config.yml").read_text("utf-8")
    address = addresses.declared()
    assert address.repository not in config
    assert address.pages not in config
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["urls"]["Repository"] == address.repository
