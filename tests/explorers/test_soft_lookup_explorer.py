"""Explorers on a static page: mouse, keyboard, touch, width and theme."""

from __future__ import annotations

import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from attnbook.mechanisms import soft_lookup


def weights_shown(page) -> np.ndarray:
    """The column of weights of the look-up's table."""
    cells = page.locator("tbody tr td:nth-child(4)").all_inner_texts()
    return np.array([float(cell) for cell in cells])


def query_shown(page) -> np.ndarray:
    text = page.get_by_role("slider", name="Query").get_attribute(
        "aria-valuetext"
    )
    x, y = re.findall(r"[-−\d.]+", text)
    return np.array([float(part.replace("−", "-")) for part in (x, y)])


def expected_weights(explorer, query, temperature=1.0) -> np.ndarray:
    scores = np.array(explorer.key) @ query
    return soft_lookup.softmax(scores, temperature)


def point(page, x, y) -> tuple[float, float]:
    """Where (x, y) of the look-up's plane is on the screen."""
    box = page.locator("svg.plane rect.frame").bounding_box()
    half = box["width"] / 2
    middle = box["x"] + half, box["y"] + half
    return middle[0] + x * half / 1.2, middle[1] - y * half / 1.2


# -- the soft look-up ---------------------------------------------------------


def test_the_first_weights_are_numpys(show, lookup):
    page = show([lookup])
    expected = expected_weights(lookup, lookup.query)
    np.testing.assert_allclose(weights_shown(page), expected, atol=0.0051)
    output = expected @ np.array(lookup.value)
    expect(page.locator(".answer b")).to_have_text(f"{output:.2f}")


def test_the_mouse_drags_the_query(show, lookup):
    page = show([lookup])
    page.mouse.move(*point(page, 0.8, 0.7))
    page.mouse.down()
    page.mouse.move(*point(page, 0.0, 0.0), steps=4)
    page.mouse.move(*point(page, -0.9, -0.9), steps=4)
    page.mouse.up()
    page.mouse.move(*point(page, 0.5, 0.5))  # let go: nothing follows
    expect(page.locator("svg.plane")).to_be_visible()
    page.wait_for_function(
        """() => document.querySelector('.widget > div').shadowRoot
            .querySelector('.handle').ariaValueText.startsWith('x −0.9')"""
    )
    query = query_shown(page)
    np.testing.assert_allclose(query, [-0.9, -0.9], atol=0.02)
    np.testing.assert_allclose(
        weights_shown(page), expected_weights(lookup, query), atol=0.01
    )


def test_the_query_stays_on_its_plane(show, lookup):
    page = show([lookup])
    page.mouse.move(*point(page, 0.8, 0.7))
    page.mouse.down()
    page.mouse.move(*point(page, 2.5, 0.0), steps=3)
    page.mouse.up()
    handle = page.get_by_role("slider", name="Query")
    expect(handle).to_have_attribute("aria-valuetext", re.compile("x 1.20"))


def test_arrow_keys_move_the_query_and_stay_inside(show, lookup):
    page = show([lookup])
    page.evaluate("addEventListener('keydown', (e) => (window.heard = e.key))")
    handle = page.get_by_role("slider", name="Query")
    handle.focus()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowDown", "Shift+ArrowDown"):
        page.keyboard.press(key)
    expect(handle).to_have_attribute("aria-valuetext", "x 0.70, y 0.40")
    page.keyboard.press("Home")
    expect(handle).to_have_attribute("aria-valuetext", "x 0.00, y 0.00")
    expect(page.locator("tbody tr td:nth-child(4)").first).to_have_text("0.25")
    assert page.evaluate("window.heard") is None


def test_a_finger_drags_the_handle_and_taps_the_plane(show, lookup):
    page = show([lookup], width=360, has_touch=True, is_mobile=True)
    touch = page.context.new_cdp_session(page)

    def send(kind, *places):
        touch.send(
            "Input.dispatchTouchEvent",
            {
                "type": kind,
                "touchPoints": [{"x": x, "y": y} for x, y in places],
            },
        )

    page.locator("svg.plane").scroll_into_view_if_needed()
    send("touchStart", point(page, 0.8, 0.7))
    for step in np.linspace(0, 1, 6):
        send("touchMove", point(page, 0.8 - 1.3 * step, 0.7 - 1.2 * step))
    send("touchEnd")
    handle = page.get_by_role("slider", name="Query")
    expect(handle).to_have_attribute(
        "aria-valuetext", re.compile(r"x −0\.(49|50|51), y −0\.(49|50|51)")
    )
    page.touchscreen.tap(*point(page, 0.5, -0.5))
    expect(handle).to_have_attribute(
        "aria-valuetext", re.compile(r"x 0\.(49|50|51), y −0\.(49|50|51)")
    )


