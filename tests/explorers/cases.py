"""Cases for the explorers' arithmetic, computed with NumPy, as JSON."""

from __future__ import annotations

import json

import numpy as np
import torch

from attnbook.mechanisms import soft_lookup
from attnbook.mechanisms.additive import masked_softmax
from attnbook.mechanisms.multiplicative import (
    gaussian_window,
    monotonic_window,
)
from attnbook.mechanisms.scaled_dot_product import causal_mask


def jacobian_norm(weights: np.ndarray, temperature: float) -> float:
    """From the whole Jacobian, entry by entry."""
    jacobian = np.diag(weights) - np.outer(weights, weights)  # (N, N)
    return float(np.linalg.norm(jacobian / temperature))


def entropy(weights: np.ndarray) -> float:
    """In nats, with 0 log 0 = 0."""
    kept = weights[weights > 0]
    return float(-(kept * np.log(kept)).sum())


def lookup_cases() -> list[dict]:
    """Scores, weights and what is computed from them, for many look-ups."""
    rng = np.random.default_rng(0)
    cases = []
    for count in (1, 2, 5, 12):
        for temperature in (0.05, 0.7, 1.0, 20.0):
            keys = rng.uniform(-1, 1, (count, 2))
            query = rng.uniform(-1.2, 1.2, 2)
            values = rng.normal(0, 5, count)
            for score in ("dot", "negative-distance"):
                if score == "dot":
                    scores = keys @ query  # (N,)
                else:
                    scores = -np.linalg.norm(keys - query, axis=-1)  # (N,)
                weights = soft_lookup.softmax(scores, temperature)
                cases.append(
                    {
                        "keys": keys.tolist(),
                        "query": query.tolist(),
                        "values": values.tolist(),
                        "score": score,
                        "temperature": temperature,
                        "scores": scores.tolist(),
                        "weights": weights.tolist(),
                        "output": float(weights @ values),
                        "entropy": entropy(weights),
                        "effective": float(np.exp(entropy(weights))),
                        "jacobian": jacobian_norm(weights, temperature),
                        "argmax": int(weights.argmax()),
                    }
                )
    return cases


def softmax_cases() -> list[dict]:
    """Scores that overflow, underflow or tie."""
    rows = [
        [1000.0, 999.0, -1000.0],
        [-1e4, -1e4, -1e4],
        [0.0, 0.0, 0.0, 0.0],
        [800.0, 0.0],
        [3.0],
    ]
    cases = []
    for row in rows:
        scores = np.array(row)
        weights = soft_lookup.softmax(scores, 1.0)
        cases.append(
            {
                "scores": row,
                "weights": weights.tolist(),
                "entropy": entropy(weights),
                "jacobian": jacobian_norm(weights, 1.0),
            }
        )
    return cases


def alignment_cases() -> list[dict]:
    """Weights and truths (T, S), some steps without a true token."""
    rng = np.random.default_rng(1)
    cases = []
    for steps, tokens in ((1, 1), (4, 6), (9, 3)):
        weights = soft_lookup.softmax(rng.normal(size=(steps, tokens)))
        truth = rng.random((steps, tokens)) < 0.4
        truth[-1] = False
        masses = (weights * truth).sum(-1)  # (T,)
        some = truth.any(-1)
        cases.append(
            {
                "weights": weights.tolist(),
                "truth": truth.tolist(),
                "masses": [
                    float(mass) if any_true else None
                    for mass, any_true in zip(masses, some, strict=True)
                ],
                "mean": float(masses[some].mean()) if some.any() else None,
            }
        )
    return cases


def walk_cases() -> dict:
    """Relative changes of vectors, and the sizes of written shapes."""
    rng = np.random.default_rng(7)
    changes = []
    for size in (1, 4, 64):
        first, second = rng.normal(size=(2, size))
        moved = np.linalg.norm(second - first) / np.linalg.norm(first)
        changes.append(
            {
                "from": first.tolist(),
                "to": second.tolist(),
                "change": float(moved),
            }
        )
    B, T, D, H = 2, 7, 48, 6
    return {
        "changes": changes,
        "sizes": {"B": B, "T": T, "D": D, "H": H},
        "shapes": [
            ["(B, T, D)", [B, T, D]],
            ["(B, T, 4·D)", [B, T, 4 * D]],
            ["(B, H, T, D/H)", [B, H, T, D / H]],
            ["(T, 10)", [T, 10]],
            ["(D,)", [D]],
        ],
    }


def head_cases() -> list[dict]:
    """Mean entropy and mean mass on the truth of one head's weights."""
    rng = np.random.default_rng(6)
    cases = []
    for steps, tokens in ((1, 2), (5, 7), (8, 3)):
        weights = rng.dirichlet(np.full(tokens, 0.4), steps)  # (T, S)
        weights[0] = np.eye(tokens)[0]  # entropy 0
        truth = rng.random((steps, tokens)) < 0.3
        truth[0] = True
        counted = truth.any(-1)  # (T,)
        cases.append(
            {
                "weights": weights.tolist(),
                "truth": truth.tolist(),
                "entropy": float(np.mean([*map(entropy, weights)])),
                "alignment": float((weights * truth).sum(-1)[counted].mean()),
            }
        )
    return cases


