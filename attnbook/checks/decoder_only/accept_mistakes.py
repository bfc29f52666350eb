"""What often goes wrong where drafts are accepted.

Of each mistake its key, its name, its sentence and where to look; then the
keys of other code that makes it.
"""

MISTAKES = [
    (
        "argmax",
        "accepted if it is the most probable token",
        "A draft is accepted where the target finds it most probable. Other "
        "tokens are then written too rarely.",
        "number < p(x)/q(x).",
    ),
    (
        "argmax of both",
        "accepted by what the draft finds most probable",
        "You compare most probable tokens. Whether the draft finds a token "
        "most probable says nothing of p.",
        "number < p(x)/q(x), x the drafted token.",
        "draft's best",
    ),
    (
        "more probable",
        "accepted if p is at least q",
        "Where p(x) is below q(x) a draft is still accepted with probability "
        "p(x)/q(x).",
        "What are the numbers for?",
    ),
    (
        "without numbers",
        "accepted above one half",
        "You compare the ratio with 1/2. Which drafts pass is a matter of "
        "chance.",
        "number < p(x)/q(x).",
    ),
    (
        "without q",
        "accepted with probability p",
        "You compare the number with p(x). A draft that q proposes often is "
        "tried often; that is what dividing by q(x) is for.",
        "number < p(x)/q(x).",
    ),
    (
        "upside down",
        "the ratio upside down",
        "You compare the number with q(x)/p(x).",
        "p is the target, q the draft: number < p(x)/q(x).",
        "p and q exchanged",
    ),
    (
        "above",
        "accepted and rejected exchanged",
        "A draft passes where the number is *above* the ratio.",
        "number < p(x)/q(x).",
        "one minus",
    ),
    (
        "own numbers",
        "other random numbers",
        "You draw random numbers of your own.",
        "numbers[b, g] belongs to draft g of row b.",
    ),
    (
        "difference",
        "a number compared with no ratio",
        "You compare the number with a difference or a product of p(x) and "
        "q(x), with q(x), or with the smaller of both.",
        "number < p(x)/q(x).",
        "product",
        "smaller of both",
        "with q",
        "one minus the other",
    ),
    (
        "everything",
        "all drafts accepted",
        "Each draft is accepted, so that the text is the draft's.",
        "number < p(x)/q(x).",
    ),
    (
        "product of ratios",
        "the ratio of the whole text so far",
        "You multiply the ratios of all drafts so far. Each draft is tried by "
        "its own.",
        "number < p(x)/q(x), for each draft by itself.",
        "product of capped ratios",
    ),
    (
        "epsilon",
        "a small number added to q",
        "With something added to q(x) a draft is rejected too often.",
        "q(x) is not 0: x was drawn from q.",
        "tiny epsilon",
    ),
    (
        "no parentheses",
        "a comparison without parentheses",
        "`&` binds more tightly than `<`, so that it joins the ratio, a "
        "number, with a mask.",
        "(numbers < ratio) & (torch.arange(G) < counts[:, None]).",
    ),
    (
        "at least",
        "a number equal to the ratio passes",
        "A number that is just as large as the ratio passes. Then even a "
        "token with p(x) = 0 passes where the number is 0.",
        "Below: number < p(x)/q(x).",
    ),
    (
        "overlap",
        "accepted by the overlap of p and q",
        "The sum of min(p, q) is how often drafts are accepted on average. "
        "This one is accepted by its own ratio.",
        "number < p(x)/q(x).",
    ),
    (
        "one number",
        "one number for all drafts of a row",
        "All drafts of a row are compared with its first number.",
        "numbers is (B, G).",
        "last number",
    ),
    (
        "numbers of row 0",
        "the numbers of the first row",
        "All rows are compared with the numbers of the first one.",
        "numbers is (B, G).",
    ),
    (
        "every good one",
        "drafts after a rejected one counted",
        "You count every draft that passes. After the first that fails, the "
        "others follow a text that is not written.",
        "cumprod, then sum.",
        "every good one, first rest",
        "every good one, last rest",
    ),
    (
        "argmin",
        "the place of the smallest for a count",
        "argmin gives the first failure, but 0 where no draft fails.",
        "cumprod, then sum.",
    ),
    (
        "last good one",
        "up to the last draft that passes",
        "You count up to the last draft that passes, the rejected ones among "
        "them.",
        "The first draft that fails ends the row.",
    ),
    (
        "shortest of the batch",
        "all rows as short as the shortest",
        "All rows are cut to the smallest number of accepted drafts. Each "
        "row has its own.",
        "accepted is (B,).",
    ),
    (
        "and the rejected",
        "the rejected draft counted too",
        "The first draft that fails is counted as accepted.",
        "Two drafts pass and the third fails: that is 2.",
    ),
    (
        "one more is counted",
        "the token after the drafts counted too",
        "You count the token that comes after the accepted drafts. That is "
        "how many are written, not how many are accepted.",
        "No draft accepted is 0.",
        "and the next",
    ),
    (
        "all or none",
        "all drafts or none",
        "A row whose drafts do not all pass gets 0. Those before the first "
        "failure are kept.",
        "cumprod, then sum.",
    ),
    (
        "place of the last",
        "the place of the last accepted draft",
        "You return its place, which counts from 0, and not how many there "
        "are.",
        "No draft accepted is 0.",
        "one less is counted",
    ),
    (
        "any",
        "whether any draft is accepted",
        "You return 1 where a draft is accepted, however many there are.",
        "Two drafts pass and the third fails: that is 2.",
    ),
    (
        "sum of the batch",
        "the accepted drafts of all rows",
        "You add up over the rows. Each has its own count.",
        "accepted is (B,).",
    ),
    (
        "rejections",
        "the rejected drafts counted",
        "You return how many drafts are not accepted.",
        "Two drafts pass and the third fails: that is 2.",
    ),
    (
        "share",
        "a share of the drafts",
        "You return which share of its drafts a row accepts.",
        "A whole number for each row.",
    ),
    (
        "a mask",
        "which drafts are accepted, not how many",
        "You return a 1 for each accepted draft.",
        "Sum over the drafts.",
    ),
    (
        "padding tried",
        "places without a draft are tried",
        "A row has counts[b] drafts. What stands behind them is none.",
        "torch.arange(G) < counts[:, None].",
        "padding tried, padded end",
        "one draft too many",
        "padding tried, counted end",
        "padding tried, all columns",
    ),
    (
        "from p",
        "redrawn from p",
        "After a rejection the next token comes from p. Where q is too low "
        "it has to come more often, or the text is not the target's.",
        "(p - q), cut at 0, divided by its sum.",
        "p divided",
    ),
    (
        "from q",
        "redrawn from q",
        "After a rejection the next token comes from the draft.",
        "(p - q), cut at 0, divided by its sum.",
    ),
    (
        "absolute",
        "the absolute difference",
        "You take |p - q|. Where q is larger nothing may be drawn.",
        "(p - q).clamp(min=0).",
    ),
    (
        "times what q leaves",
        "p times 1 - q",
        "You redraw in proportion to p (1 - q).",
        "(p - q).clamp(min=0).",
    ),
    (
        "larger",
        "the larger of p and q",
        "You redraw in proportion to max(p, q).",
        "(p - q).clamp(min=0).",
    ),
    (
        "small bound",
        "a small number for 0",
        "Where q is larger nothing may be drawn, not even rarely.",
        "(p - q).clamp(min=0).",
    ),
    (
        "index too large",
        "a place of q that is not there",
        "Where all G drafts are accepted, q has no place G.",
        "Clamp the index for q, or ask first whether a draft has failed.",
    ),
    (
        "cases exchanged",
        "the two cases exchanged",
        "You subtract q where nothing was rejected, and not where something "
        "was.",
        "accepted < counts means that a draft has failed.",
    ),
    (
        "squares",
        "the squared difference",
        "You square p - q. Where q is larger nothing may be drawn.",
        "(p - q).clamp(min=0).",
        "positive squares",
    ),
    (
        "not cut",
        "negative probabilities",
        "p - q is negative where q is larger, and its sum is 0.",
        "(p - q).clamp(min=0).",
    ),
    (
        "turned round",
        "q - p in place of p - q",
        "You redraw where the draft is too high. Those are the tokens that "
        "come too often already.",
        "(p - q).clamp(min=0).",
    ),
    (
        "without the rejected",
        "p without the rejected token",
        "You redraw from p without the rejected token. It is right only "
        "where q puts everything on one token.",
        "(p - q), cut at 0, divided by its sum.",
    ),
    (
        "positive where p is larger",
        "p where it is larger",
        "You redraw from p itself where it is above q. It is the difference "
        "that is missing.",
        "(p - q).clamp(min=0).",
    ),
    (
        "mean",
        "the mean of p and q",
        "You redraw from the mean of both.",
        "(p - q), cut at 0, divided by its sum.",
    ),
    (
        "ratio",
        "the ratio in place of the difference",
        "You redraw in proportion to p/q.",
        "(p - q), cut at 0, divided by its sum.",
    ),
    (
        "smaller",
        "the smaller of p and q",
        "min(p, q) is what is accepted. What is left of p is to be redrawn.",
        "p - min(p, q).",
    ),
    (
        "softmax",
        "a softmax of the difference",
        "The differences are probabilities already; a softmax gives the "
        "zeros a share.",
        "Divide by the sum.",
        "softmax of logits",
    ),
    (
        "greedy",
        "the largest difference alone",
        "All weight is on the token of the largest difference.",
        "(p - q), cut at 0, divided by its sum.",
    ),
    (
        "not divided",
        "not divided by the sum",
        "What is left of p does not sum to 1.",
        "Divide by the sum.",
        "divided by one",
        "divided by all rows",
    ),
    (
        "one place back",
        "the rest at the wrong place",
        "You take p and q at the last accepted draft. The next token stands "
        "where the first draft failed.",
        "p[b, accepted[b]].",
        "one place back, both",
    ),
    (
        "p one further",
        "p and q of different places",
        "You take p one place after the draft that failed.",
        "p[:, g] and q[:, g] are both for draft g.",
        "one place on",
    ),
    (
        "first place",
        "the rest at the first place",
        "You take p and q at the first draft of the row.",
        "p[b, accepted[b]].",
        "q of the first",
    ),
    (
        "padded end",
        "the last column of p",
        "Where a row's drafts all pass, you take the last column. A row with "
        "fewer drafts ends earlier.",
        "p[b, counts[b]].",
    ),
    (
        "p before",
        "p before the last draft",
        "Where all drafts pass, you take p of the last draft. The next token "
        "comes after it.",
        "p has G + 1 places: one more than there are drafts.",
        "p before, of a full row",
    ),
    (
        "end cut too",
        "q taken off where nothing was rejected",
        "Where all drafts of a row pass, the next token comes from p as it "
        "is. What stands in q there is no draft.",
        "accepted < counts, or not?",
        "full is all columns",
        "if any",
    ),
    (
        "uniform end",
        "a uniform end",
        "Where all drafts pass, you give all tokens the same probability.",
        "p[b, counts[b]].",
    ),
    (
        "q at the end",
        "the draft at the end",
        "Where all drafts pass, the next token comes from q.",
        "p[b, counts[b]].",
    ),
    (
        "draft at 1",
        "a draft at another temperature",
        "q is not taken at the temperature. The drafts were drawn at the "
        "temperature that is given, so the ratio is wrong.",
        "softmax(logits / temperature), for both.",
        "draft multiplied",
    ),
    (
        "target at 1",
        "a target at another temperature",
        "p is not taken at the temperature.",
        "softmax(logits / temperature), for both.",
        "target multiplied",
    ),
    (
        "rest without temperature",
        "no temperature in the difference",
        "The drafts are judged at the temperature, but p - q is taken of "
        "probabilities without it.",
        "One p and one q for both steps, of logits / temperature.",
    ),
    (
        "zeros without drafts",
        "nothing for a row without drafts",
        "A row without drafts gets zeros. No draft of it fails, so its next "
        "token comes from p at place 0.",
        "What does your code do where counts[b] is 0?",
    ),
    (
        "no temperature",
        "no temperature",
        "The temperature is not used.",
        "softmax(logits / temperature), for both.",
    ),
    (
        "temperature last",
        "powers of probabilities that do not sum to 1",
        "You raise the probabilities to 1/temperature and do not divide them "
        "by their sum.",
        "softmax(logits / temperature), for both.",
    ),
    (
        "multiplied",
        "multiplied by the temperature",
        "The logits are multiplied by the temperature.",
        "softmax(logits / temperature), for both.",
    ),
    (
        "logits",
        "logits in place of probabilities",
        "You divide and subtract logits.",
        "softmax(logits / temperature), for both.",
        "logits subtracted",
        "logarithms",
    ),
    (
        "exponentials",
        "exponentials that overflow",
        "A logit above 88 makes exp infinite, and infinite over infinite is "
        "NaN.",
        "softmax subtracts the largest logit first.",
    ),
    (
        "over the drafts",
        "a softmax over the drafts",
        "The probabilities sum to 1 over the places, not over the vocabulary.",
        "The logits are (B, G, V): dim=-1.",
        "over the rows",
    ),
    (
        "one step late",
        "p one place too far",
        "You compare a draft with the logits *after* it. Place g of both is "
        "for draft g.",
        "target has G + 1 places, and the last one is for the token after.",
        "ratio one step late",
    ),
    (
        "a token",
        "a token in place of a distribution",
        "You return a token. The distribution it would be drawn from is "
        "asked for.",
        "rest is (B, V).",
    ),
    (
        "the logarithm",
        "a logarithm of the rest",
        "You return log-probabilities.",
        "rest sums to 1.",
    ),
    (
        "drafted",
        "the drafts returned",
        "You return the drafts. How many of them are accepted is asked for.",
        "A whole number for each row.",
    ),
    (
        "exchanged",
        "the two results exchanged",
        "The distribution is returned first.",
        "return accepted, rest.",
    ),
]
