"""Delta rules with a decay for each channel, and what often goes wrong.

Of each mistake its key, its name, its sentence and where to look; then the
keys of other code that makes it.
"""

from __future__ import annotations

import torch


def _decays(log_decay, mistake):
    """What each channel of the state is multiplied by, (B, T, d_k)."""
    if mistake == "no decay":
        return torch.ones_like(log_decay)
    if mistake == "raw decay":
        return log_decay
    if mistake == "one decay":
        return log_decay.mean(-1, keepdim=True).exp().expand_as(log_decay)
    if mistake == "first channel":
        return log_decay[..., :1].exp().expand_as(log_decay)
    if mistake == "wrong sign":
        return (-log_decay).exp()
    if mistake == "one minus":
        return 1 - log_decay.exp()
    return log_decay.exp()


def _written(S, k, v, beta, mistake):
    """What is added to a state, (B, d_k, d_v)."""
    known = (k[:, None] @ S)[:, 0]  # (B, d_v)
    if mistake == "no error":
        known = 0 * known
    elif mistake == "plus":
        known = -known
    error = v - known
    strength = beta[:, None]
    if mistake == "no beta":
        strength = torch.ones_like(strength)
    elif mistake == "beta twice":
        strength = strength**2
    elif mistake == "beta on the value":
        return k[..., None] * (strength * v - known)[:, None]
    elif mistake == "beta on the error alone":
        return k[..., None] * (v - strength * known)[:, None]
    elif mistake == "one minus beta":
        strength = 1 - strength
    elif mistake == "sigmoid of beta":
        strength = strength.sigmoid()
    return k[..., None] * (strength * error)[:, None]


def _by_tokens(query, key, value, beta, log_decay, state, chunk, mistake):
    """The recurrence, with a mistake."""
    _, T, d_k = key.shape
    S, outputs = state, []
    a = _decays(log_decay, mistake)
    if mistake == "state detached":
        S = S.detach()
    if mistake == "state ignored":
        S = torch.zeros_like(S)
    if mistake == "keys of length 1":
        key = torch.nn.functional.normalize(key, dim=-1)
    if mistake == "scaled":
        query = query / d_k**0.5
    at_start = S
    for t in range(T):
        q, k, v, b = query[:, t], key[:, t], value[:, t], beta[:, t]
        if t % chunk == 0:
            if mistake == "state lost":
                S = torch.zeros_like(S)
            elif mistake == "state given again":
                S = state
            elif mistake == "carried without gradient":
                S = S.detach()
            at_start = S
        decay = a[:, t, :, None]
        kept_at = {"no first decay": t % chunk, "no decay at the start": t}
        if kept_at.get(mistake) == 0:
            decay = torch.ones_like(decay)
        old = S
        if mistake == "decay after the error":
            S = decay * S + _written(S, k, v, b, mistake)
        elif mistake == "decay at the end":
            S = decay * (S + _written(S, k, v, b, mistake))
        elif mistake == "written blindly":
            # Each token sees the state at the beginning of its chunk.
            at_start = decay * at_start
            S = decay * S + _written(at_start, k, v, b, mistake)
        else:
            S = decay * S
            new = S + _written(S, k, v, b, mistake)
            if mistake == "read before the write":
                outputs.append((q[:, None] @ S)[:, 0])
            S = new
        if mistake == "read the old state":
            outputs.append((q[:, None] @ old)[:, 0])
        elif mistake == "read with the key":
            outputs.append((k[:, None] @ S)[:, 0])
        elif mistake != "read before the write":
            outputs.append((q[:, None] @ S)[:, 0])
        if mistake == "state of the last whole chunk" and (t + 1) % chunk == 0:
            at_end = S
        if (t + 1) % chunk == 0 or t + 1 == T:
            if mistake == "state lost at the end":
                S = torch.zeros_like(S)
            elif mistake == "state given again at the end":
                S = state
    output = torch.stack(outputs, 1)
    if mistake == "state before the last chunk":
        S = at_start
    elif mistake == "state of the last whole chunk":
        S = at_end if chunk <= T else state
    elif mistake == "given state returned":
        S = state
    elif mistake == "detached":
        return output.detach(), S.detach()
    elif mistake == "end without gradient":
        S = S.detach()
    elif mistake == "rest lost":
        whole = T - T % chunk
        output = torch.cat([output[:, :whole], 0 * output[:, whole:]], 1)
    return output, S


