"""Slips in one step of a chunked delta rule, for exercise 12.5.

Each slip replaces one step of `slipped`. Of each its key, its name, its
sentence and where to look.
"""

from __future__ import annotations

import torch


def _sums(g):
    return g.cumsum(1)  # (B, C, d_k)


def _between(G, g):
    """The decay from token s to token t, in each channel."""
    gap = G[:, :, None] - G[:, None]  # (B, C, C, d_k)
    later = torch.ones(gap.shape[1:3]).tril().bool()[..., None]
    return gap.masked_fill(~later, -torch.inf).exp()


def _met(x, k, decay):
    return (x[:, :, None] * k[:, None] * decay).sum(-1)  # (B, C, C)


def _held(k, G, g, S):
    return (k * G.exp()) @ S  # (B, C, d_v)


def _system(b, kk):
    return (b * kk).tril(-1)  # (B, C, C)


def _solved(A, right):
    return torch.linalg.solve_triangular(
        torch.eye(A.shape[-1]) + A, right, upper=False
    )


def _right(b, v, held):
    return b * (v - held)


def _read(q, G, g, S):
    return (q * G.exp()) @ S


def _kept(G, g, S):
    return G[:, -1, :, None].exp() * S


def _added(q, k, G, U):
    return (k * (G[:, -1:] - G).exp()).mT @ U


_STEPS = {
    "between": _between,
    "keys meet": _met,
    "held": _held,
    "system": _system,
    "solved": _solved,
    "right": _right,
    "read": _read,
    "kept": _kept,
    "added": _added,
    "written": lambda U: U,
}


def _late(G, g):
    """Masked after the exponential, so that infinity is multiplied by 0."""
    gap = G[:, :, None] - G[:, None]
    later = torch.ones(gap.shape[1:3]).tril().bool()[..., None]
    return gap.exp().masked_fill(~later, 0)


_SLIPS = {
    "masked late": {"between": _late},
    "mean channel between": {
        "between": lambda G, g: _between(
            G.mean(-1, keepdim=True).expand_as(G), g
        )
    },
    "one step between": {
        "between": lambda G, g: _between(0 * G, g) * g.exp()[:, :, None]
    },
    "writer's decay too": {
        "between": lambda G, g: _between(G, g) * g.exp()[:, None]
    },
    "decay twice between": {"between": lambda G, g: _between(2 * G, g)},
    "mean of the products": {
        "keys meet": lambda x, k, decay: _met(x, k, decay) / k.shape[-1]
    },
    "state not taken away": {"held": lambda k, G, g, S: 0 * (k @ S)},
    "held by one step": {"held": lambda k, G, g, S: (k * g.exp()) @ S},
    "held at the end": {"held": lambda k, G, g, S: (k * G[:, -1:].exp()) @ S},
    "held without gradient": {
        "held": lambda k, G, g, S: _held(k, G, g, S.detach())
    },
    "beta twice in the system": {"system": lambda b, kk: _system(b * b, kk)},
    "the neighbour alone": {"system": lambda b, kk: _system(b, kk).triu(-1)},
    "three terms": {
        "solved": lambda A, right: right - A @ right + A @ (A @ right)
    },
    "transposed system": {
        "solved": lambda A, right: torch.linalg.solve(
            torch.eye(A.shape[-1]) + A.mT, right
        )
    },
    "beta twice on the value": {
        "right": lambda b, v, held: b * (b * v - held)
    },
    "beta at most 1": {
        "right": lambda b, v, held: b.clamp(max=1) * (v - held),
        "system": lambda b, kk: _system(b.clamp(max=1), kk),
    },
    "beta of the right side at most 1": {
        "right": lambda b, v, held: b.clamp(max=1) * (v - held)
    },
    "read at the end": {"read": lambda q, G, g, S: (q * G[:, -1:].exp()) @ S},
    "read one decay early": {
        "read": lambda q, G, g, S: (q * (G - g).exp()) @ S
    },
    "written without gradient": {"written": lambda U: U.detach()},
    "old state lost": {"kept": lambda G, g, S: 0 * S},
    "kept by the last step": {
        "kept": lambda G, g, S: g[:, -1, :, None].exp() * S
    },
    "kept by the mean channel": {
        "kept": lambda G, g, S: G[:, -1].mean(-1)[:, None, None].exp() * S
    },
    "kept without gradient": {"kept": lambda G, g, S: _kept(G.detach(), g, S)},
    "added by the sums": {"added": lambda q, k, G, U: (k * G.exp()).mT @ U},
    "added by the whole decay": {
        "added": lambda q, k, G, U: (k * G[:, -1:].exp()).mT @ U
    },
    "the last token alone": {
        "added": lambda q, k, G, U: k[:, -1:].mT @ U[:, -1:]
    },
    "added with the queries": {"added": lambda q, k, G, U: _added(q, q, G, U)},
}


