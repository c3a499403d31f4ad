"""How far approximation and rounding can have moved a diagram, as composable one-sided shifts.

A term (down, up) is an interleaving between the computed filtration F and the true one G:
``G_t`` maps into ``F_(t + up)`` and ``F_t`` into ``G_(t + down)`` (up to homotopy), so that the true birth of a
bar with computed birth b lies in ``[b - up, b + down]``, and the death likewise. Interleavings compose, so the shifts add.
Source: Chazal, de Silva, Glisse, Oudot, The Structure and Stability of Persistence Modules (2016).
"""

from __future__ import annotations

import dataclasses
import enum
import math
from typing import Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp._words import upper

__all__ = ["Certificate", "Status", "Term"]


class Status(enum.IntEnum):
    """From best to worst. EXACT is combinatorially exact for the stored distances; rounding is always its own term.

    >>> max(Status.EXACT, Status.CENSORED).name
    'CENSORED'
    """

    EXACT = 0
    BOUNDED = 1
    CENSORED = 2
    FAILED = 3


@dataclasses.dataclass(frozen=True)
class Term:
    """One source of error with its one-sided shifts, in units of the filtration.

    >>> Term("landmarks", 0.0, 0.5).up
    0.5
    """

    source: str
    down: float
    up: float

    def __post_init__(self) -> None:
        for name in ("down", "up"):
            shift = getattr(self, name)
            if not isinstance(shift, (int, float, np.number)) or not (shift >= 0):  # also refuses NaN
                raise InputError(f"the {name} shift of the term {self.source!r} is {shift!r}; a shift is a number >= 0")


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What is known about the distance from the computed diagrams to the true ones.

    >>> certificate = Certificate(terms=(Term("rounding", 0.25, 0.25), Term("landmarks", 0.0, 0.5)), status=Status.BOUNDED)
    >>> certificate.down, certificate.up, certificate.bottleneck_bound
    (0.25, 0.75, 0.75)

    Attributes:
        terms: sources of error; their shifts add.
        status: EXACT < BOUNDED < CENSORED < FAILED, for the combinatorial part (rounding never lowers it).
        valid_to: largest filtration value up to which the diagrams are complete; ``inf`` when nothing was cut.
        engine: which algorithm ran, with its version.
        inputs: hashes of what went in.
        recipe: JSON of the recipe, or "" when there is none.
        notes: further sentences for the reader.
    """

    terms: tuple[Term, ...] = ()
    status: Status = Status.EXACT
    valid_to: float = math.inf
    engine: str = ""
    inputs: tuple[str, ...] = ()
    recipe: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", tuple(self.terms))
        object.__setattr__(self, "inputs", tuple(self.inputs))
        object.__setattr__(self, "notes", tuple(self.notes))
        object.__setattr__(self, "status", Status(self.status))
        if math.isnan(self.valid_to):
            raise InputError("valid_to is NaN; use math.inf when nothing was cut")

    @property
    def down(self) -> float:
        """Sum of the down shifts: the true value is at most the computed one plus this."""
        return math.fsum(term.down for term in self.terms)

    @property
    def up(self) -> float:
        """Sum of the up shifts: the true value is at least the computed one minus this."""
        return math.fsum(term.up for term in self.terms)

    @property
    def bottleneck_bound(self) -> float:
        """Bound on the bottleneck distance to the true diagram: max(down, up)."""
        return max(self.down, self.up)

    @property
    def rounding(self) -> float:
        """Bound on what rounding alone can have moved a birth or a death."""
        return math.fsum(max(term.down, term.up) for term in self.terms if term.source == "rounding")

    def with_term(self, term: Term, *, status: Status | None = None) -> Certificate:
        """The certificate after one more approximation; the worse status is kept."""
        worst = self.status if status is None else Status(max(self.status, status))
        return dataclasses.replace(self, terms=(*self.terms, term), status=worst)

    def explain(self) -> str:
        """One sentence (and the notes) for a reader who has not seen the theory.

        >>> Certificate(terms=(Term("rounding", 1e-7, 1e-7),), engine="ripser").explain()
        'Exact for the stored distances (ripser); births and deaths are within 1e-07 of the true ones (rounding 1e-07).'
        """
        if self.status is Status.FAILED:
            return " ".join(("The computation failed; nothing is certified.", *self.notes))
        head = "Exact for the stored distances" if self.status is Status.EXACT else "Approximate, with a bound"
        if self.status is Status.CENSORED:
            head = f"Complete up to {self.valid_to:.4g} and cut there"
        engine = f" ({self.engine})" if self.engine else ""
        if not self.terms:
            tail = "no source of error was recorded"
        else:
            parts = ", ".join(
                f"{t.source} {upper(t.up)}" if t.up == t.down else f"{t.source} -{upper(t.up)}/+{upper(t.down)}" for t in self.terms
            )
            if math.isinf(self.bottleneck_bound):
                tail = f"no finite bound is known ({parts})"
            elif self.up == self.down:
                tail = f"births and deaths are within {upper(self.up)} of the true ones ({parts})"
            else:
                tail = f"the true births and deaths lie between {upper(self.up)} below and {upper(self.down)} above ({parts})"
        return " ".join((f"{head}{engine}; {tail}.", *self.notes))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; infinities are written as the string "inf"."""
        out = dataclasses.asdict(self)
        out["terms"] = [[t.source, _number(t.down), _number(t.up)] for t in self.terms]
        out["status"] = self.status.name
        out["valid_to"] = _number(self.valid_to)
        out["inputs"] = list(self.inputs)
        out["notes"] = list(self.notes)
        return out

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Certificate:
        """The certificate behind :meth:`to_dict`."""
        terms = tuple(Term(source, float(down), float(up)) for source, down, up in plain["terms"])
        rest = {key: plain[key] for key in ("engine", "inputs", "recipe", "notes")}
        return cls(terms=terms, status=Status[plain["status"]], valid_to=float(plain["valid_to"]), **rest)


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else "inf"
