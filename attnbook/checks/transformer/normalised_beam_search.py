"""Cases, references and known mistakes of the exercises of chapter 06.

Each exercise has a reference, cases to compare it on, mistakes that students
make, written as code and named, and right answers written in other ways.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import combinations

import torch
import torch.nn.functional as F

from attnbook.judging.comparison import kind_of
from attnbook.judging.exercise import (
    Case,
    Exercise,
    Mistake,
    Property,
    WrongAnswer,
)
from attnbook.judging.exercise import points_so_far as _points_so_far
from attnbook.judging.fresh_cases import anew, lengths
from attnbook.judging.named_mistakes import named
from attnbook.judging.planted_bugs import bugs_left
from attnbook.judging.predictions import Predictions
from attnbook.judging.tensors import normal, token_mask
from attnbook.judging.watching import products
from attnbook.mechanisms.additive import masked_softmax

__all__ = [
    "EXERCISES",
    "check_CrossAttentionCache",
    "check_encode",
    "check_normalised_beam_search",
    "check_predict",
    "check_smoothed_loss",
    "points_so_far",
]


# ------------------------------------------------- 1. Predict, pen in hand

_PREDICTIONS = Predictions(
    {
        "a": 4 * (64 * 64 + 64) + 2 * 64 * 256 + 256 + 64 + 2 * 2 * 64,
        "b": 13.0,
        "c": 0.5,
        "d": 465.0,
        "e": 1.5,
        "f": -1.342,
    }
)


def _predict_exactly(question):
    return (
        -3 / math.sqrt(5)
        if question == "f"
        else _PREDICTIONS.answers[question]
    )


def _predict_by_running(question):
    """Right, by running what is asked instead of thinking."""
    if question == "a":
        layer = torch.nn.TransformerEncoderLayer(64, 4, 256)
        return sum(parameter.numel() for parameter in layer.parameters())
    if question == "b":
        variance = 1.0
        for _ in range(6 * 2):
            variance += 1
        return variance
    if question == "c":
        rate = {n: min(n**-0.5, n * 400**-1.5) for n in range(1, 2000)}
        return rate[1600] / max(rate.values())
    if question == "d":
        return sum(len(range(t + 1)) for t in range(30))
    if question == "e":
        tree = {"A": (0.6, [0.4, 0.35, 0.25]), "B": (0.4, [0.9, 0.05, 0.05])}
        first = max(tree, key=lambda token: tree[token][0])
        greedy = tree[first][0] * max(tree[first][1])
        return max(p * max(rest) for p, rest in tree.values()) / greedy
    token = torch.tensor([200.0, 400.0, 600.0, 800.0])
    return F.layer_norm(token, (4,))[0].item()


_PREDICT = Exercise(
    "06-predict",
    "Predict sizes, spreads and steps",
    points=3,
    reference=_predict_exactly,
    cases=_PREDICTIONS.cases(hints=(1, 2, 3, 3, 4, 4)),
    mistakes=[
        _PREDICTIONS.wrong(
            "a",
            4 * 64 * 64 + 2 * 64 * 256,
            "matrices alone",
            "These are the six matrices. Each linear layer has a bias, and "
            "each normalisation a gain and a shift.",
            "Four biases of 64, one of 256, one of 64, and 2 · 2 · 64.",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * (64 * 64 + 64) + 2 * 64 * 256 + 256 + 64,
            "the normalisations are left out",
            "A layer normalisation learns a gain and a shift for each of the "
            "64 features, and there are two.",
            "Add 2 · 2 · 64.",
        ),
        _PREDICTIONS.wrong(
            "a",
            4 * (64 * 64 + 64) + 2 * 64 * 256 + 256 + 64 + 2 * 64,
            "one normalisation",
            "There is a normalisation for each of the two sublayers.",
            "Gain and shift, 64 each, twice.",
        ),
        _PREDICTIONS.wrong(
            "a",
            8 * (64 * 64 + 64) + 2 * 64 * 256 + 256 + 64 + 3 * 2 * 64,
            "a decoder layer",
            "This layer has a second attention, over the source. The encoder "
            "layer has one.",
            "Count one attention and two normalisations.",
        ),
        _PREDICTIONS.wrong(
            "a",
            2 * 64 * 256 + 256 + 64 + 2 * 2 * 64,
            "attention is left out",
            "This is the feed-forward network with the normalisations.",
            "Attention has four linear layers from 64 to 64.",
        ),
        _PREDICTIONS.wrong(
            "a",
            3 * (64 * 64 + 64) + 2 * 64 * 256 + 256 + 64 + 2 * 2 * 64,
            "the output projection is left out",
            "Attention has four projections: queries, keys, values, and one "
            "for the merged heads.",
            "4 · (64 · 64 + 64).",
        ),
        _PREDICTIONS.wrong(
            "b",
            7.0,
            "one addition a layer",
            "A layer has two sublayers, and each of them adds.",
            "Six layers, twelve additions.",
        ),
        _PREDICTIONS.wrong(
            "b",
            12.0,
            "the stream that was there",
            "Twelve additions, and the stream began with a variance of 1.",
            "1 before the first layer.",
        ),
        _PREDICTIONS.wrong(
            "b",
            1.0,
            "the normalisation taken for the stream",
            "In pre-norm what a sublayer *reads* is normalised. The stream "
            "goes on as it was, plus the sublayer's output.",
            "x + f(norm(x)): which of the two x is normalised?",
        ),
        _PREDICTIONS.wrong(
            "b",
            2.0**12,
            "variances that double",
            "A variance doubles only where two equal ones are added. The "
            "stream's grows, the sublayer's stays 1.",
            "Add 1 twelve times.",
        ),
        _PREDICTIONS.wrong(
            "b",
            math.sqrt(13),
            "the standard deviation",
            "This is the root of the variance.",
            "The variance is asked for.",
        ),
        _PREDICTIONS.wrong(
            "b",
            2.0**6,
            "layers that double",
            "A variance doubles only where two equal ones are added. The "
            "stream's grows, the sublayer's stays 1.",
            "Add 1 twelve times.",
        ),
        _PREDICTIONS.wrong(
            "c",
            1600**-0.5,
            "the rate, not its share",
            "This is the smaller of the two terms. The question is how "
            "much of the peak it is.",
            "The peak is at step 400: what is the rate there?",
        ),
        _PREDICTIONS.wrong(
            "c",
            400**-0.5,
            "the rate at the peak",
            "This is the largest rate. The question is the share at step "
            "1600.",
            "The rate at 1600, divided by the rate at 400.",
        ),
        _PREDICTIONS.wrong(
            "c",
            0.25,
            "one over the steps",
            "The rate falls as one over the *root* of the step.",
            "√(400/1600).",
        ),
        _PREDICTIONS.wrong(
            "c",
            4.0,
            "a rate that still grows",
            "After the warm-up the rate falls.",
            "min(step^-0.5, step · 400^-1.5): which is smaller at 1600?",
        ),
        _PREDICTIONS.wrong(
            "c",
            2.0,
            "upside down",
            "You divided the peak by the rate at step 1600.",
            "A share of the peak is below 1.",
        ),
        _PREDICTIONS.wrong(
            "d",
            30.0,
            "one position a step",
            "This would hold with a cache of keys and values. Here each step "
            "runs the decoder over the whole prefix.",
            "1 + 2 + … + 30.",
        ),
        _PREDICTIONS.wrong(
            "d",
            900.0,
            "thirty positions at each step",
            "The prefix grows: the first step has one position.",
            "1 + 2 + … + 30.",
        ),
        _PREDICTIONS.wrong(
            "d",
            435.0,
            "one step short",
            "This is 1 + … + 29. The prefix of the first step is BOS, and "
            "that of the last has 30 tokens.",
            "n (n + 1)/2, with n = 30.",
        ),
        _PREDICTIONS.wrong(
            "d",
            1.0,
            "training taken for generation",
            "In training one pass does all positions. In generation a token "
            "needs the tokens before it.",
            "What does step t run over?",
        ),
        _PREDICTIONS.wrong(
            "e",
            1.0,
            "greedy taken for best",
            "Greedy takes A, the likelier first token, and pays for it at "
            "the second.",
            "0.6 · 0.4 against 0.4 · 0.9.",
        ),
        _PREDICTIONS.wrong(
            "e",
            0.9 / 0.4,
            "the second token alone",
            "You compared the second tokens. The first ones count too.",
            "The probability of an answer is a product.",
        ),
        _PREDICTIONS.wrong(
            "e",
            0.24 / 0.36,
            "upside down",
            "You divided greedy by beam.",
            "The answer is above 1.",
        ),
        _PREDICTIONS.wrong(
            "e",
            0.36,
            "the probability of the answer",
            "This is the beam's answer by itself. The question is how many "
            "times greedy's it is.",
            "Divide by 0.6 · 0.4.",
        ),
        _PREDICTIONS.wrong(
            "f",
            -300.0,
            "the mean taken off, no more",
            "The distance from the mean is divided by the standard deviation.",
            "(200 - 500)/√50,000.",
        ),
        _PREDICTIONS.wrong(
            "f",
            -3 / math.sqrt(20 / 3),
            "divided by D - 1",
            "You divided the sum of squares by 3. Layer normalisation divides "
            "by the number of features, 4.",
            "x.var(-1, unbiased=False).",
        ),
        _PREDICTIONS.wrong(
            "f",
            -134.2,
            "the hundred kept",
            "The scale of the token goes: mean and deviation are a hundred "
            "times as large too.",
            "(200 - 500)/√50,000.",
        ),
        _PREDICTIONS.wrong(
            "f",
            -3 / 5,
            "divided by the variance",
            "You divided by the variance. Its root is what has the unit of "
            "the features.",
            "√5, not 5.",
        ),
        _PREDICTIONS.wrong(
            "f",
            1.342,
            "the sign",
            "200 lies below the mean.",
            "x - mean, in this order.",
        ),
        _PREDICTIONS.wrong(
            "f",
            0.0,
            "the mean, not the first feature",
            "The *mean* of the four is 0 afterwards, not the first of them.",
            "(2 - 5) over the root of the mean of squares.",
        ),
    ],
    right_answers=[_predict_by_running, _PREDICTIONS.rounded],
    tolerance=1e-3,
    reveal=False,
    # Nothing is drawn anew: each question has one right number.
)


# ---------------------------------------- 2. Repair a stack of pre-norm layers

_STACK_BUGS = {
    "axis": (
        "a normalisation over the tokens",
        "Mean and variance run over the tokens of a sentence. Each token is "
        "normalised by itself, over its D features.",
        "x is (B, T, D): dim=-1.",
    ),
    "unbiased": (
        "the variance divides by D - 1",
        "The variance is that of a sample, divided by one less than the "
        "count. Layer normalisation divides by D.",
        "torch.var has unbiased=True by default.",
    ),
    "outside": (
        "epsilon outside the root",
        "eps is added to the standard deviation. It belongs to the variance, "
        "under the root.",
        "(variance + eps).sqrt().",
    ),
    "residual": (
        "a residual that begins after the norm",
        "The attention's output is added to the *normalised* stream, so what "
        "was in the stream is lost.",
        "x + f(norm(x)): the first x is the stream as it was.",
    ),
    "final": (
        "the last normalisation is missing",
        "The stream leaves the stack as it is. In pre-norm nothing has "
        "normalised it yet.",
        "What comes after the last layer?",
    ),
}


def _attend(h, mask, layer):
    """Self-attention with one head; h is (B, T, D)."""
    q, k, v = (h @ W.T for W in layer["attention"])
    scores = q @ k.transpose(1, 2) / h.shape[-1] ** 0.5  # (B, T, T)
    return masked_softmax(scores, mask[:, None]) @ v


def _feed_forward(h, layer):
    return (h @ layer["wide"].T).relu() @ layer["narrow"].T


def _layer_norm(x, gain_and_shift, eps, bugs=()):
    gain, shift = gain_and_shift
    dim = 1 if "axis" in bugs else -1
    if "everything" in bugs:
        dim = (1, 2)
    mean = x.mean(dim, keepdim=True)
    variance = x.var(dim, keepdim=True, unbiased="unbiased" in bugs)
    if "outside" in bugs:
        deviation = variance.sqrt() + eps
    elif "by variance" in bugs:
        deviation = variance + eps
    elif "no eps" in bugs:
        deviation = variance.sqrt()
    else:
        deviation = (variance + eps).sqrt()
    if "root mean square" in bugs:
        mean = 0
        deviation = (x.pow(2).mean(dim, keepdim=True) + eps).sqrt()
    if "shift scaled" in bugs:
        return gain * ((x - mean) / deviation + shift)
    return gain * (x - mean) / deviation + shift


def _encode(x, mask, layers, final, eps, bugs=()):
    norm = partial(_layer_norm, eps=eps, bugs=bugs)
    for layer in layers:
        first, second = layer["norms"]
        if "shared" in bugs:
            second = first
        if "post-norm" in bugs:
            x = norm(x + _attend(x, mask, layer), first)
            x = norm(x + _feed_forward(x, layer), second)
            continue
        h = norm(x, first)
        if "raw attention" in bugs:
            h = x
        attended = _attend(h, mask, layer)
        if "no residual" in bugs:
            x = attended
        else:
            x = (h if "residual" in bugs else x) + attended
        if "norm of the output" in bugs:
            x = x + norm(_feed_forward(x, layer), second)
            continue
        h = x if "raw feed-forward" in bugs else norm(x, second)
        both = "both residuals" in bugs
        if "in place" in bugs:
            x += _feed_forward(h, layer)
        else:
            x = (h if both else x) + _feed_forward(h, layer)
    if "final of a layer" in bugs:
        final = layers[-1]["norms"][1]
    return x if "final" in bugs else norm(x, final)


def _encode_by_torch(x, mask, layers, final, eps):
    size = x.shape[-1:]
    for layer in layers:
        first, second = layer["norms"]
        x = x + _attend(F.layer_norm(x, size, *first, eps), mask, layer)
        x = x + _feed_forward(F.layer_norm(x, size, *second, eps), layer)
    return F.layer_norm(x, size, *final, eps)


def _encode_by_hand(x, mask, layers, final, eps):
    def norm(x, gain, shift):
        D = x.shape[-1]
        centred = x - x.sum(-1, keepdim=True) / D
        squares = (centred * centred).sum(-1, keepdim=True) / D
        return centred * torch.rsqrt(squares + eps) * gain + shift

    def sublayers():
        for layer in layers:
            yield layer["norms"][0], partial(_attend, mask=mask, layer=layer)
            yield layer["norms"][1], partial(_feed_forward, layer=layer)

    stream = x
    for gain_and_shift, sublayer in sublayers():
        stream = stream + sublayer(norm(stream, *gain_and_shift))
    return norm(stream, *final)


def _stack_layer(generator, D, width):
    return {
        "attention": normal(generator, 3, D, D, scale=0.5),
        "wide": normal(generator, width, D, scale=0.5),
        "narrow": normal(generator, D, width, scale=0.3),
        "norms": 1 + normal(generator, 2, 2, D, scale=0.3),
    }


def _stack_case(name, lengths, T, D, width, depth, seed):
    generator = torch.Generator().manual_seed(seed)
    return Case(
        name,
        (
            normal(generator, len(lengths), T, D, scale=0.4),
            token_mask(lengths, T),
            [_stack_layer(generator, D, width) for _ in range(depth)],
            1 + normal(generator, 2, D, scale=0.3),
            0.05,
        ),
    )


def _worked_stack():
    """One layer; the feed-forward network writes 4 into the second number."""
    narrow = torch.zeros(4, 4)
    narrow[1, 2] = 2
    plain = torch.stack([torch.ones(4), torch.zeros(4)])  # (2, D)
    layer = {
        "attention": torch.stack(
            [torch.zeros(4, 4), torch.zeros(4, 4), torch.eye(4)]
        ),
        "wide": torch.eye(4),
        "narrow": narrow,
        "norms": torch.stack([plain, 2 * plain]),  # (2, 2, D)
    }
    x = torch.tensor([[[1.0, 1.0, 3.0, 3.0], [4.0, 0.0, 1.0, 2.0]]])
    mask = torch.tensor([[True, False]])
    final = torch.ones(2, 4)
    return Case("the worked example", (x, mask, [layer], final, 0.0))


def _no_layers_leave_layer_norm(answer):
    generator = torch.Generator().manual_seed(19)
    x = normal(generator, 2, 3, 6, scale=0.3)
    final = 1 + normal(generator, 2, 6, scale=0.3)
    output = answer(x, torch.ones(2, 3, dtype=torch.bool), [], final, 0.1)
    return torch.allclose(
        output, F.layer_norm(x, (6,), *final, 0.1), atol=1e-5
    )


def _constants_pass_through(answer):
    """A constant added to all features of a token is never read."""
    x, *rest = _stack_case("", [4, 3], 4, 6, 8, 2, 20).arguments
    moved = x + torch.tensor([0.5, -1.0, 2.0, 0.25])[:, None]
    return torch.allclose(answer(x, *rest), answer(moved, *rest), atol=1e-4)


_STACK = Exercise(
    "06-encode",
    "Repair a stack of pre-norm layers",
    points=4,
    reference=_encode,
    cases=[
        _worked_stack(),
        _stack_case("one layer", [3, 2], 3, 4, 6, 1, seed=11),
        _stack_case("two layers", [4, 2, 3], 4, 6, 5, 2, seed=12),
        _stack_case("no layer at all", [3, 3], 3, 5, 4, 0, seed=13),
        _stack_case("nothing to attend to", [3, 0], 3, 4, 8, 2, seed=14),
        _stack_case("all sizes alike", [3, 2, 3], 3, 3, 3, 2, seed=15),
    ],
    mistakes=[
        bugs_left(bugs, _STACK_BUGS, _encode, begins="Begin with")
        for count in range(1, len(_STACK_BUGS) + 1)
        for bugs in combinations(_STACK_BUGS, count)
    ]
    + [
        Mistake(name, sentence, partial(_encode, bugs=bugs), look)
        for bugs, name, sentence, look in [
            (
                ("post-norm", "final"),
                "post-norm, the other arrangement",
                "You normalise after each addition, as the paper of 2017 "
                "does. The text says pre-norm.",
                "x + f(norm(x)), not norm(x + f(x)).",
            ),
            (
                ("post-norm",),
                "post-norm with a normalisation more",
                "You normalise after each addition, and once more at the "
                "end. The text says pre-norm.",
                "x + f(norm(x)), not norm(x + f(x)).",
            ),
            (
                ("residual", "both residuals"),
                "both residuals begin after the norm",
                "Both sublayers add to the *normalised* stream. What was in "
                "the stream is lost at each step.",
                "x + f(norm(x)): the first x is the stream as it was.",
            ),
            (
                ("both residuals",),
                "the feed-forward's residual begins after the norm",
                "The feed-forward network adds to the *normalised* stream.",
                "x + f(norm(x)): the first x is the stream as it was.",
            ),
            (
                ("raw attention",),
                "attention that reads the raw stream",
                "Attention reads x. It should read norm(x).",
                "The line that calls attend.",
            ),
            (
                ("raw feed-forward",),
                "a feed-forward network that reads the raw stream",
                "The feed-forward network reads x. It should read norm(x).",
                "The line that calls feed_forward.",
            ),
            (
                ("norm of the output",),
                "a norm on what the sublayer returns",
                "The output of the feed-forward network is normalised. What "
                "it *reads* should be.",
                "x + f(norm(x)), not x + norm(f(x)).",
            ),
            (
                ("no residual",),
                "no residual",
                "The attention's output takes the place of the stream.",
                "x + f(norm(x)): where is the first x?",
            ),
            (
                ("shared",),
                "one norm for both sublayers",
                "Both sublayers use the gain and the shift of the first.",
                'layer["norms"] holds two pairs.',
            ),
            (
                ("final of a layer",),
                "the last layer's norm at the end",
                "The final norm uses a gain and a shift of the last layer. "
                "It has its own.",
                "`final` holds a gain and a shift.",
            ),
            (
                ("in place",),
                "a stream that is changed in place",
                "`x += y` changes a tensor that backward still needs.",
                "Write `x = x + y`, which makes a new one.",
            ),
            (
                ("everything",),
                "a normalisation over tokens and features",
                "Mean and variance run over the whole sentence. Each token "
                "is normalised by itself.",
                "x is (B, T, D): dim=-1.",
            ),
            (
                ("by variance",),
                "divided by the variance",
                "You divide by the variance plus eps, without a root.",
                "(variance + eps).sqrt().",
            ),
            (
                ("no eps",),
                "eps is not used",
                "The variance has no eps added to it.",
                "(variance + eps).sqrt().",
            ),
            (
                ("root mean square",),
                "the mean is not taken away",
                "You divide by the root of the mean square. That is RMSNorm: "
                "it leaves the mean where it is.",
                "x - mean, and the variance about that mean.",
            ),
            (
                ("shift scaled",),
                "a shift that is scaled",
                "The shift is added before the gain multiplies.",
                "gain · (…) + shift.",
            ),
        ]
    ],
    right_answers=[_encode_by_torch, _encode_by_hand],
    properties=[
        Property(
            "A stack of no layers is one layer normalisation.",
            _no_layers_leave_layer_norm,
        ),
        Property(
            "A constant added to all features of a token changes nothing: "
            "each norm takes it away.",
            _constants_pass_through,
        ),
    ],
    tolerance=1e-5,
    gradients=True,
    axes={"output": "B T D"},
    fresh=anew(
        _stack_case,
        T=(2, 4),
        lengths="T",
        D=(3, 6),
        width=(3, 8),
        depth=(1, 2),
    ),
)


# --------------------------------- 3. Smooth the labels, and find the floor


def _smoothed_loss(logits, target, prior, smoothing, padding, mistake=None):
    V = logits.shape[-1]
    real = target != padding  # (B, T)
    if mistake in ("padding", "padding in the loss"):
        real = torch.ones_like(real)
    elif mistake == "rows upside down":
        real = ~real
    if mistake == "uniform":
        prior = torch.full_like(prior, 1 / V)
    elif mistake == "no padding token":
        prior = torch.where(torch.arange(V) == padding, 0, prior)
    elif mistake == "the rest scaled up":
        prior = torch.where(torch.arange(V) == padding, 0, prior)
        prior = prior / prior.sum()
    keep = smoothing if mistake == "changed over" else 1 - smoothing
    one = F.one_hot(target, V).to(logits)  # (B, T, V)
    if mistake == "the others":
        others = prior * (1 - one)
        others = others / others.sum(-1, keepdim=True)
        q = keep * one + smoothing * others
    elif mistake == "overwritten":
        q = torch.where(one == 1, keep, smoothing * prior)
    elif mistake == "not less":
        q = one + smoothing * prior
    else:
        q = keep * one + (1 - keep) * prior
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
    if mistake == "smoothed prediction":
        p = (1 - smoothing) * log_p.exp() + smoothing * prior
        log_p, q_loss = p.log(), one
    else:
        q_loss = one if mistake == "plain" else q
    losses = -(q_loss * log_p).sum(-1)  # (B, T)
    if mistake and mistake.startswith("classes"):
        losses = F.cross_entropy(logits, q).expand(target.shape)
    if mistake == "nan":
        floors = -(q * q.log()).sum(-1)
    elif mistake == "floor of the prior":
        floors = torch.special.entr(prior).sum().expand_as(losses)
    elif mistake == "no floor":
        floors = torch.zeros_like(losses)
    elif mistake == "floor of the prediction":
        floors = torch.special.entr(log_p.exp()).sum(-1)
    elif mistake == "negative floor":
        floors = -torch.special.entr(q).sum(-1)
    elif mistake == "bits":
        floors = torch.special.entr(q).sum(-1) / math.log(2)
    else:
        floors = torch.special.entr(q).sum(-1)
    if mistake == "sign":
        losses = -losses
    elif mistake == "over the vocabulary":
        losses, floors = losses / V, floors / V
    if mistake == "divergence":
        losses = losses - floors
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
        real = target != padding
        floor = (floors * real).sum() / real.sum().clamp(min=1)
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
    made, right = (
        _smoothed_loss(*case.arguments, mistake=key)[0].item()
        for key in (mistake, None)
    )
    return abs(made - right) > 1e-3 and abs(made - float(output[0])) < 1e-5


_SMOOTHING_MISTAKES = [
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


_SMOOTHING = Exercise(
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
            partial(_smoothed_loss, mistake=key),
            look,
            also=[partial(_smoothed_loss, mistake=other) for other in more],
            shows=partial(_has_the_loss_of, key),
        )
        for key, name, sentence, look, *more in _SMOOTHING_MISTAKES
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
    fresh=anew(
        _smoothing_case,
        T=(2, 5),
        lengths="T",
        V=(4, 7),
        smoothing=(0.05, 0.4),
        zeros=(0, 2),
    ),
)


# ------------------------------------ 4. Read the source once, and keep it


class _CrossCache:
    """The right one, and with a `mistake` those that often go wrong."""

    mistake = None

    def __init__(self, W_q, W_k, W_v, W_o, num_heads):
        self.W_q, self.W_k, self.W_v, self.W_o = W_q, W_k, W_v, W_o
        self.num_heads = num_heads

    def project(self, x, name):
        """Multiply by a matrix, stored as nn.Linear stores it."""
        W = getattr(self, name)
        if self.mistake == "no output" and name == "W_o":
            return x
        untransposed = self.mistake in ("untransposed", f"{name} untransposed")
        return x @ W if untransposed else x @ W.T

    def split(self, x):
        """(B, L, H·d) to (B, H, L, d)."""
        if self.mistake == "viewed":
            return x.reshape(len(x), self.num_heads, x.shape[1], -1)
        alone = self.mistake == "source interleaved" and x.shape[1] > 1
        if self.mistake == "interleaved" or alone:
            return x.unflatten(-1, (-1, self.num_heads)).permute(0, 3, 1, 2)
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def read(self, memory, mask):
        if self.mistake == "first source" and hasattr(self, "key"):
            return
        owner = type(self) if self.mistake == "shared" else self
        owner.memory, owner.mask = memory, mask
        if self.mistake == "recomputed":
            return
        if self.mistake == "detached":
            memory = memory.detach()
        owner.key = self.split(self.project(memory, "W_k"))  # (B, H, S, d_k)
        owner.value = self.split(self.project(memory, "W_v"))  # (B, H, S, d_v)
        if self.mistake == "values of the keys":
            owner.value = owner.key

    def step(self, x):
        mistake = self.mistake
        if mistake == "recomputed":
            self.key = self.split(self.project(self.memory, "W_k"))
            self.value = self.split(self.project(self.memory, "W_v"))
        query = self.split(self.project(x, "W_q")[:, None])  # (B, H, 1, d_k)
        scores = (query @ self.key.transpose(2, 3)).squeeze(2)  # (B, H, S)
        d_k = self.key.shape[-1]
        if mistake == "wide":
            scores = scores / (d_k * self.num_heads) ** 0.5
        elif mistake != "unscaled":
            scores = scores / d_k**0.5
        mask = self.mask[:, None]  # (B, 1, S)
        if mistake == "mask on the heads":
            weights = masked_softmax(scores, self.mask)
        elif mistake == "over heads":
            weights = masked_softmax(scores, mask, 1)
        elif mistake == "unmasked":
            weights = scores.softmax(-1)
        elif mistake == "inverted":
            weights = masked_softmax(scores, ~mask)
        elif mistake == "late mask":
            weights = scores.softmax(-1) * mask
        elif mistake == "nan":
            weights = scores.masked_fill(~mask, -torch.inf).softmax(-1)
        elif mistake in ("scores of 0", "a large number"):
            low = 0.0 if mistake == "scores of 0" else -1e9
            weights = scores.masked_fill(~mask, low).softmax(-1)
        else:
            weights = masked_softmax(scores, mask)  # (B, H, S)
        heads = (weights[:, :, None] @ self.value).squeeze(2)  # (B, H, d_v)
        if mistake == "merged":
            merged = heads.transpose(1, 2).flatten(1)
        else:
            merged = heads.flatten(1)  # (B, H·d_v)
        if mistake == "grows":
            new = (x @ self.W_k.T)[:, None], (x @ self.W_v.T)[:, None]
            self.key = torch.cat([self.key, self.split(new[0])], 2)
            self.value = torch.cat([self.value, self.split(new[1])], 2)
            real = torch.ones(len(x), 1, dtype=torch.bool)
            self.mask = torch.cat([self.mask, real], 1)
        return self.project(merged, "W_o"), weights

    def select(self, rows):
        mistake = self.mistake
        owner = type(self) if mistake == "shared" else self
        if mistake == "not selected":
            return
        if mistake == "sorted":
            rows = rows.sort().values
        elif mistake == "inverse":
            rows = rows.argsort()
        elif mistake == "set":
            rows = rows.unique()
        if mistake == "recomputed":
            self.memory, self.mask = self.memory[rows], self.mask[rows]
            return
        if mistake == "heads selected":
            self.key, self.value = self.key[:, rows], self.value[:, rows]
            return
        if mistake != "values alone":
            owner.key = self.key[rows]
        if mistake != "keys alone":
            owner.value = self.value[rows]
        if mistake != "mask forgotten":
            owner.mask = self.mask[rows]


def _cache_with(mistake):
    return type("CrossAttentionCache", (_CrossCache,), {"mistake": mistake})


def _caches_with(mistakes):
    return tuple(_cache_with(mistake) for mistake in mistakes)


class _CacheByEinsum:
    """The score and the blend folded into the heads' own matrices."""

    def __init__(self, W_q, W_k, W_v, W_o, num_heads):
        self.W_q, self.W_k, self.W_v = (
            W.unflatten(0, (num_heads, -1)) for W in (W_q, W_k, W_v)
        )  # (H, d, D)
        self.W_o = W_o.unflatten(1, (num_heads, -1))  # (D, H, d_v)

    def read(self, memory, mask):
        self.state = (
            torch.einsum("bsm,hdm->bhsd", memory, self.W_k),
            torch.einsum("bsm,hdm->bhsd", memory, self.W_v),
            mask[:, None],
        )

    def step(self, x):
        key, value, mask = self.state
        query = torch.einsum("bm,hdm->bhd", x, self.W_q)
        scores = torch.einsum("bhd,bhsd->bhs", query, key)
        weights = masked_softmax(scores * key.shape[-1] ** -0.5, mask)
        heads = torch.einsum("bhs,bhsd->bhd", weights, value)
        return torch.einsum("bhd,mhd->bm", heads, self.W_o), weights

    def select(self, rows):
        self.state = tuple(x.index_select(0, rows) for x in self.state)


