"""HeadPicker: its data, and the figure in the page."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect

from attnbook import explorers

TOKENS = {"source": ["drei", "und", "vierzig"], "target": ["4", "3"]}
UNIFORM = np.full((2, 4, 2, 3), 1 / 3)  # (L, H, T, S)


def heads_of_the_page(page):
    return page.get_by_role("grid", name="Heads, by layer")


def entropy(rows) -> float:
    """The mean entropy of rows of weights, in nats; 0 log 0 counts as 0."""
    rows = np.maximum(np.array(rows), 1e-300)
    return float(-(rows * np.log(rows)).sum(-1).mean())


def test_the_table_tells_each_heads_entropy_and_truth(show, heads):
    page = show([heads])
    sentence = heads.sentences[0]
    for row, weights in zip(
        page.locator("tbody tr").all(), sentence["weights"][0], strict=True
    ):
        mass = (np.array(weights) * sentence["truth"]).sum(-1).mean()
        cells = row.locator("td").all_inner_texts()
        assert float(cells[0]) == pytest.approx(entropy(weights), abs=0.006)
        assert float(cells[1]) == pytest.approx(mass, abs=0.006)


def test_a_click_picks_a_head_and_its_weights_are_shown(show, heads):
    page = show([heads])
    heads_of_the_page(page).get_by_role("gridcell").nth(1).click()
    expect(page.get_by_text("encoder, head 2", exact=True)).to_be_visible()
    cell = page.get_by_role("gridcell", name="4 from vierzig: 1.00")
    expect(cell).to_have_count(1)
    expect(page.locator("tbody tr.now th")).to_have_text("head 2")


def test_arrow_keys_walk_through_layers_and_heads(show, heads):
    page = show([heads])
    page.evaluate("addEventListener('keydown', (e) => (window.heard = e.key))")
    heads_of_the_page(page).get_by_role("gridcell").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    expect(page.get_by_text("decoder, head 3", exact=True)).to_be_visible()
    expect(page.locator("tbody tr.now td").nth(2)).to_have_text("0.050")
    assert page.evaluate("window.heard") is None


def test_a_finger_picks_a_head_on_a_phone(show, heads):
    page = show([heads], width=360, has_touch=True, is_mobile=True)
    heads_of_the_page(page).get_by_role("gridcell").nth(4).tap()
    expect(page.get_by_text("decoder, head 2", exact=True)).to_be_visible()


def test_the_head_stays_when_the_sentence_changes(show, heads):
    page = show([heads])
    heads_of_the_page(page).get_by_role("gridcell").nth(5).click()
    page.get_by_label("Sentence").select_option(index=1)
    expect(page.get_by_text("decoder, head 3", exact=True)).to_be_visible()
    sent = entropy(heads.sentences[1]["weights"][1][0])  # three digits each
    expect(page.locator("tbody td").first).to_have_text(f"{sent:.2f}")
    expect(page.get_by_label("Outline the true alignment")).to_be_disabled()


def test_without_an_importance_the_table_has_no_column_for_it(show):
    picker = explorers.HeadPicker([{**TOKENS, "weights": UNIFORM}])
    page = show([picker])
    expect(page.locator("thead th")).to_have_text(
        ["entropy", "on true tokens"]
    )
    expect(page.locator("tbody tr").first.locator("td")).to_have_count(2)


def test_the_truth_is_outlined_on_request(show, heads):
    page = show([heads])
    expect(page.locator(".explorer.true")).to_have_count(0)
    page.get_by_label("Outline the true alignment").check()
    expect(page.locator(".explorer.true .cell.at")).to_have_count(2)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sentences": []}, "at least one sentence"),
        ({"sentences": {**TOKENS, "weights": UNIFORM}}, "one dictionary"),
        ({"sentences": [TOKENS]}, "must have the keys"),
        (
            {"sentences": [{**TOKENS, "weights": UNIFORM[..., :2]}]},
            r"\(L, H, 2, 3\)",
        ),
        ({"sentences": [{**TOKENS, "weights": 4 * UNIFORM}]}, "sum"),
        ({"sentences": [{**TOKENS, "weights": -UNIFORM}]}, "negative"),
        ({"importance": np.ones(3)}, r"importance .* \(2, 4\)"),
        ({"layer_names": ["one"]}, "2 layers"),
        ({"head": 4}, "between 0 and 3"),
        (
            {
                "sentences": [
                    {**TOKENS, "weights": UNIFORM},
                    {**TOKENS, "weights": UNIFORM[:1]},
                ]
            },
            "same layers and heads",
        ),
    ],
)
def test_data_that_do_not_fit_are_refused(change, said):
    arguments = {"sentences": [{**TOKENS, "weights": UNIFORM}], **change}
    with pytest.raises(ValueError, match=said):
        explorers.HeadPicker(**arguments)


def test_one_layer_needs_no_axis_for_layers():
    picker = explorers.HeadPicker(
        [{**TOKENS, "weights": UNIFORM[0]}], importance=np.ones(4)
    )
    assert np.shape(picker.sentences[0]["weights"]) == (1, 4, 2, 3)
    assert np.shape(picker.importance) == (1, 4)
