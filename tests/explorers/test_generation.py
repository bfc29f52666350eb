"""Generation: its data, and the figure in the page."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from pages import write_page
from playwright.sync_api import expect
from samples import small_decoder
from settling import settle

from attnbook import explorers
from attnbook.explorers.generation import eight_bits
from attnbook.mechanisms.decoder_only import (
    DecoderOnly,
    min_p,
    top_k,
    top_p,
    with_temperature,
)
from book.on_demand import load_on_demand

FALLS_ON = re.compile(r"^The number 0\.\d{4} falls on “")


@pytest.fixture
def decoder():
    """The sample's model as the page has it, in float64; its tokenizer."""
    model, pairs = small_decoder()
    model.double().load_state_dict(
        {
            name: torch.as_tensor(weights)
            for name, weights in eight_bits.rounded_weights(model).items()
        }
    )
    return model, pairs


def read(model, ids):
    """The logits after `ids` (V,), and the last row's weights (L, H, S)."""
    with torch.no_grad():
        logits, weights = model(torch.tensor([ids]))
    return logits[0, -1], torch.stack([each[0, :, -1] for each in weights])


def slider(page, name):
    return page.get_by_role("slider", name=name, exact=True)


def candidates(page) -> list[list[str]]:
    """Name, model's probability and weight of each row."""
    return page.locator("tbody tr:has(button):visible").evaluate_all(
        """rows => rows.map(row => [...row.querySelectorAll("button, .n")]
             .map(cell => cell.textContent))"""
    )


def tokens(page) -> list[str]:
    return page.locator(".text span").all_inner_texts()


def next_token(page):
    return page.get_by_role("button", name="Next token")


# -- what the page computes ---------------------------------------------------


def test_the_candidates_are_those_of_the_model(show, generation, decoder):
    page = show([generation])
    model, pairs = decoder
    logits, _ = read(model, pairs.encode("the cat"))
    expected = logits.softmax(-1).sort(descending=True).values[:10]
    found = candidates(page)
    assert [float(row[1]) for row in found] == pytest.approx(
        expected.tolist(), abs=0.0006
    )
    assert [row[1] for row in found] == [row[2] for row in found]
    expect(page.get_by_text("270 of 270 tokens stay")).to_be_visible()


def test_what_stays_is_what_the_rules_leave(show, generation, decoder):
    page = show([generation])
    model, pairs = decoder
    slider(page, "Temperature").press("PageDown")
    expect(slider(page, "Temperature")).not_to_have_attribute(
        "aria-valuetext", "1.00"
    )
    temperature = float(
        slider(page, "Temperature").get_attribute("aria-valuetext")
    )
    for name in ("Top-k", "Top-p"):
        slider(page, name).press("PageDown")
        slider(page, name).press("PageDown")
    for _ in range(3):
        slider(page, "Min-p").press("ArrowRight")
    expect(slider(page, "Min-p")).to_have_attribute("aria-valuetext", "0.03")
    expect(slider(page, "Top-p")).to_have_attribute("aria-valuetext", "0.90")
    k = int(slider(page, "Top-k").get_attribute("aria-valuetext"))
    assert 1 < k < 270
    logits, _ = read(model, pairs.encode("the cat"))
    warm = with_temperature(logits, 1.15**-5)
    assert temperature == pytest.approx(1.15**-5, abs=0.01)
    weights = min_p(top_p(top_k(warm, k), 0.9), 0.03).softmax(-1)
    kept = int((weights > 0).sum())
    expect(page.get_by_text(f"{kept} of 270 tokens stay")).to_be_visible()
    expected = weights.sort(descending=True).values[:10].tolist()
    assert 0 < kept < 10 and expected[kept] == 0
    shown = [row[2] for row in candidates(page)]
    assert [float(w) for w in shown[:kept]] == pytest.approx(
        expected[:kept], abs=0.002
    )
    assert all(w.startswith("no: ") for w in shown[kept:])


def test_the_token_that_crosses_p_stays(show, generation):
    page = show([generation])
    slider(page, "Top-p").press("Home")
    expect(page.get_by_text("1 of 270 tokens stay")).to_be_visible()
    assert [row[2] for row in candidates(page)[:2]] == ["1.000", "no: top-p"]


