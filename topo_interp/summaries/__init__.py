"""Diagrams to numbers, curves and vectors, and the plain baselines to print beside them."""
