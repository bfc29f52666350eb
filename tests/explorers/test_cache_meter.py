"""CacheMeter: its data, and the figure in the page."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from caches_cases import KINDS, variant
from playwright.sync_api import expect
from settling import settle

from attnbook import explorers
from attnbook.mechanisms.sharing_heads import PUBLISHED, CacheShape

MODELS = {shape.model: shape for shape in PUBLISHED}
UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def as_bytes(text: str) -> float:
    value, unit = text.split()
    return float(value) * UNITS[unit]


def table(page) -> dict[str, list[str]]:
    """What each row says: three numbers of bytes, and how many fit."""
    rows = page.locator("tbody tr:has(th):visible").evaluate_all(
        "rows => rows.map(row => [...row.children].map(x => x.textContent))"
    )
    return {name: cells for name, *cells in rows}


def expected(shape, tokens, batch, each, room) -> list:
    sizes = (1, 1), (tokens, 1), (tokens, batch)
    fit = int(room * 2**30 // shape.bytes(tokens, 1, each))
    return [*(shape.bytes(T, B, each) for T, B in sizes), fit]


def agrees(row: list[str], numbers: list) -> None:
    """The cells of a row say these numbers, to three digits."""
    for text, number in zip(row, numbers[:3], strict=False):
        assert as_bytes(text) == pytest.approx(number, rel=0.0051)
    assert int(row[3].replace(",", "")) == numbers[3]


def slider(page, name: str):
    return page.get_by_role("slider", name=name)


# -- what the page shows ------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_every_model_and_its_variants_weigh_what_the_formula_says(show, model):
    meter = explorers.CacheMeter(
        PUBLISHED, model, tokens=6000, batch=3, card=96, weights=16
    )
    page = show([meter])
    shape = MODELS[model]
    rows = table(page)
    assert len(rows) == 5
    lines = [shape]
    lines += [variant(shape, kind, meter.groups) for kind in KINDS]
    for row, each in zip(rows.values(), lines, strict=True):
        agrees(row, expected(each, 6000, 3, 2, 80))
    names = list(rows)
    assert names[0].endswith("as published")
    assert names[1:4] == ["MHA", f"GQA, G = {meter.groups}", "MQA"]
    assert names[4].startswith("MLA, ")
    kind = names[0].split()[0]
    same = next(name for name in names[1:] if name.startswith(kind))
    assert rows[same] == rows[names[0]]  # the model is one of its variants
    expect(page.locator(".about")).to_contain_text(f"Source: {shape.source}.")


def test_the_bytes_of_a_token_are_written_out(show, meter):
    page = show([meter])
    expect(
        page.get_by_text(
            "One token: 2 · 8 · 128 numbers × 32 layers × 2 bytes = "
            "131,072 bytes."
        )
    ).to_be_visible()
    page.get_by_label("Model").select_option("DeepSeek-V3")
    expect(
        page.get_by_text(
            "One token: (512 + 64) numbers × 61 layers × 2 bytes = "
            "70,272 bytes."
        )
    ).to_be_visible()


@pytest.mark.parametrize(("number", "each"), [("float32", 4), ("int8", 1)])
def test_another_type_of_number_has_other_bytes(show, meter, number, each):
    page = show([meter])
    page.locator(f"input[value={number}]").check()
    settle(page)
    llama = MODELS["Llama 3 8B"]
    row = table(page)["GQA as published"]
    agrees(row, expected(llama, 8192, 16, each, 80))
    expect(page.locator(".verdict")).to_contain_text(f"{8 * each} GiB of")


def test_a_window_stops_growing_and_the_meter_says_so(show):
    page = show([explorers.CacheMeter(PUBLISHED, "Mistral 7B", 2048)])
    expect(page.locator(".about")).to_contain_text(
        "All layers keep only the newest 4,096 tokens."
    )
    expect(page.get_by_text("the windows are full")).to_have_count(0)
    slider(page, "Tokens").press("PageDown")
    slider(page, "Tokens").press("End")
    expect(
        page.get_by_text(
            "At 1,048,576 tokens the windows are full: one more token adds "
            "nothing."
        )
    ).to_be_visible()
    row = table(page)["GQA as published"]
    assert as_bytes(row[1]) == MODELS["Mistral 7B"].bytes(4096)


def test_layers_without_keys_of_their_own_are_named_and_not_counted(show):
    meter = explorers.CacheMeter(PUBLISHED, "Gemma 3n E4B", 8192)
    page = show([meter])
    expect(page.locator(".about")).to_contain_text(
        "20 of the layers have keys and values of their own. 16 of these 20 "
        "keep only the newest 512 tokens."
    )
    expect(page.get_by_text("one more token adds 8 KiB")).to_be_visible()
    page.get_by_label("Model").select_option("GPT-3")
    expect(page.locator(".about")).not_to_contain_text("keep")
    expect(page.locator(".about")).not_to_contain_text("of their own")


def test_what_does_not_fit_is_marked_by_more_than_a_colour(show, meter):
    page = show([meter])
    short = page.locator("td.short")
    expect(short).to_have_count(0)
    expect(page.locator(".verdict")).to_have_text(
        "16 sequences of 8,192 tokens: 16 GiB of cache. 80 fit on the card."
    )
    slider(page, "Weights take").press("End")
    expect(page.locator(".verdict")).to_have_text(
        "16 sequences of 8,192 tokens: 16 GiB of cache. 0 fit on the card "
        "beside the weights."
    )
    expect(short).to_have_count(5)
    mark = short.first.evaluate("e => getComputedStyle(e, '::before').content")
    assert mark == '"!"'
    expect(page.locator("div.card.over")).to_have_count(5)


def test_the_bars_are_as_long_as_their_share_of_the_card(show):
    meter = explorers.CacheMeter(
        PUBLISHED, "Llama 3 8B", card=80, weights=40, batch=10
    )
    page = show([meter])
    shares = page.locator("div.card").evaluate_all(
        """cards => cards.map(card => [...card.children].map(part =>
             part.getBoundingClientRect().width
             / card.getBoundingClientRect().width))"""
    )
    published, mha, *_ = shares
    assert published == pytest.approx([40 / 80, 10 / 80], abs=0.01)
    assert mha == pytest.approx([40 / 80, 40 / 80], abs=0.02)


def test_all_models_stand_in_a_list_from_which_one_is_chosen(show, meter):
    page = show([meter])
    page.get_by_text(f"All {len(PUBLISHED)} models").click()
    rows = page.locator(".every tbody tr")
    expect(rows).to_have_count(len(PUBLISHED))
    for row, shape in zip(rows.all(), PUBLISHED, strict=True):
        one, whole = row.locator("td.n").all_inner_texts()
        assert as_bytes(one) == pytest.approx(shape.bytes(1), rel=0.0051)
        assert as_bytes(whole) == pytest.approx(shape.bytes(8192), rel=0.0051)
    page.get_by_role("button", name="Gemma 2B").press("Enter")
    expect(page.get_by_label("Model")).to_have_value(
        str(list(MODELS).index("Gemma 2B"))
    )
    expect(page.locator(".every tr.now")).to_contain_text("Gemma 2B")


# -- keyboard, mouse and finger -----------------------------------------------


def test_the_keys_go_from_stop_to_stop(show, meter):
    page = show([meter])
    tokens = slider(page, "Tokens")
    said = []
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "Home", "End"):
        tokens.press(key)
        settle(page)
        said.append(tokens.get_attribute("aria-valuetext"))
    assert said == ["12,288", "16,384", "12,288", "128", "1,048,576"]
    card = slider(page, "Card")
    card.press("ArrowRight")
    expect(card).to_have_attribute("aria-valuetext", "96 GiB")


def test_groups_are_divisors_of_the_heads(show, meter):
    page = show([meter])
    groups = slider(page, "Groups G")
    groups.press("Home")
    found = []
    for _ in range(6):
        settle(page)
        found.append(int(groups.get_attribute("aria-valuetext")))
        groups.press("ArrowRight")
    assert found == [1, 2, 4, 8, 16, 32]
    rows = table(page)
    assert rows["GQA, G = 32"] == rows["MHA"]
    page.get_by_label("Model").select_option("GPT-2 XL")
    expect(groups).to_have_attribute("aria-valuetext", "5")
    groups.press("End")
    expect(groups).to_have_attribute("aria-valuetext", "25")


def test_the_mouse_moves_a_slider_and_the_numbers_follow(show, meter):
    page = show([meter])
    box = slider(page, "Sequences").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2)
    expect(page.locator(".verdict")).to_contain_text("1,024 sequences of")
    expect(page.locator(".verdict")).to_contain_text("1 TiB of cache")
    expect(page.get_by_role("columnheader", name="all 1,024")).to_be_visible()


def test_a_finger_chooses_number_and_length(show, meter):
    page = show([meter], width=360, has_touch=True, is_mobile=True)
    page.get_by_text("int8, float8").tap()
    expect(page.locator(".verdict")).to_contain_text("8 GiB of cache")
    box = slider(page, "Tokens").bounding_box()
    page.touchscreen.tap(box["x"] + 2, box["y"] + box["height"] / 2)
    expect(page.locator(".verdict")).to_contain_text("of 128 tokens")


def test_a_number_between_two_stops_is_shown_as_it_is(show):
    page = show([explorers.CacheMeter(PUBLISHED, tokens=1000, batch=5)])
    tokens = slider(page, "Tokens")
    assert tokens.get_attribute("aria-valuetext") == "1,000"
    expect(page.locator(".verdict")).to_contain_text("5 sequences of 1,000")


def test_what_changes_is_said(show, meter):
    page = show([meter])
    slider(page, "Sequences").press("Home")
    expect(page.locator("[aria-live=polite]")).to_have_text(
        "Llama 3 8B: 1 sequence of 8,192 tokens: 1 GiB of cache. 80 fit on "
        "the card."
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 760])
def test_the_meter_is_readable_for_everyone(show, theme, width):
    full = explorers.CacheMeter(
        PUBLISHED, "GPT-3", 2**20, 1024, "float32", card=1, weights=0
    )
    page = show([full], theme=theme, width=width)
    page.locator("summary").click()
    for model in ("GPT-3", "Gemma 3n E4B", "Kimi K2"):
        page.get_by_label("Model").select_option(model)
        settle(page)
        found = Axe().run(page).response["violations"]
        assert [(v["id"], v["nodes"]) for v in found] == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
    for box in page.locator("td.n").all():
        assert box.evaluate("e => e.scrollWidth <= e.clientWidth")


# -- the data -----------------------------------------------------------------


def test_a_model_of_ones_own_is_metered(show):
    own = CacheShape("mine", "my notes", 6, 12, 4, 32, 6)
    meter = explorers.CacheMeter([own], tokens=256, batch=1)
    page = show([meter])
    agrees(table(page)["GQA as published"], expected(own, 256, 1, 2, 80))
    assert meter.groups == 4


def test_groups_start_with_those_of_the_model_or_near_eight():
    of = {
        model: explorers.CacheMeter(PUBLISHED, model).groups
        for model in ("Llama 3 8B", "Qwen3-235B", "GPT-2 XL", "DeepSeek-V3")
    }
    assert list(of.values()) == [8, 4, 5, 8]


def test_python_receives_what_the_reader_chose():
    meter = explorers.CacheMeter(PUBLISHED)
    meter.set_state({"model": "Kimi K2", "tokens": 128, "number": "int8"})
    assert (meter.model, meter.tokens) == ("Kimi K2", 128)
    assert meter.number == "int8"


def test_its_text_names_models_and_sizes():
    text = repr(explorers.CacheMeter(PUBLISHED, "Gemma 2B", batch=2))
    assert re.fullmatch(
        r"CacheMeter: bytes of the cache of \d+ models, first Gemma 2B with "
        "2 × 8,192 tokens in bfloat16",
        text,
    )


ONE = CacheShape("one", "made", 4, 8, 2, 16, 4)


@pytest.mark.parametrize(
    ("shapes", "more", "says"),
    [
        ([], {}, "shapes must have at least one model .*, got none"),
        ([ONE, ONE], {}, "no name twice, got one, one"),
        ([ONE], {"model": "two"}, "model must be one of one, got 'two'"),
        ([ONE], {"number": "int4"}, "number must be one of .*, got 'int4'"),
        ([ONE], {"tokens": 127}, "tokens must be .* 128 to 1,048,576, got"),
        ([ONE], {"tokens": 500.5}, "tokens must be a whole number .* 500.5"),
        ([ONE], {"batch": 0}, "batch must be .* from 1 to 1,024, got 0"),
        ([ONE], {"card": "80"}, "card must be .* from 1 to 1,024, got '80'"),
        ([ONE], {"weights": -1}, "weights must be .* 0 to 1,024, got -1"),
        ([ONE._replace(kv_heads=3)], {}, "kv_heads of one must divide its 8"),
        ([ONE._replace(layers=0)], {}, "layers of one must be .* least 1"),
        ([ONE._replace(own=5)], {}, "own of one must lie between its 0 local"),
        ([ONE._replace(local=2)], {}, "window of one must be above 0 where"),
        ([ONE._replace(window=2)], {}, "window of one .*, got 2 and 0 local"),
        ([ONE._replace(d_latent=-1)], {}, "d_latent of one must be .* 0"),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(shapes, more, says):
    with pytest.raises(ValueError, match=says) as caught:
        explorers.CacheMeter(shapes, **more)
    assert str(caught.value).count(".") >= 2  # the error says what to do
