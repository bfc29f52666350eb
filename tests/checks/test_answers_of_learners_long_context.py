"""Wrong answers of learners to the exercises of chapter 09, and right ones."""

import pytest
import torch
import torch.nn.functional as F
from verdicts import named, parts_of

from attnbook.checks.long_context import EXERCISES
from attnbook.checks.long_context.stream_draft import turn

# -- near keys ---------------------------------------------------------------


def windowed(
    query,
    key,
    value,
    slopes,
    window,
    there=lambda query, near, place, far: far <= place[:, None],
    normed=lambda scores: scores.softmax(-1),
):
    """Pad, unfold, mask."""
    T, d = query.shape[2:]
    S = key.shape[2]
    near, seen = (
        F.pad(x, (0, 0, window - 1, 0)).unfold(2, window, 1)[:, :, S - T :]
        for x in (key, value)
    )
    far = torch.arange(window - 1, -1, -1)
    scores = torch.einsum("bhtd,bhtdw->bhtw", query, near) / d**0.5
    scores = scores - slopes[:, None, None] * far
    real = there(query, near, torch.arange(S - T, S), far)
    weights = normed(scores.masked_fill(~real, -torch.inf))
    return torch.einsum("bhtw,bhtdw->bhtd", weights, seen), weights


def keys_of_zeros_left_out(*inputs):
    return windowed(
        *inputs, there=lambda query, near, place, far: (near != 0).any(3)
    )


def by_bare_exponentials(*inputs):
    def normed(scores):
        powers = scores.exp()
        return powers / powers.sum(-1, keepdim=True)

    return windowed(*inputs, normed=normed)


def one_key_too_few(query, key, value, slopes, window):
    """A loop that begins one key too late, and fills the weights up."""
    T, S = query.shape[2], key.shape[2]
    outputs, rows = [], []
    for t in range(T):
        p = S - T + t
        begin = max(0, p - window + 2)
        far = p - torch.arange(begin, p + 1)
        scores = (key[:, :, begin : p + 1] * query[:, :, t, None]).sum(-1)
        scores = scores / query.shape[-1] ** 0.5 - slopes[:, None] * far
        weights = scores.softmax(-1)
        seen = value[:, :, begin : p + 1]
        outputs.append((weights[..., None] * seen).sum(2))
        rows.append(F.pad(weights, (window - len(far), 0)))
    return torch.stack(outputs, 2), torch.stack(rows, 2)


def divided_after_the_softmax(*inputs):
    """Weights of what is masked are set to 0; then rows are divided."""
    real = []

    def there(query, near, place, far):
        real.append(far <= place[:, None])
        return torch.ones_like(real[0])

    def normed(scores):
        weights = scores.softmax(-1) * real[0]
        return weights / weights.sum(-1, keepdim=True)

    return windowed(*inputs, there=there, normed=normed)


def slices_from_the_end(query, key, value, slopes, window):
    """A loop that takes the slice without max(0, …)."""
    T, S = query.shape[2], key.shape[2]
    outputs, rows = [], []
    for t in range(T):
        p = S - T + t
        near = key[:, :, p - window + 1 : p + 1]
        seen = value[:, :, p - window + 1 : p + 1]
        n = near.shape[2]
        scores = (near * query[:, :, t, None]).sum(-1)
        scores = scores / query.shape[-1] ** 0.5
        scores = scores - slopes[:, None] * torch.arange(n - 1, -1, -1)
        weights = scores.softmax(-1)
        outputs.append((weights[..., None] * seen).sum(2))
        rows.append(F.pad(weights, (window - n, 0)))
    return torch.stack(outputs, 2), torch.stack(rows, 2)


def test_a_mask_from_distances_is_right():
    assert EXERCISES["09-near-keys"].diagnose(windowed) is None


@pytest.mark.parametrize(
    ("answer", "name", "parts"),
    [
        (
            keys_of_zeros_left_out,
            "a key of zeros taken for none",
            ["whole", "table"],
        ),
        (
            by_bare_exponentials,
            "exponentials that overflow",
            ["whole", "table"],
        ),
        (
            divided_after_the_softmax,
            "exponentials that overflow",
            ["whole", "table"],
        ),
        (one_key_too_few, "a window of W - 1 keys", []),
        (slices_from_the_end, "slices that begin at a negative place", []),
    ],
)
def test_windows_of_learners_are_named(answer, name, parts):
    assert named(EXERCISES["09-near-keys"], answer) == name
    assert parts_of(EXERCISES["09-near-keys"], answer) == parts


# -- a cache that rolls ------------------------------------------------------


def streamed(
    texts,
    cuts,
    model,
    window,
    slots,
    grows=lambda T, keep: T,
    wide=lambda T, window: window,
    by=lambda keep: (-keep, -keep),
):
    """The draft with its five bugs mended."""
    results = []
    for text, pieces in zip(texts, cuts, strict=True):
        B, _, D = text.shape
        key, value = torch.zeros(2, B, slots, D)
        done, outputs = 0, []
        for x in text.split(pieces, 1):
            T = x.shape[1]
            places = done + torch.arange(T)
            query = turn(x @ model["query"].T, places)
            new_key = turn(x @ model["key"].T, places)
            new_value = x @ model["value"].T
            keys = torch.cat([key, new_key], 1)
            values = torch.cat([value, new_value], 1)
            held = done - slots + torch.arange(slots + T)
            far = places[:, None] - held
            mask = (held >= 0) & (far >= 0) & (far < wide(T, window))
            outputs.append(
                F.scaled_dot_product_attention(query, keys, values, mask)
            )
            keep = min(T, slots)
            by_key, by_value = by(keep)
            key, value = key.roll(by_key, 1), value.roll(by_value, 1)
            key[:, slots - keep :] = new_key[:, T - keep :]
            value[:, slots - keep :] = new_value[:, T - keep :]
            done += grows(T, keep)
        results.append(torch.cat(outputs, 1))
    return results


