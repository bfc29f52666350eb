"""Explorers outside the book.

JupyterLab is driven as it is. VS Code and Colab cannot be run here: what
they have in common is imitated, a bare page with neither the book's nor
Jupyter's style, a model of Backbone's kind and a view drawn before it is
attached. That is an approximation.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect

BARE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>An output</title></head>
<body class="{body}" style="margin: 0; background: {background}">
<main id="output"></main>
<script type="module">
import widget from "./bundle.mjs";
const state = {state};
const listeners = {{}};
window.sent = [];
const model = {{
  get: (name) => state[name],
  set(name, value) {{
    state[name] = value;
    for (const f of listeners["change:" + name] ?? []) f();
    for (const f of listeners.change ?? []) f();
  }},
  save_changes: () => window.sent.push(structuredClone(state.query)),
  on: (name, f) => (listeners[name] ??= []).push(f),
  off: (name, f) =>
    (listeners[name] = (listeners[name] ?? []).filter((g) => g !== f)),
  send() {{}},
}};
const el = document.createElement("div");
window.stop = await widget.render({{ model, el, experimental: {{}} }});
document.getElementById("output").append(el);
window.listening = () => Object.values(listeners).flat().length;
</script></body></html>
"""


def open_bare(chromium, folder, explorer, built, body="", background="none"):
    state = {
        name: value
        for name, value in explorer.get_state().items()
        if not name.startswith("_") and name != "layout"
    }
    bundle = built / "soft_lookup" / "built.mjs"
    (folder / "bundle.mjs").write_bytes(bundle.read_bytes())
    text = BARE.format(
        state=json.dumps(state), body=body, background=background
    )
    page = chromium.new_page(color_scheme="light")
    page.route(
        "http://bare.test/**",
        lambda route: (
            route.fulfill(
                body=(folder / "bundle.mjs").read_bytes(),
                content_type="text/javascript",
            )
            if route.request.url.endswith(".mjs")
            else route.fulfill(body=text, content_type="text/html")
        ),
    )
    page.goto("http://bare.test/")
    return page


def test_a_bare_page_runs_an_explorer_and_hears_of_changes(
    chromium, tmp_path, lookup, built
):
    page = open_bare(chromium, tmp_path, lookup, built)
    page.get_by_role("slider", name="Query").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("slider", name="Query")).to_have_attribute(
        "aria-valuetext", "x 0.75, y 0.70"
    )
    assert page.evaluate("window.sent") == [[0.75, 0.7]]
    page.evaluate("window.stop()")
    assert page.evaluate("window.listening()") == 0
    page.close()


@pytest.mark.parametrize(
    ("body", "background", "theme"),
    [
        ("", "none", "light"),
        ("", "#1e1e1e", "dark"),
        ("", "rgb(255, 255, 255)", "light"),
        ("vscode-body vscode-dark", "none", "dark"),
        ("vscode-light", "none", "light"),
    ],
)
def test_a_bare_page_sets_the_theme_by_its_background_or_its_word(
    chromium, tmp_path, lookup, built, body, background, theme
):
    page = open_bare(chromium, tmp_path, lookup, built, body, background)
    expect(page.locator(".explorer")).to_have_attribute("data-theme", theme)
    page.close()


# -- JupyterLab ---------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/api")
        return connection.getresponse().status == 200
    except OSError:
        return False


@pytest.fixture
def lab(tmp_path):
    """JupyterLab on loopback, over a notebook with one explorer."""
    pytest.importorskip("jupyterlab")
    source = (
        "from attnbook import explorers\n"
        "look = explorers.SoftLookup([[0.9, 0.8], [-0.7, 0.8]], [1, 2],\n"
        "                            ['economy', 'history'])\n"
        "look"
    )
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source, id="explore")],
        metadata={
            "kernelspec": {
                "name": "python3",
                "display_name": "Python 3",
                "language": "python",
            }
        },
    )
    nbformat.write(notebook, tmp_path / "explore.ipynb")
    port = free_port()
    folders = {
        name: str(tmp_path / name)
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")
    }
    path = os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ["PATH"]]
    )
    with (tmp_path / "lab.log").open("w") as log:
        server = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "jupyterlab",
                "--no-browser",
                "--allow-root",
                "--ip=127.0.0.1",
                f"--port={port}",
                "--ServerApp.port_retries=0",
                "--IdentityProvider.token=",
                "--ServerApp.disable_check_xsrf=True",
                "--LabApp.check_for_updates_class="
                "jupyterlab.NeverCheckForUpdate",
                "--LabApp.news_url=None",
                f"--ServerApp.root_dir={tmp_path}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **folders, "PATH": path},
        )
        try:
            until = time.monotonic() + 120
            while not answers(port):
                text = (tmp_path / "lab.log").read_text()
                assert server.poll() is None, text
                assert time.monotonic() < until, text
                time.sleep(0.5)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(30)


def test_jupyterlab_runs_an_explorer_by_mouse_and_keyboard(chromium, lab):
    page = chromium.new_page(viewport={"width": 1100, "height": 900})
    page.set_default_timeout(90_000)
    page.goto(f"{lab}/lab/tree/explore.ipynb")
    cell = page.locator(".jp-Notebook .jp-CodeCell").first
    cell.locator(".cm-content").click()
    page.wait_for_function(
        """() => document.querySelector('.jp-Notebook-ExecutionIndicator')
            ?.dataset.status === 'idle'""",
        timeout=90_000,
    )
    page.keyboard.press("Shift+Enter")
    query = page.get_by_role("slider", name="Query")
    query.wait_for(timeout=90_000)
    query.focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    expect(query).to_have_attribute("aria-valuetext", "x 0.10, y 0.10")
    # Keys of the notebook's own (x cuts a cell) must not reach it.
    cells = page.locator(".jp-Notebook .jp-Cell")
    before = cells.count()
    page.keyboard.press("x")
    expect(cells).to_have_count(before)

    frame = page.locator("svg.plane rect.frame").bounding_box()
    page.mouse.move(
        frame["x"] + frame["width"] / 4, frame["y"] + frame["height"] / 4
    )
    page.mouse.down()
    page.mouse.up()
    expect(query).to_have_attribute(
        "aria-valuetext", re.compile(r"x −0\.\d\d, y 0\.\d\d")
    )
    expect(page.locator(".explorer")).to_have_attribute("data-theme", "light")

    # Python has received what the mouse did.
    last = cells.last
    last.locator(".cm-content").click()
    page.keyboard.type("print(look.query[0] < 0 < look.query[1])")
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".jp-OutputArea-output pre").last).to_have_text(
        re.compile("True")
    )
    page.close()
