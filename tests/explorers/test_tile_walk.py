"""TileWalk: its data, and the figure in the page."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tiles_cases
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from settling import settle

from attnbook import explorers

RNG = np.random.default_rng(8)
SCORES = RNG.normal(scale=2, size=(16, 16)).round(4)
VALUE = RNG.normal(size=(16, 3)).round(4)


def expected(walk: explorers.TileWalk) -> dict:
    """What NumPy says of a walk: its tiles, and what follows from each."""
    n = walk.n
    scores = np.array(walk.scores)[:n, :n]
    value = np.array(walk.value)[:n]
    mask = tiles_cases.mask_of(walk.mask, n, walk.window)
    tiles = tiles_cases.tiles_of(mask, walk.query_tile, walk.key_tile)
    steps = tiles_cases.walk(scores, value, mask, tiles, walk.threshold)
    return {
        "tiles": tiles,
        "steps": [*steps],
        "dense": tiles_cases.dense(scores, mask, value),
        "mask": mask,
    }


def as_number(text: str) -> float:
    text = text.replace("−", "-").replace("∞", "inf").removeprefix("× ")
    return float(text)


def table(page) -> list[dict]:
    """The running numbers of each query, as the page says them."""
    settle(page)
    rows = page.locator(".numbers tbody tr").evaluate_all(
        "rows => rows.map((row) => [row.className, ...[...row.children]"
        ".slice(1, 4).map((cell) => cell.textContent),"
        "[...row.querySelectorAll('.output span')]"
        ".map((part) => part.textContent)])"
    )
    return [
        {
            "kind": kind.split(),
            "m": as_number(m),
            "l": as_number(total),
            "factor": as_number(factor) if factor else None,
            "output": None if "–" in output else [*map(as_number, output)],
        }
        for kind, m, total, factor, output in rows
    ]


def near(found: float, wanted: float) -> bool:
    return found == wanted or abs(found - wanted) <= 0.00501


def shows(page, wanted: dict, step: int) -> None:
    """The page shows what NumPy says of this step."""
    states, count, _ = wanted["steps"][step]
    before = wanted["steps"][max(0, step - 1)][0]
    for t, row in enumerate(table(page)):
        m = -np.inf if states[t]["m"] is None else states[t]["m"]
        old = before[t]["m"]
        assert near(row["m"], m) and near(row["l"], states[t]["l"])
        scaled = old is not None and old != m
        assert (row["factor"] is not None) == scaled
        assert ("rescaled" in row["kind"]) == scaled
        if scaled:
            assert near(row["factor"], np.exp(old - m))
        if not states[t]["l"]:
            assert row["output"] is None
            continue
        output = np.divide(states[t]["o"], states[t]["l"])
        assert all(map(near, row["output"], output))
        if "finished" in row["kind"]:
            assert all(map(near, row["output"], wanted["dense"][t]))
    tiles = len(wanted["tiles"])
    expect(tile(page, "Tiles")).to_contain_text(f"{step} of {tiles} are read")
    last = wanted["steps"][-1]
    expect(tile(page, "Rescales")).to_contain_text(
        f"{count} so far, {last[1]} at the end"
    )
    expect(tile(page, "Rescales")).to_contain_text(f"possible {last[2]} time")


def tile(page, name: str):
    return page.locator(".tile").filter(has_text=re.compile(f"^{name}"))


def slider(page, name: str):
    return page.get_by_role("slider", name=name)


def button(page, name: str):
    return page.get_by_role("button", name=name, exact=True)


def cells(page, kind: str) -> np.ndarray:
    """Which cells are of a kind: (n, n) of bool."""
    settle(page)
    found = page.locator(".cell").evaluate_all(
        f"cells => cells.map(cell => cell.classList.contains('{kind}'))"
    )
    n = int(len(found) ** 0.5)
    return np.reshape(found, (n, n))


# -- what the page shows ------------------------------------------------------


@pytest.mark.parametrize(
    "sizes",
    [
        {"n": 16, "query_tile": 4, "key_tile": 4},
        {"n": 9, "query_tile": 4, "key_tile": 2, "mask": "causal"},
        {"n": 10, "query_tile": 3, "key_tile": 4, "mask": "window"},
        {"n": 5, "query_tile": 1, "key_tile": 1, "threshold": 1.5},
        {"n": 2, "query_tile": 2, "key_tile": 2},
    ],
)
def test_every_step_shows_the_numbers_of_numpy(show, sizes):
    walk = explorers.TileWalk(SCORES, VALUE, window=2, **sizes)
    wanted = expected(walk)
    page = show([walk])
    for step in range(len(wanted["steps"])):
        shows(page, wanted, step)
        button(page, "Next tile").press("Enter")
    assert all("finished" in row["kind"] for row in table(page))
    expect(page.locator(".verdict")).to_contain_text(
        "All queries are finished. Their outputs are those of one softmax"
    )


def test_read_tiles_are_marked_and_skipped_ones_are_hatched(show, tiles):
    page = show([tiles])
    wanted = expected(tiles)
    n = tiles.n
    read, past = np.zeros((2, n, n), bool)
    for turn, each in enumerate(wanted["tiles"]):
        read[each] = True
        past[each] = turn < tiles.step - 1
    now = np.zeros((n, n), bool)
    now[wanted["tiles"][tiles.step - 1]] = True
    np.testing.assert_array_equal(cells(page, "out"), ~read)
    np.testing.assert_array_equal(cells(page, "past"), past)
    np.testing.assert_array_equal(cells(page, "current"), now)
    masked = read & ~wanted["mask"]
    np.testing.assert_array_equal(cells(page, "masked"), masked)


def test_the_new_maximum_of_a_rescale_is_marked(show, tiles):
    page = show([tiles])
    button(page, "Next rescale").click()
    raised = np.argwhere(cells(page, "raises"))
    scaled = [t for t, row in enumerate(table(page)) if row["factor"]]
    assert raised[:, 0].tolist() == scaled != []
    for t, s in raised:
        seen = np.array(tiles.scores)[t, : s + 1]
        assert seen.argmax() == s


def test_the_arithmetic_of_a_query_is_written_out(show):
    scores = np.array([[0, 1, 3], [2, 1, 0], [0.5, 0, 0]])
    walk = explorers.TileWalk(
        scores, [[1], [2], [4]], None, 3, 2, "none", 1, step=1
    )
    page = show([walk])
    text = page.locator(".written")
    expect(text).to_contain_text("Scores of keys 1 to 2: 0.00, 1.00.")
    expect(text).to_contain_text("There is nothing to rescale yet.")
    expect(text).to_contain_text("ℓ = 0.00 + 1.37 = 1.37")
    button(page, "Next tile").click()
    expect(text).to_contain_text("m grows from 1.00 to 3.00.")
    expect(text).to_contain_text("by e^(1.00 − 3.00) = 0.14.")
    expect(text).to_contain_text("ℓ = 0.14 · 1.37 + 1.00 = 1.19")
    expect(text).to_contain_text("o = 0.14 · 2.37 + 4.00 = 4.32")
    expect(text).to_contain_text("One softmax over all keys gives 3.65")
    slider(page, "Threshold").press("End")
    expect(text).to_contain_text("is not more than τ = 8.0: no rescale.")
    expect(text).to_contain_text("ℓ = 1.37 + 7.39 = 8.76")
    expect(text).to_contain_text("One softmax over all keys gives 3.65")
    page.get_by_role("gridcell").nth(3).click()
    expect(text).to_contain_text("m stays 2.00: no rescale.")


def test_a_query_whose_keys_are_all_masked_keeps_what_it_has(show):
    walk = explorers.TileWalk(
        SCORES, VALUE, 8, 4, 4, "window", 2, step=2, row=7
    )
    page = show([walk])
    text = page.locator(".written")
    expect(text).to_contain_text("All are masked, so nothing changes.")
    expect(text).to_contain_text("m = −∞, ℓ = 0, o = 0.")
    assert table(page)[6]["output"] is None
    page.get_by_role("gridcell").first.click()
    expect(text).to_contain_text("This tile has other queries.")


def test_a_threshold_saves_rescales_and_changes_no_output(show):
    walk = explorers.TileWalk(SCORES, VALUE, 12, 4, 2, step=18)
    page = show([walk])
    shows(page, expected(walk), 18)
    before = [row["output"] for row in table(page)]
    slider(page, "Threshold").press("PageUp")
    walk.threshold = 2.5
    wanted = expected(walk)
    shows(page, wanted, 18)
    assert [row["output"] for row in table(page)] == before
    walk.threshold = 0
    assert wanted["steps"][-1][1] < expected(walk)["steps"][-1][1]


# -- keyboard, mouse and finger -----------------------------------------------


def test_the_steps_are_walked_by_slider_and_by_buttons(show, tiles):
    page = show([tiles])
    steps = slider(page, "Tiles read")
    steps.press("Home")
    expect(steps).to_have_attribute("aria-valuetext", "0 of 9")
    assert all(row["m"] == -np.inf for row in table(page))
    expect(button(page, "Back")).to_have_attribute("aria-disabled", "true")
    steps.press("ArrowRight")
    expect(steps).to_have_attribute("aria-valuetext", "1 of 9")
    button(page, "Next tile").press("Enter")
    expect(steps).to_have_attribute("aria-valuetext", "2 of 9")
    button(page, "Back").press("Space")
    expect(steps).to_have_attribute("aria-valuetext", "1 of 9")
    steps.press("End")
    expect(steps).to_have_attribute("aria-valuetext", "9 of 9")
    for name in ("Next tile", "Next rescale"):
        expect(button(page, name)).to_have_attribute("aria-disabled", "true")
        button(page, name).press("Enter")
    expect(steps).to_have_attribute("aria-valuetext", "9 of 9")


def test_the_chosen_query_moves_along_with_the_tile(show, tiles):
    page = show([tiles])
    chosen = page.locator(".numbers .chosen th")
    expect(chosen).to_have_text("6")
    slider(page, "Tiles read").press("Home")
    expect(chosen).to_have_text("6")
    slider(page, "Tiles read").press("ArrowRight")
    expect(chosen).to_have_text("1")
    page.locator(".numbers tbody tr").nth(1).click()
    expect(chosen).to_have_text("2")
    button(page, "Next tile").click()
    expect(chosen).to_have_text("2")
    button(page, "Next rescale").click()
    expect(page.locator(".numbers .chosen")).to_have_class(
        re.compile("rescaled")
    )


def test_the_grid_is_walked_by_arrows_and_keys_stay_inside(show, tiles):
    page = show([tiles])
    page.evaluate("addEventListener('keydown', (e) => (window.heard = e.key))")
    page.locator("[role=gridcell][tabindex='0']").focus()
    page.keyboard.press("ArrowDown")
    read = page.locator(".read")
    expect(read).to_contain_text("query 7, key 1: score")
    expect(read).to_contain_text("in tile 6, not yet read")
    expect(page.locator(".numbers .chosen th")).to_have_text("7")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("End")
    expect(read).to_contain_text("query 6, key 8: in a skipped tile")
    page.keyboard.press("Home")
    expect(read).to_contain_text("in tile 3, read and not kept")
    assert page.evaluate("window.heard") is None


@pytest.mark.parametrize(
    ("mask", "name"), [("none", "none"), ("window", "causal window")]
)
def test_another_mask_has_other_tiles_and_the_last_step_stays_last(
    show, tiles, mask, name
):
    tiles.step = 9
    page = show([tiles])
    expect(slider(page, "Window W")).to_have_count(0)
    page.get_by_label(name, exact=True).check()
    tiles.mask = mask
    wanted = expected(tiles)
    shows(page, wanted, len(wanted["tiles"]))
    expect(slider(page, "Window W")).to_have_count(int(mask == "window"))
    expect(page.locator(".verdict")).to_contain_text("All queries are fin")


def test_every_size_can_be_picked(show, tiles):
    page = show([tiles])
    slider(page, "Keys in a tile").press("End")
    slider(page, "Queries in a tile").press("Home")
    tiles.query_tile, tiles.key_tile = 1, 8
    shows(page, expected(tiles), 8)
    slider(page, "Tokens n").press("PageDown")
    tiles.n, tiles.key_tile = 3, 3
    shows(page, expected(tiles), 3)
    expect(page.locator(".cell")).to_have_count(9)
    expect(slider(page, "Keys in a tile")).to_have_attribute("max", "3")
    expect(page.locator(".numbers .chosen th")).to_have_text("3")
    page.get_by_label("none", exact=True).check()
    page.get_by_label("causal window").check()
    slider(page, "Window W").press("Home")
    tiles.mask, tiles.window = "window", 1
    shows(page, expected(tiles), 3)
    for row, value in zip(table(page), tiles.value, strict=False):
        assert all(map(near, row["output"], value))  # each reads itself


def test_the_slider_of_the_tokens_keeps_the_focus(show, tiles):
    tiles.mask = "window"
    page = show([tiles])
    tokens = slider(page, "Tokens n")
    tokens.focus()
    for pressed, said in (("ArrowLeft", "7"), ("Home", "2"), ("End", "8")):
        page.keyboard.press(pressed)
        settle(page)
        expect(tokens).to_have_attribute("aria-valuetext", said)
        expect(slider(page, "Window W")).to_have_attribute("max", said)
        expect(tokens).to_be_focused()


def test_a_finger_taps_cells_rows_and_buttons(show, tiles):
    page = show([tiles], width=360, has_touch=True, is_mobile=True)
    page.get_by_role("gridcell").nth(8 * 6 + 2).tap()
    expect(page.locator(".numbers .chosen th")).to_have_text("7")
    button(page, "Next tile").tap()
    expect(page.locator(".part.step")).to_contain_text("Tile 6 of 9")
    page.locator(".numbers tbody tr").nth(2).tap()
    expect(page.locator(".numbers .chosen th")).to_have_text("3")


def test_what_changes_is_said(show, tiles):
    page = show([tiles])
    button(page, "Back").click()
    expect(page.locator("[aria-live=polite]")).to_have_text(
        re.compile(
            r"^Tile 4 of 9: queries 4 to 6, keys 3 to 4\. "
            r"(Rescaled: quer(y|ies) [\d, and]+|No query is rescaled)\. "
            r"Finished: 3 of 8 queries\.$"
        )
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 760])
def test_every_step_is_readable_for_everyone(show, theme, width):
    walk = explorers.TileWalk(
        -abs(SCORES), -abs(VALUE), None, 3, 4, "window", 5, 1.0, step=3
    )
    page = show([walk], theme=theme, width=width)
    for _ in range(2):
        settle(page)
        found = Axe().run(page).response["violations"]
        assert [(v["id"], v["nodes"]) for v in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
        slider(page, "Tiles read").press("End")
    for part in (page.get_by_role("grid"), page.locator(".numbers")):
        assert part.evaluate("e => e.scrollWidth <= e.clientWidth")
        box, frame = part.bounding_box(), page.locator(".explorer")
        edge = frame.bounding_box()
        assert box["x"] + box["width"] <= edge["x"] + edge["width"] - 8
    for name in ("Back", "Next tile", "Next rescale"):
        assert button(page, name).bounding_box()["height"] >= 24


# -- the data -----------------------------------------------------------------


def test_python_receives_what_the_reader_chose():
    walk = explorers.TileWalk(SCORES, VALUE)
    walk.set_state({"step": 7, "mask": "causal", "threshold": 2.0})
    assert (walk.step, walk.mask, walk.threshold) == (7, "causal", 2.0)


def test_tensors_are_taken_and_all_tokens_are_the_default():
    walk = explorers.TileWalk(torch.eye(6), torch.ones(6, 1).bfloat16())
    assert (walk.n, walk.step, walk.row) == (6, 0, 1)


@pytest.mark.parametrize("mask", tiles_cases.MASKS)
def test_the_last_step_is_the_number_of_tiles_that_are_read(mask):
    sizes = {"query_tile": 3, "key_tile": 5, "mask": mask, "window": 4}
    walk = explorers.TileWalk(SCORES, VALUE, 14, **sizes)
    last = len(expected(walk)["tiles"])
    explorers.TileWalk(SCORES, VALUE, 14, **sizes, step=last)
    with pytest.raises(ValueError, match=f"step must be .* 0 to {last}, got"):
        explorers.TileWalk(SCORES, VALUE, 14, **sizes, step=last + 1)


def test_its_text_names_sizes_and_mask():
    walk = explorers.TileWalk(SCORES, VALUE, 12, 4, 3, "causal")
    assert repr(walk) == (
        "TileWalk: 12 queries over 12 keys, causal, in tiles of 4 × 3; "
        "running maximum, sum and output after each tile"
    )


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"scores": SCORES[:3]}, r"scores must have the shape \(N, N\) .*3"),
        ({"scores": [[1.0]]}, r"N from 2 to 16, got \(1, 1\)"),
        ({"scores": np.zeros((17, 17))}, r"from 2 to 16, got \(17, 17\)"),
        ({"scores": SCORES + np.inf}, "scores must be finite"),
        ({"value": VALUE[:4]}, r"value must have the shape \(16, d_v\)"),
        ({"value": np.ones((16, 4))}, "value must have at most 3 columns"),
        ({"n": 17}, "n must be a whole number from 2 to 16, got 17"),
        ({"n": 1}, "n must be a whole number from 2 to 16, got 1"),
        ({"n": 3}, "query_tile must be a whole number from 1 to 3, got 4"),
        ({"key_tile": 0}, "key_tile must be .* from 1 to 16, got 0"),
        ({"key_tile": 2.5}, "key_tile must be a whole number .*, got 2.5"),
        ({"mask": "padding"}, "mask must be one of none, .*'padding'"),
        ({"window": 17}, "window must be a whole number from 1 to 16, got 17"),
        ({"threshold": -1}, "threshold must lie between 0 and 8, got -1"),
        ({"threshold": 9}, "threshold must lie between 0 and 8, got 9"),
        ({"threshold": [1]}, r"threshold must have the shape \(\)"),
        ({"step": -1}, "step must be a whole number from 0 to 16, got -1"),
        ({"row": 17}, "row must be a whole number from 1 to 16, got 17"),
        ({"row": "1"}, "row must be a whole number"),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(wrong, says):
    with pytest.raises(ValueError, match=says) as caught:
        explorers.TileWalk(**{"scores": SCORES, "value": VALUE, **wrong})
    assert str(caught.value).count(".") >= 2  # the error says what to do
