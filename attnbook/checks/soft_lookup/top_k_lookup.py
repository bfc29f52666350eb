"""Exercise 00.3: Look up the k best."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from attnbook.checks.soft_lookup import top_k_mistakes
from attnbook.judging.exercise import Case, Exercise, Part, Property
from attnbook.judging.fresh_cases import anew, up_to
from attnbook.judging.named_mistakes import named
from attnbook.mechanisms.soft_lookup import masked_softmax, softmax


def _top_k(query, key, value, k, mask=None):
    scores = query @ key.T  # (T, S)
    allowed = np.ones(scores.shape, bool) if mask is None else mask
    ranked = np.where(allowed, scores, -np.inf)
    # Of equal scores the earlier key comes first: the sort is stable.
    order = np.argsort(-ranked, axis=-1, kind="stable")  # (T, S)
    kept = np.zeros(scores.shape, bool)
    np.put_along_axis(kept, order[:, :k], True, axis=-1)
    weights = masked_softmax(scores, kept & allowed)
    return weights @ value, weights


def _mistaken(query, key, value, k, mask=None, *, mistake):
    """The same with a mistake."""
    scores = query @ key.T  # (T, S)
    allowed = np.ones(scores.shape, bool) if mask is None else mask
    if mistake == "inverted" and mask is not None:
        allowed = ~mask
    if mistake == "none given":
        allowed = np.zeros(scores.shape, bool) if mask is None else mask
    if mistake == "mask expected":
        allowed = ~~mask
    if mistake == "if mask":
        allowed = mask if mask else allowed
    if mistake == "unmasked":
        allowed = np.ones(scores.shape, bool)
    if mistake.startswith("times inf") and (
        mask is not None or mistake == "times inf"
    ):
        with np.errstate(invalid="ignore"):
            scores = scores + ~allowed * -np.inf
    if mistake == "cosine":
        lengths = np.linalg.norm(query, axis=-1)[:, None]
        scores = scores / lengths / np.linalg.norm(key, axis=-1)
    if mistake.startswith("scores of 0"):
        scores = scores * allowed
    if mistake == "scores of 0":
        allowed = np.ones(scores.shape, bool)
    kept = _mistaken_choice(scores, allowed, k, mistake)
    if mistake != "filled up":
        kept = kept & allowed
    weights = _mistaken_weights(scores, allowed, kept, k, key, mistake)
    if mistake == "the chosen alone":
        return masked_softmax(scores, kept) @ value, weights
    if mistake == "keys":
        return weights @ key, weights
    return weights @ value, weights


def _mistaken_choice(scores, allowed, k, mistake):
    """Which keys are the k best, (T, S)."""
    ranked = np.where(allowed, scores, -np.inf)
    if mistake in ("masked late", "masked last", "scores of 0, then cut"):
        ranked = scores
    elif mistake == "by size":
        ranked = np.where(allowed, np.abs(scores), -np.inf)
    elif mistake == "shared":
        ranked = np.broadcast_to(ranked[:1], ranked.shape)
    elif mistake == "together":
        ranked = np.broadcast_to(ranked.sum(0), ranked.shape)
    elif mistake == "together by the best":
        ranked = np.broadcast_to(ranked.max(0), ranked.shape)
    elif mistake == "slope":
        ranked = ranked - 1e-4 * np.arange(scores.shape[1])
    elif mistake == "rounded":
        ranked = ranked.round(4)
    elif mistake == "lowest k":
        k = min(k, allowed.sum(-1).min())
    order = np.argsort(-ranked, axis=-1, kind="stable")  # (T, S)
    if mistake == "worst":
        worst = np.where(allowed, scores, np.inf)
        order = np.argsort(worst, axis=-1, kind="stable")
    elif mistake == "worst, masked ones first":
        order = np.argsort(ranked, axis=-1, kind="stable")
    elif mistake == "last tie":
        order = np.argsort(ranked, axis=-1, kind="stable")[:, ::-1]
    elif mistake == "the end of an order":  # NumPy promises nothing on ties
        order = np.argsort(ranked, axis=-1)[:, ::-1]
    elif mistake == "any tie":
        order = np.argsort(-ranked, axis=-1)
    elif mistake == "any tie in parts":
        order = np.argpartition(-ranked, k - 1, axis=-1)
    elif mistake == "first k":
        order = np.argsort(~allowed, axis=-1, kind="stable")
    if mistake == "k unused":
        return allowed
    if mistake == "all ties":
        floor = np.take_along_axis(ranked, order[:, k - 1 : k], axis=-1)
        return ranked >= floor
    count = {"one more": k + 1, "one less": k - 1}.get(mistake, k)
    kept = np.zeros(scores.shape, bool)
    if mistake == "all choices":
        kept[:, order[:, :k]] = True
    elif mistake == "keys choose":
        order = np.argsort(-ranked, axis=0, kind="stable")
        np.put_along_axis(kept, order[:k], True, axis=0)
    else:
        np.put_along_axis(kept, order[:, :count], True, axis=-1)
    return kept


def _mistaken_weights(scores, allowed, kept, k, key, mistake):
    if mistake == "zeros":
        return softmax(np.where(kept, scores, 0.0))
    if mistake == "zeros among the allowed":
        return masked_softmax(np.where(kept, scores, 0.0), allowed)
    if mistake.startswith("overflow"):
        with np.errstate(over="ignore", invalid="ignore"):
            weights = np.exp(scores) * kept
            if mistake == "overflow":
                weights = np.where(kept, np.exp(scores), 0.0)
            total = weights.sum(-1, keepdims=True)
            return weights / np.where(total == 0, 1, total)
    if mistake == "not renormalised":
        return masked_softmax(scores, allowed) * kept
    if mistake.startswith("shared anew"):
        weights = softmax(scores) * kept
        total = weights.sum(-1, keepdims=True)
        if mistake == "shared anew":
            total = np.where(total == 0, 1, total)
        with np.errstate(invalid="ignore"):
            return weights / total
    if mistake == "masked last":
        whole = _mistaken_choice(scores, allowed, k, "masked last")
        return masked_softmax(scores, whole) * allowed
    if mistake in ("sorted places", "filtered", "too few"):
        return _weights_row_by_row(scores, allowed, k, mistake)
    if mistake == "by their sum":
        weights = scores * kept
        total = weights.sum(-1, keepdims=True)
        return weights / np.where(total == 0, 1, total)
    if mistake == "the chosen alone":
        best = np.argsort(~kept, axis=-1, kind="stable")[:, :k]  # (T, k)
        return np.take_along_axis(masked_softmax(scores, kept), best, axis=-1)
    if mistake == "over queries":
        return masked_softmax(scores, kept, axis=0)
    if mistake == "equal shares":
        return masked_softmax(np.zeros_like(scores), kept)
    if mistake == "scaled":
        return masked_softmax(scores / np.sqrt(key.shape[1]), kept)
    weights = masked_softmax(scores, kept)
    none = ~kept.any(-1)  # (T,)
    if mistake == "uniform":
        weights[none] = 1 / len(key)
    elif mistake == "nan":
        weights[none] = np.nan
    elif mistake == "-1e9":
        weights[none, :k] = 1 / k
    return weights


def _weights_row_by_row(scores, allowed, k, mistake):
    weights = np.zeros(scores.shape)
    for row, line, may in zip(weights, scores, allowed, strict=True):
        listed = line[may]
        if listed.size < (k if mistake == "too few" else 1):
            continue
        order = np.argsort(-listed, kind="stable")[:k]
        places = np.flatnonzero(may)[order]
        if mistake == "filtered":
            places = order
        elif mistake == "sorted places":
            places = np.sort(places)
        row[places] = softmax(listed[order])
    return weights


def _top_k_by_loops(query, key, value, k, mask=None):
    T, S = len(query), len(key)
    weights = np.zeros((T, S))
    output = np.zeros((T, value.shape[1]))
    for t in range(T):
        places = [s for s in range(S) if mask is None or mask[t, s]]
        scores = {s: float(np.dot(query[t], key[s])) for s in places}
        best = sorted(places, key=lambda s: (-scores[s], s))[:k]
        powers = {s: np.exp(scores[s] - scores[best[0]]) for s in best}
        for s in best:
            weights[t, s] = powers[s] / sum(powers.values())
            output[t] += weights[t, s] * value[s]
    return output, weights


def _top_k_by_rank(query, key, value, k, mask=None):
    """A key is kept if fewer than k others beat it."""
    scores = np.einsum("td,sd->ts", query, key)  # (T, S)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    mine, other = scores[:, :, None], scores[:, None, :]
    place = np.arange(len(key))
    earlier = place[None, :] < place[:, None]  # (S, S)
    beaten = (other > mine) | ((other == mine) & earlier)  # (T, S, S)
    kept = (beaten.sum(-1) < k) & np.isfinite(scores)  # (T, S)
    top = np.where(kept, scores, -np.inf).max(-1, keepdims=True)
    less = np.where(kept, scores, -np.inf) - np.where(top > -np.inf, top, 0)
    powers = np.exp(less)
    total = powers.sum(-1, keepdims=True)
    weights = powers / np.where(total > 0, total, 1)
    return np.einsum("ts,sv->tv", weights, value), weights


def _top_k_by_threshold(query, key, value, k, mask=None):
    """A threshold, with a tiny handicap that settles ties."""
    scores = query @ key.T
    handicap = 1e-9 * np.arange(len(key))
    ranked = scores - handicap
    if mask is not None:
        ranked = np.where(mask, ranked, -np.inf)
    floor = np.sort(ranked, axis=-1)[:, -k:][:, :1]
    kept = (ranked >= floor) & (ranked > -np.inf)
    weights = masked_softmax(scores, kept)
    return weights @ value, weights


def _top_k_in_single_precision(query, key, value, k, mask=None):
    weights = np.zeros((len(query), len(key)), np.float32)
    for row, scores in enumerate(query @ key.T):
        places = (
            np.arange(len(key)) if mask is None else mask[row].nonzero()[0]
        )
        best = places[np.lexsort((places, -scores[places]))][:k]
        if len(best):
            weights[row, best] = softmax(scores[best])
    return weights @ value, weights


def _top_k_case(name, T, S, d_k, d_v, k, seed, blocked=None):
    random = np.random.default_rng(seed)
    query = random.normal(size=(T, d_k))
    key = random.normal(size=(S, d_k)) * 0.7
    value = random.normal(size=(S, d_v))
    if blocked is None:
        return Case(name, (query, key, value, k))
    mask = random.uniform(size=(T, S)) > blocked
    return Case(name, (query, key, value, k), {"mask": mask})


def _best_is_masked(seed):
    """Each query's best key is masked; the last query may see one key."""
    random = np.random.default_rng(seed)
    query, key = random.normal(size=(3, 4)), random.normal(size=(6, 4)) * 0.6
    scores = query @ key.T
    mask = scores < scores.max(-1, keepdims=True)
    mask[-1] = False
    mask[-1, 2] = True
    value = random.normal(size=(6, 2))
    return Case(
        "masked keys score best", (query, key, value, 3), {"mask": mask}
    )


