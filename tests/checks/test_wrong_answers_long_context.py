"""Wrong answers to the exercises of chapter 09 that are no known mistake."""

import math

import pytest
import torch
import torch.nn.functional as F
from unforeseen import assert_told_by_its_numbers
from verdicts import named, parts_of

from attnbook.checks.long_context import EXERCISES
from attnbook.checks.long_context.stream_draft import turn

# -- what nobody foresaw -----------------------------------------------------


def with_half_the_slopes(query, key, value, slopes, window):
    right = EXERCISES["09-near-keys"].reference
    return right(query, key, value, slopes / 2, window)


def with_louder_values(texts, cuts, model, window, slots):
    louder = {**model, "value": 1.3 * model["value"]}
    right = EXERCISES["09-stream"].reference
    return right(texts, cuts, louder, window, slots)


def with_values_plus_one(query, key, value, text):
    right = EXERCISES["09-packed-linear"].reference
    return right(query, key, value + 1, text)


def with_a_lower_temperature(query, key, value, lengths, size, count):
    right = EXERCISES["09-read-pages"].reference
    output, _ = right(1.4 * query, key, value, lengths, size, count)
    return output, right(query, key, value, lengths, size, count)[1]


@pytest.mark.parametrize(
    ("grade_id", "answer"),
    [
        ("09-near-keys", with_half_the_slopes),
        ("09-stream", with_louder_values),
        ("09-packed-linear", with_values_plus_one),
        ("09-read-pages", with_a_lower_temperature),
    ],
)
def test_what_nobody_foresaw_is_told_by_its_numbers(grade_id, answer):
    assert_told_by_its_numbers(EXERCISES[grade_id].diagnose(answer))


# -- near keys ---------------------------------------------------------------


def windowed(
    query,
    key,
    value,
    slopes,
    window,
    cut=lambda x, T: x[:, :, -T:],
    place=lambda T, S: torch.arange(S)[-T:],
    bias=lambda slopes, distance: -slopes[:, None, None] * distance,
):
    """Pad, unfold, and cut out the windows of the queries."""
    T, d_k = query.shape[-2:]
    near, seen = (
        cut(F.pad(x, (0, 0, window - 1, 0)).unfold(2, window, 1), T)
        for x in (key, value)
    )
    distance = torch.arange(window - 1, -1, -1)
    scores = torch.einsum("bhtd,bhtdw->bhtw", query, near) / math.sqrt(d_k)
    scores = scores + bias(slopes, distance)
    none = distance > place(T, key.shape[2])[:, None]
    weights = scores.masked_fill(none, -torch.inf).softmax(-1)
    return torch.einsum("bhtw,bhtdw->bhtd", weights, seen), weights


def the_first_windows(*inputs):
    return windowed(
        *inputs,
        cut=lambda x, T: x[:, :, :T],
        place=lambda T, S: torch.arange(T),
    )


def masked_by_the_query(*inputs):
    return windowed(*inputs, place=lambda T, S: torch.arange(T))


def unmasked(*inputs):
    return windowed(*inputs, place=lambda T, S: torch.full((T,), S))


def with_a_plus(*inputs):
    return windowed(
        *inputs,
        bias=lambda slopes, distance: slopes[:, None, None] * distance,
    )


def dense_with_a_late_window(query, key, value, slopes, window):
    T, S = query.shape[2], key.shape[2]
    place = torch.arange(S - T, S)[:, None]
    far = place - torch.arange(S)
    scores = query @ key.mT / query.shape[-1] ** 0.5
    scores = scores - slopes[:, None, None] * far
    dense = scores.masked_fill(far < 0, -torch.inf).softmax(-1)
    dense = dense * ((far >= 0) & (far < window))
    at = place - torch.arange(window - 1, -1, -1)
    index = at.clamp(min=0).expand(*dense.shape[:3], window)
    return dense @ value, dense.gather(-1, index) * (at >= 0)


def test_windows_by_unfold_are_right():
    assert EXERCISES["09-near-keys"].diagnose(windowed) is None


@pytest.mark.parametrize(
    ("answer", "name", "parts"),
    [
        (
            the_first_windows,
            "queries at the beginning of the text",
            ["whole", "table"],
        ),
        (
            masked_by_the_query,
            "a mask by the number of the query",
            ["whole", "table"],
        ),
        (unmasked, "keys of zeros in front of the text", []),
        (with_a_plus, "far keys preferred", []),
        (dense_with_a_late_window, "a window after the softmax", []),
    ],
)
def test_windows_are_told_by_what_they_do(answer, name, parts):
    assert named(EXERCISES["09-near-keys"], answer) == name
    assert parts_of(EXERCISES["09-near-keys"], answer) == parts


