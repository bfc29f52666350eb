"""Cases for the decoder-only model in the page, from PyTorch, as JSON.

The weights of each model are rounded to what the page gets, and everything
is computed in float64.
"""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import torch

from attnbook.explorers.generation import eight_bits
from attnbook.mechanisms.byte_pairs import BytePairs
from attnbook.mechanisms.decoder_only import (
    BLOCK_2018,
    BLOCK_TODAY,
    Cache,
    DecoderOnly,
    Design,
    min_p,
    top_k,
    top_p,
    with_temperature,
)

DESIGNS = {
    "2018": BLOCK_2018,
    "today": BLOCK_TODAY,
    "tied": Design("rms", "swiglu", "rotary", tied=True, bias=True),
    "normalised, learned": Design("layer", "relu", "learned", qk_norm=True),
}
PROMPT = [3, 1, 4, 1, 5, 9, 2, 6, 5]
TEXTS = (
    "",
    "the cat sat on the mat, the cat sat",
    "  two  spaces\n\nand a line\tor two  ",
    "naïve café, Ελλάδα, 日本語 and 🙂🙂",
    "x_1 = f(a+b) # ½ of 12³",
    "it's the cat's … cat",
)


def model(design: Design, layers: int = 2) -> DecoderOnly:
    """A small model whose logits are far from equal, with rounded weights."""
    torch.manual_seed(len(str(asdict(design))))
    made = DecoderOnly(13, 12, 3, layers, 16, design=design).double()
    with torch.no_grad():
        for weights in made.parameters():
            weights.add_(torch.randn_like(weights) * 0.3)
    return made


def model_cases() -> list[dict]:
    """Logits and weights of each design, and dot products counted."""
    cases = []
    for name, design in DESIGNS.items():
        made = model(design)
        data, parts = eight_bits.packed(made)
        made.load_state_dict(
            {
                key: torch.as_tensor(value)
                for key, value in eight_bits.rounded_weights(made).items()
            },
            strict=not design.tied,
        )
        ids = torch.tensor([PROMPT])
        with torch.no_grad():
            logits, weights = made(ids)
            cache = Cache(made, 1)
            last, _ = made(ids[:, :6], cache)
        cases.append(
            {
                "name": name,
                "data": data,
                "parts": parts,
                "heads": 3,
                "layers": 2,
                "norm": design.norm,
                "eps": made.norm.eps,
                "ids": PROMPT,
                "logits": logits[0].tolist(),  # (T, V)
                "attention": [each[0].tolist() for each in weights],
                "keys": cache.keys[:, 0, :, :6].tolist(),  # (L, H, 6, d)
                "values": cache.values[:, 0, :, :6].tolist(),
                "sixth": last[0, -1].tolist(),
            }
        )
    return cases


def sampling_cases() -> list[dict]:
    """What each rule leaves of the logits, and what all of them leave."""
    rng = np.random.default_rng(0)
    cases = []
    for size in (1, 2, 7, 40):
        for temperature, k, p, share in (
            (1.0, 3, 0.7, 0.2),
            (0.5, 1, 0.05, 1.0),
            (2.0, 50, 1.0, 0.01),
            (0.05, 5, 0.9, 0.5),
        ):
            logits = torch.tensor(rng.normal(0, 2, size)).round(decimals=1)
            warm = with_temperature(logits, temperature)
            left = min_p(top_p(top_k(warm, k), p), share)
            cases.append(
                {
                    "logits": logits.tolist(),
                    "temperature": temperature,
                    "k": k,
                    "p": p,
                    "share": share,
                    "warm": warm.tolist(),
                    "top_k": _kept(top_k(logits, k)),
                    "top_p": _kept(top_p(logits, p)),
                    "min_p": _kept(min_p(logits, share)),
                    "weights": left.softmax(-1).tolist(),
                }
            )
    return cases


def _kept(logits: torch.Tensor) -> list[bool]:
    return logits.isfinite().tolist()


def text_cases() -> dict:
    """Ids and bytes of texts of many kinds."""
    pairs = BytePairs.learn(" ".join(TEXTS) * 2, 300)
    return {
        "merges": pairs.merges,
        "texts": [[text, pairs.encode(text)] for text in TEXTS],
        "bytes": [list(pairs.token(id)) for id in range(pairs.size)],
    }


if __name__ == "__main__":
    print(
        json.dumps(
            {
                "models": model_cases(),
                "sampling": sampling_cases(),
                "text": text_cases(),
            }
        )
    )
