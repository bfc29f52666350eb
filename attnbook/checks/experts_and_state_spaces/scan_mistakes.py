"""Scans of maps with matrices, and what often goes wrong in them.

Of each mistake its key, its name, its sentence and where to look; then the
keys of other code that makes it.
"""

from __future__ import annotations

import torch


def _join(A, b, before_A, before_b, mistake):
    """The map that applies the earlier map, then the later one."""
    if mistake == "matrices exchanged":
        return before_A @ A, _apply(A, before_b) + b
    if mistake == "later map first":
        return before_A @ A, _apply(before_A, b) + before_b
    if mistake == "vectors exchanged":
        return A @ before_A, _apply(before_A, b) + before_b
    if mistake == "transposed":
        return A @ before_A, _apply(A.mT, before_b) + b
    if mistake == "elementwise":
        return A * before_A, _apply(A, before_b) + b
    if mistake == "diagonal":
        diagonal = A.diagonal(dim1=-2, dim2=-1)
        return A @ before_A, diagonal * before_b + b
    if mistake == "A not joined":
        return A, _apply(A, before_b) + b
    if mistake == "A added":
        return A + before_A, _apply(A, before_b) + b
    if mistake == "b not turned":
        return A @ before_A, before_b + b
    if mistake == "b turned too":
        return A @ before_A, _apply(A, before_b + b)
    if mistake == "b lost":
        return A @ before_A, _apply(A, before_b)
    if mistake == "earlier matrix":
        return A @ before_A, _apply(before_A, before_b) + b
    if mistake == "product in b":
        return A @ before_A, _apply(A @ before_A, before_b) + b
    return A @ before_A, _apply(A, before_b) + b


def _apply(A, x):
    return (A @ x[..., None])[..., 0]


def _reaches(T, mistake):
    """How far back each round joins."""
    reach, found = 1, []
    while reach < T:
        found.append(reach)
        reach *= 2
    if mistake == "a round too few":
        return found[:-1]
    if mistake == "rounded down":
        return [r for r in found if 2 * r <= T]
    if mistake == "one round":
        return found[:1]
    if mistake == "a round too many":
        return [*found, max(T - 1, 1)]
    if mistake == "reach not doubled":
        return list(range(1, len(found) + 1))
    if mistake == "same reach":
        return [1] * len(found)
    return found


def _scanned(A, b, mistake):
    T = A.shape[1]
    for reach in _reaches(T, mistake):
        if reach >= T:
            continue
        new_A, new_b = _join(
            A[:, reach:],
            b[:, reach:],
            A[:, :-reach],
            b[:, :-reach],
            mistake,
        )
        if mistake == "front at 0":
            front_A, front_b = 0 * A[:, :reach], 0 * b[:, :reach]
        elif mistake == "around":
            front_A, front_b = _join(
                A[:, :reach],
                b[:, :reach],
                A[:, -reach:],
                b[:, -reach:],
                mistake,
            )
        else:
            front_A, front_b = A[:, :reach], b[:, :reach]
        A = torch.cat([front_A, new_A], 1)
        b = torch.cat([front_b, new_b], 1)
    return A, b


def _started(A, b, all_A, all_b, state, mistake):
    """The states after each token, from the one before the first."""
    if mistake == "no state":
        return all_b
    if mistake == "state added":
        return all_b + state[:, None]
    if mistake == "state at the first":
        return torch.cat(
            [all_b[:, :1] + _apply(A[:, :1], state[:, None]), all_b[:, 1:]], 1
        )
    if mistake == "state by one matrix":
        return all_b + _apply(A, state[:, None])
    if mistake == "state one late":
        late = torch.cat(
            [torch.eye(A.shape[-1]).expand_as(A[:, :1]), all_A[:, :-1]], 1
        )
        return all_b + _apply(late, state[:, None])
    if mistake == "state by the first matrix":
        return all_b + _apply(A[:, :1], state[:, None])
    if mistake == "state by the whole product":
        return all_b + _apply(all_A[:, -1:], state[:, None])
    if mistake == "state without gradient":
        state = state.detach()
    if mistake == "product of the state without gradient":
        all_A = all_A.detach()
    if mistake == "state transposed":
        return all_b + _apply(all_A.mT, state[:, None])
    return all_b + _apply(all_A, state[:, None])


