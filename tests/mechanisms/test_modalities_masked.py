"""Hidden tokens are chosen, scored and filled in as published."""

import math

import pytest
import torch

from attnbook.mechanisms.modalities import (
    MaskedModel,
    diffusion_loss,
    masked_loss,
    masked_tokens,
    noised_tokens,
    unmask,
)

MASK, V = 3, 12


def drawn(rows=400, columns=100, share=0.15, seed=0):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(4, V, (rows, columns), generator=generator)
    may = torch.ones_like(ids, dtype=torch.bool)
    may[:, :10] = False
    seen, chosen = masked_tokens(ids, may, MASK, V, generator, share)
    return ids, may, seen, chosen


def test_eighty_ten_ten_of_the_chosen():
    ids, may, seen, chosen = drawn()
    assert chosen[may].float().mean().item() == pytest.approx(0.15, abs=0.01)
    hidden = (seen == MASK)[chosen].float().mean().item()
    changed = ((seen != ids) & (seen != MASK))[chosen].float().mean().item()
    assert hidden == pytest.approx(0.8, abs=0.02)
    # A random token is the old one in one case of V - 1.
    assert changed == pytest.approx(0.1 * (V - 2) / (V - 1), abs=0.015)


def test_what_is_not_chosen_stays_and_padding_is_never_chosen():
    ids, may, seen, chosen = drawn()
    assert torch.equal(seen[~chosen], ids[~chosen])
    assert not chosen[~may].any()


def test_a_random_token_is_never_the_mask():
    _, _, seen, chosen = drawn(share=1.0)
    share = (seen == MASK)[chosen].float().mean().item()
    assert share == pytest.approx(0.8, abs=0.01)


def test_a_mask_that_is_not_boolean_is_refused():
    ids = torch.zeros(2, 3, dtype=torch.long)
    with pytest.raises(TypeError, match="may has dtype"):
        masked_tokens(ids, ids, MASK, V, torch.Generator())
    with pytest.raises(ValueError, match="share is"):
        masked_tokens(ids, ids == 0, MASK, V, torch.Generator(), 15)


def test_the_loss_averages_over_the_chosen_only():
    torch.manual_seed(0)
    logits = torch.randn(2, 5, V, dtype=torch.float64)
    ids = torch.randint(0, V, (2, 5))
    chosen = torch.zeros(2, 5, dtype=torch.bool)
    chosen[0, 1] = chosen[1, 3] = chosen[1, 4] = True
    log = logits.log_softmax(-1)
    places = ((0, 1), (1, 3), (1, 4))
    expected = -sum(log[b, t, ids[b, t]] for b, t in places) / 3
    torch.testing.assert_close(masked_loss(logits, ids, chosen), expected)
    logits[~chosen] = 100.0  # what stands elsewhere does not count
    torch.testing.assert_close(masked_loss(logits, ids, chosen), expected)


def test_no_chosen_token_is_a_loss_of_zero_with_gradients():
    logits = torch.randn(1, 2, V, requires_grad=True)
    none = torch.zeros(1, 2, dtype=torch.bool)
    loss = masked_loss(logits, none.long(), none)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.abs().sum() == 0


def test_rows_are_noised_at_rates_that_cover_zero_to_one():
    generator = torch.Generator().manual_seed(1)
    ids = torch.full((100, 2000), 5)
    seen, masked, t = noised_tokens(ids, MASK, generator)
    assert torch.equal(seen == MASK, masked)
    assert (masked.float().mean(1) - t).abs().max() < 0.05
    apart = t.sort().values.diff()
    torch.testing.assert_close(apart, torch.full((99,), 0.01))
    assert t.min() > 0 and t.max() <= 1


def test_the_diffusion_bound_of_a_model_that_knows_nothing_is_log_v():
    """Each token's expected masks over t are 1, so the mean is ln V."""
    generator = torch.Generator().manual_seed(2)
    ids = torch.randint(0, V, (2000, 50), generator=generator)
    _, masked, t = noised_tokens(ids, MASK, generator)
    loss = diffusion_loss(torch.zeros(2000, 50, V), ids, masked, t)
    assert loss.item() == pytest.approx(math.log(V), rel=0.03)


class Knows(torch.nn.Module):
    """Predicts token 5 surely, and counts what it is asked."""

    def __init__(self):
        super().__init__()
        self.hidden = []

    def forward(self, ids):
        self.hidden.append((ids == MASK).sum(1).tolist())
        return (
            torch.nn.functional.one_hot(torch.full_like(ids, 5), V).float()
            * 1000
        )


@pytest.mark.parametrize(
    "steps, left",
    [(1, [7]), (2, [7, 3]), (7, [7, 6, 5, 4, 3, 2, 1]), (9, None)],
)
def test_masks_are_filled_evenly_and_the_rest_stays(steps, left):
    ids = torch.full((3, 9), MASK)
    ids[:, 2], ids[:, 8] = 7, 9
    model = Knows()
    filled = unmask(model, ids, MASK, steps, torch.Generator().manual_seed(0))
    assert (filled[:, 2] == 7).all() and (filled[:, 8] == 9).all()
    assert ((filled == 5).sum(1) == 7).all()
    assert (ids == MASK).sum() == 21  # the argument is not changed
    if left:
        assert model.hidden == [[n] * 3 for n in left]


def test_the_mask_is_never_drawn():
    class Mask(torch.nn.Module):
        def forward(self, ids):
            logits = torch.zeros(*ids.shape, V)
            logits[..., MASK] = 50.0
            return logits

    ids = torch.full((50, 6), MASK)
    filled = unmask(Mask(), ids, MASK, 3, torch.Generator().manual_seed(0))
    assert (filled != MASK).all()
    with pytest.raises(ValueError, match="steps is 0"):
        unmask(Mask(), ids, MASK, 0, torch.Generator())


def test_the_model_reads_both_sides_and_no_padding():
    torch.manual_seed(0)
    model = MaskedModel(V, 6, d_model=16, num_heads=2).double()
    ids = torch.randint(4, V, (1, 6))
    other = ids.clone()
    other[0, 5] = (ids[0, 5] - 3) % 8 + 4
    assert not torch.allclose(model(ids)[:, 0], model(other)[:, 0])
    real = torch.tensor([[True] * 5 + [False]])
    torch.testing.assert_close(
        model(ids, real)[:, :5], model(other, real)[:, :5]
    )
    with pytest.raises(ValueError, match="at most 6"):
        model(torch.zeros(1, 7, dtype=torch.long))