def test_the_score_and_the_temperature_change_the_weights(show, lookup):
    page = show([lookup])
    page.get_by_label("negative distance").check()
    keys = np.array(lookup.key)
    scores = -np.linalg.norm(keys - np.array(lookup.query), axis=-1)
    expect(page.locator("tbody td.n").first).to_have_text(
        f"{scores[0]:.2f}".replace("-", "−")
    )
    slider = page.get_by_role("slider", name="Temperature")
    slider.focus()
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", "0.05")
    expected = soft_lookup.softmax(scores, 0.05)
    np.testing.assert_allclose(weights_shown(page), expected, atol=0.0051)
    page.keyboard.press("End")
    expect(slider).to_have_attribute("aria-valuetext", "20.0")
    expected = soft_lookup.softmax(scores, 20.0)
    np.testing.assert_allclose(weights_shown(page), expected, atol=0.0051)


# -- the softmax dial ---------------------------------------------------------


def tiles(page) -> list[float]:
    return [float(t) for t in page.locator(".tile b").all_inner_texts()]


def numpys_tiles(scores, temperature) -> list[float]:
    weights = soft_lookup.softmax(np.array(scores), temperature)
    nats = -(weights * np.log(weights)).sum()
    jacobian = (np.diag(weights) - np.outer(weights, weights)) / temperature
    return [nats, np.exp(nats), np.linalg.norm(jacobian)]


def test_the_dial_reads_what_numpy_gives(show, dial):
    page = show([dial])
    np.testing.assert_allclose(
        tiles(page), numpys_tiles([2, 1, 0], 1.0), atol=0.0051
    )


def test_a_score_slider_changes_one_score(show, dial):
    page = show([dial])
    mouse = page.get_by_role("slider", name="Score of mouse")
    mouse.focus()
    for key in ("PageUp", "PageUp", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    expect(mouse).to_have_attribute("aria-valuetext", "2.00")
    np.testing.assert_allclose(
        tiles(page), numpys_tiles([2, 2, 0], 1.0), atol=0.0051
    )
    other = page.get_by_role("slider", name="Score of cat")
    expect(other).to_have_attribute("aria-valuetext", "2.00")


def test_the_mouse_turns_the_temperature(show, dial):
    page = show([dial])
    slider = page.get_by_role("slider", name="Temperature")
    box = slider.bounding_box()
    page.mouse.click(
        box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2
    )
    expect(slider).not_to_have_attribute("aria-valuetext", "1.00")
    said = float(slider.get_attribute("aria-valuetext"))
    assert 3.5 < said < 5.5
    np.testing.assert_allclose(
        tiles(page), numpys_tiles([2, 1, 0], said), atol=0.02
    )


def test_a_finger_turns_the_temperature(show, dial):
    page = show([dial], width=360, has_touch=True, is_mobile=True)
    slider = page.get_by_role("slider", name="Temperature")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    page.touchscreen.tap(
        box["x"] + 0.25 * box["width"], box["y"] + box["height"] / 2
    )
    expect(slider).not_to_have_attribute("aria-valuetext", "1.00")
    assert float(slider.get_attribute("aria-valuetext")) < 0.4


# -- the alignment scrubber ---------------------------------------------------


def test_a_step_lights_its_source_tokens(show, scrubber):
    page = show([scrubber])
    expect(page.locator(".token small")).to_have_text(["0.00", "0.00", "1.00"])
    expect(page.locator(".digits")).to_have_text("4··")
    page.get_by_role("slider", name="Step").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".token small")).to_have_text(["0.70", "0.20", "0.10"])
    expect(page.locator(".digits")).to_have_text("43·")
    expect(page.locator(".digits .now")).to_have_text("3")
    expect(page.locator(".beside p").first).to_have_text(
        "Weight on the true tokens: 0.70. Mean over the steps: 0.85."
    )
    page.keyboard.press("End")
    expect(page.locator(".beside p").first).to_contain_text("no true token")


