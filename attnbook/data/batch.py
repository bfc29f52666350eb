"""Examples, and batches of them padded to one length."""

from dataclasses import dataclass, field, fields

import numpy as np
import torch

from attnbook.data.vocabulary import BOS, EOS


@dataclass(frozen=True)
class Example:
    """One number in words with its digits.

    source     S tokens
    target     T digits, a string
    alignment  (T, S) bool: True where the digit comes from the token
    length     pairs of a telephone number, digits of a number in words
    """

    source: tuple[str, ...]
    target: str
    alignment: np.ndarray = field(repr=False, compare=False)
    length: int


@dataclass(frozen=True)
class Batch:
    """B examples, padded at the end; T counts the digits and one EOS.

    source       (B, S) long
    source_mask  (B, S) bool, True at a token, False at padding
    target_in    (B, T) long, BOS and the digits
    target_out   (B, T) long, the digits and EOS
    target_mask  (B, T) bool, True at a digit or EOS
    alignment    (B, T, S) bool, True where the digit comes from the token;
                 the row of EOS is all False
    length       (B,) long, in pairs or in digits
    """

    source: torch.Tensor
    source_mask: torch.Tensor
    target_in: torch.Tensor
    target_out: torch.Tensor
    target_mask: torch.Tensor
    alignment: torch.Tensor
    length: torch.Tensor

    def __len__(self):
        return len(self.source)

    def __repr__(self):
        B, T, S = self.alignment.shape
        return f"Batch(B={B}, S={S}, T={T})"

    def to(self, device):
        """Return the batch with all its tensors on a device."""
        return Batch(
            **{
                part.name: getattr(self, part.name).to(device)
                for part in fields(self)
            }
        )


def padded_batch(source, source_lengths, digits, counts, alignment, length):
    """Make a Batch of padded arrays.

    source          (B, S) token numbers, PAD at the end
    source_lengths  (B,) tokens of each
    digits          (B, T) token numbers of the digits, PAD at the end
    counts          (B,) digits of each
    alignment       (B, T, S) bool
    length          (B,)
    """
    B, T = digits.shape
    S = source.shape[1]
    rows = np.arange(B)
    target_in = np.zeros((B, T + 1), np.int64)
    target_in[:, 0] = BOS
    target_in[:, 1:] = digits
    target_out = np.zeros((B, T + 1), np.int64)
    target_out[:, :T] = digits
    target_out[rows, counts] = EOS
    aligned = np.zeros((B, T + 1, S), bool)
    aligned[:, :T] = alignment
    return Batch(
        source=torch.from_numpy(source),
        source_mask=torch.from_numpy(np.arange(S) < source_lengths[:, None]),
        target_in=torch.from_numpy(target_in),
        target_out=torch.from_numpy(target_out),
        target_mask=torch.from_numpy(np.arange(T + 1) <= counts[:, None]),
        alignment=torch.from_numpy(aligned),
        length=torch.from_numpy(np.asarray(length, np.int64)),
    )
