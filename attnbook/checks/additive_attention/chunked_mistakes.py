"""What is told of each known mistake of exercise 01.5."""

from attnbook.checks.additive_attention import late_masks

ROWS = [
    (
        "softmax a piece",
        "a softmax for each piece",
        "You take a softmax for each piece, so the weights of a row sum to "
        "the number of pieces.",
        "Collect the scores of all pieces, (B, T, S), then take one softmax.",
    ),
    (
        "mean of pieces",
        "a mean over the pieces",
        "You take a softmax for each piece, so all pieces count the same, "
        "even if their keys have low scores.",
        "Collect the scores of all pieces, (B, T, S), then take one softmax.",
    ),
    (
        "last dropped",
        "the last piece is dropped",
        "If chunk does not divide S, you leave out the keys that remain.",
        "range(0, S, chunk), and a last piece that may be shorter. "
        "torch.split does it.",
        "rest at 0",
        "rest at -inf",
    ),
    (
        "padding skipped",
        "pieces of padding are skipped",
        "You leave out a piece in which no sentence has a token, so its "
        "scores are missing.",
        "Score every piece. The mask comes after torch.cat.",
    ),
    (
        "own maximum",
        "a maximum for each piece",
        "In each piece you subtract the largest score of that piece, so the "
        "pieces can no longer be compared.",
        "Collect the scores as they are, (B, T, S), then take one softmax.",
    ),
    (
        "read late",
        "a piece that is read late",
        "The values are right. But the function is called again in the "
        "backward pass, and by then the loop variable is the last piece.",
        "Pass the piece as an argument: checkpoint(score, query, piece, …).",
    ),
    (
        "reentrant",
        "the older form of checkpoint",
        "use_reentrant=True works only with .backward(), and the check uses "
        "torch.autograd.grad.",
        "use_reentrant=False; hint 5.",
    ),
    (
        "batch in pieces",
        "the batch is cut into pieces",
        "Without `dim`, split and chunk cut axis 0, the batch.",
        "projected.split(chunk, dim=1): the keys are axis 1.",
        "batch in chunks",
    ),
    (
        "no tanh",
        "no tanh at all",
        "The hidden layer goes into the score as it is.",
        "v·tanh(W_q q + W_k k).",
    ),
    (
        "v detached",
        "v without gradient",
        "The values are right, but `v` is detached from the graph.",
        "A .detach() or a .data on v.",
    ),
    (
        "nan",
        "an empty row of -inf",
        "A sentence with nothing to read has only scores of -inf, and their "
        "softmax is 0/0. Its weights should be 0.",
        "masked_softmax from the chapter handles such rows.",
        "nan, added",
    ),
    (
        "-1e9",
        "-1e9 in place of -inf",
        "A sentence with nothing to read gets equal weights: all its scores "
        "are -1e9. Its weights should be 0.",
        "masked_softmax from the chapter handles such rows.",
    ),
    (
        "zero score",
        "a score of 0 for padding",
        "A score of 0 is not a mask: exp(0) = 1, so padding still weighs.",
        "Which score has an exponential of 0?",
    ),
    *late_masks.ROWS,
    (
        "wrong piece",
        "the first piece again and again",
        "Every piece gets the scores of the first.",
        "Which keys does the loop slice?",
    ),
    (
        "detached",
        "scores without gradient",
        "The values are right, but the scores are detached from the graph: "
        "the attention cannot learn.",
        "A .detach(), a .data or a torch.no_grad() on the way to the "
        "scores. To save memory, recompute.",
    ),
    (
        "keys detached",
        "keys without gradient",
        "The values are right, but the keys are detached from the graph.",
        "A .detach() or a .data on the projected keys.",
    ),
    (
        "queries detached",
        "queries without gradient",
        "The values are right, but the queries are detached from the graph.",
        "A .detach() or a .data on the projected queries.",
    ),
    (
        "unmasked",
        "the mask is not used",
        "The padding has weight.",
        "masked_softmax(scores, mask[:, None]).",
    ),
    (
        "late mask",
        "a mask after the softmax",
        "You mask after the softmax, so rows sum to less than 1.",
        "Use masked_softmax.",
    ),
    (
        "inverted",
        "the mask is inverted",
        "The padding is attended to and the tokens are not.",
        "True = may attend.",
    ),
    (
        "over queries",
        "a softmax over the queries",
        "For each key, the weights sum to 1 over the queries. For each "
        "query, they must sum to 1 over the keys.",
        "Scores are (B, T, S), and the keys are the last axis: dim=-1.",
    ),
    (
        "kept",
        "everything is kept for the backward pass",
        "No tensor is large, but autograd keeps the sum or the tanh of every "
        "piece. Together they are as large as (B, T, S, d_a).",
        "checkpoint keeps the inputs and the output of f. So sum, tanh and "
        "the product with v all belong inside f.",
    ),
]
