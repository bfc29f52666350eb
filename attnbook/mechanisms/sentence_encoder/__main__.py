"""Is the real encoder installed, and is it the published one?

python -m attnbook.mechanisms.sentence_encoder
"""

from __future__ import annotations

from attnbook.mechanisms.sentence_encoder import load_published

if __name__ == "__main__":
    encoder, _ = load_published()
    numbers = sum(weight.numel() for weight in encoder.parameters())
    print(f"verified and read: {numbers:,} weights of the real encoder")
