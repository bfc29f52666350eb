"""What is told of known mistakes in the gradient of a window."""

# Of each its key, name, sentence and where to look; keys of other code.
MISTAKES = [
    (
        "no gaussian",
        "the scores' upstream without the Gaussian",
        "The gradient that reaches the softmax has passed through the "
        "product, so it is multiplied by the Gaussian.",
        "weights = softmax · gaussian. Product rule, first factor.",
    ),
    (
        "weights twice",
        "the Gaussian counted twice",
        "In the mean over the row, the Gaussian appears twice.",
        "α (g - Σ α g), with α the softmax alone and g the upstream "
        "times the Gaussian.",
    ),
    (
        "outer weights",
        "the final weights for the softmax",
        "The gradient of the softmax holds the softmax, α. You used "
        "the final weights, which the Gaussian has lowered.",
        "α (g - Σ α g).",
        "weights for both",
    ),
    (
        "of the product",
        "the product taken for a softmax",
        "You used the softmax's formula on the final weights. They "
        "do not sum to 1: they are a softmax times a Gaussian.",
        "First back through the product, then through the softmax.",
    ),
    (
        "diagonal",
        "only the diagonal of the Jacobian",
        "A score also lowers the weights of all other keys.",
        "α (g - Σ α g): the sum is over the row.",
    ),
    (
        "sum over queries",
        "a sum over the queries",
        "You sum α g over the queries. Each query has its own softmax, over "
        "the keys.",
        "Scores are (B, T, S), and the keys are the last axis: dim=-1.",
    ),
    (
        "divided by the sum",
        "α times the Gaussian, divided again",
        "α is the softmax alone. You multiplied it by the Gaussian and "
        "divided it by its sum.",
        "weights = softmax · gaussian. Nothing is divided after it.",
    ),
    (
        "unweighted",
        "a sum without the softmax",
        "In the sum over the row, each term has to be multiplied by its α.",
        "α (g - Σ α g): α appears twice.",
    ),
    (
        "no mean",
        "no sum over the row",
        "You multiply by the softmax and subtract nothing. But a score also "
        "lowers the weights of all other keys.",
        "α (g - Σ α g).",
    ),
    (
        "no softmax",
        "the softmax is left out",
        "The gradient stops at the softmax's output.",
        "α (g - Σ α g).",
    ),
    (
        "sign",
        "the wrong sign",
        "The centre moves away from keys. It should move towards them.",
        "The derivative of -(s - p)² with respect to p is 2 (s - p).",
    ),
    (
        "no side",
        "a distance without its side",
        "Keys on both sides pull the centre in the same direction. For keys "
        "before the centre, s - p is negative.",
        "s - p, not its absolute value.",
    ),
    (
        "sigma",
        "σ for σ²",
        "The distance is divided by σ. It is σ².",
        "The derivative of -(s - p)²/(2σ²).",
    ),
    (
        "sigma = D",
        "σ = D",
        "The standard deviation is D/2, so σ² = D²/4.",
        "The line with the distance.",
    ),
    (
        "two",
        "a 2 that should cancel",
        "The 2 from the square and the 2 in 2σ² cancel.",
        "The derivative of -(s - p)²/(2σ²).",
        "two above",
    ),
    (
        "not squared",
        "the distance is missing",
        "Your slope contains only the sign of s - p. It must grow with the "
        "distance too.",
        "The derivative of -(s - p)²/(2σ²).",
    ),
    (
        "softmax alone",
        "the Gaussian is missing",
        "The derivative of exp(f) is exp(f) times the derivative of f. So the "
        "Gaussian stays.",
        "weights · (s - p)/σ².",
    ),
    (
        "gaussian alone",
        "the softmax is missing",
        "The Gaussian is multiplied by the softmax, and so is its derivative.",
        "weights · (s - p)/σ².",
    ),
    (
        "renormalised",
        "as if rows summed to 1",
        "You treated the weights as divided by their sum. They are not, "
        "so no mean is subtracted.",
        "Σ upstream · weights · (s - p)/σ².",
    ),
    (
        "no chain",
        "the gradient of the centre, not of raw",
        "You stopped at the centre. It is the length times sigmoid(raw).",
        "One more factor: the derivative of the centre with respect to raw.",
    ),
    (
        "no length",
        "the length is missing",
        "The centre is the length times a sigmoid, and so is its derivative.",
        "length · σ(raw) · (1 - σ(raw)).",
    ),
    (
        "no sigmoid",
        "the sigmoid's derivative is missing",
        "The centre is the length times a sigmoid.",
        "The derivative of sigmoid is sigmoid · (1 - sigmoid).",
    ),
    (
        "half a sigmoid",
        "half of the sigmoid's derivative",
        "The factor 1 - sigmoid(raw) is missing.",
        "length · y · (1 - y), with y = sigmoid(raw).",
    ),
    (
        "centre for share",
        "the centre in the sigmoid's derivative",
        "share · (1 - share) needs the sigmoid, between 0 and 1. You "
        "used the centre instead.",
        "length · σ(raw) · (1 - σ(raw)).",
    ),
    (
        "no tokens",
        "0/0 for a sentence without tokens",
        "You divide by the length, but a sentence may have length 0.",
        "length · y · (1 - y), with y = sigmoid(raw): no division.",
    ),
    (
        "S",
        "S for the length",
        "The centre is multiplied by the sentence's own length. S is the "
        "length of the longest sentence in the batch.",
        "lengths[:, None].",
    ),
    (
        "padding",
        "padding in the window",
        "You computed centre and window as if each sentence were S "
        "tokens long.",
        "lengths, in the centre and in the mask.",
    ),
    (
        "no centre",
        "no way back to the centre",
        "You treat the window as fixed. The Gaussian moves with the centre.",
        "The derivative of the Gaussian with respect to the centre.",
    ),
    (
        "over T",
        "summed over the queries",
        "Each query predicts a centre of its own.",
        "The gradient with respect to raw is (B, T).",
    ),
    (
        "swapped",
        "the two in the other order",
        "The gradient of the scores comes first, then that of raw.",
        "The return line.",
    ),
    (
        "past the end",
        "keys after the end of the sentence",
        "Your window holds places after the last token, s = n - 1.",
        "The line of window_forward that makes `allowed`: both halves.",
        "one too many",
    ),
    (
        "strict",
        "an edge that is left out",
        "A key exactly D away from the centre is in the window.",
        "|s - p| <= D.",
    ),
    (
        "overflow",
        "exponentials that overflow",
        "Above 88, exp is infinite in single precision, and ∞/∞ is NaN.",
        "masked_softmax subtracts the largest score first.",
        "exp divided",
    ),
    (
        "late mask",
        "a mask after the softmax",
        "Weights are set to 0 after the softmax, so the weight of keys "
        "outside the window is lost.",
        "Scores become -inf first: masked_softmax does it.",
    ),
    (
        "nan",
        "an empty window of -inf",
        "A window with nothing to attend to has only scores of -inf, and "
        "their softmax is 0/0. Its gradients should be 0.",
        "masked_softmax from the chapter handles such rows.",
    ),
    (
        "-1e9",
        "-1e9 in place of -inf",
        "A window with nothing to attend to gets equal weights. They should "
        "be 0.",
        "masked_softmax from the chapter handles such rows.",
    ),
    (
        "divided again",
        "a mask after the exponentials",
        "Masked weights are set to 0 after the exponentials, and the rest is "
        "divided by its sum. If a masked score is by far the largest, "
        "nothing is left.",
        "Scores become -inf first: masked_softmax does it.",
    ),
    (
        "no window",
        "a softmax over the whole sentence",
        "α is a softmax over the keys inside the window alone.",
        "The line of window_forward that makes `allowed`.",
        "unmasked",
    ),
    (
        "no sigma",
        "σ is left out",
        "The distance is not divided by σ².",
        "The derivative of -(s - p)²/(2σ²).",
    ),
    (
        "gaussian twice",
        "the Gaussian twice on the way to the centre",
        "You multiplied by the Gaussian twice.",
        "Σ upstream · weights · (s - p)/σ².",
    ),
    (
        "mean of keys",
        "a mean over the keys",
        "All keys share one centre, so their gradients are added up.",
        "A sum over the last axis.",
    ),
    (
        "no upstream",
        "the upstream is left out for the centre",
        "The derivative of the weights is right, but it is not multiplied by "
        "`upstream`.",
        "Σ upstream · weights · (s - p)/σ².",
    ),
    (
        "raw for share",
        "raw in the sigmoid's derivative",
        "y (1 - y) needs the sigmoid. You used raw instead.",
        "length · y · (1 - y), with y = sigmoid(raw).",
    ),
]
