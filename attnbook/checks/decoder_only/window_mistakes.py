"""What often goes wrong where a text is scored in windows.

Of each mistake its key, its name, its sentence and where to look; then the
keys of other code that makes it.
"""

MISTAKES = [
    (
        "counted twice",
        "tokens of an overlap counted twice",
        "A token that two windows predict has two losses, in what you return "
        "or in your sum.",
        "Of a later window, which tokens are new?",
        "twice in the sum",
        "loop: counted twice",
    ),
    (
        "twice, divided by its share",
        "a mean with the overlap in it",
        "The mean is over the losses of all windows, so that tokens of an "
        "overlap weigh double.",
        "Sum the N - 1 losses that you return.",
    ),
    (
        "mean of windows",
        "a mean of means",
        "You average the windows' means. Windows of different length then "
        "weigh the same, and tokens of an overlap count twice.",
        "Sum the N - 1 losses that you return.",
    ),
    (
        "last",
        "the shortest context",
        "A token that several windows predict has the loss of the last one, "
        "which knows the least of what is before it.",
        "Of a later window the tokens at the *end* are new.",
    ),
    (
        "mean",
        "the mean over the windows of a token",
        "A token that several windows predict has the mean of their losses.",
        "Take the loss of the first window that predicts it.",
    ),
    (
        "best",
        "a window chosen by its loss",
        "A token that several windows predict has the smallest or the largest "
        "of their losses. To choose it one has to know the token.",
        "Take the loss of the first window that predicts it.",
        "worst",
    ),
    (
        "no overlap",
        "windows that do not overlap",
        "Each window begins where the last one ended.",
        "A window begins `stride` tokens after the one before.",
    ),
    (
        "stride for overlap",
        "the stride taken for the overlap",
        "Two windows share `stride` tokens in your code. It is how far one "
        "begins after the other.",
        "By how much does the beginning of a window grow?",
    ),
    (
        "stride as window",
        "windows as long as the stride",
        "Of each window only `stride` tokens are scored, as if it were no "
        "longer. It has `window`.",
        "ids[begin : begin + window].",
    ),
    (
        "one window",
        "the first window alone",
        "Only the tokens of the first window are scored.",
        "How does the loop go on?",
        "loop: one window",
    ),
    (
        "a window a token",
        "a window for each token",
        "Each token has a window of its own, with the longest context there "
        "is. That costs a call of the model for each token.",
        "By how much does the beginning of a window grow?",
    ),
    (
        "windows too many",
        "windows that predict nothing new",
        "The last token has been predicted, and your loop goes on to windows "
        "that begin later.",
        "Stop when there are N - 1 losses.",
    ),
    (
        "whole windows alone",
        "the rest of the text left out",
        "A last window that is shorter than the others is not scored.",
        "The last window ends where the text ends.",
        "whole windows alone, zeros",
    ),
    (
        "last window moved back",
        "a last window that is moved back",
        "The last window begins earlier, so that it is full.",
        "Windows begin at 0, stride, 2 · stride, …; the last one is shorter.",
    ),
    (
        "last prediction lost",
        "the last prediction of each window thrown away",
        "A window of t tokens predicts t tokens: the last logits are for the "
        "token *after* the window.",
        "Read ids[a : a + window], compare with ids[a + 1 : a + window + 1].",
        "last prediction not asked",
        "last prediction lost, zeros",
    ),
    (
        "one token too long",
        "one token too many in a window",
        "Your window reads one token more than the model can.",
        "ids[begin : begin + window].",
        "the whole text at once",
    ),
    (
        "behind the end",
        "a window behind the text",
        "You call the model without any token: your window begins where the "
        "text has ended, because the losses are never N - 1.",
        "Of each window, how many losses do you take?",
        "loop: one left out",
    ),
    (
        "a batch of one",
        "a batch of one text",
        "You give the model ids with an axis for a batch. It takes (t,).",
        "model(ids[a:b]).",
    ),
    (
        "one token too short",
        "one token too few in a window",
        "Your window reads one token less than the model can.",
        "It reads `window` tokens, and predicts as many.",
    ),
    (
        "mean of a window for each",
        "the mean of a window for each of its tokens",
        "Each token gets the mean loss of its window.",
        'reduction="none" gives a loss for each token.',
    ),
    (
        "mean of each window",
        "a loss for each window",
        "You return one loss for each window.",
        'reduction="none" gives a loss for each token.',
        "mean of what is new",
    ),
    (
        "all but the first",
        "the first `stride` losses left out",
        "Of a later window you leave out `stride` losses. It is the others "
        "that were known before.",
        "How many losses are there already?",
        "loop: all but the first",
    ),
    (
        "last places",
        "the last `stride` losses of a short window",
        "Of each later window you take the last `stride` losses. The last "
        "window may be shorter, and then some of them are not new.",
        "How many losses are there already?",
        "loop: last places",
        "last places, cut",
    ),
    (
        "the same everywhere",
        "the first window cut as well",
        "Of the first window you take the last `stride` losses too. All of "
        "its tokens are new.",
        "How many losses are there already?",
        "loop: the same everywhere",
    ),
    (
        "one left out",
        "one new token left out",
        "Of each later window you leave out one token too many.",
        "window - stride tokens of a later window were predicted before.",
    ),
    (
        "own token",
        "a token compared with its own logits",
        "The logits at a token are for the one *after* it.",
        "model(ids[a:b]) is compared with ids[a + 1 : b + 1].",
    ),
    (
        "two tokens on",
        "a token compared with the logits of the one before last",
        "The logits at a token are for the one right after it.",
        "model(ids[a:b]) is compared with ids[a + 1 : b + 1].",
    ),
    (
        "minus the logit",
        "logits taken for log-probabilities",
        "A loss needs log-probabilities. You took logits as they are.",
        "log_softmax, or F.cross_entropy.",
    ),
    (
        "minus the probability",
        "probabilities without a logarithm",
        "A loss is minus the *logarithm* of the probability.",
        "log_softmax, or F.cross_entropy.",
        "one minus the probability",
    ),
    (
        "probabilities",
        "softmax twice",
        "cross_entropy takes logits, and you give it probabilities.",
        "F.cross_entropy(model(…), target).",
    ),
    (
        "log of softmax",
        "the logarithm of a probability of 0",
        "At logits of 200 a probability becomes 0 in single precision, and "
        "its logarithm infinite.",
        "log_softmax, or F.cross_entropy.",
    ),
    (
        "exponentials",
        "exponentials that overflow",
        "A logit above 88 makes exp infinite, and infinite over infinite is "
        "NaN.",
        "log_softmax, or F.cross_entropy.",
    ),
    (
        "small added",
        "a probability that cannot be 0",
        "A small number is added to the probability, or bounds it, so that no "
        "loss is above 20 or 30 nats. Here losses of 200 are right.",
        "log_softmax, or F.cross_entropy.",
        "smaller added",
        "larger added",
        "smallest added",
        "bounded at 1e-9",
        "bounded at 1e-12",
    ),
    (
        "over the tokens",
        "a softmax over the tokens of the window",
        "The probabilities sum to 1 over the places of the window, not over "
        "the vocabulary.",
        "logits are (t, V): dim=-1.",
    ),
    (
        "sign",
        "log-probabilities, not losses",
        "A loss is minus the logarithm of the probability.",
        "The losses are positive.",
    ),
    (
        "exponentials returned",
        "exponentials of the losses returned",
        "You return exp of each loss.",
        "The losses are asked for in nats, as cross_entropy gives them.",
    ),
    (
        "no target at the end",
        "a last window without a target",
        "Your last window reads the last token of the text, and there is no "
        "token after it to compare with.",
        "min(begin + window, len(ids) - 1).",
    ),
    (
        "losses in bits",
        "losses in bits",
        "The losses are asked for in nats, and only the last number in bits.",
        "Divide the sum by log 2, not the losses.",
    ),
    (
        "first loss 0",
        "a loss for the first token",
        "The first token has no token before it, and nothing predicts it. "
        "You have a loss for it.",
        "N - 1 losses.",
    ),
    (
        "nats",
        "nats per byte",
        "The sum is in nats. A bit is log 2 nats.",
        "Divide by log 2.",
    ),
    (
        "log 2 multiplied",
        "multiplied by log 2",
        "There are more bits than nats: a bit is the smaller unit.",
        "Divide by log 2.",
    ),
    (
        "log2 of the sum",
        "the logarithm of a sum of losses",
        "The losses are logarithms already. To have them in bits they are "
        "divided.",
        "Divide by log 2.",
    ),
    (
        "log10",
        "the decimal logarithm",
        "You divided by log 10.",
        "Divide by log 2.",
    ),
    (
        "per token",
        "bits per token",
        "The bits are divided by the number of tokens.",
        "Divide by the bytes of the tokens that are predicted.",
        "per token of all",
    ),
    (
        "kinds of token",
        "bits per token that has bytes",
        "The bits are divided by the number of tokens that have bytes.",
        "Divide by the bytes themselves.",
    ),
    (
        "bytes of the first",
        "the bytes of the first token too",
        "Nothing predicts the first token, so its bytes do not count.",
        "widths[1:].",
    ),
    (
        "bytes of the last",
        "the bytes of the wrong tokens",
        "You left out the bytes of the last token. The first one is not "
        "predicted.",
        "widths[1:].",
    ),
    (
        "times the bytes",
        "multiplied by the bytes of a token",
        "A byte takes fewer bits than a token. You multiplied.",
        "The bits of the text, divided by its bytes.",
    ),
    (
        "nats of the text",
        "nats of the text, or of a token",
        "You return the sum of the losses, or their mean.",
        "Nats to bits, then from tokens to bytes.",
        "nats per token",
    ),
    (
        "by the mean of bytes",
        "a sum divided by a mean",
        "You divide the sum of the losses by the *mean* bytes of a token.",
        "One sum of losses, one sum of bytes, one division.",
    ),
    (
        "whole",
        "the bits of the whole text",
        "These are the bits of the text, not of a byte.",
        "Divide by the bytes of the tokens that are predicted.",
    ),
    (
        "perplexity",
        "a perplexity",
        "You return the exponential of a loss.",
        "Sum of the losses, divided by log 2, divided by the bytes.",
        "perplexity of a byte",
    ),
    (
        "exponentials of losses",
        "exponentials of losses",
        "You take exponentials of losses. That of a loss of 100 nats is "
        "infinite.",
        "Nats to bits: divide by log 2.",
    ),
    (
        "weighed by bytes",
        "losses weighed by bytes",
        "You multiply each loss by the bytes of its token.",
        "One sum of losses, one sum of bytes, one division.",
    ),
    (
        "each by its bytes",
        "a mean of ratios",
        "You divide each loss by the bytes of its token, and average. A "
        "short token then weighs as much as a long one.",
        "One sum of losses, one sum of bytes, one division.",
        "each by its bytes, inf",
        "each by its bytes, summed",
        "each by its bytes, real",
    ),
    (
        "mean over mean of all",
        "two means over different tokens",
        "You divide the mean loss by the mean width of *all* tokens, the "
        "first one among them.",
        "widths[1:].",
    ),
    (
        "no width, no loss",
        "tokens of no bytes left out",
        "A token of no bytes adds nothing to the bytes, but its loss counts.",
        "Sum all N - 1 losses.",
        "no width dropped",
        "no width dropped from the list",
    ),
    (
        "no width is one",
        "tokens of no bytes counted as one byte",
        "A token of no bytes adds nothing to the bytes.",
        "The sum of widths[1:], as it is.",
    ),
    (
        "eighths",
        "an 8 that does not belong there",
        "A byte of text is one symbol here. The bits that are counted are "
        "those that the model needs for it.",
        "Sum of the losses, divided by log 2, divided by the bytes.",
        "eight times",
        "nats and eighths",
    ),
    (
        "exchanged",
        "the two results exchanged",
        "The number is returned first.",
        "return losses, bits.",
    ),
    (
        "bits alone",
        "the losses not returned",
        "You return one number. The losses are asked for too.",
        "return losses, bits.",
    ),
    (
        "a list",
        "a list of losses",
        "The losses are a list. A tensor is asked for.",
        "torch.stack(losses).",
    ),
    (
        "bytes per bit",
        "upside down",
        "You divided the bytes by the bits.",
        "Bits per byte.",
    ),
    (
        "last loss lost",
        "the last loss left out",
        "The last loss is not in the sum.",
        "Sum all N - 1 losses.",
    ),
]
