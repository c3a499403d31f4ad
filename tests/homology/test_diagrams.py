from __future__ import annotations

import dataclasses
import json
import math
import pickle

import numpy as np
import pytest

import topo_interp as ti

INF = math.inf
CERTIFICATE = ti.Certificate(
    terms=(ti.Term("rounding", 1e-7, 1e-7), ti.Term("unbounded", 0.0, INF)),
    status=ti.Status.CENSORED,
    valid_to=2.5,
    engine="ripser 0.6.15",
    inputs=("00ff",),
    recipe=ti.Rips(max_dim=2).to_json(),
    notes=("A note.",),
)


@pytest.fixture
def cut() -> ti.Diagrams:
    bars = [[(0, INF), (0, 1), (0, INF), (0, 0.5)], [(1, 2), (1, 1), (0.5, INF), (1, 1.5)], []]
    return ti.Diagrams.from_bars(bars, censored_at=2.75, certificate=CERTIFICATE, scale=1.25, n=4, metric="chordal")


def test_bars_are_in_canonical_order_and_zero_lengths_are_gone(cut):
    assert cut[0].tolist() == [[0, 0.5], [0, 1], [0, INF], [0, INF]]
    assert cut[1].tolist() == [[0.5, INF], [1, 1.5], [1, 2]]
    assert cut[2].shape == (0, 2)
    assert len(cut) == 7 and cut.max_dim == 2


def test_a_censored_bar_is_told_from_an_essential_one(cut):
    assert cut.essential(0).tolist() == [False, False, True, False]
    assert cut.censored(0).tolist() == [False, False, False, True]
    assert cut.censored(1).tolist() == [True, False, False]
    assert cut.to_frame()["open"].tolist() == ["", "", "essential", "censored", "censored", "", ""]
    whole = ti.Diagrams.from_bars([[(0, INF), (0, 1)]])
    assert whole.essential(0).tolist() == [False, True] and not whole.censored(0).any()


def test_frame_is_tidy(cut):
    frame = cut.to_frame()
    assert list(frame.columns) == ["dim", "birth", "death", "persistence", "open"]
    assert len(frame) == len(cut)
    assert frame.query("dim == 1")["persistence"].tolist() == [INF, 0.5, 1.0]


def test_arrays_are_read_only(cut):
    for array in (cut.birth, cut.death, cut.dim, cut[1], cut.finite(1)):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        cut.birth = np.zeros(3)
    copy = pickle.loads(pickle.dumps(cut))
    assert ti.same_bars(copy, cut)
    with pytest.raises(ValueError, match="read-only"):
        copy.birth[0] = 1


def test_the_callers_arrays_stay_their_own():
    births = np.array([0.0, 1.0])
    d = ti.Diagrams(births, births + 1, [0, 0], 0)
    births[0] = 0.5
    assert d[0].tolist() == [[0, 1], [1, 2]]


def test_same_bars_can_fail(cut):
    other = ti.Diagrams.from_bars([cut[0], [(0.5, INF), (1, 1.5), (1, np.nextafter(2, 3))], []])
    assert not ti.same_bars(cut, other)
    assert not ti.same_bars(cut, ti.Diagrams.from_bars([cut[0], [*cut[1], (1, 2)], []]))  # another multiplicity
    assert not ti.same_bars(cut, ti.Diagrams.from_bars([cut[0], cut[1]]))  # degree 2: empty is not unknown
    assert ti.same_bars(cut, ti.Diagrams.from_bars([cut[0][::-1], cut[1][::-1], []]))


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_saved_diagrams_come_back_whole(cut, tmp_path, suffix):
    path = tmp_path / f"diagrams{suffix}"
    cut.save(path)
    back = ti.Diagrams.load(path)
    for field in dataclasses.fields(ti.Diagrams):
        ours, theirs = getattr(cut, field.name), getattr(back, field.name)
        assert np.array_equal(ours, theirs) if isinstance(ours, np.ndarray) else ours == theirs, field.name
    assert back.certificate == CERTIFICATE
    assert back.certificate.explain() == CERTIFICATE.explain()
    empty = ti.Diagrams.from_bars([[]])
    empty.save(path)
    assert len(ti.Diagrams.load(path)) == 0


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_cut_off_or_foreign_file_is_an_error(cut, tmp_path, suffix, monkeypatch):
    path = tmp_path / f"diagrams{suffix}"
    cut.save(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ti.InputError, match="does not hold diagrams"):
        ti.Diagrams.load(path)
    with pytest.raises(ti.InputError, match="there are no diagrams at .*nothing"):
        ti.Diagrams.load(tmp_path / f"nothing{suffix}")
    # A save that is cut off leaves the old file.
    cut.save(path)
    with pytest.raises(RuntimeError, match="cut off"), monkeypatch.context() as patch:
        patch.setattr("numpy.savez" if suffix == ".npz" else "safetensors.numpy.save_file", cut_off)
        ti.Diagrams.from_bars([[]]).save(path)
    assert len(ti.Diagrams.load(path)) == len(cut) and [file.name for file in tmp_path.iterdir()] == [path.name]