def test_the_true_alignment_is_laid_over_on_request(show, scrubber):
    page = show([scrubber])
    first = page.locator(".token").nth(2)
    shadow = "e => getComputedStyle(e).boxShadow"
    assert first.evaluate(shadow) == "none"
    page.get_by_label("Lay the true alignment over").check()
    expect(page.locator(".explorer")).to_have_class(re.compile("true"))
    assert "rgb(213, 94, 0)" in first.evaluate(shadow)
    assert page.locator(".token").first.evaluate(shadow) == "none"
    page.get_by_role("slider", name="Step").press("ArrowRight")
    expect(page.locator(".token.at")).to_contain_text(["drei"])
    page.get_by_label("Lay the true alignment over").uncheck()
    expect(page.locator(".explorer")).not_to_have_class(re.compile("true"))


def test_arrow_keys_walk_the_grid_and_read_it_out(show, scrubber):
    page = show([scrubber])
    grid = page.get_by_role("grid")
    expect(grid.get_by_role("gridcell")).to_have_count(9)
    expect(grid.locator("[tabindex='0']")).to_have_count(1)
    grid.locator("[tabindex='0']").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".read")).to_have_text("3 from und: 0.200")
    expect(page.locator(".digits")).to_have_text("43·")
    page.keyboard.press("Home")
    expect(page.locator(".read")).to_have_text(
        "3 from drei: 0.700, a true token"
    )
    focused = grid.locator(":focus")
    expect(focused).to_have_attribute(
        "aria-label", "3 from drei: 0.700, a true token"
    )
    expect(grid.locator("[tabindex='0']")).to_have_count(1)


def test_a_click_in_the_grid_goes_to_its_step(show, scrubber):
    page = show([scrubber])
    page.get_by_role("gridcell").nth(7).click()
    expect(page.locator(".read")).to_have_text("<eos> from und: 0.300")
    step = page.get_by_role("slider", name="Step")
    expect(step).to_have_attribute("aria-valuetext", "3 of 3")


def test_another_sentence_starts_at_its_first_step(show, scrubber):
    page = show([scrubber])
    page.get_by_role("slider", name="Step").press("End")
    page.get_by_label("Sentence").select_option("a telephone number")
    step = page.get_by_role("slider", name="Step")
    expect(step).to_have_attribute("aria-valuetext", "1 of 20")
    expect(page.locator(".token")).to_have_count(28)
    box = page.get_by_label("Lay the true alignment over")
    expect(box).to_be_disabled()
    expect(page.locator(".beside p").first).to_contain_text("not known")


# -- frames -------------------------------------------------------------------


def test_frames_change_picture_and_words(show, frames):
    page = show([frames])
    image = page.get_by_role("img")
    expect(image).to_have_attribute("alt", "A bump of width 0.5")
    assert image.evaluate("e => e.decode().then(() => e.naturalWidth)") == 1000
    first = image.get_attribute("src")
    page.get_by_role("slider", name="width").focus()
    page.keyboard.press("ArrowRight")
    expect(image).to_have_attribute("alt", "A bump of width 1.0")
    assert image.get_attribute("src") != first
    page.keyboard.press("End")
    expect(image).to_have_attribute("alt", "A bump of width 2.0")


# -- every explorer -----------------------------------------------------------


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 760])
def test_axe_finds_nothing_and_nothing_is_cut_off(
    show, one_of_each, theme, width
):
    page = show(one_of_each, theme=theme, width=width)
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
def test_nothing_moves_for_a_reader_who_wants_no_motion(
    show, one_of_each, motion, seconds
):
    page = show(one_of_each, reduced_motion=motion)
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


def test_every_control_has_a_name_and_room_for_a_finger(show, one_of_each):
    page = show(one_of_each, width=360)
    sliders = page.get_by_role("slider")
    assert sliders.count() >= 7
    for slider in sliders.all():
        assert slider.bounding_box()["height"] >= 24
    for control in page.locator("select, label:has(input)").all():
        assert control.bounding_box()["height"] >= 24
