from __future__ import annotations

import json
import math

import pytest

import topo_interp as ti


def test_shifts_add_and_the_worse_status_stays():
    rounding = ti.Certificate(terms=(ti.Term("rounding", 0.25, 0.25),), engine="links")
    landmarks = rounding.with_term(ti.Term("landmarks", 0.0, 2.0), status=ti.Status.BOUNDED)
    both = landmarks.with_term(ti.Term("projection", 1.0, 0.0), status=ti.Status.EXACT)
    assert (both.down, both.up, both.bottleneck_bound) == (1.25, 2.25, 2.25)
    assert both.status is ti.Status.BOUNDED
    assert rounding.terms == (ti.Term("rounding", 0.25, 0.25),)  # a value: the steps made new ones


@pytest.mark.parametrize(
    ("certificate", "sentence"),
    [
        (ti.Certificate(), "Exact for the stored distances; no source of error was recorded."),
        (
            ti.Certificate((ti.Term("landmarks", 0.0, 2.0),), ti.Status.BOUNDED),
            "Approximate, with a bound; the true births and deaths lie between 2 below and 0 above (landmarks -2/+0).",
        ),
        (
            ti.Certificate((ti.Term("rounding", 0.5, 0.5),), ti.Status.CENSORED, valid_to=1.5, engine="gudhi"),
            "Complete up to 1.5 and cut there (gudhi); births and deaths are within 0.5 of the true ones (rounding 0.5).",
        ),
        (ti.Certificate((ti.Term("a", math.inf, 0.0),), ti.Status.BOUNDED), "Approximate, with a bound; no finite bound is known (a -0/+inf)."),
        (ti.Certificate(status=ti.Status.FAILED, notes=("Why.",)), "The computation failed; nothing is certified. Why."),
    ],
)
def test_the_sentence(certificate, sentence):
    assert certificate.explain() == sentence
    plain = json.loads(json.dumps(certificate.to_dict(), allow_nan=False))
    assert ti.Certificate.from_dict(plain) == certificate


@pytest.mark.parametrize("shift", [-1.0, math.nan])
def test_a_shift_is_not_negative(shift):
    with pytest.raises(ti.InputError, match="a shift is a number >= 0"):
        ti.Term("rounding", 0.0, shift)
    with pytest.raises(ti.InputError, match="use math.inf when nothing was cut"):
        ti.Certificate(valid_to=math.nan)
