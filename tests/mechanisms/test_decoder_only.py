"""The decoder-only model and its parts, against PyTorch's own layers."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from attnbook.mechanisms.decoder_only import (
    BLOCK_2018,
    BLOCK_TODAY,
    Block,
    CausalSelfAttention,
    DecoderOnly,
    Design,
    RMSNorm,
    SwiGLU,
)
from attnbook.mechanisms.positions import rope_angles, rotate

B, T, D, H, L, V, LONGEST = 3, 7, 12, 3, 2, 11, 9

precisions = pytest.mark.parametrize(
    ("dtype", "close"),
    [
        (torch.float32, {"rtol": 1e-4, "atol": 2e-5}),
        (torch.float64, {"rtol": 1e-9, "atol": 1e-10}),
    ],
    ids=["float32", "float64"],
)
DESIGNS = {
    "2018": BLOCK_2018,
    "RMSNorm": Design(norm="rms"),
    "SwiGLU": Design(feed_forward="swiglu"),
    "rotary": Design(positions="rotary"),
    "QK-norm": Design(qk_norm=True),
    "tied": Design(tied=True),
    "no bias": Design(bias=False),
    "today": BLOCK_TODAY,
}
designs = pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)


def shaken(model, dtype=torch.float64):
    """Every parameter moved off its first value, norms and biases too."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.to(dtype).eval()


def decoder(design=BLOCK_2018, dtype=torch.float64, heads=2):
    torch.manual_seed(0)
    return shaken(DecoderOnly(V, D, heads, L, LONGEST, design=design), dtype)


def tokens(seed=0, length=T):
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(V, (B, length), generator=draw)


class PyTorchs(nn.Module):
    """The same stack of PyTorch's own layers."""

    def __init__(self, bias=True, tied=False):
        super().__init__()
        torch.manual_seed(0)
        self.tokens = nn.Embedding(V, D)
        self.positions = nn.Embedding(LONGEST, D)
        layer = nn.TransformerEncoderLayer(
            D, H, 20, 0.0, batch_first=True, norm_first=True, bias=bias
        )
        norm = nn.LayerNorm(D, bias=bias)
        self.encoder = nn.TransformerEncoder(
            layer, L, norm, enable_nested_tensor=False
        )
        self.readout = nn.Linear(D, V, bias=False)
        if tied:
            self.readout.weight = self.tokens.weight

    def forward(self, ids):
        length = ids.shape[1]
        x = self.tokens(ids) + self.positions.weight[:length]
        future = torch.ones(length, length, dtype=torch.bool).triu(1)
        return self.readout(self.encoder(x, mask=future))

    def ours(self):
        return DecoderOnly.from_torch(
            self.tokens, self.positions, self.encoder, self.readout
        )


def loss(logits):
    """One in which every entry counts differently."""
    weight = torch.linspace(-1, 1, logits.numel(), dtype=logits.dtype)
    return (logits * weight.view_as(logits)).sum()


@precisions
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_the_stack_equals_pytorch_s_own_layers(dtype, close, bias, tied):
    theirs = shaken(PyTorchs(bias, tied), dtype)
    ours = theirs.ours()
    logits, weights = ours(tokens())
    torch.testing.assert_close(logits, theirs(tokens()), **close)
    assert [each.shape for each in weights] == [(B, H, T, T)] * L


def test_the_gradients_of_all_parameters_equal_pytorch_s():
    theirs = shaken(PyTorchs())
    ours = theirs.ours()
    loss(ours(tokens())[0]).backward()
    loss(theirs(tokens())).backward()
    pairs = [
        (ours.token_embedding, theirs.tokens),
        (ours.norm, theirs.encoder.norm),
        (ours.readout, theirs.readout),
    ]
    for mine, their in zip(ours.blocks, theirs.encoder.layers, strict=True):
        pairs += [
            (mine.attention_norm, their.norm1),
            (mine.feed_forward_norm, their.norm2),
            (mine.feed_forward.widen, their.linear1),
            (mine.feed_forward.narrow, their.linear2),
            (mine.attention.output_projection, their.self_attn.out_proj),
        ]
        stacked = [
            mine.attention.query_projection.weight.grad,
            mine.attention.key_projection.weight.grad,
            mine.attention.value_projection.weight.grad,
        ]
        torch.testing.assert_close(
            torch.cat(stacked), their.self_attn.in_proj_weight.grad
        )
    for one, other in pairs:
        torch.testing.assert_close(one.weight.grad, other.weight.grad)
        if getattr(one, "bias", None) is not None:
            torch.testing.assert_close(one.bias.grad, other.bias.grad)
    torch.testing.assert_close(
        ours.positions.vectors.grad, theirs.positions.weight.grad
    )


def test_a_copy_shares_no_weights_with_its_original():
    theirs = PyTorchs()
    before = copy.deepcopy(theirs.state_dict())
    with torch.no_grad():
        for parameter in theirs.ours().parameters():
            parameter.zero_()
    for name, value in theirs.state_dict().items():
        assert value.equal(before[name])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norm_first": False}, "post-norm"),
        ({"norm_first": True, "activation": "gelu"}, "expected ReLU"),
    ],
)
def test_a_layer_that_is_not_ours_is_refused(options, message):
    layer = nn.TransformerEncoderLayer(D, H, 20, **options)
    with pytest.raises(ValueError, match=message):
        Block.from_torch(layer)


