"""The bugs of the draft, and what else goes wrong in a balance loss.

Of each other mistake the bugs that make it, its name, its sentence and where
to look; then the bugs of other code that makes it.
"""

BUGS = {
    "joined": (
        "layers joined before counting",
        "The tokens of all layers are counted together. One layer that "
        "prefers expert 0 and one that prefers expert 1 then look even.",
        "Compute f, P and the loss of each layer, then the mean.",
    ),
    "leak": (
        "a bias in the probability",
        "The bias is added before the softmax, so that P contains it. It may "
        "change the choice and nothing else.",
        "P comes from scores.softmax(-1).",
    ),
    "detached": (
        "a loss without a gradient",
        "The loss has no gradient, so that training cannot lower it. Counts "
        "have none; P must keep its own.",
        "What stands inside of `with torch.no_grad()`?",
    ),
    "padding": (
        "padding counted as load",
        "Padding is counted: its choices in f, its probability in P.",
        "Keep the rows with `kept` before you count and before you average.",
    ),
    "factor": (
        "a mean over experts",
        "The products f · P are averaged over experts. They should be "
        "summed and multiplied by E, so that an even load gives 1.",
        "What is the loss if f and P are both 1/E?",
    ),
}

_CHOICE = "(scores.softmax(-1) + bias).topk(k)."
_LOSS = "E times the sum of f · P over the experts."