def slipped(query, key, value, beta, log_decay, state, chunk, mistake):
    """Return output (B, T, d_v) and state (B, d_k, d_v), with a slip."""
    if mistake == "beta without gradient":
        beta = beta.detach()
    elif mistake == "decay without gradient":
        log_decay = log_decay.detach()
    elif mistake == "queries of length 1":
        query = torch.nn.functional.normalize(query, dim=-1)
    elif mistake == "values of length 1":
        value = torch.nn.functional.normalize(value, dim=-1)
    elif mistake == "decays cut off":
        log_decay = log_decay.clamp(min=-5)
    do = _STEPS | _SLIPS.get(mistake, {})
    S, outputs = state, []
    parts = (x.split(chunk, 1) for x in (query, key, value, beta, log_decay))
    for q, k, v, b, g in zip(*parts, strict=True):
        G, b = _sums(g), b[..., None]
        decay = do["between"](G, g)
        asks = q if mistake == "queries in the system" else k
        A = do["system"](b, do["keys meet"](asks, k, decay))
        U = do["solved"](A, do["right"](b, v, do["held"](k, G, g, S)))
        seen = do["written"](U)
        reads = k if mistake == "read inside with the keys" else q
        outputs.append(_met(reads, k, decay) @ seen + do["read"](q, G, g, S))
        S = do["kept"](G, g, S) + do["added"](q, k, G, U)
    return torch.cat(outputs, 1), S


_GAP = "The decay from s to t is exp(G_t - G_s), in each channel."
_SYSTEM = "Hint 3 has the system, line by line."
_NEXT = "Hint 4 has the state that a chunk leaves."
_CUT = "Leave out detach and no_grad."
_HELD = "Before token t writes, S has decayed by exp(G_t)."

