"""What often goes wrong in a pre-norm stack, beside the bugs of the draft.

Of each mistake the bugs that make it, its name, its sentence and where to
look; then the bugs of other code that makes it.
"""

MISTAKES = [
    (
        ("gain and shift exchanged",),
        "gain and shift exchanged",
        "The shift multiplies and the gain is added.",
        "The gain comes first in each pair.",
    ),
    (
        ("norms exchanged",),
        "the two norms exchanged",
        "Attention has the norm of the feed-forward network, and the "
        "feed-forward network has that of attention.",
        'layer["norms"] holds the attention\'s first.',
    ),
    (
        ("final each time",),
        "the last norm after each layer",
        "Each layer ends with the final norm. It comes once, at the end.",
        "How far is the last line indented?",
        ("final in the loop",),
    ),
    (
        ("one layer",),
        "only the first layer",
        "The stack ends after its first layer.",
        "How far is `return` indented?",
    ),
    (
        ("side by side",),
        "both sublayers read the same stream",
        "The feed-forward network reads the stream before attention has "
        "added to it.",
        "Write two lines that change x, one after the other.",
    ),
    (
        ("attention lost",),
        "attention's output lost on the way",
        "The feed-forward network reads the sum with attention's output, but "
        "its own output is added to the stream before that sum.",
        "Write two lines that change x, one after the other.",
    ),
    (
        ("normalised once",),
        "one normalisation for both sublayers",
        "The feed-forward network reads what was normalised for attention. "
        "The stream has changed since.",
        "Call norm(x, …) once more, after x has changed.",
    ),
    (
        ("feed-forward first",),
        "the feed-forward network before attention",
        "The sublayers stand in the wrong order.",
        "Attention comes first.",
    ),
    (
        ("no second residual",),
        "no residual around the feed-forward network",
        "The feed-forward network's output takes the place of the stream.",
        "x + f(norm(x)): where is the first x?",
    ),
    (
        ("no residual", "no second residual"),
        "no residual at all",
        "Each sublayer's output takes the place of the stream.",
        "x + f(norm(x)): where is the first x?",
    ),
    (
        ("norm of what attention returns",),
        "a norm on what attention returns",
        "Attention's output is normalised. What it *reads* should be.",
        "x + f(norm(x)), not x + norm(f(x)).",
    ),
    (
        ("mean of tokens",),
        "the mean over the tokens",
        "The mean runs over the tokens, the variance over the features.",
        "x is (B, T, D): dim=-1 in both.",
    ),
    (
        ("variance of tokens",),
        "the variance over the tokens",
        "The mean runs over the features, the variance over the tokens.",
        "x is (B, T, D): dim=-1 in both.",
    ),
    (
        ("norms of both outputs",),
        "a norm on what each sublayer returns",
        "The outputs are normalised. What a sublayer *reads* should be.",
        "x + f(norm(x)), not x + norm(f(x)).",
    ),
    (
        ("plain final",),
        "a last norm without gain and shift",
        "The last norm has a gain and a shift too.",
        "norm(x, *final).",
    ),
    (
        ("nothing to do",),
        "a stack of no layers left as it is",
        "Without layers you return the stream. One norm is left to do.",
        "What comes after the last layer, even if there is none?",
    ),
    (
        ("inverted",),
        "the mask is inverted",
        "Attention sees the padding, and not the tokens.",
        "attend(h, mask, layer), with the mask as it came.",
    ),
    (
        ("final twice",),
        "the last norm twice",
        "The stream is normalised twice at the end.",
        "What comes after the last layer?",
    ),
    (
        ("no gain", "no shift"),
        "no gain and no shift",
        "The norm ends with the division.",
        "g · (…) + b.",
    ),
    (
        ("no gain",),
        "no gain",
        "The gain does not multiply.",
        "g · (…) + b.",
    ),
    (
        ("no shift",),
        "no shift",
        "The shift is not added.",
        "g · (…) + b.",
    ),
    (
        ("batch",),
        "a normalisation over batch and tokens",
        "Mean and variance run over all tokens of the batch, as batch "
        "normalisation does it. Each token is normalised by itself.",
        "x is (B, T, D): dim=-1.",
    ),
    (
        ("unmasked",),
        "the mask is not used",
        "Attention sees the padding too.",
        "attend(h, mask, layer), with the mask as it came.",
    ),
    (
        ("post-norm", "final"),
        "post-norm, the other arrangement",
        "You normalise after each addition, as the paper of 2017 "
        "does. The text says pre-norm.",
        "x + f(norm(x)), not norm(x + f(x)).",
    ),
    (
        ("post-norm",),
        "post-norm with a normalisation more",
        "You normalise after each addition, and once more at the "
        "end. The text says pre-norm.",
        "x + f(norm(x)), not norm(x + f(x)).",
    ),
    (
        ("residual", "both residuals"),
        "both residuals begin after the norm",
        "Both sublayers add to the *normalised* stream. What was in "
        "the stream is lost at each step.",
        "x + f(norm(x)): the first x is the stream as it was.",
    ),
    (
        ("both residuals",),
        "the feed-forward's residual begins after the norm",
        "The feed-forward network adds to the *normalised* stream.",
        "x + f(norm(x)): the first x is the stream as it was.",
    ),
    (
        ("raw attention",),
        "attention that reads the raw stream",
        "Attention reads x. It should read norm(x).",
        "The line that calls attend.",
    ),
    (
        ("raw feed-forward",),
        "a feed-forward network that reads the raw stream",
        "The feed-forward network reads x. It should read norm(x).",
        "The line that calls feed_forward.",
    ),
    (
        ("norm of the output",),
        "a norm on what the sublayer returns",
        "The output of the feed-forward network is normalised. What "
        "it *reads* should be.",
        "x + f(norm(x)), not x + norm(f(x)).",
    ),
    (
        ("no residual",),
        "no residual",
        "The attention's output takes the place of the stream.",
        "x + f(norm(x)): where is the first x?",
    ),
    (
        ("shared",),
        "one norm for both sublayers",
        "Both sublayers use the gain and the shift of one norm.",
        'layer["norms"] holds two pairs.',
        ("shared second",),
    ),
    (
        ("final of a layer",),
        "the last layer's norm at the end",
        "The final norm uses a gain and a shift of the last layer. "
        "It has its own.",
        "`final` holds a gain and a shift.",
        ("final of the loop",),
    ),
    (
        ("in place",),
        "a stream that is changed in place",
        "`x += y` changes a tensor that backward still needs.",
        "Write `x = x + y`, which makes a new one.",
    ),
    (
        ("everything",),
        "a normalisation over tokens and features",
        "Mean and variance run over the whole sentence. Each token "
        "is normalised by itself.",
        "x is (B, T, D): dim=-1.",
    ),
    (
        ("by variance",),
        "divided by the variance",
        "You divide by the variance plus eps, without a root.",
        "(variance + eps).sqrt().",
    ),
    (
        ("no eps",),
        "eps is not used",
        "No eps is added to the variance, or only torch's default eps.",
        "(variance + eps).sqrt(), with the `eps` that is given.",
        ("eps of torch",),
    ),
    (
        ("eps as a bound",),
        "eps as a lower bound",
        "You take the larger of the two. eps is added to the variance.",
        "(variance + eps).sqrt(), without clamp or max.",
        ("eps bounds the root",),
    ),
    (
        ("padding zeroed",),
        "padding set to 0",
        "You set the output of padding to 0. Padding goes through the stack "
        "like a token: the mask only says what may be attended to.",
        "attend uses the mask; nothing else does.",
        ("padding zeroed each time",),
    ),
    (
        ("root mean square",),
        "the mean is not taken away",
        "You divide by the root of the mean square. That is RMSNorm: "
        "it leaves the mean where it is.",
        "x - mean, and the variance about that mean.",
    ),
    (
        ("shift scaled",),
        "a shift that is scaled",
        "The shift is added before the gain multiplies.",
        "gain · (…) + shift.",
    ),
]
