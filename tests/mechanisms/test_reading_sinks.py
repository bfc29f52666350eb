"""Four ways to read nothing: against ordinary softmax, and by identities."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from attnbook.mechanisms.decoder_only import CausalSelfAttention, DecoderOnly
from attnbook.mechanisms.reading import (
    REMEDIES,
    SinkAttention,
    SinkDecoder,
    relu_weights,
    sink_readings,
    softmax_with_sink,
)

B, T, D, H, V = 3, 6, 8, 2, 9
every_remedy = pytest.mark.parametrize("remedy", REMEDIES)


def attention(remedy, itself=True):
    torch.manual_seed(0)
    made = SinkAttention(D, H, remedy, itself).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return made


def tokens():
    torch.manual_seed(1)
    return torch.randn(B, T, D, dtype=torch.double)


def decoder(remedy="softmax", itself=True, layers=2):
    torch.manual_seed(0)
    return SinkDecoder(V, D, H, layers, T, remedy, itself).double().eval()


def test_softmax_is_the_ordinary_attention():
    made = attention("softmax")
    plain = CausalSelfAttention(D, H).double()
    plain.load_state_dict(made.state_dict())
    for ours, theirs in zip(made(tokens()), plain(tokens()), strict=True):
        torch.testing.assert_close(ours, theirs)


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(0, 30))
def test_a_score_of_nothing_is_a_sigmoid_of_the_log_sum(S, seed):
    """torchtitan's sigmoid(lse - sink) is the same, not an approximation."""
    generator = torch.Generator().manual_seed(seed)
    scores = 3 * torch.randn(2, H, 4, S, generator=generator).double()
    sink = 3 * torch.randn(H, generator=generator).double()
    whole = scores.logsumexp(-1, keepdim=True)
    wanted = scores.softmax(-1) * (whole - sink[:, None, None]).sigmoid()
    torch.testing.assert_close(softmax_with_sink(scores, sink), wanted)


def test_a_score_of_nothing_is_one_more_key_with_a_value_of_zero():
    made = attention("sink logit")
    x = tokens()
    _, weights = made(x)
    q, k, v = (
        project(x).unflatten(-1, (H, -1)).transpose(1, 2)
        for project in (
            made.query_projection,
            made.key_projection,
            made.value_projection,
        )
    )
    bias = torch.full((T, T), -torch.inf).double().triu(1)
    bias = torch.cat(
        [bias.expand(H, T, T), made.sink[:, None, None].expand(H, T, 1)], -1
    )
    read = F.scaled_dot_product_attention(
        q, F.pad(k, (0, 0, 0, 1)), F.pad(v, (0, 0, 0, 1)), bias
    )
    torch.testing.assert_close(weights @ v, read)
    assert (weights.sum(-1) < 1).all()


def test_a_score_of_twenty_takes_almost_all_the_weight():
    """Zero looks inactive where it is not: try a score that shows."""
    made = attention("sink logit")
    with torch.no_grad():
        made.sink.fill_(20)
    assert made(tokens())[1].sum(-1).max() < 1e-3
    with torch.no_grad():
        made.sink.fill_(-20)
    sums = made(tokens())[1].sum(-1)
    torch.testing.assert_close(sums, torch.ones_like(sums))


def test_a_closed_gate_leaves_the_bias_and_an_open_one_the_attention():
    made = attention("output gate")
    plain = CausalSelfAttention(D, H).double()
    plain.load_state_dict(made.state_dict(), strict=False)
    with torch.no_grad():
        made.gate.weight.zero_()
        made.gate.bias.copy_(torch.tensor([40.0, 40.0]))
    torch.testing.assert_close(made(tokens())[0], plain(tokens())[0])
    with torch.no_grad():
        made.gate.bias.fill_(-40)
    bias = made.output_projection.bias.expand(B, T, D)
    torch.testing.assert_close(made(tokens())[0], bias)


def test_each_head_has_its_own_gate():
    made = attention("output gate")
    with torch.no_grad():
        made.gate.weight.zero_()
        made.gate.bias.copy_(torch.tensor([40.0, -40.0]))
        # an output projection that hands the heads through
        made.output_projection.weight.copy_(torch.eye(D))
        made.output_projection.bias.zero_()
    first, second = made(tokens())[0].chunk(2, -1)
    assert first.abs().min() > 1e-6
    torch.testing.assert_close(second, torch.zeros_like(second))


