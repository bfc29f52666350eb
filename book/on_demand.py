"""What a page loads only when its reader comes near.

After the build, the pictures that a widget carries in its state become
files, which its view asks for by address: an address works on a page opened
from disk, too. Other bytes, such as the weights of a model, become scripts,
because a page opened from disk may load scripts and nothing else of that kind
(`attnbook/explorers/kit/fetched.mjs`). The pictures of a page say their size,
so that nothing jumps, and are left to the browser to load when they come near
the window.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from pathlib import Path

from PIL import Image

PICTURES = "_images/of-widgets"
_STATE = re.compile(
    r'<script type="application/vnd\.jupyter\.widget-state\+json">'
    r".*?</script>",
    re.DOTALL,
)
# What has under two kilobytes is not worth a request.
_DATA = re.compile(
    r"data:(?:image/(\w+)|application/octet-stream)"
    r";base64,([A-Za-z0-9+/=]{2000,})"
)
_IMAGE = re.compile(
    r"<img (?![^>]*\b(?:loading|width)=)"
    r'([^>]*\bsrc="([^"]*_images/[^"]+\.png)"[^>]*?) ?/?>'
)


def load_on_demand(out: Path) -> None:
    """Let the pages of the book built in ``out`` load bytes when needed.

    What is already so stays as it is; files that no page names any longer
    are deleted.
    """
    named: set[str] = set()
    for page in sorted(out.rglob("*.html")):
        before = page.read_text("utf-8")
        text = _with_bytes_aside(before, out, page)
        text = _with_lazy_images(text, page)
        if text != before:
            page.write_text(text, "utf-8")
        named.update(re.findall(rf"{PICTURES}/([\w.]+)", text))
    for picture in (out / PICTURES).glob("*"):
        if picture.name not in named:
            picture.unlink()


def _with_bytes_aside(text: str, out: Path, page: Path) -> str:
    """In the widgets' state, an address for the bytes of each data: URL."""
    folder = out / PICTURES
    where = Path(os.path.relpath(folder, page.parent)).as_posix()

    def address(found: re.Match) -> str:
        kind, text = found[1], found[2]
        data = base64.b64decode(text)
        name = f"{hashlib.sha256(data).hexdigest()[:32]}.{kind or 'js'}"
        if not kind:
            data = f'bookBytes("{name}", "{text}");\n'.encode()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        return f"{where}/{name}"

    return _STATE.sub(lambda state: _DATA.sub(address, state[0]), text)


def _with_lazy_images(text: str, page: Path) -> str:
    def lazy(found: re.Match) -> str:
        with Image.open(page.parent / found[2]) as image:
            width, height = image.size
        return (
            f'<img {found[1]} width="{width}" height="{height}" '
            'loading="lazy" decoding="async">'
        )

    return _IMAGE.sub(lazy, text)