def _nothing_allowed(seed):
    random = np.random.default_rng(seed)
    query, key = random.normal(size=(3, 2)), random.normal(size=(5, 2))
    mask = np.array([[1, 1, 0, 1, 1], [0] * 5, [0, 1, 1, 1, 0]], bool)
    value = random.normal(size=(5, 3))
    return Case(
        "one query may attend to nothing",
        (query, key, value, 2),
        {"mask": mask},
    )


def _ties():
    query = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    key = np.array(
        [[1.0, 0.0], [2.0, 1.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]]
    )
    value = np.arange(15.0).reshape(5, 3) / 10
    return Case("keys that tie", (query, key, value, 2))


def _ties_in_long_lists():
    """Long enough that a sort which is not stable mixes up what ties."""
    random = np.random.default_rng(21)
    query = np.eye(4)[:, :3]  # the last query scores every key 0
    key = random.integers(-1, 2, (40, 3)).astype(float)
    value = random.normal(size=(40, 2))
    return Case("40 keys, of which many tie", (query, key, value, 9))


def _ties_at_900():
    """Scores whose exponentials are too large for a float, or too small."""
    query = np.array([[30.0, 0.0], [0.0, 30.0]])
    key = np.array([[30, -30], [29, -30], [30, -31], [0, -32], [30, -33.0]])
    value = np.arange(10.0).reshape(5, 2) / 10
    return Case("keys that tie at scores of 900", (query, key, value, 2))


