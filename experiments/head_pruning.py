"""Which heads of a trained translator can go? After Michel et al. (2019).

    python -m attnbook.experiments.head_pruning

trains an encoder–decoder made of attention alone on German telephone numbers
of 1 to 4 pairs, once a seed, and writes four tables:

- `head_importance.csv`, one row a seed and head: how much is lost without it;
- `head_pruning.csv`, one row a seed, order and number of heads removed;
- `one_head_left.csv`, one row a seed and layer: all its heads but one gone;
- `heads_trained.csv`, one row a seed and number of heads trained with.

Whatever is predicted is predicted on the train split; whatever is reported is
measured on numbers of 4 pairs that training never saw.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attnbook import data, train
from attnbook.experiments.command import SEEDS, command
from attnbook.mechanisms.multi_head import MultiHeadAttention
from attnbook.mechanisms.positions import sinusoidal

TABLES = (
    "head_importance",
    "head_pruning",
    "one_head_left",
    "heads_trained",
)
STEPS = 800
PAIRS = 4
HEADS = 8
LAYERS = 2
KINDS = ("encoder", "decoder", "cross")
TRAINED = (1, 2, 4, 8)
MAX_LENGTH = 64
ALIGNMENTS = ("alignment", "first digits", "second digits")


class AttentionLayer(nn.Module):
    """What came in, plus what multi-head attention makes of it.

    Args:
        size: D.
        num_heads: H.
    """

    def __init__(self, size: int, num_heads: int):
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.attention = MultiHeadAttention(size, num_heads)

    def forward(
        self,
        x: Tensor,
        memory: Tensor | None = None,
        mask: Tensor | None = None,
        causal: bool = False,
        gate: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Attend to the memory (B, S, D), or to x (B, T, D) itself.

        Returns:
            x plus what was read, (B, T, D), and weights (B, H, T, S).
        """
        query = self.norm(x)
        memory = query if memory is None else memory
        read, weights = self.attention(
            query, memory, memory, mask, causal, gate=gate
        )
        return x + read, weights


