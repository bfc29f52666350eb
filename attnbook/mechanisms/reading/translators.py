"""The maps of the book's three translators, and what hangs on the last one."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from attnbook.mechanisms.luong import LuongTranslator
from attnbook.mechanisms.multi_head import merge_heads, split_heads
from attnbook.mechanisms.reading.rankings import Pairs
from attnbook.mechanisms.reading.rollout import source_rollout
from attnbook.mechanisms.reading.value_norms import (
    summed_over_heads,
    times_value_norm,
)
from attnbook.mechanisms.recurrent import AdditiveTranslator
from attnbook.mechanisms.transformer import TransformerTranslator


class LastLook(NamedTuple):
    """The last attention of a model, with all else as it was.

    N counts the B·T pairs of a source and a token of its target, in this
    order: all tokens of the first source first.

    Attributes:
        weights: (N, S), or (N, H, S) with heads.
        value: (N, S, d), or (N, H, S, d): what the weights weigh.
        mask: (N, S), boolean, True at a token of the source.
        predict: from weights of that shape to logits (N, V).
    """

    weights: Tensor
    value: Tensor
    mask: Tensor
    predict: Callable[[Tensor], Tensor]


@torch.no_grad()
def maps_of(model: nn.Module, pairs: Pairs) -> dict[str, Tensor]:
    """Rankings of the source that a translator's own maps give.

    - "weights": of its last attention to the source, the mean over heads.
    - "weights × value norm": the same times the length of what they weigh.
    - "weights, all layers" and "rollout": of the Transformer only. With one
      layer of attention and a recurrent network there is nothing to roll.

    Args:
        model: an `AdditiveTranslator`, a `LuongTranslator` without input
            feeding, or a `TransformerTranslator`.
        pairs: sources and their true targets.

    Returns:
        (B, T, S) for each name.

    Raises:
        TypeError: for another model.
    """
    if isinstance(model, TransformerTranslator):
        return _transformer_maps(model, pairs)
    look = last_look(model, pairs)
    B, T = pairs.target_in.shape
    normed = times_value_norm(look.weights[:, None], look.value)  # (N, 1, S)
    return {
        "weights": look.weights.unflatten(0, (B, T)),
        "weights × value norm": normed[:, 0].unflatten(0, (B, T)),
    }


def last_look(model: nn.Module, pairs: Pairs) -> LastLook:
    """Hold everything but the weights of the last attention.

    Nothing before it changes with the weights; nor do later steps, since
    each is held by itself, with the states that the model's own maps led to.

    Args:
        model: as in `maps_of`.
        pairs: sources and their true targets.

    Raises:
        TypeError: for another model.
    """
    if isinstance(model, TransformerTranslator):
        return _of_transformer(model, pairs)
    if isinstance(model, LuongTranslator) and not model.input_feeding:
        return _of_luong(model, pairs)
    if isinstance(model, AdditiveTranslator):
        return _of_additive(model, pairs)
    raise TypeError(
        f"model is a {type(model).__name__}; expected an AdditiveTranslator, "
        "a LuongTranslator without input feeding or a TransformerTranslator"
    )


def _by_step(tensor: Tensor, T: int) -> Tensor:
    """Repeat each of B rows for the T tokens of its target: N rows."""
    return tensor.repeat_interleave(T, 0)


def _of_additive(model: AdditiveTranslator, pairs: Pairs) -> LastLook:
    T = pairs.target_in.shape[1]
    with torch.no_grad():
        memory, state = model.start_from(pairs.source, pairs.source_mask)
        before, rows = [], []
        for token in pairs.target_in.unbind(1):
            before.append(state)  # (B, D), which asks
            _, state, weights = model.step(token, state, memory)
            rows.append(weights)
        before = torch.stack(before, 1).flatten(0, 1)  # (N, D)
        weights = torch.stack(rows, 1).flatten(0, 1)  # (N, S)
        value = _by_step(memory.states, T)  # (N, S, 2D)
        token = model.embedding(pairs.target_in.flatten())  # (N, D)

    def predict(weights: Tensor) -> Tensor:
        context = (weights[:, None] @ value)[:, 0]  # (N, 2D)
        state = model.cell(torch.cat([token, context], -1), before)
        return model.readout(torch.cat([state, context], -1))

    return LastLook(weights, value, _by_step(pairs.source_mask, T), predict)


def _of_luong(model: LuongTranslator, pairs: Pairs) -> LastLook:
    T = pairs.target_in.shape[1]
    with torch.no_grad():
        memory, state = model.start_from(pairs.source, pairs.source_mask)
        hidden, _ = model.gru(
            model.embedding(pairs.target_in), state.hidden[None]
        )  # (B, T, D)
        _, weights = model.attend(hidden, memory)
        hidden = hidden.flatten(0, 1)  # (N, D)
        value = _by_step(memory.states, T)

    def predict(weights: Tensor) -> Tensor:
        context = (weights[:, None] @ value)[:, 0]
        return model.read_out(hidden, context)[1]

    return LastLook(
        weights.flatten(0, 1), value, _by_step(pairs.source_mask, T), predict
    )


def _of_transformer(model: TransformerTranslator, pairs: Pairs) -> LastLook:
    T = pairs.target_in.shape[1]
    *others, layer = model.stacks.decoder
    if not layer.cross_norm.norm_first:
        raise TypeError(
            "last_look: the model is post-norm; expected norm_first=True"
        )
    across = layer.cross_attention
    with torch.no_grad():
        memory = model.encode(pairs.source, pairs.source_mask)
        x = model.embed(model.target_embedding, pairs.target_in)
        for each in others:
            x, _ = each(x, memory, None, pairs.source_mask)
        h = layer.attention_norm.before(x)
        x = x + layer.attention(h, h, h, causal=True)[0]  # (B, T, D)
        h = layer.cross_norm.before(x)
        _, weights = across(h, memory, memory, pairs.source_mask)
        weights = weights.transpose(1, 2).flatten(0, 1)  # (N, H, S)
        value = split_heads(across.value_projection(memory), across.num_heads)
        value = _by_step(value, T)  # (N, H, S, d)
        x = x.flatten(0, 1)[:, None]  # (N, 1, D)

    def predict(weights: Tensor) -> Tensor:
        heads = weights[:, :, None] @ value  # (N, H, 1, d)
        y = x + across.output_projection(merge_heads(heads))
        h = layer.feed_forward_norm.before(y)
        y = y + layer.feed_forward(h)
        return model.readout(model.stacks.decoder_norm(y))[:, 0]

    return LastLook(weights, value, _by_step(pairs.source_mask, T), predict)


def _transformer_maps(
    model: TransformerTranslator, pairs: Pairs
) -> dict[str, Tensor]:
    embedded = model.embed(model.source_embedding, pairs.source)
    memory, encoder = model.stacks.encode(embedded, pairs.source_mask)
    _, decoder = model.decode(pairs.target_in, memory, pairs.source_mask)
    across = torch.stack([of_layer for _, of_layer in decoder])
    S = pairs.source.shape[1]
    rolled = source_rollout(
        [weights.mean(1) for weights in encoder],
        [own.mean(1) for own, _ in decoder],
        list(across.mean(2)),
    )  # (B, T, S + T)
    last = model.stacks.decoder[-1].cross_attention
    return {
        "weights": across[-1].mean(1),
        "weights × value norm": summed_over_heads(last, across[-1], memory),
        "weights, all layers": across.mean((0, 2)),
        "rollout": rolled[..., :S],
    }