def _nearly_equal():
    """Scores a millionth apart, of which the later is the higher."""
    query = np.array([[1.0, 0.0], [0.0, 1.0]])
    near = 1 + 2.0**-20
    key = np.array([[1, 0.5], [2, 1], [0, 0], [near, near], [0.5, 0]])
    value = np.arange(10.0).reshape(5, 2) / 10
    return Case("scores a millionth apart", (query, key, value, 2))


def _masked_key_scores_900():
    random = np.random.default_rng(22)
    query = random.uniform(0.5, 1, (3, 3))
    key = random.normal(size=(5, 3))
    key[1] = 400.0
    mask = np.ones((3, 5), bool)
    mask[:, 1] = False
    value = random.normal(size=(5, 2))
    return Case(
        "a masked key scores 900", (query, key, value, 2), {"mask": mask}
    )


def _masked_case(name, T, S, d_k, d_v, k, blocked, seed):
    """Each query may attend to one key at least."""
    case = _top_k_case(name, T, S, d_k, d_v, k, seed, blocked)
    rows = np.random.default_rng(seed).integers(S, size=T)
    case.keywords["mask"][np.arange(T), rows] = True
    return case


def _tie_case(name, S, k, d_v, seed):
    """Keys that tie at 0 exactly; the last query sees nothing."""
    random = np.random.default_rng(seed)
    query = np.zeros((3, 2))
    query[1:, 0] = random.uniform(0.5, 2, 2)
    key = random.normal(size=(S, 2))
    key[random.uniform(size=S) < 0.6, 0] = 0.0
    mask = np.ones((3, S), bool)
    mask[2] = False
    value = random.normal(size=(S, d_v))
    return Case(name, (query, key, value, k), {"mask": mask})


