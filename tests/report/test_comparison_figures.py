"""The heat map of a table of comparisons."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import topo_interp as ti


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 4))
    a = ti.store_from_arrays({"encoder.b": x, "encoder.a": x[:, :2]})
    b = ti.store_from_arrays({"<b>": x + 1, "other": rng.normal(size=(20, 3)), "third": x[:, 2:]})
    return ti.compare(a, b, "information_imbalance")


def test_the_cells_are_the_table_in_its_order(frame):
    (heat,) = ti.plot_comparison(frame, "forward").data
    assert list(heat.y) == ["encoder.b", "encoder.a"] and list(heat.x) == ["&lt;b&gt;", "other", "third"]
    for line, site_a in zip(heat.z, ("encoder.b", "encoder.a"), strict=True):
        for z, site_b in zip(line, ("<b>", "other", "third"), strict=True):
            expected = frame.query("site_a == @site_a and site_b == @site_b")["forward"].item()
            assert z == pytest.approx(expected, rel=1e-5)
    assert ti.plot_comparison(frame).layout.yaxis.ticktext == ("b", "a")


def test_what_can_not_be_drawn(frame):
    with pytest.raises(ti.InputError, match="one is drawn"):
        ti.plot_comparison(pd.concat([frame, frame.assign(measure="cka")]))
    with pytest.raises(ti.InputError, match="'forward' or 'backward'"):
        ti.plot_comparison(frame, "n")
    with pytest.raises(ti.InputError, match="'encoder.b' and '<b>' more than once"):
        ti.plot_comparison(pd.concat([frame, frame]))
    for wrong in (None, frame.drop(columns="site_a"), frame.to_numpy()):
        with pytest.raises(ti.InputError, match=r"draw ti.compare\(a, b, 'cka'\)"):
            ti.plot_comparison(wrong)