SLIPS = [
    (
        "masked late",
        "a mask after the exponential",
        "The values are right. The gradient is not: an infinite exponential "
        "was masked after it was taken, and infinity times 0 is NaN.",
        "Set the differences to -inf first, then take the exponential.",
    ),
    (
        "mean channel between",
        "one decay for all channels inside a chunk",
        "Between two tokens of a chunk all channels have the mean decay.",
        _GAP,
    ),
    (
        "one step between",
        "one step of decay between any two tokens",
        "Between two tokens of a chunk there is the decay of one token, "
        "however far apart they are.",
        _GAP,
    ),
    (
        "writer's decay too",
        "the writer's own decay between two tokens",
        "What a token writes does not decay at that token.",
        _GAP,
    ),
    (
        "decay twice between",
        "decays counted twice inside a chunk",
        "Between two tokens of a chunk the decay is squared.",
        _GAP,
    ),
    (
        "mean of the products",
        "a mean over channels in the system",
        "Keys meet as a mean over channels. It is a sum.",
        _SYSTEM,
    ),
    (
        "state not taken away",
        "errors that leave out the state of the chunk before",
        "The error leaves out what the state held when the chunk began.",
        _SYSTEM,
    ),
    (
        "held by one step",
        "an error against the state with one decay",
        "Each token takes its error against the state at the beginning of "
        "the chunk, decayed by one token only.",
        _HELD,
    ),
    (
        "held at the end",
        "an error against the state at the end of the chunk",
        "Each token takes its error against the old state as it is at the "
        "end of the chunk.",
        _HELD,
    ),
    (
        "held without gradient",
        "no gradient through the errors",
        "The values are right. No gradient flows through what the state "
        "held when a token took its error.",
        _CUT,
    ),
    (
        "beta twice in the system",
        "beta twice in the system",
        "The matrix of the system has β squared.",
        _SYSTEM,
    ),
    (
        "the neighbour alone",
        "tokens that see the one before alone",
        "In a chunk each token sees what one token has written, the one "
        "just before it.",
        _SYSTEM,
    ),
    (
        "three terms",
        "a system solved by three terms",
        "You use three terms of a series. A chunk of four tokens needs four.",
        "torch.linalg.solve_triangular(…, upper=False).",
    ),
    (
        "transposed system",
        "a transposed system",
        "Each token depends on the tokens after it.",
        _SYSTEM,
    ),
    (
        "beta twice on the value",
        "beta twice on the value",
        "The value has β twice, and what the state holds has it once.",
        _SYSTEM,
    ),
    (
        "beta at most 1",
        "a strength of at most 1",
        "Strengths above 1 are cut off. β may be anything from 0 to 2.",
        "Use beta as it is.",
        "beta of the right side at most 1",
    ),
    (
        "read at the end",
        "the old state read as at the end of the chunk",
        "Each token reads the old state as it is at the end of the chunk.",
        "Token t reads the old state after exp(G_t).",
    ),
    (
        "read one decay early",
        "the old state read one decay early",
        "Each token reads the old state without its own decay.",
        "Token t reads the old state after exp(G_t).",
    ),
    (
        "written without gradient",
        "no gradient through what a chunk writes",
        "The values are right. No gradient flows from the output to what "
        "the tokens of the chunk have written.",
        _CUT,
    ),
    (
        "old state lost",
        "a next state of the chunk alone",
        "The next state holds what this chunk has written. What was there "
        "before is lost.",
        _NEXT,
    ),
    (
        "kept by the last step",
        "an old state decayed by the last token alone",
        "Over a chunk the old state decays by all of its tokens.",
        _NEXT,
    ),
    (
        "kept by the mean channel",
        "an old state decayed alike in all channels",
        "Each row of the old state has a decay of its own.",
        _NEXT,
    ),
    (
        "kept without gradient",
        "no gradient through the decay of the old state",
        "The values are right. No gradient flows through the decay by which "
        "the old state is carried on.",
        _CUT,
    ),
    (
        "added by the sums",
        "writes decayed from the beginning of the chunk",
        "What token s writes decays from s to the end of the chunk, not "
        "from the beginning of the chunk to s.",
        _NEXT,
    ),
    (
        "added by the whole decay",
        "writes decayed by the whole chunk",
        "What token s writes decays from s to the end of the chunk only.",
        _NEXT,
    ),
    (
        "the last token alone",
        "the write of the last token alone",
        "The next state holds what the last token of the chunk writes, and "
        "not what the others write.",
        _NEXT,
    ),
    (
        "added with the queries",
        "written under the queries",
        "The next state is written under the queries.",
        _NEXT,
    ),
    (
        "beta without gradient",
        "no gradient to beta",
        "The values are right. No gradient flows to `beta`.",
        _CUT,
    ),
    (
        "decay without gradient",
        "no gradient to the decays",
        "The values are right. No gradient flows to `log_decay`.",
        _CUT,
    ),
    (
        "queries of length 1",
        "queries made length 1",
        "Queries are used as they are.",
        "No normalize.",
    ),
    (
        "values of length 1",
        "values made length 1",
        "Values are used as they are.",
        "No normalize.",
    ),
    (
        "queries in the system",
        "queries in the system",
        "A token takes its error with its key. Your system has its query.",
        _SYSTEM,
    ),
    (
        "read inside with the keys",
        "read inside a chunk with the keys",
        "The old state is read with the query, but what the chunk has "
        "written is read with the key.",
        "The same sums as in the system, with q in place of k.",
    ),
    (
        "decays cut off",
        "decays that are cut off",
        "A log-decay has a least value in yours. It may be as low as -200, "
        "where nothing is left.",
        "Use log_decay as it is.",
    ),
]