def test_the_newest_token_attends_as_in_python(show, generation, decoder):
    page = show([generation])
    model, pairs = decoder
    _, weights = read(model, pairs.encode("the cat"))  # (L, H, S)
    for layer, heads in enumerate(weights.tolist()):
        for head, row in enumerate(heads):
            for place, weight in enumerate(row):
                where = f"Layer {layer + 1}, head {head + 1}"
                cell = page.get_by_role(
                    "gridcell",
                    name=re.compile(f"^{where}, token {place + 1}, "),
                )
                said = cell.get_attribute("aria-label")
                assert float(said.split(": ")[-1]) == pytest.approx(
                    weight, abs=0.0006
                )
    empty = page.get_by_role("gridcell", name="Layer 2, head 3, place 20")
    expect(empty).to_have_attribute(
        "aria-label", "Layer 2, head 3, place 20: empty"
    )


# -- what the reader does -----------------------------------------------------


def test_a_press_appends_the_token_on_which_the_number_falls(show, generation):
    page = show([generation])
    before = tokens(page)
    said = page.get_by_text(FALLS_ON).inner_text()
    falls_on = said.removesuffix("”.").split(" falls on “")[1]
    expect(page.locator("tr.hit, .rest.hit")).to_have_count(1)
    next_token(page).click()
    expect(page.locator(".text span")).to_have_count(len(before) + 1)
    newest = page.locator(".text .newest").inner_text()
    assert newest.replace(" ", "·") == falls_on
    expect(page.get_by_text("Candidates for token 4")).to_be_visible()


def test_the_needle_stands_on_the_part_that_is_drawn(show, generation):
    page = show([generation])
    for _ in range(4):
        hit = page.locator(".line .hit").bounding_box()
        needle = page.locator(".needle").bounding_box()
        middle = needle["x"] + needle["width"] / 2
        assert hit["x"] - 1 <= middle <= hit["x"] + hit["width"] + 1
        next_token(page).press("ArrowRight")
        settle(page)


def test_arrow_keys_go_on_and_back_and_stay_inside(show, generation):
    page = show([generation])
    page.evaluate("addEventListener('keydown', (e) => (window.heard = e.key))")
    next_token(page).press("ArrowRight")
    next_token(page).press("ArrowRight")
    expect(page.locator(".text span")).to_have_count(4)
    once = tokens(page)
    next_token(page).press("ArrowLeft")
    expect(page.locator(".text span")).to_have_count(3)
    next_token(page).press("ArrowRight")
    expect(page.locator(".text span")).to_have_count(4)
    assert tokens(page) == once  # the same numbers are drawn again
    assert page.evaluate("window.heard") is None


def test_arrow_keys_in_a_slider_or_the_grid_append_nothing(show, generation):
    page = show([generation])
    slider(page, "Temperature").press("ArrowRight")
    page.get_by_role("grid").locator("[tabindex='0']").press("ArrowRight")
    page.get_by_label("Prompt").press("ArrowRight")
    settle(page)
    expect(page.locator(".text span")).to_have_count(2)


def test_the_likeliest_alone_is_greedy_decoding(show, generation, decoder):
    page = show([generation])
    model, pairs = decoder
    slider(page, "Top-k").press("Home")
    page.get_by_role("button", name="Ten more").click()
    ids = pairs.encode("the cat")
    for _ in range(10):
        ids.append(int(read(model, ids)[0].argmax()))
    expect(page.locator(".text span")).to_have_count(len(ids))
    said = page.locator("[role=columnheader].column").all_inner_texts()
    # Bytes that are no text stand as <f6> in the page.
    for name, id in zip(said, ids, strict=False):
        try:
            expected = pairs.token(id).decode().replace(" ", "·")
        except UnicodeDecodeError:
            expected = "".join(f"<{byte:x}>" for byte in pairs.token(id))
        assert name == expected or not expected.isprintable()