def test_a_stack_without_its_last_norm_is_refused():
    theirs = PyTorchs()
    theirs.encoder.norm = None
    with pytest.raises(ValueError, match="norm="):
        theirs.ours()


def test_a_readout_with_a_bias_is_refused():
    theirs = PyTorchs()
    theirs.readout = nn.Linear(D, V)
    with pytest.raises(ValueError, match="bias=False"):
        theirs.ours()


@precisions
def test_rms_norm_equals_pytorch_forward_and_backward(dtype, close):
    theirs = shaken(nn.RMSNorm(D, eps=1e-2), dtype)
    ours = RMSNorm(D, eps=1e-2).to(dtype)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(B, T, D, dtype=dtype, requires_grad=True)
    torch.testing.assert_close(ours(x), theirs(x), **close)
    torch.testing.assert_close(
        torch.autograd.grad(loss(ours(x)), [x, ours.weight]),
        torch.autograd.grad(loss(theirs(x)), [x, theirs.weight]),
        **close,
    )


def test_rms_norm_keeps_the_mean_that_layer_norm_takes_off():
    x = torch.randn(5, D, dtype=torch.float64) + 3
    normed = RMSNorm(D, eps=0).double()(x)
    torch.testing.assert_close(
        normed.square().mean(-1), torch.ones(5, dtype=torch.float64)
    )
    assert (normed.mean(-1) > 0.5).all()
    torch.testing.assert_close(
        normed, x / x.square().mean(-1, keepdim=True).sqrt()
    )


def test_swiglu_is_its_formula():
    layer = SwiGLU(D, 5, bias=True).double()
    x = torch.randn(D, dtype=torch.float64)
    gate = layer.gate.weight @ x + layer.gate.bias
    hidden = (
        gate
        * torch.sigmoid(gate)
        * (layer.widen.weight @ x + layer.widen.bias)
    )
    expected = layer.narrow.weight @ hidden + layer.narrow.bias
    torch.testing.assert_close(layer(x), expected)


