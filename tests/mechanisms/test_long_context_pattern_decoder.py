"""A pattern for each layer: the same as PyTorch's layers under its masks."""

import pytest
import torch
from torch import nn

from attnbook.mechanisms.decoder_only import DecoderOnly
from attnbook.mechanisms.long_context import (
    PatternDecoder,
    dilated_mask,
    reach,
    sink_mask,
    window_mask,
)

V, D, H, LONGEST = 11, 16, 4, 15
PATTERNS = (
    lambda T: window_mask(T, 3),
    lambda T: dilated_mask(T, 3, 2),
    lambda T: sink_mask(T, 2, 1),
)


def torch_s():
    torch.manual_seed(0)
    layers = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(
            D, H, 4 * D, dropout=0.0, batch_first=True, norm_first=True
        ),
        len(PATTERNS),
        nn.LayerNorm(D),
        enable_nested_tensor=False,
    )
    parts = (
        nn.Embedding(V, D),
        nn.Embedding(LONGEST, D),
        layers,
        nn.Linear(D, V, bias=False),
    )
    for part in parts:
        part.double()
        with torch.no_grad():
            for parameter in part.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
    return parts


def test_it_is_pytorch_s_layers_under_these_masks():
    tokens, places, layers, readout = torch_s()
    plain = DecoderOnly.from_torch(tokens, places, layers, readout)
    model = PatternDecoder(V, D, H, PATTERNS, LONGEST).double()
    model.load_state_dict(plain.state_dict())
    ids = torch.randint(V, (2, 12))
    x = tokens(ids) + places(torch.arange(12))
    for layer, pattern in zip(layers.layers, PATTERNS, strict=True):
        x = layer(x, src_mask=~pattern(12))
    expected = readout(layers.norm(x))
    got, _ = model(ids)
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-10)
    upstream = torch.randn_like(got)
    got.backward(upstream)
    expected.backward(upstream)
    torch.testing.assert_close(
        model.token_embedding.weight.grad,
        tokens.weight.grad,
        rtol=1e-8,
        atol=1e-9,
    )


def test_its_logits_depend_on_what_it_can_reach_and_on_nothing_else():
    torch.manual_seed(1)
    model = PatternDecoder(V, D, H, PATTERNS, LONGEST).double().eval()
    with torch.no_grad():  # fresh weights are so small that little moves
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    ids, T = torch.randint(V, (1, 12)), 12
    before, _ = model(ids)
    moved = torch.zeros(T, T, dtype=torch.bool)
    for place in range(T):
        changed = ids.clone()
        changed[0, place] = (changed[0, place] + 1) % V
        difference = (model(changed)[0] - before).abs().amax(-1)[0]
        moved[:, place] = difference > 1e-12
    assert torch.equal(moved, reach([pattern(T) for pattern in PATTERNS]))


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="num_heads"):
        PatternDecoder(V, D, 3, PATTERNS, LONGEST)
    with pytest.raises(ValueError, match="num_layers is 0"):
        PatternDecoder(V, D, H, [], LONGEST)