class _LazyCache:
    """Projects at the first step, and goes by row numbers ever after."""

    def __init__(self, *matrices):
        *self.matrices, self.H = matrices

    def read(self, memory, mask):
        self.memory, self.mask, self.kept = memory, mask, None
        self.rows = torch.arange(len(memory))

    def step(self, x):
        W_q, W_k, W_v, W_o = self.matrices
        if self.kept is None:
            self.kept = [
                torch.stack((self.memory @ W.T).chunk(self.H, -1), 1)
                for W in (W_k, W_v)
            ]
        key, value = (kept[self.rows] for kept in self.kept)
        allowed = self.mask[self.rows]
        query = torch.stack((x @ W_q.T).chunk(self.H, -1), 1)  # (B, H, d_k)
        scores = (query[:, :, None] * key).sum(-1) / key.shape[-1] ** 0.5
        weights = masked_softmax(scores, allowed[:, None])
        heads = (weights[..., None] * value).sum(2)  # (B, H, d_v)
        return heads.reshape(len(x), -1) @ W_o.T, weights

    def select(self, rows):
        self.rows = self.rows[rows]


def _run_cache(answer, matrices, num_heads, sources, queries, rows):
    """Read each source, then take the steps, choosing rows before some."""
    cache = answer(*matrices, num_heads)
    for memory, mask in sources:
        cache.read(memory, mask)
    outputs, maps = [], []
    for x, chosen in zip(queries, rows, strict=True):
        if chosen is not None:
            cache.select(torch.tensor(chosen))
        result = cache.step(x)
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise WrongAnswer(
                "step should return two things, (output, weights); yours "
                f"returns {kind_of(result)}."
            )
        outputs.append(result[0])
        maps.append(result[1])
    return outputs, maps


