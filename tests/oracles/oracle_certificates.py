"""The statements of a certificate against the true bars: float64 distances of all points, reduced by gudhi."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

TOLERANCE = 1e-12  # of float64 distances computed in two ways


def true_bars(square):
    """Births and deaths of degrees 0 and 1 in float64, by a program that is not ours."""
    import gudhi

    tree = gudhi.RipsComplex(distance_matrix=square).create_simplex_tree(max_dimension=2)
    tree.compute_persistence(min_persistence=0.0, persistence_dim_max=True)
    return [np.asarray(tree.persistence_intervals_in_dimension(dim)).reshape(-1, 2) for dim in (0, 1)]


def matched(allowed):
    """Whether every row can have a column of its own."""
    if allowed.shape[0] == 0:
        return True
    return bool((maximum_bipartite_matching(csr_array(allowed), perm_type="column") >= 0).all()) if allowed.shape[1] else False


def violations(diagrams, truth):
    """Which of the printed statements about degrees 0 and 1 are false."""
    wrong = []
    down, up = diagrams.certificate.down, diagrams.certificate.up
    for dim in (0, 1):
        frame = diagrams.bounds(dim)
        claims = frame[frame["certified"]]
        birth, death = truth[dim][:, 0], truth[dim][:, 1]

        def between(low, values, high):
            return (low[:, None] <= values + TOLERANCE) & (values <= high[:, None] + TOLERANCE)

        columns = {name: claims[name].to_numpy() for name in claims.columns}
        inside = between(columns["birth_low"], birth, columns["birth_high"]) & between(columns["death_low"], death, columns["death_high"])
        inside &= columns["persistence_low"][:, None] <= death - birth + TOLERANCE
        if not matched(inside):
            wrong.append(f"a certified bar of degree {dim} has no true one")
        # The other way: a true bar that is long enough, as far as the diagrams are complete, was found.
        long = truth[dim][np.minimum(death, diagrams.certificate.valid_to) - birth > down + up + TOLERANCE]
        found = diagrams[dim]
        seen = (found[:, 0] >= long[:, :1] - down - TOLERANCE) & (found[:, 0] <= long[:, :1] + up + TOLERANCE)
        ends = (found[:, 1] >= long[:, 1:] - down - TOLERANCE) & (found[:, 1] <= long[:, 1:] + up + TOLERANCE)
        if diagrams.censored_at is not None:
            ends |= diagrams.censored(dim) & (diagrams.censored_at <= long[:, 1:] + up + TOLERANCE)
        seen &= ends
        if not matched(seen):
            wrong.append(f"a true bar of degree {dim} is missing")
    return wrong