class AttentionOnlyTranslator(nn.Module):
    """An encoder–decoder of attention layers and nothing in between.

    It has no feed-forward layers, so that all that moves or mixes anything is
    a head. Its 3·num_layers layers count as encoder, decoder and cross, each
    kind from the first layer to the last: that is the order of gates and maps.

    Args:
        source_vocabulary: number of source tokens.
        target_vocabulary: number of target tokens.
        size: D.
        num_heads: H of every layer.
        num_layers: layers of each kind.
    """

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int,
        size: int = 64,
        num_heads: int = HEADS,
        num_layers: int = LAYERS,
    ):
        super().__init__()
        self.num_heads, self.num_layers = num_heads, num_layers
        self.source = nn.Embedding(source_vocabulary, size)
        self.target = nn.Embedding(target_vocabulary, size)
        self.register_buffer("positions", sinusoidal(MAX_LENGTH, size))
        self.layers = nn.ModuleDict(
            {
                kind: nn.ModuleList(
                    AttentionLayer(size, num_heads) for _ in range(num_layers)
                )
                for kind in KINDS
            }
        )
        self.encoded = nn.LayerNorm(size)
        self.decoded = nn.LayerNorm(size)
        self.readout = nn.Linear(size, target_vocabulary)

    def attend(
        self,
        source: Tensor,
        source_mask: Tensor,
        target_in: Tensor,
        gates: Tensor | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Score the next tokens, and keep the map of every head.

        Args:
            source: (B, S).
            source_mask: (B, S), boolean.
            target_in: (B, T).
            gates: (layers, H) or (layers, B, H), a factor of each head.

        Returns:
            logits (B, T, V), and for each layer weights (B, H, T, S).
        """
        n = self.num_layers
        gates = [None] * 3 * n if gates is None else gates
        encoder_gates, decoder_gates, cross_gates = (
            gates[n * kind : n * (kind + 1)] for kind in range(len(KINDS))
        )
        maps: dict[str, list[Tensor]] = {kind: [] for kind in KINDS}
        x = self.source(source) + self.positions[: source.shape[1]]
        for layer, gate in zip(
            self.layers["encoder"], encoder_gates, strict=True
        ):
            x, weights = layer(x, mask=source_mask, gate=gate)  # (B, S, D)
            maps["encoder"].append(weights)
        x = self.encoded(x)
        y = self.target(target_in) + self.positions[: target_in.shape[1]]
        for at in range(n):
            y, weights = self.layers["decoder"][at](
                y, causal=True, gate=decoder_gates[at]
            )  # (B, T, D)
            maps["decoder"].append(weights)
            y, weights = self.layers["cross"][at](
                y, x, source_mask, gate=cross_gates[at]
            )  # (B, T, D)
            maps["cross"].append(weights)
        logits = self.readout(self.decoded(y))  # (B, T, V)
        return logits, [each for kind in KINDS for each in maps[kind]]

    def forward(
        self,
        source: Tensor,
        source_mask: Tensor,
        target_in: Tensor,
        gates: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Score the next tokens, as `train.fit` asks for them.

        Returns:
            logits (B, T, V), and the weights of the last cross-attention
            averaged over its heads, (B, T, S).
        """
        logits, maps = self.attend(source, source_mask, target_in, gates)
        return logits, maps[-1].mean(1)


def task_of(pairs: int = PAIRS) -> data.tasks.Task:
    """German telephone numbers of 1 to `pairs` pairs."""
    return data.telephone_numbers("de", pairs=(1, pairs), longer=None)


def layer_names(num_layers: int = LAYERS) -> list[str]:
    """Names in the order of gates: "encoder 1", "encoder 2", …."""
    return [f"{kind} {at + 1}" for kind in KINDS for at in range(num_layers)]


def all_heads(model: AttentionOnlyTranslator) -> Tensor:
    """Gates that keep every head: ones, (layers, H)."""
    return torch.ones(3 * model.num_layers, model.num_heads)


def loss_of_examples(logits: Tensor, batch: data.Batch) -> Tensor:
    """Cross-entropy of each answer, summed over its tokens: (B,), nats."""
    loss = F.cross_entropy(
        logits.transpose(1, 2), batch.target_out, reduction="none"
    )  # (B, T)
    return (loss * batch.target_mask).sum(1)


@torch.no_grad()
def mean_loss(model, batch, gates: Tensor) -> float:
    """Mean cross-entropy of an answer, in nats, with some heads gated."""
    logits, _ = model(batch.source, batch.source_mask, batch.target_in, gates)
    return loss_of_examples(logits, batch).mean().item()


@torch.no_grad()
def right_answers(model, batch, gates: Tensor) -> Tensor:
    """Which answers are right to the last digit: (B,), boolean.

    Greedy decoding writes the whole right answer if and only if each next
    token is the right one after the right ones before it, so that one pass
    over the true target tells.
    """
    logits, _ = model(batch.source, batch.source_mask, batch.target_in, gates)
    right = logits.argmax(-1) == batch.target_out  # (B, T)
    return (right | ~batch.target_mask).all(1)


def exact_match(model, batch, gates: Tensor) -> float:
    """The share of right answers, from 0 to 1."""
    return right_answers(model, batch, gates).float().mean().item()


def gradient_importance(model, batch) -> Tensor:
    """How much the loss leans on each gate: the mean of |∂L/∂gate|.

    Michel et al. (2019), section 4.1: the absolute value is taken example by
    example, and each layer is divided by its Euclidean norm.

    Returns:
        (layers, H), of norm 1 along the heads.
    """
    layers, heads = 3 * model.num_layers, model.num_heads
    gates = torch.ones(layers, len(batch), heads, requires_grad=True)
    logits, _ = model(batch.source, batch.source_mask, batch.target_in, gates)
    total = loss_of_examples(logits, batch).sum()
    (gradient,) = torch.autograd.grad(total, gates)  # (layers, B, H)
    importance = gradient.abs().mean(1)  # (layers, H)
    return importance / importance.norm(dim=1, keepdim=True)


def single_ablation(model, batch, gates: Tensor | None = None) -> Tensor:
    """The loss, in nats an answer, when one more head is removed.

    Args:
        model: a translator.
        batch: what the loss is measured on.
        gates: the heads there are, (layers, H); all by default.

    Returns:
        (layers, H); infinite where the head is gone already.
    """
    gates = all_heads(model) if gates is None else gates
    losses = torch.full_like(gates, torch.inf)
    for layer, head in gates.nonzero().tolist():
        without = gates.clone()
        without[layer, head] = 0
        losses[layer, head] = mean_loss(model, batch, without)
    return losses


def rising(importance: Tensor) -> list[tuple[int, int]]:
    """Heads as (layer, head), the least important first."""
    heads = importance.shape[1]
    order = importance.flatten().argsort(stable=True).tolist()
    return [divmod(place, heads) for place in order]


def greedy_order(model, batch) -> list[tuple[int, int]]:
    """Heads as (layer, head), measured anew after each removal."""
    gates, order = all_heads(model), []
    while gates.any():
        layer, head = rising(single_ablation(model, batch, gates))[0]
        gates[layer, head] = 0
        order.append((layer, head))
    return order


def pruning_curve(model, batch, order) -> list[float]:
    """Exact match with 0, 1, … and all heads of the order removed."""
    gates = all_heads(model)
    curve = [exact_match(model, batch, gates)]
    for layer, head in order:
        gates[layer, head] = 0
        curve.append(exact_match(model, batch, gates))
    return curve


def sign_test(broken: int, mended: int) -> float:
    """Two-sided probability of so uneven a split if both were as likely."""
    count = broken + mended
    fewer = min(broken, mended)
    tail = sum(math.comb(count, k) for k in range(fewer + 1)) / 2**count
    return min(1.0, 2 * tail)


def entropy(weights: Tensor, rows: Tensor) -> Tensor:
    """Mean entropy of each head's rows, in nats: (H,).

    Args:
        weights: (B, H, T, S).
        rows: (B, T), boolean; the rows that count.
    """
    terms = torch.special.entr(weights).sum(-1)  # (B, H, T)
    return (terms * rows[:, None]).sum((0, 2)) / rows.sum()


def favourite_offset(weights: Tensor, rows: Tensor) -> list[tuple[int, float]]:
    """The distance that each head of self-attention looks at most.

    Args:
        weights: (B, H, T, T).
        rows: (B, T), boolean; the rows that count.

    Returns:
        For each head the offset, key less query, and its share of the weight.
    """
    T = weights.shape[-1]
    kept = weights * rows[:, None, :, None]
    shares = {
        offset: kept.diagonal(offset, -2, -1).sum((0, 2)) / rows.sum()
        for offset in range(1 - T, T)
    }
    best = [
        max(shares, key=lambda o, h=h: shares[o][h].item())
        for h in range(weights.shape[1])
    ]
    return [(o, shares[o][h].item()) for h, o in enumerate(best)]


def alignments(weights: Tensor, batch) -> dict[str, float | str]:
    """Alignment scores of one head of cross-attention, (B, T, S).

    Over all digits, over the first digit of each pair (the tens, which
    German says last) and over the second.
    """
    first = torch.arange(weights.shape[1]) % 2 == 0  # (T,)
    rows = (torch.ones_like(first), first, ~first)
    return {
        name: round(
            train.alignment_score(weights, batch.alignment & which[:, None]),
            4,
        )
        for name, which in zip(ALIGNMENTS, rows, strict=True)
    }


@torch.no_grad()
def describe_heads(model, batch) -> list[dict]:
    """What the map of each head is like: one dictionary a head."""
    _, maps = model.attend(batch.source, batch.source_mask, batch.target_in)
    found = []
    for name, weights in zip(layer_names(model.num_layers), maps, strict=True):
        inside = name.startswith("encoder")
        rows = batch.source_mask if inside else batch.target_mask
        cross = name.startswith("cross")
        spread = entropy(weights, rows)
        offsets = None if cross else favourite_offset(weights, rows)
        blank = dict.fromkeys(ALIGNMENTS, "")
        for head in range(model.num_heads):
            offset, share = ("", "") if cross else offsets[head]
            found.append(
                {
                    "layer": name,
                    "head": head + 1,
                    "entropy": round(spread[head].item(), 4),
                    "offset": offset,
                    "offset share": share if cross else round(share, 4),
                    **(
                        alignments(weights[:, head], batch) if cross else blank
                    ),
                }
            )
    return found


def trained_model(num_heads: int, seed: int, steps: int, progress: bool):
    """A translator trained on `task_of()`, and the seconds it took."""
    task = task_of()
    torch.manual_seed(seed)
    model = AttentionOnlyTranslator(
        len(task.source_vocabulary),
        len(task.target_vocabulary),
        num_heads=num_heads,
    )
    history = train.fit(model, task, steps, seed=seed, progress=progress)
    return model.requires_grad_(False), history


def importance_rows(model, predicting, reporting, seed) -> list[dict]:
    """One row a head: importance predicted, loss measured, looks."""
    gradient = gradient_importance(model, predicting)
    full = all_heads(model)
    rise = single_ablation(model, predicting) - mean_loss(
        model, predicting, full
    )
    before = right_answers(model, reporting, full)
    rows = []
    for place, look in enumerate(describe_heads(model, reporting)):
        layer, head = divmod(place, model.num_heads)
        without = full.clone()
        without[layer, head] = 0
        after = right_answers(model, reporting, without)
        broken = int((before & ~after).sum())
        mended = int((~before & after).sum())
        rows.append(
            {
                "seed": seed,
                **look,
                "gradient": round(gradient[layer, head].item(), 4),
                "loss rise": round(rise[layer, head].item(), 4),
                "broken": broken,
                "mended": mended,
                "p": float(f"{sign_test(broken, mended):.2g}"),
            }
        )
    return rows


def pruning_rows(model, predicting, small, reporting, seed, draws):
    """One row an order and number of heads removed."""
    rng = np.random.default_rng(seed)
    layers, heads = all_heads(model).shape
    every = [divmod(place, heads) for place in range(layers * heads)]
    orders = {
        "gradient": rising(gradient_importance(model, predicting)),
        "single": rising(single_ablation(model, predicting)),
        "greedy": greedy_order(model, small),
    }
    for draw in range(draws):
        shuffled = rng.permutation(len(every))
        orders[f"random {draw + 1}"] = [every[place] for place in shuffled]
    return [
        {
            "seed": seed,
            "order": name,
            "removed": removed,
            "exact match": round(value, 4),
        }
        for name, order in orders.items()
        for removed, value in enumerate(pruning_curve(model, reporting, order))
    ]


def one_left_rows(model, predicting, reporting, seed) -> list[dict]:
    """One row a layer: exact match when only its best head is kept."""
    rows = []
    for layer, name in enumerate(layer_names(model.num_layers)):
        kept = []
        for head in range(model.num_heads):
            gates = all_heads(model)
            gates[layer] = 0
            gates[layer, head] = 1
            kept.append((mean_loss(model, predicting, gates), head, gates))
        _, head, gates = min(kept, key=lambda each: each[0])
        none = all_heads(model)
        none[layer] = 0
        rows.append(
            {
                "seed": seed,
                "layer": name,
                "head kept": head + 1,
                "all": round(
                    exact_match(model, reporting, all_heads(model)), 4
                ),
                "one": round(exact_match(model, reporting, gates), 4),
                "none": round(exact_match(model, reporting, none), 4),
            }
        )
    return rows


def run(
    seeds: Iterable[int],
    steps: int = STEPS,
    trained: Iterable[int] = TRAINED,
    count: int = 500,
    draws: int = 3,
    progress: bool = True,
) -> dict[str, list[dict]]:
    """Train, ablate and prune, once a seed.

    Args:
        seeds: of weights and batches.
        steps: of training, 128 examples each.
        trained: numbers of heads to train with; the largest is pruned.
        count: held-out examples to measure on.
        draws: of the random order.
        progress: show progress bars.

    Returns:
        The rows of each table, by its name.
    """
    torch.set_num_threads(1)
    task = task_of()
    predicting = task.collate(
        task.examples(256, "train", length=PAIRS, seed=1)
    )
    small = task.collate(task.examples(128, "train", length=PAIRS, seed=2))
    reporting = task.collate(
        task.examples(count, "held-out", length=PAIRS, seed=3)
    )
    tables: dict[str, list[dict]] = {name: [] for name in TABLES}
    trained = sorted(trained)
    for seed in seeds:
        for num_heads in trained:
            model, history = trained_model(num_heads, seed, steps, progress)
            tables["heads_trained"].append(
                {
                    "seed": seed,
                    "heads": num_heads,
                    "parameters": history.parameters,
                    "seconds": round(history.seconds, 1),
                    "exact match": round(
                        exact_match(model, reporting, all_heads(model)), 4
                    ),
                }
            )
            print(tables["heads_trained"][-1], flush=True)
        tables["head_importance"] += importance_rows(
            model, predicting, reporting, seed
        )
        tables["one_head_left"] += one_left_rows(
            model, predicting, reporting, seed
        )
        tables["head_pruning"] += pruning_rows(
            model, predicting, small, reporting, seed, draws
        )
    return tables


if __name__ == "__main__":
    command(__doc__, TABLES, run, seeds=SEEDS, steps=STEPS)
