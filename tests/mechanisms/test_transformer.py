"""The Transformer against PyTorch's, and its properties."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from attnbook.mechanisms.decoding import BOS, EOS
from attnbook.mechanisms.transformer import (
    DecoderLayer,
    EncoderLayer,
    FeedForward,
    LayerNorm,
    SublayerNorm,
    Transformer,
    TransformerTranslator,
    warmup_rate,
)

B, T, S, D, H, D_FF = 2, 5, 7, 12, 3, 20

# PyTorch says so wherever its own fast path does not apply.
pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor")

placements = pytest.mark.parametrize(
    "norm_first", [True, False], ids=["pre-norm", "post-norm"]
)
precisions = pytest.mark.parametrize(
    ("dtype", "close"),
    [
        (torch.float32, {"rtol": 1e-4, "atol": 2e-5}),
        (torch.float64, {"rtol": 1e-9, "atol": 1e-10}),
    ],
    ids=["float32", "float64"],
)
masked = pytest.mark.parametrize("padded", [False, True])


def source_mask():
    """True at tokens; the second sentence ends two tokens earlier."""
    return torch.tensor([[True] * S, [True] * (S - 2) + [False] * 2])


def target_mask():
    return torch.tensor([[True] * T, [True] * (T - 1) + [False]])


def vectors(length, dtype, seed=0):
    made = torch.randn(
        B, length, D, generator=torch.Generator().manual_seed(seed)
    )
    return made.to(dtype).requires_grad_()


def shake(model):
    """Move every parameter, norms and biases too, off its first value."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


def gradients(output, *inputs):
    """Of a loss in which every entry counts differently."""
    weight = torch.linspace(-1, 1, output.numel(), dtype=output.dtype)
    loss = (output * weight.view_as(output)).sum()
    return torch.autograd.grad(loss, inputs)


def no_future(length):
    """PyTorch's mask: True may NOT be attended to."""
    return torch.ones(length, length, dtype=torch.bool).triu(1)


@precisions
def test_layer_norm_equals_pytorch_forward_and_backward(dtype, close):
    theirs = shake(nn.LayerNorm(D, eps=1e-3).to(dtype))
    ours = LayerNorm.from_torch(theirs)
    x = vectors(S, dtype)
    torch.testing.assert_close(ours(x), theirs(x), **close)
    torch.testing.assert_close(
        gradients(ours(x), x, *ours.parameters()),
        gradients(theirs(x), x, *theirs.parameters()),
        **close,
    )


def test_layer_norm_is_its_formula_with_epsilon_under_the_root():
    norm = LayerNorm(D, eps=0.5).double()
    x = torch.randn(3, D, dtype=torch.float64)
    for row, got in zip(x, norm(x), strict=True):
        mean = sum(row.tolist()) / D
        variance = sum((v - mean) ** 2 for v in row.tolist()) / D
        expected = (row - mean) / math.sqrt(variance + 0.5)
        torch.testing.assert_close(got, expected)


@settings(max_examples=50, deadline=None)
@given(
    shift=st.floats(-100, 100),
    scale=st.floats(0.5, 100),
    seed=st.integers(0, 1000),
)
def test_layer_norm_forgets_the_shift_and_the_scale_of_a_token(
    shift, scale, seed
):
    torch.manual_seed(seed)
    x = torch.randn(2, D, dtype=torch.float64)
    norm = LayerNorm(D, eps=0.0).double()
    torch.testing.assert_close(
        norm(scale * x + shift), norm(x), rtol=1e-6, atol=1e-8
    )


def test_feed_forward_treats_each_token_by_itself():
    feed_forward = FeedForward(D, D_FF).double()
    x = torch.randn(B, S, D, dtype=torch.float64)
    one_by_one = torch.stack([feed_forward(x[:, i]) for i in range(S)], 1)
    torch.testing.assert_close(feed_forward(x), one_by_one)


