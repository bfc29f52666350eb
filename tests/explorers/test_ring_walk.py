"""RingWalk: its data, and the figure in the page."""

from __future__ import annotations

import re

import numpy as np
import pytest
import ring_cases
import samples
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from settling import settle

from attnbook import explorers


@pytest.fixture
def ring() -> explorers.RingWalk:
    return samples.ring_walk()


def as_number(text: str) -> float | None:
    return None if text == "–" else float(text)


def lanes(page) -> list[dict]:
    """The line of each rank, as the page says it."""
    settle(page)
    rows = page.locator(".lanes tbody tr").evaluate_all(
        "rows => rows.map((row) => [row.className, ...[...row.children]"
        ".map((cell) => cell.textContent)])"
    )
    return [
        {
            "kind": kind.split(),
            "rank": int(rank),
            "keys": keys,
            "computes": as_number(own),
            "waits": as_number(waits),
            "waited": as_number(waited),
        }
        for kind, rank, keys, own, waits, _, waited in rows
    ]


def shows(page, walk: explorers.RingWalk, step: int) -> None:
    """The page shows what NumPy says of this step."""
    R = walk.ranks
    work = ring_cases.work(walk.layout, R, walk.causal)
    held = ring_cases.holders(walk.layout, R)
    slowest = work.max(1)
    waited = (slowest[:, None] - work)[:step].sum(0)
    for rank, lane in enumerate(lanes(page)):
        assert lane["rank"] == rank + 1
        assert lane["waited"] == waited[rank]
        if not step:
            assert lane["computes"] is None and lane["keys"] == "–"
            continue
        own, most = work[step - 1, rank], slowest[step - 1]
        visitor = (rank - step + 1) % R
        chunks = [str(i + 1) for i in np.flatnonzero(held == visitor)]
        assert lane["keys"] == f"rank {visitor + 1}: {', '.join(chunks)}"
        assert (lane["computes"], lane["waits"]) == (own, most - own)
        assert ("waits" in lane["kind"]) == (own < most)
    ratio = slowest.sum() / (work.sum() / R)
    expect(tile(page, "Slowest")).to_contain_text(f"{ratio:.2f}")
    expect(tile(page, "Sent")).to_contain_text(
        f"{min(step, R - 1)} of {R - 1} block"
    )
    total = slowest[:step].sum()
    expect(tile(page, "Time")).to_contain_text(f"{total:g} of ")


def tile(page, name: str):
    return page.locator(".tile").filter(has_text=re.compile(f"^{name}"))


def slider(page, name: str):
    return page.get_by_role("slider", name=name)


def button(page, name: str):
    return page.get_by_role("button", name=name, exact=True)


def cells(page, kind: str) -> np.ndarray:
    """Which cells are of a kind: (2R, 2R) of bool."""
    settle(page)
    found = page.locator(".cell").evaluate_all(
        f"cells => cells.map(cell => cell.classList.contains('{kind}'))"
    )
    n = int(len(found) ** 0.5)
    return np.reshape(found, (n, n))


# -- what the page shows ------------------------------------------------------


@pytest.mark.parametrize("ranks", [2, 4, 7])
@pytest.mark.parametrize("layout", ring_cases.LAYOUTS)
@pytest.mark.parametrize("causal", [True, False])
def test_every_step_shows_the_numbers_of_numpy(show, ranks, layout, causal):
    walk = explorers.RingWalk(ranks, layout, causal)
    page = show([walk])
    for step in range(ranks + 1):
        shows(page, walk, step)
        button(page, "Next step").press("Enter")
    expect(page.locator(".verdict")).to_contain_text("All is computed.")


def test_cells_are_masked_done_computed_now_or_still_to_come(show, ring):
    page = show([ring])
    held = ring_cases.holders("contiguous", 4)
    t, s = np.indices((8, 8))
    at = (held[t] - held[s]) % 4 + 1
    allowed = s <= t
    np.testing.assert_array_equal(cells(page, "out"), ~allowed)
    np.testing.assert_array_equal(cells(page, "past"), allowed & (at < 2))
    np.testing.assert_array_equal(cells(page, "current"), allowed & (at == 2))
    np.testing.assert_array_equal(cells(page, "later"), allowed & (at > 2))
    np.testing.assert_array_equal(cells(page, "half"), t == s)


def test_what_a_rank_does_is_written_out(show, ring):
    page = show([ring])
    text = page.locator(".written")
    expect(text).to_have_text(
        "Rank 3 has the queries of chunks 5 and 6. It reads the keys of rank "
        "2, chunks 3 and 4: 5 over 3, 5 over 4, 6 over 3 and 6 over 4. "
        "Meanwhile these keys go on to rank 4."
    )
    page.locator(".lanes tbody tr").first.click()
    expect(text).to_contain_text("keys of rank 4, chunks 7 and 8: all come la")
    button(page, "Back").click()
    expect(text).to_contain_text(
        "It reads its own keys: 1 over 1 (a triangle, half), 2 over 1 and 2 "
        "over 2 (a triangle, half)."
    )
    button(page, "Back").click()
    expect(text).to_have_text(
        "Rank 1 has the queries of chunks 1 and 2, and their keys."
    )