def counted_by_what_is_kept(*inputs):
    return streamed(*inputs, grows=lambda T, keep: keep)


def wider_for_one(*inputs):
    return streamed(*inputs, wide=lambda T, window: window + (T == 1))


def wider_for_several(*inputs):
    return streamed(*inputs, wide=lambda T, window: window + (T > 1))


def values_the_wrong_way(*inputs):
    return streamed(*inputs, by=lambda keep: (-keep, keep))


def keys_the_wrong_way(*inputs):
    return streamed(*inputs, by=lambda keep: (keep, -keep))


def test_the_mended_draft_is_right():
    assert EXERCISES["09-stream"].diagnose(streamed) is None


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (
            counted_by_what_is_kept,
            "a long piece counted as what is kept of it",
        ),
        (wider_for_one, "a single token sees one key too many"),
        (wider_for_several, "a piece whose tokens see one key too many"),
        (values_the_wrong_way, "values rolled the wrong way"),
        (keys_the_wrong_way, "keys rolled the wrong way"),
    ],
)
def test_streams_half_mended_keep_their_points(answer, name):
    assert named(EXERCISES["09-stream"], answer) == name
    assert parts_of(EXERCISES["09-stream"], answer) == ["two", "four"]


# -- packed texts ------------------------------------------------------------


def packed(
    query,
    key,
    value,
    text,
    divided=lambda read, total: read / torch.where(total > 0, total, 1),
):
    """All scores of a row, behind a mask."""
    q, k = F.elu(query) + 1, F.elu(key) + 1
    mask = (text[:, :, None] == text[:, None]) & (text >= 0)[:, None]
    scores = torch.einsum("bthd,bshd->btsh", q, k)
    scores = scores * mask.tril()[..., None]
    read = torch.einsum("btsh,bshv->bthv", scores, value)
    output = divided(read, scores.sum(2)[..., None])
    last = (text == text.amax(1, keepdim=True)) & (text >= 0)
    k = k * last[..., None, None]
    return output, torch.einsum("bthd,bthv->bhdv", k, value), k.sum(1)


def nan_taken_out(*inputs):
    return packed(
        *inputs, divided=lambda read, total: (read / total).nan_to_num(0)
    )


def chosen_after_the_division(*inputs):
    def divided(read, total):
        return torch.where(total > 0, read / total, 0)

    return packed(*inputs, divided=divided)


def clamped_at_1(*inputs):
    return packed(
        *inputs, divided=lambda read, total: read / total.clamp(min=1)
    )


def test_scores_behind_a_mask_are_right():
    assert EXERCISES["09-packed-linear"].diagnose(packed) is None


HIDDEN = "0/0 hidden after the division"


@pytest.mark.parametrize(
    ("answer", "name", "parts"),
    [
        (nan_taken_out, HIDDEN, ["one", "several", "padding"]),
        (chosen_after_the_division, HIDDEN, ["one", "several", "padding"]),
        (clamped_at_1, "a denominator of at least 1", []),
    ],
)
def test_packed_texts_of_learners_are_named(answer, name, parts):
    assert named(EXERCISES["09-packed-linear"], answer) == name
    assert parts_of(EXERCISES["09-packed-linear"], answer) == parts


# -- pages -------------------------------------------------------------------


def with_bounds_of_the_rest(query, key, value, lengths, size, count):
    """Bounds count what stands behind the text, in pages that have begun."""
    B, H, d = query.shape
    G, S = key.shape[1:3]
    N = (S + size - 1) // size
    key, value = (x.repeat_interleave(H // G, 1) for x in (key, value))
    paged = F.pad(key, (0, 0, 0, N * size - S)).unflatten(2, (N, size))
    q = query[:, :, None].detach()
    bound = torch.maximum(q * paged.amin(3), q * paged.amax(3)).sum(-1)
    begun = (torch.arange(N) * size < lengths[:, None])[:, None]
    bound = bound.masked_fill(~begun, -torch.inf)
    best = bound.argsort(dim=-1, descending=True, stable=True)[..., :count]
    pages = torch.zeros(B, H, N).scatter(2, best, 1.0) > 0
    pages = pages & begun
    real = torch.arange(S) < lengths[:, None]
    seen = pages.repeat_interleave(size, -1)[..., :S] & real[:, None]
    scores = (query[:, :, None] @ key.mT)[:, :, 0] / d**0.5
    weights = scores.masked_fill(~seen, -torch.inf).softmax(-1)
    return (weights[:, :, None] @ value)[:, :, 0], pages


def test_bounds_of_the_rest_are_named():
    exercise = EXERCISES["09-read-pages"]
    diagnosis = exercise.diagnose(with_bounds_of_the_rest, "lengths")
    assert diagnosis.mistake == "bounds of what is not there"


# -- predictions -------------------------------------------------------------


def test_strides_without_a_second_step_are_named():
    right = EXERCISES["09-predict"].reference

    def answer(question):
        return 5 if question == "d" else right(question)

    assert (
        named(EXERCISES["09-predict"], answer)
        == "d: strides without a second step"
    )
    assert parts_of(EXERCISES["09-predict"], answer) == ["reach", "kept"]