def _cache_case(name, lengths, sizes, steps, seed, sources=1):
    """`steps` holds None, or the rows chosen before that step."""
    generator = torch.Generator().manual_seed(seed)
    B, (S, D, H, d_k, d_v) = len(lengths), sizes
    near = D**-0.5
    matrices = [
        normal(generator, H * d_k, D, scale=near),
        normal(generator, H * d_k, D, scale=near),
        normal(generator, H * d_v, D, scale=near),
        normal(generator, D, H * d_v, scale=near),
    ]
    read = []
    for more in range(sources - 1, -1, -1):  # earlier batches were larger
        memory = normal(generator, B + more, S + more, D)
        read.append((memory, token_mask([*lengths, *[S] * more], S + more)))
    queries = []
    for rows in steps:
        B = B if rows is None else len(rows)
        queries.append(normal(generator, B, D))
    return Case(name, (matrices, H, read, queries, list(steps)))


def _some_steps(random, drawn):
    """Three steps, before each of which rows may be chosen."""
    B, steps = len(drawn["lengths"]), []
    for _ in range(3):
        rows = random.integers(B, size=random.integers(2, 5)).tolist()
        steps.append(rows if random.random() < 0.5 else None)
        B = B if steps[-1] is None else len(rows)
    return steps


def _later_steps_cost_little(answer):
    matrices, H, sources, queries, _ = _cache_case(
        "", [64, 64], (64, 16, 4, 4, 4), [None] * 8, 49
    ).arguments
    cache = answer(*matrices, H)
    cache.read(*sources[0])
    cache.step(queries[0])
    with products(answer) as counted:
        for x in queries[1:]:
            cache.step(x)
    B, S, D = 2, 64, 16
    needed = 2 * B * (2 * D * D + 2 * S * D)  # flops of one step
    return counted.amount < 2 * 7 * needed