def in_chunks(query, key, value, beta, log_decay, state, chunk, mistake=""):
    """Each chunk by one triangular system, with a mistake."""
    S, outputs = state, []
    parts = (x.split(chunk, 1) for x in (query, key, value, beta, log_decay))
    for q, k, v, b, g in zip(*parts, strict=True):
        C = k.shape[1]
        total = g.cumsum(1)  # (B, C, d_k)
        if mistake == "cumsum exclusive":
            total = total - g
        if mistake == "two exponentials":
            down, up = total.exp(), (-total).exp()
            kk = (k * down) @ (k * up).mT
            qk = (q * down) @ (k * up).mT
        else:
            gap = total[:, :, None] - total[:, None]  # (B, C, C, d_k)
            later = torch.ones(C, C).tril().bool()[..., None]
            decay = gap.masked_fill(~later, -torch.inf).exp()
            kk = torch.einsum("bik,bjk,bijk->bij", k, k, decay)
            qk = torch.einsum("bik,bjk,bijk->bij", q, k, decay)
        b = b[..., None]
        A = (b * kk).tril(-1)
        if mistake == "diagonal in the system":
            A = (b * kk).tril()
        elif mistake == "system with a minus":
            A = -A
        elif mistake == "system without beta":
            A = kk.tril(-1)
        elif mistake == "beta of the other token":
            A = (b.mT * kk).tril(-1)
        elif mistake == "one term":
            A = 0 * A
        elif mistake == "system without decay":
            A = (b * (k @ k.mT)).tril(-1)
        known = (k * total.exp()) @ S
        if mistake == "start without decay":
            known = k @ S
        right = b * (v - known)
        if mistake == "first order":
            U = right - A @ right
        else:
            U = torch.linalg.solve_triangular(
                torch.eye(C) + A, right, upper=False
            )
        inside = qk.tril(-1 if mistake == "itself not read" else 0)
        if mistake == "reads ahead":
            inside = q @ k.mT
        elif mistake == "reads without decay":
            inside = (q @ k.mT).tril()
        read = (q * total.exp()) @ S
        if mistake == "start not read":
            read = 0 * read
        elif mistake == "start read without decay":
            read = q @ S
        outputs.append(inside @ U + read)
        last = total[:, -1:]
        rest = (last - total).exp()
        if mistake == "no decay to the end":
            rest = torch.ones_like(rest)
        keep = last.mT.exp()
        if mistake == "carried without decay":
            keep = torch.ones_like(keep)
        elif mistake == "carried with the first decay":
            keep = total[:, :1].mT.exp()
        S = keep * S + (k * rest).mT @ U
        if mistake == "values carried":
            S = keep * (S - (k * rest).mT @ U) + (k * rest).mT @ (b * v)
    return torch.cat(outputs, 1), S


_IN_CHUNKS = {
    "cumsum exclusive",
    "two exponentials",
    "diagonal in the system",
    "system with a minus",
    "system without beta",
    "beta of the other token",
    "system without decay",
    "start without decay",
    "first order",
    "itself not read",
    "reads ahead",
    "reads without decay",
    "start not read",
    "start read without decay",
    "no decay to the end",
    "carried without decay",
    "carried with the first decay",
    "one term",
}


def mistaken(query, key, value, beta, log_decay, state, chunk, mistake):
    """Return output (B, T, d_v) and state (B, d_k, d_v), with a mistake."""
    made = in_chunks if mistake in _IN_CHUNKS else _by_tokens
    return made(query, key, value, beta, log_decay, state, chunk, mistake)


_RULE = "Write one token by hand: decay the state, take the error, write."
_CARRY = "Two chunks must give what one chunk gives."
_SYSTEM = "Hint 3 has the system, line by line."
_END = "The state after token T - 1."