def test_who_forms_the_table_loses_one_point():
    def formed(query, key, value, slopes, window):
        query @ key.mT
        return windowed(query, key, value, slopes, window)

    assert parts_of(EXERCISES["09-near-keys"], formed) == ["whole", "last"]


# -- a cache that rolls ------------------------------------------------------


def streamed(
    texts,
    cuts,
    model,
    window,
    slots,
    kept=lambda slots, window: None,
    places=lambda done, T, slots: done + torch.arange(T),
    begins_anew=True,
):
    """A cache that grows and is cut, and a mask from places."""
    results, state = [], None
    for text, pieces in zip(texts, cuts, strict=True):
        if begins_anew or state is None:
            nothing = text[:, :0]
            state = nothing, nothing, 0
        outputs = []
        for x in text.split(pieces, 1):
            key, value, done = state
            T = x.shape[1]
            now = places(done, T, slots)
            query = turn(x @ model["query"].T, now)
            key = torch.cat([key, turn(x @ model["key"].T, now)], 1)
            value = torch.cat([value, x @ model["value"].T], 1)
            cut = kept(slots, window)
            seen = key if cut is None else key[:, -cut:]
            read = value if cut is None else value[:, -cut:]
            held = done + T - seen.shape[1] + torch.arange(seen.shape[1])
            far = now[:, None] - held
            mask = (far >= 0) & (far < window)
            outputs.append(
                F.scaled_dot_product_attention(query, seen, read, mask)
            )
            state = key[:, -slots:], value[:, -slots:], done + T
        results.append(torch.cat(outputs, 1))
    return results


def cut_first(*inputs):
    return streamed(*inputs, kept=lambda slots, window: slots)


def places_in_the_buffer(*inputs):
    return streamed(
        *inputs,
        places=lambda done, T, slots: min(done, slots) + torch.arange(T),
    )


def places_around(*inputs):
    return streamed(
        *inputs, places=lambda done, T, slots: done % slots + torch.arange(T)
    )


def places_of_the_piece(*inputs):
    return streamed(*inputs, places=lambda done, T, slots: torch.arange(T))


def goes_on(*inputs):
    return streamed(*inputs, begins_anew=False)


def as_wide_as_the_buffer(texts, cuts, model, window, slots):
    return streamed(texts, cuts, model, slots, slots)


def test_a_cache_that_is_cut_is_right():
    assert EXERCISES["09-stream"].diagnose(streamed) is None


def test_a_tuple_of_outputs_is_as_good_as_a_list():
    def as_a_tuple(*inputs):
        return tuple(streamed(*inputs))

    assert EXERCISES["09-stream"].diagnose(as_a_tuple) is None


def test_a_buffer_that_holds_the_window_alone_is_right():
    def smaller(texts, cuts, model, window, slots):
        return streamed(texts, cuts, model, window, window)

    assert EXERCISES["09-stream"].diagnose(smaller) is None


@pytest.mark.parametrize(
    ("answer", "name", "parts"),
    [
        (
            cut_first,
            "the prompt trimmed before attention",
            ["two", "four"],
        ),
        (
            places_in_the_buffer,
            "positions counted in the buffer",
            ["two", "four"],
        ),
        (
            places_around,
            "positions counted around the buffer",
            ["two", "four"],
        ),
        (
            places_of_the_piece,
            "positions that begin anew with each piece",
            ["two", "four"],
        ),
        (goes_on, "positions that are not reset", ["two", "four"]),
        (
            as_wide_as_the_buffer,
            "the buffer taken for the window",
            ["two", "four"],
        ),
    ],
)
def test_streams_are_told_by_what_they_do(answer, name, parts):
    assert named(EXERCISES["09-stream"], answer) == name
    assert parts_of(EXERCISES["09-stream"], answer) == parts


@pytest.mark.parametrize("wrong", [3, None, torch.zeros(1, 5, 2)])
def test_a_stream_of_another_form_is_asked_for_a_list(wrong):
    diagnosis = EXERCISES["09-stream"].diagnose(lambda *inputs: wrong)
    assert "a list with a tensor (B, n, D)" in diagnosis.message


# -- packed texts ------------------------------------------------------------