MISTAKES = [
    (
        ("padding in f",),
        "padding counted in f",
        "P leaves padding out, but f counts its choices.",
        "Keep the rows with `kept` in both.",
    ),
    (
        ("padding in P",),
        "padding averaged in P",
        "f leaves padding out, but P averages over it.",
        "Keep the rows with `kept` in both.",
    ),
    (
        ("masked, not counted",),
        "sums divided by all places",
        "Padding adds nothing to your sums, but you divide them by N. Then f "
        "and P do not sum to 1.",
        "Divide by the number of tokens that are kept.",
    ),
    (
        ("padding to 0",),
        "scores of padding set to 0",
        "A row of zeros still has probabilities and still makes k choices.",
        "Remove the rows: scores[kept].",
    ),
    (
        ("leak after",),
        "a bias added to P",
        "The bias is added to the probability, and P contains it. It may "
        "change the choice and nothing else.",
        "P comes from scores.softmax(-1).",
    ),
    (
        ("no bias",),
        "a choice without the bias",
        "The choice does not use the bias.",
        _CHOICE,
    ),
    (
        ("bias on scores",),
        "a bias added to the scores",
        "For the choice the bias is added to the scores. It is added to the "
        "probabilities.",
        _CHOICE,
    ),
    (
        ("minus",),
        "a bias with the wrong sign",
        "The bias is subtracted.",
        _CHOICE,
    ),
    (
        ("first bias",),
        "the bias of the first layer for all",
        "All layers use the bias of the first one.",
        "zip(layers, biases).",
    ),
    (
        ("counts twice",),
        "counts used twice",
        "You took the load for P too. Counts have no gradient.",
        "P is the mean of the probabilities.",
    ),
    (
        ("probability twice",),
        "probabilities used twice",
        "Both factors are means of probabilities. f is a share of choices.",
        "Count how often each expert is among the k chosen ones.",
        ("detached twice",),
    ),
    (
        ("chosen alone",),
        "the probability of chosen experts alone",
        "P leaves out the experts that were not chosen.",
        "P is the mean of the softmax over all experts.",
    ),
    (
        ("chosen divided",),
        "P from the weights of the chosen experts",
        "P is made from weights that sum to 1 over the k chosen experts.",
        "P is the mean of the softmax over all experts.",
    ),
    (
        ("over tokens",),
        "softmax over the tokens",
        "The softmax runs over the tokens.",
        "scores.softmax(-1).",
    ),
    (
        ("sigmoid",),
        "sigmoid in place of softmax",
        "P is made from sigmoids.",
        "scores.softmax(-1).",
    ),
    (
        ("scores",),
        "scores in place of probabilities",
        "P is the mean of the raw scores.",
        "scores.softmax(-1).",
    ),
    (
        ("twice",),
        "softmax twice",
        "You take the softmax of probabilities.",
        "scores.softmax(-1), once.",
    ),
    (
        ("first alone",),
        "the first choice alone",
        "f counts only the best expert of each token.",
        _CHOICE,
    ),
    (
        ("worst",),
        "the lowest scores chosen",
        "f counts the experts with the lowest probabilities.",
        _CHOICE,
    ),
    (
        ("load without k",),
        "a load that sums to k",
        "Each token makes k choices, and you divide by the tokens alone.",
        "f sums to 1: divide by tokens · k.",
        ("times k",),
    ),
    (
        ("factor k",),
        "divided by k twice",
        "The loss is divided by k once more than it should be.",
        "f sums to 1 already.",
    ),
    (
        ("load as count",),
        "a count in place of a share",
        "f is how many choices an expert has, not which share of all.",
        "f sums to 1: divide by tokens · k.",
    ),
    (
        ("factor gone",),
        "the factor E missing",
        "The sum is not multiplied by the number of experts.",
        _LOSS,
    ),
    (
        ("E squared",),
        "the factor E twice",
        "The sum is multiplied by E twice.",
        _LOSS,
    ),
    (
        ("minus 1",),
        "1 subtracted",
        "You subtract 1, the loss of an even load.",
        _LOSS,
    ),
    (
        ("variance",),
        "a variance of P",
        "This measures how uneven P is. The load does not enter it.",
        _LOSS,
    ),
    (
        ("negative",),
        "a sign that rewards imbalance",
        "The loss is negative: training would make the load uneven.",
        _LOSS,
    ),
    (
        ("per token",),
        "products of single tokens",
        "You multiply choice and probability of each token, and average "
        "then. First average each of them over the tokens.",
        "f is (E,), P is (E,).",
    ),
    (
        ("sum of layers",),
        "a sum over layers",
        "The losses of the layers are added. They should be averaged.",
        "Divide by the number of layers.",
    ),
    (
        ("first layer",),
        "the first layer alone",
        "Only the loss of the first layer is returned.",
        "How far is `return` indented?",
    ),
    (
        ("last layer",),
        "the last layer alone",
        "Only the loss of the last layer is returned.",
        "Collect the losses in a list.",
    ),
    (
        ("mean of scores",),
        "layers averaged before counting",
        "The scores of all layers are averaged before they are counted.",
        "Compute f, P and the loss of each layer, then the mean.",
    ),
    (
        ("factor n",),
        "the number of tokens in place of E",
        "You multiply by the number of tokens. The factor is E, the experts.",
        _LOSS,
    ),
    (
        ("spread of f",),
        "the spread of the load",
        "This is how far the load is from even. A count has no gradient, so "
        "training cannot lower it.",
        _LOSS,
    ),
    (
        ("entropy of f",),
        "the entropy of the load",
        "An entropy of the load has no gradient: a count has none.",
        _LOSS,
    ),
    (
        ("logarithm",),
        "logarithms of probabilities",
        "P is a mean of logarithms. It is the mean of the probabilities.",
        "softmax, not log_softmax.",
    ),
    (
        ("the others kept",),
        "padding kept, and tokens left out",
        "You keep the rows where `kept` is False.",
        "scores[kept].",
    ),
    (
        ("times",),
        "a bias that multiplies",
        "For the choice the probability is multiplied by the bias. The bias "
        "is added.",
        _CHOICE,
    ),
    (
        ("leak", "bias on scores"),
        "a bias added to the scores before everything",
        "The bias is added to the scores, and both the choice and P come "
        "from them. It may change the choice and nothing else.",
        _CHOICE,
    ),
]
