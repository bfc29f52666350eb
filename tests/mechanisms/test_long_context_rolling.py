"""A rolling cache: the same as a window without a cache, in any chunks."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook.mechanisms.decoder_only import (
    BLOCK_2018,
    DecoderOnly,
    Design,
    generate,
)
from attnbook.mechanisms.long_context import (
    PatternDecoder,
    RollingCache,
    sink_mask,
)
from attnbook.mechanisms.positions import rope_angles, rotate

V, D, H, L, LONGEST = 11, 16, 4, 2, 20
ROTARY = Design(positions="rotary")
CLOSE = {"rtol": 1e-9, "atol": 1e-11}


def decoder(design=ROTARY, layers=L):
    torch.manual_seed(0)
    model = DecoderOnly(V, D, H, layers, LONGEST, design=design).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


MODELS = {"rotary": decoder(), "learned": decoder(BLOCK_2018)}


def text(rows, length=LONGEST, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(V, (rows, length), generator=draw)


def uncached(model, ids, window, sinks):
    """Logits of the same weights under the mask, without a cache."""
    masked = PatternDecoder(
        V,
        D,
        H,
        [lambda T: sink_mask(T, window, sinks)] * len(model.blocks),
        max(LONGEST, ids.shape[1]),
        design=model.design,
    ).to(model.token_embedding.weight)
    masked.load_state_dict(model.state_dict())
    with torch.no_grad():
        return masked(ids)[0]


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    name=st.sampled_from(list(MODELS)),
    window=st.integers(2, 9),
    sinks=st.integers(0, 4),
    rows=st.integers(1, 3),
)
def test_chunks_of_any_size_in_any_row(data, name, window, sinks, rows):
    """Prompts of different length, chunks longer and shorter than W."""
    model, ids = MODELS[name], text(rows)
    cache = RollingCache(model, rows, window, sinks)
    found = [[] for _ in range(rows)]
    while int(cache.lengths.min()) < LONGEST:
        left = (LONGEST - cache.lengths).tolist()
        counts = [data.draw(st.integers(0, min(13, rest))) for rest in left]
        if not any(counts):
            counts = [min(1, rest) for rest in left]
        new = torch.full((rows, max(counts)), V - 1)
        for row, count in enumerate(counts):
            start = int(cache.lengths[row])
            new[row, :count] = ids[row, start : start + count]
        logits, _ = model(new, cache, torch.tensor(counts))
        for row, count in enumerate(counts):
            found[row].append(logits[row, :count])
    got = torch.stack([torch.cat(of_row) for of_row in found])
    expected = uncached(model, ids, window, sinks)
    torch.testing.assert_close(got, expected, **CLOSE)


@pytest.mark.parametrize("prompt", [1, 2, 4, 5, 6, 11, 19])
@pytest.mark.parametrize("sinks", [0, 1, 3])
def test_a_prompt_of_any_length_then_token_by_token(prompt, sinks):
    model, ids, window = MODELS["rotary"], text(2), 5
    cache = RollingCache(model, 2, window, sinks)
    parts = [ids[:, :prompt], *ids[:, prompt:].split(1, 1)]
    got = torch.cat([model(part, cache)[0] for part in parts], 1)
    expected = uncached(model, ids, window, sinks)
    torch.testing.assert_close(got, expected, **CLOSE)


def test_float32_agrees_too():
    model, ids = decoder().float(), text(2)
    cache = RollingCache(model, 2, 6, 1)
    got = torch.cat([model(p, cache)[0] for p in ids.split(7, 1)], 1)
    torch.testing.assert_close(
        got, uncached(model, ids, 6, 1), rtol=1e-4, atol=1e-4
    )


def test_it_holds_w_minus_one_tokens_and_the_sinks_however_long_the_text():
    model, ids = MODELS["rotary"], text(1, 500)
    cache = RollingCache(model, 1, 8, 2)
    size = cache.bytes()
    for part in ids.split(50, 1):
        model(part, cache)
        assert cache.bytes() == size
    assert size == 2 * L * H * (2 + 7) * (D // H) * 8
    assert sorted(cache.positions[0].tolist()) == [0, 1, *range(493, 500)]
    assert cache.lengths.tolist() == [500]


def test_it_has_room_for_more_than_the_model_s_longest_if_rotary():
    ids = text(1, 3 * LONGEST)
    cache = RollingCache(MODELS["rotary"], 1, 5)
    got, _ = MODELS["rotary"](ids, cache)
    torch.testing.assert_close(
        got, uncached(MODELS["rotary"], ids, 5, 0), **CLOSE
    )
    cache = RollingCache(MODELS["learned"], 1, 5)
    with pytest.raises(ValueError, match=f"for {LONGEST}, its `longest`"):
        MODELS["learned"](ids, cache)


def test_an_empty_slot_is_nobody_s_key():
    cache = RollingCache(MODELS["rotary"], 2, 5, 2)
    assert (cache.positions == -1).all()
    assert not cache.places(1).mask[..., :-1].any()
    MODELS["rotary"](text(2, 3), cache, torch.tensor([3, 1]))
    assert cache.positions.tolist() == [
        [0, 1, 2, -1, -1, -1],
        [0, -1, -1, -1, -1, -1],
    ]


def test_a_fork_grows_apart_from_the_row_it_came_from():
    model, ids = MODELS["rotary"], text(1)
    cache = RollingCache(model, 1, 4, 1)
    model(ids[:, :9], cache)
    fork = cache.rows([0, 0])
    other = torch.tensor([[1], [2]])
    got, _ = model(other, fork)
    assert cache.lengths.tolist() == [9] and fork.lengths.tolist() == [10, 10]
    for row in range(2):
        whole = torch.cat([ids[:, :9], other[row : row + 1]], 1)
        torch.testing.assert_close(
            got[row, 0], uncached(model, whole, 4, 1)[0, -1], **CLOSE
        )


def sinks_close(model, ids, window, sinks):
    """One layer, query by query, with distances counted in the cache."""
    (block,) = model.blocks
    attention, size = block.attention, D // H
    x = model.token_embedding(ids)
    normed = block.attention_norm(x)
    q, k, v = (
        project(normed)[0].unflatten(-1, (H, size)).transpose(0, 1)
        for project in (
            attention.query_projection,
            attention.key_projection,
            attention.value_projection,
        )
    )  # (H, T, d)
    outputs = []
    for t in range(ids.shape[1]):
        seen = [s for s in range(t + 1) if s < sinks or t - s < window]
        place = torch.arange(len(seen))  # in the cache
        turned = rotate(k[:, seen], rope_angles(place, size), False)
        own = rotate(q[:, t, None], rope_angles(place[-1:], size), False)
        weights = (own @ turned.mT / size**0.5).softmax(-1)
        outputs.append((weights @ v[:, seen])[:, 0].flatten())
    x = x + attention.output_projection(torch.stack(outputs))
    x = x + block.feed_forward(block.feed_forward_norm(x))
    return model.logits(x)


@pytest.mark.parametrize("sinks", [0, 1, 3])
def test_sinks_that_move_along_have_the_positions_of_the_cache(sinks):
    model, ids = decoder(layers=1), text(1, 40)
    cache = RollingCache(model, 1, 6, sinks, close=True)
    parts = [ids[:, : 6 + sinks], *ids[:, 6 + sinks :].split(1, 1)]
    got = torch.cat([model(part, cache)[0] for part in parts], 1)
    with torch.no_grad():
        expected = sinks_close(model, ids, 6, sinks)
    torch.testing.assert_close(got, expected, **CLOSE)


def test_without_sinks_it_makes_no_difference_where_distances_are_counted():
    model, ids = MODELS["rotary"], text(2, 40)
    found = []
    for close in (False, True):
        cache = RollingCache(model, 2, 6, close=close)
        found.append(
            torch.cat([model(part, cache)[0] for part in ids.split(1, 1)], 1)
        )
    torch.testing.assert_close(*found, **CLOSE)


def test_what_a_rolling_cache_cannot_do_is_refused():
    model = MODELS["rotary"]
    for sizes, message in [
        ((0, 5), "batch is 0"),
        ((1, 1), "window is 1"),
        ((1, 5, -1), "sinks is -1"),
    ]:
        with pytest.raises(ValueError, match=message):
            RollingCache(model, *sizes)
    with pytest.raises(ValueError, match="learned positions"):
        RollingCache(MODELS["learned"], 1, 5, 1, close=True)
    cache = RollingCache(model, 1, 3, 1, close=True)
    with pytest.raises(ValueError, match="one by one"):
        model(text(1, 9), cache)
    model(text(1, 3), cache)
    with pytest.raises(ValueError, match="cannot be rewound"):
        cache.rewind(1)


def test_a_window_as_long_as_the_text_generates_as_a_full_cache_does():
    model = MODELS["rotary"]

    def likeliest(logits):
        return logits.argmax(-1)

    prompt = text(1, 4)[0].tolist()
    expected = generate(model, [prompt], 9, likeliest)[0]
    cache, ids = RollingCache(model, 1, LONGEST), torch.tensor([prompt])
    written = []
    for _ in range(9):
        logits, _ = model(ids, cache)
        ids = likeliest(logits[:, -1:])
        written.append(int(ids))
    assert written == expected


def test_layers_may_read_by_patterns_of_their_own():
    torch.manual_seed(0)
    patterns = [lambda T: sink_mask(T, 2, 0), lambda T: sink_mask(T, 3, 1)]
    model = PatternDecoder(V, D, H, patterns, LONGEST, design=ROTARY)
    _, weights = model(text(2, 7))
    for of_layer, pattern in zip(weights, patterns, strict=True):
        assert torch.equal(of_layer[0, 0] > 0, pattern(7))


def test_a_pattern_of_all_keys_is_the_decoder_without_one():
    for model in MODELS.values():
        got = uncached(model, text(2), LONGEST, 0)
        torch.testing.assert_close(got, model(text(2))[0], **CLOSE)