def test_a_finger_picks_a_candidate_on_a_phone(show, generation):
    page = show([generation], width=360, has_touch=True, is_mobile=True)
    picked = candidates(page)[3][0]
    page.get_by_role("button", name=f"Pick {picked}", exact=True).tap()
    expect(page.locator(".text .newest")).to_have_text(picked)
    expect(page.locator(".text span")).to_have_count(3)


def test_another_number_may_choose_another_token(show, generation):
    page = show([generation])
    said = page.get_by_text(FALLS_ON)
    found = set()
    for _ in range(6):
        found.add(said.inner_text())
        page.get_by_role("button", name="Another number").click()
        expect(said).not_to_have_text(list(found)[-1])
    assert len(found) > 3


def test_a_typed_prompt_is_cut_as_python_cuts_it(show, generation, decoder):
    page = show([generation])
    _, pairs = decoder
    next_token(page).click()
    text = "the mouse, né 🙂"
    page.get_by_label("Prompt").fill(text)
    ids = pairs.encode(text)
    expect(page.locator(".text span")).to_have_count(len(ids))
    assert page.locator(".text .given").count() == len(ids)
    expect(page.get_by_text("Only the first 19 tokens")).to_be_hidden()
    page.get_by_label("Prompt").fill("zwölf Boxkämpfer jagen Eva")
    expect(page.locator(".text span")).to_have_count(19)
    expect(page.get_by_text("Only the first 19 tokens")).to_be_visible()
    page.get_by_label("Prompt").fill("")  # nothing to continue: as it was
    settle(page)
    expect(page.locator(".text span")).to_have_count(19)


def test_at_the_last_place_nothing_is_appended(show, generation):
    page = show([generation])
    for _ in range(2):
        page.get_by_role("button", name="Ten more").click()
    expect(page.locator(".text span")).to_have_count(20)
    expect(next_token(page)).to_have_attribute("aria-disabled", "true")
    next_token(page).press("Enter")
    page.locator("tbody button").first.click(force=True)
    settle(page)
    expect(page.locator(".text span")).to_have_count(20)
    expect(page.get_by_text("The figure ends here")).to_be_visible()
    page.get_by_role("button", name="Start again").click()
    expect(page.locator(".text span")).to_have_count(2)


# -- the cache ----------------------------------------------------------------


def costs(page) -> list[str]:
    """This step and all steps: with the cache, without, their ratio."""
    return page.locator(".cost tbody td").all_inner_texts()