def _two_caches_do_not_mix(answer):
    matrices, H, sources, queries, _ = _cache_case(
        "", [4, 3], (4, 6, 2, 3, 2), [None], 48
    ).arguments
    [(memory, mask)] = sources
    one, two = answer(*matrices, H), answer(*matrices, H)
    one.read(memory, mask)
    before, _ = one.step(queries[0])
    two.read(memory.flip(1), mask)
    two.step(queries[0])
    after, _ = one.step(queries[0])
    return torch.allclose(before, after, atol=1e-6)


_CACHE = Exercise(
    "06-cross-attention-cache",
    "Read the source once and keep it",
    points=4,
    reference=_CrossCache,
    cases=[
        Case(
            "the worked example",
            (
                [torch.eye(2), torch.eye(2), 2 * torch.eye(2), torch.eye(2)],
                2,
                [
                    (
                        torch.tensor([[[1.0, 0.0], [0.0, 2.0]]] * 2),
                        torch.tensor([[True, True], [True, False]]),
                    )
                ],
                [
                    torch.tensor([[1.0, 1.0], [1.0, 1.0]]),
                    torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
                ],
                [None, [1, 0]],
            ),
        ),
        _cache_case("three steps", [4, 3], (4, 6, 2, 3, 2), [None] * 3, 41),
        _cache_case(
            "rows in another order",
            [5, 3, 4],
            (5, 6, 3, 2, 4),
            [None, [1, 2, 0], None, [2, 2, 0]],
            42,
        ),
        _cache_case(
            "fewer and more rows",
            [4, 2, 3],
            (4, 4, 2, 2, 3),
            [[2, 0], None, [0, 0, 1, 1], [3, 1, 0]],
            43,
        ),
        _cache_case(
            "a second source", [3, 3], (3, 5, 2, 2, 3), [None] * 2, 44, 2
        ),
        _cache_case(
            "nothing to read", [3, 0], (3, 4, 2, 3, 2), [None, [1, 0]], 45
        ),
        _cache_case(
            "all sizes alike",
            [3, 2, 3],
            (3, 3, 3, 3, 3),
            [None, [2, 1, 0], [1, 1, 2]],
            46,
        ),
    ],
    mistakes=[
        Mistake(name, sentence, _cache_with(key), look, _caches_with(more))
        for key, name, sentence, look, *more in [
            (
                "recomputed",
                "projected anew at each step",
                "The numbers are right, but each step projects the whole "
                "source again.",
                "`read` projects; `step` uses what `read` has kept.",
            ),
            (
                "not selected",
                "rows that are not chosen",
                "`select` changes nothing: sentences go on with the source "
                "of another.",
                "Index the keys, the values and the mask by `rows`.",
            ),
            (
                "interleaved",
                "heads interleaved",
                "A head takes every H-th number. It owns d numbers in a row.",
                "unflatten(-1, (H, -1)): the head first, then its width.",
                "source interleaved",
            ),
            (
                "no output",
                "the last projection left out",
                "The heads lie side by side and `W_o` has not mixed them.",
                "merged @ W_o.T comes last.",
            ),
            (
                "scores of 0",
                "a score of 0 for what is hidden",
                "A score of 0 is not a weight of 0: its exponential is 1.",
                "masked_fill with -inf, or masked_softmax.",
            ),
            (
                "a large number",
                "a large negative number for -inf",
                "Where nothing may be read, all scores are alike and the "
                "weights uniform. They should be 0.",
                "masked_softmax, or set the empty rows to 0 afterwards.",
            ),
            (
                "keys alone",
                "values left where they were",
                "`select` moves the keys and not the values: the weights are "
                "right, and blend another sentence.",
                "Three things belong to a row: keys, values, mask.",
            ),
            (
                "values alone",
                "keys left where they were",
                "`select` moves the values and not the keys.",
                "Three things belong to a row: keys, values, mask.",
            ),
            (
                "mask forgotten",
                "a mask left where it was",
                "`select` moves keys and values, and the mask still belongs "
                "to the sentences that were there.",
                "Three things belong to a row: keys, values, mask.",
            ),
            (
                "sorted",
                "rows in ascending order",
                "`select` keeps the right rows, in ascending order. They come "
                "in the order of `rows`.",
                "x[rows] keeps the order; a boolean mask does not.",
            ),
            (
                "inverse",
                "rows by the inverse order",
                "New row i is old row rows[i]. You put old row i at place "
                "rows[i].",
                "x[rows], on the right of the assignment.",
            ),
            (
                "set",
                "each row only once",
                "`rows` may name a row twice: a beam goes on in two ways "
                "from one prefix.",
                "x[rows], without a set or unique.",
            ),
            (
                "heads selected",
                "heads chosen in place of rows",
                "`select` indexes the second axis. The rows of the batch are "
                "the first.",
                "Keys are (B, H, S, d_k).",
            ),
            (
                "first source",
                "the first source for ever",
                "A second `read` is ignored: the next batch would be "
                "translated from the source of the one before.",
                "`read` replaces what is kept.",
            ),
            (
                "shared",
                "one cache for all objects",
                "What is kept belongs to the class, so a second layer "
                "overwrites the first one's keys.",
                "`self.key = …` in a method, not a name in the class.",
            ),
            (
                "grows",
                "a cache that grows",
                "Each step adds the decoder's token to the keys. That is the "
                "cache of *self*-attention; the source does not grow.",
                "`step` changes nothing that is kept.",
            ),
            (
                "values of the keys",
                "keys in place of values",
                "The output blends the keys. The values have a projection "
                "of their own.",
                "`memory @ W_v.T`.",
            ),
            (
                "viewed",
                "heads cut by a view alone",
                "The projections are cut across positions, so a head's key "
                "holds pieces of several tokens.",
                "(B, S, H, d) first, then swap S and H.",
            ),
            (
                "merged",
                "heads merged in the wrong order",
                "The heads are interleaved in the output. They lie side by "
                "side.",
                "(B, H, d_v) is in order already: flatten(1).",
            ),
            (
                "untransposed",
                "a matrix that is not transposed",
                "A matrix is stored as nn.Linear stores it, (out, in). Where "
                "it is square, `x @ W` runs, and is wrong.",
                "`x @ W.T`, for all four.",
                "W_q untransposed",
                "W_k untransposed",
                "W_v untransposed",
                "W_o untransposed",
            ),
            (
                "mask on the heads",
                "a mask that lands on the heads",
                "Next to scores of (B, H, S) a mask of (B, S) is read as (H, "
                "S): each *head* gets the mask of a sentence.",
                "Shapes are matched from the right: mask[:, None].",
            ),
            (
                "over heads",
                "a softmax over the heads",
                "The weights sum to 1 over the heads. In one step the scores "
                "are (B, H, S), and the keys are the last axis.",
                "dim=-1.",
            ),
            (
                "wide",
                "the scale of all heads together",
                "The scores are divided by the root of H · d_k. A head's dot "
                "product has d_k terms.",
                "√d_k, with the width of one head.",
            ),
            (
                "unscaled",
                "no scale",
                "The scores are not divided by √d_k.",
                "The line that makes the scores.",
            ),
            (
                "unmasked",
                "the mask is not used",
                "The padding has weight.",
                "`read` gets a mask: keep it, and use it in `step`.",
            ),
            (
                "inverted",
                "the mask is inverted",
                "The padding is attended to and the tokens are not.",
                "True = may attend.",
            ),
            (
                "late mask",
                "a mask after the softmax",
                "The mask cuts weights off after the softmax, so rows sum to "
                "less than 1.",
                "Use masked_softmax.",
            ),
            (
                "nan",
                "an empty row of -inf",
                "A source with nothing to read has only scores of -inf, and "
                "their softmax is 0/0. Its weights should be 0.",
                "masked_softmax handles such rows.",
            ),
            (
                "detached",
                "a cache without gradient",
                "The values are right, but the source is cut off from the "
                "graph: the encoder could not learn.",
                "A .detach() or a torch.no_grad() in `read`.",
            ),
        ]
    ],
    right_answers=[_CacheByEinsum, _LazyCache],
    properties=[
        Property(
            "After the first, a step does not touch the source again: less "
            "than twice the products that one step needs.",
            _later_steps_cost_little,
            "What is the same at each step, and can be kept?",
        ),
        Property(
            "Two objects do not share what they keep.",
            _two_caches_do_not_mix,
        ),
    ],
    tolerance=1e-5,
    gradients=True,
    outputs=("outputs", "maps"),
    run=_run_cache,
    fresh=anew(
        _cache_case,
        sizes=lambda random, _: random.integers(
            [2, 3, 2, 2, 2], [6, 7, 4, 4, 4]
        ).tolist(),
        lengths=lambda random, drawn: lengths(random, drawn["sizes"][0]),
        steps=_some_steps,
        sources=(1, 2),
    ),
)


