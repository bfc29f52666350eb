"""Exercise 06.3: Smooth the labels and find the floor."""

from __future__ import annotations

import math
from functools import partial

import torch
import torch.nn.functional as F

from attnbook.checks.transformer.loss_mistakes import MISTAKES
from attnbook.judging.exercise import Case, Exercise, Mistake, Part, Property
from attnbook.judging.fresh_cases import anew, none_empty
from attnbook.judging.tensors import normal, token_mask


def _smoothed_loss(logits, target, prior, smoothing, padding):
    one = F.one_hot(target, logits.shape[-1]).to(logits)  # (B, T, V)
    q = (1 - smoothing) * one + smoothing * prior
    losses = -(q * logits.log_softmax(-1)).sum(-1)  # (B, T)
    floors = torch.special.entr(q).sum(-1)  # (B, T)
    real = target != padding  # (B, T)
    count = real.sum().clamp(min=1)
    return (losses * real).sum() / count, (floors * real).sum() / count


def _mistaken(logits, target, prior, smoothing, padding, mistake):
    """The same with a mistake."""
    V = logits.shape[-1]
    q = _mistaken_labels(target, prior, smoothing, padding, logits, mistake)
    losses = _mistaken_losses(logits, target, prior, smoothing, q, mistake)
    floors = _mistaken_floors(logits, prior, smoothing, q, mistake)
    if mistake == "sign":
        losses = -losses
    elif mistake == "over the vocabulary":
        losses, floors = losses / V, floors / V
    elif mistake == "both in bits":
        losses, floors = losses / math.log(2), floors / math.log(2)
    if mistake == "divergence":
        losses = losses - floors
    elif mistake == "exchanged":
        losses, floors = floors, losses
    if mistake == "floor of the mean":
        real = (target != padding)[..., None]
        q = (q * real).sum((0, 1)) / real.sum().clamp(min=1)
        floors = torch.special.entr(q).sum().expand_as(floors)
    real = target != (0 if mistake == "padding is 0" else padding)
    if mistake == "padding and 0":
        real = real & (target != 0)
    return _mistaken_means(losses, floors, real, mistake)


def _mistaken_labels(target, prior, smoothing, padding, logits, mistake):
    """The smoothed labels, (B, T, V)."""
    V = logits.shape[-1]
    if mistake == "uniform":
        prior = torch.full_like(prior, 1 / V)
    elif mistake in ("no padding token", "the rest scaled up"):
        prior = torch.where(torch.arange(V) == padding, 0, prior)
        if mistake == "the rest scaled up":
            prior = prior / prior.sum()
    keep = smoothing if mistake == "changed over" else 1 - smoothing
    one = F.one_hot(target, V).to(logits)  # (B, T, V)
    if mistake == "the others":
        others = prior * (1 - one)
        others = others / others.sum(-1, keepdim=True)
        return keep * one + smoothing * others
    if mistake == "overwritten":
        return torch.where(one == 1, keep, smoothing * prior)
    if mistake == "prior alone":
        return prior.expand_as(one)
    if mistake == "not less":
        return one + smoothing * prior
    return keep * one + (1 - keep) * prior


def _mistaken_losses(logits, target, prior, smoothing, q, mistake):
    """The loss of each position, (B, T)."""
    if mistake == "prior alone in the loss":
        q = prior.expand_as(q)
    elif mistake == "roles exchanged":
        q, logits = logits.softmax(-1), (q + 1e-9).log()
    if mistake and mistake.startswith("classes"):
        return F.cross_entropy(logits, q).expand(target.shape)
    if mistake == "over time":
        log_p = logits.log_softmax(1)
    elif mistake == "raw":
        log_p = logits
    elif mistake == "no logarithm":
        log_p = logits.softmax(-1)
    else:
        log_p = logits.log_softmax(-1)
    if mistake == "detached":
        log_p = log_p.detach()
    elif mistake == "smoothed prediction":
        log_p = ((1 - smoothing) * log_p.exp() + smoothing * prior).log()
    if mistake in ("plain", "smoothed prediction"):
        q = F.one_hot(target, logits.shape[-1]).to(logits)
    return -(q * log_p).sum(-1)


def _mistaken_floors(logits, prior, smoothing, q, mistake):
    """The floor of each position, (B, T)."""
    if mistake == "floor of a uniform prior":
        q = q + smoothing * (1 / len(prior) - prior)
    floors = torch.special.entr(q).sum(-1)
    if mistake == "share of the prior":
        return (smoothing * torch.special.entr(prior).sum()).expand_as(floors)
    if mistake == "coin":
        both = torch.tensor([smoothing, 1 - smoothing])
        return torch.special.entr(both).sum().expand_as(floors)
    if mistake == "nan":
        return -(q * q.log()).sum(-1)
    if mistake == "floor of the prior":
        return torch.special.entr(prior).sum().expand_as(floors)
    if mistake == "no floor":
        return torch.zeros_like(floors)
    if mistake == "floor of the prediction":
        return torch.special.entr(logits.log_softmax(-1).exp()).sum(-1)
    if mistake == "negative floor":
        return -floors
    return floors / math.log(2) if mistake == "bits" else floors


