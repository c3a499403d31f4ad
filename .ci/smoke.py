"""The package on a bare interpreter (numpy and scipy only): it imports, and its kernels give a known answer."""

import math
import sys

import numpy as np

import topo_interp as ti

absent = [name for name in ("torch", "plotly", "gudhi", "ripser") if name in sys.modules]
assert not absent, f"importing topo_interp imported {absent}"
n = 30
angles = 2 * np.pi * np.arange(n) / n
circle = np.c_[np.cos(angles), np.sin(angles)]
distances = ti.pairwise_distances(circle)
assert np.allclose(distances, np.linalg.norm(circle[:, None] - circle[None], axis=-1), rtol=1e-6)
bars = ti.Rips(max_dim=1)(circle)[1]
want = [2 * math.sin(math.pi / n), 2 * math.sin(math.pi * math.ceil(n / 3) / n)]
assert bars.shape == (1, 2) and np.allclose(bars[0], want, rtol=1e-6), bars
print(f"Python {sys.version.split()[0]}, numpy {np.__version__}: {bars[0]} as the theorem says")
