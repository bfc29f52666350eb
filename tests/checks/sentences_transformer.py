"""Sentences of the exercises of chapter 06, and the case that fails."""

from attnbook.checks.transformer import EXERCISES

_CHEAP = (
    "After the first step neither a step nor `select` touches the source "
    "again. The limit is twice the products that the steps need."
)


class ReadBySelect(EXERCISES["06-cross-attention-cache"].reference):
    def read(self, memory, mask):
        self.memory = memory
        super().read(memory, mask)

    def select(self, rows):
        self.read(self.memory[rows], self.mask[rows])


SENTENCES = {
    "06-predict": [
        (
            "gain and a shift. How many parameters does the layer have?",
            "a: 48 too few",
            "question a",
        ),
        (
            "What is the variance after the last layer, before the final "
            "norm?",
            "b: the normalisation taken for the stream",
            "question b",
        ),
        (
            "What share of its peak value does it have at step 1600?",
            "c: the rate, not its share",
            "question c",
        ),
        (
            "How many times as probable as greedy's answer is the beam's?",
            "e: the probability of the answer",
            "question e",
        ),
        (
            "What is the first of them after layer normalisation,",
            "f: the mean, not the first feature",
            "question f",
        ),
        ("All linear layers have biases,", "a: matrices alone", "question a"),
        (
            "Each sublayer adds an output of variance 1,",
            "b: one addition a layer",
            "question b",
        ),
        (
            "each step runs over the whole prefix, without a cache.",
            "d: one position a step",
            "question d",
        ),
    ],
    "06-encode": [
        (
            "each sublayer reads the normalised stream,",
            "attention that reads the raw stream",
            "one layer",
        ),
        (
            "its output is added to the stream itself, which is not "
            "normalised.",
            "a residual that begins after the norm",
            "one layer",
        ),
        (
            "After the last layer comes one more normalisation.",
            "the last normalisation is missing",
            "one layer",
        ),
        (
            "A token is normalised by itself, over its $D$ features,",
            "a normalisation over the tokens",
            "one layer",
        ),
        (
            "The variance $\\sigma^2$ divides by $D$.",
            "the variance divides by D - 1",
            "one layer",
        ),
        (
            "The list may be empty.",
            "the last layer's norm at the end",
            "no layer at all",
        ),
        (
            "Returns $(B, T, D)$. Values and gradients are checked.",
            "a stream that is changed in place",
            "one layer",
        ),
        (
            "the gain and the shift of the attention's norm and those of the "
            "feed-forward network's norm.",
            "one norm for both sublayers",
            "two layers",
        ),
        (
            '`"norms"` $(2, 2, D)$, the gain and the shift of the '
            "attention's norm",
            "gain and shift exchanged",
            "two layers",
        ),
        (
            "with a gain $g$ and a shift $b$:",
            "a shift that is scaled",
            "one layer",
        ),
        (
            "`mask` $(B, T)$,",
            "the mask is not used",
            "one layer",
        ),
        (
            "`eps` a number,",
            "eps is not used",
            "one layer",
        ),
        (
            "the gain and the shift of the last norm.",
            "the last layer's norm at the end",
            "two layers",
        ),
    ],
    "06-smoothed-loss": [
        (
            "Loss and floor are means over all rows of the batch that count: "
            "sum once, then divide once.",
            "a mean of means",
            "padded",
        ),
        (
            "A row counts where the target is not `padding`.",
            "padding is counted",
            "padded",
        ),
        (
            "The true token gets its share of $u$ like all others,",
            "the prior for the others alone",
            "two sentences",
        ),
        (
            "$u$ is used as it is.",
            "a prior without the padding token",
            "two sentences",
        ),
        (
            "$u$ may hold zeros, and $0 \\log 0 = 0$.",
            "0 · log 0",
            "zeros in the prior",
        ),
        ("If no row counts, both are 0.", "0 rows", "all padding"),
        (
            "If no row counts, both are 0.",
            "0/0 replaced afterwards",
            "Where no row counts the gradient of the loss holds no NaN.",
        ),
        (
            "`padding` a token id, not always 0.",
            "padding taken for token 0",
            "padding that is token 3",
        ),
        (
            "Its **floor** is the loss of a perfect prediction, $p = q$.",
            "ε times the entropy of the prior",
            "two sentences",
        ),
        (
            "Returns `(loss, floor)`,",
            "loss and floor exchanged",
            "two sentences",
        ),
        (
            "The check compares both values, and the gradient of the loss.",
            "a loss without gradient",
            "two sentences",
        ),
        (
            "Here $u$ is given, for example how often each token occurs.",
            "uniform in place of the prior",
            "two sentences",
        ),
    ],
    "06-cross-attention-cache": [
        (
            "a new batch replaces the old one,",
            "the first source for ever",
            "a second source",
        ),
        (
            "Nothing of the source is projected here.",
            "the source projected anew",
            _CHEAP,
        ),
        (
            "Nothing is projected here either.",
            ReadBySelect,
            _CHEAP,
        ),
        (
            "It may be called again: a new batch replaces the old one,",
            "rows chosen from the batch before",
            "a second source after some steps",
        ),
        (
            "gets the source that belonged to row `rows[i]` until now.",
            "rows of the source as it was read",
            "fewer and more rows",
        ),
        (
            "Scores may be large, also those of hidden places.",
            "a mask after the softmax, and divided again",
            "large scores",
        ),
        (
            "The check compares values and gradients,",
            "a cache without gradient",
            "three steps",
        ),
        (
            "`W_v` $(H d_v, D)$,",
            "the width of a value in the scale",
            "three steps",
        ),
        (
            "returns `(output, weights)`,",
            "output and weights exchanged",
            "three steps",
        ),
        (
            "The new row $i$ gets the source that belonged to row `rows[i]` "
            "until now.",
            "rows by the inverse order",
            "rows in another order",
        ),
        (
            "A row may be chosen twice or not at all.",
            "each row only once",
            "fewer and more rows",
        ),
        (
            "head $h$ owns the rows $h d$ to $(h + 1) d$.",
            "heads interleaved",
            "three steps",
        ),
        (
            "A source with nothing to read gets weights of 0.",
            "a large negative number for -inf",
            "nothing to read",
        ),
        (
            "A source with nothing to read gets weights of 0.",
            "NaN replaced after the softmax",
            "Where a source has nothing to read no gradient is NaN.",
        ),
        (
            "of shapes $(B, D)$ and $(B, H, S)$.",
            "weights averaged over the heads",
            "three steps",
        ),
    ],
    "06-normalised-beam-search": [
        (
            "EOS counts, BOS does not.",
            "BOS counted",
            "two of five",
        ),
        (
            "Begin with a single prefix, BOS alone,",
            "the same prefix many times",
            "two of five",
        ),
        (
            "Extend *every* living prefix by *every* token.",
            "BOS left out of the vocabulary",
            "two of five",
        ),
        (
            "A kept candidate whose last token is EOS has ended.",
            "ends that were not kept",
            "two of five",
        ),
        (
            "There are `beam` places, minus one for each answer that has "
            "ended before.",
            "places counted again while sorting out",
            "the worked example",
        ),
        (
            "Rank all candidates together by",
            "no competition between prefixes",
            "three of five",
        ),
        (
            "There are `beam` places, minus one for each answer that has "
            "ended before.",
            "the beam filled up again",
            "two of five",
        ),
        (
            "It leaves the beam and is never extended.",
            "answers that go on after EOS",
            "two of five",
        ),
        (
            "Prefixes that still live then are answers too, without EOS.",
            "prefixes at the limit lost",
            "two of five",
        ),
        (
            "Score all answers, and sort them: the best first.",
            "sorted before the penalty",
            "the worked example",
        ),
        (
            "returns *logits* of the next token,",
            "logits added up",
            "two of five",
        ),
        (
            "BOS and EOS may have any token id.",
            "BOS taken for token 0",
            "four of six, a strong penalty",
        ),
        (
            "BOS and EOS may have any token id.",
            "EOS taken for token 1",
            "more places than tokens",
        ),
        (
            "or `length` tokens are written.",
            "one token too many",
            "two of five",
        ),
        (
            "Score all answers,",
            "no penalty at the limit",
            "two of five",
        ),
        (
            "and keep the best.",
            "the worst candidates kept",
            "two of five",
        ),
        (
            "$\\log P$, the sum over all their tokens,",
            "only the last token counts",
            "two of five",
        ),
        (
            "without BOS and with EOS where they have ended,",
            "EOS left out of the answers",
            "two of five",
        ),
    ],
}
