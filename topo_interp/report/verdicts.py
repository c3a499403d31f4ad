"""What may be said of a bar: beyond chance, not beyond chance, or not tested; in words, marks and colors."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from topo_interp.profile import Profile

__all__ = ["GREY", "NOUNS", "VERDICT_WORDS", "longest_only", "mark", "p_words", "verdict"]

# Of what is not told from chance; distinct from every color of a degree, also on paper.
GREY = "#b4bcc4"
# The degree None is that of statistics of no one degree.
NOUNS: dict[int | None, str] = {0: "gap between pieces", 1: "loop", 2: "void", None: "statistic of no one degree"}
VERDICT_WORDS = {True: "beyond chance", False: "not beyond chance", None: "not tested"}


def verdict(profile: Profile, site: str, recipe: str, dim: int | None) -> bool | None:
    """Whether the bars of this degree are beyond chance; None where they were not tested."""
    return None if profile.tests is None else profile.tests.significant(site, recipe, dim)


def mark(profile: Profile, site: str, recipe: str, dim: int) -> str:
    """The verdict as the end of a label; empty where nothing was tested."""
    return {True: "  ● beyond chance", False: "  ○ not beyond chance", None: ""}[verdict(profile, site, recipe, dim)]


def longest_only(profile: Profile, site: str, recipe: str, dim: int) -> bool:
    """Whether the statistic is the longest bar, so that a verdict is about this bar and no other."""
    found = None if profile.tests is None else profile.tests.test(site, recipe, dim)
    return found is not None and str(found["summary"]).startswith("max_persistence")


def p_words(p: float, draws: int) -> str:
    """A p-value, with a sign where it is the smallest that so many draws can give.

    >>> p_words(0.025, 39), p_words(0.4, 39)
    ('≤ 0.025', '= 0.4')
    """
    return f"{'≤' if p <= 1 / (1 + draws) + 1e-12 else '='} {p:.2g}"
