"""Exercise 08.3: Read what a cache weighs from a configuration."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from attnbook.checks.sharing_heads.plan_mistaken import mistaken
from attnbook.checks.sharing_heads.plan_mistakes import MISTAKES
from attnbook.judging.exercise import Case, Exercise, Part
from attnbook.judging.fresh_cases import anew
from attnbook.judging.named_mistakes import named

_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "float8": 1}


def _plan_cache(config, lengths, budget):
    H = config["num_attention_heads"]
    G = config.get("num_key_value_heads", H)
    d = config.get("head_dim", config["hidden_size"] // H)
    L = config["num_hidden_layers"]
    kinds = config.get("layer_types", ["full_attention"] * L)
    kinds = kinds[: L - config.get("num_kv_shared_layers", 0)]
    each = 2 * G * d * _BYTES[config["dtype"]]

    def of_text(tokens):
        return each * sum(
            tokens
            if kind == "full_attention"
            else min(tokens, config["sliding_window"])
            for kind in kinds
        )

    total = sum(map(of_text, lengths))
    if "full_attention" not in kinds:
        most = len(lengths) * of_text(config["sliding_window"])
        if most <= budget:
            return total, math.inf
    longest = 0
    while len(lengths) * of_text(longest + 1) <= budget:
        longest += 1
    return total, longest


# -- right, written differently ----------------------------------------------


def _by_division(config, lengths, budget):
    """The longest text without a search."""
    heads = config["num_attention_heads"]
    layers = config["num_hidden_layers"]
    kinds = config.get("layer_types") or ["full_attention"] * layers
    own = layers - config.get("num_kv_shared_layers", 0)
    windows = kinds[:own].count("sliding_attention")
    full, W = own - windows, config.get("sliding_window", 0)
    width = config.get("head_dim") or config["hidden_size"] // heads
    number = 4 if config["dtype"] == "float32" else 2
    number = 1 if config["dtype"] == "float8" else number
    each = config.get("num_key_value_heads", heads) * width * number * 2
    total = each * sum(full * n + windows * min(n, W) for n in lengths)
    room = budget // (each * len(lengths))  # tokens of a layer, of one text
    if room < own * W:
        return total, room // own
    if not full:
        return total, float("inf")
    return total, (room - windows * W) // full


def _layer_by_layer(config, lengths, budget):
    """Floats, and a search by doubling."""

    def weight(n):
        found = 0.0
        H = config["num_attention_heads"]
        shared = config.get("num_kv_shared_layers", 0)
        for layer in range(config["num_hidden_layers"] - shared):
            kinds = config.get("layer_types", {})
            has_window = kinds and kinds[layer] == "sliding_attention"
            kept = min(n, config["sliding_window"]) if has_window else n
            numbers = 2.0 * config.get("num_key_value_heads", H) * kept
            numbers *= config.get("head_dim", config["hidden_size"] / H)
            found += numbers * _BYTES[config["dtype"]]
        return found

    low, high = 0, 1
    while len(lengths) * weight(high) <= budget:
        low, high = high, 2 * high
        if high > 10**9:
            return sum(map(weight, lengths)), np.inf
    while high - low > 1:
        middle = (low + high) // 2
        fits = len(lengths) * weight(middle) <= budget
        low, high = (middle, high) if fits else (low, middle)
    return sum(map(weight, lengths)), low


# -- cases -------------------------------------------------------------------


def _config(layers, D, H, G=None, head_dim=None, dtype="bfloat16", **more):
    """`layers` has a letter a layer: "f" for full, "w" for a window."""
    config = {
        "num_hidden_layers": len(layers),
        "hidden_size": D,
        "num_attention_heads": H,
        "dtype": dtype,
    }
    kinds = {"f": "full_attention", "w": "sliding_attention"}
    if "w" in layers:
        config["layer_types"] = [kinds[letter] for letter in layers]
    if "window" in more:
        config["sliding_window"] = more["window"]
    if G is not None:
        config["num_key_value_heads"] = G
    if head_dim is not None:
        config["head_dim"] = head_dim
    if more.get("shared"):
        config["num_kv_shared_layers"] = more["shared"]
    return config


def _plan_case(name, layers, D, H, lengths, budget, **more):
    config = _config(layers, D, H, **more)
    return Case(name, (config, list(lengths), budget))


_LAYERS = [
    "wfwfwfwf",
    "wwfwwfwf",
    "fwwwfwwf",
    "wwwfwwwf",
    "wwfwwfwwff",
]


def _drawn_case(
    name, layers, of_group, head_dim, window, shared, dtype, room, seed
):
    """A budget of `room` tokens a layer, in all."""
    random = np.random.default_rng(seed)
    lengths = [int(n) for n in random.integers(1, 4 * window, 3)]
    lengths[0] = int(random.integers(1, window))
    G = 2 + int(seed % 3)
    H = G * of_group
    each = 2 * G * head_dim * _BYTES[dtype]
    return _plan_case(
        name,
        layers,
        H * (head_dim + 8),
        H,
        lengths,
        each * (len(lengths) * len(layers) * room + 1),
        G=G,
        head_dim=head_dim,
        window=window,
        shared=shared,
        dtype=dtype,
    )


def _edge_case(name, kind, G, of_group, d, tokens, seed):
    """Nothing fits; no full layers; no entries that may be missing."""
    random = np.random.default_rng(seed)
    H, W = G * of_group, 2 + int(seed % 4)
    layers = {"all fits": "wwww", "bare": "fff", "nothing": "wfw"}[kind]
    texts = [int(n) for n in random.integers(1, 12, 2)]
    heads = H if kind == "bare" else G
    each = 2 * heads * d * 2 * len(layers) * 2  # of a token in both texts
    budget = {
        "all fits": each * (W + tokens),
        "bare": each * tokens + 3,
        "nothing": each - 1,
    }[kind]
    more = {} if kind == "bare" else {"G": G, "window": W}
    return _plan_case(name, layers, H * d, H, texts, budget, **more)


def _has_a_bound(case, output):
    """Whether nothing is wrong but a text that may have any length."""
    total, longest = _plan_cache(*case.arguments)
    is_number = isinstance(output[0], (int, float))
    return is_number and output[0] == total and math.isinf(longest)


EXERCISE = Exercise(
    "08-plan-cache",
    "Read from a configuration what fits into a cache",
    points=4,
    reference=_plan_cache,
    cases=[
        _plan_case(
            "the worked example",
            "wfwf",
            24,
            6,
            [2, 5],
            800,
            G=2,
            window=3,
            shared=1,
        ),
        _plan_case(
            "windows, and layers that share",
            "wwfwwfwwff",
            48,
            12,
            [3, 9, 20],
            40_000,
            G=3,
            head_dim=10,
            window=6,
            shared=3,
        ),
        _plan_case(
            "shared layers of both kinds",
            "fwwfwwfw",
            56,
            8,
            [4, 17],
            30_000,
            G=4,
            window=5,
            shared=4,
            dtype="float32",
        ),
        _plan_case(
            "full layers alone",
            "ffffff",
            56,
            14,
            [7, 3, 12],
            23_000,
            G=2,
            head_dim=8,
            dtype="float8",
        ),
        _plan_case(
            "texts shorter than the window",
            "wfwwf",
            60,
            10,
            [4, 1, 6],
            9_000,
            G=5,
            window=9,
        ),
        _plan_case(
            "a budget that is used up",
            "wwf",
            48,
            8,
            [5, 9],
            2 * (2 * 2 * 5 * 2) * (2 * 4 + 11),
            G=2,
            head_dim=5,
            window=4,
            dtype="float16",
        ),
        _plan_case(
            "a text of thousands of tokens",
            "wwf",
            24,
            6,
            [3, 8],
            2 * 32 * (2 * 5 + 12_345) + 7,
            G=2,
            window=5,
        ),
        _plan_case("a bare configuration", "ffff", 42, 6, [8, 3], 11_000),
        _plan_case(
            "a window, but no list",
            "ffff",
            40,
            8,
            [9, 4],
            8_000,
            G=2,
            window=6,
        ),
        _plan_case(
            "windows alone, a small budget",
            "www",
            32,
            4,
            [6, 2],
            1_400,
            G=2,
            window=7,
        ),
        _plan_case(
            "windows alone, short texts",
            "www",
            32,
            4,
            [2, 1],
            1_400,
            G=2,
            window=7,
        ),
        _plan_case(
            "windows alone, a large budget",
            "wwww",
            32,
            4,
            [6, 2],
            9_000,
            G=2,
            window=7,
            shared=1,
        ),
        _plan_case(
            "full layers among the shared ones alone",
            "wwwfwf",
            36,
            6,
            [3, 10],
            8_000,
            G=3,
            window=4,
            shared=3,
        ),
        _plan_case(
            "not one token fits",
            "wf",
            48,
            6,
            [2, 3, 1, 4],
            700,
            G=3,
            window=2,
        ),
        _plan_case(
            "a text without a token",
            "wfwf",
            36,
            9,
            [0, 7, 2],
            5_000,
            G=3,
            window=3,
            shared=2,
        ),
    ],
    mistakes=[
        replace(one, shows=_has_a_bound)
        if one.name == "another value in place of inf"
        else one
        for one in named(mistaken, MISTAKES)
    ],
    right_answers=[_by_division, _layer_by_layer],
    tolerance=1e-6,
    outputs=("total", "longest"),
    parts=[
        Part(
            "total",
            "the bytes of a cache",
            2,
            tries=(
                "the worked example",
                "windows, and layers that share",
                "shared layers of both kinds",
                "full layers alone",
                "texts shorter than the window",
            ),
            outputs=("total",),
            fresh=anew(
                _drawn_case,
                layers=_LAYERS,
                of_group=(2, 4),
                head_dim=[5, 8, 12],
                window=(3, 6),
                shared=(1, 3),
                dtype=["float32", "bfloat16", "float8"],
                room=(4, 9),
            ),
        ),
        Part(
            "longest",
            "the longest text that fits",
            1,
            tries=(
                "the worked example",
                "windows, and layers that share",
                "shared layers of both kinds",
                "full layers alone",
                "a budget that is used up",
                "a text of thousands of tokens",
            ),
            fresh=anew(
                _drawn_case,
                layers=_LAYERS,
                of_group=(2, 4),
                head_dim=[5, 8, 12],
                window=(3, 6),
                shared=(1, 3),
                dtype=["float32", "bfloat16", "float8"],
                room=(8, 20),
            ),
        ),
        Part(
            "bounds",
            "entries that are missing, and budgets without a bound",
            1,
            tries=(
                "a bare configuration",
                "a window, but no list",
                "windows alone, a small budget",
                "windows alone, short texts",
                "windows alone, a large budget",
                "full layers among the shared ones alone",
                "not one token fits",
                "a text without a token",
            ),
            fresh=anew(
                _edge_case,
                times=3,
                kind=["all fits", "bare", "nothing"],
                G=(2, 3),
                of_group=(2, 3),
                d=(3, 6),
                tokens=(2, 9),
            ),
        ),
    ],
)
