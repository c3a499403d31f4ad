"""All engines give the bars of the naive reduction, and the same bars as each other."""

from __future__ import annotations

import importlib.util
import sys
import warnings

import numpy as np
import pytest
from oracle_persistence import rips_bars

import topo_interp as ti
from topo_interp.homology.engines import choose_engine

ENGINES = ("links", "ripser", "giotto-ph", "gudhi", "spanning-tree")
HIGHEST = {"links": 1, "spanning-tree": 0}  # degree; the others have no limit


def shell_of_integers(n: int, dim: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, (n, dim)).astype(float)  # many ties and duplicates


CLOUDS = {
    "circle": ti.shapes.circle(30),
    "noisy circle": ti.shapes.noisy_circle(60, 0.2, 5, seed=1),
    "torus": ti.shapes.flat_torus(70, seed=2),
    "sphere": ti.shapes.sphere(40, seed=3),
    "projective plane": ti.shapes.projective_plane(40),
    "cross-polytope": ti.shapes.cross_polytope(4),
    "clusters": ti.shapes.clusters(50, 4, 3, seed=4),
    "noise in 50 dimensions": ti.shapes.gaussian(50, 50, seed=5),
    "integers with ties": shell_of_integers(50, 3, seed=6),
    "duplicates": np.repeat(ti.shapes.gaussian(15, 2, seed=7), 3, axis=0),
    "all equal": np.ones((12, 3)),
    "two points": np.array([[0.0], [2.0]]),
    "one point": np.array([[5.0]]),
    "a line": np.arange(20.0)[:, None] ** 1.5,
}


def test_every_engine_is_here():
    assert set(ENGINES) >= {"ripser", "gudhi", "giotto-ph"}
    assert importlib.util.find_spec("gph") is not None, "giotto-ph belongs to the test environment"
    assert len(CLOUDS) >= 8


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize(("max_dim", "field"), [(0, 2), (1, 2), (1, 3), (2, 2), (2, 3), (1, 41)])
def test_engines_agree(name, max_dim, field):
    matrix = ti.DistanceMatrix.from_points(CLOUDS[name])
    able = [engine for engine in ENGINES if max_dim <= HIGHEST.get(engine, max_dim)]
    for threshold in (None, 0.6 * matrix.median(), 1.01 * matrix.median()):
        recipe = ti.Rips(max_dim=max_dim, field=field, threshold=threshold)
        found = {engine: recipe(matrix, engine=engine) for engine in able}
        first = found["ripser"]
        assert np.count_nonzero(np.isinf(first.death)) >= 1
        for engine, d in found.items():
            assert ti.same_bars(d, first), (engine, threshold)
            assert d.censored_at == first.censored_at


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("field", [2, 3])
def test_engines_against_the_naive_reduction(engine, field):
    seen = 0
    for name, cloud in CLOUDS.items():
        matrix = ti.DistanceMatrix.from_points(cloud[:14])
        max_dim = HIGHEST.get(engine, 2)
        for share in (None, 0.9):
            threshold = None if share is None else share * matrix.median()
            d = ti.Rips(max_dim=max_dim, field=field, threshold=threshold)(matrix, engine=engine)
            expected = rips_bars(matrix.square(), max_dim, field, np.inf if threshold is None else threshold)
            ours = sorted((dim, birth, death) for dim, (birth, death) in d.to_gudhi())
            assert ours == expected, (name, threshold)
            seen += len(expected)
    assert seen > (300 if max_dim else 280)


def test_the_oracle_comparison_can_fail():
    matrix = ti.DistanceMatrix.from_points(CLOUDS["projective plane"][:14])
    d = ti.Rips(max_dim=2, field=2)(matrix)
    ours = sorted((dim, birth, death) for dim, (birth, death) in d.to_gudhi())
    assert ours == rips_bars(matrix.square(), 2, 2)
    assert ours != rips_bars(np.nextafter(matrix.square(), np.float32(9)), 2, 2)


