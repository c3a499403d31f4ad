"""Wrong inputs to public calls: each gets an error that says what came and what to type next, never a cast or a number."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import topo_interp as ti

X = np.random.default_rng(0).normal(size=(20, 5))
DM = ti.DistanceMatrix.from_points(X)
STORE = ti.store_from_arrays({"a": X}, rows=pd.DataFrame({"label": list("xy") * 10, "number": range(20)}))
RIPS = ti.Rips()
MARKS = ti.farthest_points(X, 5)
GRAPH = ti.radius_graph(X, 2.0)
BARS = RIPS(X)

PAIR = {0: STORE, 1: STORE}


def diff(a=STORE, b=STORE, recipes=RIPS, **options):
    return ti.diff(a, b, recipes, progress=False, **{"draws": 0, "subsamples": 0, **options})


def track(stores=PAIR, recipes=RIPS, **options):
    return ti.track(stores, recipes, progress=False, **{"subsamples": 0, "drift": False, **options})


WRONG = {
    "threads, text": (lambda: ti.pairwise_distances(X, threads="2"), "threads is '2'; a whole number"),
    "threads, yes": (lambda: ti.pairwise_distances(X, threads=True), "threads is True"),
    "threads, NaN": (lambda: ti.pairwise_distances(X, threads=math.nan), "threads is nan"),
    "threads, zero, matrix": (lambda: RIPS(DM, threads=0), "threads is 0; a whole number >= 1 is needed .None for all cores"),
    "threads, negative, matrix": (lambda: RIPS(DM, threads=-1), "threads is -1"),
    "threads, text, matrix": (lambda: RIPS(DM, threads="2"), "threads is '2'"),
    "threads, fraction, matrix": (lambda: RIPS(DM, threads=1.5), "threads is 1.5"),
    "threads, NaN, matrix": (lambda: RIPS(DM, threads=math.nan), "threads is nan"),
    "threads, yes, matrix": (lambda: RIPS(DM, threads=True), "threads is True"),
    "threads, zero, graph": (lambda: RIPS(GRAPH, threads=0), "threads is 0"),
    "threads, zero, other engine": (lambda: RIPS(X, engine="ripser", threads=0), "threads is 0"),
    "threads, zero, cost": (lambda: ti.cost(RIPS, 100, 3, threads=0), "threads is 0"),
    "memory, graph": (lambda: RIPS(GRAPH, memory="foo"), "'foo' is no amount of memory"),
    "memory, tree": (lambda: ti.Rips(max_dim=0)(X, engine="spanning-tree", memory="foo"), "'foo' is no amount of memory"),
    "field, huge": (lambda: ti.Rips(field=2**61 - 1), "field is 2305843009213693951; .* up to 2147483647"),
    "field, composite": (lambda: ti.Rips(field=2**31 - 3), "field is 2147483645; Z/p is a field for a prime"),
    "threshold, yes": (lambda: ti.Rips(threshold=True), "threshold is True"),
    "threshold, NaN": (lambda: ti.Rips(threshold=math.nan), "threshold is nan"),
    "engine, list": (lambda: RIPS(X, engine=["links"]), r"no engine is called \['links'\]; there are 'auto', 'links'"),
    "rips of a store": (lambda: RIPS(STORE), r"cloud is a ActivationStore of 1 array; give one of them: cloud\['a'\]"),
    "rips of diagrams": (lambda: RIPS(BARS), "cloud is a Diagrams; the points themselves are needed"),
    "rips of neighbors": (lambda: RIPS(ti.knn_graph(X, 3)), "cloud is a KnnGraph; the points, or their ti.radius_graph"),
    "distances of marks": (lambda: ti.pairwise_distances(MARKS), "x is a Landmarks; points .* are needed"),
    "rips, JSON": (lambda: ti.Rips.from_json("{"), "no JSON: .*; give what to_json wrote"),
    "metric, nothing": (lambda: ti.pairwise_distances(X, metric=None), "no metric is called None; known: euclidean"),
    "metric of a cloud": (
        lambda: ti.pairwise_distances(X, metric=ti.effective_resistance(k=4)),
        r"effective_resistance\(k=4\) is a metric of whole clouds; call it: effective_resistance\(k=4\)\(points\)",
    ),
    "dense, metric, number": (lambda: ti.DistanceMatrix.from_dense(np.zeros((2, 2)), metric=3), "metric is 3; the name of"),
    "distortion of nothing": (lambda: ti.distortion(X, None), "landmarks is a NoneType; what ti.farthest_points"),
    "cover radius of nothing": (lambda: ti.cover_radius_term(None), "landmarks is a NoneType"),
    "distortion up to text": (lambda: ti.distortion(X, MARKS, up_to="a"), "up_to is 'a'; a finite number >= 0"),
    "cost of text": (lambda: ti.cost("x", 10, 3), "recipe is a str; a ti.Rips is needed"),
    "cost, n": (lambda: ti.cost(RIPS, 1.5, 3), "n is 1.5; a whole number"),
    "distances, steps": (lambda: ti.Distances(steps=3), "steps is 3; a tuple of steps"),
    "circle, NaN": (lambda: ti.shapes.noisy_circle(10, math.nan), "noise is nan"),
    "bars, nothing": (lambda: ti.Diagrams.from_bars(None), "bars is a NoneType; one list of pairs"),
    "bars, scale, text": (lambda: ti.Diagrams.from_bars([[]], scale="a"), "scale is 'a'"),
    "bars, n, text": (lambda: ti.Diagrams.from_bars([[]], n="a"), "n is 'a'; a whole number >= 1"),
    "bars, certificate": (lambda: ti.Diagrams.from_bars([[]], certificate=3), "certificate is a int; a ti.Certificate"),
    "bars, groups": (lambda: ti.Diagrams.from_bars([[]], groups="item"), "groups is 'item'; names of columns"),
    "bars, cut, text": (lambda: ti.Diagrams.from_bars([[]], censored_at="a"), "censored_at is 'a'"),
    "bars, iterated": (lambda: RIPS(iter([BARS])), "cloud is a list_iterator; points"),
    "cocycle at text": (lambda: BARS.cocycle(1, 0, at="a"), "at is 'a'"),
    "cycle, degree, yes": (lambda: BARS.cycle(True, 0), "cycles of degree True are not known"),
    "cycle, degree, fraction": (lambda: BARS.cycle(1.0, 0), "cycles of degree 1.0 are not known"),
    "cycle, bar": (lambda: BARS.cycle(1, 1.0), "bar 1.0 of degree 1 was asked for"),
    "cycle of landmarks": (lambda: ti.Rips(landmarks=10)(X).cycle(1, 0), "of 10 landmarks .* ti.Rips.*landmarks=None"),
    "cycle of degree 2": (lambda: ti.Rips(max_dim=2)(X).cycle(1, 0), "engine was ripser .*engine 'links' .* max_dim=1"),
    "giotto, open, text": (lambda: BARS.to_giotto(open_death="1"), "open_death is '1'"),
    "load, nothing there": (lambda: ti.Diagrams.load("no.npz"), "there are no diagrams at 'no.npz'"),
    "save, no folder": (lambda: BARS.save("/no such folder/x.npz"), "there is no folder '/no such folder'.*make it first"),
    "cloud, masked": (lambda: ti.PointCloud(np.ma.masked_equal(X, 0.0)), "points is a masked array"),
    "cloud, groups": (lambda: ti.PointCloud(X, groups="abc"), r"groups is 'abc'; .* such as groups=\('abc',\)"),
    "cloud, groups, number": (lambda: ti.PointCloud(X, groups=3), "groups is 3; names of columns"),
    "shift, nothing": (lambda: ti.Term("rounding", None, 0.0), "shift of the term 'rounding' is None"),
    "weights of points": (lambda: ti.dtm(k=3)(X), r"dtm\(k=3.* was given a ndarray; weights are part of a recipe"),
    "metric, list": (lambda: ti.pairwise_distances(X, metric=["euclidean"]), "no metric is called"),
    "points, ragged": (lambda: ti.PointCloud([[1, 2], [3]]), "rows of equal length"),
    "site, number": (lambda: ti.PointCloud(X, site=3), "a module path, a string"),
    "n, fraction": (lambda: ti.DistanceMatrix(np.zeros(3, np.float32), 3.7), "n is 3.7; a whole number >= 1"),
    "n, text": (lambda: ti.DistanceMatrix(np.zeros(3, np.float32), "3"), "n is '3'"),
    "dense, beyond float32": (lambda: ti.DistanceMatrix.from_dense([[0, 1e300], [1e300, 0]]), "rows 0 and 1 is inf.*scale the points"),
    "take, beyond": (lambda: DM.take([25]), "give positions below 20"),
    "take, short mask": (lambda: DM.take(np.ones(3, bool)), "a mask of 20 entries"),
    "degree, fraction": (lambda: ti.Diagrams([0], [1], [0.5], 1), "something else than integers"),
    "birth, complex": (lambda: ti.Diagrams([0j], [1], [0], 1), "birth has dtype complex128"),
    "death, text": (lambda: ti.Diagrams([0], ["a"], [0], 1), "death has dtype"),
    "max_dim, fraction": (lambda: ti.Diagrams([0], [1], [0], 1.5), "max_dim is 1.5"),
    "max_dim, negative": (lambda: ti.Diagrams([], [], [], -1), "max_dim is -1"),
    "bars, flat": (lambda: ti.Diagrams.from_bars([[1, 2, 3, 4]]), r"degree 0 have shape \(4,\); \(bars, 2\) is needed"),
    "bars, three columns": (lambda: ti.Diagrams.from_bars([[], np.zeros((2, 3))]), "degree 1 have shape"),
    "same_bars, nothing": (lambda: ti.same_bars(None, RIPS(X)), "a is a NoneType; ti.Diagrams are needed"),
    "summary of an array": (lambda: ti.max_persistence(1)(X), r"was given a ndarray; ti.Diagrams are needed: ti.Rips\(\)"),
    "curve of nothing": (lambda: ti.landscape(1, [0, 1])(None), "was given a NoneType"),
    "grid, number": (lambda: ti.betti_curve(1, 3), "increasing filtration values, such as np.linspace"),
    "grid, text": (lambda: ti.silhouette(1, "a"), "increasing filtration values"),
    "baselines, dm": (lambda: ti.baselines(X, 3), "dm is a int; a ti.DistanceMatrix"),
    "shift, text": (lambda: ti.Term("rounding", "a", 0.0), "shift of the term 'rounding' is 'a'"),
    "query that is a column": (lambda: STORE.select("number"), "no condition on the rows, such as label == 'March'"),
    "query that is true": (lambda: STORE.select("1 == 1"), "no condition on the rows"),
    "query that assigns": (lambda: STORE.select("new = number > 3"), "no condition on the rows"),
    "means by nothing": (lambda: STORE.means(by=None), "names no column; columns: item, label, number"),
    "max_rows, fraction": (lambda: ti.every_token(max_rows=1.5), "max_rows is 1.5"),
    "seed, text": (lambda: ti.every_token(max_rows=3, seed="a"), "seed is 'a'"),
    "channel axis, batch": (lambda: ti.spatial_mean(0), "channel_axis is 0; .* 0 is the batch"),
    "points, complex": (lambda: ti.pairwise_distances(X + 1j), r"dtype complex128; .* e.g. np.hstack\(\[x.real, x.imag\]\)"),
    "predicate, number": (lambda: ti.token_at(3), "give token texts, or a function"),
    "profile, array": (lambda: ti.profile(X, RIPS), r"a ndarray; a mapping .*ti.store_from_arrays\({'site': points}\)"),
    "profile, no sites": (lambda: ti.profile(STORE, RIPS, sites=[]), r"sites is \[\]; names or globs"),
    "profile, sites, number": (lambda: ti.profile(STORE, RIPS, sites=3), "sites is 3"),
    "profile, no recipe": (lambda: ti.profile(STORE, None), r"a recipe is a NoneType; a ti.Rips\(...\) is needed"),
    "means by a number": (lambda: STORE.means(by=3), "by=3.: columns are named by strings; columns: item, label, number"),
    "groups, number": (lambda: ti.store_from_arrays({"a": X}, groups=3), r"groups is 3; .* such as groups=\['template'\]"),
    "groups, one string": (lambda: ti.store_from_arrays({"a": X}, groups="word"), "groups names 'word', which is no column"),
    "raster, number": (lambda: ti.persistence_image(1, (0, 1), (0, 1), resolution=20), r"resolution is 20; two numbers .* \(20, 20\)"),
    "cloud, noise": (lambda: ti.shapes.noisy_circle(10, math.nan), "noise is nan; a finite number"),
    "cloud, radius": (lambda: ti.shapes.circle(10, math.inf), "radius is inf; a finite number > 0"),
    "cloud, seed": (lambda: ti.shapes.gaussian(10, 2, seed="a"), "seed is 'a'; a whole number"),
    "store, a file": (lambda: ti.open_store(__file__), "it is a file, and a store is a folder"),
    "diff, nothing": (lambda: diff(None), "a is a NoneType; a store, its folder, or"),
    "diff, list": (lambda: diff(b=[X]), "b is a list"),
    "diff, array": (lambda: diff(X, X), "a is a ndarray"),
    "diff, no folder": (lambda: diff("/none"), "/none is not a store"),
    "diff, draws": (lambda: diff(draws=1), "draws is 1; give 0 .values without p-values. or a whole number of at least 2"),
    "diff, draws, text": (lambda: diff(draws="99"), "draws is '99'"),
    "diff, subsamples": (lambda: diff(subsamples=10.5), r"subsamples is 10.5; give 0 \(no intervals\) or a whole number of at least 10"),
    "diff, subsamples, text": (lambda: diff(subsamples="a"), "subsamples is 'a'"),
    "diff, seed": (lambda: diff(seed=1.5), "seed is 1.5; a whole number >= 0"),
    "diff, no seed": (lambda: diff(seed=None), "seed is None"),
    "diff, processes": (lambda: diff(n_jobs="2"), "n_jobs is '2'"),
    "diff, opened": (lambda: ti.Diff.open(None), "path is None; give the name of a file"),
    "track, subsamples": (lambda: track(subsamples=10.5), r"subsamples is 10.5; give 0 \(no events\)"),
    "track, subsamples, text": (lambda: track(subsamples="20"), "subsamples is '20'"),
    "track, no subsamples": (lambda: track(subsamples=None), "subsamples is None"),
    "track, seed": (lambda: track(seed=-1), "seed is -1; a whole number >= 0"),
    "track, seed, text": (lambda: track(seed="a"), "seed is 'a'"),
    "track, processes": (lambda: track(n_jobs=1.5), "n_jobs is 1.5; a whole number of processes"),
    "track, no processes": (lambda: track(n_jobs=None), "n_jobs is None"),
    "track, cache": (lambda: track(cache=3), "cache is 3; give the name of a file or folder"),
    "track, cache that can not be": (lambda: track(cache="/proc/x/y"), "the folder '/proc/x/y' of the cache can not be made"),
    "track, stores": (lambda: track(None), "stores holds no step"),
    "track, loops of nothing": (lambda: track().loops(None, "a"), "stores is a NoneType; give those that the track was made of"),
    "track, level": (lambda: track(subsamples=10).events(level="a"), "level is 'a'; .*a probability, such as level=0.05"),
    "track, no level": (lambda: track(subsamples=10).events(level=None), "level is None"),
    "track, level, one": (lambda: track(subsamples=10).events(level=1), "level is 1; a probability"),
    "track, opened": (lambda: ti.Track.open(None), "path is None"),
    "track, saved": (lambda: track().save(3), "path is 3"),
    "recipe, nothing": (lambda: track(recipes=None), "a recipe is a NoneType; a ti.Rips"),
    "recipe, number": (lambda: diff(recipes=3), "a recipe is a int"),
    "recipe, summary": (lambda: track(recipes=ti.two_nn()), "a recipe is a _TwoNN"),
    "recipe, text": (lambda: diff(recipes="euclidean"), "a recipe is a str"),
    "recipe, name": (lambda: ti.profile(STORE, {3: RIPS}), "the name of a recipe is 3; a text"),
    "profile, opened": (lambda: ti.Profile.open(None), "path is None"),
    "profile, processes": (lambda: ti.profile(STORE, RIPS, n_jobs=1.5), "n_jobs is 1.5"),
    "profile, fewer than all": (lambda: ti.profile(STORE, RIPS, n_jobs=-2), "n_jobs is -2.*-1 for all cores"),
}

DIAGRAMS = RIPS(X)
KNN = ti.NeighborGraphs(k=3)
NULL = ti.nulls.permuted_pairing()
PAIR = {0: X, 1: X + 1}
COMPARED = ti.compare(STORE, STORE, "procrustes")
MEASURES = {
    "cka": ti.cka,
    "procrustes": ti.procrustes,
    "rsa": ti.rsa,
    "rtd": ti.rtd,
    "rtd_lite": ti.rtd_lite,
    "merge_order": ti.merge_order,
    "neighbor_overlap": lambda x, y, **options: ti.neighbor_overlap(x, y, 3, **options),
    "information_imbalance": ti.information_imbalance,
}
COMPARISONS = {
    "order, yes": (lambda: ti.wasserstein(DIAGRAMS, DIAGRAMS, 1, order=True), r"order is True; .*for the limit, use ti.bottleneck"),
    "order, infinite": (lambda: ti.wasserstein(DIAGRAMS, DIAGRAMS, 1, order=math.inf), "order is inf"),
    "order, NaN": (lambda: ti.match_bars(DIAGRAMS, DIAGRAMS, 1, order=math.nan), "order is nan; .*or math.inf"),
    "order, text": (lambda: ti.match_bars(DIAGRAMS, DIAGRAMS, 1, order="2"), "order is '2'"),
    "no diagrams": (lambda: ti.match_bars(DIAGRAMS, None, 1), "b is a NoneType; Diagrams are needed"),
    **{
        f"directions, {wrong!r}": (lambda wrong=wrong: ti.sliced_wasserstein(DIAGRAMS, DIAGRAMS, 1, directions=wrong), "directions is .* >= 2")
        for wrong in (0, 1, -1, 1.5, "a", None, True)
    },
    **{
        f"{name}, subsamples, {wrong!r}": (lambda call=call, wrong=wrong: call(X, X, subsamples=wrong), "subsamples is .*; give 0 .no interval.")
        for name, call in MEASURES.items()
        for wrong in ("10", None, 10.5, 9, -1, True)
    },
    **{
        f"{name}, seed, {wrong!r}": (lambda call=call, wrong=wrong: call(X, X, seed=wrong), "seed is .*; a whole number >= 0")
        for name, call in MEASURES.items()
        for wrong in ("a", -1, 1.5)
    },
    "k, fraction": (lambda: ti.neighbor_overlap(X, X, 2.5), r"k is 2.5; a whole number from 1 to 19 .*\(a row has 19 others\)"),
    "compare, array": (lambda: ti.compare(X, STORE, "cka"), r"a is a ndarray; .*ti.store_from_arrays\({'site': points}\)"),
    "compare, nothing": (lambda: ti.compare(STORE, None, "cka"), "b is a NoneType"),
    "compare, list of measures": (lambda: ti.compare(STORE, STORE, ["cka"]), r"no measure is called \['cka'\]"),
    "compare, a measure of numbers": (lambda: ti.compare(STORE, STORE, lambda x, y: 1.0), "gives a float; a ti.Comparison is needed"),
    "compare, column in a list": (lambda: ti.compare(STORE, STORE, "cka", on=["label"]), r"no row table with a column \['label'\]"),
    "plot_comparison, nothing": (lambda: ti.plot_comparison(None), "no table of comparisons, but NoneType"),
    "plot_comparison, rows twice": (lambda: ti.plot_comparison(pd.concat([COMPARED] * 2)), "'a' and 'a' more than once"),
    "zigzag, nothing": (lambda: ti.zigzag(None, KNN), "this is a NoneType"),
    "zigzag, no cloud": (lambda: ti.zigzag({0: X, 1: None}, KNN), r"1 is a NoneType; points \(n, d\) are needed"),
    "zigzag, draws, text": (lambda: ti.zigzag(PAIR, KNN, null=NULL, draws="a"), "draws is 'a'; a whole number >= 1"),
    "zigzag, draws, fraction": (lambda: ti.zigzag(PAIR, KNN, null=NULL, draws=1.5), "draws is 1.5"),
    "zigzag, seed": (lambda: ti.zigzag(PAIR, KNN, null=NULL, seed=None), "seed is None"),
    "zigzag, radius, yes": (lambda: ti.NeighborGraphs(radius=True), "radius, in median distances, is True"),
    "zigzag, degree, yes": (lambda: ti.zigzag(PAIR, KNN).similarity(True), "dim is True; a zigzag has degrees 0"),
    "zigzag, degree, fraction": (lambda: ti.zigzag(PAIR, KNN).similarity_frame(1.0), "dim is 1.0"),
    "match_cycles, number": (lambda: ti.match_cycles({0: X, 1: 3}, RIPS), "1 is a int; points"),
    "match_cycles, one row": (lambda: ti.match_cycles({0: X[:1], 1: X[:1]}, RIPS), "each cloud has one row"),
    "match_cycles, length": (lambda: ti.match_cycles(PAIR, RIPS, min_persistence="a"), "min_persistence, in median distances, is 'a'"),
    "matches, no file": (lambda: ti.CycleMatches.open("/nowhere/matches.json"), r"no matches at '/nowhere/matches.json'; CycleMatches.save"),
    "matches, a folder": (lambda: ti.CycleMatches.open("/"), "no matches at '/'"),
    "matches, nothing": (lambda: ti.CycleMatches.open(None), "path is None; give the name of a file"),
    "matches, no folder": (lambda: ti.match_cycles(PAIR, RIPS).save("/nowhere/matches.json"), "no folder '/nowhere' .*; make it first"),
}
WRONG |= COMPARISONS

NOISE = ti.nulls.matched_gaussian()
LONGEST = ti.max_persistence(dim=1)
HOW = ti.Significance(LONGEST, null=NOISE, draws=19, detect=None)
TABLE = STORE.rows
GROUP = [RIPS(X)] * 2
CLAIM = ti.Claim("a", RIPS, LONGEST, NOISE, draws=19)


def significance_(*given, **changed):
    """ti.significance with one argument wrong."""
    given = (*given, *(X, RIPS, LONGEST)[len(given) :])
    return ti.significance(*given, **{"null": NOISE, "draws": 19, "seed": 0, **changed})


def table_(store=STORE, recipes=RIPS, how=HOW, **changed):
    return ti.significance_table(store, recipes, how, **changed)


def detectable_(**changed):
    return ti.detectable(X, RIPS, LONGEST, **{"null": NOISE, "trials": 1, "draws": 19, **changed})


def bands_(**changed):
    return ti.subsample_bands(X, **{"draws": 20, "seed": 0, **changed})


def prevalence_(**changed):
    return ti.prevalence(X, RIPS, **{"draws": 20, "seed": 0, **changed})


def planes_(recipe=RIPS, **changed):
    return ti.search_planes(X, recipe, LONGEST, **{"null": NOISE, "draws": 19, "seed": 0, **changed})


INFERENCE = {
    "seed, none": (lambda: significance_(seed=None), "seed is None; a whole number >= 0"),
    "seed, fraction": (lambda: significance_(seed=1.7), "seed is 1.7"),
    "seed, text": (lambda: significance_(seed="3"), "seed is '3'"),
    "seed, yes": (lambda: significance_(seed=True), "seed is True"),
    "draws, fraction": (lambda: significance_(draws=9.5), "draws is 9.5"),
    "no jobs": (lambda: significance_(n_jobs=0), "n_jobs is 0; a whole number of processes"),
    "jobs, text": (lambda: significance_(n_jobs="2"), "n_jobs is '2'"),
    "jobs, none": (lambda: significance_(n_jobs=None), "n_jobs is None"),
    "recipe, name": (lambda: significance_(X, "euclidean"), r"recipe is 'euclidean', which can not be called; .* recipe=ti.Rips"),
    "summary, none": (lambda: significance_(X, RIPS, None), r"summary is None.* summary=ti.max_persistence"),
    "null, name": (lambda: significance_(null="matched_gaussian"), "null is 'matched_gaussian'; give a null"),
    "rows_table, dict": (lambda: significance_(rows_table={"label": "x"}), "rows_table is a dict; a pandas DataFrame"),
    "two rows": (lambda: significance_(X[:2]), "2 rows, .* at least 3"),
    "label, unknown": (
        lambda: significance_(X, ti.class_means("month", RIPS), rows_table=TABLE), "no column 'month'; it has 'item', 'label', 'number'"
    ),
    "means, no recipe": (lambda: ti.class_means("label", "euclidean"), "recipe is 'euclidean'"),
    "plane, by nothing": (lambda: ti.class_plane(None, "xyz"), "by is None; the name of one row-table column"),
    "plane, order, text": (lambda: ti.class_plane("label", "xyz"), "order is 'xyz'; a list of the classes"),
    "table, array": (lambda: table_(X), "the store is a ndarray; a mapping from sites to points"),
    "table, unknown site": (lambda: table_(sites=["b"]), "sites names 'b', which the store has not; it has 'a'"),
    "table, letters": (lambda: table_(sites="ab"), "sites names 'ab'"),
    "table, twice": (lambda: table_(sites=["a", "a"]), "sites names 'a', which is named twice"),
    "table, how, none": (lambda: table_(how=None), "significance is None; give ti.Significance"),
    "table, how, null": (lambda: table_(how=NOISE), "give ti.Significance"),
    "table, skip": (lambda: table_(skip=[("a", "chordal")]), r"skip names \('a', 'chordal'\).* names 'euclidean'"),
    "how, alpha, text": (lambda: ti.Significance(alpha="0.05"), "alpha is '0.05'; a number above 0"),
    "how, alpha, large": (lambda: ti.Significance(alpha=1.5), "alpha is 1.5; a number above 0 and at most 1"),
    "how, seed, text": (lambda: ti.Significance(seed="x"), "seed is 'x'"),
    "how, seed, negative": (lambda: ti.Significance(seed=-1), "seed is -1"),
    "how, one draw": (lambda: ti.Significance(draws=1, alpha=1.0), "draws is 1; a whole number >= 2"),
    "detect, power, text": (lambda: ti.Detect(power="x"), "power is 'x'"),
    "detect, trials, text": (lambda: ti.Detect(trials="3"), "trials is '3'"),
    "detect, one draw": (lambda: ti.Detect(draws=1), "draws is 1; a whole number >= 2 is needed"),
    "detect, trials, fraction": (lambda: ti.Detect(trials=1.5), "trials is 1.5"),
    "within, number": (lambda: ti.nulls.matched_gaussian(within=3), "within is 3; different names"),
    "labels, none": (lambda: ti.nulls.permuted_labels(None), "by is None; the name of one row-table column"),
    "labels, list": (lambda: ti.nulls.permuted_labels(["a"]), r"by is \['a'\]"),
    "factory, number": (lambda: ti.nulls.reinitialized("numpy:pi"), "is 3.14.*, which can not be called"),
    "detectable, alpha, zero": (lambda: detectable_(alpha=0), "alpha is 0; a number above 0"),
    "detectable, alpha, nan": (lambda: detectable_(alpha=math.nan), "alpha is nan"),
    "detectable, alpha, two": (lambda: detectable_(alpha=2), "alpha is 2"),
    "detectable, null, none": (lambda: detectable_(null=None), "null is None"),
    "detectable, seed": (lambda: detectable_(seed=1.5), "seed is 1.5"),
    "detectable, trials": (lambda: detectable_(trials=1.5), "trials is 1.5"),
    "bands, draws": (lambda: bands_(draws=10.5), "draws is 10.5; a whole number >= 10"),
    "bands, alpha": (lambda: bands_(alpha="a"), "alpha is 'a'; a number above 0 and below 1"),
    "bands, size": (lambda: bands_(size=2.5), "size is 2.5; a whole number from 2 to 20"),
    "bands, seed": (lambda: bands_(seed=None), "seed is None"),
    "bootstrap, recipe": (lambda: ti.bottleneck_bootstrap(X, "euclidean", draws=10, seed=0), "recipe is 'euclidean'"),
    "prevalence, draws": (lambda: prevalence_(draws="9"), "draws is '9'"),
    "prevalence, seed": (lambda: prevalence_(seed=None), "seed is None"),
    "prevalence, persistence, text": (lambda: prevalence_(min_persistence="a"), "min_persistence is 'a'"),
    "prevalence, persistence, nan": (lambda: prevalence_(min_persistence=math.nan), "min_persistence is nan"),
    "prevalence, twice": (lambda: prevalence_(bars=[0, 0]), r"bars is \[0, 0\]; different numbers"),
    "universal, none": (lambda: ti.universal_pvalues(None, 1), "diagrams is a NoneType; ti.Diagrams are needed"),
    "universal, array": (lambda: ti.universal_pvalues(X, 1), "diagrams is a ndarray"),
    "planes, components": (lambda: planes_(components="3"), "components is '3'"),
    "planes, sizes": (lambda: planes_(sizes=4), r"sizes is \(4,\)"),
    "planes, heads": (lambda: planes_(heads=1.5), "heads is 1.5"),
    "planes, seed": (lambda: planes_(seed=None), "seed is None"),
    "band, spread": (lambda: ti.neighbor_band(X, ti.Rips(ti.diffusion(5, 2)), LONGEST, spread="a"), "spread is 'a'"),
    "band, summary": (lambda: ti.neighbor_band(X, ti.Rips(ti.diffusion(5, 2)), "a"), "summary is 'a'"),
    "explore, store": (lambda: ti.explore(CLAIM, STORE), r"split is a ActivationStore.* store.split\(seed=0\)"),
    "confirm, store": (lambda: ti.confirm(CLAIM, STORE), "split is a ActivationStore"),
    "split, text": (lambda: STORE.split("a"), "confirm is 'a'; a number above 0 and below 1"),
    "split, seed": (lambda: STORE.split(seed=None), "seed is None"),
    "groups, q": (lambda: ti.permutation_test(GROUP, GROUP, q=math.nan, draws=9, seed=0), "q is nan"),
    "groups, q, negative": (lambda: ti.permutation_test(GROUP, GROUP, q=-1, draws=9, seed=0), "q is -1"),
    "groups, order": (lambda: ti.permutation_test(GROUP, GROUP, order=math.nan, draws=9, seed=0), "order is nan"),
    "groups, order, negative": (lambda: ti.permutation_test(GROUP, GROUP, order=-1, draws=9, seed=0), "order is -1"),
    "groups, sigma": (lambda: ti.mmd_test(GROUP, GROUP, sigma=math.inf, draws=9, seed=0), "sigma is inf"),
    "kernel, three columns": (lambda: ti.scale_space_kernel([[0.0, 1.0, 2.0]], [[0.0, 1.0]], 1.0), r"a is .* an array \(bars, 2\)"),
    "max_t, text": (lambda: ti.max_t("a", [[1.0]]), "values is 'a'; an array of real numbers"),
    "BH, text": (lambda: ti.benjamini_hochberg("a"), "p_values is 'a'"),
    "two_nn, parts": (lambda: ti.two_nn(parts=10)(X), "splits 20 distinct rows into 10 parts"),
    "two_nn, diagrams": (lambda: ti.two_nn()(GROUP[0]), "was given Diagrams; it reads points or distances"),
}
WRONG |= INFERENCE


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_input_is_an_error_in_words(case):
    call, words = WRONG[case]
    with pytest.raises(ti.InputError, match=words):
        call()


@pytest.mark.parametrize(
    ("header", "words"),
    [("no JSON", "its header is damaged"), ('{"format": "topo_interp.diagrams.1"}', "its header is damaged"), ("{}", "has the format None")],
)
def test_a_foreign_file_is_no_diagrams(tmp_path, header, words):
    np.savez(tmp_path / "foreign.npz", header=header, birth=[0.0], death=[1.0], dim=[0])
    with pytest.raises(ti.InputError, match=words):
        ti.Diagrams.load(tmp_path / "foreign.npz")


@pytest.mark.parametrize("metric", ["cosine", "chordal", "angular", "correlation"])
def test_rows_of_very_different_length_have_an_angle(metric):
    rows = np.array([[1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 1.0, 5.0]])
    scaled = rows * [[1e-200], [1e200], [1.0]]
    want = ti.pairwise_distances(rows, metric=metric)
    assert ti.pairwise_distances(scaled, metric=metric) == pytest.approx(want, rel=1e-11)
    assert ti.pairwise_distances(scaled, rows, metric=metric) == pytest.approx(want, rel=1e-11, abs=1e-15)
    assert ti.DistanceMatrix.from_points(scaled, metric).square() == pytest.approx(want, rel=1e-6)
    assert ti.spanning_tree(scaled, metric=metric).lengths == pytest.approx(ti.spanning_tree(rows, metric=metric).lengths, rel=1e-11)


@pytest.mark.parametrize("size", [1e-310, 1e-200, 1e200, 1e307])
def test_standardized_at_the_ends_of_the_range(size):
    want = ti.standardized()(X)
    assert ti.standardized()(X * size) == pytest.approx(want, rel=1e-9 if size > 1e-300 else 1e-1)


def test_a_missing_label_does_not_hold_in_a_query():
    labels = pd.DataFrame({"label": pd.array(["x", None, "y", "x"], dtype="string")})
    store = ti.store_from_arrays({"a": X[:4]}, rows=labels)
    assert (store.select("label == 'x'")["a"].points == X[[0, 3]]).all()
