"""Which digit strings are held out: a tenth of them, by a hash.

The hash depends on the digits alone, not on a seed, a task, a level or a
language. A number that is held out is held out everywhere.
"""

import numpy as np

SPLITS = ("train", "held-out", "longer")


def held_out(digits, lengths):
    """Say for each digit string whether it is held out from training.

    digits   (N, T) whole numbers 0 to 9, each row filled up at the end
    lengths  (N,) how many digits of each row count

    Returns (N,) bool, True for about one row in ten. FNV-1a over the digits,
    then the finaliser of MurmurHash3, so that the last digits count in full.
    """
    digits = np.asarray(digits).astype(np.uint64)
    lengths = np.asarray(lengths)
    state = np.full(len(digits), 0xCBF29CE484222325, np.uint64)
    for column in range(digits.shape[1]):
        mixed = state ^ (digits[:, column] + np.uint64(ord("0")))
        mixed = mixed * np.uint64(0x100000001B3)
        state = np.where(column < lengths, mixed, state)
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        state = (state ^ (state >> np.uint64(33))) * np.uint64(factor)
    state = state ^ (state >> np.uint64(33))
    return state % np.uint64(10) == 0