def token_by_token(
    query,
    key,
    value,
    text,
    begins=lambda now, before, seen: now >= 0 and now != seen,
    adds=lambda now: now >= 0,
    adds_below=lambda now: now >= 0,
    divides=lambda read, total: read / (total + 1e-6),
    writes=lambda now: now >= 0,
):
    """A state that goes from token to token of each row."""
    B, _, H, d_k = query.shape
    q, k = F.elu(query) + 1, F.elu(key) + 1
    found = []
    for b in range(B):
        pairs = torch.zeros(H, d_k, value.shape[-1])
        keys, rows, seen, before = torch.zeros(H, d_k), [], -1, -1
        for t, now in enumerate(text[b].tolist()):
            if begins(now, before, seen):
                pairs, keys = torch.zeros_like(pairs), torch.zeros_like(keys)
            before, seen = now, max(seen, now)
            if adds(now):
                pairs = pairs + k[b, t, ..., None] * value[b, t, :, None]
            if adds_below(now):
                keys = keys + k[b, t]
            read = torch.einsum("hd,hdv->hv", q[b, t], pairs)
            total = (q[b, t] * keys).sum(-1, keepdim=True)
            output = divides(read, total)
            rows.append(output if writes(now) else torch.zeros_like(read))
        found.append((torch.stack(rows), pairs, keys))
    return tuple(torch.stack(each) for each in zip(*found, strict=True))


def along_the_heads(query, key, value, text):
    """As it was published: the layout was taken for (B, H, T, d)."""
    q, k = F.elu(query) + 1, F.elu(key) + 1
    pairs = torch.einsum("bthd,bthv->bthdv", k, value).cumsum(2)
    keys = k.cumsum(2)
    total = (q * keys).sum(-1, keepdim=True)
    output = torch.einsum("bthd,bthdv->bthv", q, pairs) / total
    return output, pairs[:, -1], keys[:, -1]


def never_anew(*inputs):
    return token_by_token(*inputs, begins=lambda now, before, seen: False)


def anew_at_padding(*inputs):
    return token_by_token(
        *inputs, begins=lambda now, before, seen: now != before
    )


def padding_below(*inputs):
    return token_by_token(*inputs, adds_below=lambda now: True)


def padding_in_both(*inputs):
    return token_by_token(
        *inputs, adds=lambda now: True, adds_below=lambda now: True
    )


def padding_writes(*inputs):
    return token_by_token(*inputs, writes=lambda now: True)


def detached(*inputs):
    return token_by_token(
        *inputs, divides=lambda read, total: read / (total.detach() + 1e-6)
    )


def multiplied(*inputs):
    return token_by_token(*inputs, divides=lambda read, total: read * total)


def bare(*inputs):
    return token_by_token(*inputs, divides=lambda read, total: read / total)


def test_a_small_number_below_is_right():
    assert EXERCISES["09-packed-linear"].diagnose(token_by_token) is None


@pytest.mark.parametrize(
    ("answer", "name", "parts"),
    [
        (along_the_heads, "running sums over the heads", []),
        (never_anew, "one state for the whole row", ["one"]),
        (
            anew_at_padding,
            "a text cut at its padding",
            ["one", "several", "gradients"],
        ),
        (
            padding_below,
            "padding left in the denominator",
            ["one", "several", "gradients"],
        ),
        (
            padding_in_both,
            "padding that is read",
            ["one", "several", "gradients"],
        ),
        (
            padding_writes,
            "padding that reads",
            ["one", "several", "gradients"],
        ),
        (
            detached,
            "no gradient through the denominator",
            ["one", "several", "padding"],
        ),
        (multiplied, "multiplied by the denominator", []),
        (
            bare,
            "nothing divided by nothing",
            ["one", "several"],
        ),
    ],
)
def test_packed_texts_are_told_by_what_they_do(answer, name, parts):
    # "all sizes alike" ends with padding, so that "several" sees some too.
    found = parts_of(EXERCISES["09-packed-linear"], answer)
    assert named(EXERCISES["09-packed-linear"], answer) == name
    assert [part for part in parts if part != "several"] == [
        part for part in found if part != "several"
    ]


# -- pages -------------------------------------------------------------------


