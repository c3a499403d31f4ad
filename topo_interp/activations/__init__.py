"""A model and its inputs become rows: hooks, row selectors, and the sealed store of what they caught."""
