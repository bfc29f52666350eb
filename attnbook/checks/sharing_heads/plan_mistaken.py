"""What fits into a cache, with a mistake."""

from __future__ import annotations

import math

_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "float8": 1}


# Where a search for the longest text ends too early.
_ENDS = {
    "a search to 1000, then inf": 1000,
    "a search to 10000, then inf": 10_000,
    "a search to 1000": 1000,
    "a search to 10000": 10_000,
}


def _heads(config, mistake):
    """Heads of keys and values, as somebody counts them."""
    H = config["num_attention_heads"]
    if mistake == "a missing entry":
        return config["num_key_value_heads"]
    if mistake == "one head if none is named":
        return config.get("num_key_value_heads", 1)
    G = config.get("num_key_value_heads", H)
    return {
        "query heads": H,
        "size of a group": H // G,
        "one head": 1,
        "queries too": G,
    }.get(mistake, G)


def _width(config, G, mistake):
    D, H = config["hidden_size"], config["num_attention_heads"]
    if mistake == "width by key heads":
        return D // G
    if mistake == "width by key heads, if not named":
        return config.get("head_dim", D // G)
    if mistake == "head_dim alone":
        return config["head_dim"]
    if mistake == "width not read":
        return D // H
    if mistake == "width of the model":
        return D
    return config.get("head_dim", D // H)


def _number(config, mistake):
    if config["dtype"] == "float8" and mistake.startswith("float8 as "):
        return int(mistake.removeprefix("float8 as "))
    return {
        "numbers": 1,
        "four bytes": 4,
        "two bytes": 2,
        "bits": 8 * _BYTES[config["dtype"]],
    }.get(mistake, _BYTES[config["dtype"]])


def _layers(config, mistake):
    """The kinds of the layers that keep something."""
    L = config["num_hidden_layers"]
    kinds = config.get("layer_types", ["full_attention"] * L)
    if mistake == "window without a list" and "sliding_window" in config:
        kinds = config.get("layer_types", ["sliding_attention"] * L)
    if mistake == "layer_types alone":
        kinds = config["layer_types"]
    shared = config.get("num_kv_shared_layers", 0)
    if mistake == "sharing named alone":
        shared = config["num_kv_shared_layers"]
    if mistake == "sharing ignored":
        shared = 0
    elif mistake == "first layers share":
        return kinds[shared:]
    elif mistake == "shared alone":
        return kinds[L - shared :]
    elif mistake == "one layer too few":
        shared = shared + 1
    elif mistake == "one for all that share":
        shared = max(0, shared - 1)
    elif mistake == "empty slice":
        return kinds[:-shared]
    elif mistake == "full layers share":
        full = [kind for kind in kinds if kind == "full_attention"]
        windows = [kind for kind in kinds if kind != "full_attention"]
        return windows + full[: max(0, len(full) - shared)]
    elif mistake == "windows share":
        full = [kind for kind in kinds if kind == "full_attention"]
        windows = [kind for kind in kinds if kind != "full_attention"]
        return full + windows[: max(0, len(windows) - shared)]
    return kinds[: L - shared]


def _kept(tokens, kind, config, mistake):
    """Tokens that a layer keeps."""
    W = config.get("sliding_window", math.inf)
    sliding = kind == "sliding_attention"
    if mistake == "kinds exchanged" and "sliding_window" in config:
        sliding = not sliding
    if mistake == "windows ignored":
        return tokens
    if mistake == "windows everywhere":
        return min(tokens, W)
    if not sliding:
        return tokens
    return {
        "windows always full": W,
        "one more": min(tokens, W + 1),
        "one less": min(tokens, W - 1),
        "window for nothing": 0,
        "longer of both": max(tokens, W),
        "what the window leaves out": max(0, tokens - W),
    }.get(mistake, min(tokens, W))


def _text(tokens, config, mistake):
    """Bytes of the cache of a text."""
    G = _heads(config, mistake)
    d = _width(config, G, mistake)
    two = {"keys alone": 1, "queries too": 3}.get(mistake, 2)
    if mistake == "query as well":
        two = 2 + config["num_attention_heads"] / G
    if mistake == "width of the model":
        G = 1
    kinds = _layers(config, mistake)
    if mistake == "window on all of a text":
        kept = sum(
            _kept(tokens, kind, config, "windows ignored") for kind in kinds
        )
        if "sliding_window" in config:
            kept = min(kept, config["sliding_window"] * len(kinds))
    else:
        kept = sum(_kept(tokens, kind, config, mistake) for kind in kinds)
    if mistake == "one layer":
        kept = kept / max(1, len(kinds))
    return two * G * d * _number(config, mistake) * kept


def _total(config, lengths, mistake):
    if mistake == "one text":
        return _text(lengths[0], config, mistake)
    if mistake == "padded":
        return len(lengths) * _text(max(lengths), config, mistake)
    if mistake == "longest alone":
        return _text(max(lengths), config, mistake)
    if mistake == "texts in a row":
        return _text(sum(lengths), config, mistake)
    if mistake == "mean":
        whole = sum(_text(n, config, mistake) for n in lengths)
        return whole / len(lengths)
    if mistake == "mean length":
        return len(lengths) * _text(
            sum(lengths) / len(lengths), config, mistake
        )
    if mistake == "numbers of texts":
        return len(lengths) * _text(1, config, mistake)
    found = sum(_text(n, config, mistake) for n in lengths)
    return {"kilobytes": found / 1000, "kibibytes": found / 1024}.get(
        mistake, found
    )


def _longest(config, lengths, budget, total, mistake):
    texts = len(lengths)
    if mistake == "longest of one text":
        texts = 1
    elif mistake == "empty texts left out":
        texts = max(1, sum(n > 0 for n in lengths))
    elif mistake == "what is left":
        budget = budget - total
    elif mistake == "how much longer":
        rest = _longest(config, lengths, max(0, budget - total), total, "")
        return rest + max(lengths)
    elif mistake == "longest of all tokens":
        return texts * _longest(config, lengths, budget, total, "")

    def need(n):
        return texts * _text(n, config, mistake)

    if mistake == "by proportion":
        return int(budget // (total / sum(lengths)))
    if mistake == "slope of one token":
        return int(budget // need(1))
    if mistake == "slope, not rounded":
        return budget / need(1)
    if mistake in ("windows full at once", "below 0", "division"):
        G = _heads(config, "")
        each = 2 * G * _width(config, G, "") * _number(config, "") * texts
        kinds = _layers(config, "")
        full = kinds.count("full_attention")
        window = config.get("sliding_window", 0)
        fixed = each * (len(kinds) - full) * window
        if not full and mistake != "division":
            return math.inf if fixed <= budget else 0
        found = (budget - fixed) // (each * full)
        return found if mistake == "below 0" else max(0, found)
    last = need(10**6)
    if last <= budget:
        if mistake == "a large number":
            return 10**6
        if mistake == "the window":
            return config["sliding_window"]
        if mistake == "none without a bound":
            return None
        if mistake == "minus one without a bound":
            return -1
        return math.inf
    all_windows = "full_attention" not in _layers(config, "")
    if mistake == "unbounded by windows" and all_windows:
        return math.inf
    now_fits = need(max(lengths)) <= budget
    if mistake == "unbounded by lengths" and all_windows and now_fits:
        return math.inf
    most = _ENDS.get(mistake)
    if most and need(most) <= budget:
        return math.inf if mistake.endswith("inf") else most
    low, high = 0, 10**6
    while high - low > 1:
        middle = (low + high) // 2
        fits = need(middle) <= budget
        if mistake == "strictly below":
            fits = need(middle) < budget
        low, high = (middle, high) if fits else (low, middle)
    if mistake == "one too many":
        return low + 1
    if mistake == "one too few":
        return max(0, low - 1)
    if mistake == "at least one":
        return max(1, low)
    if mistake == "fraction":
        over = (budget - need(low)) / (need(high) - need(low))
        return low + over
    if mistake == "minus one for nothing":
        return low or -1
    if mistake == "None for nothing":
        return low or None
    return low


def mistaken(config, lengths, budget, mistake):
    """Bytes, and the longest text, with a mistake."""
    total = _total(config, lengths, mistake)
    if mistake == "total alone":
        return total
    longest = _longest(config, lengths, budget, total, mistake)
    if mistake == "exchanged":
        return longest, total
    if mistake == "longest of windows alone" and math.isinf(longest):
        longest = 0
    return total, longest
