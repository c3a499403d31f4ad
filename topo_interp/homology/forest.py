"""Forests with a root in every tree."""

from __future__ import annotations

import numpy as np

__all__ = ["rooted_forest"]


def rooted_forest(edges: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Parent of every vertex (-1 for the smallest of each tree, its root), and the vertices with parents before children.

    >>> parent, order = rooted_forest(np.array([[1, 2], [0, 2]]), 4)
    >>> parent.tolist(), order.tolist()
    ([-1, 2, 0, -1], [0, 3, 2, 1])
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order, connected_components

    # One more vertex joined to the root of each tree makes the forest one tree, which one walk reaches.
    _, label = connected_components(coo_array((np.ones(len(edges)), edges.T), shape=(n, n)).tocsr(), directed=False)
    roots = np.unique(label, return_index=True)[1]
    ends = np.concatenate((edges, np.column_stack((np.full(len(roots), n), roots))))
    tree = coo_array((np.ones(len(ends)), ends.T), shape=(n + 1, n + 1)).tocsr()
    order, parent = breadth_first_order(tree, n, directed=False)
    parent = parent[:n].astype(np.int64)
    parent[roots] = -1
    return parent, order[1:]
