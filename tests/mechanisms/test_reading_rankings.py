"""Gradients by finite differences, ablations by a model made by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from attnbook import data
from attnbook.mechanisms.luong import LuongTranslator
from attnbook.mechanisms.reading import (
    adversarial_weights,
    erased,
    gradients,
    last_look,
    left_out,
    log_probabilities,
    maps_of,
    permuted,
    source_embedding,
    total_variation,
)
from attnbook.mechanisms.reading.rankings import embedded_as
from attnbook.mechanisms.recurrent import AdditiveTranslator
from attnbook.mechanisms.transformer import TransformerTranslator

TASK = data.telephone_numbers("de", pairs=(1, 2), longer=None)
MODELS = {
    "additive": AdditiveTranslator,
    "Luong": LuongTranslator,
    "Transformer": TransformerTranslator,
}
every_model = pytest.mark.parametrize("name", MODELS)


def translator(name):
    torch.manual_seed(0)
    sizes = len(TASK.source_vocabulary), len(TASK.target_vocabulary)
    model = MODELS[name](*sizes, size=8).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def batch(count=3):
    return TASK.sample(count, np.random.default_rng(0))


@every_model
def test_gradients_are_slopes_of_the_true_tokens_log_probability(name):
    model, pairs = translator(name), batch()
    found = gradients(model, pairs)
    step = 1e-6
    row, at = 0, 1  # a source, and one of its tokens
    width = source_embedding(model).embedding_dim
    slope = []
    for feature in range(width):
        sides = []
        for sign in (1, -1):

            def moved(embedded, feature=feature, sign=sign):
                embedded = embedded.clone()
                embedded[row, at, feature] += sign * step
                return embedded

            with torch.no_grad(), embedded_as(model, moved):
                sides.append(log_probabilities(model, pairs)[row])
        slope.append((sides[0] - sides[1]) / (2 * step))
    slope = torch.stack(slope, -1)  # (T, D)
    vector = source_embedding(model)(pairs.source)[row, at]
    if name == "Transformer":  # the embedding, before its position is added
        assert vector.shape == (width,)
    torch.testing.assert_close(
        found.norm[row, :, at], slope.norm(dim=-1), rtol=1e-5, atol=1e-8
    )
    torch.testing.assert_close(
        found.product[row, :, at], slope @ vector, rtol=1e-5, atol=1e-8
    )


class Counting(nn.Module):
    """Predicts from how often token 3 stands in the source, and no more."""

    def __init__(self):
        super().__init__()
        self.source_embedding = nn.Embedding(6, 1)
        with torch.no_grad():
            self.source_embedding.weight.zero_()
            self.source_embedding.weight[3] = 6.0

    def forward(self, source, mask, target_in):
        count = (self.source_embedding(source)[..., 0] * mask).sum(1)
        logits = torch.zeros(*target_in.shape, 2)
        logits[..., 1] = count[:, None]
        return logits, None


def counted(*rows):
    """Sources whose answer is always token 1, padded with 0."""
    longest = max(map(len, rows))
    source = torch.tensor([[*r, *[0] * (longest - len(r))] for r in rows])
    mask = torch.tensor([[at < len(r) for at in range(longest)] for r in rows])
    target = torch.ones(len(rows), 2, dtype=torch.long)
    return data.Batch(
        source, mask, target, target, target > 0, mask[:, None], target[:, 0]
    )


def test_leaving_out_and_erasing_find_the_one_token_that_counts():
    pairs = counted([2, 3, 4], [5, 4])
    model = Counting()
    with_it, without = torch.sigmoid(torch.tensor(6.0)).log(), -np.log(2)
    lost = left_out(model, pairs)
    for t in range(2):
        torch.testing.assert_close(
            lost[0, t], torch.tensor([0, with_it - without, 0])
        )
        assert lost[1, t].tolist() == [0, 0, -torch.inf]
    mean = torch.sigmoid(torch.tensor(1.0)).log()  # 6 of 6 entries: mean 1
    erasing = erased(model, pairs)
    torch.testing.assert_close(erasing[0, 0, 1], with_it - mean)
    assert erasing[1, 0, 2] == -torch.inf


def test_permuting_takes_tokens_as_often_as_they_come():
    pairs = counted([2, 3, 4, 4], [5, 4, 4, 4])  # token 3: one of 8
    generator = torch.Generator().manual_seed(0)
    lost = permuted(Counting(), pairs, 4000, generator)[0, 0]
    with_it, without = torch.sigmoid(torch.tensor(6.0)).log(), -np.log(2)
    expected = 7 / 8 * (with_it - without)
    assert lost[1].item() == pytest.approx(expected.item(), abs=0.02)
    assert lost[0] < 0.01  # one more 3 does next to nothing
    with pytest.raises(ValueError, match="draws is 0"):
        permuted(Counting(), pairs, 0)


@every_model
def test_no_ranking_changes_the_model_or_keeps_a_hook(name):
    model, pairs = translator(name), batch()
    before = log_probabilities(model, pairs)
    kept = {k: v.clone() for k, v in model.state_dict().items()}
    for rank in (gradients, left_out, erased, permuted, maps_of):
        rank(model, pairs)
    torch.testing.assert_close(log_probabilities(model, pairs), before)
    assert all(torch.equal(v, kept[k]) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


@every_model
def test_the_map_is_the_one_the_model_used_and_not_another(name):
    model, pairs = translator(name), batch()
    B, T = pairs.target_in.shape
    with torch.no_grad():
        logits, weights = model(
            pairs.source, pairs.source_mask, pairs.target_in
        )
    torch.testing.assert_close(maps_of(model, pairs)["weights"], weights)
    look = last_look(model, pairs)
    torch.testing.assert_close(
        look.predict(look.weights), logits.flatten(0, 1)
    )
    assert look.mask.shape == (B * T, pairs.source.shape[1])
    mean = look.weights.mean(1) if look.weights.ndim == 3 else look.weights
    torch.testing.assert_close(mean, weights.flatten(0, 1))


@every_model
def test_a_searched_map_keeps_the_prediction_within_what_is_allowed(name):
    model, pairs = translator(name), batch()
    look = last_look(model, pairs)
    found = adversarial_weights(
        look.weights, look.predict, 0.02, look.mask, steps=60
    )
    aim = look.predict(look.weights).softmax(-1)
    new = look.predict(found.weights).softmax(-1)
    torch.testing.assert_close(total_variation(new, aim), found.change)
    assert found.change.max() <= 0.02
    assert found.distance.mean() > 0.05  # an untrained model minds little
    apart = total_variation(found.weights, look.weights)
    apart = apart.mean(1) if apart.ndim == 2 else apart
    torch.testing.assert_close(apart, found.distance)
    ones = torch.ones_like(found.weights[..., 0])
    torch.testing.assert_close(found.weights.sum(-1), ones)


def test_what_cannot_be_ranked_is_named():
    with pytest.raises(TypeError, match="no source embedding"):
        source_embedding(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="fewer than two tokens"):
        left_out(Counting(), counted([3]))
    with pytest.raises(TypeError, match="expected an AdditiveTranslator"):
        last_look(Counting(), counted([3, 2]))
    sizes = len(TASK.source_vocabulary), len(TASK.target_vocabulary)
    fed = LuongTranslator(*sizes, size=8, input_feeding=True)
    with pytest.raises(TypeError, match="input feeding"):
        maps_of(fed, batch())