def scaled_score_cases() -> list[dict]:
    """What the softmax of dot products is like, by d, scale, temperature."""
    rng = np.random.default_rng(2)
    cases = []
    for queries, keys, d in ((1, 1, 4), (3, 5, 8), (6, 4, 64)):
        query = rng.normal(size=(queries, 64))
        key = rng.normal(size=(keys, 64))
        for scaled in (False, True):
            for temperature in (0.3, 1.0, 8.0):
                scores = query[:, :d] @ key[:, :d].T  # (T, S)
                if scaled:
                    scores = scores / np.sqrt(d)
                weights = soft_lookup.softmax(scores / temperature)
                norms = [jacobian_norm(row, 1.0) for row in weights]
                cases.append(
                    {
                        "query": query.tolist(),
                        "key": key.tolist(),
                        "d": d,
                        "scaled": scaled,
                        "temperature": temperature,
                        "scores": scores.ravel().tolist(),
                        "weights": weights.ravel().tolist(),
                        "variance": float((scores / temperature).var()),
                        "entropy": float(np.mean([*map(entropy, weights)])),
                        "jacobian": float(np.mean(norms)),
                        "largest": float(weights.max(-1).mean()),
                    }
                )
    return cases


def mask_cases() -> list[dict]:
    """Weights under masks, some rows empty, by three policies."""
    rng = np.random.default_rng(7)
    cases = []
    for queries, keys, padded in ((1, 1, 1), (5, 5, 2), (3, 6, 4), (6, 3, 1)):
        scores = torch.tensor(3 * rng.normal(size=(queries, keys)))
        mask = torch.tensor(rng.random((queries, keys)) < 0.6)
        mask[-1] = False
        real = torch.arange(keys) < keys - padded  # (S,)
        causal = causal_mask(queries, keys)
        infinite = scores.masked_fill(~mask, -torch.inf).softmax(-1)
        large = scores.masked_fill(~mask, -1e9).softmax(-1)
        assert infinite[-1].isnan().all()
        presets = {
            "none": torch.ones_like(mask),
            "causal": causal,
            "padding": real.expand(queries, keys),
            "both": causal & real,
        }
        cases.append(
            {
                "scores": scores.tolist(),
                "mask": mask.tolist(),
                "padded": padded,
                "weights": masked_softmax(scores, mask).tolist(),
                "infinite": infinite[:-1].tolist(),
                "large": large.tolist(),
                "presets": {k: v.tolist() for k, v in presets.items()},
            }
        )
    return cases


def window_cases() -> list[dict]:
    """Weights of local-m and local-p, as the chapter's mechanism has them."""
    rng = np.random.default_rng(8)
    cases = []
    for queries, keys in ((1, 1), (4, 6), (9, 5)):
        scores = torch.tensor(2 * rng.normal(size=(queries, keys)))
        centre = torch.tensor(rng.uniform(0, keys, queries))
        for half_width in (1, 2, 5):
            inside, factor = gaussian_window(centre[None], keys, half_width)
            local_m = masked_softmax(
                scores, monotonic_window(queries, keys, half_width)
            )
            local_p = masked_softmax(scores, inside[0]) * factor[0]
            for name, weights in (("m", local_m), ("p", local_p)):
                sums = weights.sum(-1)
                held = weights[sums > 0] / sums[sums > 0, None]
                cases.append(
                    {
                        "scores": scores.tolist(),
                        "centres": (
                            centre if name == "p" else torch.arange(queries)
                        ).tolist(),
                        "half_width": half_width,
                        "gaussian": name == "p",
                        "weights": weights.tolist(),
                        "sum": float(sums.mean()),
                        "entropy": float(
                            np.mean([entropy(row) for row in held.numpy()])
                        ),
                    }
                )
    return cases


def position_cases() -> list[dict]:
    """Rates, sinusoids and rotated pairs, the latter as complex numbers."""
    rng = np.random.default_rng(5)
    cases = []
    for size, base in ((2, 10.0), (6, 500.0), (16, 10_000.0), (8, 1e6)):
        rates = base ** (-np.arange(0, size, 2) / size)  # (D / 2,)
        angles = np.arange(9)[:, None] * rates  # (T, D / 2)
        sinusoids = np.stack([np.sin(angles), np.cos(angles)], -1)
        sinusoids = sinusoids.reshape(9, size)
        query, key = rng.normal(size=(2, size))
        m, n = (int(at) for at in rng.integers(0, 65, size=2))
        points = (query[::2] + 1j * query[1::2]) * np.exp(1j * m * rates)
        others = (key[::2] + 1j * key[1::2]) * np.exp(1j * n * rates)
        cases.append(
            {
                "size": size,
                "base": base,
                "rates": rates.tolist(),
                "sinusoids": sinusoids.ravel().tolist(),
                "likeness": (sinusoids @ sinusoids[0] * 2 / size).tolist(),
                "query": query.tolist(),
                "key": key.tolist(),
                "m": m,
                "n": n,
                "parts": (points * others.conj()).real.tolist(),
            }
        )
    return cases


if __name__ == "__main__":
    print(
        json.dumps(
            {
                "lookups": lookup_cases(),
                "softmaxes": softmax_cases(),
                "alignments": alignment_cases(),
                "heads": head_cases(),
                "walk": walk_cases(),
                "positions": position_cases(),
                "scaled_scores": scaled_score_cases(),
                "masks": mask_cases(),
                "windows": window_cases(),
            }
        )
    )