def test_the_cache_saves_what_the_formula_says(show, generation):
    page = show([generation])
    every = 2 * 3  # layers and heads
    assert costs(page) == [str(3 * every)] * 4 + ["1.0"] * 2
    page.get_by_role("button", name="Ten more").click()
    expect(page.get_by_text("holds 12 of 20 columns")).to_be_visible()
    numbers = 12 * 2 * 2 * 24
    expect(page.get_by_text(f"{numbers:,} numbers")).to_be_visible()
    kept = 3 + sum(range(3, 13))  # the prompt, then one query a step
    again = sum(t * (t + 1) // 2 for t in range(2, 13))
    assert costs(page) == [
        f"{every * 12:,}",
        f"{every * kept:,}",
        f"{every * 78:,}",
        f"{every * again:,}",
        "6.5",
        f"{again / kept:.1f}",
    ]


def test_without_the_cache_all_is_computed_again_and_nothing_changes(
    show, generation
):
    page = show([generation])
    page.get_by_role("button", name="Ten more").click()
    expect(page.locator(".text span")).to_have_count(12)
    before = candidates(page)
    triangle = page.get_by_role("img", name="Pairs of query and key")
    expect(triangle).to_have_accessible_name(re.compile("12 of 78"))
    page.get_by_label("Without cache").check()
    expect(page.get_by_text("Nothing is kept")).to_be_visible()
    expect(triangle).to_have_accessible_name(re.compile("78 of 78"))
    assert candidates(page) == before
    next_token(page).click()
    expect(page.get_by_text("91 pairs, all but 13")).to_be_visible()
    once = tokens(page)
    page.get_by_label("Without cache").uncheck()
    next_token(page).press("ArrowLeft")
    next_token(page).press("ArrowRight")
    expect(page.get_by_text("holds 13 of 20 columns")).to_be_visible()
    assert tokens(page) == once


# -- the weights as a file, which is what the book makes of them --------------


@pytest.fixture
def built_page(tmp_path, generation) -> Path:
    """A page with the figure far down, after the book's last step."""
    page = write_page(tmp_path, [generation])
    far = '<div style="height: 9000px"></div>'
    text = page.read_text("utf-8").replace("<h2>", f"{far}<h2>")
    page.write_text(text, "utf-8")
    load_on_demand(tmp_path)
    return page


@pytest.fixture
def from_disk(chromium, built_page):
    page = chromium.new_page()
    page.goto(built_page.as_uri())
    page.get_by_role("note").wait_for()
    yield page
    page.close()


def test_the_weights_are_fetched_when_the_figure_comes_near(
    from_disk, built_page
):
    assert "octet-stream" not in built_page.read_text("utf-8")
    scripts = list(built_page.parent.glob("_images/of-widgets/*.js"))
    assert len(scripts) == 1
    from_disk.wait_for_timeout(300)
    loaded = "document.querySelectorAll('script[src*=of-widgets]').length"
    assert from_disk.evaluate(loaded) == 0
    from_disk.get_by_role("note").scroll_into_view_if_needed()
    next_token(from_disk).click()
    expect(from_disk.locator(".text span")).to_have_count(3)
    assert from_disk.evaluate(loaded) == 1
    expect(from_disk.get_by_role("note")).to_have_count(0)
    before = built_page.read_text("utf-8")
    load_on_demand(built_page.parent)
    assert built_page.read_text("utf-8") == before
    assert scripts[0].exists()


def test_weights_that_cannot_be_loaded_say_so(from_disk, built_page):
    for path in built_page.parent.glob("_images/of-widgets/*.js"):
        path.unlink()
    from_disk.get_by_role("note").scroll_into_view_if_needed()
    expect(from_disk.get_by_role("note")).to_contain_text(
        "could not be loaded"
    )


# -- in Python ----------------------------------------------------------------


def test_weights_are_rounded_by_half_a_step_of_their_row_at_most():
    model, _ = small_decoder()
    rounded = eight_bits.rounded_weights(model)
    for name, weights in model.named_parameters():
        before = weights.detach().double().numpy()
        if before.ndim == 1:
            np.testing.assert_array_equal(rounded[name], before)
            continue
        step = np.abs(before).max(axis=1, keepdims=True) / 127
        assert (np.abs(rounded[name] - before) <= 0.5001 * step).all()


def test_the_state_weighs_about_a_byte_a_weight():
    model, pairs = small_decoder()
    count = sum(weights.numel() for weights in model.parameters())
    state = explorers.Generation(model, pairs, "the", longest=9).weights
    assert 4 / 3 * count < len(state) < 1.7 * count


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prompt": ""}, "prompt must have 1 to 31 tokens, got 0"),
        ({"prompt": "cat, " * 20}, "1 to 31 tokens, got"),
        ({"longest": 33}, "longest must lie between 2 and 32, got 33"),
        ({"temperature": 0}, "temperature must lie between"),
        ({"k": 0}, "k must lie between 1 and 270"),
        ({"p": 1.2}, "p must lie between 0.01 and 1"),
        ({"min_p": -1}, "min_p must lie between 0 and 1"),
    ],
)
def test_numbers_out_of_range_are_refused(change, said):
    with pytest.raises(ValueError, match=said):
        explorers.Generation(*small_decoder(), **{"prompt": "a", **change})


def test_a_model_that_does_not_fit_is_refused():
    model, pairs = small_decoder()
    with pytest.raises(ValueError, match="the model's 99 tokens, got 270"):
        explorers.Generation(DecoderOnly(99, 8, 2, 1, 9), pairs, "a")
    large = DecoderOnly(270, 256, 4, 2, 9)
    with pytest.raises(ValueError, match="at most 500,000 weights, got"):
        explorers.Generation(large, pairs, "a")
    with torch.no_grad():
        model.readout.weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"readout\.weight must be finite"):
        explorers.Generation(model, pairs, "a")
