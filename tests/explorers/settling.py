"""When a page has drawn what changed."""

from __future__ import annotations

# The explorers draw in the frame after a change. Of two callbacks that are
# asked for one in the other, the second runs when that frame is over.
TWO_FRAMES = """() => new Promise((done) => {
  requestAnimationFrame(() => requestAnimationFrame(() => done()));
})"""


def settle(page) -> None:
    """Wait until the page has drawn what changed before."""
    page.evaluate(TWO_FRAMES)
