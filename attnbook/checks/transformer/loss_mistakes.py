"""What often goes wrong in a smoothed loss and its floor.

Of each mistake its key, its name, its sentence and where to look; then the
keys of other code that makes it.
"""

MISTAKES = [
    (
        "padding",
        "padding is counted",
        "Rows of padding count as if they were tokens to predict.",
        "target != padding are the rows that count.",
    ),
    (
        "padding in the loss",
        "padding is counted in the loss",
        "The loss is a mean over all rows, padding too.",
        "target != padding are the rows that count.",
    ),
    (
        "padding in the floor",
        "padding is counted in the floor",
        "The floor is a mean over all rows, padding too.",
        "Loss and floor are means over the same rows.",
    ),
    (
        "all positions below",
        "divided by all rows",
        "The sum holds the real rows alone, and you divided it by B · T.",
        "Divide by the number of rows that count.",
    ),
    (
        "sentences",
        "a mean of means",
        "You took a mean for each sentence, then the mean of those. A short "
        "sentence then counts as much as a long one.",
        "Sum over all rows of the batch, then divide once.",
        "sentences of the loss",
        "sentences of the floor",
    ),
    (
        "sum",
        "a sum over the rows",
        "The rows are added up. The question is their mean.",
        "Divide by the number of rows that count.",
    ),
    (
        "by sentences",
        "divided by the number of sentences",
        "The sum over all rows is divided by B. A longer sentence then "
        "costs more.",
        "Divide by the number of rows that count.",
    ),
    (
        "rows upside down",
        "padding alone is counted",
        "You count only the rows of padding. Leave out these rows.",
        "target != padding are the rows that count.",
    ),
    (
        "the rest scaled up",
        "a prior scaled up without padding",
        "The padding token's share is given to the other tokens. The prior "
        "is used as it is.",
        "Padding is left out as a *row*, not as a column.",
    ),
    (
        "no logarithm",
        "probabilities without their logarithm",
        "The softmax went into the sum without a logarithm.",
        "log_softmax, not softmax.",
    ),
    (
        "over the vocabulary",
        "a mean over the vocabulary",
        "The terms of one row are averaged. They must be summed over the "
        "vocabulary.",
        "sum over V, mean over the rows that count.",
    ),
    (
        "changed over",
        "ε and 1 - ε changed over",
        "The true token gets ε and the prior 1 - ε.",
        "With ε = 0.1 the true token keeps most of the mass.",
    ),
    (
        "overwritten",
        "the true token without its share of the prior",
        "The true token gets 1 - ε alone, so a row of q sums to less than 1. "
        "Its own share of the prior is missing.",
        "Add the two parts; a scatter overwrites.",
    ),
    (
        "the others",
        "the prior for the others alone",
        "ε is spread over the *other* tokens. In the definition the true "
        "token gets its share of the prior too.",
        "q(k) = (1 - ε)[k = y] + ε u(k), for all k.",
    ),
    (
        "not less",
        "a label of more than 1",
        "The true token keeps 1 and the prior is added: q sums to 1 + ε.",
        "(1 - ε) before the first part.",
    ),
    (
        "uniform",
        "uniform in place of the prior",
        "ε is spread evenly, ε/V each. It should be spread as `prior` says.",
        "ε u(k), with u = prior.",
    ),
    (
        "no padding token",
        "a prior without the padding token",
        "The padding token's share of the prior is set to 0, so q sums to "
        "less than 1. The prior is used as it is.",
        "Padding is left out as a *row*, not as a column.",
    ),
    (
        "smoothed prediction",
        "predictions smoothed in place of labels",
        "You mixed the prior into the predicted probabilities. It belongs "
        "to the labels.",
        "The sum over k has q(k) outside the logarithm.",
    ),
    (
        "plain",
        "labels that are not smoothed",
        "This is the plain cross-entropy: only the true token counts.",
        "All tokens of the vocabulary have a weight q(k).",
    ),
    (
        "over time",
        "a softmax over the positions",
        "The softmax runs over T. Each row of logits is a distribution over "
        "the vocabulary.",
        "logits are (B, T, V): dim=-1.",
    ),
    (
        "raw",
        "logits taken for logarithms of probabilities",
        "The logits went into the sum as they are.",
        "log_softmax first.",
    ),
    (
        "sign",
        "the sign of the loss",
        "The loss is negative. Logarithms of probabilities are negative, so "
        "the sum needs a minus.",
        "The minus before the sum.",
    ),
    (
        "divergence",
        "the floor taken off",
        "This is the loss minus its floor: the divergence of p from q. "
        "Return both, each by itself.",
        "The loss has log p alone.",
    ),
    (
        "no floor",
        "a floor of 0",
        "A floor of 0 belongs to labels that are not smoothed.",
        "Put p = q into the loss.",
    ),
    (
        "floor of the prior",
        "the entropy of the prior",
        "This floor is the entropy of u. You need that of q, which has "
        "(1 - ε) on the true token.",
        "Put p = q into the loss.",
    ),
    (
        "floor of the prediction",
        "the entropy of the prediction",
        "This floor depends on the logits. No prediction can go below it, so "
        "it can depend only on the labels.",
        "Put p = q into the loss.",
    ),
    (
        "negative floor",
        "the sign of the floor",
        "The floor is negative. An entropy is not.",
        "The minus before the sum.",
    ),
    (
        "bits",
        "a floor in bits",
        "The floor is in bits and the loss in nats.",
        "torch.log, not torch.log2.",
    ),
    (
        "nan",
        "0 · log 0",
        "The prior of a token can be 0, and then q is 0: 0 · (-inf) is NaN. "
        "Its term should be 0.",
        "torch.xlogy(q, q), or torch.special.entr.",
    ),
    (
        "nothing over nothing",
        "0 rows",
        "Where all rows are padding you divide by 0. Loss and floor are 0 "
        "then.",
        "The case “all padding”: how many rows has it?",
        "mean of nothing",
    ),
    (
        "replaced",
        "0/0 replaced afterwards",
        "Where no row counts, 0/0 is replaced by 0. But the gradient still "
        "goes through the division, and is NaN.",
        "Divide by the count, but at least by 1: clamp(min=1).",
    ),
    (
        "classes",
        "the positions taken for the classes",
        "F.cross_entropy takes the *second* axis for the classes, and yours "
        "holds the positions.",
        "Give it rows, (N, V), or (B, V, T).",
        "classes, floor of all",
    ),
    (
        "detached",
        "a loss without gradient",
        "The values are right, but the loss is cut off from the logits: "
        "nothing could be learnt from it.",
        "A .detach(), a .item() or a torch.no_grad().",
    ),
    (
        "padding is 0",
        "padding taken for token 0",
        "Rows count where the target is not 0. Padding may be another token.",
        "`padding` says which token it is.",
        "padding and 0",
    ),
    (
        "exchanged",
        "loss and floor exchanged",
        "The floor is returned first, in place of the loss.",
        "(loss, floor), in this order.",
    ),
    (
        "both in bits",
        "loss and floor in bits",
        "Both are log2. The logarithm of the loss is the natural one.",
        "log_softmax and torch.log; no log2.",
    ),
    (
        "floor of a uniform prior",
        "the floor of a uniform prior",
        "The loss is right, and the floor is that of ε/V each.",
        "The same q in both.",
    ),
    (
        "share of the prior",
        "ε times the entropy of the prior",
        "The floor is ε H(u). The entropy of a mixture is more than that.",
        "Put p = q into the loss: -Σ q log q, over all k.",
    ),
    (
        "coin",
        "the entropy of ε alone",
        "The floor has two terms, ε and 1 - ε. It has one for each token.",
        "Put p = q into the loss: -Σ q log q, over all k.",
    ),
    (
        "prior alone",
        "the label forgotten",
        "The loss is taken against the prior alone: no row asks for its "
        "target.",
        "q(k) = (1 - ε)[k = y] + ε u(k).",
        "prior alone in the loss",
    ),
    (
        "roles exchanged",
        "q and p exchanged",
        "You took -Σ p log q. The logarithm is that of the prediction.",
        "-Σ q log p.",
    ),
    (
        "floor of the mean",
        "the entropy of the mean label",
        "The labels were averaged before the entropy. The floor is the mean "
        "of the rows' own entropies.",
        "entr(q) first, the mean over rows last.",
    ),
    (
        "all rows below the floor",
        "the floor divided by all rows",
        "The floor's sum holds the real rows alone, and you divided it by "
        "B · T.",
        "Divide both by the number of rows that count.",
    ),
    (
        "perplexity",
        "a perplexity",
        "You returned the exponentials of loss and floor.",
        "No exp at the end.",
    ),
]
