"""What comes of a call, and whether two calls come to the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attnbook.judging.comparison import (
    RANKS,
    Difference,
    differences,
    kind_of,
    plainly_near,
    row_sums,
)


@dataclass
class Outcome:
    """What came of one call: data only, so that it can be compared.

    ``changed`` names the inputs that the call has changed in place.
    """

    output: Any = None
    changed: tuple[str, ...] = ()
    gradients: list | None = None
    error: Exception | None = None
    stage: str = "call"  # or "gradients": where the error was raised

    def without_gradients(self) -> Outcome:
        """Return what came of the call alone."""
        error = self.error if self.stage == "call" else None
        return Outcome(self.output, self.changed, error=error)


@dataclass(frozen=True)
class Outputs:
    """What an exercise asks for: names, axes and tolerance of its outputs.

    The parameters are those of :class:`attnbook.judging.exercise.Exercise`;
    ``counted`` names the outputs that count, where not all do.
    """

    names: Sequence[str]
    axes: Mapping[str, str]
    tolerance: float
    counted: Sequence[str] = ()

    def differences(self, expected: Any, got: Any) -> list[Difference]:
        """Return the differences between two outputs, the gravest first."""
        named = isinstance(expected, tuple) and len(self.names) == len(
            expected
        )
        if named and self._are_all(got):
            found = self._named_differences(expected, got)
        elif named:
            names = ", ".join(self.names)
            found = [
                Difference(
                    RANKS["type"],
                    "type",
                    (f"expected a tuple ({names}), got {kind_of(got)}.",),
                )
            ]
        else:
            found = differences(
                expected, got, "output", self.tolerance, self.axes
            )
        return sorted(found, key=lambda difference: difference.rank)

    def _named_differences(
        self, expected: Sequence, got: Sequence
    ) -> list[Difference]:
        found = []
        for name, one, other in sorted(
            self._counted_pairs(expected, got),
            key=lambda each: each[0] != "weights",
        ):
            some = differences(one, other, name, self.tolerance, self.axes)
            if name == "weights" and some and some[0].kind == "value":
                sums = row_sums(one, other, name)
                lines = (*sums, *some[0].lines)
                some = [Difference(some[0].rank, some[0].kind, lines)]
            found += some
        return found

    def gradient_differences(
        self, expected: Any, got: Any, name: str = ""
    ) -> list[Difference]:
        """Compare gradients, which gather more rounding than outputs."""
        return differences(expected, got, name, self.tolerance * 10)

    def same(self, one: Outcome, other: Outcome) -> bool:
        """Say whether two answers did the same on one case or property."""
        if one.error is not None or other.error is not None:
            return (
                type(one.error) is type(other.error)
                and one.stage == other.stage
                and _is_in_place(one.error) == _is_in_place(other.error)
            )
        if one.changed != other.changed:
            return False
        if self._differ(one.output, other.output):
            return False
        if (one.gradients is None) != (other.gradients is None):
            return False
        return one.gradients is None or not self.gradient_differences(
            one.gradients, other.gradients
        )

    def _differ(self, expected: Any, got: Any) -> bool:
        """Say whether there are differences, without words if it is plain."""
        pairs = [("", expected, got)]
        if self._are_all(expected) and self._are_all(got):
            pairs = self._counted_pairs(expected, got)
        near = [
            plainly_near(one, other, self.tolerance) for _, one, other in pairs
        ]
        if False in near:
            return True
        return None in near and bool(self.differences(expected, got))

    def _are_all(self, outputs: Any) -> bool:
        return isinstance(outputs, (tuple, list)) and len(outputs) == len(
            self.names
        )

    def _counted_pairs(
        self, expected: Sequence, got: Sequence
    ) -> list[tuple[str, Any, Any]]:
        return [
            (name, one, other)
            for name, one, other in zip(self.names, expected, got, strict=True)
            if not self.counted or name in self.counted
        ]


def _is_in_place(error: Exception | None) -> bool:
    """Say whether autograd met a tensor that was changed in place."""
    return "modified by an inplace operation" in str(error)
