"""How long a reader waits for the first figure and the first explorer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser

from benchmarks.measurement import Measurement, median_of

# Milliseconds since navigation at which each first stood on the page, for a
# reader who goes to the first figure at once: it loads when it comes near.
# An explorer draws in a shadow root of its own.
WATCH = """
() => {
  window.seen = {};
  const drawn = (node) => node.shadowRoot?.childElementCount > 0;
  const look = () => {
    const image = document.querySelector(".cell_output img");
    if (image && !window.seen.figure)
      image.scrollIntoView({ behavior: "instant" });
    if (!window.seen.figure && image?.complete && image.naturalWidth)
      window.seen.figure = performance.now();
    if (!window.seen.explorer &&
        [...document.querySelectorAll(".cell_output *")].some(drawn))
      window.seen.explorer = performance.now();
    if (!window.seen.figure || !window.seen.explorer)
      requestAnimationFrame(look);
  };
  look();
}
"""


@dataclass(frozen=True)
class Line:
    """How fast the bytes come, in both directions."""

    name: str
    megabits: float | None = None
    milliseconds: float = 0


LINES = (
    Line("loopback"),
    Line("10 Mbit/s, 40 ms", megabits=10, milliseconds=40),
)


def wait_for_figures(
    browser: Browser, address: str, line: Line, limit: float = 60.0
) -> dict[str, float]:
    """Seconds to the first figure and the first explorer, cache empty."""
    context = browser.new_context()
    try:
        page = context.new_page()
        if line.megabits:
            session = context.new_cdp_session(page)
            session.send("Network.enable")
            session.send(
                "Network.emulateNetworkConditions",
                {
                    "offline": False,
                    "latency": line.milliseconds,
                    "downloadThroughput": line.megabits * 1e6 / 8,
                    "uploadThroughput": line.megabits * 1e6 / 8,
                },
            )
        page.add_init_script(f"({WATCH})()")
        page.goto(address, wait_until="load", timeout=limit * 1000)
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(200)
        seen = page.evaluate("window.seen")
        return {name: at / 1000 for name, at in seen.items()}
    finally:
        context.close()


def measure(
    browser: Browser,
    address: str,
    pages: list[Path],
    repeats: int,
    calibration: float,
) -> list[Measurement]:
    """For each page and each line: the first figure, the first explorer."""
    measured = []
    for line in LINES:
        for page in pages:
            waits = [
                wait_for_figures(browser, f"{address}/{page.as_posix()}", line)
                for _ in range(repeats)
            ]
            for what in ("figure", "explorer"):
                seconds = [wait[what] for wait in waits if what in wait]
                if seconds:
                    measured.append(
                        median_of(
                            f"seconds to the first {what}, {line.name}",
                            page.stem,
                            seconds,
                            "s",
                            calibration,
                        )
                    )
    return sorted(measured, key=lambda one: one.what)
