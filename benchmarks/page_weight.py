"""How many kilobytes a reader's first visit to each page takes."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

from playwright.sync_api import Browser, Response

from benchmarks.measurement import Measurement

WHAT = "page weight, gzipped, first visit"

KINDS = {
    "document": "html",
    "font": "fonts",
    "image": "images",
    "script": "scripts",
    "stylesheet": "styles",
}


def gzipped_bytes(body: bytes) -> int:
    """What a host sends: packed, unless packing makes it larger."""
    return min(len(body), len(gzip.compress(body, 6, mtime=0)))


def weigh(browser: Browser, address: str) -> Counter[str]:
    """Bytes by kind of everything that one page loads, scrolled through."""
    weights: Counter[str] = Counter()
    responses: list[Response] = []
    context = browser.new_context()
    try:
        page = context.new_page()
        page.on("response", lambda response: responses.append(response))
        page.goto(address, wait_until="networkidle")
        page.evaluate(
            """async () => {
              for (let y = 0; y < document.body.scrollHeight; y += 800) {
                window.scrollTo(0, y);
                await new Promise((done) => setTimeout(done, 20));
              }
            }"""
        )
        page.wait_for_load_state("networkidle")
        for response in responses:
            if response.status == 200:
                kind = KINDS.get(response.request.resource_type, "other")
                weights[kind] += gzipped_bytes(response.body())
    finally:
        context.close()
    return weights


def measure(
    browser: Browser, address: str, pages: list[Path]
) -> list[Measurement]:
    """For each page its sum, then its kinds, heaviest first."""
    measured = []
    for page in pages:
        weights = weigh(browser, f"{address}/{page.as_posix()}")
        name = page.with_suffix("").as_posix()
        measured.append(Measurement(WHAT, name, weights.total() / 1000, "kB"))
        for kind, size in weights.most_common():
            measured.append(Measurement(WHAT, f"  {kind}", size / 1000, "kB"))
    return measured
