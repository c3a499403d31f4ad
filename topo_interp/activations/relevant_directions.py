"""Which directions of a site the rest of the network reads: M = E[g g^T] of gradients at its activations."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._arguments import whole_number
from topo_interp._errors import InputError
from topo_interp.activations.selectors import EveryRow, MeanPool, RowSelector, TokenSelector
from topo_interp.activations.sites import resolve_sites
from topo_interp.point_cloud import row_hashes

if TYPE_CHECKING:
    import torch

__all__ = ["RelevantDirections", "relevant_directions"]

# The trace has to be larger than this many of its standard errors.
_ERRORS = 2.0


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class RelevantDirections:
    """What :func:`relevant_directions` found.

    Attributes:
        matrix: float64 (d, d), symmetric, positive semidefinite; read-only.
        trace: tr M, the mean squared length of a gradient.
        trace_error: its standard error, over the items.
        site: where.
        output: "classes" or "vector".
        rows, items, probes: how many gradients at how many items, drawn how often.
        row_hashes: uint64 (rows,), of the activations that were used, so that a metric can refuse to be used on them.
    """

    matrix: np.ndarray
    trace: float
    trace_error: float
    site: str
    output: str
    rows: int
    items: int
    probes: int
    row_hashes: np.ndarray

    def __post_init__(self) -> None:
        for name in ("matrix", "row_hashes"):
            array = np.asarray(getattr(self, name)).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __repr__(self) -> str:
        return (
            f"RelevantDirections(site={self.site!r}, {len(self.matrix)} coordinates; trace {self.trace:.4g} +- "
            f"{self.trace_error:.2g}, effective rank {self.effective_rank:.3g}, {self.rows} rows)"
        )

    @property
    def eigenvalues(self) -> np.ndarray:
        """Of M, the largest first."""
        return np.maximum(np.linalg.eigvalsh(self.matrix)[::-1], 0.0)

    @property
    def effective_rank(self) -> float:
        """(tr M)^2 / tr M^2: how many directions are read, about."""
        return float(np.trace(self.matrix) ** 2 / (self.matrix**2).sum())

    def directions(self, k: int) -> np.ndarray:
        """The k unit vectors (k, d) that are read most."""
        return np.linalg.eigh(self.matrix)[1][:, ::-1][:, :k].T

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes an ``.npz`` file."""
        facts = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in ("matrix", "row_hashes")}
        np.savez(Path(path), matrix=self.matrix, row_hashes=self.row_hashes, facts=np.array(json.dumps(facts)))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> RelevantDirections:
        """What :meth:`save` wrote; never unpickles."""
        with np.load(Path(path), allow_pickle=False) as archive:
            return cls(archive["matrix"], row_hashes=archive["row_hashes"], **json.loads(str(archive["facts"])))