def _top_k_keeps_k(answer):
    """At most k keys weigh, and they sum to 1, on a size not seen before."""
    random = np.random.default_rng(19)
    query, key = random.normal(size=(7, 3)), random.normal(size=(23, 3))
    _, weights = answer(query, key, random.normal(size=(23, 2)), 5)
    kept = (weights > 0).sum(-1)
    return bool(np.all(kept == 5)) and np.allclose(weights.sum(-1), 1)


def _worse_keys_cannot_matter(answer):
    random = np.random.default_rng(20)
    query, key = random.uniform(size=(4, 3)), random.uniform(size=(9, 3))
    value = random.normal(size=(9, 2))
    far = np.concatenate([key, -key[:3]])
    more = np.concatenate([value, 100 * value[:3]])
    output, _ = answer(query, key, value, 4)
    same, _ = answer(query, far, more, 4)
    return np.allclose(output, same)


def _chose_others_of_a_tie(case, found):
    """Whether each row has the weights asked for, in other places."""
    wanted, weights = _top_k(*case.arguments, **case.keywords)[1], found[1]
    return (
        "tie" in case.name
        and not np.allclose(wanted, weights)
        and np.allclose(np.sort(wanted), np.sort(weights))
    )


def _took_the_lower_of_two(case, found):
    wanted = _top_k(*case.arguments, **case.keywords)[1]
    return (
        case.name == "scores a millionth apart"
        and not np.allclose(wanted, found[1])
        and np.allclose(np.sort(wanted), np.sort(found[1]))
    )


