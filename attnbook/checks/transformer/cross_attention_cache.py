"""Exercise 06.4: Read the source once and keep it."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from attnbook.checks.transformer.cache_mistakes import MISTAKES
from attnbook.judging.comparison import kind_of
from attnbook.judging.exercise import (
    Case,
    Exercise,
    Mistake,
    Part,
    Property,
    WrongAnswer,
)
from attnbook.judging.fresh_cases import anew, lengths, seed_from
from attnbook.judging.masked_weights import masked_weights
from attnbook.judging.tensors import normal, token_mask
from attnbook.judging.watching import products
from attnbook.mechanisms.masked_softmax import masked_softmax


class _CrossAttentionCache:
    """Keys and values of a source, projected once for all steps."""

    def __init__(self, W_q, W_k, W_v, W_o, num_heads):
        self.W_q, self.W_k, self.W_v, self.W_o = W_q, W_k, W_v, W_o
        self.num_heads = num_heads

    def split(self, x):
        """(B, L, H·d) to (B, H, L, d)."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def read(self, memory, mask):
        self.key = self.split(memory @ self.W_k.T)  # (B, H, S, d_k)
        self.value = self.split(memory @ self.W_v.T)  # (B, H, S, d_v)
        self.mask = mask  # (B, S)

    def step(self, x):
        query = self.split((x @ self.W_q.T)[:, None])  # (B, H, 1, d_k)
        scores = (query @ self.key.transpose(2, 3)).squeeze(2)  # (B, H, S)
        scores = scores / self.key.shape[-1] ** 0.5
        weights = masked_softmax(scores, self.mask[:, None])  # (B, H, S)
        heads = (weights[:, :, None] @ self.value).squeeze(2)  # (B, H, d_v)
        return heads.flatten(1) @ self.W_o.T, weights

    def select(self, rows):
        self.key, self.value = self.key[rows], self.value[rows]
        self.mask = self.mask[rows]


class _MistakenCache(_CrossAttentionCache):
    """What often goes wrong, by the name of the `mistake`."""

    mistake: str

    def project(self, x, name):
        """Multiply by a matrix, stored as nn.Linear stores it."""
        W = getattr(self, name)
        if self.mistake == "no output" and name == "W_o":
            return x
        untransposed = self.mistake in ("untransposed", f"{name} untransposed")
        return x @ W if untransposed else x @ W.T

    def split(self, x):
        if self.mistake == "viewed":
            return x.reshape(len(x), self.num_heads, x.shape[1], -1)
        of = "query" if x.shape[1] == 1 else "source"
        if self.mistake in ("interleaved", f"{of} interleaved"):
            return x.unflatten(-1, (-1, self.num_heads)).permute(0, 3, 1, 2)
        return super().split(x)

    def read(self, memory, mask):
        if self.mistake == "first source" and hasattr(self, "key"):
            return
        owner = type(self) if self.mistake == "shared" else self
        owner.memory, owner.mask = memory, mask
        if self.mistake == "overwritten":
            self.mask = mask.clone()
        if self.mistake == "recomputed":
            return
        if self.mistake == "first source, lazily" and hasattr(self, "key"):
            return
        if self.mistake == "detached":
            memory = memory.detach()
        owner.key = self.split(self.project(memory, "W_k"))  # (B, H, S, d_k)
        owner.value = self.split(self.project(memory, "W_v"))  # (B, H, S, d_v)
        if self.mistake == "values of the keys":
            owner.value = owner.key
        elif self.mistake in ("keys detached", "projections detached"):
            owner.key = owner.key.detach()
        if self.mistake in ("values detached", "projections detached"):
            owner.value = owner.value.detach()
        self.as_read = owner.key, owner.value, owner.mask

    def step(self, x):
        mistake = self.mistake
        if mistake == "rows of the batch before" and hasattr(self, "rows"):
            self.key, self.value, self.mask = (
                kept[self.rows] for kept in self.as_read
            )
        if mistake == "recomputed":
            self.key = self.split(self.project(self.memory, "W_k"))
            self.value = self.split(self.project(self.memory, "W_v"))
        W_q = "W_k" if mistake == "query of the keys" else "W_q"
        query = self.split(self.project(x, W_q)[:, None])  # (B, H, 1, d_k)
        scores = (query @ self.key.transpose(2, 3)).squeeze(2)  # (B, H, S)
        d_k = self.key.shape[-1]
        if mistake == "wide":
            scores = scores / (d_k * self.num_heads) ** 0.5
        elif mistake == "width of the model":
            scores = scores / x.shape[-1] ** 0.5
        elif mistake == "width of a value":
            scores = scores / self.value.shape[-1] ** 0.5
        elif mistake == "no root":
            scores = scores / d_k
        elif mistake != "unscaled":
            scores = scores / d_k**0.5
        weights = self.weights(scores)
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
        output = self.project(merged, "W_o")
        if mistake == "exchanged":
            return weights, output
        if mistake == "averaged":
            return output, weights.mean(1)
        return output, weights

    def weights(self, scores):
        """Softmax over the keys that may be read, (B, H, S)."""
        mistake, allowed = self.mistake, self.mask[:, None]  # (B, 1, S)
        if mistake == "divided again":
            weights = scores.softmax(-1) * allowed
            return weights / weights.sum(-1, keepdim=True).clamp(min=1e-9)
        if mistake == "no maximum":
            weights = scores.exp() * allowed
            total = weights.sum(-1, keepdim=True)
            return weights / torch.where(total == 0, 1, total)
        if mistake == "over rows":
            return masked_softmax(scores, allowed, 0)
        if mistake == "inverted, -1e9":
            return scores.masked_fill(allowed, -1e9).softmax(-1)
        if mistake == "NaN replaced":
            hidden = torch.where(allowed, 0.0, -torch.inf)
            return (scores + hidden).softmax(-1).nan_to_num()
        if mistake == "-100":
            weights = scores.masked_fill(~allowed, -100.0).softmax(-1)
            return weights * allowed.any(-1, keepdim=True)
        return masked_weights(
            masked_softmax,
            scores,
            self.mask if mistake == "mask on the heads" else allowed,
            (mistake,),
            1 if mistake == "over heads" else -1,
        )

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
        if mistake in ("recomputed", "read by select"):
            self.memory, self.mask = self.memory[rows], self.mask[rows]
            if mistake == "read by select":
                self.read(self.memory, self.mask)
            return
        if mistake == "rows as read":
            self.key, self.value, self.mask = (
                kept[rows] for kept in self.as_read
            )
            return
        if mistake == "rows of the batch before":
            before = getattr(self, "rows", torch.arange(len(self.mask)))
            self.rows = before[rows]
            return
        if mistake.startswith("overwritten"):
            for row, chosen in enumerate(rows.tolist()):
                for kept in (self.key, self.value, self.mask):
                    kept[row] = kept[chosen]
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
        if mistake == "rows detached":
            self.key, self.value = self.key.detach(), self.value.detach()


