"""Tokens and their numbers."""

from collections.abc import Iterable

PAD, BOS, EOS = 0, 1, 2
SPECIAL = ("<pad>", "<bos>", "<eos>")


class Vocabulary:
    """A numbered list of tokens; the first three are special.

    Number 0 pads (PAD), 1 begins a sequence (BOS) and 2 ends it (EOS).

    tokens  all tokens by number, the special ones first
    """

    PAD, BOS, EOS = PAD, BOS, EOS

    def __init__(self, tokens: Iterable[str]):
        self.tokens = SPECIAL + tuple(dict.fromkeys(tokens))
        self._ids = {token: at for at, token in enumerate(self.tokens)}
        if len(self._ids) != len(self.tokens):
            raise ValueError(f"tokens must not be one of {SPECIAL}")

    def __len__(self):
        return len(self.tokens)

    def __repr__(self):
        return f"Vocabulary({len(self)} tokens)"

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """Return the number of each token.

        Raises ValueError for a token that is not in the vocabulary.
        """
        try:
            return [self._ids[token] for token in tokens]
        except KeyError as error:
            raise ValueError(
                f"unknown token {error.args[0]!r}: expected one of the "
                f"{len(self)} tokens of this vocabulary, listed in .tokens"
            ) from None

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Return the tokens up to EOS; PAD and BOS are left out.

        Takes a list, a NumPy array or a torch tensor, one-dimensional.
        Raises ValueError for a number that is not in the vocabulary.
        """
        tokens = []
        for at in map(int, ids):
            if not 0 <= at < len(self):
                raise ValueError(
                    f"unknown token number {at}: expected 0 to {len(self) - 1}"
                )
            if at == EOS:
                break
            if at not in (PAD, BOS):
                tokens.append(self.tokens[at])
        return tokens
