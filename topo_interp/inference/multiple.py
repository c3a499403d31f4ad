"""Many tests at once: the studentized maximum with shared draws, and Benjamini-Hochberg for exploration."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from topo_interp._arguments import as_numbers
from topo_interp._errors import InputError
from topo_interp.inference.estimate import ROUNDING, reached

__all__ = ["MaxT", "benjamini_hochberg", "max_t", "studentized"]


@dataclasses.dataclass(frozen=True, eq=False)
class MaxT:
    """The result of :func:`max_t`.

    Attributes:
        p_values: float64 (tests,), adjusted for all tests.
        unadjusted: float64 (tests,), each test by itself.
        t: float64 (tests,), the studentized observed values.
        null_mean, null_sd: float64 (tests,), over the draws.
        largest: float64 (draws,), the largest studentized statistic of each draw: the null of the family.
    """

    p_values: np.ndarray
    unadjusted: np.ndarray
    t: np.ndarray
    null_mean: np.ndarray
    null_sd: np.ndarray
    largest: np.ndarray

    @property
    def tests(self) -> int:
        """How many tests the p-values are adjusted for."""
        return len(self.p_values)

    @property
    def draws(self) -> int:
        """Number of draws."""
        return len(self.largest)

    def p_of(self, t: float, slack: float) -> float:
        """The adjusted p-value of a t and its rounding: the share of the draws (with the observation) whose largest reaches it."""
        return float(_adjusted(self.largest, np.array([t]), slack)[0])

    def explain(self, alpha: float = 0.05) -> str:
        """One sentence on the family of tests."""
        found = int((self.p_values <= alpha).sum())
        return (
            f"{found} of {self.tests} tests have p <= {alpha:g} after max-T over all {self.tests} of them with {self.draws} "
            f"shared draws (smallest attainable p: {1 / (1 + self.draws):.3g})."
        )


def max_t(values: Any, null_values: Any, rounding: Any = 0.0) -> MaxT:
    """Westfall-Young p-values from shared draws: each statistic studentized by its own null, then the maximum over tests.

    Every statistic has the mean of its test subtracted and is divided by the standard deviation of its test. Both are taken
    over the observed value and the draws together: under the null these are exchangeable, and only a symmetric function
    of them keeps the p-value exact at every number of draws. The adjusted p-value of a test is the share of the draws
    (with the observation) whose *largest* statistic reaches it. Unlike the minimum of p-values, this has power with few
    draws: 99 draws can find one effect of six standard deviations among 78 tests.

    Args:
        values: (tests,) observed statistics, large values speak against the null.
        null_values: (draws, tests); one row is one draw shared by all tests.
        rounding: (tests,) how far rounding can have moved each statistic, beside that of float64; what it could tie is tied.

    Raises:
        InputError: shapes that do not fit, fewer than two draws, or a statistic that is not finite.

    Source: Westfall and Young, Resampling-Based Multiple Testing (1993).

    >>> rng = np.random.default_rng(0)
    >>> result = max_t([6.0, 0.0, 0.0], rng.normal(size=(99, 3)))
    >>> float(result.p_values[0]), result.tests
    (0.01, 3)
    """
    values, null_values = as_numbers(values, "values"), as_numbers(null_values, "null_values")
    if values.ndim != 1 or null_values.ndim != 2 or null_values.shape[1:] != values.shape or len(null_values) < 2:
        raise InputError(
            f"values have shape {values.shape} and null_values {null_values.shape}; (tests,) and (draws, tests) with at least "
            "two draws are needed"
        )
    together = np.concatenate((values[None], null_values))
    if values.size == 0 or not np.isfinite(together).all():
        bad = "there is no test" if values.size == 0 else f"test {int(np.flatnonzero(~np.isfinite(together).all(axis=0))[0])}"
        raise InputError(f"{bad}: finite statistics are needed in the observation and in every draw")
    sd = together.std(axis=0, ddof=1)
    # A statistic that never changes (an empty diagram in every draw) is no evidence, and must not stand in the maximum.
    moved = ROUNDING * np.abs(together).max(axis=0) + np.asarray(rounding)
    changes = sd > moved
    t = np.divide(together - together.mean(axis=0), sd, out=np.full_like(together, -np.inf), where=changes)
    # A tie that rounding broke is a tie: each test's values are known up to their rounding, in units of its own deviation.
    slack = np.divide(moved, sd, out=np.zeros_like(sd), where=changes)
    largest = (t[1:] + slack).max(axis=1)
    return MaxT(
        p_values=_adjusted(largest, t[0], slack),
        unadjusted=(1 + reached(values, null_values, rounding).sum(axis=0)) / (1 + len(null_values)),
        t=np.where(changes, t[0], 0.0),
        null_mean=null_values.mean(axis=0),
        null_sd=null_values.std(axis=0, ddof=1),
        largest=largest,
    )


def _adjusted(largest: np.ndarray, t: np.ndarray, slack: Any) -> np.ndarray:
    """p-values of these t, where what falls short of a draw's largest by no more than the slack is reached by it."""
    return (1 + (largest[:, None] >= t - slack).sum(axis=0)) / (1 + len(largest))


def studentized(value: float, null_values: np.ndarray, draws: int, rounding: float = 0.0) -> tuple[float, float]:
    """The t that :func:`max_t` gives a value beside ``draws`` draws whose mean and deviation are those of these draws, and its rounding.

    It puts a test with few draws of its own among the tests of a family with many. max_t takes the mean and the deviation over the
    observation and its N draws together; with m and s of the draws alone and a = value - m, that is
    ``t = a N / (N + 1) / sqrt(((N - 1) s^2 + a^2 N / (N + 1)) / N)``, which rises with a, to N / sqrt(N + 1) at most.

    >>> values = np.random.default_rng(0).normal(size=20)
    >>> float(abs(studentized(values[0], values[1:], 19)[0] - max_t(values[:1], values[1:, None]).t[0])) < 1e-12
    True

    Args:
        value: the observed statistic.
        null_values: (k,) statistics of at least two draws.
        draws: N, of the family.
        rounding: of the statistic, as for :func:`max_t`.
    """
    away, share = float(value - null_values.mean()), draws / (draws + 1)
    deviation = math.sqrt(((draws - 1) * float(null_values.var(ddof=1)) + away**2 * share) / draws)
    moved = ROUNDING * max(abs(value), float(np.abs(null_values).max())) + rounding
    return (away * share / deviation, moved / deviation) if deviation > moved else (-math.inf, 0.0)


def benjamini_hochberg(p_values: Any) -> np.ndarray:
    """Adjusted p-values that bound the false discovery *rate* of independent tests: for exploring, not for claims.

    >>> benjamini_hochberg([0.01, 0.04, 0.03, 0.5]).round(4)
    array([0.04  , 0.0533, 0.0533, 0.5   ])

    Args:
        p_values: (tests,), between 0 and 1.

    Raises:
        InputError: no p-value, or one out of range.

    Source: Benjamini and Hochberg, JRSS B 57 (1995).
    """
    p = as_numbers(p_values, "p_values")
    if p.ndim != 1 or p.size == 0 or not ((p >= 0) & (p <= 1)).all():
        raise InputError(f"p_values have shape {p.shape}; one axis of numbers between 0 and 1 is needed")
    order = np.argsort(p)
    scaled = p[order] * p.size / np.arange(1, p.size + 1)
    out = np.empty_like(p)
    out[order] = np.minimum.accumulate(scaled[::-1])[::-1].clip(max=1.0)
    return out

