"""Exercise 06.3: Smooth the labels and find the floor."""

from __future__ import annotations

import math
from functools import partial

import torch
import torch.nn.functional as F

from attnbook.judging.exercise import Case, Exercise, Mistake, Part, Property
from attnbook.judging.fresh_cases import anew, lengths
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
    floors = _mistaken_floors(logits, prior, q, mistake)
    if mistake == "sign":
        losses = -losses
    elif mistake == "over the vocabulary":
        losses, floors = losses / V, floors / V
    if mistake == "divergence":
        losses = losses - floors
    return _mistaken_means(losses, floors, target != padding, mistake)


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
    if mistake == "not less":
        return one + smoothing * prior
    return keep * one + (1 - keep) * prior


def _mistaken_losses(logits, target, prior, smoothing, q, mistake):
    """The loss of each position, (B, T)."""
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


def _mistaken_floors(logits, prior, q, mistake):
    """The floor of each position, (B, T)."""
    floors = torch.special.entr(q).sum(-1)
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
    if mistake == "sentences":
        count = real.sum(-1).clamp(min=1)  # (B,)
        means = ((x * real).sum(-1) / count for x in (losses, floors))
        some = real.any(-1)
        return tuple(
            x[some].mean() if some.any() else 0 * x.sum() for x in means
        )
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
    elif mistake != "nothing over nothing":
        count = count.clamp(min=1)
    loss, floor = ((x * real).sum() / count for x in (losses, floors))
    if mistake == "padding in the loss":
        floor = (floors * tokens).sum() / tokens.sum().clamp(min=1)
    elif mistake == "padding in the floor":
        floor = floors.mean() if real.any() else 0 * floor
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


