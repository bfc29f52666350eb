"""Sentences of the exercises of chapter 12, and the case that fails."""

_CALLS = "A text of 512 tokens takes fewer than 512 calls of torch."
_CHUNK_CALLS = "256 tokens in chunks of 32 take fewer than 768 calls of torch."
_LITTLE = "two choices, little room"

SENTENCES = {
    "12-predict": [
        (
            "Here $t$ counts from 1.",
            "a: the last power that fits",
            "question a",
        ),
        (
            "each head keeps one state.",
            "b: the state of one head",
            "question b",
        ),
        (
            "Of every 4 layers, 3 have a delta rule and 1 has attention.",
            "b: the layers exchanged",
            "question b",
        ),
        ("and a router, 64 × 8.", "c: without the router", "question c"),
        (
            "How large is the balance loss $E \\sum_e f_e P_e$?",
            "d: without the factor E",
            "question d",
        ),
        (
            "Tokens 2 and 3 write under keys that are orthogonal to it.",
            "e: values of other keys",
            "question e",
        ),
        (
            "A state decays by 0.8 at each token, *before* the token writes.",
            "e: four decays",
            "question e",
        ),
        (
            "What percentage of the sum of both weights is the weight of red?",
            "e: a fraction, not a percentage",
            "question e",
        ),
        (
            "A gated delta rule with a decay of 0.8 and a strength "
            "$\\beta = 0.5$.",
            "f: decay after the error",
            "question f",
        ),
    ],
    "12-seat": [
        (
            "Each token chooses the $k$ experts with its highest scores.",
            "the lowest scores chosen",
            "room for all",
        ),
        (
            "If scores are equal, the expert with the lower number comes "
            "first.",
            "of equal scores the later expert",
            "equal scores",
        ),
        (
            "The weights of a token's $k$ choices are the softmax of their "
            "$k$ scores.",
            "weights over all experts",
            "room for all",
        ),
        (
            "They sum to 1 before any choice is refused.",
            "weights divided again",
            _LITTLE,
        ),
        (
            "Scores may be as large as 200.",
            "exponentials that overflow",
            "scores of 200",
        ),
        ("Padding takes no seat,", "padding that takes seats", "padding"),
        ("does not count for the room,", "padding that makes room", "padding"),
        ("and its weights are 0.", "padding with weights", "padding"),
        (
            "$\\lceil \\text{factor} \\cdot k \\cdot n / E \\rceil$ tokens,",
            "a room rounded down",
            "a room that is rounded up",
        ),
        (
            "where $n$ is the number of real tokens.",
            "padding that makes room",
            "padding",
        ),
        (
            "In the first round all first choices are seated,",
            "seated token by token",
            _LITTLE,
        ),
        (
            "in the order of the tokens.",
            "the largest weights of a round first",
            _LITTLE,
        ),
        (
            "The seats of an expert are numbered from 0,",
            "slots counted from 1",
            _LITTLE,
        ),
        (
            "and the numbers continue from round to round.",
            "counts that begin anew with each round",
            _LITTLE,
        ),
        (
            "A choice that finds its expert full is refused.",
            "nobody refused",
            _LITTLE,
        ),
        (
            "It is dropped: it goes to no other expert,",
            "refused tokens sent on",
            _LITTLE,
        ),
        (
            "its weight is lost,",
            "weights of refused choices",
            _LITTLE,
        ),
        (
            "and the other weights of the token stay as they are.",
            "all or nothing",
            _LITTLE,
        ),
        (
            "Gradients flow from the weights to the scores.",
            "no gradient through the weights",
            _LITTLE,
        ),
        (
            "as a whole number, −1 where there is none.",
            "0 where there is no slot",
            _LITTLE,
        ),
    ],
    "12-balance": [
        (
            "with scores for all tokens and a bias for each expert.",
            "the bias of the first layer for all",
            "three layers",
        ),
        (
            "the softmax of its scores over all $E$ experts.",
            "P from the weights of the chosen experts",
            "one layer",
        ),
        (
            "probability *plus bias* is largest.",
            "a choice without the bias",
            "three layers",
        ),
        (
            "The bias changes this choice and nothing else.",
            "a bias in the probability",
            "one layer",
        ),
        (
            "Padding is left out of every count and every mean.",
            "padding counted as load",
            "padding",
        ),
        (
            "these shares sum to 1.",
            "a load that sums to k",
            "one layer",
        ),
        (
            "$P_e$ is the mean of the probability of expert $e$ over the "
            "tokens.",
            "counts used twice",
            "one layer",
        ),
        (
            "The loss of a layer is $E \\sum_e f_e P_e$.",
            "a mean over experts",
            "one layer",
        ),
        (
            "It is 1 if the load and the probabilities are even.",
            "1 subtracted",
            "one layer",
        ),
        (
            "The loss of the model is the mean over its layers.",
            "a sum over layers",
            "three layers",
        ),
        (
            "For each layer, $f_e$ is the share of all choices",
            "layers joined before counting",
            "the worked example",
        ),
        (
            "The gradient flows through $P$.",
            "a loss without a gradient",
            "one layer",
        ),
    ],
    "12-scan-maps": [
        (
            "The state before token 0, $h_{-1}$, is `state`,",
            "the state ignored",
            "four tokens",
        ),
        (
            "so the matrix of token 0 multiplies it.",
            "the first matrix not used",
            "four tokens",
        ),
        (
            "$A_t h$ is the product of a matrix and a column:",
            "all matrices transposed",
            "four tokens",
        ),
        (
            "Return also the product of all matrices,",
            "the last matrix in place of the product",
            "four tokens",
        ),
        (
            "the matrix of the first token stands on the right.",
            "the product in the reverse order",
            "the worked example",
        ),
        (
            "and need not be a power of two.",
            "rounds for a power of two alone",
            "seven tokens",
        ),
        (
            "A matrix may be 0, or may have no inverse.",
            "a division by the product",
            "tokens that forget",
        ),
        (
            "It may also be so small that a product of many of them is 0",
            "a division by the product",
            "strong decays",
        ),
        (
            "Do not go from token to token:",
            "a loop over the tokens",
            _CALLS,
        ),
        (
            "Gradients flow to all inputs.",
            "no gradient to the matrices",
            "seven tokens",
        ),
    ],
    "12-write-chunks": [
        (
            "row $i$ of $S_{t-1}$ is multiplied by $\\exp(g_{t,i})$.",
            "one decay for all channels",
            "one chunk",
        ),
        (
            "One token does this, in this order.",
            "the error taken before the decay",
            "the worked example",
        ),
        (
            "\\beta_t \\, k_t (v_t - \\bar S_t^\\top k_t)^\\top$.",
            "values written, not errors",
            "one chunk",
        ),
        (
            "Then it reads: the output is $S_t^\\top q_t$.",
            "read before the write",
            "one chunk",
        ),
        (
            "The state before token 0 is `state`.",
            "the given state ignored",
            "one chunk and a state",
        ),
        (
            "Return also the state after the last token.",
            "the state before the last chunk",
            "two chunks",
        ),
        (
            "do not normalise them,",
            "keys made length 1",
            "one chunk",
        ),
        (
            "and do not divide by $\\sqrt{d_k}$.",
            "queries divided by the root of d",
            "one chunk",
        ),
        (
            "The last chunk may be shorter.",
            "the tokens after the last whole chunk",
            "a last chunk that is short",
        ),
        (
            "The result does not depend on it.",
            "a state that begins anew with each chunk",
            "two chunks",
        ),
        (
            "No number may become NaN.",
            "exponentials that overflow",
            "decays of 200",
        ),
        (
            "Use no loop over tokens:",
            "a loop over the tokens",
            _CHUNK_CALLS,
        ),
        (
            "from chunk to chunk,",
            "no gradient from chunk to chunk",
            "two chunks",
        ),
        (
            "and through the last state.",
            "no gradient through the last state",
            "two chunks",
        ),
    ],
}