def test_rotary_attention_with_normed_queries_equals_pytorch_s_function():
    torch.manual_seed(0)
    attention = shaken(CausalSelfAttention(D, H, qk_norm=True))
    x = torch.randn(B, T, D, dtype=torch.float64, requires_grad=True)
    angles = rope_angles(torch.arange(T), D // H)
    got, weights = attention(x, angles=angles)

    def heads(projection):
        return projection(x).unflatten(-1, (H, -1)).transpose(1, 2)

    q, k = (
        rotate(
            F.rms_norm(heads(projection), (D // H,), norm.weight, norm.eps),
            angles,
            interleaved=False,
        )
        for projection, norm in (
            (attention.query_projection, attention.query_norm),
            (attention.key_projection, attention.key_norm),
        )
    )
    output = F.scaled_dot_product_attention(
        q, k, heads(attention.value_projection), is_causal=True
    )
    expected = attention.output_projection(output.transpose(1, 2).flatten(2))
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(
        torch.autograd.grad(loss(got), x),
        torch.autograd.grad(loss(expected), x),
    )
    assert weights.shape == (B, H, T, T)


def test_qk_norm_bounds_the_scores():
    """|q·k|/√d is at most √d, whatever the projections."""
    attention = CausalSelfAttention(D, H, qk_norm=True).double()
    with torch.no_grad():
        attention.query_projection.weight.mul_(1000)
        attention.key_projection.weight.mul_(1000)
    x = torch.randn(B, T, D, dtype=torch.float64)
    q, k = (
        norm(projection(x).unflatten(-1, (H, -1)))
        for projection, norm in (
            (attention.query_projection, attention.query_norm),
            (attention.key_projection, attention.key_norm),
        )
    )
    scores = torch.einsum("bthd,bshd->bhts", q, k) / math.sqrt(D // H)
    assert scores.abs().max() <= math.sqrt(D // H) + 1e-9
    _, weights = attention(x)
    last = weights[..., -1, :]
    assert (last.amax(-1) / last.amin(-1)).max() <= math.exp(
        2 * math.sqrt(D // H)
    )


@designs
def test_future_tokens_cannot_change_the_past(design):
    model = decoder(design)
    before, _ = model(tokens())
    for at in range(T):
        ids = tokens()
        ids[:, at] = (ids[:, at] + 1) % V
        after, _ = model(ids)
        torch.testing.assert_close(after[:, :at], before[:, :at])
        assert not torch.allclose(after[:, at], before[:, at])


@designs
def test_the_order_of_the_past_matters(design):
    model = decoder(design)
    ids = tokens()
    turned = torch.cat([ids[:, :-1].flip(1), ids[:, -1:]], 1)
    assert not torch.allclose(model(ids)[0][:, -1], model(turned)[0][:, -1])


def test_one_pass_gives_the_loss_of_every_position():
    model = decoder()
    ids = tokens()
    logits, _ = model(ids)
    for t in range(1, T + 1):
        alone, _ = model(ids[:, :t])
        torch.testing.assert_close(alone[:, -1], logits[:, t - 1])


def test_rotary_positions_see_only_distances():
    """One block: what the last token adds depends on offsets alone."""
    torch.manual_seed(0)
    attention = CausalSelfAttention(D, 2).double()
    x = torch.randn(B, T, D, dtype=torch.float64)
    here = rope_angles(torch.arange(T), D // 2)
    later = rope_angles(torch.arange(T) + 100, D // 2)
    torch.testing.assert_close(
        attention(x, angles=here)[0], attention(x, angles=later)[0]
    )


@designs
def test_every_parameter_but_the_key_biases_receives_a_gradient(design):
    model = decoder(design)
    loss(model(tokens(length=LONGEST))[0]).backward()
    for name, parameter in model.named_parameters():
        moved = parameter.grad.abs().max() > 1e-10
        unmoved = name.endswith("key_projection.bias")
        if design.qk_norm or design.positions == "rotary":
            unmoved = False  # a norm or a rotation makes it felt
        assert moved != unmoved, name


def size(design, **options):
    model = DecoderOnly(256, 96, 4, 2, 64, design=design, **options)
    return sum(p.numel() for p in model.parameters())


def test_swiglu_has_as_many_weights_as_relu():
    relu = size(Design(bias=False))
    swiglu = size(Design(feed_forward="swiglu", bias=False))
    assert relu == swiglu


def test_what_each_choice_costs_in_parameters():
    base = size(BLOCK_2018)
    norms = 2 * 2 + 1  # two in each of two blocks, and the last
    assert size(Design(norm="rms")) == base - norms * 96
    assert size(Design(positions="rotary")) == base - 64 * 96
    assert size(Design(qk_norm=True)) == base + 2 * 2 * 24
    assert size(Design(tied=True)) == base - 256 * 96
    assert size(Design(bias=False)) == base - 2 * 9 * 96 - norms * 96


def test_a_tied_model_reads_out_with_its_embeddings():
    model = DecoderOnly(V, D, H, L, LONGEST, design=Design(tied=True))
    assert model.readout.weight is model.token_embedding.weight


def test_the_first_logits_are_nearly_uniform():
    """So that the first loss is about log V."""
    for design in DESIGNS.values():
        torch.manual_seed(0)
        model = DecoderOnly(500, 96, 4, 2, 64, design=design)
        ids = torch.randint(500, (4, 65))
        logits, _ = model(ids[:, :-1])
        first = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        assert first.item() == pytest.approx(math.log(500), abs=0.2)


@settings(max_examples=20, deadline=None)
@given(
    counts=st.lists(st.integers(1, T), min_size=B, max_size=B),
    name=st.sampled_from(["2018", "today"]),
)
def test_padding_on_the_right_changes_nothing(counts, name):
    model = decoder(DESIGNS[name])
    ids = tokens()
    logits, _ = model(ids, counts=torch.tensor(counts))
    for row, count in enumerate(counts):
        alone, _ = model(ids[row : row + 1, :count])
        torch.testing.assert_close(logits[row, :count], alone[0])


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (torch.zeros(3, dtype=torch.long), r"ids has shape \(3,\)"),
        (torch.zeros(3, 0, dtype=torch.long), "T at least 1"),
        (torch.zeros(3, 2), "expected integers"),
        (torch.full((1, 2), V), "expected 0 to 10"),
        (torch.full((1, 2), -1), "expected 0 to 10"),
        (torch.zeros(1, LONGEST + 1, dtype=torch.long), "at most 9"),
    ],
)
def test_ids_that_cannot_be_read_are_refused(ids, message):
    with pytest.raises(ValueError, match=message):
        decoder()(ids)


@pytest.mark.parametrize(
    ("counts", "message"),
    [([1, 2], "counts has shape"), ([1, 2, 8], "0 to 7"), ([-1] * 3, "0 to")],
)
def test_counts_that_do_not_fit_are_refused(counts, message):
    with pytest.raises(ValueError, match=message):
        decoder()(tokens(), counts=torch.tensor(counts))


def test_choices_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="'layer', 'rms'"):
        Design(norm="batch")
    with pytest.raises(ValueError, match="num_layers is 0"):
        DecoderOnly(V, D, H, 0, LONGEST)
    with pytest.raises(ValueError, match="even number"):
        DecoderOnly(V, 9, 3, 1, LONGEST, design=Design(positions="rotary"))


def test_it_learns_to_continue_a_count():
    """A smoke test of learning: 0 1 2 … 10 0 1 …, from any start."""
    for design in (BLOCK_2018, BLOCK_TODAY):
        torch.manual_seed(0)
        model = DecoderOnly(V, 16, 2, 1, 8, design=design)
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(80):
            ids = (torch.randint(V, (32, 1)) + torch.arange(9)) % V
            logits, _ = model(ids[:, :-1])
            now = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
            optimiser.zero_grad()
            now.backward()
            optimiser.step()
        assert now.item() < 0.1
