"""Site patterns: globs over module paths, and what to take there (output, an entry of it, or an input).

encoder.layer.*          the output of each layer        (``*``: one path component, or a part of one)
**.attention             any depth                       (``**``: any number of components)
encoder.layer.3:input    what goes into a module         (``:input[1]`` the second argument, ``:input[mask]`` by name)
rnn:output[1][0]         an entry of a tuple or mapping
!**.dropout              take these out again
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

from topo_interp._errors import InputError

__all__ = ["Site", "resolve_sites"]

_SITE = re.compile(r"(?P<path>.*?)(?::(?P<side>input|output)(?P<keys>(?:\[\w+\])*))?")


@dataclasses.dataclass(frozen=True)
class Site:
    """One thing to capture: the key in the store, the module's path, and where to look.

    ``named`` is True for a path written in full, whose failure is an error; what a pattern matched may be left out.
    """

    key: str
    path: str
    side: str
    keys: tuple[int | str, ...]
    named: bool


def resolve_sites(
    patterns: str | Sequence[str], paths: Sequence[str], aliases: Mapping[str, str]
) -> tuple[list[Site], dict[str, str]]:
    """The sites that the patterns mean, each once, and what a pattern matched but left out (with the reason).

    Args:
        patterns: one or several patterns.
        paths: all module paths of the model, the root ("") too.
        aliases: path -> the first path of the same module, for modules that stand at several paths.

    Raises:
        InputError: a pattern is malformed or matches nothing; the nearest paths are listed.
    """
    patterns = [patterns] if isinstance(patterns, str) or not isinstance(patterns, Iterable) else list(patterns)
    if not patterns or not all(isinstance(pattern, str) for pattern in patterns):
        raise InputError(
            f"sites is {patterns!r}; give patterns of module paths such as 'encoder.layer.*' or '**'"
        )
    found: dict[str, Site] = {}
    left_out: dict[str, str] = {}
    for pattern in patterns:
        if pattern.startswith("!"):
            dropped = _parse(pattern[1:])
            for site in list(found.values()):
                if _matches(dropped[0], site.path) and dropped[1:] in (
                    ("output", ""),
                    (site.side, _suffix(site.keys)),
                ):
                    del found[site.key]
            continue
        path, side, suffix = _parse(pattern)
        named = "*" not in path and "?" not in path
        hits = (
            [path] if named and path in paths else [p for p in paths if p and not named and _matches(path, p)]
        )
        if not hits:
            raise InputError(f"sites: {pattern!r} matches no module; nearest: {_nearest(path, paths)}")
        seen: dict[str, str] = {}
        for hit in hits:
            key = hit + (f":{side}{suffix}" if side == "input" or suffix or not hit else "")
            first = seen.setdefault(aliases.get(hit, hit), hit)
            if first != hit:
                left_out[key] = f"the same module as {first!r}"
            elif key not in found or named:
                found[key] = Site(key, hit, side, _keys(suffix), named)
    if not found:
        raise InputError(f"sites: {patterns!r} leaves no module, because of the patterns with '!'")
    return list(found.values()), {key: reason for key, reason in left_out.items() if key not in found}


def _parse(pattern: str) -> tuple[str, str, str]:
    match = _SITE.fullmatch(pattern)
    if match is None or ":" in match["path"] or "[" in match["path"]:
        raise InputError(
            f"sites: {pattern!r} is no site; write a module path or glob, then perhaps ':input', ':input[1]' or ':output[0]'"
        )
    return match["path"], match["side"] or "output", match["keys"] or ""


def _keys(suffix: str) -> tuple[int | str, ...]:
    return tuple(int(key) if key.isdigit() else key for key in re.findall(r"\[(\w+)\]", suffix))


def _suffix(keys: tuple[int | str, ...]) -> str:
    return "".join(f"[{key}]" for key in keys)


def _matches(glob: str, path: str) -> bool:
    return re.fullmatch(_regex(glob.split(".")), path) is not None


def _regex(parts: list[str]) -> str:
    # "**." stands for any number of components, none included; a "**" at the end for at least one.
    pieces = []
    for i, part in enumerate(parts):
        last = i == len(parts) - 1
        if part == "**":
            pieces.append(r".+" if last else r"(?:[^.]+\.)*")
        else:
            one = re.escape(part).replace(r"\*", r"[^.]*").replace(r"\?", r"[^.]")
            pieces.append(one if last else one + r"\.")
    return "".join(pieces)


def _nearest(path: str, paths: Sequence[str]) -> str:
    names = [p for p in paths if p]
    near = difflib.get_close_matches(path, names, n=5, cutoff=0.4) or names[:5]
    return ", ".join(map(repr, near)) or "the model has no submodules; ':output' is its own output"
