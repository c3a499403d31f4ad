"""Patterns of module paths."""

from __future__ import annotations

import pytest

from topo_interp import InputError
from topo_interp.activations.sites import resolve_sites

PATHS = [
    "",
    "embed",
    "encoder",
    "encoder.layer",
    "encoder.layer.0",
    "encoder.layer.0.mlp",
    "encoder.layer.0.mlp.act",
    "encoder.layer.1",
    "encoder.layer.1.mlp",
    "encoder.layer.1.mlp.act",
    "mlp",
]


def keys(patterns, aliases=None):
    return [site.key for site in resolve_sites(patterns, PATHS, aliases or {})[0]]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("embed", ["embed"]),
        ("*", ["embed", "encoder", "mlp"]),
        ("encoder.layer.*", ["encoder.layer.0", "encoder.layer.1"]),
        ("encoder.*.?", ["encoder.layer.0", "encoder.layer.1"]),
        ("enc*.layer.1.m*p", ["encoder.layer.1.mlp"]),
        ("**.mlp", ["encoder.layer.0.mlp", "encoder.layer.1.mlp", "mlp"]),
        ("**.mlp.act", ["encoder.layer.0.mlp.act", "encoder.layer.1.mlp.act"]),
        ("encoder.layer.1.**", ["encoder.layer.1.mlp", "encoder.layer.1.mlp.act"]),
        ("encoder.**.act", ["encoder.layer.0.mlp.act", "encoder.layer.1.mlp.act"]),
        ("**", PATHS[1:]),
        ("encoder.layer.*:input", ["encoder.layer.0:input", "encoder.layer.1:input"]),
        ("embed:input[1]", ["embed:input[1]"]),
        ("embed:input[mask]", ["embed:input[mask]"]),
        ("embed:output[1][0]", ["embed:output[1][0]"]),
        ("embed:output", ["embed"]),
        (":output", [":output"]),
        (["embed", "embed:input", "*"], ["embed", "embed:input", "encoder", "mlp"]),
        (
            ["**", "!**.act", "!encoder.layer", "!embed"],
            [p for p in PATHS[2:] if "act" not in p and p != "encoder.layer"],
        ),
        (["*", "*:input", "!mlp:input"], ["embed", "encoder", "mlp", "embed:input", "encoder:input"]),
    ],
)
def test_patterns(pattern, expected):
    assert keys(pattern) == expected


def test_parts_of_a_site():
    site = resolve_sites("embed:output[1][h]", PATHS, {})[0][0]
    assert (site.path, site.side, site.keys, site.named) == ("embed", "output", (1, "h"), True)
    assert not resolve_sites("emb*", PATHS, {})[0][0].named


def test_dots_and_dashes_are_literal():
    assert [s.key for s in resolve_sites("a+b*", ["", "a+b1", "aab1"], {})[0]] == ["a+b1"]


def test_a_module_at_two_paths_is_matched_once():
    aliases = {"mlp": "encoder.layer.0.mlp"}
    sites, left_out = resolve_sites("**.mlp", PATHS, aliases)
    assert [site.key for site in sites] == ["encoder.layer.0.mlp", "encoder.layer.1.mlp"]
    assert left_out == {"mlp": "the same module as 'encoder.layer.0.mlp'"}
    # named in full, each path is its own site
    assert keys(["mlp", "encoder.layer.0.mlp"], aliases) == ["mlp", "encoder.layer.0.mlp"]
    # and a pattern that meets only the later path takes that
    assert keys("ml*", aliases) == ["mlp"]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("encoder.layers.*", r"'encoder\.layers\.\*' matches no module; nearest: 'encoder\.layer\.[01]'"),
        ("encoder.layer.7", r"matches no module; nearest: 'encoder\.layer"),
        ("embed:outputs", "is no site; write a module path"),
        ("embed[0]", "is no site"),
        ([], "give patterns of module paths"),
        ([3], "give patterns of module paths"),
        (["embed", "!*"], "leaves no module, because of the patterns with '!'"),
    ],
)
def test_errors_say_what_to_type(pattern, words):
    with pytest.raises(InputError, match=words):
        resolve_sites(pattern, PATHS, {})


def test_a_model_without_modules():
    with pytest.raises(InputError, match="the model has no submodules; ':output' is its own output"):
        resolve_sites("*", [""], {})