def page_by_page(
    query,
    key,
    value,
    lengths,
    size,
    count,
    bound=lambda q, page: torch.maximum(
        q * page.amin(0), q * page.amax(0)
    ).sum(),
    group=lambda h, H, G: h // (H // G),
    end=lambda length, S: length,
    pick=lambda bounds, count: bounds.argsort(
        dim=0, descending=True, stable=True
    )[:count],
):
    """A loop over rows and heads."""
    B, H, d_k = query.shape
    G, S = key.shape[1:3]
    pages = torch.zeros(B, H, -(-S // size), dtype=torch.bool)
    outputs = []
    for b in range(B):
        length = end(int(lengths[b]), S)
        for h in range(H):
            q, g = query[b, h], group(h, H, G)
            parts = key[b, g, :length].split(size)
            bounds = torch.stack([bound(q, page) for page in parts])
            best = pick(bounds, count)
            pages[b, h, best] = True
            seen = pages[b, h].repeat_interleave(size)[:length]
            scores = key[b, g, :length][seen] @ q / math.sqrt(d_k)
            outputs.append(scores.softmax(0) @ value[b, g, :length][seen])
    return torch.stack(outputs).view(B, H, -1), pages


def by_the_largest(*inputs):
    return page_by_page(
        *inputs, bound=lambda q, page: (q * page.amax(0)).sum()
    )


def by_the_mean(*inputs):
    return page_by_page(*inputs, bound=lambda q, page: q @ page.mean(0))


def by_the_best_key(*inputs):
    return page_by_page(*inputs, bound=lambda q, page: (page @ q).max())


def of_two_sums(*inputs):
    return page_by_page(
        *inputs,
        bound=lambda q, page: torch.maximum(
            q @ page.amin(0), q @ page.amax(0)
        ),
    )


def heads_around(*inputs):
    return page_by_page(*inputs, group=lambda h, H, G: h % G)


def to_the_end_of_the_buffer(*inputs):
    return page_by_page(*inputs, end=lambda length, S: S)


def a_window_of_pages(*inputs):
    return page_by_page(
        *inputs,
        pick=lambda bounds, count: torch.arange(len(bounds))[-count:],
    )


def as_many_as_there_are(*inputs):
    return page_by_page(
        *inputs, pick=lambda bounds, count: bounds.topk(count).indices
    )


def the_later_of_equals(*inputs):
    return page_by_page(
        *inputs,
        pick=lambda bounds, count: (
            len(bounds)
            - 1
            - bounds.flip(0).argsort(dim=0, descending=True, stable=True)[
                :count
            ]
        ),
    )


def test_a_loop_over_pages_is_right():
    assert EXERCISES["09-read-pages"].diagnose(page_by_page) is None


@pytest.mark.parametrize(
    ("answer", "name", "parts"),
    [
        (by_the_largest, "the largest numbers alone", []),
        (by_the_mean, "the mean key in place of a bound", []),
        (by_the_best_key, "the best score of each page", []),
        (of_two_sums, "the larger of two sums", []),
        (heads_around, "heads that share keys in the wrong order", []),
        (
            to_the_end_of_the_buffer,
            "what other texts have left is read",
            ["output"],
        ),
        (a_window_of_pages, "the last pages", []),
        (
            as_many_as_there_are,
            "more pages asked for than there are",
            ["pages", "output", "gradients"],
        ),
        (
            the_later_of_equals,
            "of equal bounds the later page",
            ["pages", "output", "gradients"],
        ),
    ],
)
def test_pages_are_told_by_what_they_do(answer, name, parts):
    assert named(EXERCISES["09-read-pages"], answer) == name
    assert parts_of(EXERCISES["09-read-pages"], answer) == parts


def test_the_bound_is_never_below_a_score():
    case = EXERCISES["09-read-pages"].cases[1]
    query, key, _, _, size, _ = case.arguments
    paged = key.unflatten(2, (-1, size))  # (B, G, N, size, d)
    q = query[:, :, None, None]
    low, high = paged.amin(3), paged.amax(3)
    bound = torch.maximum(q[:, :, 0] * low, q[:, :, 0] * high).sum(-1)
    scores = (q * paged).sum(-1)  # as many heads here as heads of keys
    assert (scores.amax(-1) <= bound + 1e-5).all()


# -- predictions -------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "wrong", "name"),
    [
        ("a", 13, "a: W tokens further with each layer"),
        ("a", 14, "a: a layer too few"),
        ("b", 7, "b: one step back in each layer"),
        ("b", 50, "b: windows without gaps"),
        ("c", 800, "c: full windows at the start"),
        ("c", 864, "c: windows of W + 1 keys"),
        ("d", 1, "d: one of the two ways"),
        ("e", 190, "e: a full block at the end"),
        ("e", 183, "e: a compressed block that is not whole"),
        ("f", 31.25, "f: the sum of the keys forgotten"),
        ("f", 15.38, "f: keys alone"),
    ],
)
def test_a_wrong_number_is_told_by_what_gives_it(asked, wrong, name):
    def predict(question):
        return wrong if question == asked else exercise.reference(question)

    exercise = EXERCISES["09-predict"]
    assert exercise.diagnose(predict).mistake == name
