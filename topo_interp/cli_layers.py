"""The commands of one run: capture what the layers of a model output, and report what shape that has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from topo_interp._errors import InputError, TopoInterpError, error_message
from topo_interp.cli_values import NULLS, SELECTORS, Quiet, called, loaded, recipes_of, writable_all

if TYPE_CHECKING:
    from topo_interp.inference.significance import Significance
    from topo_interp.profile import Profile

__all__ = ["capture", "report"]


def capture(
    model: Annotated[
        str,
        typer.Option(
            metavar="MODULE:NAME", help="A torch module, or a function without arguments that returns one."
        ),
    ],
    probe: Annotated[
        str,
        typer.Option(
            metavar="MODULE:NAME", help="A DataLoader or other batches, or a function that returns them."
        ),
    ],
    sites: Annotated[
        list[str],
        typer.Option(help="Module path or glob (* one component, ** any); may be given several times."),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the new store.")],
    rows: Annotated[
        str,
        typer.Option(
            help="What one row is: every_row, mean_pool, last_token, first_token, spatial_mean, 'every_token(max_rows=2000)'."
        ),
    ] = "every_row",
    dtype: Annotated[str, typer.Option(help="float32, float16, bfloat16 or float64.")] = "float32",
    quiet: Quiet = False,
) -> None:
    """Run a model over a probe set and write what its layers output to a store."""
    import topo_interp as ti

    selector = called(rows, SELECTORS, "--rows")
    network, batches = loaded(model, "--model"), loaded(probe, "--probe")
    try:
        store = ti.capture(network, batches, sites, rows=selector, dtype=dtype, out=out, progress=not quiet)
    except TopoInterpError:
        raise
    except Exception as error:  # in the user's model or batches
        # By name: torch is not ours to import, and older versions have the class elsewhere.
        full = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
        advice = "give smaller batches" if full else "give batches that the model takes"
        raise InputError(f"{model!r} fails on the batches of {probe!r} ({error_message(error)}): {advice}") from error
    if not quiet:
        typer.echo(f"{store!r}\nnext: topo-interp report {out} --out layers.html")


def report(
    context: typer.Context,
    store: Annotated[Path, typer.Argument(help="A store (folder), or a profile that --save wrote (file).")],
    out: Annotated[Path, typer.Option(help="The HTML file to write.")] = Path("layers.html"),
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="Name of a metric, or 'diffusion(k=15, t=8)'; may be given several times. By default three that fail differently: "
            "euclidean, chordal from the mean, and effective resistance of the neighbor graph."
        ),
    ] = None,
    max_dim: Annotated[int, typer.Option(help="Highest degree of homology: 1 for loops, 2 for voids.")] = 1,
    steps: Annotated[
        list[str] | None,
        typer.Option(
            help="A step before the distance: centered, standardized, normalized, 'pca(50)'; in their order."
        ),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Cut the filtration at this distance (of --metric, euclidean by default).")
    ] = None,
    sites: Annotated[
        list[str] | None, typer.Option(help="Sites or globs; may be given several times. All by default.")
    ] = None,
    draws: Annotated[
        int, typer.Option(min=0, help="Draws of the null, shared by all tests; 99 is usual. 0 computes no significance, and claims nothing.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.")] = 0,
    null: Annotated[
        str | None,
        typer.Option(
            help="matched_gaussian (the default), \"matched_gaussian(within=['template'])\" for rows that share a template, "
            "matched_neighbors, shuffled_columns, uniform_on_sphere, \"reinitialized('module:function')\"."
        ),
    ] = None,
    detect: Annotated[
        bool,
        typer.Option(
            help="For each layer that shows nothing, how large a circle would have been found, which takes most of the time (see ti.Detect)."
        ),
    ] = True,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    device: Annotated[str, typer.Option(help="Where to compute: cpu, or cuda (cuda:1).")] = "cpu",
    title: Annotated[str, typer.Option(help="Title of the page.")] = "Layer report",
    save: Annotated[
        Path | None, typer.Option(help="Also keep the profile (diagrams and table) in this file.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Persistent homology of every site of a store, as one HTML file that opens offline."""
    import topo_interp as ti

    writable_all(out, save, store if store.is_file() else None)
    # What the call names, by parameter, as it is typed.
    given = {p.name: "/".join((*p.opts, *p.secondary_opts)) for p in context.command.params if context.get_parameter_source(p.name).name != "DEFAULT"}
    if store.is_file():
        if computing := [option for name, option in given.items() if name not in ("store", "out", "title", "save", "quiet")]:
            raise InputError(
                f"{str(store)!r} is a profile, whose diagrams and tests are computed; give the store to compute others with {', '.join(computing)}"
            )
        found = ti.Profile.open(store)
    else:
        chance = _chance(given, null, draws, seed, detect)
        opened = ti.open_store(store)
        recipes = recipes_of(metric, steps, max_dim, threshold, len(opened.rows))
        found = ti.profile(
            opened, recipes, sites=sites or None, significance=chance, n_jobs=jobs, progress=not quiet, device=device
        )
    if save is not None:
        found.save(save)
    found.report(out, title=title)
    _tell(found, out, quiet)


def _chance(given: dict[str, str], null: str | None, draws: int, seed: int, detect: bool) -> Significance | None:
    """The tests that are asked for."""
    import topo_interp as ti

    if draws:
        value = called(null or "matched_gaussian", NULLS, "--null")
        return ti.Significance(null=value, draws=draws, seed=seed, detect=ti.Detect() if detect else None)
    if testing := [given[name] for name in ("null", "seed", "detect") if name in given]:
        raise InputError(f"{', '.join(testing)} without draws computes nothing; say how many draws, such as --draws 99")
    return None


def _tell(found: Profile, out: Path, quiet: bool) -> None:
    """The closing words: what failed, and what was found."""
    failed = [result for result in found.results if result.error]
    for result in failed:
        which = f" ({result.recipe})" if len(found.recipes) > 1 else ""
        typer.echo(f"warning: {result.site}{which}: {result.error}", err=True)
    if not quiet:
        typer.echo(f"{found!r}: {out}")
        typer.echo("no significance was computed (--draws 99 does): noise also has loops" if found.tests is None else found.tests.explain())
    if len(failed) == len(found.results):
        raise InputError("every site failed; the report holds the messages")
