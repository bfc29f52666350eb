"""The README shows every chapter, and its pictures stay small."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from statistics import mean

import pytest

from book.address import declared


@pytest.fixture(scope="module")
def readme(root):
    return (root / "README.md").read_text(encoding="utf-8")


def test_every_chapter_and_its_exercises_open_in_colab(root, readme):
    address = declared(root)
    missing = [
        path
        for chapter in sorted((root / "chapters").glob("*.ipynb"))
        for path in (f"chapters/{chapter.name}", f"exercises/{chapter.name}")
        if f"({address.colab(path)})" not in readme
    ]
    assert missing == []


def test_the_book_that_the_readme_links_is_the_published_one(root, readme):
    assert f"({declared(root).pages})" in readme


def test_every_picture_says_what_it_shows_and_is_small(root, readme):
    pictures = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", readme)
    for tag in re.findall(r"<img [^>]*>", readme):
        attributes = dict(re.findall(r"(\w+)=\"([^\"]*)\"", tag))
        pictures.append((attributes["alt"], attributes["src"]))
    assert pictures
    for alternative, path in pictures:
        assert len(alternative) > 30, path
        assert (root / path).stat().st_size < 250_000, path


def test_the_accuracies_are_the_means_of_the_experiment(root, readme):
    table = root / "experiments" / "tables" / "accuracy_by_length.csv"
    measured: dict[tuple[str, str], list[float]] = defaultdict(list)
    with table.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            key = (row["model"], row["length"])
            measured[key].append(float(row["exact match"]))

    def numbers_after(name: str) -> list[str]:
        found = re.search(rf"^\| {name} \|(.*)\|$", readme, re.MULTILINE)
        assert found, f"no row of {name}"
        return [cell.strip() for cell in found[1].split("|")]

    lengths = numbers_after("pairs")
    for model in dict.fromkeys(model for model, _ in measured):
        means = [f"{mean(measured[model, length]):.2f}" for length in lengths]
        assert numbers_after(model) == means, model
        assert {len(measured[model, length]) for length in lengths} == {3}
