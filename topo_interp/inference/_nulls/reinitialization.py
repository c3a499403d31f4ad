"""The null of a network that has learned nothing: the same capture from fresh random weights."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp.arrays import as_points
from topo_interp.inference._nulls.base import Draw, Null

if TYPE_CHECKING:
    import pandas

__all__ = ["Reinitialized", "reinitialized"]

@dataclasses.dataclass(frozen=True)
class Reinitialized(Null, kind="reinitialized"):
    """See :func:`reinitialized`."""

    factory: str

    reads_points = False

    def __post_init__(self) -> None:
        _resolve(self.factory)

    def prepare(self, n: int, rng: np.random.Generator, rows_table: pandas.DataFrame | None = None) -> Draw:
        return _Recaptured(_resolve(self.factory)(int(rng.integers(2**31))), self.factory)

    def covers(self, groups: Sequence[str]) -> bool:
        return True  # the same inputs are captured again, with whatever design they have


@dataclasses.dataclass(frozen=True, eq=False)
class _Recaptured(Draw):
    captured: Any
    factory: str

    def points(self, points: np.ndarray, *, site: str = "", member: int = 0) -> np.ndarray:
        source = self.captured
        if isinstance(source, Mapping):
            if site not in source:
                where = f"not the site {site!r}; capture the same sites" if site else "points without a site were given; give a cloud of a store"
                raise InputError(f"{self.factory} captured the sites {sorted(source)}, and {where}")
            source = source[site]
        fresh = as_points(source, name=f"the capture of {self.factory}")
        if fresh.shape != points.shape:
            raise InputError(
                f"{self.factory} captured {fresh.shape[0]} rows of {fresh.shape[1]} coordinates and the cloud has {points.shape[0]} of "
                f"{points.shape[1]}; use the same inputs and a model of the same shape"
            )
        return fresh


def reinitialized(factory: Any) -> Reinitialized:
    """The same capture from a model with fresh random weights: what the architecture and the inputs do by themselves.

    >>> import sys, types
    >>> import topo_interp as ti
    >>> module = sys.modules["my_capture"] = types.ModuleType("my_capture")  # stands for a file my_capture.py
    >>> module.fresh = lambda seed: np.random.default_rng(seed).normal(size=(3, 2))
    >>> null = reinitialized("my_capture:fresh")
    >>> null.draw(np.zeros((3, 2)), ti.nulls.draw_rng(0, 0)).shape
    (3, 2)

    Args:
        factory: ``factory(seed)`` re-initializes the model, captures the same inputs and returns the points ``(n, d)``, or a
            mapping from site to points (a store). It must be importable, because a null is a value: give the function
            itself or ``"module:name"``.

    Raises:
        InputError: a factory that can not be imported by its name; when it is drawn, another number of rows or of coordinates, or a missing site.

    Cost: one capture a draw.
    """
    if isinstance(factory, str):
        return Reinitialized(factory)
    name = f"{getattr(factory, '__module__', '?')}:{getattr(factory, '__qualname__', type(factory).__name__)}"
    try:
        found = _resolve(name)
    except InputError:
        found = None
    if found is not factory:
        raise InputError(
            f"the factory {name} can not be imported by its name, and a null must be storable: define it with def at the "
            "top of a module and give that function, or 'module:name'"
        )
    return Reinitialized(name)


def _resolve(name: str) -> Any:
    import importlib

    module, colon, path = str(name).partition(":")
    if not colon:
        raise InputError(f"the factory is {name!r}; 'module:name' of a function is needed")
    try:
        found = functools.reduce(getattr, path.split("."), importlib.import_module(module))
    except (ImportError, AttributeError) as error:
        raise InputError(f"the factory {name!r} can not be imported ({error}); give 'module:name' of a function") from None
    if not callable(found):
        raise InputError(f"the factory {name!r} is {found!r}, which can not be called; give 'module:name' of a function of a seed")
    try:
        inspect.signature(found).bind(0)
    except TypeError as error:
        raise InputError(f"the factory {name!r} can not be called with a seed ({error}); write it as def {path.split('.')[-1]}(seed)") from None
    except ValueError:
        pass  # one in C, which has no signature
    return found