def _mistaken_means(losses, floors, real, mistake):
    """One loss and one floor, over the rows that count."""
    tokens = real
    if mistake in ("padding", "padding in the loss"):
        real = torch.ones_like(real)
    elif mistake == "rows upside down":
        real = ~real
    if mistake.startswith("sentences"):
        count = real.sum(-1).clamp(min=1)  # (B,)
        means = ((x * real).sum(-1) / count for x in (losses, floors))
        some = real.any(-1)
        loss, floor = (
            x[some].mean() if some.any() else 0 * x.sum() for x in means
        )
        if mistake == "sentences of the floor":
            loss = (losses * real).sum() / real.sum().clamp(min=1)
        elif mistake == "sentences of the loss":
            floor = (floors * real).sum() / real.sum().clamp(min=1)
        return loss, floor
    if mistake == "classes, floor of all":
        return losses.mean(), floors.mean()
    if mistake == "mean of nothing":
        return losses[real].mean(), floors[real].mean()
    count = real.sum()
    if mistake == "all positions below":
        count = torch.tensor(real.numel())
    elif mistake == "sum":
        count = torch.tensor(1)
    elif mistake == "by sentences":
        count = torch.tensor(len(real))
    elif mistake not in ("nothing over nothing", "replaced"):
        count = count.clamp(min=1)
    loss, floor = ((x * real).sum() / count for x in (losses, floors))
    if mistake == "replaced":
        loss, floor = loss.nan_to_num(), floor.nan_to_num()
    if mistake == "padding in the loss":
        floor = (floors * tokens).sum() / tokens.sum().clamp(min=1)
    elif mistake == "padding in the floor":
        floor = floors.mean() if real.any() else 0 * floor
    elif mistake == "all rows below the floor":
        floor = (floors * real).mean()
    elif mistake == "perplexity":
        loss, floor = loss.exp(), floor.exp()
    return loss, floor


def _smoothed_by_cross_entropy(logits, target, prior, smoothing, padding):
    real = target != padding
    if not real.any():
        return 0 * logits.sum(), torch.tensor(0.0)
    logits, target = logits[real], target[real]  # (N, V), (N,)
    q = (smoothing * prior).repeat(len(target), 1)  # (N, V)
    rows = torch.arange(len(target))
    q = q.index_put((rows, target), torch.tensor(1 - smoothing), True)
    floor = -torch.xlogy(q, q).sum(-1).mean()
    return F.cross_entropy(logits, q), floor


def _smoothed_in_two_parts(logits, target, prior, smoothing, padding):
    """A plain loss and a loss against the prior, mixed."""
    log_p = logits.log_softmax(-1)  # (B, T, V)
    plain = F.nll_loss(
        log_p.transpose(1, 2), target, ignore_index=padding, reduction="none"
    )
    real = target != padding
    blurred = torch.where(real, -(log_p @ prior), 0)
    count = max(1, int(real.sum()))
    loss = (1 - smoothing) * plain.sum() + smoothing * blurred.sum()
    floor = 0.0
    for token in target[real].tolist():
        for k, u in enumerate(prior.tolist()):
            q = smoothing * u + (1 - smoothing) * (k == token)
            floor -= q * math.log(q) if q else 0
    return loss / count, torch.tensor(floor / count) + 0 * prior.sum()


def _smoothing_case(
    name, lengths, T, V, smoothing, seed, zeros=0, padding=0, gap=False
):
    """`gap` says whether the first sentence has padding at its beginning."""
    generator = torch.Generator().manual_seed(seed)
    B = len(lengths)
    target = torch.randint(1, V, (B, T), generator=generator)
    target = torch.where(target == padding, 0, target)
    real = token_mask(lengths, T)
    real[0, 0] &= not gap
    target = torch.where(real, target, padding)
    prior = torch.rand(V, generator=generator) + 0.1
    prior[V - zeros :] = 0
    prior = prior / prior.sum()
    return Case(
        name,
        (normal(generator, B, T, V), target, prior, smoothing, padding),
    )


def _uniform_is_torchs(answer):
    logits, target, prior, _, padding = _smoothing_case(
        "", [5, 3], 5, 7, 0.1, 29
    ).arguments
    even = torch.full_like(prior, 1 / 7)
    loss, _ = answer(logits, target, even, 0.2, padding)
    wanted = F.cross_entropy(
        logits.transpose(1, 2),
        target,
        ignore_index=padding,
        label_smoothing=0.2,
    )
    return abs(float(loss) - float(wanted)) < 1e-4


def _floor_is_reached(answer):
    """Where the prediction is the smoothed label, the loss is the floor."""
    _, target, prior, smoothing, padding = _smoothing_case(
        "", [4, 2], 4, 6, 0.3, 30
    ).arguments
    q = (1 - smoothing) * F.one_hot(target, 6) + smoothing * prior
    loss, floor = answer(q.log() + 3, target, prior, smoothing, padding)
    return abs(float(loss) - float(floor)) < 1e-4