@pytest.mark.parametrize("norm_first", [True, False])
def test_exactly_one_side_of_a_sublayer_normalises(norm_first):
    norm = SublayerNorm(D, norm_first)
    x = torch.randn(3, D)
    assert norm.before(x).equal(norm(x) if norm_first else x)
    assert norm.after(x).equal(x if norm_first else norm(x))


@placements
@precisions
@masked
@pytest.mark.parametrize("causal", [False, True])
def test_encoder_layer_equals_pytorch_forward_and_backward(
    norm_first, dtype, close, padded, causal
):
    torch.manual_seed(0)
    theirs = nn.TransformerEncoderLayer(
        D, H, D_FF, batch_first=True, norm_first=norm_first
    )
    theirs = shake(theirs.to(dtype))
    ours = EncoderLayer.from_torch(theirs)
    x = vectors(S, dtype)
    mask = source_mask() if padded else None
    got, weights = ours(x, mask, causal)
    expected = theirs(
        x,
        src_mask=no_future(S) if causal else None,
        src_key_padding_mask=~mask if padded else None,
    )
    assert weights.shape == (B, H, S, S)
    torch.testing.assert_close(got, expected, **close)
    torch.testing.assert_close(
        gradients(got, x), gradients(expected, x), **close
    )


@placements
@precisions
@masked
@pytest.mark.parametrize("causal", [False, True])
def test_decoder_layer_equals_pytorch_forward_and_backward(
    norm_first, dtype, close, padded, causal
):
    torch.manual_seed(0)
    theirs = nn.TransformerDecoderLayer(
        D, H, D_FF, batch_first=True, norm_first=norm_first
    )
    theirs = shake(theirs.to(dtype))
    ours = DecoderLayer.from_torch(theirs)
    x, memory = vectors(T, dtype), vectors(S, dtype, seed=1)
    masks = (target_mask(), source_mask()) if padded else (None, None)
    got, (itself, across) = ours(x, memory, *masks, causal=causal)
    expected = theirs(
        x,
        memory,
        tgt_mask=no_future(T) if causal else None,
        tgt_key_padding_mask=~masks[0] if padded else None,
        memory_key_padding_mask=~masks[1] if padded else None,
    )
    assert itself.shape == (B, H, T, T) and across.shape == (B, H, T, S)
    torch.testing.assert_close(got, expected, **close)
    torch.testing.assert_close(
        gradients(got, x, memory), gradients(expected, x, memory), **close
    )


def theirs_whole(norm_first, dtype):
    torch.manual_seed(0)
    model = nn.Transformer(
        D, H, 2, 3, D_FF, batch_first=True, norm_first=norm_first
    )
    return shake(model.to(dtype))


@placements
@precisions
@masked
def test_the_whole_transformer_equals_pytorch_forward_and_backward(
    norm_first, dtype, close, padded
):
    theirs = theirs_whole(norm_first, dtype)
    ours = Transformer.from_torch(theirs)
    source, target = vectors(S, dtype), vectors(T, dtype, seed=1)
    masks = (source_mask(), target_mask()) if padded else (None, None)
    got, weights = ours(source, target, *masks)
    expected = theirs(
        source,
        target,
        tgt_mask=no_future(T),
        src_key_padding_mask=~masks[0] if padded else None,
        memory_key_padding_mask=~masks[0] if padded else None,
        tgt_key_padding_mask=~masks[1] if padded else None,
    )
    assert [each.shape for each in weights] == [(B, H, T, S)] * 3
    torch.testing.assert_close(got, expected, **close)
    torch.testing.assert_close(
        gradients(got, source, target),
        gradients(expected, source, target),
        **close,
    )


def backward(output):
    """From a loss in which every entry counts differently."""
    weight = torch.linspace(-1, 1, output.numel(), dtype=output.dtype)
    (output * weight.view_as(output)).sum().backward()


