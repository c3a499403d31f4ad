"""The tests of a profile inside its file: a JSON document, the table as JSON records, the planes as one npz."""

from __future__ import annotations

import dataclasses
import io
import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp._value import Value
from topo_interp.inference.detectable import Detectable
from topo_interp.inference.loop_plane import LoopPlane
from topo_interp.inference.pipeline import name_of
from topo_interp.inference.significance import Significance
from topo_interp.profile_significance import ProfileTests

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["tests_from", "tests_to"]

_INTEGERS = {"dim": "Int64", "tests": "int64", "draws": "int64"}


@dataclasses.dataclass(frozen=True)
class _NameOnly(Value, kind="name_only"):
    """In the place of a statistic that is a function, of which a file holds the name."""

    name: str

    def __call__(self, diagrams: Any) -> float:
        raise InputError(f"the file holds only the name of the statistic {self.name!r}, a function: give the function itself to test with it again")


def tests_to(tests: ProfileTests) -> tuple[dict[str, Any], bytes]:
    """A document of plain JSON types, and the bytes of an npz."""
    arrays: dict[str, np.ndarray] = {}
    planes = []
    for site, (recipe, *pair) in tests.planes.items():
        numbers = []
        for which, plane in zip(("data", "null"), pair, strict=True):
            key = f"{len(planes):05d}_{which}"
            arrays[f"{key}_coordinates"], arrays[f"{key}_edges"] = plane.coordinates, plane.edges
            numbers.append([plane.birth, plane.death, plane.scale, plane.share])
        planes.append([site, recipe, numbers])
    summaries = tests.how.summaries and [s if isinstance(s, Value) else _NameOnly(name_of(s)) for s in tests.how.summaries]
    document = {
        "how": dataclasses.replace(tests.how, summaries=summaries).to_dict(),
        "table": [{key: _plain(value) for key, value in row.items()} for row in tests.table.to_dict("records")],
        "detectable": [
            [site, recipe, {key: _plain(value) for key, value in dataclasses.asdict(found).items()}]
            for site, (recipe, found) in tests.detectable.items()
        ],
        "undetermined": dict(tests.undetermined),
        "planes": planes,
        "untested": [[*pair, reason] for pair, reason in tests.untested.items()],
    }
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    return document, stream.getvalue()


def tests_from(document: dict[str, Any], content: bytes) -> ProfileTests:
    """The tests behind :func:`tests_to`."""
    import json

    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        planes = {}
        for number, (site, recipe, numbers) in enumerate(document["planes"]):
            keys = [f"{number:05d}_{which}" for which in ("data", "null")]
            data, null = (
                LoopPlane(arrays[f"{key}_coordinates"], arrays[f"{key}_edges"], *map(float, row))
                for key, row in zip(keys, numbers, strict=True)
            )
            planes[site] = (recipe, data, null)
    return ProfileTests(
        how=Significance.from_json(json.dumps(document["how"])),
        table=_table(document["table"]),
        detectable=MappingProxyType({site: (recipe, _found(plain)) for site, recipe, plain in document["detectable"]}),
        undetermined=MappingProxyType(document["undetermined"]),
        planes=MappingProxyType(planes),
        untested=MappingProxyType({(site, recipe): reason for site, recipe, reason in document["untested"]}),
    )


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows).astype(_INTEGERS)


def _found(plain: dict[str, Any]) -> Detectable:
    plain = {**plain, "interval": tuple(plain["interval"]), "tried": tuple((ratio, count) for ratio, count in plain["tried"])}
    return Detectable(**{key: float(value) if key in ("ratio", "radius") else value for key, value in plain.items()})


def _plain(value: Any) -> Any:
    if value is None or type(value).__name__ == "NAType":
        return None
    if isinstance(value, np.generic):
        value = value.item()
    # JSON has no infinity; float() reads the text back.
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