def _cache_with(mistake):
    return type("CrossAttentionCache", (_MistakenCache,), {"mistake": mistake})


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
    """Read the first source, then take the steps.

    Before a step the next source is read ("read"), or `rows` are chosen.
    """
    cache = answer(*matrices, num_heads)
    unread = iter(sources)
    cache.read(*next(unread))
    outputs, maps = [], []
    for x, chosen in zip(queries, rows, strict=True):
        if chosen == "read":
            cache.read(*next(unread))
        elif chosen is not None:
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


def _cache_case(name, lengths, sizes, steps, seed):
    """`steps` holds None, "read", or the rows chosen before that step."""
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
    later = steps.count("read")
    for more in range(later, -1, -1):  # earlier batches were larger
        memory = normal(generator, B + more, S + more, D)
        read.append((memory, token_mask([*lengths, *[S] * more], S + more)))
    queries, B = [], B + later
    for rows in steps:
        if rows == "read":
            later -= 1
            B = len(lengths) + later
        elif rows is not None:
            B = len(rows)
        queries.append(normal(generator, B, D))
    return Case(name, (matrices, H, read, queries, list(steps)))


def _some_steps(random, drawn):
    """Three steps; before each rows may be chosen, or a source be read."""
    ends = ["read"] if random.random() < 0.3 else []
    B, steps = len(drawn["lengths"]) + len(ends), []
    for _ in range(3 - len(ends)):
        rows = random.integers(B, size=random.integers(2, 5)).tolist()
        steps.append(rows if random.random() < 0.5 else None)
        B = B if steps[-1] is None else len(rows)
    return steps + ends


def _drawn_anew(steps):
    """Cases in which rows are chosen as `steps` say."""
    return anew(
        _cache_case,
        sizes=lambda random, _: random.integers(
            [2, 3, 2, 2, 2], [6, 7, 4, 4, 4]
        ).tolist(),
        lengths=lambda random, drawn: lengths(random, drawn["sizes"][0], 1),
        steps=steps,
    )


def _large_scores():
    """Two heads of one number, and scores that are whole numbers.

    The largest score is hidden, or all that may be read lie below -100.
    """
    pick, none = torch.eye(2), torch.zeros(2, 2)
    keys, values = torch.cat([pick, none], 1), torch.cat([none, pick], 1)
    memory = torch.tensor(
        [
            [[200, 200, 4, 4], [-150, -2, 1, 3], [-151, 150, 3, 1]],
            [[3, -200, 1, 2], [2, -180, 2, 5], [300, -101, 7, 7]],
        ]
    ).float()  # (B, S, D): two numbers for the keys, two for the values
    mask = torch.tensor([[False, True, True], [True, True, False]])
    return Case(
        "large scores",
        (
            [keys, keys, values, values.T],
            2,
            [(memory, mask)],
            [torch.ones(2, 4)],
            [None],
        ),
    )