MISTAKES = [
    (
        "decay after the error",
        "the error taken before the decay",
        "The error is v minus what the state holds *before* its decay. The "
        "decay comes first.",
        _RULE,
    ),
    (
        "decay at the end",
        "the decay after the write",
        "The state decays after the write, so that what is new decays at "
        "once.",
        _RULE,
    ),
    ("no decay", "no decay", "The state does not decay.", _RULE),
    (
        "raw decay",
        "a log-decay used as a decay",
        "The state is multiplied by the log-decay, a negative number.",
        "log_decay.exp().",
    ),
    (
        "wrong sign",
        "a decay that grows",
        "The state is multiplied by numbers above 1.",
        "log_decay.exp(), where log_decay is 0 or less.",
    ),
    (
        "one minus",
        "a decay of 1 minus the decay",
        "You keep what should be lost, and lose what should be kept.",
        "log_decay.exp() is what is kept.",
    ),
    (
        "one decay",
        "one decay for all channels",
        "You average the decays. Channel i of the key, row i of the state, "
        "has a decay of its own.",
        "log_decay is (B, T, d_k), and the state (B, d_k, d_v).",
    ),
    (
        "first channel",
        "the decay of the first channel for all",
        "All rows of the state decay like the first one.",
        "log_decay is (B, T, d_k), and the state (B, d_k, d_v).",
    ),
    (
        "no error",
        "values written, not errors",
        "You write v, without subtracting what the state holds under the "
        "key. That is decayed linear attention.",
        _RULE,
    ),
    (
        "plus",
        "what the state holds is added",
        "The error is v *minus* what the state holds under the key.",
        _RULE,
    ),
    (
        "no beta",
        "beta not used",
        "Each token writes its whole error.",
        "β · (v minus what is there).",
    ),
    (
        "beta twice",
        "beta used twice",
        "The error is multiplied by β twice: once in the system and once "
        "more when it is written.",
        "β · (v minus what is there), once.",
    ),
    (
        "beta on the value",
        "beta on the value alone",
        "You write βv minus all of what is there. β belongs to both.",
        "β · (v minus what is there).",
    ),
    (
        "beta on the error alone",
        "beta on what is taken away alone",
        "You write all of v, and take β of what is there away. β belongs to "
        "both.",
        "β · (v minus what is there).",
    ),
    (
        "one minus beta",
        "1 - beta in place of beta",
        "Your strength is 1 - β.",
        "β · (v minus what is there).",
    ),
    (
        "sigmoid of beta",
        "a sigmoid of beta",
        "β is the strength already. You take its sigmoid.",
        "β · (v minus what is there).",
    ),
    (
        "read before the write",
        "read before the write",
        "The query reads the state before its own token is written.",
        "Decay, write, then read.",
        "itself not read",
    ),
    (
        "read the old state",
        "the state of the token before is read",
        "The query reads the state before decay and write.",
        "Decay, write, then read.",
    ),
    (
        "read with the key",
        "read with the key",
        "The state is read with k. It is written with k and read with q.",
        "Which of your products has the query?",
    ),
    (
        "scaled",
        "queries divided by the root of d",
        "The output is divided by the root of d_k. Nothing is scaled here.",
        "S_tᵀ q_t.",
    ),
    (
        "keys of length 1",
        "keys made length 1",
        "You divide the keys by their lengths. Take them as they are.",
        "Look for normalize.",
    ),
    (
        "state ignored",
        "the given state ignored",
        "You begin with zeros, not with `state`.",
        "S = state, before the first chunk.",
    ),
    (
        "state lost",
        "a state that begins anew with each chunk",
        "Each chunk begins with zeros.",
        _CARRY,
        "state lost at the end",
    ),
    (
        "state given again",
        "the given state in each chunk",
        "Each chunk begins with the state that was given, not with the one "
        "that the chunk before has left.",
        _CARRY,
        "state given again at the end",
    ),
    (
        "written blindly",
        "tokens of a chunk that do not see each other",
        "All errors of a chunk are taken against the state at its beginning. "
        "What a token writes changes the errors of the tokens after it.",
        _SYSTEM,
        "one term",
    ),
    (
        "first order",
        "a system that is not solved",
        "You subtract what the tokens before write, but not what they leave "
        "out because of tokens before them: (1 - A) is not the inverse of "
        "(1 + A).",
        "torch.linalg.solve_triangular(…, upper=False).",
    ),
    (
        "diagonal in the system",
        "a token that sees its own write",
        "The diagonal of the system holds more than 1: a token's error does "
        "not depend on what it writes itself.",
        "tril(-1), then add the identity.",
    ),
    (
        "system with a minus",
        "a system with the wrong sign",
        "What the tokens before have written is added to the error.",
        _SYSTEM,
    ),
    (
        "system without beta",
        "a system without beta",
        "β multiplies the whole error, also what the tokens of the same "
        "chunk have written.",
        _SYSTEM,
    ),
    (
        "beta of the other token",
        "beta of the wrong token",
        "In the system stands the β of the token that has written. It should "
        "be the β of the token that writes now, the row.",
        _SYSTEM,
    ),
    (
        "system without decay",
        "no decay between two tokens of a chunk",
        "What a token has written decays until the next token of the same "
        "chunk takes its error.",
        _SYSTEM,
    ),
    (
        "cumsum exclusive",
        "sums of the decay that leave out the token's own",
        "Your sum of log-decays ends before the token. The state decays "
        "first, with the token's own decay.",
        "log_decay.cumsum(1) includes the token itself.",
    ),
    (
        "two exponentials",
        "exponentials that overflow",
        "exp of minus the sum is infinite where the decay is strong, and 0 "
        "times infinity is NaN.",
        "Subtract the two sums first, then take one exponential.",
    ),
    (
        "start without decay",
        "an error against the state without decay",
        "The state at the beginning of the chunk has decayed until token t "
        "takes its error.",
        _SYSTEM,
    ),
    (
        "start read without decay",
        "the state of the chunk before read without decay",
        "The state at the beginning of the chunk has decayed until token t "
        "reads it.",
        _CARRY,
    ),
    (
        "start not read",
        "the state of the chunk before not read",
        "The output reads only what its own chunk has written.",
        _CARRY,
    ),
    (
        "reads ahead",
        "tokens that look ahead",
        "A query reads what later tokens of its chunk write, without decay.",
        "Which entries of q kᵀ are allowed?",
    ),
    (
        "reads without decay",
        "no decay between write and read",
        "What a token writes has decayed until a later token of the same "
        "chunk reads it.",
        "q_t and k_s meet with the decay from s to t.",
    ),
    (
        "no decay to the end",
        "no decay until the end of the chunk",
        "What a token writes decays until the end of its chunk, before it is "
        "carried on.",
        _CARRY,
    ),
    (
        "carried without decay",
        "a state carried without decay",
        "The state at the beginning of a chunk decays over the whole chunk.",
        _CARRY,
    ),
    (
        "carried with the first decay",
        "a state carried with one decay",
        "The state at the beginning of a chunk decays over the whole chunk, "
        "not over its first token alone.",
        _CARRY,
    ),
    (
        "no first decay",
        "no decay at the beginning of a chunk",
        "The first token of a chunk does not decay the state.",
        _CARRY,
    ),
    (
        "no decay at the start",
        "no decay at the first token",
        "Token 0 decays the state that was given, too.",
        _RULE,
    ),
    (
        "rest lost",
        "the tokens after the last whole chunk",
        "Tokens that do not fill a chunk have outputs of 0.",
        "x.split(chunk, 1): the last piece may be shorter.",
    ),
    (
        "state before the last chunk",
        "the state before the last chunk",
        "The output is right. The state is the one before the last chunk.",
        _END,
    ),
    (
        "state of the last whole chunk",
        "the state of the last whole chunk",
        "The output is right. The state leaves out the tokens that do not "
        "fill a chunk.",
        _END,
    ),
    (
        "given state returned",
        "the given state returned",
        "The output is right. You return the state that you were given.",
        _END,
    ),
    (
        "detached",
        "no gradient at all",
        "The values are right. No gradient flows through any of them.",
        "Leave out detach and no_grad.",
    ),
    (
        "end without gradient",
        "no gradient through the last state",
        "The values are right. No gradient flows through the state that you "
        "return.",
        "Leave out detach and no_grad.",
    ),
    (
        "state detached",
        "no gradient to the given state",
        "The values are right. No gradient flows to `state`.",
        "Leave out detach and no_grad.",
    ),
    (
        "carried without gradient",
        "no gradient from chunk to chunk",
        "The values are right. No gradient flows through the state that one "
        "chunk leaves for the next.",
        "Leave out detach and no_grad.",
    ),
    (
        "token by token",
        "a loop over the tokens",
        "The values are right, but you go from token to token.",
        "One triangular system for all tokens of a chunk.",
    ),
]
