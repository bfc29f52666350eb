"""WrittenState: its data, and the figure in the page."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
import written_cases
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from settling import settle

from attnbook import explorers

LONG = [
    *[("cat", "red"), ("dog", "blue"), ("cat", "green"), ("bird", "red")],
    *[("dog", None), ("fish", "black"), ("bird", "blue")],
]


def expected(written: explorers.WrittenState) -> dict:
    """What NumPy says of the chosen step."""
    keys = written_cases.cut(np.array(written.vectors), written.size)
    states = written_cases.states(
        written.writes,
        keys,
        len(written.value_names),
        written.rule,
        written.alpha,
        written.beta,
    )
    state = states[written.step]
    return {
        "state": state,
        "reads": keys @ state,
        "keys": keys,
        "most": max(1, abs(states).max()),
    }


def as_number(text: str) -> float:
    return float(text.replace("−", "-"))


def grid(page, name: str, columns: int) -> np.ndarray:
    """The numbers of a grid, as its cells say them."""
    settle(page)
    cells = page.get_by_role("grid", name=name).get_by_role("gridcell")
    said = cells.evaluate_all(
        "cells => cells.map(cell => cell.getAttribute('aria-label'))"
    )
    found = [re.search(r"[ ](−?\d+\.\d\d)(,|$)", text)[1] for text in said]
    return np.reshape([*map(as_number, found)], (-1, columns))


def shows(page, written: explorers.WrittenState) -> None:
    """The page shows the state of NumPy, and what each key reads."""
    wanted = expected(written)
    values = len(written.value_names)
    state = grid(page, "The state", values)
    np.testing.assert_allclose(state, wanted["state"], atol=0.00501)
    reads = grid(page, "What each key reads back", values)
    np.testing.assert_allclose(reads, wanted["reads"], atol=0.00501)
    texts = page.locator(".cell span").all_inner_texts()
    np.testing.assert_allclose(
        [*map(as_number, texts)], wanted["reads"].ravel(), atol=0.00501
    )
    parts = (
        page.get_by_role("grid")
        .first.locator(".cell")
        .evaluate_all(
            "cells => cells.map(cell => [cell.classList.contains('below'),"
            "parseFloat(cell.style.getPropertyValue('--part'))])"
        )
    )
    for (below, part), x in zip(parts, wanted["state"].ravel(), strict=True):
        assert below == (x < 0) or abs(x) < 1e-6
        assert abs(part - 100 * abs(x) / wanted["most"]) < 0.6


def marked(page, kind: str) -> list[tuple[int, int]]:
    """Which read-outs are marked: (key, value)."""
    settle(page)
    back = page.get_by_role("grid", name="What each key reads back")
    rows = back.locator(".row:has(.cell)").evaluate_all(
        "rows => rows.map(row => [...row.querySelectorAll('.cell')]"
        f".map(cell => cell.classList.contains('{kind}')))"
    )
    return [*map(tuple, np.argwhere(rows).tolist())]


def slider(page, name: str):
    return page.get_by_role("slider", name=name)


def button(page, name: str):
    return page.get_by_role("button", name=name, exact=True)


def verdict(page):
    return page.locator(".verdict")


# -- what the page shows ------------------------------------------------------


@pytest.mark.parametrize("rule", written_cases.RULES)
@pytest.mark.parametrize("size", [8, 3])
def test_every_step_shows_the_state_of_numpy(show, rule, size):
    written = explorers.WrittenState(LONG, None, rule, 0.7, 0.9, size)
    page = show([written])
    for step in range(len(LONG) + 1):
        written.step = step
        shows(page, written)
        button(page, "Next token").press("Enter")


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (
            "linear",
            "cat reads red 1.00, green 1.00. The newest value, green, is not "
            "the only largest one. The error ‖Sᵀ q − v‖ is 1.00.",
        ),
        (
            "decay",
            "cat reads red 0.64, green 1.00. The largest is green, the newest "
            "value of this key. The error ‖Sᵀ q − v‖ is 0.64.",
        ),
        (
            "delta",
            "cat reads green 1.00. The largest is green, the newest value of "
            "this key. The error ‖Sᵀ q − v‖ is 0.00.",
        ),
        (
            "gated",
            "cat reads green 1.00. The largest is green, the newest value of "
            "this key. The error ‖Sᵀ q − v‖ is 0.00.",
        ),
    ],
)
def test_an_overwritten_key_is_added_to_or_replaced(show, written, rule, says):
    page = show([written])
    page.locator(f"input[value={rule}]").check()
    button(page, "Next token").click()
    expect(verdict(page)).to_have_text(says)
    assert marked(page, "at") == [(0, 2), (1, 1)]
    assert marked(page, "old") == [(0, 0)]


def test_what_a_token_does_is_said_in_steps(show, written):
    written.rule, written.step = "gated", 3
    page = show([written])
    does = page.locator(".does")
    expect(does).to_have_text(
        "The state is multiplied by α = 0.80. Token 3 reads cat: red 0.64."
        "The error is red −0.64, green 1.00. Times β = 1.00, red −0.64, "
        "green 1.00 is written under cat."
    )
    button(page, "Next token").click()
    expect(does).to_have_text(
        "The state is multiplied by α = 0.80. Token 4 writes nothing."
    )
    page.locator("input[value=linear]").check()
    expect(does).to_have_text("Token 4 writes nothing.")
    slider(page, "Tokens written").press("Home")
    expect(does).to_contain_text("Nothing is written yet")
    expect(verdict(page)).to_have_text(
        "cat reads nothing. Nothing is written under this key yet."
    )


def test_a_token_that_repeats_what_is_stored_writes_nothing(show):
    twice = explorers.WrittenState([("cat", "red")] * 2, rule="delta", step=2)
    page = show([twice])
    expect(page.locator(".does")).to_contain_text(
        "There is no error, so nothing is written."
    )
    page.locator("input[value=linear]").check()
    expect(verdict(page)).to_contain_text("cat reads red 2.00.")


def test_with_fewer_coordinates_than_keys_the_keys_disturb_each_other(show):
    written = explorers.WrittenState(LONG, rule="delta", step=len(LONG))
    page = show([written])
    facts = page.locator(".facts")
    expect(facts).to_have_text(
        "The state has 8 · 4 = 32 numbers, however many tokens there are. "
        "All keys are at right angles."
    )
    slider(page, "Size of a key").press("Home")
    written.size = 2
    shows(page, written)
    names, keys = written.key_names, expected(written)["keys"]
    cosine = written_cases.closest(keys)
    expect(facts).to_contain_text("The state has 2 · 4 = 8 numbers")
    sign = "−" if cosine < 0 else ""
    expect(facts).to_contain_text(f"k · k = {sign}{abs(cosine):.2f}.")
    assert len(names) > 2 and abs(cosine) > 0.5
    assert page.get_by_role("rowheader", name="3", exact=True).count() == 0


# -- keyboard, mouse and finger -----------------------------------------------


def test_tokens_are_chosen_by_slider_by_buttons_and_by_name(show, written):
    page = show([written])
    steps = slider(page, "Tokens written")
    current = page.locator("[aria-current=step]")
    expect(current).to_have_text("2dog → blue")
    steps.press("Home")
    expect(current).to_have_count(0)
    expect(button(page, "Back")).to_have_attribute("aria-disabled", "true")
    expect(page.get_by_label("the value")).to_have_count(1)
    expect(page.get_by_label("the value")).not_to_be_visible()
    button(page, "Next token").press("Space")
    expect(current).to_have_text("1cat → red")
    page.get_by_role("button", name="cat → green").click()
    expect(steps).to_have_attribute("aria-valuetext", "3 of 4")
    steps.press("ArrowRight")
    expect(current).to_have_text("4nothing")
    button(page, "Next token").press("Enter")
    expect(steps).to_have_attribute("aria-valuetext", "4 of 4")
    written.step = 4
    shows(page, written)


def test_a_token_can_write_another_key_or_value_or_nothing(show, written):
    page = show([written])
    page.get_by_label("writes under the key").select_option("cat")
    page.get_by_label("the value").select_option("green")
    written.writes = [[0, 0], [0, 2], [0, 2], [1, None]]
    shows(page, written)
    expect(page.locator("[aria-current=step]")).to_have_text("2cat → green")
    page.get_by_label("the value").select_option("nothing")
    written.writes = [[0, 0], [0, None], [0, 2], [1, None]]
    shows(page, written)
    expect(page.locator("[aria-current=step]")).to_have_text("2nothing")


def test_decay_and_strength_are_there_where_the_rule_has_them(show, written):
    page = show([written])
    for rule, names in {
        "linear": [],
        "decay": ["Decay"],
        "delta": ["Strength"],
        "gated": ["Decay", "Strength"],
    }.items():
        page.locator(f"input[value={rule}]").check()
        settle(page)
        for name in ("Decay", "Strength"):
            assert slider(page, name).count() == int(name in names)
    slider(page, "Decay").press("PageDown")
    slider(page, "Strength").press("ArrowRight")
    slider(page, "Tokens written").press("End")
    written.rule, written.alpha, written.beta = "gated", 0.55, 1.05
    written.step = 4
    expect(slider(page, "Decay")).to_have_attribute("aria-valuetext", "0.55")
    shows(page, written)


def test_a_key_is_chosen_as_the_query_by_arrows(show, written):
    page = show([written])
    page.evaluate("addEventListener('keydown', (e) => (window.heard = e.key))")
    back = page.get_by_role("grid", name="What each key reads back")
    back.locator("[tabindex='0']").focus()
    page.keyboard.press("ArrowDown")
    expect(verdict(page)).to_contain_text("dog reads blue 1.00.")
    page.keyboard.press("ArrowRight")
    read = page.locator(".read").last
    expect(read).to_have_text(
        "dog reads blue 1.00, the newest value of this key"
    )
    page.get_by_role("grid", name="The state").locator(".chosen").focus()
    page.keyboard.press("End")
    expect(page.locator(".read").first).to_have_text(
        re.compile(r"^coordinate 1, green: −?0\.\d\d$")
    )
    assert page.evaluate("window.heard") is None


def test_a_finger_taps_cells_and_tokens(show, written):
    page = show([written], width=360, has_touch=True, is_mobile=True)
    page.get_by_role("button", name="cat → green").tap()
    expect(slider(page, "Tokens written")).to_have_attribute(
        "aria-valuetext", "3 of 4"
    )
    back = page.get_by_role("grid", name="What each key reads back")
    back.get_by_role("gridcell").nth(4).tap()
    expect(verdict(page)).to_contain_text("dog reads blue 1.00.")


def test_what_changes_is_said(show, written):
    page = show([written])
    button(page, "Back").click()
    expect(page.locator("[aria-live=polite]")).to_have_text(
        "linear, 1 of 4 tokens written. cat reads red 1.00. The largest is "
        "red, the newest value of this key. The error ‖Sᵀ q − v‖ is 0.00."
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 760])
def test_every_state_is_readable_for_everyone(show, theme, width):
    names = ["elephant", "rhinoceros", "cat", "dog", "bird", "fish"]
    colours = ["vermilion", "ultramarine", "red", "blue", "green", "black"]
    pairs = [*zip(names, colours, strict=True)] * 2
    written = explorers.WrittenState(pairs, None, "gated", 0.9, 1.6, step=11)
    page = show([written], theme=theme, width=width)
    for key in ("Home", "End"):
        slider(page, "Size of a key").press(key)
        settle(page)
        found = Axe().run(page).response["violations"]
        assert [(v["id"], v["nodes"]) for v in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
    for each in page.get_by_role("grid").all():
        assert each.evaluate("e => e.scrollWidth <= e.clientWidth")
    for name in ("Back", "Next token"):
        assert button(page, name).bounding_box()["height"] >= 24


# -- the data -----------------------------------------------------------------


def test_python_receives_what_the_reader_chose(written):
    written.set_state({"rule": "delta", "step": 4, "writes": [[0, None]] * 4})
    assert (written.rule, written.step) == ("delta", 4)
    assert written.writes[2] == [0, None]


def test_the_keys_are_at_right_angles_unless_they_are_given(written):
    vectors = np.array(written.vectors)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(2), atol=1e-5)
    own = {"cat": torch.tensor([1.0, 0.0, 2.0]), "dog": [0, 1, 1]}
    given = explorers.WrittenState([("dog", "red")], own, query="cat")
    assert given.vectors == [[1, 0, 2], [0, 1, 1]]
    assert (given.size, given.query, given.key_names) == (3, 0, ["cat", "dog"])


def test_its_text_names_tokens_state_and_rule(written):
    assert repr(written) == (
        "WrittenState: 4 tokens written into a state of 8 × 3 numbers by "
        "linear attention, and what 2 keys read back"
    )


ONE = [("cat", "red")]
SEVEN = [(f"key {i}", "red") for i in range(7)]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"writes": []}, "writes must hold 1 to 12 pairs .* got 0"),
        ({"writes": ONE * 13}, "writes must hold 1 to 12 pairs .* got 13"),
        ({"writes": "cat"}, "writes must hold 1 to 12 pairs .* got str"),
        ({"writes": {"cat": "red"}}, "writes must hold .* got dict"),
        ({"writes": ["ab"]}, "two names, a key and a value, got 'ab' at 0"),
        ({"writes": [*ONE, ("cat",)]}, r"got \('cat',\) at 1"),
        ({"writes": [(None, "red")]}, r"got \(None, 'red'\) at 0"),
        ({"writes": [("cat", 3)]}, r"got \('cat', 3\) at 0"),
        ({"writes": SEVEN}, "writes must name 1 to 6 different keys, got 7"),
        ({"writes": [("cat", None)]}, "1 to 6 different values, got 0"),
        ({"keys": [[1, 0]]}, "keys must map each name to a vector, got list"),
        ({"keys": {"dog": [1, 0]}}, "keys must hold every key .* no 'cat'"),
        ({"keys": {"cat": [1]}}, "keys must have 2 to 8 coordinates, got 1"),
        ({"keys": {"cat": np.ones(9)}}, "2 to 8 coordinates, got 9"),
        ({"keys": {"cat": [1, np.nan]}}, r"keys\['cat'\] must be finite"),
        (
            {"keys": {"cat": [1, 0], "dog": [1, 0, 0]}},
            r"keys\['dog'\] must have the shape \(2,\), got \(3,\)",
        ),
        ({"keys": {"cat": [0, 0, 1]}}, "must not start with 2 zeros"),
        ({"rule": "hebb"}, "rule must be one of linear, .*'hebb'"),
        ({"alpha": 1.1}, "alpha must lie between 0 and 1, got 1.1"),
        ({"beta": -0.1}, "beta must lie between 0 and 2, got -0.1"),
        ({"beta": [1]}, r"beta must have the shape \(\)"),
        ({"size": 9}, "size must be a whole number from 2 to 8, got 9"),
        ({"size": 1}, "size must be a whole number from 2 to 8, got 1"),
        ({"step": 2}, "step must be a whole number from 0 to 1, got 2"),
        ({"query": "dog"}, "query must be one of cat, got 'dog'"),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(wrong, says):
    with pytest.raises(ValueError, match=says) as caught:
        explorers.WrittenState(**{"writes": ONE, **wrong})
    assert str(caught.value).count(".") >= 2  # the error says what to do
