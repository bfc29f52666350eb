"""The bugs of the draft, and what else goes wrong when tokens are hidden.

Of each other mistake the bugs that make it, its name, its sentence and where
to look; then the bugs of other code that makes it.
"""

BUGS = {
    "specials": (
        "special tokens are chosen",
        "Places that `special` marks, such as padding, are chosen too. "
        "They should never be chosen.",
        "The line that makes `chosen`: what does `special` say?",
    ),
    "never": (
        "a mask that never masks",
        "No place shows the mask token. In the draft, `kind` is compared with "
        "a share of itself; random tokens that are written over the masks "
        "look the same.",
        "When is a number below 0.8 times itself?",
    ),
    "others": (
        "random tokens that are special",
        "A random token may be any of the V. It should be an ordinary one, "
        "from `first` up to V - 1.",
        "The line that makes `random`: what is its smallest number?",
    ),
    "targets shown": (
        "targets taken from what is shown",
        "The loss asks for the tokens that the model is shown, not for those "
        "that stood there before.",
        "Which token is right at a place that shows the mask?",
    ),
    "noop": (
        "weights that do nothing",
        "The loss is a mean over all places before the weights come, so "
        "that they cancel. Only chosen places should count.",
        'What is the shape of `losses`? There is `reduction="none"`.',
    ),
}

_SHARES = "Below 0.8 the mask, from 0.8 to below 0.9 a random token."
_RANDOM = "first + the whole part of other · (V - first)."
_CHOSEN = "Chosen: `choose` below `rate`, and not special."
_LOSS = "The sum over the chosen places, divided by how many there are."
_RETURN = "The last line returns `(shown, chosen, loss)`."

