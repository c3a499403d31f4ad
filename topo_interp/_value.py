"""Frozen values that travel as JSON: recipes, steps, metrics, nulls and summaries are all of this kind.

A value is what defines a result, so its JSON (with the hash of the input) is the key of every cache.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from topo_interp._errors import InputError

__all__ = ["Value", "brief_call", "value_from_dict", "value_from_json"]

_KINDS: dict[str, type[Value]] = {}
V = TypeVar("V", bound="Value")


@dataclasses.dataclass(frozen=True)
class Value:
    """Base of the frozen values. Subclasses are frozen dataclasses and name themselves with ``kind``."""

    kind: ClassVar[str] = ""

    def __init_subclass__(cls, *, kind: str | None = None, **options: Any) -> None:
        super().__init_subclass__(**options)
        if kind is not None:
            if kind in _KINDS and _KINDS[kind].__qualname__ != cls.__qualname__:
                raise TypeError(f"two kinds of value are called {kind!r}: {_KINDS[kind]} and {cls}")
            cls.kind = kind
            _KINDS[kind] = cls

    def to_dict(self) -> dict[str, Any]:
        """``{"kind": ..., field: ...}`` of plain JSON types; nested values become such dicts too."""
        out: dict[str, Any] = {"kind": self.kind}
        for field in dataclasses.fields(self):
            out[field.name] = _plain(getattr(self, field.name), f"{self.kind}.{field.name}")
        return out

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces, no NaN."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)

    def digest(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    @classmethod
    def from_json(cls: type[V], text: str) -> V:  # noqa: PYI019  (Self needs Python 3.11)
        """The value written by :meth:`to_json`; an error if it is of another class."""
        value = value_from_json(text)
        if not isinstance(value, cls):
            raise InputError(f"the JSON holds a {type(value).__name__}, not a {cls.__name__}")
        return value


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, Value):
        return value.to_dict()
    if isinstance(value, (list, tuple)):
        return [_plain(item, where) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise InputError(f"{where} is a {type(value).__name__}, which JSON can not hold exactly; use numbers, strings or values")


def _revive(plain: Any) -> Any:
    if isinstance(plain, dict):
        return value_from_dict(plain)
    if isinstance(plain, list):
        return tuple(_revive(item) for item in plain)
    return plain


def value_from_dict(plain: dict[str, Any]) -> Value:
    """The value behind :meth:`Value.to_dict`; an error that lists the known kinds when there is none."""
    kind = plain.get("kind")
    if kind not in _KINDS:
        raise InputError(f"no kind of value is called {kind!r}; known: {', '.join(sorted(_KINDS))}")
    return _KINDS[kind](**{key: _revive(item) for key, item in plain.items() if key != "kind"})


def value_from_json(text: str) -> Value:
    """The value behind :meth:`Value.to_json`."""
    try:
        plain = json.loads(text)
    except (TypeError, json.JSONDecodeError) as error:
        raise InputError(f"the text of a value is no JSON: {error}; give what to_json wrote") from None
    if not isinstance(plain, dict):
        raise InputError(f"a value's JSON is an object with a 'kind', not a {type(plain).__name__}")
    return value_from_dict(plain)


def brief_call(value: Value, show: Callable[[Any], str] = repr) -> str:
    """The call that makes a value, without the arguments that are default: "pca(k=50)"."""
    parts = []
    for field in dataclasses.fields(value):
        given = getattr(value, field.name)
        if field.default is dataclasses.MISSING or given != field.default:
            parts.append(f"{field.name}={show(given)}")
    return f"{value.kind}({', '.join(parts)})"
