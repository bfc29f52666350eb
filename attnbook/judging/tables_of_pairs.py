"""No table of all pairs: what an answer holds, against queries times keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from attnbook.judging.fresh_cases import seed_from
from attnbook.judging.parts import Case, Property
from attnbook.judging.watching import largest_tensor

NO_TABLE = "No tensor has an entry for each pair of a query and a key."
HALF_A_TABLE = (
    "All tensors that are held at once have together fewer numbers than half "
    "a table with an entry for each pair of a query and a key."
)


def no_table(
    case: Callable[..., Case],
    look: str,
    sentence: str = NO_TABLE,
    watch: Callable = largest_tensor,
    seed: int = 0,
    tries: int = 1,
    **sizes: tuple[int, int, int],
) -> Property:
    """Make a property: what is watched stays below half of all pairs.

    Parameters
    ----------
    case
        ``case(seed=seed, n=n, …)`` returns a case of one text, one or a few
        heads, ``n`` queries and ``n`` keys.
    look, sentence
        As of :class:`attnbook.judging.parts.Property`.
    watch
        What is counted in numbers, of :mod:`attnbook.judging.watching`.
    seed
        That of the case in the notebook.
    tries
        How often it is measured, each time with one token more, until it
        holds: what other threads take meanwhile may be counted too.
    sizes
        ``n`` and the other sizes: each as the notebook has it, then the
        least and the most of what is drawn anew.

    Returns
    -------
    Property
        It holds where fewer than n² / 2 numbers are seen.
    """
    shown = {name: least for name, (least, *_) in sizes.items()}
    return Property(
        sentence,
        partial(_holds, case, watch, tries, {"seed": seed, **shown}),
        look,
        anew=partial(_drawn_anew, case, watch, tries, sizes),
    )


def _holds(
    case: Callable[..., Case],
    watch: Callable,
    tries: int,
    sizes: Mapping[str, int],
    answer: Callable,
) -> bool:
    for more in range(tries):
        n = sizes["n"] + more
        arguments = case(**{**sizes, "n": n}).arguments
        with watch(answer) as seen:
            answer(*arguments)
        if seen.amount < n**2 // 2:
            return True
    return False


def _drawn_anew(
    case: Callable[..., Case],
    watch: Callable,
    tries: int,
    sizes: Mapping[str, tuple[int, int, int]],
    seed: int,
) -> Callable[[Callable], bool]:
    random = np.random.default_rng(seed)
    drawn = {"seed": seed_from(random) % 10**6}
    for name, (_, least, most) in sizes.items():
        drawn[name] = int(random.integers(least, most + 1))
    return partial(_holds, case, watch, tries, drawn)