def _overflows(case, found):
    at_900 = case.name == "keys that tie at scores of 900"
    return at_900 and not np.isfinite(found[1]).all()


def _has_a_weight_for_each_of_k(case, found):
    query, key, _, k = case.arguments
    return found[1].shape == (len(query), k) and k < len(key)


_SHOWN_BY = {
    "a tie goes to the later key": _chose_others_of_a_tie,
    "scores that are moved to settle ties": _took_the_lower_of_two,
    "exponentials that overflow": _overflows,
    "weights of the chosen alone": _has_a_weight_for_each_of_k,
}

EXERCISE = Exercise(
    "00-top-k-lookup",
    "Look up the k best",
    points=4,
    reference=_top_k,
    cases=[
        Case(
            "the worked example",
            (
                np.array([[1.0, 0.0]]),
                np.log([[2.0, 1.0], [1.0, 9.0], [3.0, 1.0], [6.0, 1.0]]),
                np.array([[10.0], [20.0], [30.0], [60.0]]),
                2,
            ),
        ),
        _top_k_case("no mask", 3, 5, 2, 4, 2, seed=11),
        _ties(),
        _ties_in_long_lists(),
        _top_k_case("some keys masked", 4, 7, 3, 2, 3, seed=12, blocked=0.4),
        _best_is_masked(seed=13),
        _masked_key_scores_900(),
        _nothing_allowed(seed=14),
        _top_k_case("k = 1", 2, 6, 3, 1, 1, seed=15, blocked=0.2),
        _top_k_case("k = S", 3, 4, 2, 5, 4, seed=16),
        _top_k_case("one query, one key", 1, 1, 1, 1, 1, seed=17),
        _top_k_case("T = S = d_k = d_v", 4, 4, 4, 4, 2, seed=18),
        _ties_at_900(),
        _nearly_equal(),
    ],
    mistakes=[
        replace(mistake, shows=_SHOWN_BY.get(mistake.name))
        for mistake in named(_mistaken, top_k_mistakes.ROWS)
    ],
    right_answers=[
        _top_k_by_loops,
        _top_k_by_rank,
        _top_k_by_threshold,
        _top_k_in_single_precision,
    ],
    properties=[
        Property(
            "With 23 keys and k = 5, five keys get weight, and it sums to 1.",
            _top_k_keeps_k,
        ),
        Property(
            "Keys that are worse than the k best change nothing.",
            _worse_keys_cannot_matter,
        ),
    ],
    tolerance=1e-6,
    outputs=("output", "weights"),
    axes={"output": "T d_v", "weights": "T S"},
    parts=[
        Part(
            "choice",
            "the choice and its weights, without a mask",
            2,
            tries=(
                "the worked example",
                "no mask",
                "k = S",
                "one query, one key",
                "T = S = d_k = d_v",
                "With 23 keys and k = 5, five keys get weight, and it sums "
                "to 1.",
                "Keys that are worse than the k best change nothing.",
            ),
            fresh=anew(
                _top_k_case,
                T=(2, 5),
                S=(2, 8),
                d_k=(1, 4),
                d_v=(1, 4),
                k=up_to("S"),
            ),
        ),
        Part(
            "mask",
            "keys that are masked",
            1,
            tries=(
                "some keys masked",
                "masked keys score best",
                "a masked key scores 900",
                "k = 1",
            ),
            fresh=anew(
                _masked_case,
                T=(2, 5),
                S=(2, 8),
                d_k=(1, 4),
                d_v=(1, 4),
                k=up_to("S"),
                blocked=(0.3, 0.7),
            ),
        ),
        Part(
            "edges",
            "scores that tie, queries that may attend to nothing",
            1,
            tries=(
                "keys that tie",
                "40 keys, of which many tie",
                "one query may attend to nothing",
                "keys that tie at scores of 900",
                "scores a millionth apart",
            ),
            fresh=anew(_tie_case, S=(5, 40), k=(2, 4), d_v=(2, 4)),
        ),
    ],
)