def _in_blocks(A, b, state, mistake):
    """Blocks of four tokens, none of which knows the one before."""
    product, rows = torch.eye(A.shape[-1]).expand_as(A[:, 0]), []
    for some_A, some_b in zip(A.split(4, 1), b.split(4, 1), strict=True):
        start = (
            state if mistake != "blocks from zeros" or not rows else 0 * state
        )
        h, last = mistaken(some_A, some_b, start, "")
        rows.append(h)
        product = last @ product
    return torch.cat(rows, 1), product


def mistaken(A, b, state, mistake):
    """Return states (B, T, d) and the whole product, with a mistake."""
    if mistake == "backwards":
        A, b = A.flip(1), b.flip(1)
    if mistake == "row vectors":
        A = A.mT
    if mistake == "along the batch":
        A, b = A.transpose(0, 1), b.transpose(0, 1)
        all_A, all_b = _scanned(A, b, mistake)
        all_A, all_b = all_A.transpose(0, 1), all_b.transpose(0, 1)
        return _started(A, b, all_A, all_b, state, ""), all_A[:, -1]
    if mistake == "detached":
        b = b.detach()
    if mistake == "A detached":
        A = A.detach()
    if mistake == "all detached":
        A, b, state = A.detach(), b.detach(), state.detach()
    if mistake in ("blocks from zeros", "blocks from the state"):
        return _in_blocks(A, b, state, mistake)
    if mistake == "first A lost":
        A = torch.cat(
            [torch.eye(A.shape[-1]).expand_as(A[:, :1]), A[:, 1:]], 1
        )
    if mistake in ("one loop", "h by rows", "b before A"):
        h, product = state, torch.eye(A.shape[-1]).expand_as(A[:, 0])
        rows = []
        for t in range(A.shape[1]):
            if mistake == "h by rows":
                h = _apply(A[:, t].mT, h) + b[:, t]
            elif mistake == "b before A":
                h = _apply(A[:, t], h + b[:, t])
            else:
                h = _apply(A[:, t], h) + b[:, t]
            product = A[:, t] @ product
            rows.append(h)
        return torch.stack(rows, 1), product
    if mistake == "inverse":
        product, products = torch.eye(A.shape[-1]).expand_as(A[:, 0]), []
        for t in range(A.shape[1]):
            product = A[:, t] @ product
            products.append(product)
        all_A = torch.stack(products, 1)
        free = _apply(all_A.inverse(), b).cumsum(1)
        return _apply(all_A, free + state[:, None]), product
    all_A, all_b = _scanned(A, b, mistake)
    h = _started(A, b, all_A, all_b, state, mistake)
    if mistake == "before":
        h = torch.cat([state[:, None], h[:, :-1]], 1)
    if mistake == "backwards":
        h = h.flip(1)
    whole = all_A[:, -1]
    if mistake == "last matrix":
        whole = A[:, -1]
    elif mistake == "product transposed":
        whole = whole.mT
    elif mistake == "all but the last":
        whole = (
            all_A[:, -2]
            if A.shape[1] > 1
            else torch.eye(A.shape[-1]).expand_as(whole)
        )
    elif mistake == "all but the first":
        whole = (
            _scanned(A[:, 1:], b[:, 1:], "")[0][:, -1]
            if A.shape[1] > 1
            else torch.eye(A.shape[-1]).expand_as(whole)
        )
    elif mistake == "filled with zeros":
        T = A.shape[1]
        whole = whole * float(T & (T - 1) == 0)
    elif mistake == "product without gradient":
        whole = whole.detach()
    elif mistake == "product reversed":
        whole = _scanned(A.flip(1), b, "")[0][:, -1]
    elif mistake == "a sum":
        whole = A.sum(1)
    return h, whole


_ORDER = (
    "The earlier map is applied first: A₂(A₁h + b₁) + b₂. Multiply it out."
)
_ROUNDS = "Round r joins a map to the one 2^r before it, while 2^r < T."
_START = "h_t is the joined matrix of tokens 0 to t times the state, plus b."
_WHOLE = "The joined matrix of the last token, A_{T-1} ⋯ A₁A₀."
_MANY = "Let each round join all tokens at once, with slices of A and b."

