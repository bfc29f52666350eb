"""Wrong answers to exercises 12.4 and 12.5 that are no known mistake."""

import pytest
import torch
from unforeseen import assert_told_by_its_numbers
from verdicts import named, parts_of

from attnbook.checks.experts_and_state_spaces import EXERCISES
from attnbook.checks.experts_and_state_spaces.scan_maps import FEW
from attnbook.mechanisms.states import delta_chunked

SCAN, WRITE = EXERCISES["12-scan-maps"], EXERCISES["12-write-chunks"]

# -- what nobody foresaw -----------------------------------------------------


def with_louder_vectors(A, b, state):
    return SCAN.reference(A, 1.3 * b, state)


def with_louder_queries(query, *inputs):
    return WRITE.reference(1.3 * query, *inputs)


@pytest.mark.parametrize(
    ("whose", "answer"),
    [(SCAN, with_louder_vectors), (WRITE, with_louder_queries)],
)
def test_what_nobody_foresaw_is_told_by_its_numbers(whose, answer):
    assert_told_by_its_numbers(whose.diagnose(answer))


# -- a scan ------------------------------------------------------------------


def token_by_token(
    A,
    b,
    state,
    step=lambda A, h, b: (A @ h[..., None])[..., 0] + b,
    grow=lambda A, product: A @ product,
    when=lambda rows, state: rows,
):
    """A loop, to make mistakes of loops with."""
    h, rows = state, []
    product = torch.eye(A.shape[-1]).expand_as(A[:, 0])
    for t in range(A.shape[1]):
        h = step(A[:, t], h, b[:, t])
        product = grow(A[:, t], product)
        rows.append(h)
    return torch.stack(when(rows, state), 1), product


def by_rows(*inputs):
    return token_by_token(
        *inputs, step=lambda A, h, b: (h[:, None] @ A)[:, 0] + b
    )


def product_to_the_right(*inputs):
    return token_by_token(*inputs, grow=lambda A, product: product @ A)


def states_before(*inputs):
    return token_by_token(
        *inputs, when=lambda rows, state: [state, *rows[:-1]]
    )


def added_first(*inputs):
    return token_by_token(
        *inputs, step=lambda A, h, b: (A @ (h + b)[..., None])[..., 0]
    )


def from_zeros(A, b, state):
    return token_by_token(A, b, torch.zeros_like(state))


def from_the_end(A, b, state):
    h, product = token_by_token(A.flip(1), b.flip(1), state)
    return h.flip(1), product


def entry_by_entry(A, b, state):
    reach = 1
    while reach < A.shape[1]:
        turned = (A[:, reach:] @ b[:, :-reach, :, None])[..., 0]
        b = torch.cat([b[:, :reach], turned + b[:, reach:]], 1)
        A = torch.cat([A[:, :reach], A[:, reach:] * A[:, :-reach]], 1)
        reach *= 2
    return (A @ state[:, None, :, None])[..., 0] + b, A[:, -1]


def matrix_first(A, b, state):
    """A is replaced before b is joined with it."""
    reach = 1
    while reach < A.shape[1]:
        A = torch.cat([A[:, :reach], A[:, reach:] @ A[:, :-reach]], 1)
        turned = (A[:, reach:] @ b[:, :-reach, :, None])[..., 0]
        b = torch.cat([b[:, :reach], turned + b[:, reach:]], 1)
        reach *= 2
    return (A @ state[:, None, :, None])[..., 0] + b, A[:, -1]


def by_the_inverse(A, b, state):
    products = [A[:, 0]]
    for t in range(1, A.shape[1]):
        products.append(A[:, t] @ products[-1])
    P = torch.stack(products, 1)
    back = torch.linalg.inv_ex(P).inverse @ b[..., None]
    h = P @ (back.cumsum(1) + state[:, None, :, None])
    return h[..., 0], P[:, -1]


def without_gradients(A, b, state):
    with torch.no_grad():
        return SCAN.reference(A, b, state)


def last_row_alone(A, b, state):
    h, _ = SCAN.reference(A, b, state)
    return h, A[:, -1]


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (token_by_token, "a loop over the tokens"),
        (by_rows, "all matrices transposed"),
        (product_to_the_right, "the product in the reverse order"),
        (states_before, "the state before each token"),
        (added_first, "the vector added before the matrix"),
        (from_zeros, "the state ignored"),
        (from_the_end, "from the end to the beginning"),
        (entry_by_entry, "an elementwise product of matrices"),
        (matrix_first, "the joined matrix used for the vector"),
        (without_gradients, "no gradient at all"),
        (last_row_alone, "the last matrix in place of the product"),
    ],
)
def test_scans_are_told_by_what_they_do(answer, name):
    assert named(SCAN, answer) == name


def test_a_loop_loses_one_point_and_is_told_so():
    assert parts_of(SCAN, token_by_token) == ["states", "lengths", "gradients"]
    assert FEW in SCAN.diagnose(token_by_token).message


def test_who_divides_by_a_product_loses_what_forgets():
    assert "lengths" not in parts_of(SCAN, by_the_inverse)
    assert SCAN.diagnose(by_the_inverse) is not None


# -- writing in chunks -------------------------------------------------------