def cut_off(first, second=None, **_):
    """Writes half of something to whichever of its arguments is a path, and stops."""
    for path in (first, second):
        if hasattr(path, "write_bytes"):
            path.write_bytes(b"half")
    raise RuntimeError("cut off")


def test_a_file_with_pickled_objects_is_refused_in_our_words(tmp_path):
    np.savez(tmp_path / "objects.npz", header=np.array([{}], dtype=object))
    with pytest.raises(ti.InputError, match="it is damaged, or another file$"):
        ti.Diagrams.load(tmp_path / "objects.npz")


def test_diagrams_are_no_sequence(cut):
    with pytest.raises(TypeError, match="not iterable"):
        list(cut)


def test_another_suffix_or_format_is_an_error(cut, tmp_path):
    with pytest.raises(ti.InputError, match="'.npz' or '.safetensors'"):
        cut.save(tmp_path / "diagrams.pkl")
    path = tmp_path / "diagrams.npz"
    np.savez(path, header=np.array(json.dumps({"format": "other"})), birth=[0.0], death=[1.0], dim=[0])
    with pytest.raises(ti.InputError, match="'other'"):
        ti.Diagrams.load(path)


def test_giotto_arrays(cut):
    whole = ti.Diagrams.from_bars([[(0, 1), (0, INF)], [(1, 2), (1, 1.5)], []])
    array = whole.to_giotto()
    assert array.tolist() == [[[0, 1, 0], [1, 1.5, 1], [1, 2, 1], [0, 0, 2]]]
    assert ti.same_bars(ti.Diagrams.from_giotto(array), whole)
    assert ti.same_bars(ti.Diagrams.from_giotto(array[0], reduced=False), ti.Diagrams.from_bars([[(0, 1)], whole[1], []]))
    assert "no finite bound is known" in ti.Diagrams.from_giotto(array).certificate.explain()

    class Kept(ti.Diagrams):
        pass

    assert isinstance(Kept.from_giotto(array), Kept)
    with pytest.raises(ti.InputError, match=r"to_giotto\(open_death=d.censored_at\)"):
        cut.to_giotto()
    with pytest.raises(ti.InputError, match="not before any birth"):
        cut.to_giotto(open_death=0.75)
    closed = cut.to_giotto(open_death=2.75)[0]
    assert np.isfinite(closed).all() and [0.5, 2.75, 1] in closed.tolist()
    with pytest.raises(ti.InputError, match=r"give one sample, array\[i\]"):
        ti.Diagrams.from_giotto(np.zeros((2, 3, 3)))
    with pytest.raises(ti.InputError, match="third column"):
        ti.Diagrams.from_giotto([[0, 1, 0.5]])


def test_gudhi_lists_are_taken_by_gudhi(cut, monkeypatch):
    import gudhi

    assert cut.to_gudhi()[:2] == [(0, (0.0, 0.5)), (0, (0.0, 1.0))]
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setattr("gudhi.persistence_graphical_tools._gudhi_matplotlib_use_tex", False)
    axes = gudhi.plot_persistence_diagram(cut.to_gudhi())
    assert axes is not None
    import matplotlib.pyplot

    matplotlib.pyplot.close("all")


def test_texts(cut):
    assert repr(cut) == "Diagrams(H0: 4 bars, H1: 3 bars, H2: 0 bars; cut at 2.75)"
    html = cut._repr_html_()
    assert "<td>H1</td><td>3</td><td>1</td><td>0</td><td>1</td>" in html and "cut there" in html
    noted = dataclasses.replace(cut, certificate=ti.Certificate(notes=("<script>alert(1)</script>",)))
    assert "<script>" not in noted._repr_html_()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: d[3], r"degree 3 was not computed; here are 0 \.\. 2: compute it with ti.Rips\(max_dim=3\)"),
        (lambda d: d[-1], "degree -1 is negative"),
        (lambda d: d["H1"], "a degree is an integer, not 'H1'"),
        (lambda d: ti.Diagrams([0], [0], [0], 0), r"bar 0 is \(0.0, 0.0\)"),
        (lambda d: ti.Diagrams([math.nan], [1], [0], 0), r"bar 0 is \(nan, 1.0\)"),
        (lambda d: ti.Diagrams([0], [1, 2], [0], 0), "one length"),
        (lambda d: ti.Diagrams([0], [1], [1], 0), r"they lie in 0 \.\. max_dim = 0"),
        (lambda d: ti.Diagrams([0], [1], [0], 0, censored_at=INF), "None when nothing was cut"),
        (lambda d: ti.Diagrams([0], [1], [0], 0, scale=math.nan), "scale is nan"),
        (lambda d: ti.Diagrams.from_bars([]), "no degree was given"),
    ],
)
def test_errors_say_what_to_do(cut, call, message):
    with pytest.raises(ti.InputError, match=message):
        call(cut)


def test_diagrams_remember_which_columns_group_their_rows(tmp_path):
    cloud = ti.PointCloud(np.arange(6.0).reshape(3, 2), groups=("item",))
    diagrams = ti.Rips()(cloud)
    diagrams.save(tmp_path / "d.npz")
    assert ti.Diagrams.load(tmp_path / "d.npz").groups == diagrams.groups == ("item",)
    assert ti.Rips()(cloud.points).groups == ()