MISTAKES = [
    (
        ("not chosen",),
        "the other places chosen",
        "You chose the places whose number is `rate` or more.",
        _CHOSEN,
    ),
    (
        ("one number a row",),
        "whole rows chosen",
        "You chose all places of a row by its first number.",
        _CHOSEN,
    ),
    (
        ("kind chooses",),
        "chosen by `kind`",
        "`kind` decides here which places are chosen. That is what "
        "`choose` is for.",
        _CHOSEN,
    ),
    (
        ("fixed rate",),
        "a rate of 0.15 whatever is asked",
        "You chose 15 %. The share is the argument `rate`.",
        _CHOSEN,
    ),
    (
        ("everything",),
        "all ordinary places chosen",
        "Every ordinary place is chosen.",
        _CHOSEN,
    ),
    (
        ("only specials",),
        "special tokens alone chosen",
        "You chose special places and no others. `special` is True where a "
        "place may not be chosen.",
        _CHOSEN,
    ),
    (
        ("padding chosen",),
        "padding chosen",
        "Padding (token 0) is chosen. It is special, like the other marks.",
        _CHOSEN,
    ),
    (
        ("always",),
        "the mask at every chosen place",
        "All chosen places show the mask.",
        _SHARES,
    ),
    (
        ("no mask",),
        "no mask at all",
        "No place shows the mask: chosen places with `kind` below 0.8 keep "
        "their token.",
        _SHARES,
    ),
    (
        ("none kept",),
        "no token kept",
        "Of the chosen places, none keeps its token.",
        _SHARES,
    ),
    (
        ("none other",),
        "no random token",
        "No chosen place shows a random token.",
        _SHARES,
    ),
    (
        ("only masks at 90",),
        "the mask in place of random tokens",
        "Places that should show a random token show the mask.",
        _SHARES,
    ),
    (
        ("half and half",),
        "shares of what is left",
        "You gave 90 % of what the mask leaves to random tokens. It is half "
        "of it.",
        _SHARES,
    ),
    (
        ("other below",),
        "random tokens over masks",
        "Places with `kind` below 0.1 show a random token. They should show "
        "the mask.",
        _SHARES,
    ),
    (
        ("mask above",),
        "the shares from the other end",
        "You count the shares from 1 downwards.",
        _SHARES,
    ),
    (
        ("other and kept swapped",),
        "random and kept places swapped",
        "Places with `kind` of 0.9 or more show a random token, and those "
        "from 0.8 to 0.9 their own.",
        _SHARES,
    ),
    (
        ("ten masks",),
        "the mask at a tenth of the places",
        "The mask is shown at a tenth of the chosen places.",
        _SHARES,
    ),
    (
        ("other and mask swapped",),
        "random tokens and masks swapped",
        "Below 0.8 you show a random token, from 0.8 to 0.9 the mask.",
        _SHARES,
    ),
    (
        ("share of the draw",),
        "one number for two questions",
        "`choose` decides here what a chosen place shows. That is what "
        "`kind` is for.",
        _SHARES,
        ("share of the rate",),
    ),
    (
        ("unchosen too",),
        "places replaced that are not chosen",
        "Places that are not chosen show another token too.",
        "Only a chosen place may show something else.",
    ),
    (
        ("other anywhere",),
        "random tokens at places that are not chosen",
        "Random tokens also stand at places that are not chosen.",
        "Only a chosen place may show something else.",
    ),
    (
        ("from 0",),
        "random tokens counted from 0",
        "Your random tokens begin with 0 and not with `first`.",
        _RANDOM,
    ),
    (
        ("past the end",),
        "random tokens beyond the vocabulary",
        "You added `first` to a number up to V, which is too large.",
        _RANDOM,
    ),
    (
        ("rounded",),
        "rounded in place of cut",
        "You rounded other · (V - first). Its whole part is what counts.",
        _RANDOM,
    ),
    (
        ("last missing",),
        "the last token never drawn",
        "Token V - 1 is never drawn.",
        _RANDOM,
    ),
    (
        ("after first",),
        "the first token never drawn",
        "Token `first` is never drawn.",
        _RANDOM,
    ),
    (
        ("by the tokens",),
        "special places guessed from the tokens",
        "You do not choose tokens below 4. `special` says which places are "
        "special, and `first` need not be 4.",
        _CHOSEN,
    ),
    (
        ("always from 4",),
        "random tokens from 4 on",
        "Your random tokens begin at 4. They begin at `first`.",
        _RANDOM,
    ),
    (
        ("one too far",),
        "random tokens one too far",
        "Your random tokens are larger by 1.",
        _RANDOM,
    ),
    (
        ("one for all",),
        "one random token for all places",
        "Each place has a number of its own in `other`.",
        _RANDOM,
    ),
    (
        ("by kind",),
        "the same number decides and draws",
        "The random token is made from `kind`, which lies between 0.8 and "
        "0.9 there. `other` is for that.",
        _RANDOM,
    ),
    (
        ("rolled",),
        "the token before in place of a random one",
        "You show the token of the place before.",
        _RANDOM,
    ),
    (
        ("backwards",),
        "random tokens from the end",
        "You count random tokens from V - 1 downwards.",
        _RANDOM,
    ),
    (
        ("mask is 0",),
        "token 0 taken for the mask",
        "Masked places show token 0. The mask is `mask_id`.",
        "What is `mask_id` in the case of the message?",
    ),
    (
        ("mask is last",),
        "the last token taken for the mask",
        "Masked places show token V - 1. The mask is `mask_id`.",
        "What is `mask_id` in the case of the message?",
    ),
    (
        ("masks alone",),
        "a loss over the masked places alone",
        "Only places that show the mask count in the loss. Chosen places "
        "that show a random token or their own count too.",
        _LOSS,
    ),
    (
        ("changed alone",),
        "a loss without the kept places",
        "Chosen places that keep their token do not count in your loss.",
        _LOSS,
    ),
    (
        ("kept alone",),
        "a loss over the kept places alone",
        "Only chosen places that keep their token count in your loss.",
        _LOSS,
    ),
    (
        ("unchosen scored",),
        "a loss over the places that are not chosen",
        "Your loss is that of the places that are not chosen.",
        _LOSS,
    ),
    (
        ("all scored",),
        "a loss over all places",
        "All places count in your loss, also in a batch of which none is "
        "chosen.",
        _LOSS,
        ("noop, nan",),
    ),
    (
        ("sum",),
        "a sum over the chosen places",
        "This is a sum, not a mean.",
        _LOSS,
    ),
    (
        ("all places",),
        "divided by all places",
        "The sum over chosen places is divided by the number of all places.",
        _LOSS,
    ),
    (
        ("a row each",),
        "a mean of the rows' means",
        "You averaged each row, and then the rows. Rows with few chosen "
        "places count too much.",
        _LOSS,
        ("full rows",),
    ),
    (
        ("by the batch",),
        "divided by the number of rows",
        "The sum over chosen places is divided by B.",
        _LOSS,
    ),
    (
        ("by V",),
        "divided by the vocabulary too",
        "Your loss is also divided by V.",
        _LOSS,
    ),
    (
        ("plus 1",),
        "one chosen place too many in the mean",
        "You divided by the number of chosen places plus 1. Add nothing: "
        "`clamp(min=1)` is enough for the case of none.",
        _LOSS,
    ),
    (
        ("two logs",),
        "bits in place of nats",
        "Your loss is in bits. It should use the natural logarithm.",
        "torch.log, not torch.log2.",
    ),
    (
        ("sign",),
        "a loss below 0",
        "The sign of the loss is wrong.",
        "Minus the logarithm of a probability is 0 or more.",
    ),
    (
        ("twice",),
        "softmax before cross-entropy",
        "F.cross_entropy takes logits, and you gave it probabilities.",
        "How often is a softmax taken?",
    ),
    (
        ("shifted",),
        "the next token predicted",
        "You score each place with the token that follows. Here a place "
        "predicts its own.",
        "logits[b, t] belongs to tokens[b, t].",
    ),
    (
        ("nan",),
        "nothing divided by nothing",
        "Where no place is chosen you divide 0 by 0.",
        "The loss is 0 there.",
    ),
    (
        ("chosen is changed",),
        "kept places not returned as chosen",
        "`chosen` lacks the places that keep their token.",
        _RETURN,
    ),
    (
        ("chosen is mask",),
        "masked places returned as chosen",
        "`chosen` is True only where the mask is shown.",
        _RETURN,
    ),
    (
        ("chosen inverted",),
        "chosen returned the other way round",
        "`chosen` is True at the places that are not chosen.",
        _RETURN,
    ),
    (
        ("tokens returned",),
        "the tokens returned in place of what is shown",
        "The first output is what the model is shown. Yours is the text.",
        _RETURN,
    ),
    (
        ("at most the rate",),
        "places at the rate chosen",
        "A number that is equal to `rate` is chosen. It has to be below it.",
        _CHOSEN,
    ),
    (
        ("or ordinary",),
        "an *or* in place of an *and*",
        "You choose a place if its number is below the rate *or* if it is "
        "not special. Both have to hold.",
        _CHOSEN,
    ),
    (
        ("thresholds to the left",),
        "thresholds that belong to the other side",
        "A `kind` of exactly 0.8 should show a random token, and one of "
        "exactly 0.9 its own.",
        _SHARES,
    ),
    (
        ("a gap at a threshold",),
        "a gap between the shares",
        "A `kind` of exactly 0.8 is neither a mask nor a random token with "
        "you.",
        _SHARES,
    ),
    (
        ("masks at 90",),
        "90 % masks and 10 % random tokens",
        "You show the mask below 0.9 and a random token from 0.9 on.",
        _SHARES,
    ),
    (
        ("ten masks, eighty others",),
        "10 % masks and 80 % random tokens",
        "You show the mask below 0.1 and a random token from there to 0.9.",
        _SHARES,
    ),
    (
        ("from above",),
        "the shares counted from the other end",
        "You show the mask from 0.2 on and a random token below 0.1.",
        _SHARES,
    ),
    (
        ("at least first",),
        "random tokens lifted to the first ordinary one",
        "You lift special tokens to `first`, so that `first` comes too often.",
        _RANDOM,
    ),
    (
        ("modulo",),
        "a remainder in place of a share",
        "You took a remainder by V - first. Some tokens then come twice as "
        "often.",
        _RANDOM,
    ),
    (
        ("ceiling",),
        "rounded up",
        "You rounded up. The whole part is asked for.",
        _RANDOM,
    ),
    (
        ("drawn again",),
        "random tokens drawn by yourself",
        'Your random tokens do not come from `draws["other"]`.',
        _RANDOM,
    ),
    (
        ("ordinary scored",),
        "a loss over all ordinary places",
        "All ordinary places count in your loss. Only chosen ones should.",
        _LOSS,
    ),
    (
        ("ordinary places",),
        "divided by all ordinary places",
        "The sum over chosen places is divided by the number of ordinary "
        "ones.",
        _LOSS,
    ),
    (
        ("zeros as targets",),
        "token 0 asked for where nothing is chosen",
        "At places that are not chosen your loss asks for token 0. They "
        "should not count.",
        "F.cross_entropy leaves out targets of -100.",
    ),
    (
        ("logits as losses",),
        "logits taken for logarithms",
        "You took the logits themselves for log p. The softmax is missing.",
        "F.nll_loss wants log_softmax; F.cross_entropy wants logits.",
    ),
    (
        ("probabilities as losses",),
        "a probability without its logarithm",
        "Your loss is minus a probability. It should be minus its logarithm.",
        "F.nll_loss wants log_softmax; F.cross_entropy wants logits.",
    ),
    (
        ("one minus",),
        "one minus the probability",
        "Your loss is 1 - p. It should be -log p.",
        _LOSS,
    ),
    (
        ("each row",),
        "a loss for each row",
        "You return a number for each row.",
        _LOSS,
    ),
    (
        ("each place",),
        "a loss for each place",
        "You return a number for each place.",
        _LOSS,
    ),
    (
        ("nothing lost",),
        "a loss that is always 0",
        "Your loss is 0 in every case.",
        _LOSS,
    ),
    (
        ("smoothed",),
        "labels smoothed",
        "You smoothed the labels by 0.1. The loss is that of the token alone.",
        _LOSS,
    ),
    (
        ("perplexity",),
        "a perplexity in place of a loss",
        "You return exp(loss).",
        _LOSS,
    ),
    (
        ("decided by other",),
        "two numbers swapped",
        "`other` decides here which places show a random token. `kind` is "
        "for that.",
        _SHARES,
    ),
    (
        ("seventy",),
        "70 % masks and 20 % random tokens",
        "Your shares are 70, 20 and 10 %.",
        _SHARES,
    ),
    (
        ("up to V - 1",),
        "random tokens from 0 to V - 2",
        "A random token may be special with you, and is never V - 1.",
        _RANDOM,
    ),
    (
        ("flipped",),
        "a token of the same row in place of a random one",
        "You show the tokens of the row from its end.",
        _RANDOM,
    ),
    (
        ("the rest chosen",),
        "one minus the rate",
        "You choose the share 1 - rate.",
        _CHOSEN,
    ),
    (
        ("the upper end",),
        "numbers above 1 - rate chosen",
        "You choose the places whose number is at least 1 - rate. The share "
        "is right, the places are not.",
        _CHOSEN,
    ),
    (
        ("kind from other",),
        "`other` in place of `kind`",
        "You decide by `other` which places show the mask and which a "
        "random token. `kind` is for that.",
        _SHARES,
    ),
    (
        ("low kept",),
        "thresholds counted from the other end",
        "The shares are right, but your lowest tenth of `kind` keeps its "
        "token. The highest tenth should.",
        _SHARES,
    ),
    (
        ("mask anywhere",),
        "masks at places that are not chosen",
        "You show the mask at places that were not chosen.",
        _SHARES,
    ),
    (
        ("log of the mean",),
        "the logarithm of a mean",
        "You take the logarithm of the mean probability. The mean comes last.",
        _LOSS,
    ),
]