def _smoothing_case(name, lengths, T, V, smoothing, seed, zeros=0):
    generator = torch.Generator().manual_seed(seed)
    B = len(lengths)
    target = torch.randint(1, V, (B, T), generator=generator)
    target = torch.where(token_mask(lengths, T), target, 0)
    prior = torch.rand(V, generator=generator) + 0.1
    prior[V - zeros :] = 0
    prior = prior / prior.sum()
    return Case(
        name,
        (normal(generator, B, T, V), target, prior, smoothing, 0),
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
    return torch.allclose(torch.as_tensor(loss), wanted, atol=1e-5)


def _floor_is_reached(answer):
    """Where the prediction is the smoothed label, the loss is the floor."""
    _, target, prior, smoothing, padding = _smoothing_case(
        "", [4, 2], 4, 6, 0.3, 30
    ).arguments
    q = (1 - smoothing) * F.one_hot(target, 6) + smoothing * prior
    loss, floor = answer(q.log() + 3, target, prior, smoothing, padding)
    return abs(float(loss) - float(floor)) < 1e-4


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


_MISTAKES = [
    (
        "padding",
        "padding is counted",
        "Rows of padding count as if they were tokens to predict.",
        "target != padding are the rows that count.",
    ),
    (
        "padding in the loss",
        "padding is counted in the loss",
        "The loss is a mean over all rows, padding too.",
        "target != padding are the rows that count.",
    ),
    (
        "padding in the floor",
        "padding is counted in the floor",
        "The floor is a mean over all rows, padding too.",
        "Loss and floor are means over the same rows.",
    ),
    (
        "all positions below",
        "divided by all rows",
        "The sum holds the real rows alone, and you divided it by B · T.",
        "Divide by the number of rows that count.",
    ),
    (
        "sentences",
        "a mean of means",
        "You took a mean for each sentence, then the mean of those. A short "
        "sentence then counts as much as a long one.",
        "Sum over all rows of the batch, then divide once.",
    ),
    (
        "sum",
        "a sum over the rows",
        "The rows are added up. Asked is their mean.",
        "Divide by the number of rows that count.",
    ),
    (
        "by sentences",
        "divided by the number of sentences",
        "The sum over all rows is divided by B. A longer sentence then "
        "costs more.",
        "Divide by the number of rows that count.",
    ),
    (
        "rows upside down",
        "padding alone is counted",
        "Only the rows of padding count. They are the ones to leave out.",
        "target != padding are the rows that count.",
    ),
    (
        "the rest scaled up",
        "a prior scaled up without padding",
        "The padding token's share is given to the other tokens. The prior "
        "is used as it is.",
        "Padding is left out as a *row*, not as a column.",
    ),
    (
        "no logarithm",
        "probabilities without their logarithm",
        "The softmax went into the sum without a logarithm.",
        "log_softmax, not softmax.",
    ),
    (
        "over the vocabulary",
        "a mean over the vocabulary",
        "The terms of one row are averaged. They belong summed over the "
        "vocabulary.",
        "sum over V, mean over the rows that count.",
    ),
    (
        "changed over",
        "ε and 1 - ε changed over",
        "The true token gets ε and the prior 1 - ε.",
        "With ε = 0.1 the true token keeps most of the mass.",
    ),
    (
        "overwritten",
        "the true token without its share of the prior",
        "The true token gets 1 - ε alone, so a row of q sums to less than 1. "
        "Its own share of the prior is missing.",
        "Add the two parts; a scatter overwrites.",
    ),
    (
        "the others",
        "the prior for the others alone",
        "ε is spread over the *other* tokens. In the definition the true "
        "token gets its share of the prior too.",
        "q(k) = (1 - ε)[k = y] + ε u(k), for all k.",
    ),
    (
        "not less",
        "a label of more than 1",
        "The true token keeps 1 and the prior is added: q sums to 1 + ε.",
        "(1 - ε) before the first part.",
    ),
    (
        "uniform",
        "uniform in place of the prior",
        "ε is spread evenly, ε/V each. It should be spread as `prior` says.",
        "ε u(k), with u = prior.",
    ),
    (
        "no padding token",
        "a prior without the padding token",
        "The padding token's share of the prior is set to 0, so q sums to "
        "less than 1. The prior is used as it is.",
        "Padding is left out as a *row*, not as a column.",
    ),
    (
        "smoothed prediction",
        "predictions smoothed in place of labels",
        "You mixed the prior into the predicted probabilities. It belongs "
        "into the labels.",
        "The sum over k has q(k) outside the logarithm.",
    ),
    (
        "plain",
        "labels that are not smoothed",
        "This is the plain cross-entropy: only the true token counts.",
        "All tokens of the vocabulary have a weight q(k).",
    ),
    (
        "over time",
        "a softmax over the positions",
        "The softmax runs over T. Each row of logits is a distribution over "
        "the vocabulary.",
        "logits are (B, T, V): dim=-1.",
    ),
    (
        "raw",
        "logits taken for logarithms of probabilities",
        "The logits went into the sum as they are.",
        "log_softmax first.",
    ),
    (
        "sign",
        "the sign of the loss",
        "The loss is negative. Logarithms of probabilities are negative, so "
        "the sum needs a minus.",
        "The minus before the sum.",
    ),
    (
        "divergence",
        "the floor taken off",
        "This is the loss less its floor: the divergence of p from q. Asked "
        "are both, each by itself.",
        "The loss has log p alone.",
    ),
    (
        "no floor",
        "a floor of 0",
        "A floor of 0 belongs to labels that are not smoothed.",
        "Put p = q into the loss.",
    ),
    (
        "floor of the prior",
        "the entropy of the prior",
        "This floor is the entropy of u. It is q's that counts, (1 - ε) of "
        "which is the true token.",
        "Put p = q into the loss.",
    ),
    (
        "floor of the prediction",
        "the entropy of the prediction",
        "This floor hangs on the logits. No prediction can go below it, so it "
        "hangs on the labels alone.",
        "Put p = q into the loss.",
    ),
    (
        "negative floor",
        "the sign of the floor",
        "The floor is negative. An entropy is not.",
        "The minus before the sum.",
    ),
    (
        "bits",
        "a floor in bits",
        "The floor is in bits and the loss in nats.",
        "torch.log, not torch.log2.",
    ),
    (
        "nan",
        "0 · log 0",
        "The prior of a token can be 0, and then q is 0: 0 · (-inf) is NaN. "
        "Its term should be 0.",
        "torch.xlogy(q, q), or torch.special.entr.",
    ),
    (
        "nothing over nothing",
        "0 rows",
        "Where all rows are padding you divide by 0. Loss and floor are 0 "
        "then.",
        "The case “all padding”: how many rows has it?",
        "mean of nothing",
    ),
    (
        "classes",
        "the positions taken for the classes",
        "F.cross_entropy takes the *second* axis for the classes, and yours "
        "holds the positions.",
        "Give it rows, (N, V), or (B, V, T).",
        "classes, floor of all",
    ),
    (
        "detached",
        "a loss without gradient",
        "The values are right, but the loss is cut off from the logits: "
        "nothing could be learnt from it.",
        "A .detach(), a .item() or a torch.no_grad().",
    ),
]


def _of_full_sentences(random, drawn):
    return lengths(random, drawn["T"], least=1)


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
        for key, name, sentence, look, *more in _MISTAKES
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
                "the worked example",
                "two sentences",
                "padded",
                "no smoothing",
                "all sizes alike",
            ),
            fresh=anew(
                _smoothing_case,
                T=(2, 5),
                lengths=_of_full_sentences,
                V=(4, 7),
                smoothing=(0.05, 0.4),
            ),
        ),
        Part(
            "bounds",
            "zeros in the prior and empty sentences",
            1,
            tries=(
                "zeros in the prior",
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
            tries=("the worked example", "two sentences", "padded"),
            gradients=True,
            fresh=anew(
                _smoothing_case,
                T=(2, 5),
                lengths=_of_full_sentences,
                V=(4, 7),
                smoothing=(0.05, 0.4),
            ),
        ),
    ],
)
