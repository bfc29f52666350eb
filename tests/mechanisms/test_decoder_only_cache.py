"""With a cache or without: the same logits, whatever is asked of it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook.mechanisms.decoder_only import (
    BLOCK_2018,
    BLOCK_TODAY,
    Cache,
    DecoderOnly,
    Design,
    chooser,
    generate,
)

V, D, H, L, LONGEST = 13, 16, 4, 2, 14
DESIGNS = {
    "2018": BLOCK_2018,
    "today": BLOCK_TODAY,
    "rotary": Design(positions="rotary"),
    "tied, QK-norm": Design(tied=True, qk_norm=True),
}
designs = pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
names = st.sampled_from(list(DESIGNS))
precisions = pytest.mark.parametrize(
    ("dtype", "close"),
    [
        (torch.float32, {"rtol": 1e-4, "atol": 2e-5}),
        (torch.float64, {"rtol": 1e-9, "atol": 1e-11}),
    ],
    ids=["float32", "float64"],
)


def decoder(design=BLOCK_2018, dtype=torch.float64):
    torch.manual_seed(0)
    model = DecoderOnly(V, D, H, L, LONGEST, design=design).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


MODELS = {name: decoder(design) for name, design in DESIGNS.items()}


def text(rows, length=LONGEST, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(V, (rows, length), generator=draw)


def read(model, cache, rows):
    """Read a list of new tokens for each row; the logits of the real ones."""
    counts = torch.tensor([len(row) for row in rows])
    ids = torch.full((len(rows), max(1, int(counts.max()))), V - 1)
    for row, new in enumerate(rows):
        ids[row, : len(new)] = torch.tensor(new, dtype=torch.long)
    logits, weights = model(ids, cache, counts)
    return [
        logits[row, :count] for row, count in enumerate(counts.tolist())
    ], weights


def uncached(model, row):
    return model(torch.tensor([row]))[0][0]


@designs
@precisions
def test_prompts_of_different_length_read_at_once_and_token_by_token(
    design, dtype, close
):
    model, lengths = decoder(design, dtype), [2, 7, 4, 1]
    ids = text(4).tolist()
    cache = Cache(model, 4)
    prompts = [row[:length] for row, length in zip(ids, lengths, strict=True)]
    found, _ = read(model, cache, prompts)
    for step in range(LONGEST - max(lengths)):
        new = [
            [row[length + step]]
            for row, length in zip(ids, lengths, strict=True)
        ]
        logits, _ = read(model, cache, new)
        found = [torch.cat(pair) for pair in zip(found, logits, strict=True)]
    for row, logits in zip(ids, found, strict=True):
        expected = uncached(model, row)[: len(logits)]
        torch.testing.assert_close(logits, expected, **close)
    assert cache.lengths.tolist() == [9, 14, 11, 8]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), name=names, rows=st.integers(1, 4))
def test_chunks_of_any_size_in_any_row(data, name, rows):
    """A row may even rest, with a count of 0, while others are read."""
    model, ids = MODELS[name], text(rows).tolist()
    cache, found = Cache(model, rows), [[] for _ in range(rows)]
    while int(cache.lengths.max()) < LONGEST:
        new = []
        for row, length in enumerate(cache.lengths.tolist()):
            size = data.draw(st.integers(0, min(5, LONGEST - length)))
            new.append(ids[row][length : length + size])
        if not any(new):
            new[0] = ids[0][int(cache.lengths[0]) :][:1]
            if not new[0]:
                break
        logits, _ = read(model, cache, new)
        for row, of_row in enumerate(logits):
            found[row].append(of_row)
    for row, of_row in enumerate(found):
        got = torch.cat(of_row)
        expected = uncached(model, ids[row])[: len(got)]
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-11)


@settings(max_examples=40, deadline=None)
@given(
    name=names,
    first=st.lists(st.integers(1, 9), min_size=2, max_size=3),
    data=st.data(),
)
def test_a_rewound_cache_remembers_nothing_of_what_it_forgot(
    name, first, data
):
    model, rows = MODELS[name], len(first)
    old, new = text(rows).tolist(), text(rows, seed=1).tolist()
    cache = Cache(model, rows)
    read(model, cache, [row[:n] for row, n in zip(old, first, strict=True)])
    kept = [data.draw(st.integers(0, n)) for n in first]
    cache.rewind(torch.tensor(kept))
    logits, _ = read(model, cache, [row[:4] for row in new])
    for row, n in enumerate(kept):
        expected = uncached(model, old[row][:n] + new[row][:4])[n:]
        torch.testing.assert_close(
            logits[row], expected, rtol=1e-9, atol=1e-11
        )


@designs
def test_the_weights_are_those_without_a_cache(design):
    model, ids = decoder(design), text(2)
    cache = Cache(model, 2)
    model(ids[:, :5], cache)
    _, weights = model(ids[:, 5:9], cache)
    _, expected = model(ids[:, :9])
    for got, whole in zip(weights, expected, strict=True):
        assert got.shape == (2, H, 4, 9)
        torch.testing.assert_close(got, whole[:, :, 5:])


def test_a_short_row_puts_no_weight_on_what_only_the_long_one_has():
    model, ids = decoder(), text(2).tolist()
    cache = Cache(model, 2)
    _, weights = read(model, cache, [ids[0][:3], ids[1][:8]])
    assert all((of_block[0, :, :3, 3:] == 0).all() for of_block in weights)
    _, weights = read(model, cache, [[1], [2]])
    for of_block in weights:
        assert of_block.shape == (2, H, 1, 9)
        assert (of_block[0, ..., 4:] == 0).all()
        assert (of_block[0, ..., :4] > 0).all()


@designs
def test_branches_of_a_fork_grow_apart(design):
    model, ids = decoder(design), text(2).tolist()
    cache = Cache(model, 2)
    read(model, cache, [ids[0][:3], ids[1][:5]])
    fork = cache.rows([1, 1, 0])
    assert fork.lengths.tolist() == [5, 5, 3] and len(fork) == 3
    logits, _ = read(model, fork, [[1, 2], [3], [4]])
    for got, row in zip(
        logits,
        [[*ids[1][:5], 1, 2], [*ids[1][:5], 3], [*ids[0][:3], 4]],
        strict=True,
    ):
        torch.testing.assert_close(got, uncached(model, row)[-len(got) :])
    logits, _ = read(model, cache, [[5], [6]])  # the trunk is as it was
    for got, row in zip(
        logits, [[*ids[0][:3], 5], [*ids[1][:5], 6]], strict=True
    ):
        torch.testing.assert_close(got, uncached(model, row)[-1:])


def test_padding_is_not_written():
    model = decoder()
    cache = Cache(model, 2)
    read(model, cache, [[1, 2, 3], [4]])
    assert (cache.keys[:, 1, :, 1:] == 0).all()
    assert (cache.values[:, 0, :, 2] != 0).any()


def test_a_full_row_may_rest_while_another_is_read():
    """Padding behind the last position must not fail, nor be stored."""
    for model in MODELS.values():
        ids = text(2).tolist()
        cache = Cache(model, 2)
        read(model, cache, [ids[0], ids[1][:10]])
        logits, _ = read(model, cache, [[], ids[1][10:]])
        torch.testing.assert_close(logits[1], uncached(model, ids[1])[10:])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_bytes_are_those_of_the_formula(dtype):
    model = decoder(dtype=dtype)
    cache = Cache(model, 3)
    assert cache.bytes() == 2 * L * 3 * LONGEST * D * dtype.itemsize
    storages = (cache.keys.untyped_storage(), cache.values.untyped_storage())
    assert cache.bytes() == sum(each.nbytes() for each in storages)
    assert cache.rows([0]).bytes() == cache.bytes() // 3


@designs
@pytest.mark.parametrize("seed", range(3))
def test_generating_is_the_same_with_and_without_a_cache(design, seed):
    model = decoder(design)
    prompts = [[1], [2, 3, 4, 5, 6], [7, 8]]

    def written(cache):
        draw = chooser(torch.Generator().manual_seed(seed), 0.8, p=0.9)
        return generate(model, prompts, 9, draw, cache)

    assert written(True) == written(False)
    assert [len(row) for row in written(True)] == [9, 9, 9]


def test_rows_are_drawn_independently():
    """The first sampled token must not be shared by equal prompts."""
    model = decoder()
    draw = chooser(torch.Generator().manual_seed(0), temperature=5.0)
    found = generate(model, [[1, 2]] * 40, 1, draw)
    assert len({row[0] for row in found}) > 3


def test_greedy_choice_of_a_row_does_not_depend_on_its_neighbours():
    model = decoder()
    prompts = [[1], [2, 3, 4, 5, 6], [7, 8]]

    def greedy(logits):
        return logits.argmax(-1)

    together = generate(model, prompts, 8, greedy)
    alone = [generate(model, [prompt], 8, greedy)[0] for prompt in prompts]
    assert together == alone


def test_no_gradient_is_kept_through_a_cache():
    model = decoder()
    logits, weights = model(text(2)[:, :4], Cache(model, 2))
    assert not logits.requires_grad and not weights[0].requires_grad


def test_more_tokens_than_there_is_room_for_are_refused():
    model = decoder()
    cache = Cache(model, 2)
    model(text(2), cache)
    with pytest.raises(ValueError, match="room for 14"):
        model(text(2)[:, :1], cache)
    assert cache.lengths.tolist() == [14, 14]


def test_a_batch_of_another_size_is_refused():
    model = decoder()
    with pytest.raises(ValueError, match=r"ids has shape .*\(2, T\)"):
        model(text(3), Cache(model, 2))


def test_rewinding_forwards_is_refused():
    model = decoder()
    cache = Cache(model, 2)
    model(text(2)[:, :3], cache)
    for lengths in (4, -1, torch.tensor([0, 4])):
        with pytest.raises(ValueError, match=r"\[3, 3\]"):
            cache.rewind(lengths)
    cache.rewind(1)
    assert cache.lengths.tolist() == [1, 1]


def test_what_cannot_be_generated_is_refused():
    model = decoder()

    def greedy(logits):
        return logits.argmax(-1)

    for prompts, count, message in [
        ([], 1, "no prompt"),
        ([[1], []], 1, "empty"),
        ([[1]], 0, "count is 0"),
        ([[1] * 10], 6, "15 tokens would be read"),
    ]:
        with pytest.raises(ValueError, match=message):
            generate(model, prompts, count, greedy)
    assert len(generate(model, [[1] * 10], 5, greedy)[0]) == 5
    with pytest.raises(ValueError, match="batch is 0"):
        Cache(model, 0)
