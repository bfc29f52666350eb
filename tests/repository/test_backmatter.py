"""The zoo tells what was measured, and each claim leads to its cell."""

from __future__ import annotations

import re
from collections import defaultdict
from statistics import median

import nbformat
import numpy as np
import pytest

from attnbook.experiments import table
from attnbook.experiments.attention_cost import exponent

VERDICTS = {
    "holds",
    "holds with conditions",
    "false",
    "did not reproduce",
    "cannot be tested here",
    "cannot be known",
}
CELL = re.compile(r"\.\./(chapters/[\w-]+\.ipynb)#cell-([\w-]+)")


def rows(root, page: str, columns: int) -> list[list[str]]:
    """The rows of all tables of a page with that many columns."""
    text = (root / "backmatter" / f"{page}.md").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in lines
        if not set(line) <= set("|-: ")
    ]
    return [row for row in cells if len(row) == columns]


@pytest.fixture(scope="module")
def measured() -> dict[str, list[str]]:
    """Two exponents, milliseconds and MiB of each variant, as printed."""
    runs = defaultdict(list)
    for row in table("zoo"):
        runs[row["variant"], row["run"]].append(row)
    by_variant = defaultdict(list)
    for (variant, _), found in runs.items():
        n = [row["n"] for row in found]
        at_512 = next(row for row in found if row["n"] == 512)
        by_variant[variant].append(
            [
                exponent(n, [row["ms"] for row in found]),
                exponent(n, [row["MiB"] for row in found]),
                at_512["ms"],
                at_512["MiB"],
            ]
        )
    return {
        variant: [
            f"{median(column):.1f}" for column in zip(*values, strict=True)
        ]
        for variant, values in by_variant.items()
    }


def test_the_zoo_tells_what_the_study_measured(root, measured):
    told = {}
    for name, *numbers in rows(root, "zoo", columns=5)[1:]:
        told[re.sub(r"\[(.+?)\].*", r"\1", name)] = numbers
    assert told == measured


def test_every_variant_of_the_zoo_was_measured_three_times():
    runs = defaultdict(set)
    for row in table("zoo"):
        runs[row["variant"], row["n"]].add(row["run"])
    assert all(len(seeds) >= 3 for seeds in runs.values())


def test_every_claim_has_a_verdict_a_design_and_a_cell_that_shows_it(root):
    ledger = rows(root, "claims", columns=4)
    claims = [row for row in ledger if row[0] != "claim"]
    assert len(claims) >= 30
    assert {row[1].strip("*") for row in claims} == VERDICTS
    for claim, verdict, design, shown in claims:
        if verdict.strip("*") == "cannot be known":
            continue
        assert CELL.search(shown), claim
        assert design != "–", claim


def test_the_two_popular_examples_are_computed_right(root):
    page = (root / "backmatter" / "claims.md").read_text("utf-8")
    words = "Awareness is power in a world where knowledge is everywhere"
    letters = [len(word) for word in words.split()]
    told = f"have {letters[0]}, " + ", ".join(map(str, letters[1:-1]))
    assert f"{told} and {letters[-1]} letters, {sum(letters)} in total" in (
        " ".join(page.split())
    )
    assert sum(map(ord, "on")) == sum(map(ord, "no")) == 221
    assert "221" in page
    score = np.array([0.05, 0.8, 0.1, 0.9])
    weight = np.exp(score) / np.exp(score).sum()
    first, *more, last = (f"{w:.3f}" for w in weight)
    assert f"{first}, {', '.join(more)} and {last}" in " ".join(page.split())
    # The temperature that keys 1 and 3 imply, at most, and 1 and 2, at least.
    at_most = (0.15 - 0.045) / np.log(0.075 / 0.025)
    at_least = (0.75 - 0.055) / np.log(0.45 / 0.015)
    assert f"most {at_most:.3f}" in " ".join(page.split())
    assert f"of at least {at_least:.3f}" in " ".join(page.split())
    assert at_most < at_least


@pytest.mark.parametrize("page", ["zoo", "claims"])
def test_every_cell_that_is_linked_exists(root, page):
    text = (root / "backmatter" / f"{page}.md").read_text("utf-8")
    links = CELL.findall(text)
    assert links
    known = {
        path: {cell.id for cell in nbformat.read(root / path, 4).cells}
        for path in {path for path, _ in links}
    }
    assert [link for link in links if link[1] not in known[link[0]]] == []
