"""Exercise 06.2: Repair a stack of pre-norm layers."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F

from attnbook.checks.transformer.encode_mistakes import MISTAKES
from attnbook.judging.exercise import Case, Exercise, Mistake, Part, Property
from attnbook.judging.fresh_cases import anew
from attnbook.judging.tensors import normal, token_mask
from attnbook.judging.unrepaired import unrepaired
from attnbook.mechanisms.masked_softmax import masked_softmax

_BUGS = {
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


def _layer_norm(x, gain_and_shift, eps):
    gain, shift = gain_and_shift
    mean = x.mean(-1, keepdim=True)
    variance = x.var(-1, keepdim=True, unbiased=False)
    return gain * (x - mean) / (variance + eps).sqrt() + shift


def _encode(x, mask, layers, final, eps):
    for layer in layers:
        first, second = layer["norms"]
        x = x + _attend(_layer_norm(x, first, eps), mask, layer)
        x = x + _feed_forward(_layer_norm(x, second, eps), layer)
    return _layer_norm(x, final, eps)


def _layer_norm_with(x, gain_and_shift, eps, bugs):
    gain, shift = gain_and_shift
    if "gain and shift exchanged" in bugs:
        gain, shift = shift, gain
    if "no gain" in bugs:
        gain = 1
    if "no shift" in bugs:
        shift = 0
    if "eps of torch" in bugs:
        eps = 1e-5
    dim = 1 if "axis" in bugs else -1
    if "everything" in bugs:
        dim = (1, 2)
    elif "batch" in bugs:
        dim = (0, 1)
    of_tokens = "mean of tokens" in bugs, "variance of tokens" in bugs
    mean = x.mean(1 if of_tokens[0] else dim, keepdim=True)
    if of_tokens[1]:
        dim = 1
    variance = x.var(dim, keepdim=True, unbiased="unbiased" in bugs)
    if "outside" in bugs:
        deviation = variance.sqrt() + eps
    elif "by variance" in bugs:
        deviation = variance + eps
    elif "eps as a bound" in bugs:
        deviation = variance.clamp(min=eps).sqrt()
    elif "eps bounds the root" in bugs:
        deviation = variance.sqrt().clamp(min=eps)
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


def _draft(x, mask, layers, final, eps, bugs):
    """The notebook's draft, with some of its bugs or another mistake."""
    norm = partial(_layer_norm_with, eps=eps, bugs=bugs)
    if "unmasked" in bugs:
        mask = torch.ones_like(mask)
    elif "inverted" in bugs:
        mask = ~mask
    for layer in layers:
        first, second = layer["norms"]
        if "shared" in bugs:
            second = first
        elif "shared second" in bugs:
            first = second
        elif "norms exchanged" in bugs:
            first, second = second, first
        if "post-norm" in bugs:
            x = norm(x + _attend(x, mask, layer), first)
            x = norm(x + _feed_forward(x, layer), second)
            continue
        if "feed-forward first" in bugs:
            x = x + _feed_forward(norm(x, second), layer)
            x = x + _attend(norm(x, first), mask, layer)
            continue
        if "norms of both outputs" in bugs:
            x = x + norm(_attend(x, mask, layer), first)
            x = x + norm(_feed_forward(x, layer), second)
            continue
        if "attention lost" in bugs:
            y = x + _attend(norm(x, first), mask, layer)
            x = x + _feed_forward(norm(y, second), layer)
            continue
        if "side by side" in bugs:
            fed = _feed_forward(norm(x, second), layer)
            x = x + _attend(norm(x, first), mask, layer) + fed
            continue
        if "norm of what attention returns" in bugs:
            x = x + norm(_attend(x, mask, layer), first)
            x = x + _feed_forward(norm(x, second), layer)
            continue
        h = norm(x, first)
        if "normalised once" in bugs:
            x = x + _attend(h, mask, layer)
            x = x + _feed_forward(h, layer)
            continue
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
        elif "no second residual" in bugs:
            x = _feed_forward(h, layer)
        else:
            x = (h if both else x) + _feed_forward(h, layer)
        if "one layer" in bugs:
            break
        between = "final each time" in bugs and layer is not layers[-1]
        if between or "final in the loop" in bugs:
            x = norm(x, final)
        elif "padding zeroed each time" in bugs:
            x = x * mask[..., None]
    if "final of a layer" in bugs:
        final = layers[-1]["norms"][1]
    elif "final of the loop" in bugs:
        final = second
    if "nothing to do" in bugs and not layers:
        return x
    if "final twice" in bugs:
        x = norm(x, final)
    if "plain final" in bugs:
        return norm(x, (1, 0))
    if "final" in bugs or "final in the loop" in bugs:
        return x
    x = norm(x, final)
    zeroed = "padding zeroed" in bugs or "padding zeroed each time" in bugs
    return x * mask[..., None] if zeroed else x


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


EXERCISE = Exercise(
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
    mistakes=unrepaired(
        _BUGS,
        _draft,
        begins="Begin with",
    )
    + [
        Mistake(
            name,
            sentence,
            partial(_draft, bugs=bugs),
            look,
            also=[partial(_draft, bugs=other) for other in more],
            bugs=0 if "final" in bugs else 1,
        )
        for bugs, name, sentence, look, *more in MISTAKES
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
    parts=[
        Part("two", "two of the five bugs fixed", 1, mended=2),
        Part("four", "four of the five bugs fixed", 1, mended=4),
        Part("all", "all five bugs fixed", 2, mended=5),
    ],
)
