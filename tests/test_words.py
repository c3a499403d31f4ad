"""Numbers in sentences."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from topo_interp._words import counted, upper


def test_one_has_no_s():
    assert [counted(k, "row") for k in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]


@given(st.floats(min_value=0, max_value=1e300), st.integers(1, 6))
def test_a_printed_bound_is_a_bound_and_not_a_loose_one(bound, digits):
    printed = float(upper(bound, digits))
    assert bound <= printed <= bound * (1 + 10.0 ** (1 - digits)) * (1 + 1e-15)


def test_no_bound_is_printed_as_none():
    assert upper(math.inf) == "inf" and upper(0.0) == "0"
