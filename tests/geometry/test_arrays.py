"""Inputs become one kind of array: exactly, or with an error that says what to do."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pandas
import pytest
import scipy.sparse

import topo_interp as ti
from topo_interp.arrays import as_points

GRID = np.arange(12).reshape(3, 4)


@pytest.mark.parametrize(
    "dtype, wide",
    [
        (np.float16, np.float32), (ml_dtypes.bfloat16, np.float32), (ml_dtypes.float8_e4m3fn, np.float32),
        (np.float32, np.float32), (np.float64, np.float64), (">f4", np.float32), (">f8", np.float64),
        (np.bool_, np.float64), (np.uint8, np.float64), (np.int32, np.float64), (np.int64, np.float64), (np.uint64, np.float64),
    ],
)  # fmt: skip
def test_values_survive_and_dtypes_widen(dtype, wide):
    given = GRID.astype(dtype)
    points = as_points(given)
    assert points.dtype == wide and points.dtype.isnative and points.flags.c_contiguous
    assert (points == given.astype(np.float64)).all()


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")  # deprecated, and still what some models give
def test_a_quantized_tensor_has_a_call_of_its_own():
    torch = pytest.importorskip("torch")
    with pytest.raises(ti.InputError, match=r"x is a quantized tensor; .* x.dequantize\(\)"):
        as_points(torch.quantize_per_tensor(torch.zeros(2, 3), 0.1, 0, torch.qint8))


def test_a_cloud_takes_what_points_are_taken_from():
    torch = pytest.importorskip("torch")
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 8
    for tensor in (base, base.bfloat16(), base.clone().requires_grad_(), base.T, base.int()):
        cloud = ti.PointCloud(tensor)
        assert (cloud.points == tensor.detach().double().numpy()).all() and not cloud.points.flags.writeable
    with pytest.raises(ti.InputError, match="points is a tensor on meta"):
        ti.PointCloud(base.to("meta"))
    half = GRID.astype(ml_dtypes.bfloat16)
    assert ti.PointCloud(half).points.dtype == half.dtype  # as captured
    assert np.shares_memory(ti.PointCloud(half).points, half)


def test_what_fits_is_not_copied():
    for dtype in (np.float32, np.float64):
        given = GRID.astype(dtype)
        assert np.shares_memory(as_points(given), given)
    assert np.shares_memory(as_points(ti.PointCloud(given)), given)


@pytest.mark.parametrize(
    "view",
    [lambda a: a[::2], lambda a: a[:, ::-1], lambda a: a.T, lambda a: a[:, 1:3], lambda a: np.broadcast_to(a[0], (5, 4))],
)
def test_any_stride(view):
    given = view(GRID.astype(np.float32))
    assert (as_points(given) == given).all()
    assert as_points(given).flags.c_contiguous


def test_lists_frames_and_clouds():
    frame = pandas.DataFrame(GRID, columns=list("abcd"))
    cloud = ti.PointCloud(GRID.astype(ml_dtypes.bfloat16))
    for given in (GRID.tolist(), frame, cloud):
        assert (as_points(given) == GRID).all()


def test_torch_tensors():
    torch = pytest.importorskip("torch")
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 8
    for dtype in (torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.int64, torch.bool):
        for tensor in (base.to(dtype), base.to(dtype).T, base.to(dtype)[:, ::2], base.to(dtype)[1:, 1:]):
            expected = tensor.to(torch.float64).numpy()
            assert (as_points(tensor) == expected).all()
    assert as_points(base.bfloat16()).dtype == np.float32
    assert (as_points(base.clone().requires_grad_()) == base.numpy()).all()
    assert (as_points(torch.nn.Parameter(base.bfloat16())) == base.numpy()).all()
    special = torch.tensor([[1e-40, -0.0, 3.3e38, 1.0078125]]).bfloat16()
    assert as_points(special).tobytes() == special.float().numpy().tobytes()
    for bad, message in (
        (torch.zeros(2, 3, device="meta"), "tensor on meta, which has a shape and no numbers"),
        (base.to_sparse(), r"sparse tensor; .* x.to_dense\(\)"),
        (torch.zeros(3, dtype=torch.bfloat16), "two axes"),
        (torch.zeros(2, 2, dtype=torch.complex64), "dtype complex64; real numbers"),
        (torch.tensor([[1.0], [float("nan")]]).bfloat16(), "row 1 of x has a NaN"),
    ):
        with pytest.raises(ti.InputError, match=message):
            as_points(bad)


@pytest.mark.parametrize(
    "given, message",
    [
        (np.zeros(3), r"shape \(3,\); two axes .*x\[None, :\]"),
        (np.zeros((2, 3, 4)), r"shape \(2, 3, 4\); two axes .*reshape\(len\(x\), -1\)"),
        (np.zeros((0, 3)), "at least one row"),
        (np.zeros((3, 0)), "at least one row and one coordinate"),
        (np.zeros((2, 2), dtype=complex), "dtype complex128; real numbers"),
        (np.array([[1, None]]), "dtype object; real numbers"),
        ([["a", "b"]], "real numbers"),
        ([[1.0], [1.0, 2.0]], "no rectangular array"),
        (np.array([["2020-01-01"]], dtype="M8[D]"), "real numbers"),
        (np.array([[2**53 + 1]]), "integers beyond 2\\^53"),
        (np.zeros((2, 2), dtype=np.longdouble), "dtype (float128|longdouble|float64); real numbers"),
        (np.ma.masked_array(np.zeros((2, 2)), mask=True), "masked array"),
        (scipy.sparse.eye_array(3).tocsr(), r"sparse matrix; .*toarray\(\)"),
        ([[0.0, 1.0], [2.0, -np.inf], [np.nan, 0.0]], r"row 1 of x .*\(2 of 3 rows do\); drop such rows with x\[np.isfinite"),
    ],
)
def test_bad_input_gets_an_error_that_says_what_to_do(given, message):
    with pytest.raises(ti.InputError, match=message):
        as_points(given)


def test_the_error_names_the_argument():
    with pytest.raises(ti.InputError, match="row 0 of cloud"):
        as_points([[np.nan]], name="cloud")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_place_of_a_bad_value_is_found(dtype):
    rng = np.random.default_rng(0)
    for value in (np.nan, -np.nan, np.inf, -np.inf):
        for row, column in zip(rng.integers(0, 300, 10), rng.integers(0, 37, 10)):
            points = rng.standard_normal((300, 37)).astype(dtype)
            points[row, column] = value
            with pytest.raises(ti.InputError, match=f"row {row} of x"):
                as_points(points)
    points = np.full((300, 37), -np.finfo(dtype).max)
    assert np.shares_memory(as_points(points), points)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_that_start_anywhere_are_taken(dtype):
    """A field of a packed record, or bytes of a file after an odd header: contiguous for numpy, but not aligned."""
    x = np.random.default_rng(0).normal(size=(20, 5)).astype(dtype)
    shifted = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(dtype).reshape(x.shape)
    assert not shifted.flags.aligned
    assert as_points(shifted).flags.aligned
    np.testing.assert_array_equal(ti.pairwise_distances(shifted), ti.pairwise_distances(x))