def test_relu_divides_by_what_is_allowed_and_may_leave_nothing():
    scores = torch.tensor([[[[2.0, 9.0], [-1.0, 3.0]]]])
    mask = torch.tensor([[True, False], [True, True]])
    found = relu_weights(scores, mask)
    assert found.tolist() == [[[[2.0, 0.0], [0.0, 1.5]]]]
    assert relu_weights(-scores.abs(), mask).sum() == 0


@every_remedy
@pytest.mark.parametrize("itself", [True, False])
def test_no_token_reads_a_later_one_and_itself_only_if_it_may(remedy, itself):
    made, x = attention(remedy, itself), tokens()
    output, weights = made(x)
    assert weights.triu(1 if itself else 0).abs().max() == 0
    later = x.clone()
    later[:, 3:] += 1
    torch.testing.assert_close(made(later)[0][:, :3], output[:, :3])
    if not itself:
        assert weights[:, :, 0].abs().max() == 0


@every_remedy
def test_every_remedy_has_its_gradients(remedy):
    made = attention(remedy)
    made(tokens())[0].square().sum().backward()
    for name, parameter in made.named_parameters():
        if name != "key_projection.bias" or remedy in REMEDIES[1::2]:
            assert parameter.grad is not None, name
            # the bias of the keys adds the same to all scores of a query
            if name != "key_projection.bias":
                assert parameter.grad.abs().max() > 0, name


def test_the_decoder_differs_from_the_plain_one_in_its_attention_alone():
    made = decoder()
    plain = DecoderOnly(V, D, H, 2, T).double().eval()
    plain.load_state_dict(made.state_dict())
    ids = torch.arange(2 * T).view(2, T) % V
    torch.testing.assert_close(made(ids)[0], plain(ids)[0])


def test_readings_see_a_sink_that_is_put_there():
    made = decoder(layers=1)
    ids = torch.arange(2 * T).view(2, T) % V
    ids[:, 0], ids[:, 1:] = 0, ids[:, 1:].clamp(min=1)
    block = made.blocks[0]
    with torch.no_grad():  # the first position has a feature of its own
        made.positions.vectors.zero_()
        made.token_embedding.weight.normal_()
        made.token_embedding.weight[:, 0] = -1
        made.token_embedding.weight[0] = 0
        made.token_embedding.weight[0, 0] = 4
        block.attention.key_projection.weight.zero_()
        block.attention.query_projection.weight.zero_()
        block.attention.key_projection.weight[[0, 4], 0] = 30
        block.attention.query_projection.bias[[0, 4]] = 30
    (seen,) = sink_readings(made, ids)
    assert seen.first > 0.99 and seen.own < 0.01
    assert seen.total == pytest.approx(1) and seen.opened == 1
    norms = made.token_embedding(ids).norm(dim=-1)
    wanted = norms[:, 0].mean() / norms[:, 1:].mean()
    assert seen.stream_ratio == pytest.approx(wanted.item())


def test_readings_count_the_queries_that_are_named():
    made = decoder("output gate", layers=1)
    ids = torch.arange(2 * T).view(2, T) % V
    counted = torch.zeros(2, T, dtype=torch.bool)
    counted[1, 4] = True
    (seen,) = sink_readings(made, ids, counted)
    _, (weights,) = made(ids)
    wanted = weights[1, :, 4, 0].mean().item()
    assert seen.first == pytest.approx(wanted)
    assert seen.opened == pytest.approx(0.5, abs=0.1)
    counted[:] = False
    counted[:, :2] = True  # they have little else to attend to
    with pytest.raises(ValueError, match="no query counts"):
        sink_readings(made, ids, counted)


def test_what_there_is_not_is_named():
    with pytest.raises(ValueError, match="remedy is 'sigmoid'"):
        SinkAttention(D, H, "sigmoid")
    with pytest.raises(ValueError, match="has no cache"):
        attention("relu")(tokens(), remember=lambda k, v: (k, v))
