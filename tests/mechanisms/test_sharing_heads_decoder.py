"""A decoder that shares keys: the same with a cache, and smaller."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from attnbook.mechanisms.decoder_only import (
    BLOCK_2018,
    BLOCK_TODAY,
    Cache,
    DecoderOnly,
    Design,
    generate,
)
from attnbook.mechanisms.multi_head import MultiHeadAttention
from attnbook.mechanisms.positions import rope_angles
from attnbook.mechanisms.sharing_heads import (
    GroupedQueryAttention,
    LatentDecoder,
    SharingDecoder,
    pooled,
    pooled_decoder,
    pooled_rows,
    repeat_heads,
    storage_bytes,
)

V, D, H, L, LONGEST = 13, 16, 4, 4, 14
ROTARY = Design("rms", positions="rotary")
CLOSE = {"rtol": 1e-9, "atol": 1e-11}


def shaken(model, dtype=torch.float64):
    """With weights that are large enough to matter, and with biases."""
    torch.manual_seed(1)
    model = model.to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def sharing(num_kv_heads=2, owners=None, design=ROTARY):
    return shaken(
        SharingDecoder(
            V, D, H, L, LONGEST, num_kv_heads, owners, design=design
        )
    )


def latent(d_latent=6, d_rotary=2, design=ROTARY):
    return shaken(
        LatentDecoder(V, D, H, L, LONGEST, d_latent, d_rotary, design=design)
    )


MODELS = {
    "multi-query": sharing(1),
    "groups": sharing(2, design=BLOCK_TODAY),
    "groups, learned positions": sharing(2, design=BLOCK_2018),
    "layers by pairs": sharing(4, (0, 0, 2, 2)),
    "groups, and the last layers share": sharing(2, (0, 1, 1, 1)),
    "latents": latent(),
    "latents, learned positions": latent(6, 0, BLOCK_2018),
}
NUMBERS = {  # cached for a token, in all layers
    "multi-query": L * 2 * 4,
    "groups": L * 2 * 2 * 4,
    "groups, learned positions": L * 2 * 2 * 4,
    "layers by pairs": 2 * 2 * 4 * 4,
    "groups, and the last layers share": 2 * 2 * 2 * 4,
    "latents": L * (6 + 2),
    "latents, learned positions": L * 6,
}
models = pytest.mark.parametrize("name", MODELS)


def text(rows, length=LONGEST, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(V, (rows, length), generator=draw)


@models
def test_prompts_of_different_length_read_in_chunks_and_token_by_token(name):
    model, ids = MODELS[name], text(3)
    lengths = torch.tensor([2, 6, 1])
    cache = Cache(model, 3)
    first, _ = model(ids[:, :6], cache, lengths)
    found = [[first[row, :n]] for row, n in enumerate(lengths)]
    for size in (1, 3, 1, 1):
        at = cache.lengths[:, None] + torch.arange(size)
        logits, _ = model(ids.gather(1, at), cache)
        for row in range(3):
            found[row].append(logits[row])
    for row in range(3):
        got = torch.cat(found[row])
        expected, _ = model(ids[row : row + 1, : len(got)])
        torch.testing.assert_close(got, expected[0], **CLOSE)


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(list(MODELS)), n=st.integers(1, 8), data=st.data())
def test_a_rewound_cache_remembers_nothing_of_what_it_forgot(name, n, data):
    model, old, new = MODELS[name], text(2), text(2, seed=1)
    cache = Cache(model, 2)
    model(old[:, :n], cache)
    kept = data.draw(st.integers(0, n))
    cache.rewind(kept)
    logits, _ = model(new[:, :4], cache)
    whole = torch.cat([old[:, :kept], new[:, :4]], dim=1)
    expected, _ = model(whole)
    torch.testing.assert_close(logits, expected[:, kept:], **CLOSE)


@pytest.mark.parametrize("absorbs", [True, False])
def test_latents_are_read_in_either_form(absorbs):
    model, ids = latent(), text(2)
    for block in model.blocks:
        block.attention.absorbs = absorbs
    cache = Cache(model, 2)
    found = [model(ids[:, at : at + 7], cache)[0] for at in (0, 7)]
    torch.testing.assert_close(torch.cat(found, 1), model(ids)[0], **CLOSE)


@models
def test_generating_is_the_same_with_and_without_a_cache(name):
    model, prompts = MODELS[name], [[1], [2, 3, 4, 5, 6], [7, 8]]

    def greedy(logits):
        return logits.argmax(-1)

    assert generate(model, prompts, 8, greedy) == generate(
        model, prompts, 8, greedy, cache=False
    )


@models
def test_the_bytes_of_the_cache_are_those_of_the_formula(name):
    model = MODELS[name]
    cache = Cache(model, 3)
    expected = NUMBERS[name] * 3 * LONGEST * 8
    assert cache.bytes() == expected
    assert storage_bytes([cache.keys, cache.values]) == expected


@models
def test_future_tokens_cannot_change_the_past(name):
    model, ids = MODELS[name], text(2)
    other = ids.clone()
    other[:, 7:] = (other[:, 7:] + 1) % V
    before, after = model(ids)[0], model(other)[0]
    torch.testing.assert_close(before[:, :7], after[:, :7])
    assert not torch.allclose(before[:, 7:], after[:, 7:])


@pytest.mark.parametrize("design", [BLOCK_2018, BLOCK_TODAY, ROTARY])
def test_with_heads_and_layers_of_their_own_it_is_the_decoder(design):
    plain = shaken(DecoderOnly(V, D, H, L, LONGEST, design=design))
    same = SharingDecoder(V, D, H, L, LONGEST, design=design).double()
    same.load_state_dict(plain.state_dict())
    torch.testing.assert_close(same(text(2))[0], plain(text(2))[0], **CLOSE)
    assert same.cache_sizes == plain.cache_sizes


def test_a_block_without_keys_has_no_weights_for_them():
    model = sharing(2, (0, 0, 2, 2))
    names = dict(model.named_parameters())
    for layer, owns in enumerate((True, False, True, False)):
        name = f"blocks.{layer}.attention.key_projection.weight"
        assert (name in names) == owns


def test_layers_that_share_read_the_keys_of_their_owner():
    """The same as a model in which the copies are written out."""
    model = sharing(2, (0, 0, 2, 2))
    ids = text(2)
    x = model.token_embedding(ids)
    angles = rope_angles(torch.arange(LONGEST), D // H)
    for layer, block in enumerate(model.blocks):
        y = block.attention_norm(x)
        if model.owners[layer] == layer:
            kept = block.attention._keys_and_values(y, angles)
        found, _ = block.attention(
            y, None, angles, lambda k, v, kept=kept: kept
        )
        x = x + found
        x = x + block.feed_forward(block.feed_forward_norm(x))
    torch.testing.assert_close(model.logits(x), model(ids)[0], **CLOSE)


def test_gradients_reach_an_owner_from_all_who_read_it():
    model = sharing(2, (0, 0, 0, 0))
    model(text(2))[0].square().sum().backward()
    weight = model.blocks[0].attention.key_projection.weight
    assert weight.grad.abs().sum() > 0
    assert all(each.grad is not None for each in model.parameters())


def test_every_weight_starts_as_in_the_decoder():
    torch.manual_seed(0)
    model = SharingDecoder(200, 64, 4, 2, 20, 2)
    weight = model.blocks[0].attention.key_projection.weight
    assert weight.shape == (32, 64)
    assert weight.std().item() == pytest.approx(0.02, rel=0.1)
    output = model.blocks[0].attention.output_projection.weight
    assert output.std().item() == pytest.approx(0.01, rel=0.1)


# Pooling.


def test_pooled_rows_are_the_means_of_the_groups_heads():
    rows = torch.arange(12.0).reshape(6, 2)  # six heads of one row
    assert torch.equal(
        pooled_rows(rows, 6, 2), torch.tensor([[2.0, 3.0], [8.0, 9.0]])
    )
    assert torch.equal(pooled_rows(rows, 6, 2, "first"), rows[[0, 3]])
    assert pooled_rows(rows, 6, 2, "random").shape == (2, 2)
    heads = torch.arange(8.0)[:, None]  # four heads of two rows
    assert pooled_rows(heads, 4, 2)[:, 0].tolist() == [1.0, 2.0, 5.0, 6.0]


def multi_head(bias=True):
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(D, H, bias=bias, batch_first=True).double()
    if bias:
        nn.init.normal_(theirs.in_proj_bias)
    return MultiHeadAttention.from_torch(theirs)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("how", ["mean", "first"])
def test_pooling_heads_that_are_equal_changes_nothing(bias, how):
    """Two groups whose heads have the same keys and values."""
    module = multi_head(bias)
    with torch.no_grad():
        for name in ("key_projection", "value_projection"):
            for weight in getattr(module, name).parameters():
                heads = weight.unflatten(0, (2, 2, -1))
                heads[:, 1] = heads[:, 0]
    x = torch.randn(2, 5, D, dtype=torch.float64)
    made = pooled(module, 2, how)
    assert made.key_projection.weight.shape == (8, D)
    assert made.key_projection.out_features == 8
    for found, expected in zip(made(x, x, x), module(x, x, x), strict=True):
        torch.testing.assert_close(found, expected, **CLOSE)


def test_pooling_to_as_many_heads_is_a_copy():
    module, x = multi_head(), torch.randn(2, 5, D, dtype=torch.float64)
    made = pooled(module, H)
    assert isinstance(made, GroupedQueryAttention)
    torch.testing.assert_close(made(x, x, x)[0], module(x, x, x)[0], **CLOSE)
    with torch.no_grad():
        made.query_projection.weight.zero_()
    assert module.query_projection.weight.abs().sum() > 0


def test_pooling_in_two_steps_is_pooling_in_one():
    module = multi_head()
    one, two = pooled(module, 1), pooled(pooled(module, 2), 1)
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_the_keys_of_a_pooled_group_are_the_mean_of_its_heads_keys():
    module, x = multi_head(), torch.randn(2, 5, D, dtype=torch.float64)
    whole = module.key_projection(x).unflatten(-1, (2, 2, 4)).mean(-2)
    torch.testing.assert_close(
        pooled(module, 2).key_projection(x), whole.flatten(-2), **CLOSE
    )


@pytest.mark.parametrize("design", [BLOCK_2018, BLOCK_TODAY, ROTARY])
def test_a_decoder_is_pooled_block_by_block(design):
    plain = shaken(DecoderOnly(V, D, H, L, LONGEST, design=design))
    made = pooled_decoder(plain, 2)
    assert made.num_kv_heads == 2
    for ours, theirs in zip(made.blocks, plain.blocks, strict=True):
        torch.testing.assert_close(
            ours.attention.key_projection.weight,
            pooled_rows(theirs.attention.key_projection.weight, H, 2),
        )
    same = pooled_decoder(plain, H)
    torch.testing.assert_close(same(text(2))[0], plain(text(2))[0], **CLOSE)
    assert Cache(made, 1).bytes() * 2 == Cache(plain, 1).bytes()


def test_a_pooled_head_is_not_pooled_in_the_order_of_repeat():
    """Heads 0 and 1 make the first group, not heads 0 and 2."""
    rows = torch.tensor([[0.0], [1.0], [10.0], [11.0]])
    assert pooled_rows(rows, 4, 2).flatten().tolist() == [0.5, 10.5]
    k = pooled_rows(rows, 4, 2)[None, :, :, None]
    assert repeat_heads(k, 4).flatten().tolist() == [0.5, 0.5, 10.5, 10.5]


def test_bad_input_is_named():
    attention = sharing(2, (0, 0, 2, 2)).blocks[1].attention
    for make, message in [
        (lambda: sharing(3), "num_kv_heads is 3"),
        (lambda: sharing(2, (0, 0, 2)), "owners is"),
        (lambda: sharing(2, (0, 2, 2, 2)), "owners is"),
        (lambda: sharing(2, (0, 0, 1, 1)), "owners is"),
        (lambda: sharing(2, (-1, 0, 1, 1)), "owners is"),
        (lambda: latent(6, 0), "d_rotary is 0"),
        (lambda: latent(6, 2, BLOCK_2018), "d_rotary is 2"),
        (lambda: latent(6, 2, BLOCK_TODAY), "no qk_norm"),
        (lambda: latent(0), "d_latent is 0"),
        (lambda: attention(torch.zeros(1, 2, D).double()), "remember is None"),
        (lambda: pooled(multi_head(), 3), "num_kv_heads is 3"),
        (lambda: pooled(pooled(multi_head(), 2), 4), "num_kv_heads is 4"),
        (lambda: pooled(multi_head(), 2, "sum"), "how is 'sum'"),
        (lambda: pooled_rows(torch.zeros(5, 2), 2, 1), "5 rows"),
    ]:
        with pytest.raises(ValueError, match=message):
            make()