def _later_steps_cost_little(answer, seed=49, S=64):
    matrices, H, sources, queries, _ = _cache_case(
        "", [S, S], (S, 16, 4, 4, 4), [None] * 8, seed
    ).arguments
    cache, exchanged = answer(*matrices, H), torch.tensor([1, 0])
    cache.read(*sources[0])
    cache.step(queries[0])
    with products(answer) as counted:
        found = []
        for x in queries[1:]:
            cache.select(exchanged)
            found.append(cache.step(x)[0])
    right = _run_cache(
        _CrossAttentionCache,
        matrices,
        H,
        sources,
        queries,
        [None, *[exchanged.tolist()] * 7],
    )[0][1:]
    if not all(
        torch.allclose(one, other, atol=1e-4)
        for one, other in zip(found, right, strict=True)
    ):
        raise WrongAnswer(
            "After `select` the outputs are not those of attention computed "
            "again. The cost is checked when the outputs are right."
        )
    B, D = 2, 16
    needed = 2 * B * (2 * D * D + 2 * S * D)  # flops of one step
    return counted.amount < 2 * 7 * needed


def _later_steps_cost_little_anew(seed):
    random = np.random.default_rng(seed)
    S = int(random.integers(48, 80))
    return partial(_later_steps_cost_little, seed=seed_from(random), S=S)


def _no_gradient_is_nan(answer):
    """Where nothing is to be read. What a step returns, another part asks."""
    matrices, H, [(memory, mask)], queries, steps = _cache_case(
        "", [3, 0], (3, 4, 2, 3, 2), [None], 45
    ).arguments
    inputs = [x.requires_grad_() for x in (*matrices, memory, *queries)]
    outputs, weights = _run_cache(
        answer, matrices, H, [(memory, mask)], queries, steps
    )
    total = outputs[0].sum() + weights[0].square().sum()
    if not (total.isfinite() and total.requires_grad):
        return True
    gradients = torch.autograd.grad(total, inputs, allow_unused=True)
    return all(g is None or bool(g.isfinite().all()) for g in gradients)


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


EXERCISE = Exercise(
    "06-cross-attention-cache",
    "Read the source once and keep it",
    points=4,
    reference=_CrossAttentionCache,
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
            [[2, 0], None, [0, 0, 1, 1], [3, 1, 0], [1]],
            43,
        ),
        _large_scores(),
        _cache_case(
            "a second source", [3, 3], (3, 5, 2, 2, 3), ["read", None], 44
        ),
        _cache_case(
            "a second source after some steps",
            [3, 2],
            (3, 4, 2, 3, 2),
            [None, [2, 0], "read", None],
            47,
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
        for key, name, sentence, look, *more in MISTAKES
    ],
    right_answers=[_CacheByEinsum, _LazyCache],
    properties=[
        Property(
            "After the first step neither a step nor `select` touches the "
            "source again. The limit is twice the products that the steps "
            "need.",
            _later_steps_cost_little,
            "What is the same at each step, and can be kept?",
            anew=_later_steps_cost_little_anew,
        ),
        Property(
            "Two objects do not share what they keep.",
            _two_caches_do_not_mix,
        ),
        Property(
            "Where a source has nothing to read no gradient is NaN.",
            _no_gradient_is_nan,
            "Is there a softmax of -inf alone, even if its NaN is replaced?",
        ),
    ],
    tolerance=1e-5,
    gradients=True,
    outputs=("outputs", "all_weights"),
    run=_run_cache,
    parts=[
        Part(
            "steps",
            "reading a source and attending to it",
            1,
            tries=("three steps", "large scores", "a second source"),
            fresh=_drawn_anew(steps=[[None, None, None], ["read", None]]),
        ),
        Part(
            "select",
            "choosing rows, some with nothing to read",
            1,
            tries=(
                "the worked example",
                "rows in another order",
                "fewer and more rows",
                "a second source after some steps",
                "nothing to read",
                "all sizes alike",
            ),
            fresh=_drawn_anew(steps=_some_steps),
        ),
        Part(
            "gradients",
            "the gradients",
            1,
            tries=(
                "three steps",
                "rows in another order",
                "Where a source has nothing to read no gradient is NaN.",
            ),
            gradients=True,
            fresh=_drawn_anew(steps=[[None, None]]),
        ),
        Part(
            "cost",
            "a source projected once, and caches that do not mix",
            1,
            tries=(
                "three steps",
                "After the first step neither a step nor `select` touches "
                "the source again. The limit is twice the products that the "
                "steps need.",
                "Two objects do not share what they keep.",
            ),
            fresh=_drawn_anew(steps=[[None, None, None]]),
        ),
    ],
)