@pytest.mark.parametrize("engine", ENGINES)
def test_bars_have_the_bits_of_the_matrix(engine):
    matrix = ti.DistanceMatrix.from_points(CLOUDS["noisy circle"])
    d = ti.Rips(max_dim=min(1, HIGHEST.get(engine, 1)))(matrix, engine=engine)
    allowed = {0.0, np.inf, *matrix.condensed.astype(np.float64).tolist()}
    assert set(d.birth.tolist()) | set(d.death.tolist()) <= allowed


def test_ripser_on_the_triangle_is_its_public_function():
    import ripser

    matrix = ti.DistanceMatrix.from_points(CLOUDS["torus"])
    public = ripser.ripser(matrix.square(), distance_matrix=True, maxdim=1, coeff=3)["dgms"]
    assert ti.same_bars(ti.Rips(field=3)(matrix, engine="ripser"), ti.Diagrams.from_bars(public))


@pytest.mark.parametrize("engine", ENGINES)
def test_no_engine_prints_or_warns(engine, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("duplicates", "all equal", "two points", "circle"):
            max_dim = min(1, HIGHEST.get(engine, 1))
            ti.Rips(max_dim=max_dim)(CLOUDS[name], engine=engine)
            ti.Rips(max_dim=max_dim, threshold=0.01)(CLOUDS[name], engine=engine)
    assert capfd.readouterr() == ("", "")


def test_largest_prime_of_each_engine_is_right():
    reference = ti.Rips(max_dim=2, field=2)(CLOUDS["sphere"])
    for engine in ENGINES:
        max_dim = min(1, HIGHEST.get(engine, 1))
        chosen = choose_engine(engine, ti.Rips(max_dim=max_dim), 40)
        d = ti.Rips(max_dim=max_dim, field=chosen.max_field)(CLOUDS["sphere"], engine=engine)
        assert np.array_equal(d[max_dim], reference[max_dim])  # no torsion here


def test_a_prime_too_large_is_refused_and_auto_finds_an_engine():
    recipe = ti.Rips(field=257)
    with pytest.raises(ti.InputError, match=r"'ripser' computes over Z/p for p up to 127, not 257; use engine='auto'"):
        recipe(CLOUDS["circle"], engine="ripser")
    assert recipe(CLOUDS["circle"]).certificate.engine.split()[0] in ("gudhi", "links")
    with pytest.raises(ti.InputError, match="no engine can compute this recipe on 30 points: .*127.*46337"):
        ti.Rips(max_dim=2, field=65537)(CLOUDS["circle"])


def test_index_overflow_is_refused_before_it_happens():
    with pytest.raises(ti.InputError, match="can not number the 5-simplices of 1000000 points in 55 bits"):
        choose_engine("ripser", ti.Rips(max_dim=4), 1_000_000)
    # Few simplices, but ripser's table of their numbers goes through the middle, and its overflow ends the process.
    with pytest.raises(ti.InputError, match="can not number the 51-simplices of 64 points in 55 bits"):
        choose_engine("ripser", ti.Rips(max_dim=50), 64)
    assert choose_engine("ripser", ti.Rips(max_dim=50), 56).name == "ripser"


def test_missing_engines_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gph", None)
    with pytest.raises(ti.MissingEngineError, match=r"'giotto-ph' is not installed: pip install giotto-ph"):
        ti.Rips()(CLOUDS["circle"], engine="giotto-ph")


def test_unknown_engines_are_named():
    with pytest.raises(ti.InputError, match=r"no engine is called 'riper'; there are 'auto', .*'ripser'"):
        ti.Rips()(CLOUDS["circle"], engine="riper")


def test_triangles_that_fill_no_loop_where_there_is_none():
    """A dissimilarity with two paths around a triangle that is filled anyway: a relation among no loops at all."""
    square = np.zeros((6, 6))
    square[np.triu_indices(6, 1)] = [
        0, 0.5714, 0.3652, 1.0374, 0.1821, 0.5828, 0.4403, 0.5215, 0.6839, 0.6474, 0.6286, 0.6466, 0.5802, 0.4536, 0.5924,
    ]  # fmt: skip
    matrix = ti.DistanceMatrix.from_dense(square + square.T)
    found, other = (ti.Rips("precomputed", max_dim=1)(matrix, engine=engine) for engine in ("links", "ripser"))
    assert len(found[1]) == 0 and ti.same_bars(found, other)
