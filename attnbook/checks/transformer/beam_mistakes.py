"""What often goes wrong in a beam search.

Of each mistake its key, its name, its sentence and where to look; then the
keys of other code that makes it.
"""

MISTAKES = [
    (
        "greedy",
        "one prefix",
        "Only the best prefix is kept: this is greedy decoding.",
        "`beam` candidates live on from one step to the next.",
    ),
    (
        "all begin alike",
        "the same prefix many times",
        "The search begins with `beam` copies of BOS. They grow in the same "
        "way, so all answers are the same.",
        "Begin with one prefix.",
    ),
    (
        "each its best",
        "no competition between prefixes",
        "Each prefix goes on with its own best token. Two of the best "
        "candidates may come from the same prefix.",
        "Flatten (N, V), then take the best.",
    ),
    (
        "one row's worth",
        "no more candidates than tokens",
        "At most V candidates are kept, but N prefixes have N · V candidates.",
        "min(beam - len(ended), N * V).",
    ),
    (
        "row and token exchanged",
        "the row and the token exchanged",
        "Place i of the flattened table is taken for row i mod N and token "
        "i // N.",
        "Row i // V, token i % V.",
    ),
    (
        "mixed up",
        "tokens added to another prefix",
        "The chosen tokens go to the prefixes in order. A place in the "
        "flattened table names both: the row is place // V, the token place "
        "% V.",
        "Which prefix does a candidate grow from?",
    ),
    (
        "last token alone",
        "only the last token counts",
        "Candidates are ranked by the log-probability of their last token. "
        "Add the log-probability of the prefix.",
        "log P(Y) is a sum over all tokens.",
    ),
    (
        "logits",
        "logits added up",
        "The logits are added as they are. They are not log-probabilities.",
        "log_softmax first.",
    ),
    (
        "probabilities",
        "probabilities added up",
        "Probabilities are multiplied. Only their logarithms are added.",
        "log_softmax in place of softmax.",
    ),
    (
        "over prefixes",
        "a softmax over the prefixes",
        "The softmax runs over the prefixes. Each row is a distribution over "
        "the vocabulary.",
        "dim=-1.",
    ),
    (
        "past the end",
        "answers that go on after EOS",
        "A prefix that ends in EOS is extended. It is finished, and leaves "
        "the beam.",
        "What happens to a candidate whose last token is `eos`?",
    ),
    (
        "places kept",
        "the beam filled up again",
        "You keep `beam` candidates again after an answer has ended. The "
        "ended answer still takes one place.",
        "Keep `beam` minus the number of ended answers.",
        "places kept, then cut",
    ),
    (
        "first end",
        "stopped at the first end",
        "The search stops as soon as one answer has ended. A longer one may "
        "score better, thanks to the penalty.",
        "Go on while a prefix is alive.",
    ),
    (
        "unfinished lost",
        "prefixes at the limit lost",
        "Prefixes that have not ended after `length` tokens are thrown away. "
        "They are answers too.",
        "After the loop: what is still alive?",
    ),
    (
        "no penalty",
        "no length penalty",
        "Scores are plain log-probabilities, so short answers win.",
        "log P / lp.",
    ),
    (
        "times the penalty",
        "multiplied by the penalty",
        "The log-probability is multiplied by the penalty. It is negative, "
        "so long answers lose twice.",
        "log P / lp.",
    ),
    (
        "by the length",
        "the length itself to the power",
        "You divided by |Y|^α. The penalty is ((5 + |Y|)/6)^α.",
        "Wu et al., equation 14.",
    ),
    (
        "without the five",
        "the 5 of the numerator is missing",
        "This is (|Y|/6)^α.",
        "((5 + |Y|)/6)^α: it is 1 for one token.",
    ),
    (
        "five beside",
        "the five outside the fraction",
        "This is (5 + |Y|/6)^α.",
        "((5 + |Y|)/6)^α: it is 1 for one token. Mind the brackets.",
    ),
    (
        "six beside",
        "the six outside the power",
        "The 6 stands outside the power, (5 + |Y|)^α / 6.",
        "((5 + |Y|)/6)^α: it is 1 for one token. Mind the brackets.",
        "six times",
    ),
    (
        "six alone",
        "the power on the 6 alone",
        "This is (5 + |Y|)/6^α: in Python ** binds before /.",
        "((5 + |Y|)/6)^α: it is 1 for one token. Mind the brackets.",
    ),
    (
        "at each step",
        "the penalty at each step",
        "The sums are divided at each step, so the first tokens are divided "
        "again and again.",
        "log P stays a plain sum; the penalty comes at the end, once.",
        "at each step and the end",
    ),
    (
        "every end",
        "ends that were not kept",
        "Each living prefix with EOS becomes an answer. But a candidate that "
        "ends must be among the best too, or it is not kept.",
        "Rank all candidates together, then see which of the kept ones end.",
    ),
    (
        "taken again",
        "places counted again while sorting out",
        "An answer that has ended takes one place. You count it twice while "
        "you divide the kept candidates into living and ended ones.",
        "Compute beam - len(ended) once, before you divide them.",
        "taken again, by place",
    ),
    (
        "never BOS",
        "BOS left out of the vocabulary",
        "No prefix is extended by BOS. Every token is a candidate, BOS too.",
        "Step 2: *every* living prefix by *every* token.",
        "never BOS, of the others",
    ),
    (
        "best alone",
        "only the best answer",
        "You return one answer. Return all of them, with their scores.",
        "Two lists, the best first.",
    ),
    (
        "penalty without alpha",
        "α is not used",
        "The penalty is not raised to the power α.",
        "With α = 0 there is no penalty at all.",
    ),
    (
        "alpha as a factor",
        "α as a factor",
        "α multiplies the penalty. It is its power.",
        "With α = 0 the penalty is 1.",
    ),
    (
        "with BOS",
        "BOS counted",
        "|Y| counts BOS. It is the number of tokens that were written.",
        "An answer of EOS alone has length 1, and penalty 1.",
    ),
    (
        "without EOS",
        "EOS not counted",
        "|Y| leaves out the last token. EOS was written too.",
        "An answer of EOS alone has length 1, and penalty 1.",
        "EOS not counted",
    ),
    (
        "sorted by probability",
        "sorted before the penalty",
        "The answers stand in the order of their log-probability. The score "
        "decides.",
        "Divide first, then sort.",
    ),
    (
        "in order of ending",
        "not sorted",
        "The answers stand in the order in which they ended.",
        "The best score comes first.",
    ),
    (
        "the living last",
        "the unfinished answers last",
        "Answers with EOS stand before those that were cut off. The score "
        "alone decides.",
        "Sort all of them together.",
    ),
    (
        "sorted by tokens",
        "sorted by their tokens",
        "The answers stand in the order of their token ids.",
        "sort looks at the first entry of a pair: put the score there.",
    ),
    (
        "worst first",
        "the worst first",
        "The answers stand in ascending order.",
        "sort(..., reverse=True), or the negative score as the key.",
    ),
    (
        "worst",
        "the worst candidates kept",
        "The candidates with the lowest log-probability are kept.",
        "topk takes the largest; an ascending sort puts them last.",
    ),
    (
        "raw scores",
        "log-probabilities returned",
        "The order is right, but the numbers are log-probabilities without "
        "the penalty.",
        "Return log P / lp.",
    ),
    (
        "probabilities returned",
        "scores that went through exp",
        "The scores are positive. They stay logarithms, divided by the "
        "penalty.",
        "No exp at the end.",
    ),
    (
        "BOS returned",
        "BOS in the answers",
        "The answers begin with BOS. It was given, not written.",
        "tokens[1:].",
    ),
    (
        "EOS dropped",
        "EOS left out of the answers",
        "The answers have lost their EOS. It belongs to them: it tells an "
        "answer that has ended from one that was cut off.",
        "Do not cut the last token off.",
        "last dropped",
    ),
    (
        "BOS dropped",
        "BOS taken out wherever it stands",
        "You remove every BOS. The first BOS was given, but any other was "
        "written, and belongs to the answer.",
        "tokens[1:].",
    ),
    (
        "EOS added",
        "EOS added at the limit",
        "An answer that is cut off gets an EOS. But the answer has not "
        "ended, and the model did not write that token.",
        "Which tokens did `step` choose?",
        "EOS added and counted",
    ),
    (
        "bos is 0",
        "BOS taken for token 0",
        "The search begins with token 0. BOS may be another.",
        "`bos` says which token it is.",
    ),
    (
        "eos is 1",
        "EOS taken for token 1",
        "An answer ends at token 1. EOS may be another.",
        "`eos` says which token it is.",
    ),
    (
        "one more",
        "one token too many",
        "Prefixes grow to length + 1 tokens. At most `length` are written.",
        "Count the turns of the loop.",
    ),
    (
        "one less",
        "one token too few",
        "Prefixes grow to length - 1 tokens: BOS was counted. `length` "
        "tokens are written after it.",
        "Count the turns of the loop.",
    ),
    (
        "over candidates",
        "a softmax over all candidates",
        "One softmax runs over the whole table. Each row is a distribution "
        "over the vocabulary.",
        "log_softmax(-1) before the table is flattened.",
    ),
    (
        "no candidates left",
        "more places than candidates",
        "topk is asked for `beam` candidates where there are fewer.",
        "min(beam - len(ended), N * V).",
    ),
    (
        "unfinished raw",
        "no penalty at the limit",
        "Answers that are cut off keep their log-probability. The penalty "
        "is for all answers.",
        "Score the living and the ended alike.",
    ),
    (
        "mean",
        "a mean over the tokens",
        "You divided by |Y|, the mean of the log-probabilities.",
        "((5 + |Y|)/6)^α.",
    ),
    (
        "sign of the scores",
        "the sign of the scores",
        "The scores are positive. A log-probability is not.",
        "A sort by -score leaves the score as it is.",
    ),
]