def _no_gradient_is_nan(answer):
    """Where no row counts. What loss and floor are, another part asks."""
    logits, *rest = _smoothing_case("", [0, 0], 2, 4, 0.1, 27).arguments
    loss, _ = _run_smoothing(answer, logits.requires_grad_(), *rest)
    if not (loss.isfinite() and loss.requires_grad):
        return True
    (gradient,) = torch.autograd.grad(loss, logits)
    return bool(gradient.isfinite().all())


def _run_smoothing(answer, logits, target, prior, smoothing, padding):
    """Call an answer. The gradient is judged by loss and logits alone."""
    result = answer(logits, target, prior.detach(), smoothing, padding)
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        return result
    loss, floor = (
        torch.tensor(float(x)) if isinstance(x, (int, float)) else x
        for x in result
    )
    if isinstance(floor, torch.Tensor):
        floor = floor.detach()
    if isinstance(loss, torch.Tensor) and not (target != padding).any():
        loss = loss + 0 * logits.sum()  # a constant has no gradient
    return loss, floor


def _has_the_loss_of(mistake, case, output):
    """Say whether the loss is that of a mistake, whatever the floor."""
    if not isinstance(output, (tuple, list)):
        return False
    made = _mistaken(*case.arguments, mistake=mistake)[0].item()
    right = _smoothed_loss(*case.arguments)[0].item()
    return abs(made - right) > 1e-3 and abs(made - float(output[0])) < 1e-5


EXERCISE = Exercise(
    "06-smoothed-loss",
    "Smooth the labels and find the floor",
    points=4,
    reference=_smoothed_loss,
    cases=[
        Case(
            "the worked example",
            (
                torch.log(
                    torch.tensor([[[0.25, 0.5, 0.25], [0.2, 0.2, 0.6]]])
                ),
                torch.tensor([[1, 0]]),
                torch.tensor([0.0, 0.5, 0.5]),
                0.2,
                0,
            ),
        ),
        _smoothing_case("two sentences", [4, 3], 4, 5, 0.1, seed=21),
        _smoothing_case("padded", [5, 1, 3], 5, 4, 0.3, seed=22),
        _smoothing_case(
            "padding that is token 3",
            [4, 2],
            4,
            6,
            0.2,
            seed=33,
            padding=3,
            gap=True,
        ),
        _smoothing_case("zeros in the prior", [3, 2], 4, 6, 0.2, 23, zeros=2),
        _smoothing_case("no smoothing", [4, 2], 4, 5, 0.0, seed=24),
        _smoothing_case("all sizes alike", [4, 3, 4, 2], 4, 4, 0.4, seed=25),
        _smoothing_case("an empty sentence", [0, 3], 3, 5, 0.1, seed=26),
        _smoothing_case("all padding", [0, 0], 2, 4, 0.1, seed=27),
    ],
    mistakes=[
        Mistake(
            name,
            sentence,
            partial(_mistaken, mistake=key),
            look,
            also=[partial(_mistaken, mistake=other) for other in more],
            shows=partial(_has_the_loss_of, key),
        )
        for key, name, sentence, look, *more in MISTAKES
    ],
    right_answers=[_smoothed_by_cross_entropy, _smoothed_in_two_parts],
    properties=[
        Property(
            "With a uniform prior the loss is that of F.cross_entropy with "
            "label_smoothing.",
            _uniform_is_torchs,
        ),
        Property(
            "Where the prediction equals q the loss is the floor.",
            _floor_is_reached,
        ),
        Property(
            "Where no row counts the gradient of the loss holds no NaN.",
            _no_gradient_is_nan,
            "Is there a 0/0 on the way, even if it is replaced later?",
        ),
    ],
    tolerance=1e-5,
    gradients=True,
    outputs=("loss", "floor"),
    run=_run_smoothing,
    parts=[
        Part(
            "values",
            "loss and floor of sentences that are not empty",
            2,
            tries=(
                "two sentences",
                "padded",
                "padding that is token 3",
                "all sizes alike",
            ),
            fresh=anew(
                _smoothing_case,
                T=(2, 5),
                lengths=none_empty("T"),
                V=(4, 7),
                smoothing=(0.05, 0.4),
                padding=(0, 3),
            ),
        ),
        Part(
            "bounds",
            "mixed labels that hold a 0, and empty sentences",
            1,
            tries=(
                "the worked example",
                "zeros in the prior",
                "no smoothing",
                "an empty sentence",
                "all padding",
                "With a uniform prior the loss is that of F.cross_entropy "
                "with label_smoothing.",
                "Where the prediction equals q the loss is the floor.",
            ),
            fresh=anew(
                _smoothing_case,
                T=(2, 5),
                lengths="T",
                V=(4, 7),
                smoothing=(0.05, 0.4),
                zeros=(0, 2),
            ),
        ),
        Part(
            "gradient",
            "the gradient of the loss",
            1,
            tries=(
                "two sentences",
                "padded",
                "Where no row counts the gradient of the loss holds no NaN.",
            ),
            gradients=True,
            fresh=anew(
                _smoothing_case,
                T=(2, 5),
                lengths=none_empty("T"),
                V=(4, 7),
                smoothing=(0.05, 0.4),
            ),
        ),
    ],
)
