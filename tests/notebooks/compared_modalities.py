"""How each name of chapter 11 and of its mechanisms is called."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from attnbook.mechanisms.modalities import DigitGenerator
from attnbook.mechanisms.modalities import generate as packaged


def _seeded(seed=3):
    return torch.Generator().manual_seed(seed)


def _tokens():
    return torch.randint(0, 9, (6, 7), generator=_seeded())


def _masked(it):
    may = torch.rand(6, 7, generator=_seeded(1)) < 0.8
    return list(it(_tokens(), may, 4, 9, _seeded(2), 0.5))


def _logits():
    return torch.randn(6, 7, 9, generator=_seeded(5))


def _vision(it):
    torch.manual_seed(0)
    logits, weights = it(patch=4, registers=2)(
        torch.rand(3, 8, 8, generator=_seeded())
    )
    return [logits, *weights]


def _pairs():
    return torch.randn(2, 6, 4, generator=_seeded())


def _flow_loss(it):
    torch.manual_seed(0)
    model = DigitGenerator(12)
    images = 2 * torch.rand(5, 8, 8, generator=_seeded()) - 1
    ids = torch.randint(0, 12, (5, 3), generator=_seeded(1))
    return [it(model, images, ids, _seeded(2), 0.5)]


def _generate(it):
    torch.manual_seed(0)
    model = DigitGenerator(12)
    made = it(model, torch.tensor([[1, 2, 3]]), 2.0, _seeded(), 4)
    return made[0] if it is packaged else made


def _guessed(ids):
    """A model without weights: it likes the token before, and itself."""
    return 2.0 * F.one_hot(ids.roll(1, 1), 9) + F.one_hot(ids, 9)


ENCODERS_AND_MODALITIES = {
    "masked_tokens": _masked,
    "masked_loss": lambda it: it(
        _logits(), _tokens(), torch.rand(6, 7, generator=_seeded()) < 0.3
    ),
    "noised_tokens": lambda it: list(it(_tokens(), 4, _seeded())),
    "diffusion_loss": lambda it: it(
        _logits(),
        _tokens(),
        torch.rand(6, 7, generator=_seeded()) < 0.3,
        torch.rand(6, generator=_seeded()) + 0.1,
    ),
    "unmask": lambda it: it(_guessed, torch.full((5, 7), 4), 4, 3, _seeded()),
    "patches": lambda it: it(torch.arange(128.0).reshape(2, 8, 8), 2),
    "VisionTransformer": _vision,
    "softmax_loss": lambda it: it(*_pairs(), torch.tensor(1.5)),
    "sigmoid_loss": lambda it: it(
        *_pairs(), torch.tensor(1.5), torch.tensor(-4.0)
    ),
    "softmax_floor": lambda it: it(64, 10),
    "between": lambda it: list(
        it(
            *torch.randn(2, 5, 8, 8, generator=_seeded()),
            torch.rand(5, generator=_seeded()),
        )
    ),
    "guided": lambda it: it(*torch.randn(2, 4, 6, generator=_seeded()), 2.5),
    "flow_loss": _flow_loss,
    "generate": _generate,
    "mean_of_real": lambda it: it(
        torch.randn(3, 4, 5, generator=_seeded()),
        torch.rand(3, 4, generator=_seeded()) < 0.7,
    ),
}