def relevant_directions(
    model: torch.nn.Module,
    site: str,
    inputs: Any,
    *,
    output: str,
    positions: RowSelector,
    probes: int = 4,
    seed: int = 0,
    read: Callable[[Any], Any] | None = None,
    forward: Callable[[torch.nn.Module, Any], Any] | None = None,
    mask: Callable[[Any], Any] | None = None,
    tokenizer: Any = None,
) -> RelevantDirections:
    """How strongly the model's output reacts to each direction at a site, on average over rows.

    For ``output="classes"`` the output holds logits, g is the gradient of log p(y|x) at the row's activation, and y is drawn
    from the model: M = E[g g^T] is the Fisher information pulled back to the site. (Gradients of the logits themselves would
    count the direction that moves all logits alike, which softmax does not see.) Where the output has several positions, one y
    is drawn for each, and their log p are added. For ``output="vector"``, M = E[J^T J], with g = J^T v for normal v.

    Use other rows than those that will be analyzed: else the metric has seen the answer. ``ti.read_metric`` refuses points that
    equal a row used here, bit for bit; it can not notice more.

    >>> import torch, topo_interp as ti
    >>> _ = torch.manual_seed(0)
    >>> model = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Linear(3, 2))
    >>> with torch.no_grad():
    ...     _ = model[1].weight.copy_(torch.tensor([[1.0, 0, 0], [0, 2, 0]]))
    >>> found = relevant_directions(model, "0", torch.randn(500, 3), output="vector", positions=ti.every_row(), probes=8)
    >>> found.matrix.round(0) + 0.0
    array([[1., 0., 0.],
           [0., 4., 0.],
           [0., 0., 0.]])

    Args:
        model: any ``torch.nn.Module``; run in evaluation mode, and left as it was.
        site: one site, as for :func:`ti.capture`; the output of a module.
        inputs: as for :func:`ti.capture`.
        output: "classes" (logits along the last axis) or "vector".
        positions: rows at the site: ``ti.every_row()``, ``ti.last_token()``, ``ti.token_at(...)``, ... A pooled row is made of
            many activations and has no gradient of its own: an error.
        probes: draws of y (or v) for each batch.
        seed: of the draws.
        read: the tensor to look at in what the model returns, e.g. ``lambda out: out.logits[:, -1]``; None for the tensor itself,
            or the ``logits`` (classes) or ``last_hidden_state`` (vector) of a ModelOutput. Padding positions are left out.
        forward, mask, tokenizer: as for :func:`ti.capture`.

    Raises:
        InputError: pooled rows; the output does not depend on the site; tr M is within two standard errors of 0.

    Cost: ``probes`` backward passes from the output to the site.
    """
    from topo_interp.activations.gradients import gradient_batches
    from topo_interp.activations.inputs import as_batches
    from topo_interp.activations.model_checks import aliases, checked_model

    if output not in ("classes", "vector"):
        raise InputError(f"output is {output!r}; it is 'classes' (logits) or 'vector'")
    whole_number(probes, "probes", 1)
    if not isinstance(positions, (EveryRow, TokenSelector)) or isinstance(positions, MeanPool):
        raise InputError(
            f"positions is {positions!r}: a pooled row is made of many activations, and the output has no gradient at it; name "
            "one activation for each row, e.g. positions=ti.last_token() or ti.every_token()"
        )
    model = checked_model(model)
    found, _ = resolve_sites(site, [path for path, _ in model.named_modules(remove_duplicate=False)], aliases(model))
    if len(found) != 1 or found[0].side != "output":
        raise InputError(f"site is {site!r}, which means {[s.key for s in found]}; the output of one module is needed")
    batches, _ = as_batches(inputs)
    total: np.ndarray | None = None
    lengths: list[np.ndarray] = []
    owners: list[np.ndarray] = []
    hashes: list[np.ndarray] = []
    items = 0
    for rows, owner, gradients in gradient_batches(
        model, found[0], batches, output, positions, int(probes), int(seed), read, forward, mask, tokenizer
    ):
        gram = np.einsum("prd,pre->de", gradients, gradients, optimize=True)
        total = gram if total is None else total + gram
        lengths.append((gradients**2).sum(axis=2).mean(axis=0))
        owners.append(owner + items)
        hashes.append(row_hashes(rows))
        items += int(owner.max(initial=-1)) + 1
    if total is None or not sum(map(len, lengths)):
        raise InputError(f"no row was chosen at {site!r} by {positions.kind}()")
    count = sum(map(len, lengths))
    trace, error = _trace(np.concatenate(lengths), np.concatenate(owners))
    if not trace > _ERRORS * error:
        raise InputError(
            f"the output hardly reacts to {found[0].key!r}: tr M is {trace:.3g} with a standard error of {error:.2g}; give more "
            "inputs, or a site that the output depends on"
        )
    return RelevantDirections(
        total / (count * int(probes)), trace, error, found[0].key, output, count, items, int(probes), np.concatenate(hashes)
    )


def _trace(lengths: np.ndarray, owners: np.ndarray) -> tuple[float, float]:
    """Mean of the squared lengths, and its standard error with the items as the independent units (a ratio estimate)."""
    counts = np.bincount(owners)
    sums = np.bincount(owners, weights=lengths)
    sums, counts = sums[counts > 0], counts[counts > 0]
    mean = float(sums.sum() / counts.sum())
    m = len(counts)
    if m < 2:
        return mean, math.inf
    return mean, float(np.sqrt(((sums - mean * counts) ** 2).sum() * m / (m - 1)) / counts.sum())
