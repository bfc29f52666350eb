"""Sentences of the exercises of chapter 03, and the case that fails."""

SENTENCES = {
    "03-sink-attention": [
        (
            "Padding (mask False) gets weight 0, and takes no share.",
            "a mask after the softmax",
            "two heads",
        ),
        (
            "with one number $z_h$ for each head.",
            "one sink for all heads",
            "three heads",
        ),
        (
            "Your function must not return NaN for scores of 200,",
            "exponentials that overflow",
            "large scores",
        ),
    ],
}