def chunk_by_chunk(
    query,
    key,
    value,
    beta,
    log_decay,
    state,
    chunk,
    sums=lambda g: g.cumsum(1),
    system=lambda A: A.tril(-1),
    errors=lambda v, known: v - known,
    carried=lambda S, state: S,
    rest=lambda G: G[:, -1:] - G,
    reads=lambda scores: scores.tril(),
    ends=lambda S, before: S,
):
    """The same system, by a matrix inverse."""
    S, outputs, before = state, [], state
    for n in range(0, key.shape[1], chunk):
        q, k, v, b, g = (
            x[:, n : n + chunk] for x in (query, key, value, beta, log_decay)
        )
        b, G, before = b[..., None], sums(g), S
        gap = (G[:, :, None] - G[:, None]).clamp(max=0).exp()
        kk = torch.einsum("bik,bjk,bijk->bij", k, k, gap)
        qk = torch.einsum("bik,bjk,bijk->bij", q, k, gap)
        known = (k * G.exp()) @ S
        inverse = (torch.eye(k.shape[1]) + system(b * kk)).inverse()
        U = inverse @ (b * errors(v, known))
        outputs.append(reads(qk) @ U + (q * G.exp()) @ S)
        S = G[:, -1, :, None].exp() * S + (k * rest(G).exp()).mT @ U
        S = carried(S, state)
    return torch.cat(outputs, 1), ends(S, before)


def each_chunk_from_the_given(*inputs):
    return chunk_by_chunk(*inputs, carried=lambda S, state: state)


def each_chunk_from_zeros(*inputs):
    return chunk_by_chunk(*inputs, carried=lambda S, state: 0 * S)


def before_the_last(*inputs):
    return chunk_by_chunk(*inputs, ends=lambda S, before: before)


def own_decay_left_out(*inputs):
    return chunk_by_chunk(*inputs, sums=lambda g: g.cumsum(1) - g)


def not_until_the_end(*inputs):
    return chunk_by_chunk(*inputs, rest=torch.zeros_like)


def with_its_diagonal(*inputs):
    return chunk_by_chunk(*inputs, system=lambda A: A.tril())


def with_a_minus(*inputs):
    return chunk_by_chunk(*inputs, system=lambda A: -A.tril(-1))


def without_a_system(*inputs):
    return chunk_by_chunk(*inputs, system=torch.zeros_like)


def itself_unread(*inputs):
    return chunk_by_chunk(*inputs, reads=lambda scores: scores.tril(-1))


def cut_from_chunk_to_chunk(*inputs):
    return chunk_by_chunk(*inputs, carried=lambda S, state: S.detach())


def one_decay_for_all(query, key, value, beta, log_decay, state, chunk):
    return delta_chunked(
        query, key, value, beta, chunk, log_decay.mean(-1), state
    )


def no_decay(query, key, value, beta, log_decay, state, chunk):
    return delta_chunked(query, key, value, beta, chunk, state=state)


def scaled(query, *inputs):
    return chunk_by_chunk(query / query.shape[-1] ** 0.5, *inputs)


def strengths_squashed(query, key, value, beta, *inputs):
    return chunk_by_chunk(query, key, value, beta.sigmoid(), *inputs)


def keys_normalised(query, key, *inputs):
    unit = key / key.norm(dim=-1, keepdim=True)
    return chunk_by_chunk(query, unit, *inputs)


def decays_as_they_are(query, key, value, beta, log_decay, state, chunk):
    """1 + g, the first two terms of the exponential."""
    low = (1 + log_decay).clamp(min=1e-6).log()
    return chunk_by_chunk(query, key, value, beta, low, state, chunk)


def a_loop(query, key, value, beta, log_decay, state, chunk):
    S, rows = state, []
    for q, k, v, b, g in zip(
        *(x.unbind(1) for x in (query, key, value, beta, log_decay)),
        strict=True,
    ):
        S = g.exp()[..., None] * S
        error = v - (S * k[..., None]).sum(1)
        S = S + (b[:, None] * k)[..., None] * error[:, None]
        rows.append((S * q[..., None]).sum(1))
    return torch.stack(rows, 1), S


def error_first(query, key, value, beta, log_decay, state, chunk):
    S, rows = state, []
    for t in range(key.shape[1]):
        k = key[:, t]
        error = value[:, t] - torch.einsum("bkv,bk->bv", S, k)
        S = log_decay[:, t, :, None].exp() * S
        written = beta[:, t, None] * error
        S = S + torch.einsum("bk,bv->bkv", k, written)
        rows.append(torch.einsum("bkv,bk->bv", S, query[:, t]))
    return torch.stack(rows, 1), S


def test_chunks_by_an_inverse_are_right():
    assert WRITE.diagnose(chunk_by_chunk) is None


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (
            each_chunk_from_zeros,
            "a state that begins anew with each chunk",
        ),
        (each_chunk_from_the_given, "the given state in each chunk"),
        (before_the_last, "the state before the last chunk"),
        (
            own_decay_left_out,
            "sums of the decay that leave out the token's own",
        ),
        (not_until_the_end, "no decay until the end of the chunk"),
        (with_its_diagonal, "a token that sees its own write"),
        (with_a_minus, "a system with the wrong sign"),
        (without_a_system, "tokens of a chunk that do not see each other"),
        (itself_unread, "read before the write"),
        (cut_from_chunk_to_chunk, "no gradient through the last state"),
        (one_decay_for_all, "one decay for all channels"),
        (no_decay, "no decay"),
        (scaled, "queries divided by the root of d"),
        (strengths_squashed, "a sigmoid of beta"),
        (keys_normalised, "keys made length 1"),
        (a_loop, "a loop over the tokens"),
        (error_first, "the error taken before the decay"),
    ],
)
def test_chunks_are_told_by_what_they_do(answer, name):
    assert named(WRITE, answer) == name


def test_decays_to_first_order_are_not_accepted():
    assert parts_of(WRITE, decays_as_they_are) == []


def test_a_loop_over_tokens_loses_one_point():
    assert parts_of(WRITE, a_loop) == ["one", "several", "gradients"]