@placements
def test_the_gradients_of_the_parameters_equal_pytorch_s(norm_first):
    theirs = theirs_whole(norm_first, torch.float64)
    ours = Transformer.from_torch(theirs)
    source, target = vectors(S, torch.float64), vectors(T, torch.float64, 1)
    backward(ours(source, target)[0])
    backward(theirs(source, target, tgt_mask=no_future(T)))
    for mine, their in zip(ours.decoder, theirs.decoder.layers, strict=True):
        for one, other in [
            (mine.feed_forward.widen, their.linear1),
            (mine.feed_forward.narrow, their.linear2),
            (mine.attention_norm, their.norm1),
            (mine.cross_norm, their.norm2),
            (mine.feed_forward_norm, their.norm3),
            (
                mine.cross_attention.output_projection,
                their.multihead_attn.out_proj,
            ),
        ]:
            torch.testing.assert_close(one.weight.grad, other.weight.grad)
            torch.testing.assert_close(one.bias.grad, other.bias.grad)


@placements
def test_gradients_are_those_of_finite_differences(norm_first):
    torch.manual_seed(0)
    layer = DecoderLayer(4, 2, 6, norm_first).double()
    x = torch.randn(1, 3, 4, dtype=torch.float64, requires_grad=True)
    memory = torch.randn(1, 2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, m: layer(x, m)[0], (x, memory))


def test_a_copy_shares_no_weights_with_its_original():
    theirs = theirs_whole(True, torch.float32)
    before = copy.deepcopy(theirs.state_dict())
    with torch.no_grad():
        for parameter in Transformer.from_torch(theirs).parameters():
            parameter.zero_()
    for name, value in theirs.state_dict().items():
        assert value.equal(before[name])


def test_another_activation_is_refused():
    layer = nn.TransformerEncoderLayer(D, H, D_FF, activation="gelu")
    with pytest.raises(ValueError, match="expected ReLU"):
        EncoderLayer.from_torch(layer)


@placements
@pytest.mark.parametrize("at", range(T))
def test_future_tokens_cannot_change_the_past(norm_first, at):
    torch.manual_seed(0)
    model = Transformer(D, H, 1, 2, D_FF, norm_first).double()
    source, target = vectors(S, torch.float64), vectors(T, torch.float64, 1)
    before, _ = model(source, target)
    target = target.detach().clone()
    target[:, at] *= -1  # adding 1 would escape a layer norm's notice
    after, _ = model(source, target)
    torch.testing.assert_close(after[:, :at], before[:, :at])
    assert not torch.allclose(after[:, at:], before[:, at:])


@placements
def test_padding_of_the_source_changes_nothing(norm_first):
    torch.manual_seed(0)
    model = Transformer(D, H, 2, 2, D_FF, norm_first).double()
    source, target = vectors(S, torch.float64), vectors(T, torch.float64, 1)
    padded, _ = model(source, target, source_mask())
    alone, _ = model(source[1:, : S - 2], target[1:])
    torch.testing.assert_close(padded[1:], alone)


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(S)))
def test_without_positions_the_encoder_cannot_see_order(order):
    torch.manual_seed(0)
    model = Transformer(D, H, 2, 1, D_FF).double()
    source = vectors(S, torch.float64)
    memory, _ = model.encode(source)
    shuffled, _ = model.encode(source[:, order])
    torch.testing.assert_close(shuffled, memory[:, order])


def test_a_target_of_another_width_is_named():
    model = Transformer(D, H, 1, 1, D_FF)
    with pytest.raises(ValueError, match=r"target has shape .*\(2, T, 12\)"):
        model(torch.zeros(B, S, D), torch.zeros(B, T, D + 1))


def test_a_token_of_another_width_is_named():
    with pytest.raises(ValueError, match=r"x has shape \(2, 5\)"):
        LayerNorm(D)(torch.zeros(2, 5))


SOURCE = torch.tensor([[3, 4, 5, 6], [5, 3, 0, 0]])
MASK = SOURCE != 0
TARGET = torch.tensor([[BOS, 7, 8, 3], [BOS, 4, 3, 0]])


