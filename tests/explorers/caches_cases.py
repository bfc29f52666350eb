"""Cases for the cache meter's arithmetic, from the mechanisms, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from attnbook.mechanisms.sharing_heads import (
    PUBLISHED,
    CacheShape,
    cached_numbers,
)

KINDS = ("MHA", "GQA", "MQA", "MLA")
BYTES = (4, 2, 1)

# Heads of odd size, heads that no 8 divides, windows in some layers only.
MADE = (
    CacheShape("odd", "made", 3, 15, 5, 7, 3),
    CacheShape("shared, local", "made", 9, 12, 3, 64, 6, 0, 0, 4, 100),
    CacheShape("latent, local", "made", 8, 16, 16, 32, 8, 96, 8, 5, 300),
    CacheShape("one head", "made", 1, 1, 1, 8, 1),
)


def as_json(shape: CacheShape) -> dict[str, Any]:
    """What the widget's state has of a shape."""
    return dict(shape._asdict())


def variant(shape: CacheShape, kind: str, groups: int) -> CacheShape:
    """The same model with other keys and values."""
    if kind == "MLA" and shape.d_latent:
        return shape
    d = shape.d_head
    latent = {"d_latent": 4 * d, "d_rotary": d // 2}
    none = {"d_latent": 0, "d_rotary": 0}
    G = {"MHA": shape.heads, "GQA": groups, "MQA": 1, "MLA": shape.kv_heads}
    more = latent if kind == "MLA" else none
    return shape._replace(kv_heads=G[kind], **more)


def shape_cases() -> Iterator[dict]:
    """Every published shape and some made ones, and their variants."""
    for shape in (*PUBLISHED, *MADE):
        H = shape.heads
        divisors = [G for G in range(1, H + 1) if H % G == 0]
        groups = divisors[len(divisors) // 2]
        variants = {kind: variant(shape, kind, groups) for kind in KINDS}
        for kind, each in {"as published": shape, **variants}.items():
            yield {
                "shape": as_json(shape),
                "kind": kind,
                "groups": groups,
                "divisors": divisors,
                "numbers": cached_numbers(
                    each.kv_heads, each.d_head, each.d_latent, each.d_rotary
                ),
                "bytes": [
                    [tokens, batch, size, each.bytes(tokens, batch, size)]
                    for tokens in (1, 99, 512, 4096, 131_072)
                    for batch in (1, 5)
                    for size in BYTES
                ],
                "growth": [
                    [tokens, each.bytes(tokens + 1) - each.bytes(tokens)]
                    for tokens in (99, 100, 511, 512, 4095, 4096)
                ],
                "fit": [fitting(each, gib) for gib in (0, 1, 24, 80)],
            }


def fitting(shape: CacheShape, gib: int) -> list[int]:
    """GiB, and how many sequences of 8,192 tokens fit into them."""
    fit = int(gib * 2**30 // shape.bytes(8192))
    assert shape.bytes(8192, fit) <= gib * 2**30
    assert shape.bytes(8192, fit + 1) > gib * 2**30
    return [gib, fit]


if __name__ == "__main__":
    print(json.dumps(list(shape_cases())))
