"""Exercise 11.2: Repair masking and its loss."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F

from attnbook.checks.encoders_and_modalities.masking_draft import draft
from attnbook.checks.encoders_and_modalities.masking_mistakes import (
    BUGS,
    MISTAKES,
)
from attnbook.judging.exercise import Case, Exercise, Mistake, Part
from attnbook.judging.fresh_cases import anew
from attnbook.judging.tensors import normal
from attnbook.judging.unrepaired import unrepaired

_FIRST, _MASK = 4, 3  # 0 is padding, 1 begins a text, 2 ends it


def _masked_loss(tokens, special, draws, rate, first, mask_id, logits):
    V = logits.shape[-1]
    chosen = (draws["choose"] < rate) & ~special
    mask = chosen & (draws["kind"] < 0.8)
    other = chosen & (draws["kind"] >= 0.8) & (draws["kind"] < 0.9)
    drawn = first + (draws["other"] * (V - first)).long()
    shown = torch.where(other, drawn, tokens).masked_fill(mask, mask_id)
    log = logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
    loss = -(log * chosen).sum() / chosen.sum().clamp(min=1)
    return shown, chosen, loss


# -- right, written differently ----------------------------------------------


def _place_by_place(tokens, special, draws, rate, first, mask_id, logits):
    V = logits.shape[-1]
    shown, chosen = tokens.clone(), torch.zeros_like(special)
    losses = []
    for b in range(tokens.shape[0]):
        for t in range(tokens.shape[1]):
            if special[b, t] or draws["choose"][b, t] >= rate:
                continue
            chosen[b, t] = True
            scores = logits[b, t]
            right = scores[tokens[b, t]]
            losses.append(torch.logsumexp(scores, 0) - right)
            if draws["kind"][b, t] < 0.8:
                shown[b, t] = mask_id
            elif draws["kind"][b, t] < 0.9:
                shown[b, t] = first + int(draws["other"][b, t] * (V - first))
    loss = sum(losses) / len(losses) if losses else logits.sum() * 0
    return shown, chosen, loss


def _by_ignoring(tokens, special, draws, rate, first, mask_id, logits):
    V = logits.shape[-1]
    chosen = torch.logical_and(draws["choose"] < rate, ~special)
    targets = tokens.masked_fill(~chosen, -100)
    kind = torch.bucketize(draws["kind"], torch.tensor([0.8, 0.9]), right=True)
    options = torch.stack(
        [
            torch.full_like(tokens, mask_id),
            first + (draws["other"] * (V - first)).floor().long(),
            tokens,
        ]
    )
    picked = options.gather(0, kind[None])[0]
    shown = torch.where(chosen, picked, tokens)
    if not chosen.any():
        return shown, chosen, torch.zeros(())
    loss = F.cross_entropy(logits.flatten(0, 1), targets.view(-1))
    return shown, chosen, loss


# -- cases -------------------------------------------------------------------


def _text(generator, B, T, V, first=_FIRST):
    """Rows with a mark at each end, and padding behind all but the first."""
    tokens = torch.randint(first, V, (B, T), generator=generator)
    tokens[:, 0] = 1
    for b in range(B):
        end = T - 1 - b % 3
        tokens[b, end] = 2
        tokens[b, end + 1 :] = 0
    return tokens, tokens < first


def _masking_case(
    name, B, T, V, rate, seed, scale=1.0, mask_id=_MASK, first=_FIRST
):
    generator = torch.Generator().manual_seed(seed)
    tokens, special = _text(generator, B, T, V, first)
    draws = {
        key: torch.rand(B, T, generator=generator)
        for key in ("choose", "kind", "other")
    }
    # A chosen place of each kind, whatever was drawn.
    places = torch.arange(1, 4)
    draws["choose"][0, places] *= rate
    draws["kind"][0, places] = torch.tensor([0.3, 0.85, 0.95])
    draws["other"][0, 2] = 0.1 + 0.05 * (seed % 3)
    logits = normal(generator, B, T, V, scale=scale)
    return Case(name, (tokens, special, draws, rate, first, mask_id, logits))


def _worked_masking():
    """Three of five places chosen, each of another kind."""
    tokens = torch.tensor([[1, 4, 5, 6, 7, 2]])
    draws = {
        "choose": torch.tensor([[0.0, 0.1, 0.1, 0.9, 0.1, 0.1]]),
        "kind": torch.tensor([[0.5, 0.5, 0.85, 0.5, 0.95, 0.5]]),
        "other": torch.tensor([[0.5, 0.5, 0.5, 0.5, 0.5, 0.5]]),
    }
    logits = torch.zeros(1, 6, 8)
    logits[0, 1, 4] = 2.0
    return Case(
        "the worked example",
        (tokens, tokens < _FIRST, draws, 0.3, _FIRST, _MASK, logits),
    )


def _none_chosen():
    case = _masking_case("nothing chosen", 2, 7, 12, 0.2, seed=37)
    case.arguments[2]["choose"].clamp_(min=0.5)
    return case


def _at_the_edges():
    """Numbers that are equal to a threshold, and the largest of `other`."""
    case = _masking_case("numbers at a threshold", 3, 8, 14, 0.5, seed=38)
    draws = case.arguments[2]
    draws["choose"][1, 1] = 0.5
    draws["choose"][:2, 2:5] = 0.1
    # Not 0.9: in single precision it is a little less than 0.9.
    draws["kind"][0, 2:5] = torch.tensor([0.8, 0.95, 0.85])
    draws["kind"][1, 2:5] = torch.tensor([0.85, 0.05, 0.99])
    draws["other"][0, 4] = 0.98
    draws["other"][0, 2] = 0.0
    return case


def _marked():
    """An ordinary token that is special, and another first one."""
    case = _masking_case(
        "an ordinary token that is special", 3, 8, 15, 0.9, 40, first=6
    )
    _, special, draws, *_ = case.arguments
    special[0, 3] = special[1, 2] = special[2, 1] = True
    draws["choose"][:, 1:4] = 0.1
    draws["kind"][1:, 3] = 0.85
    return case


EXERCISE = Exercise(
    "11-masking",
    "Repair masking and its loss",
    points=4,
    reference=_masked_loss,
    cases=[
        _worked_masking(),
        _masking_case("a few tokens", 2, 7, 12, 0.6, seed=31),
        _masking_case("many rows", 6, 9, 20, 0.4, seed=32),
        _masking_case("one row", 1, 8, 12, 0.7, seed=33),
        _masking_case("the usual share", 8, 12, 30, 0.15, seed=34),
        _masking_case("every ordinary token", 4, 8, 16, 1.0, seed=35),
        _masking_case("large logits", 3, 7, 12, 0.6, seed=36, scale=60.0),
        _none_chosen(),
        _at_the_edges(),
        _masking_case("another mask token", 3, 7, 12, 0.6, seed=39, mask_id=2),
        _marked(),
    ],
    mistakes=[
        *unrepaired(BUGS, draft, begins="Begin with"),
        *(
            Mistake(
                name,
                sentence,
                partial(draft, bugs=bugs),
                look,
                also=tuple(partial(draft, bugs=other) for other in more),
                bugs=1,
            )
            for bugs, name, sentence, look, *more in MISTAKES
        ),
    ],
    right_answers=[_place_by_place, _by_ignoring],
    tolerance=1e-4,
    outputs=("shown", "chosen", "loss"),
    axes={"shown": "B T", "chosen": "B T"},
    fresh=anew(
        _masking_case, B=(3, 5), T=(7, 10), V=(12, 20), rate=(0.5, 0.8)
    ),
    parts=[
        Part("two", "two of the five bugs fixed", 1, mended=2),
        Part("four", "four of the five bugs fixed", 1, mended=4),
        Part("all", "all five bugs fixed", 2, mended=5),
    ],
)
