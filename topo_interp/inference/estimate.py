"""One number with what is known about its randomness."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp._value import Value, value_from_dict
from topo_interp._words import counted
from topo_interp.certificate import Certificate

__all__ = ["Estimate", "clopper_pearson", "draws_for", "monte_carlo_p", "reached", "spoken"]


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A statistic beside its null.

    Made by :func:`topo_interp.significance`.

    Attributes:
        value: the statistic T of the cloud.
        null_mean, null_sd: mean and standard deviation of T* over the draws.
        p_value: ``(1 + #{T* >= T}) / (1 + draws)``.
        smallest_p: ``1 / (1 + draws)``, the smallest p-value that this many draws can give.
        null: the null, a value.
        draws, seed: how many draws, and the seed that reproduces them.
        interval: of the p-value that infinitely many draws would give.
        interval_method: how the interval was made.
        certificate: how far the bars behind the value can be from the true ones.
        summary: name of the statistic.
        recipe: JSON of the recipe, "" when it has none.
        exceeding: number of draws with T* >= T.
        notes: sentences that belong beside the number.
    """

    value: float
    null_mean: float
    null_sd: float
    p_value: float
    smallest_p: float
    null: Value
    draws: int
    seed: int
    interval: tuple[float, float]
    interval_method: str
    certificate: Certificate
    summary: str = ""
    recipe: str = ""
    exceeding: int = 0
    notes: tuple[str, ...] = ()

    def explain(self) -> str:
        """One sentence that claims no more than was tested (and the notes)."""
        name = self.summary or "the statistic"
        at_floor = " (the smallest that this many draws can give)" if self.exceeding == 0 else ""
        head = (
            f"{name} = {self.value:.4g}, while {self.draws} draws of {spoken(self.null)} through the same pipeline gave "
            f"{self.null_mean:.4g} +- {self.null_sd:.2g} and reached it "
            f"{counted(self.exceeding, 'time')}: p = {self.p_value:.3g}{at_floor}, for this one test."
        )
        return " ".join((head, *self.notes))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        plain["null"] = self.null.to_dict()
        plain["certificate"] = self.certificate.to_dict()
        plain["interval"] = list(self.interval)
        plain["notes"] = list(self.notes)
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Estimate:
        """The estimate behind :meth:`to_dict`."""
        changed = {
            "null": value_from_dict(plain["null"]),
            "certificate": Certificate.from_dict(plain["certificate"]),
            "interval": tuple(plain["interval"]),
            "notes": tuple(plain["notes"]),
        }
        return cls(**{**plain, **changed})


# Numbers that differ by less, relative to the largest, are equal up to the rounding of float64.
ROUNDING = 1e-12


def reached(value: Any, null_values: Any, rounding: Any = 0.0) -> np.ndarray:
    """Which draws reach the value: ``T* >= T``, where what is equal up to rounding counts as reached.

    Permutations that exchange equal things give one number in exact arithmetic and several in float64, or in the float32 of
    distances; a draw that lost its tie to rounding would make the p-value too small.

    >>> reached(0.3, [0.1 + 0.2, 0.1, 0.3 - 1e-16]).tolist(), reached(0.3, [0.3 - 1e-8], rounding=1e-8).tolist()
    ([True, False, True], [True])

    Args:
        value: the observed statistic, or ``(tests,)`` of them.
        null_values: ``(draws,)`` or ``(draws, tests)``.
        rounding: how far rounding can have moved the observed statistic (and each draw as far), beside that of float64.
    """
    value, null_values = np.asarray(value, dtype=np.float64), np.asarray(null_values, dtype=np.float64)
    slack = ROUNDING * np.maximum(np.abs(value), np.abs(null_values).max(axis=0, initial=0.0)) + 2 * np.asarray(rounding)
    return null_values >= value - slack


def draws_for(alpha: float) -> int:
    """The smallest number of draws that can give a p-value of alpha or less.

    >>> draws_for(0.05), draws_for(0.03), draws_for(1.0)
    (19, 33, 1)
    """
    return max(1, math.ceil(1 / alpha - 1e-9) - 1)


def monte_carlo_p(exceeding: int, draws: int) -> float:
    """``(1 + exceeding) / (1 + draws)``: the observed value counts as one draw, which makes the test exact.

    >>> monte_carlo_p(0, 99)
    0.01
    """
    if not 0 <= exceeding <= draws or draws < 1:
        raise InputError(f"{exceeding} of {draws} draws is no count; at least one draw is needed")
    return (1 + exceeding) / (1 + draws)


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Exact (conservative) confidence interval of a probability.

    >>> tuple(round(end, 4) for end in clopper_pearson(0, 99))
    (0.0, 0.0366)
    """
    from scipy.stats import beta

    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else float(beta.ppf(tail, successes, trials - successes + 1))
    high = 1.0 if successes == trials else float(beta.ppf(1 - tail, successes + 1, trials - successes))
    return low, high


def finite(value: Any, where: str) -> float:
    """The value as a float; an error when it is no finite number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InputError(f"{where} gave {type(value).__name__} {value!r}; one number is needed") from None
    if not math.isfinite(number):
        raise InputError(
            f"{where} gave {number}; a test needs a finite number for every diagram, also an empty one: use a summary with a "
            "stated answer for that, such as ti.max_persistence(dim=1)"
        )
    return number


def spoken(null: Value) -> str:
    """The call that makes a null, without what is default."""
    arguments = ", ".join(
        f"{field.name}={getattr(null, field.name)!r}"
        for field in dataclasses.fields(null)
        if getattr(null, field.name) not in ((), None, "")
    )
    return f"{null.kind}({arguments})"
