"""What holds for every explorer: in Python, and in the page."""

from __future__ import annotations

import json

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from samples import SAMPLES, one_of_each

from attnbook.explorers import AlignmentScrubber, HeadPicker
from attnbook.explorers.kit.explorer import as_array


def test_an_explorer_shows_a_widget_and_a_text_where_none_can_run():
    for explorer in one_of_each():
        data, _ = explorer._repr_mimebundle_()
        assert "application/vnd.jupyter.widget-view+json" in data
        assert data["text/plain"] == repr(explorer)


def test_the_text_of_an_explorer_is_the_same_in_every_run():
    for first, second in zip(one_of_each(), one_of_each(), strict=True):
        assert repr(first) == repr(second)
        assert "0x" not in repr(first) and first.model_id not in repr(first)


def test_the_state_of_an_explorer_is_plain_json_without_buffers():
    for explorer in one_of_each():
        state = explorer.get_state()
        own = {
            name: value
            for name, value in state.items()
            if not name.startswith("_") and name != "layout"
        }
        assert json.loads(json.dumps(own)) == own
        assert "render" in state["_esm"]


def test_a_scalar_where_rows_belong_is_refused():
    with pytest.raises(ValueError, match=r"got \(\)"):
        as_array("scores", 1.0, ("N",))


def test_numbers_of_ones_own_model_are_taken():
    weights = torch.tensor([[0.25, 0.75], [0.5, 0.5]])
    for own in (
        weights.bfloat16(),
        weights.clone().requires_grad_(),
        list(weights.clone().requires_grad_()),
    ):
        found = as_array("weights", own, ("T", "S"))
        assert found.tolist() == weights.tolist()
        sentence = {"source": "ab", "target": "xy", "weights": own}
        AlignmentScrubber([sentence])
        heads = {**sentence, "weights": [own]}
        HeadPicker([heads], importance=own[0][:1])


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 760])
def test_axe_finds_nothing_and_nothing_is_cut_off(show, theme, width):
    page = show(one_of_each(), theme=theme, width=width)
    page.get_by_label("Lay the true alignment over").first.check()
    page.wait_for_timeout(200)  # colours fade to their place
    found = Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"]) for v in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.get_by_label("Sentence").first.select_option("a telephone number")
    page.wait_for_timeout(200)
    found = Axe().run(page).response["violations"]
    assert [(v["id"], v["nodes"]) for v in found] == []
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("system", ["light", "dark"])
def test_the_theme_is_the_pages_not_the_systems(show, lookup, system):
    page = show([lookup], theme="light", color_scheme=system)
    explorer = page.locator(".explorer")
    expect(explorer).to_have_attribute("data-theme", "light")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    expect(explorer).to_have_attribute("data-theme", "dark")
    background = explorer.evaluate("e => getComputedStyle(e).backgroundColor")
    assert background == "rgb(20, 24, 30)"


@pytest.mark.parametrize(
    ("motion", "seconds"), [("reduce", "0s"), ("no-preference", "0.12s")]
)
def test_nothing_moves_for_a_reader_who_wants_no_motion(show, motion, seconds):
    page = show(one_of_each(), reduced_motion=motion)
    durations = page.locator(".bar").evaluate_all(
        "es => es.map(e => getComputedStyle(e, '::before').transitionDuration)"
    )
    assert set(durations) == {seconds}
    token = page.locator(".token").first
    got = token.evaluate("e => getComputedStyle(e).transitionDuration")
    assert got == seconds


def test_a_change_is_said_once_and_politely(show, dial):
    page = show([dial])
    live = page.locator("[aria-live='polite']")
    slider = page.get_by_role("slider", name="Temperature")
    slider.focus()
    live.evaluate(
        """e => { window.said = 0;
            new MutationObserver(() => window.said++)
              .observe(e, { childList: true }) }"""
    )
    page.wait_for_timeout(700)  # the first state has been said
    before = page.evaluate("window.said")
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(900)
    assert page.evaluate("window.said") - before == 1
    expect(live).to_contain_text("Largest weight")


def test_every_control_has_a_name_and_room_for_a_finger(show):
    page = show(one_of_each(), width=360)
    sliders = page.get_by_role("slider")
    assert sliders.count() >= 7
    for slider in sliders.all():
        assert slider.bounding_box()["height"] >= 24
    for control in page.locator("select, label:has(input)").all():
        assert control.bounding_box()["height"] >= 24


@pytest.mark.parametrize("name", SAMPLES)
def test_every_control_answers_to_the_keyboard(show, name):
    page = show([SAMPLES[name]()])
    sliders = page.get_by_role("slider")
    grids = page.get_by_role("grid")
    assert sliders.count() + grids.count() >= 1
    for slider in sliders.all():
        if slider.is_disabled():
            continue
        before = slider.get_attribute("aria-valuetext")
        at_the_end = slider.evaluate("e => !!e.max && e.value === e.max")
        slider.press("ArrowLeft" if at_the_end else "ArrowRight")
        expect(slider).not_to_have_attribute("aria-valuetext", before)
    for grid in grids.all():
        chosen = grid.locator("[tabindex='0']")
        chosen.press("Home")
        first = chosen.get_attribute("aria-label")
        chosen.press("End")
        expect(chosen).not_to_have_attribute("aria-label", first)
