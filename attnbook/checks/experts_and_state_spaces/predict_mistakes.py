"""Numbers that are often given, and where they come from.

Of each mistake its question, the number, its name, its sentence and where to
look.
"""

_CACHE = 2 * 4 * 64 * 1024
_STATE = 4 * 64 * 64
_POWERS = "2^127 is a number of single precision, 2^128 is none."
_LAYERS = "6 layers keep 16,384 numbers each, and 2 layers 524,288."
_WEIGHTS = "8 · 2 · 64 · 128 + 64 · 8, divided by 2 · 64 · 256."
_LOSS = "E · (f₀P₀ + f₁P₁ + f₂P₂ + f₃P₃): what are f and P?"
_DECAYS = (
    "Write down the weights after each token, beginning with 1, 0.8, 0.64."
)
_DELTA = "Write down the state after each token, decay first."

MISTAKES = [
    (
        "a",
        127.0,
        "the last power that fits",
        "2^127 is still a number of single precision.",
        "Which is the first t that fails?",
    ),
    (
        "a",
        129.0,
        "a token too late",
        "2^128 is infinite already.",
        _POWERS,
    ),
    (
        "a",
        89.0,
        "a decay of 1/e",
        "With a decay of e⁻¹ a token it fails at token 89. Here a token "
        "halves the state, and 2 is smaller than e.",
        _POWERS,
    ),
    (
        "a",
        88.72,
        "the logarithm of the largest number",
        "This is the logarithm of the largest number. Here each token adds "
        "log 2, not 1, to the sum of the log-decays.",
        _POWERS,
    ),
    (
        "a",
        62.0,
        "multiplied by log 2",
        "You multiplied 88.7 by log 2. Each token adds log 2 to the sum, so "
        "that you divide by it.",
        _POWERS,
    ),
    (
        "a",
        178.0,
        "a decay of one half taken for a log-decay",
        "You divided 88.7 by 0.5. The log-decay of one half is -log 2.",
        _POWERS,
    ),
    (
        "a",
        38.53,
        "a power of ten",
        "The largest number is about 10^38.5. Here 2 is raised to a power.",
        _POWERS,
    ),
    (
        "a",
        1024.0,
        "double precision",
        "This is where double precision fails.",
        _POWERS,
    ),
    (
        "a",
        150.0,
        "where the decay vanishes",
        "This is where 2^-t becomes 0. The other sum fails earlier.",
        "Which of the two sums holds 2^t?",
    ),
    (
        "a",
        24.0,
        "the digits of a number",
        "Single precision has 24 binary digits. Here the exponent overflows.",
        _POWERS,
    ),
    (
        "b",
        (6 * _STATE + 2 * _CACHE) / (8 * _CACHE),
        "upside down",
        "You divided what the hybrid keeps by what attention keeps.",
        "The answer is above 1.",
    ),
    (
        "b",
        4.0,
        "states that cost nothing",
        "The states of the other layers are kept too.",
        _LAYERS,
    ),
    (
        "b",
        8 * _CACHE / (8 * _STATE),
        "states in all layers",
        "You compared with a stack that has states alone. Two of the 8 "
        "layers keep all keys and values.",
        _LAYERS,
    ),
    (
        "b",
        8 * _CACHE / (2 * _STATE + 6 * _CACHE),
        "the layers exchanged",
        "Of four layers, three have a state and one has attention.",
        _LAYERS,
    ),
    (
        "b",
        8 * _CACHE / (6 * 64 * 64 + 2 * _CACHE),
        "the state of one head",
        "A layer has a state for each of its 4 heads.",
        _LAYERS,
    ),
    (
        "b",
        8 * _CACHE / (6 * 256 * 256 + 2 * _CACHE),
        "one state as wide as all heads",
        "A head has a state of 64 · 64 numbers. Four heads have 4 · 64 · 64, "
        "not 256 · 256.",
        _LAYERS,
    ),
    (
        "b",
        8 * _CACHE / (6 * 4 * 64 + 2 * _CACHE),
        "a state of one vector",
        "A state holds a number for each *pair* of a key's and a value's "
        "numbers.",
        _LAYERS,
    ),
    (
        "b",
        8 * _CACHE / (6 * 2 * _STATE + 2 * _CACHE),
        "two states a layer, or a cache of keys alone",
        "A layer with a state keeps one table of d_k · d_v numbers for each "
        "head. A layer with attention keeps keys and values.",
        _LAYERS,
    ),
    (
        "b",
        float(6 * _STATE + 2 * _CACHE),
        "what the hybrid keeps",
        "This is how many numbers the hybrid keeps.",
        "How many times as many does attention alone keep?",
    ),
    (
        "c",
        4.0,
        "without the router",
        "These are the experts alone. The router has weights too, 64 · 8.",
        _WEIGHTS,
    ),
    (
        "c",
        1 + 512 / 32768,
        "the weights of one token",
        "A token uses 2 experts, but the layer has 8.",
        _WEIGHTS,
    ),
    (
        "c",
        1.0,
        "the weights of one token, without the router",
        "This is what one token uses. The layer has more weights.",
        _WEIGHTS,
    ),
    (
        "c",
        8 + 512 / 32768,
        "experts as wide as the dense layer",
        "An expert has 128 hidden numbers, half of the dense layer's 256.",
        _WEIGHTS,
    ),
    (
        "c",
        8.0,
        "the number of experts",
        "An expert has half of the dense layer's weights.",
        _WEIGHTS,
    ),
    (
        "c",
        2.0,
        "the number of chosen experts",
        "All 8 experts are in the layer, each of half the dense layer's size.",
        _WEIGHTS,
    ),
    (
        "c",
        2 + 512 / 32768,
        "one matrix an expert",
        "An expert has two matrices, as the dense layer has.",
        _WEIGHTS,
    ),
    (
        "c",
        32768 / (131072 + 512),
        "upside down",
        "You divided the dense layer's weights by those of the experts.",
        "The answer is above 1.",
    ),
    (
        "c",
        131584.0,
        "the weights of the experts",
        "This is how many weights the layer with experts has.",
        "Divide by the dense layer's, 2 · 64 · 256.",
    ),
    (
        "d",
        0.7,
        "without the factor E",
        "This is the sum of f · P. The loss multiplies it by E.",
        _LOSS,
    ),
    (
        "d",
        1.0,
        "the loss of an even load",
        "This is the value when the load is even. Here one expert gets all.",
        _LOSS,
    ),
    (
        "d",
        4.0,
        "counts used twice",
        "You took the load for the probability: E · Σ f². The second factor "
        "is the mean probability.",
        _LOSS,
    ),
    (
        "d",
        4 * (0.49 + 0.03),
        "probabilities used twice",
        "You took the probability for the load: E · Σ P². The first factor "
        "is the share of the choices.",
        _LOSS,
    ),
    (
        "d",
        0.175,
        "a mean over experts",
        "You divided the sum by E. The loss multiplies it by E.",
        _LOSS,
    ),
    (
        "d",
        11.2,
        "E twice",
        "You multiplied by E twice: f and P each sum to 1.",
        _LOSS,
    ),
    (
        "d",
        0.25,
        "an even share",
        "This is the share of one of four experts.",
        _LOSS,
    ),
    (
        "e",
        0.512 / 1.512,
        "a fraction, not a percentage",
        "The number is right as a fraction. The question asks for percent.",
        "Multiply by 100.",
    ),
    (
        "f",
        0.2 / 0.7,
        "a fraction, not a percentage",
        "The number is right as a fraction. The question asks for percent.",
        "Multiply by 100.",
    ),
    (
        "e",
        100 * 1 / 3,
        "a third",
        "The old value has a weight of 0.8³ when the new one has 1.",
        _DECAYS,
    ),
    (
        "e",
        100 * 0.512,
        "the weight, not the share",
        "This is the weight of the old value. Its share is that weight "
        "divided by the sum of both.",
        _DECAYS,
    ),
    (
        "e",
        100 * 0.64 / 1.64,
        "two decays",
        "From token 1 to token 4 there are three decays.",
        _DECAYS,
    ),
    (
        "e",
        100 * 0.4096 / 1.4096,
        "four decays",
        "What token 1 writes is not decayed by token 1 itself. From token 1 "
        "to token 4 there are three decays.",
        _DECAYS,
    ),
    (
        "e",
        100 * 0.8 / 1.8,
        "one decay",
        "Each token decays the state, also those that write under other keys.",
        _DECAYS,
    ),
    (
        "e",
        50.0,
        "no decay",
        "Each token multiplies the state by 0.8 before it writes.",
        _DECAYS,
    ),
    (
        "e",
        0.0,
        "an old value that is overwritten",
        "This rule adds. It does not take away what stands under the key.",
        _DECAYS,
    ),
    (
        "e",
        100 * 1 / 1.512,
        "the share of the new value",
        "This is the share of the new value.",
        "Which of the two values was written first?",
    ),
    (
        "e",
        20.0,
        "what one decay takes away",
        "0.2 is what a decay of 0.8 takes away from a number.",
        _DECAYS,
    ),
    (
        "e",
        100 * 0.512 / (0.512 + 0.64 + 0.8 + 1),
        "values of other keys",
        "The keys in between are orthogonal: a query with this key does not "
        "read their values.",
        _DECAYS,
    ),
    (
        "f",
        100 * 1 / 3,
        "without the decay, or with the decay at the end",
        "Without a decay, or with the decay after the write, the old value "
        "has half the weight of the new one. Here the state decays first.",
        _DELTA,
    ),
    (
        "f",
        100 * 0.15 / 0.65,
        "decay after the error",
        "You took the error against the state before its decay: 0.5, not 0.4.",
        _DELTA,
    ),
    (
        "f",
        20.0,
        "the weight, not the share",
        "This is the weight of the old value, 0.2. Its share is that weight "
        "divided by the sum of both.",
        "The new value has the weight 0.5.",
    ),
    (
        "f",
        0.0,
        "a strength of 1",
        "With β = 1 the old value would be gone. With β = 0.5 half of it "
        "is left.",
        _DELTA,
    ),
    (
        "f",
        100 * 0.4 / 0.9,
        "no error, or a decay alone",
        "You took nothing of the old value away, beyond its decay.",
        "The error is v - 0.4 · (the old value).",
    ),
    (
        "f",
        100 * 0.5 / 0.7,
        "the share of the new value",
        "This is the share of the new value.",
        "Which of the two values was written first?",
    ),
    (
        "f",
        100 * 0.16 / 0.66,
        "the first write decayed twice",
        "What the first token writes is not decayed by the first token "
        "itself.",
        _DELTA,
    ),
    (
        "f",
        50.0,
        "half",
        "β = 0.5 leaves half of the old value's weight of 0.4, and the new "
        "value has 0.5.",
        _DELTA,
    ),
    (
        "a",
        126.0,
        "two powers too early",
        "2^126 and 2^127 are numbers of single precision.",
        _POWERS,
    ),
    (
        "a",
        256.0,
        "the number of exponents",
        "An exponent has 8 binary digits, and half of its values are below "
        "0. The largest power is 2^127.",
        _POWERS,
    ),
    (
        "a",
        23.0,
        "the stored digits of a number",
        "Single precision stores 23 binary digits. Here the exponent "
        "overflows.",
        _POWERS,
    ),
    (
        "a",
        39.0,
        "a power of ten, rounded up",
        "10^39 is the first power of ten that is infinite. Here 2 is raised "
        "to a power.",
        _POWERS,
    ),
    (
        "e",
        100 * (1 - 0.512),
        "what the decays take away",
        "This is what three decays take away from the old value.",
        _DECAYS,
    ),
]
