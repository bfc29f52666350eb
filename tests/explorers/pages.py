"""Small static pages that show explorers as the book does.

The widgets' state and placeholders are written as MyST-NB writes them; the
host of the book runs them. No notebook is executed and no book is built.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from pathlib import Path

import ipywidgets

HOST = Path(__file__).parents[2] / "book" / "static_host" / "host.mjs"
STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"
COLAB = "https://colab.research.google.com/github/o/r/blob/main/a.ipynb"

PAGE = """<!doctype html>
<html lang="en" data-theme="{theme}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Explorers</title>
<link rel="icon" href="data:,">
<style>
body {{ margin: 0 auto; padding: 16px; max-width: 760px;
  font-family: system-ui, sans-serif; background: white; color: #222; }}
html[data-theme="dark"] body {{ background: #14181e; color: #ced6dd; }}
html[data-theme="light"] {{ --pst-color-text-base: #222832;
  --pst-color-text-muted: #48566b; --pst-color-background: #fff; }}
html[data-theme="dark"] {{ --pst-color-text-base: #ced6dd;
  --pst-color-text-muted: #9ca4af; --pst-color-background: #14181e; }}
a {{ color: inherit; }}
</style>
<script type="{state_type}">{state}</script>
<script {kind} src="host.mjs"></script>
</head>
<body>
<main>
<h1>Explorers</h1>
<p><a href="{colab}">Colab</a></p>
{places}
</main>
</body>
</html>
"""


def write_page(
    folder: Path,
    widgets: Iterable[ipywidgets.Widget],
    theme: str = "light",
    kind: str = "defer",
) -> Path:
    """Write index.html and the host into ``folder``; return the page."""
    widgets = list(widgets)
    state = ipywidgets.Widget.get_manager_state()
    places = "\n".join(
        f"<h2>{html.escape(type(widget).__name__)}</h2>\n"
        f'<script type="{VIEW}">'
        f"{json.dumps({'model_id': widget.model_id})}</script>"
        for widget in widgets
    )
    page = folder / "index.html"
    page.write_text(
        PAGE.format(
            theme=theme,
            kind=kind,
            state_type=STATE,
            state=json.dumps(state).replace("</script>", r"<\/script>"),
            colab=COLAB,
            places=places,
        ),
        encoding="utf-8",
    )
    (folder / "host.mjs").write_bytes(HOST.read_bytes())
    return page