def translator(seed=0, **options):
    torch.manual_seed(seed)
    return TransformerTranslator(
        10, 9, size=8, num_heads=2, num_layers=2, **options
    ).double()


@placements
def test_the_translator_ignores_padding(norm_first):
    model = translator(norm_first=norm_first)
    logits, weights = model(SOURCE, MASK, TARGET)
    alone, _ = model(SOURCE[1:, :2], MASK[1:, :2], TARGET[1:])
    torch.testing.assert_close(logits[1:], alone)
    assert (weights[1, :, 2:] == 0).all()


def test_the_translator_hears_the_order_of_its_source():
    model = translator()
    logits, _ = model(SOURCE, MASK, TARGET)
    turned, _ = model(SOURCE.flip(1), MASK.flip(1), TARGET)
    assert not torch.allclose(turned[0], logits[0])


def test_generating_agrees_with_teacher_forcing_on_its_own_output():
    model = translator(seed=3)
    tokens, weights = model.generate(SOURCE, MASK, 5)
    start = torch.full((2, 1), BOS)
    target_in = torch.cat([start, tokens[:, :-1]], 1)
    logits, forced = model(SOURCE, MASK, target_in)
    counts = (tokens == EOS).cumsum(1) <= 1  # up to and with the first EOS
    assert logits.argmax(-1)[counts].equal(tokens[counts])
    torch.testing.assert_close(weights, forced)
    assert weights.shape == (2, 5, 4)


def test_the_translator_s_weights_are_the_mean_of_its_last_layer_s_heads():
    model = translator()
    _, weights = model(SOURCE, MASK, TARGET)
    every = model.cross_attention(SOURCE, MASK, TARGET)
    assert every.shape == (2, 2, 2, 4, 4)  # (L, B, H, T, S)
    torch.testing.assert_close(weights, every[-1].mean(1))


def test_every_parameter_but_the_key_biases_receives_a_gradient():
    """A bias of the keys shifts all scores of a query alike: no effect."""
    model = translator()
    logits, _ = model(SOURCE, MASK, TARGET)
    logits.square().sum().backward()
    for name, parameter in model.named_parameters():
        moved = parameter.grad.abs().max() > 1e-10
        assert moved != name.endswith("key_projection.bias"), name


def test_generating_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 1 token"):
        translator().generate(SOURCE, MASK, 0)


def test_a_source_mask_of_another_shape_is_named():
    with pytest.raises(ValueError, match=r"source_mask has shape \(2, 3\)"):
        translator()(SOURCE, MASK[:, :3], TARGET)


def test_the_rate_rises_in_a_line_and_falls_as_the_inverse_root():
    rates = [warmup_rate(step, 64, 100) for step in range(1, 401)]
    assert rates.index(max(rates)) == 99
    assert rates[49] == pytest.approx(rates[99] / 2)
    assert rates[399] == pytest.approx(rates[99] / 2)
    assert rates[99] == pytest.approx(1 / math.sqrt(64 * 100))


@pytest.mark.parametrize(("step", "warmup"), [(0, 10), (1, 0)])
def test_a_step_before_the_first_is_refused(step, warmup):
    with pytest.raises(ValueError, match="expected at least 1"):
        warmup_rate(step, 64, warmup)


def test_the_translator_learns_to_copy_backwards():
    """A smoke test of learning: three tokens, written in reverse."""
    torch.manual_seed(0)
    model = TransformerTranslator(9, 9, size=16, num_heads=2, num_layers=1)
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(150):
        source = torch.randint(3, 9, (32, 3))
        target = source.flip(1)
        start = torch.full((32, 1), BOS)
        target_in = torch.cat([start, target[:, :-1]], 1)
        logits, _ = model(source, source > 0, target_in)
        loss = F.cross_entropy(logits.flatten(0, 1), target.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    source = torch.randint(3, 9, (32, 3))
    tokens, _ = model.generate(source, source > 0, 3)
    assert (tokens == source.flip(1)).all(1).float().mean() > 0.9