MISTAKES = [
    (
        "matrices exchanged",
        "matrices multiplied in the wrong order",
        "The vectors are joined in the right order, the matrices are not. "
        "Products of matrices depend on their order.",
        _ORDER,
    ),
    (
        "later map first",
        "the later map applied first",
        "You apply the later map first, then the earlier one.",
        _ORDER,
    ),
    (
        "vectors exchanged",
        "vectors joined in the wrong order",
        "The matrices are joined in the right order, the vectors are not.",
        _ORDER,
    ),
    (
        "transposed",
        "transposed matrices for the vectors",
        "The vectors are multiplied by the transposed matrices.",
        "(A @ b[..., None])[..., 0].",
    ),
    (
        "row vectors",
        "all matrices transposed",
        "Every matrix is used as its transpose.",
        "(A @ h[..., None])[..., 0], not h @ A.",
        "h by rows",
    ),
    (
        "elementwise",
        "an elementwise product of matrices",
        "You multiply the matrices entry by entry.",
        "A @ B, not A * B.",
    ),
    (
        "diagonal",
        "diagonals in place of matrices",
        "The vectors are multiplied by the diagonals alone.",
        "(A @ b[..., None])[..., 0].",
    ),
    (
        "A not joined",
        "matrices that are not joined",
        "Only the vectors are joined. From the second round on a map needs "
        "the product of its matrices.",
        _ORDER,
    ),
    (
        "A added",
        "matrices added",
        "You add the matrices of two maps. They are multiplied.",
        _ORDER,
    ),
    (
        "b not turned",
        "the earlier vector without its matrix",
        "You add the two vectors. The earlier one goes through the later "
        "matrix.",
        _ORDER,
    ),
    (
        "b turned too",
        "the later vector multiplied too",
        "The later vector goes through its own matrix.",
        _ORDER,
    ),
    (
        "b before A",
        "the vector added before the matrix",
        "A token multiplies the state and its own vector by its matrix. It "
        "adds the vector afterwards.",
        "h_0 = A_0 · state + b_0.",
    ),
    (
        "b lost",
        "the later vector lost",
        "The later vector is not added.",
        _ORDER,
    ),
    (
        "product in b",
        "the joined matrix used for the vector",
        "The earlier vector is multiplied by both matrices. It goes through "
        "the later one alone.",
        "Compute the vector before you overwrite the matrix.",
    ),
    (
        "a round too few",
        "a round too few",
        "The last round is missing, so that the last tokens do not see the "
        "first ones.",
        _ROUNDS,
    ),
    (
        "rounded down",
        "rounds for a power of two alone",
        "Where T is not a power of two, a round is missing.",
        _ROUNDS,
    ),
    (
        "one round",
        "one round alone",
        "Each map is joined to the one before it, and no further.",
        _ROUNDS,
    ),
    (
        "a round too many",
        "a round too many",
        "After the last round all maps are whole. You join once more.",
        _ROUNDS,
    ),
    (
        "reach not doubled",
        "a reach that grows by 1",
        "The rounds reach 1, 2, 3, … tokens back. Some maps are joined "
        "twice, others never.",
        _ROUNDS,
    ),
    (
        "same reach",
        "the same reach in each round",
        "Each round reaches one token back.",
        _ROUNDS,
    ),
    (
        "front at 0",
        "the first tokens set to 0",
        "In a round, the tokens that have nothing to join keep their map. "
        "Yours becomes 0.",
        "torch.cat([A[:, :reach], joined], 1).",
    ),
    (
        "around",
        "the end joined to the beginning",
        "The first tokens are joined to the last ones, as `roll` does.",
        "torch.cat([A[:, :reach], joined], 1).",
    ),
    (
        "no state",
        "the state ignored",
        "You begin with 0, not with `state`.",
        _START,
    ),
    (
        "state added",
        "the state added as it is",
        "The state is added to each h without any matrix.",
        _START,
    ),
    (
        "state at the first",
        "a state that reaches the first token alone",
        "The state changes h_0 and nothing after it.",
        _START,
    ),
    (
        "state by one matrix",
        "the state through one matrix",
        "The state goes through A_t alone, not through all matrices up to "
        "token t.",
        _START,
    ),
    (
        "state one late",
        "the state without the last matrix",
        "The state goes through the matrices before token t, without A_t.",
        _START,
    ),
    (
        "state transposed",
        "the state through transposed products",
        "The state goes through the transposes of the joined matrices.",
        _START,
    ),
    (
        "first A lost",
        "the first matrix not used",
        "Token 0 has a matrix too. It acts on `state`.",
        _START,
    ),
    (
        "before",
        "the state before each token",
        "You return the state before token t, not the one after it.",
        "h_0 = A_0 · state + b_0.",
    ),
    (
        "backwards",
        "from the end to the beginning",
        "Your scan begins at the last token.",
        "h_t depends on tokens 0 to t.",
    ),
    (
        "along the batch",
        "a scan over the batch",
        "Your scan runs over the rows of the batch.",
        "Tokens are axis 1.",
    ),
    (
        "last matrix",
        "the last matrix in place of the product",
        "h is right. The second output is A of the last token alone.",
        _WHOLE,
    ),
    (
        "product transposed",
        "the product transposed",
        "h is right. The second output is the transpose of the product.",
        _WHOLE,
    ),
    (
        "product reversed",
        "the product in the reverse order",
        "h is right. The second output multiplies the matrices in the "
        "reverse order.",
        _WHOLE,
    ),
    (
        "all but the last",
        "the product without the last matrix",
        "h is right. The second output leaves the last matrix out.",
        _WHOLE,
    ),
    (
        "a sum",
        "a sum in place of the product",
        "h is right. The second output is the sum of the matrices.",
        _WHOLE,
    ),
    (
        "detached",
        "no gradient to the vectors",
        "The values are right. No gradient flows to b.",
        "Leave out detach and no_grad.",
    ),
    (
        "A detached",
        "no gradient to the matrices",
        "The values are right. No gradient flows to A.",
        "Leave out detach and no_grad.",
    ),
    (
        "all detached",
        "no gradient at all",
        "The values are right. No gradient flows through any of them.",
        "Leave out detach and no_grad.",
    ),
    (
        "one loop",
        "a loop over the tokens",
        "The values are right, but it takes as many calls as a loop over the "
        "tokens.",
        _MANY,
    ),
    (
        "inverse",
        "a division by the product",
        "You multiply by the product of all matrices and by its inverse. "
        "Matrices that make a state small or forget it have none.",
        "Join maps. A join needs no inverse.",
    ),
    (
        "earlier matrix",
        "the earlier vector times its own matrix",
        "The earlier vector is multiplied by the earlier matrix. It goes "
        "through the later one.",
        _ORDER,
    ),
    (
        "state by the first matrix",
        "the state times the first matrix alone",
        "For each token the state is multiplied by the matrix of token 0 "
        "alone.",
        _START,
    ),
    (
        "state by the whole product",
        "the state times the whole product",
        "For each token the state is multiplied by the product of all "
        "matrices.",
        _START,
    ),
    (
        "state without gradient",
        "no gradient to the state",
        "The values are right. No gradient flows to `state`.",
        "Leave out detach and no_grad.",
    ),
    (
        "product of the state without gradient",
        "no gradient through the matrices of the state",
        "The values are right. No gradient flows through the joined matrices "
        "that the state is multiplied by.",
        "Leave out detach and no_grad.",
    ),
    (
        "product without gradient",
        "no gradient through the product",
        "The values are right. No gradient flows through the second output.",
        "Leave out detach and no_grad.",
    ),
    (
        "all but the first",
        "the product without the first matrix",
        "h is right. The second output leaves the first matrix out.",
        _WHOLE,
    ),
    (
        "filled with zeros",
        "a product with matrices of zeros",
        "h is right. You have filled the text up to a power of two with "
        "matrices of 0, and they are in the product.",
        "The matrix that changes nothing is the identity.",
    ),
    (
        "blocks from zeros",
        "blocks that begin with a state of zeros",
        "The tokens are cut into blocks, and a block does not begin with the "
        "state that the block before has left.",
        "Each block begins where the one before ended.",
    ),
    (
        "blocks from the state",
        "blocks that begin with the given state",
        "The tokens are cut into blocks, and each one begins with the state "
        "that was given.",
        "Each block begins where the one before ended.",
    ),
]