def test_the_verdict_says_who_waits_and_how_long_in_all(show, ring):
    page = show([ring])
    said = page.locator(".verdict")
    expect(said).to_have_text(
        "Step 2 of 4 takes 4. Rank 1 waits for the others."
    )
    button(page, "Next step").click()
    expect(said).to_contain_text("Ranks 1 and 2 wait for the others.")
    slider(page, "Steps done").press("End")
    # 14 units in all, of which the mask leaves 32 / 4 = 8 for each.
    expect(said).to_contain_text("Ranks waited 24 of 56 units.")
    expect(page.locator("[aria-live=polite]")).to_contain_text("All is comp")
    page.get_by_label("zigzag").check()
    expect(said).to_contain_text("No rank waits.")
    expect(said).to_contain_text("Ranks waited 0 of 32 units.")


# -- keyboard, mouse and finger -----------------------------------------------


def test_the_steps_are_walked_by_slider_and_by_buttons(show, ring):
    page = show([ring])
    steps = slider(page, "Steps done")
    steps.press("Home")
    expect(steps).to_have_attribute("aria-valuetext", "0 of 4")
    expect(button(page, "Back")).to_have_attribute("aria-disabled", "true")
    steps.press("ArrowRight")
    button(page, "Next step").press("Enter")
    expect(steps).to_have_attribute("aria-valuetext", "2 of 4")
    button(page, "Back").press("Space")
    expect(steps).to_have_attribute("aria-valuetext", "1 of 4")
    steps.press("End")
    expect(button(page, "Next step")).to_have_attribute(
        "aria-disabled", "true"
    )


def test_other_ranks_layouts_and_masks_can_be_picked(show, ring):
    ring.step = 4
    page = show([ring])
    ranks = slider(page, "Ranks R")
    ranks.focus()
    ranks.press("End")
    ring.ranks, ring.step = 8, 8  # the last step stays the last
    shows(page, ring, 8)
    expect(page.locator(".cell")).to_have_count(256)
    expect(ranks).to_be_focused()
    page.get_by_label("zigzag").check()
    ring.layout = "zigzag"
    shows(page, ring, 8)
    page.get_by_label("Causal mask").uncheck()
    ring.causal = False
    shows(page, ring, 8)
    ranks.press("Home")
    ring.ranks = 2
    shows(page, ring, 2)
    expect(page.locator(".lanes .chosen th")).to_have_text("2")


def test_the_grid_is_walked_by_arrows_and_keys_stay_inside(show, ring):
    page = show([ring])
    page.evaluate("addEventListener('keydown', (e) => (window.heard = e.key))")
    page.locator("[role=gridcell][tabindex='0']").focus()
    read = page.locator(".read")
    page.keyboard.press("ArrowDown")
    expect(read).to_have_text("queries 6, keys 1: rank 3, step 3")
    page.keyboard.press("ArrowDown")
    expect(read).to_have_text("queries 7, keys 1: rank 4, step 4")
    expect(page.locator(".lanes .chosen th")).to_have_text("4")
    page.keyboard.press("End")
    expect(read).to_have_text("queries 7, keys 8: masked, never computed")
    page.keyboard.press("ArrowLeft")
    expect(read).to_have_text("queries 7, keys 7: rank 4, step 1, half")
    assert page.evaluate("window.heard") is None


def test_a_finger_taps_cells_rows_and_buttons(show, ring):
    page = show([ring], width=360, has_touch=True, is_mobile=True)
    page.get_by_role("gridcell").nth(8 * 7 + 2).tap()
    expect(page.locator(".lanes .chosen th")).to_have_text("4")
    button(page, "Next step").tap()
    expect(page.locator(".verdict")).to_contain_text("Step 3 of 4")
    page.locator(".lanes tbody tr").nth(1).tap()
    expect(page.locator(".lanes .chosen th")).to_have_text("2")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 760])
def test_every_step_is_readable_for_everyone(show, theme, width):
    walk = explorers.RingWalk(8, "zigzag", True, step=3, rank=8)
    page = show([walk], theme=theme, width=width)
    for _ in range(2):
        settle(page)
        found = Axe().run(page).response["violations"]
        assert [(v["id"], v["nodes"]) for v in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
        slider(page, "Steps done").press("End")
    for part in (page.get_by_role("grid"), page.locator(".lanes")):
        assert part.evaluate("e => e.scrollWidth <= e.clientWidth")
        box, frame = part.bounding_box(), page.locator(".explorer")
        edge = frame.bounding_box()
        assert box["x"] + box["width"] <= edge["x"] + edge["width"] - 8


# -- the data -----------------------------------------------------------------


def test_python_receives_what_the_reader_chose():
    walk = explorers.RingWalk()
    walk.set_state({"step": 3, "layout": "zigzag", "causal": False})
    assert (walk.step, walk.layout, walk.causal) == (3, "zigzag", False)


def test_its_text_names_ranks_layout_and_mask():
    assert repr(explorers.RingWalk(6, "zigzag", False)) == (
        "RingWalk: 6 ranks in a ring, zigzag, no mask; what each computes in "
        "each step, and how long it waits"
    )


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"ranks": 1}, "ranks must be a whole number from 2 to 8, got 1"),
        ({"ranks": 9}, "ranks must be a whole number from 2 to 8, got 9"),
        ({"ranks": 2.5}, "ranks must be a whole number"),
        ({"layout": "striped"}, "layout must be one of .*, got 'striped'"),
        ({"step": 5}, "step must be a whole number from 0 to 4, got 5"),
        ({"rank": 0}, "rank must be a whole number from 1 to 4, got 0"),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(wrong, says):
    with pytest.raises(ValueError, match=says) as caught:
        explorers.RingWalk(**wrong)
    assert str(caught.value).count(".") >= 2  # the error says what to do
