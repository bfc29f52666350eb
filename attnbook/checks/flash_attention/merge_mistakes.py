"""What often goes wrong where pieces of attention are merged.

Of each mistake its key, its name, its sentence and where to look; then the
keys of other code that makes it.
"""

_SHARE = "The share of piece p is exp(L_p - L)."

MISTAKES = [
    (
        "plain mean",
        "the plain mean",
        "You average the outputs. A piece counts by its share of the sum of "
        "all exponentials.",
        _SHARE,
    ),
    (
        "mean of what is there",
        "the mean of the pieces that have keys",
        "You average the outputs of the pieces that have keys.",
        _SHARE,
    ),
    ("plain sum", "the plain sum", "You add the outputs.", _SHARE),
    (
        "shares by the numbers",
        "shares in proportion to the log-sum-exps",
        "You weigh by the log-sum-exps themselves, not by their exponentials.",
        _SHARE,
    ),
    (
        "shares turned round",
        "shares in the reverse order",
        "The first piece gets the share of the last one.",
        _SHARE,
    ),
    (
        "without dividing",
        "not divided",
        "The shares of the pieces and of the sink do not sum to 1.",
        "Divide by the sum of all exponentials, the sink's too.",
    ),
    (
        "largest piece",
        "the largest piece alone",
        "You take the output of the piece with the largest log-sum-exp.",
        _SHARE,
    ),
    (
        "logarithms of shares",
        "logarithms of the shares",
        "You weigh by the logarithms of the shares.",
        "softmax, not log_softmax.",
    ),
    (
        "divided by pieces",
        "divided by the number of pieces",
        "The shares are right, but you divide by the number of pieces too.",
        "A sum over the pieces, not a mean.",
    ),
    (
        "over the batch",
        "a softmax over the batch",
        "The shares sum to 1 over the batch.",
        "The pieces are axis 0.",
    ),
    (
        "empty is 0",
        "a log-sum-exp of 0 for pieces without keys",
        "You put 0 in place of -inf. A piece without keys then counts as if "
        "its exponentials summed to 1.",
        "exp(-inf) is 0: leave -inf where it is.",
    ),
    (
        "floor -100",
        "a floor under the log-sum-exps",
        "You raise all that is lower to a finite number. Log-sum-exps of -310 "
        "occur.",
        "exp(-inf) is 0: leave -inf where it is.",
        "floor -300",
        "floor -305",
        "empty is -100",
    ),
    (
        "over the heads",
        "a softmax over the heads",
        "The shares sum to 1 over the heads.",
        "The pieces are axis 0.",
    ),
    (
        "over the queries",
        "a softmax over the queries",
        "The shares sum to 1 over the queries.",
        "The pieces are axis 0.",
    ),
    (
        "no sink",
        "no sink",
        "The sink takes no weight.",
        "It is one more piece, with the output 0.",
    ),
    (
        "sink in the lse alone",
        "a sink in the log-sum-exp alone",
        "The log-sum-exp is right. In the output the sink takes no weight: "
        "the shares of the pieces sum to 1.",
        "The softmax runs over the pieces and the sink.",
        "sink in the lse alone, bare",
    ),
    (
        "share of the sink",
        "shares moved by one piece",
        "Each piece gets the share of the next one, and the last piece that "
        "of the sink.",
        "If the sink comes last, drop the last share: [:-1].",
    ),
    (
        "sink of 0",
        "a sink of 0",
        "Your sink is 0 for every head.",
        "Use `sink`.",
    ),
    (
        "sink twice",
        "the sink twice in the log-sum-exp",
        "The log-sum-exp that you return counts the sink twice.",
        "L = log(Σ exp(L_p) + exp(sink)).",
    ),
    (
        "sink for each piece",
        "a sink in each piece",
        "The sink takes weight once for every piece.",
        "It is one more piece, no part of the others.",
    ),
    (
        "sink as a sum",
        "the sink taken for its exponential",
        "You use the sink as a sum of exponentials. It is a score: its "
        "exponential is the sum.",
        "The sink's log-sum-exp is the sink itself.",
    ),
    (
        "sink exponentiated",
        "the exponential of the sink taken for its score",
        "You take exp(sink) for a score, and so take the exponential twice.",
        "The sink's log-sum-exp is the sink itself.",
    ),
    (
        "sink to the base 2",
        "a sink to the base 2",
        "You use 2 to the power of the sink.",
        "Powers of e, as for the pieces.",
    ),
    (
        "base 2",
        "powers of 2",
        "You use powers of 2. The log-sum-exps are natural ones.",
        "torch.exp.",
    ),
    (
        "shares to the base 2",
        "shares to another base",
        "The log-sum-exp is right. In the shares you change the base of the "
        "log-sum-exps, which are natural ones.",
        "softmax uses powers of e already.",
        "shares to the base 2, turned round",
    ),
    (
        "logsigmoid as sum",
        "the sign of the sink",
        "A larger sink should take more weight. Yours takes less.",
        "gate = sigmoid(L - sink).",
    ),
    (
        "gate of the sum",
        "a gate for each piece, and a mean",
        "You gate each piece by itself and average.",
        "Merge first. One gate for what is merged.",
    ),
    (
        "sink on the queries",
        "the sink along the queries",
        "Each query gets a sink, in place of each head.",
        "The heads are the last axis but one of lses: sink[:, None].",
    ),
    (
        "sink of head 0",
        "the sink of the first head for all",
        "All heads get the sink of head 0.",
        "sink[:, None] is (H, 1).",
    ),
    (
        "sink of the mean",
        "one mean sink for all heads",
        "All heads get the mean of the sinks.",
        "sink[:, None] is (H, 1).",
    ),
    (
        "overflow",
        "exponentials that overflow",
        "exp is infinite above 88 in single precision, and 0 far below.",
        "Subtract the largest one first, or use logsumexp and softmax.",
    ),
    (
        "one maximum",
        "one maximum for all rows",
        "All rows share one maximum. Where a row lies far below it, all of "
        "its exponentials are 0.",
        "amax over the pieces alone, axis 0.",
    ),
    (
        "lse overflows",
        "a log-sum-exp that overflows",
        "The output is right. The log-sum-exp takes exponentials of 300, "
        "which are infinite, and of -300, which are 0.",
        "Use logsumexp, or add the largest one afterwards.",
    ),
    (
        "maximum without the sink",
        "a maximum without the sink",
        "The sink may be the largest of all. Then its exponential overflows; "
        "and where no piece has a key, -inf - -inf is NaN.",
        "The sink is one of those whose maximum you take.",
    ),
    (
        "lse without the sink",
        "a log-sum-exp without the sink",
        "The log-sum-exp that you return leaves out the sink.",
        "It is that of the pieces and the sink together.",
    ),
    (
        "mean of the lses",
        "the mean of the log-sum-exps",
        "You average the log-sum-exps.",
        "L = log(Σ exp(L_p) + exp(sink)).",
    ),
    (
        "sum of the lses",
        "the sum of the log-sum-exps",
        "You add the log-sum-exps.",
        "L = log(Σ exp(L_p) + exp(sink)).",
    ),
    (
        "largest lse",
        "the largest log-sum-exp",
        "You return the largest one.",
        "L = log(Σ exp(L_p) + exp(sink)).",
    ),
    (
        "sum of exponentials",
        "a sum without its logarithm",
        "You return the sum of the exponentials.",
        "Its logarithm is asked for.",
    ),
    (
        "lse to the base 2",
        "a logarithm to the base 2",
        "You return a logarithm to the base 2.",
        "The natural one: torch.log.",
    ),
    (
        "shares severed",
        "no gradient through the shares",
        "The values are right. No gradient flows through the shares.",
        "Leave out detach, item and no_grad.",
    ),
    (
        "outputs severed",
        "no gradient to the outputs",
        "The values are right. No gradient flows back to the outputs.",
        "Leave out detach, item and no_grad.",
    ),
    (
        "output severed",
        "no gradient through the output",
        "The values are right. No gradient flows through the output.",
        "Leave out detach, item and no_grad.",
    ),
    (
        "sink severed",
        "no gradient to the sink",
        "The values are right. No gradient flows back to the sink.",
        "Leave out detach, item and no_grad.",
    ),
    (
        "lse severed",
        "no gradient through the log-sum-exp",
        "The values are right. No gradient flows through the log-sum-exp.",
        "Leave out detach, item and no_grad.",
    ),
    (
        "exchanged",
        "the log-sum-exp before the output",
        "You return the log-sum-exp first.",
        "(output, lse).",
    ),
    (
        "sinks reversed",
        "the sinks in the reverse order",
        "Head h gets the sink of head H - 1 - h.",
        "sink[:, None] is (H, 1).",
    ),
    (
        "sink of the sum",
        "one sink for all heads, the sum of all",
        "All heads get the sum of the sinks.",
        "sink[:, None] is (H, 1).",
    ),
    (
        "sink of value 1",
        "a sink with the value 1",
        "The share of the sink is added to the output. The value of the sink "
        "is 0.",
        "If the sink comes last, drop the last share: [:-1].",
    ),
    (
        "sink subtracted",
        "the sink subtracted from the output",
        "The sink is a score, no value: it takes a share of the weight.",
        "It is one more piece, with the output 0.",
    ),
    (
        "mean times the share",
        "a plain mean, times the share of all keys",
        "You average the outputs, and the sink takes its share. A piece "
        "counts by its own share.",
        _SHARE,
    ),
    (
        "lse of the shares",
        "a log-sum-exp without the maximum",
        "You subtract the largest one, and do not add it again.",
        "L = m + log(sum).",
    ),
    (
        "sum of all lses",
        "the sum of the log-sum-exps and the sink",
        "You add the log-sum-exps and the sink.",
        "L = log(Σ exp(L_p) + exp(sink)).",
    ),
    (
        "lses severed",
        "no gradient to the log-sum-exps",
        "The values are right. No gradient flows back to the log-sum-exps of "
        "the pieces.",
        "Leave out detach, item and no_grad.",
    ),
    (
        "all severed",
        "no gradient to log-sum-exps and sink",
        "The values are right. Gradients flow back to the outputs alone.",
        "Leave out detach, item and no_grad.",
    ),
    (
        "gate without care",
        "a gate that forgets rows without keys",
        "Where no piece has a key, the softmax of -inf alone is NaN.",
        "With the sink in the softmax, no row is empty.",
    ),
    (
        "gate with NaN gradients",
        "NaN gradients in rows without keys",
        "The values are right. Where no piece has a key, a gradient is NaN: "
        "what is put in place of NaN afterwards does not change the way back.",
        "Replace -inf before the softmax, or take the sink into it.",
        "gate with NaN gradients, by where",
    ),
    (
        "gate turned round",
        "the sign of the gate",
        "You multiply by the share of the sink, not by that of the keys.",
        "gate = sigmoid(L - sink).",
    ),
    (
        "gate by the sink alone",
        "a gate that knows the sink alone",
        "The gate depends on the log-sum-exp of the keys too.",
        "gate = sigmoid(L - sink).",
    ),
    (
        "maximum of the first piece",
        "the first piece in place of the maximum",
        "You subtract the log-sum-exp of piece 0. It may be -inf, or far "
        "below another, whose exponential then overflows.",
        "amax over the pieces and the sink, axis 0.",
    ),
]
