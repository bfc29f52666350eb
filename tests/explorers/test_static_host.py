"""The host that runs widgets on a page without a kernel."""

from __future__ import annotations

import anywidget
import ipywidgets
import pytest
import traitlets
from pages import COLAB, HOST, write_page
from playwright.sync_api import expect

NOTE = "This control needs Python. Open this page in Colab to use it."

COUNTER = """
export default {
  initialize({ model }) { model.set("started", true); },
  render({ model, el }) {
    const button = document.createElement("button");
    const draw = () => {
      button.textContent = `${model.get("count")} ${model.get("started")}`;
    };
    button.onclick = () => {
      model.set("count", model.get("count") + 1);
      model.save_changes();
    };
    model.on("change:count", draw);
    draw();
    const ask = document.createElement("button");
    ask.textContent = "ask";
    ask.onclick = () => model.send({ kind: "ask" });
    el.append(button, ask);
  },
};
"""


class Counter(anywidget.AnyWidget):
    _esm = COUNTER
    _css = ".widget button { color: rgb(1, 2, 3) }"
    count = traitlets.Int(3).tag(sync=True)
    started = traitlets.Bool(False).tag(sync=True)


class Asking(Counter):
    _needs_python = traitlets.List(["count"]).tag(sync=True)


def test_a_module_gets_a_model_to_read_write_and_listen_to(show):
    page = show([Counter()])
    button = page.get_by_role("button").first
    expect(button).to_have_text("3 true")
    button.click()
    expect(button).to_have_text("4 true")
    assert button.evaluate("e => getComputedStyle(e).color") == "rgb(1, 2, 3)"
    expect(page.get_by_role("note")).to_have_count(0)


def test_two_views_of_one_widget_follow_each_other(show):
    counter = Counter()
    page = show([counter, counter])
    page.get_by_role("button", name="3 true").first.click()
    expect(page.get_by_role("button", name="4 true")).to_have_count(2)


def test_a_message_to_python_is_answered_by_a_note_once(show):
    page = show([Counter()])
    page.get_by_role("button", name="ask").click()
    page.get_by_role("button", name="ask").click()
    note = page.get_by_role("note")
    expect(note).to_have_count(1)
    expect(note).to_contain_text("This part of the figure needs Python.")
    expect(note.get_by_role("link")).to_have_attribute("href", COLAB)


def test_a_change_that_only_python_understands_says_so(show):
    page = show([Asking()])
    page.get_by_role("button", name="3 true").click()
    expect(page.get_by_role("note")).to_have_count(1)


def test_a_widget_of_another_kind_is_a_note_that_points_to_colab(show):
    page = show([ipywidgets.FloatSlider(description="width")])
    note = page.get_by_role("note")
    expect(note).to_have_text(NOTE)
    expect(note.get_by_role("link")).to_have_attribute("href", COLAB)


def test_a_progress_bar_that_has_ended_is_its_words(show):
    bar = ipywidgets.HBox(
        [
            ipywidgets.HTML("training: 100%"),
            ipywidgets.FloatProgress(value=300.0, max=300.0),
            ipywidgets.HTML(" 300/300 [00:12&lt;00:00]"),
        ]
    )
    page = show([bar])
    expect(page.locator(".widget")).to_have_text(
        "training: 100% 300/300 [00:12<00:00]"
    )
    expect(page.get_by_role("note")).to_have_count(0)


def test_one_module_that_fails_leaves_the_others_alone(chromium, tmp_path):
    class Broken(anywidget.AnyWidget):
        _esm = "export default { render() { throw new Error('no') } }"

    page_file = write_page(tmp_path, [Broken(), Counter()])
    page = chromium.new_page()
    page.goto(page_file.as_uri())
    expect(page.get_by_role("note")).to_contain_text("could not be drawn")
    expect(page.get_by_role("button").first).to_have_text("3 true")
    page.close()


@pytest.mark.parametrize("kind", ["defer", 'type="module"'])
def test_the_host_may_be_a_module_or_a_deferred_script(show, lookup, kind):
    page = show([lookup], kind=kind)
    expect(page.locator("svg.plane")).to_be_visible()


def test_an_explorer_runs_on_a_page_opened_from_disk(
    chromium, tmp_path, lookup
):
    page = chromium.new_page()
    page.goto(write_page(tmp_path, [lookup]).as_uri())
    expect(page.locator("svg.plane")).to_be_visible()
    page.close()


def test_the_host_is_small():
    text = HOST.read_text(encoding="utf-8")
    code = [
        line.strip()
        for line in text.splitlines()
        if line.strip() and not line.strip().startswith("//")
    ]
    assert len("\n".join(code)) < 5_000