# ------------------------------------------ 5. Beam search, by length


def _penalty(length, alpha, mistake=None):
    if mistake == "by the length":
        return length**alpha
    if mistake == "without the five":
        return (length / 6) ** alpha
    if mistake == "five beside":
        return (5 + length / 6) ** alpha
    if mistake == "six beside":
        return (5 + length) ** alpha / 6
    if mistake == "six times":
        return (5 + length) ** alpha * 6
    if mistake == "no penalty":
        return 1.0
    if mistake == "penalty without alpha":
        return (5 + length) / 6
    if mistake == "alpha as a factor":
        return alpha * (5 + length) / 6
    if mistake == "with BOS":
        length += 1
    elif mistake == "without EOS":
        length -= 1
    return ((5 + length) / 6) ** alpha


def _normalised_beam_search(step, beam, length, alpha, bos, eos, mistake=None):
    if mistake == "greedy":
        beam = 1
    live = [([bos], 0.0)]
    if mistake == "all begin alike":
        live = live * beam
    ended = []
    for _ in range(length):
        logits = step(torch.tensor([tokens for tokens, _ in live]))
        if mistake == "probabilities":
            log_p = logits.softmax(-1)
        elif mistake == "logits":
            log_p = logits
        elif mistake == "over prefixes":
            log_p = logits.log_softmax(0)
        else:
            log_p = logits.log_softmax(-1)  # (N, V)
        V = log_p.shape[1]
        total = log_p + torch.tensor([score for _, score in live])[:, None]
        if mistake == "last token alone":
            total = log_p
        places = beam if mistake == "places kept" else beam - len(ended)
        if mistake == "each its best" and len(live) > 1:
            best, chosen = total.max(-1)
            picks = [
                (s, row, token)
                for row, (s, token) in enumerate(
                    zip(best.tolist(), chosen.tolist(), strict=True)
                )
            ]
        else:
            most = V if mistake == "one row's worth" else total.numel()
            values, places_of = total.flatten().topk(
                min(places, most), largest=mistake != "worst"
            )
            picks = [
                (s, place % len(live), place // len(live))
                if mistake == "row and token exchanged"
                else (s, place // V, place % V)
                for s, place in zip(
                    values.tolist(), places_of.tolist(), strict=True
                )
            ]
        if mistake == "mixed up":
            picks = [
                (s, i % len(live), token)
                for i, (s, _, token) in enumerate(picks)
            ]
        before, live = live, []
        for score, row, token in picks:
            tokens = [*before[row][0], token]
            if token == eos and mistake != "past the end":
                ended.append((tokens, score))
            else:
                live.append((tokens, score))
        if not live or (mistake == "first end" and ended):
            break
        if mistake != "places kept" and len(ended) >= beam:
            break
    if not (mistake == "unfinished lost" and ended):
        ended = ended + live
    if mistake == "times the penalty":
        scored = [(t, s * _penalty(len(t) - 1, alpha)) for t, s in ended]
    else:
        scored = [
            (t, s / _penalty(len(t) - 1, alpha, mistake)) for t, s in ended
        ]
    if mistake == "sorted by probability":
        order = sorted(range(len(ended)), key=lambda i: -ended[i][1])
        scored = [scored[i] for i in order]
    elif mistake == "worst first":
        scored.sort(key=lambda pair: pair[1])
    elif mistake != "in order of ending":
        scored.sort(key=lambda pair: -pair[1])
    if mistake == "probabilities returned":
        scored = [(t, math.exp(s)) for t, s in scored]
    if mistake == "raw scores":
        raw = {tuple(t): s for t, s in ended}
        scored = [(t, raw[tuple(t)]) for t, _ in scored]
    if mistake == "BOS returned":
        return [t for t, _ in scored], [s for _, s in scored]
    if mistake == "best alone":
        scored = scored[:1]
    answers = [t[1:] for t, _ in scored]
    if mistake == "EOS dropped":
        answers = [[k for k in t if k != eos] for t in answers]
    return answers, [s for _, s in scored]


def _beam_with_competition(
    step, beam, length, alpha, bos, eos, normalised=False
):
    """The ended keep their places only while they are among the best."""

    def rank(pair):
        tokens, score = pair
        ended = _penalty(len(tokens) - 1, alpha) if normalised else 1
        return -score / ended

    kept = [([bos], 0.0)]
    for _ in range(length):
        live = [pair for pair in kept if pair[0][-1] != eos]
        if not live:
            break
        rows = step(torch.tensor([tokens for tokens, _ in live]))
        grown = [
            ([*tokens, k], score + gain)
            for (tokens, score), row in zip(
                live, rows.log_softmax(-1).tolist(), strict=True
            )
            for k, gain in enumerate(row)
        ]
        ended = [pair for pair in kept if pair[0][-1] == eos]
        kept = sorted(ended + grown, key=rank)[:beam]
    scored = [(s / _penalty(len(t) - 1, alpha), t[1:]) for t, s in kept]
    scored.sort(reverse=True)
    return [t for _, t in scored], [s for s, _ in scored]


def _beam_search_with_tensors(step, beam, length, alpha, bos, eos):
    prefix = torch.full((1, 1), bos)
    total = torch.zeros(1)
    found = []
    for t in range(1, length + 1):
        log_p = F.log_softmax(step(prefix), dim=-1)
        candidates = (total[:, None] + log_p).flatten()
        order = candidates.argsort(descending=True)[: beam - len(found)]
        token = order % log_p.shape[1]
        prefix = torch.cat(
            [prefix[order // log_p.shape[1]], token[:, None]], dim=1
        )
        total = candidates[order]
        done = (token == eos) | (t == length)
        lp = ((5 + t) / 6) ** alpha
        found += [
            (row[1:].tolist(), score.item() / lp)
            for row, score in zip(prefix[done], total[done], strict=True)
        ]
        prefix, total = prefix[~done], total[~done]
        if not len(prefix):
            break
    found = sorted(found, key=lambda each: each[1], reverse=True)
    return [tokens for tokens, _ in found], [score for _, score in found]


def _beam_search_by_recursion(step, beam, length, alpha, bos, eos):
    """One level of the tree a call, and the ended handed upwards."""

    def grow(live, places):
        if not live or not places:
            return []
        if len(live[0][0]) > length:
            return live
        logits = step(torch.tensor([tokens for tokens, _ in live]))
        rows = logits.double().log_softmax(-1).tolist()
        candidates = [
            ([*tokens, k], score + gain)
            for (tokens, score), row in zip(live, rows, strict=True)
            for k, gain in enumerate(row)
        ]
        best = sorted(candidates, key=lambda c: c[1])[-places:]
        ended = [c for c in best if c[0][-1] == eos]
        rest = [c for c in best if c[0][-1] != eos]
        return ended + grow(rest, places - len(ended))

    found = [
        (score * (6 / (4 + len(tokens))) ** alpha, tokens[1:])
        for tokens, score in grow([([bos], 0.0)], beam)
    ]
    found.sort(reverse=True)
    return [tokens for _, tokens in found], [score for score, _ in found]


def _table_step(table):
    return partial(_next_from, table)


def _next_from(table, prefix):
    """The next token hangs on every token of the prefix and its place."""
    places = torch.arange(prefix.shape[1])
    return table[places, prefix].sum(1)  # (N, V)


def _run_beam(answer, step, beam, length, alpha, bos, eos):
    """Call an answer; plain lists of plain numbers come back."""
    result = answer(step, beam, length, alpha, bos, eos)
    try:
        answers, scores = result
        answers = [[int(token) for token in tokens] for tokens in answers]
        return answers, [float(score) for score in scores]
    except (TypeError, ValueError) as error:
        raise WrongAnswer(
            "expected (answers, scores), a list of lists of token ids and a "
            f"list of numbers; yours returns {kind_of(result)} that is not."
        ) from error


def _beam_case(name, V, beam, length, alpha, seed, eos=1):
    generator = torch.Generator().manual_seed(seed)
    step = _table_step(normal(generator, length, V, V, scale=1.2))
    return Case(name, (step, beam, length, alpha, 0, eos))


def _toy_step(prefix):
    """Tokens 0 BOS, 1 EOS, 2 and 3; the step depends on the place alone."""
    few = 1e-6
    if prefix.shape[1] == 1:
        row = torch.tensor([few, 0.36, 0.35, 0.29])
    else:
        row = torch.tensor([few, 0.95, 0.03, 0.02])
    return row.log().expand(len(prefix), -1)  # (N, V)


def _wide_beams_find_the_best(answer):
    """A beam as wide as the tree is an exhaustive search."""
    generator = torch.Generator().manual_seed(59)
    table, V, length = normal(generator, 3, 4, 4), 4, 3
    step, alpha = _table_step(table), 0.8
    best, todo = -math.inf, [([0], 0.0)]
    while todo:
        tokens, total = todo.pop()
        log_p = step(torch.tensor([tokens])).log_softmax(-1)[0].tolist()
        for token in range(V):
            grown, score = [*tokens, token], total + log_p[token]
            if token == 1 or len(grown) > length:
                scaled = score / ((4 + len(grown)) / 6) ** alpha
                best = max(best, scaled)
            else:
                todo.append((grown, score))
    _, scores = answer(step, 100, length, alpha, 0, 1)
    return abs(float(scores[0]) - best) < 1e-4


_BEAM_MISTAKES = [
    (
        "greedy",
        "one prefix",
        "Only the best prefix is kept: this is greedy decoding.",
        "`beam` candidates live on from one step to the next.",
    ),
    (
        "all begin alike",
        "the same prefix many times",
        "The search begins with `beam` copies of BOS, and copies stay copies: "
        "all answers are the same.",
        "Begin with one prefix.",
    ),
    (
        "each its best",
        "no competition between prefixes",
        "Each prefix goes on with its own best token. Two of the best "
        "candidates may come from the same prefix.",
        "Flatten (N, V), then take the best.",
    ),
    (
        "one row's worth",
        "no more candidates than tokens",
        "At most V candidates are kept, but several prefixes have more "
        "between them: N · V.",
        "min(beam - len(ended), N * V).",
    ),
    (
        "row and token exchanged",
        "the row and the token exchanged",
        "Place i of the flattened table is taken for row i mod N and token "
        "i // N.",
        "Row i // V, token i % V.",
    ),
    (
        "mixed up",
        "tokens added to another prefix",
        "The chosen tokens go to the prefixes in order. A place in the "
        "flattened table names both: the row is place // V, the token place "
        "% V.",
        "Which prefix does a candidate grow from?",
    ),
    (
        "last token alone",
        "only the last token counts",
        "Candidates are ranked by the log-probability of their last token. "
        "That of the prefix has to be added.",
        "log P(Y) is a sum over all tokens.",
    ),
    (
        "logits",
        "logits added up",
        "The logits are added as they are. They are not log-probabilities.",
        "log_softmax first.",
    ),
    (
        "probabilities",
        "probabilities added up",
        "Probabilities multiply; it is their logarithms that add.",
        "log_softmax in place of softmax.",
    ),
    (
        "over prefixes",
        "a softmax over the prefixes",
        "The softmax runs over the prefixes. Each row is a distribution over "
        "the vocabulary.",
        "dim=-1.",
    ),
    (
        "past the end",
        "answers that go on after EOS",
        "A prefix that ends in EOS is extended. It is finished, and leaves "
        "the beam.",
        "What happens to a candidate whose last token is `eos`?",
    ),
    (
        "places kept",
        "the beam filled up again",
        "After an answer has ended, `beam` candidates are kept again, so more "
        "than `beam` answers come out.",
        "`beam` less the number that has ended.",
    ),
    (
        "first end",
        "stopped at the first end",
        "The search stops as soon as one answer has ended. A longer one may "
        "score better, thanks to the penalty.",
        "Go on while a prefix is alive.",
    ),
    (
        "unfinished lost",
        "prefixes at the limit lost",
        "Prefixes that have not ended after `length` tokens are thrown away. "
        "They are answers too.",
        "After the loop: what is still alive?",
    ),
    (
        "no penalty",
        "no length penalty",
        "Scores are plain log-probabilities, so short answers win.",
        "log P / lp.",
    ),
    (
        "times the penalty",
        "multiplied by the penalty",
        "The log-probability is multiplied by the penalty. It is negative, "
        "so long answers lose twice.",
        "log P / lp.",
    ),
    (
        "by the length",
        "the length itself to the power",
        "You divided by |Y|^α. The penalty has (5 + |Y|)/6.",
        "Wu et al., equation 14.",
    ),
    (
        "without the five",
        "the five above the line is missing",
        "This is (|Y|/6)^α.",
        "((5 + |Y|)/6)^α: it is 1 for one token.",
    ),
    (
        "five beside",
        "the five outside the fraction",
        "This is (5 + |Y|/6)^α.",
        "((5 + |Y|)/6)^α: it is 1 for one token. Mind the brackets.",
    ),
    (
        "six beside",
        "the six outside the power",
        "The 6 stands outside the power, (5 + |Y|)^α / 6.",
        "((5 + |Y|)/6)^α: it is 1 for one token. Mind the brackets.",
        "six times",
    ),
    (
        "best alone",
        "only the best answer",
        "You return one answer. All of them are asked for, with their scores.",
        "Two lists, the best first.",
    ),
    (
        "penalty without alpha",
        "α is not used",
        "The penalty is not raised to the power α.",
        "With α = 0 there is no penalty at all.",
    ),
    (
        "alpha as a factor",
        "α as a factor",
        "α multiplies the penalty. It is its power.",
        "With α = 0 the penalty is 1.",
    ),
    (
        "with BOS",
        "BOS counted",
        "|Y| counts BOS. It is the number of tokens that were written.",
        "An answer of EOS alone has length 1, and penalty 1.",
    ),
    (
        "without EOS",
        "EOS not counted",
        "|Y| leaves out the last token. EOS was written too.",
        "An answer of EOS alone has length 1, and penalty 1.",
    ),
    (
        "sorted by probability",
        "sorted before the penalty",
        "The answers stand in the order of their log-probability. The score "
        "decides.",
        "Divide first, then sort.",
    ),
    (
        "in order of ending",
        "not sorted",
        "The answers stand in the order in which they ended.",
        "The best score comes first.",
    ),
    (
        "worst first",
        "the worst first",
        "The answers stand in ascending order.",
        "sort(..., reverse=True), or the negative score as the key.",
    ),
    (
        "worst",
        "the worst candidates kept",
        "The candidates with the lowest log-probability are kept.",
        "topk takes the largest; a sort puts them last.",
    ),
    (
        "raw scores",
        "log-probabilities returned",
        "The order is right, but the numbers are log-probabilities without "
        "the penalty.",
        "Return log P / lp.",
    ),
    (
        "probabilities returned",
        "scores that went through exp",
        "The scores are positive. They stay logarithms, divided by the "
        "penalty.",
        "No exp at the end.",
    ),
    (
        "BOS returned",
        "BOS in the answers",
        "The answers begin with BOS. It was given, not written.",
        "tokens[1:].",
    ),
    (
        "EOS dropped",
        "EOS left out of the answers",
        "The answers have lost their EOS. It belongs to them: it tells an "
        "answer that has ended from one that was cut off.",
        "Nothing is taken off the end.",
    ),
]


_BEAM = Exercise(
    "06-normalised-beam-search",
    "Search with a beam, and weigh by length",
    points=5,
    reference=_normalised_beam_search,
    cases=[
        Case("the worked example", (_toy_step, 2, 2, 1.0, 0, 1)),
        _beam_case("two of five", 5, 2, 4, 0.6, seed=101),
        _beam_case("three of five", 5, 3, 5, 1.0, seed=81),
        _beam_case("four of six, a strong penalty", 6, 4, 5, 2.0, seed=62),
        _beam_case("no penalty", 5, 3, 4, 0.0, seed=54, eos=3),
        _beam_case("a beam of one", 6, 1, 4, 0.6, seed=55),
        _beam_case("more places than tokens", 4, 6, 4, 0.6, seed=50, eos=2),
        _beam_case("one token at most", 5, 3, 1, 0.6, seed=57),
    ],
    mistakes=[
        *named(_normalised_beam_search, _BEAM_MISTAKES),
        Mistake(
            "ended answers that can lose their place",
            "Answers that have ended compete with the living, and better "
            "prefixes push them out. Here an answer that has ended is safe.",
            _beam_with_competition,
            "Move it to a list of its own, and leave one place less.",
            also=[partial(_beam_with_competition, normalised=True)],
        ),
    ],
    right_answers=[_beam_search_with_tensors, _beam_search_by_recursion],
    properties=[
        Property(
            "A beam as wide as the tree finds the best answer there is.",
            _wide_beams_find_the_best,
        )
    ],
    tolerance=1e-5,
    outputs=("answers", "scores"),
    run=_run_beam,
    fresh=anew(
        _beam_case,
        V=(4, 6),
        beam=(1, 5),
        length=(1, 5),
        alpha=(0.0, 2.0),
        eos=(1, 3),
    ),
)


EXERCISES = {
    exercise.grade_id: exercise
    for exercise in (_PREDICT, _STACK, _SMOOTHING, _CACHE, _BEAM)
}

check_predict = _PREDICT.check
check_encode = _STACK.check
check_smoothed_loss = _SMOOTHING.check
check_CrossAttentionCache = _CACHE.check  # noqa: N816, as the class
check_normalised_beam_search = _BEAM.check


def points_so_far():
    """Print the points of each exercise of chapter 06, and their total."""
    _points_so_far(EXERCISES)
