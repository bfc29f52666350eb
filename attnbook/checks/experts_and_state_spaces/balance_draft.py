"""The draft of exercise 12.3, with its bugs and with other mistakes."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def _probability(scores, chosen, bias, kept, bugs):
    """The probability of each expert, (N, E)."""
    if "leak" in bugs:
        return (scores + bias).softmax(-1)
    if "over tokens" in bugs:
        return scores.softmax(0)
    if "sigmoid" in bugs:
        return scores.sigmoid()
    if "scores" in bugs:
        return scores
    probability = scores.softmax(-1)
    if "leak after" in bugs:
        return probability + bias
    if "chosen alone" in bugs:
        return probability * chosen
    if "chosen divided" in bugs:
        among = probability * chosen
        return among / among.sum(-1, keepdim=True)
    if "twice" in bugs:
        return probability.softmax(-1)
    return probability


def _choice(scores, bias, k, bugs):
    """Booleans (N, E), True for the experts that are chosen."""
    ranked = scores.softmax(-1).detach()
    if "no bias" in bugs:
        pass
    elif "bias on scores" in bugs:
        ranked = scores.detach() + bias
    elif "minus" in bugs:
        ranked = ranked - bias
    elif "times" in bugs:
        ranked = ranked * bias
    else:
        ranked = ranked + bias
    if "first alone" in bugs:
        k = 1
    index = ranked.topk(k, -1, largest="worst" not in bugs).indices
    return F.one_hot(index, scores.shape[1]).sum(1)


def _of_layer(scores, bias, kept, k, bugs):
    """The loss of one layer."""
    E = scores.shape[1]
    chosen = _choice(scores, bias, k, bugs).to(scores)
    real = kept[:, None].to(scores)
    count = kept.sum().clamp(min=1)
    load = (chosen * real).sum(0) / (count * k)
    if "padding" in bugs or "padding in f" in bugs:
        load = chosen.sum(0) / (len(scores) * k)
    elif "masked, not counted" in bugs:
        load = (chosen * real).sum(0) / (len(scores) * k)
    elif "padding to 0" in bugs:
        other = _choice(scores * real, bias, k, bugs).to(scores)
        load = other.sum(0) / (len(scores) * k)
    if "load without k" in bugs:
        load = load * k
    if "load as count" in bugs:
        load = load * count * k
    probability = _probability(scores, chosen, bias, kept, bugs)
    mean = (probability * real).sum(0) / count
    if "logarithm" in bugs:
        mean = (probability.log() * real).sum(0) / count
    if "padding" in bugs or "padding in P" in bugs:
        mean = probability.mean(0)
    elif "masked, not counted" in bugs:
        mean = (probability * real).sum(0) / len(scores)
    elif "padding to 0" in bugs:
        mean = (scores * real).softmax(-1).mean(0)
    if "detached" in bugs:
        mean = mean.detach()
    if "counts twice" in bugs:
        mean = load
    if "probability twice" in bugs:
        load = mean
    if "detached twice" in bugs:
        load = mean.detach()
    product = load * mean
    if "factor" in bugs:
        return product.mean()
    if "factor gone" in bugs:
        return product.sum()
    if "factor k" in bugs:
        return E * product.sum() / k
    if "times k" in bugs:
        return E * product.sum() * k
    if "E squared" in bugs:
        return E**2 * product.sum()
    if "minus 1" in bugs:
        return E * product.sum() - 1
    if "factor n" in bugs:
        return count * product.sum()
    if "spread of f" in bugs:
        return E * ((load - 1 / E) ** 2).sum() + 0 * mean.sum()
    if "entropy of f" in bugs:
        return torch.xlogy(load, load).sum() + 0 * mean.sum()
    if "variance" in bugs:
        return E * (mean**2).sum() - 1
    if "negative" in bugs:
        return -E * product.sum()
    if "per token" in bugs:
        both = chosen * real / k * probability
        return E * both.sum() / count
    return E * product.sum()


def draft(layers, biases, kept, k, bugs):
    """The notebook's draft, with some of its bugs or another mistake."""
    if "the others kept" in bugs and not kept.all():
        kept = ~kept
    if "first layer" in bugs:
        layers, biases = layers[:1], biases[:1]
    elif "last layer" in bugs:
        layers, biases = layers[-1:], biases[-1:]
    elif "first bias" in bugs:
        biases = [biases[0]] * len(biases)
    elif "mean of scores" in bugs:
        layers = [sum(layers) / len(layers)]
        biases = [sum(biases) / len(biases)]
    if "joined" in bugs:
        bias = torch.cat(
            [
                bias.expand_as(scores)
                for scores, bias in zip(layers, biases, strict=True)
            ]
        )
        scores = torch.cat(layers)
        return _of_layer(scores, bias, kept.repeat(len(layers)), k, bugs)
    losses = [
        _of_layer(scores, bias, kept, k, bugs)
        for scores, bias in zip(layers, biases, strict=True)
    ]
    total = sum(losses)
    return total if "sum of layers" in bugs else total / len(losses)
