"""The commands of several stores: the checkpoints of a run, and two stores of the same rows."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from topo_interp._errors import InputError
from topo_interp._words import counted
from topo_interp.cli_values import SELECTORS, Quiet, called, loaded, recipes_of, table_of, writable_all

if TYPE_CHECKING:
    from topo_interp.track import Track

__all__ = ["diff", "track"]


def track(
    run: Annotated[
        Path, typer.Argument(help="A folder of stores, or of checkpoints (*.pt, *.safetensors); the step is the last number of a name.")
    ],
    out: Annotated[Path, typer.Option(help="The HTML file to write; its tables are written beside it.")] = Path("training.html"),
    model: Annotated[
        str | None, typer.Option(metavar="MODULE:NAME", help="For checkpoint files: the model they are loaded into.")
    ] = None,
    probe: Annotated[
        str | None, typer.Option(metavar="MODULE:NAME", help="For checkpoint files: the batches to run it on.")
    ] = None,
    sites: Annotated[list[str] | None, typer.Option(help="For checkpoint files: module paths or globs.")] = None,
    rows: Annotated[str, typer.Option(help="For checkpoint files: what one row is, see capture.")] = "every_row",
    metric: Annotated[str, typer.Option(help="Name of a metric, or 'diffusion(k=15, t=8)'.")] = "euclidean",
    max_dim: Annotated[int, typer.Option(help="Highest degree of homology: 1 for loops.")] = 1,
    steps: Annotated[list[str] | None, typer.Option(help="A step before the distance, see report.")] = None,
    metrics: Annotated[Path | None, typer.Option(help="CSV or parquet with a column step and loss, accuracy ...")] = None,
    subsamples: Annotated[int, typer.Option(help="Subsamples that measure the noise; 0 for no events.")] = 20,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    cache: Annotated[Path | None, typer.Option(help="Folder of finished results; by default .topo-interp in RUN.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute all anew instead of going on.")] = False,
    save: Annotated[Path | None, typer.Option(help="Also keep the track in this file.")] = None,
    quiet: Quiet = False,
) -> None:
    """Follow the topology of every site through the checkpoints of a run; an interrupted call goes on where it stopped."""
    import topo_interp as ti
    from topo_interp.checkpoints import captured_stores, checkpoint_files, stores_of_run

    writable_all(out, save)
    (recipe,) = recipes_of([metric], steps, max_dim)
    table = None if metrics is None else table_of(metrics)
    folder = cache or run / ".topo-interp"
    failed: dict[int, str] = {}
    if model is None and probe is None:
        stores = stores_of_run(run)
    else:
        if model is None or probe is None or not sites:
            raise InputError("checkpoint files need all of --model, --probe and --sites")
        files, network, selector = checkpoint_files(run), loaded(model, "--model"), called(rows, SELECTORS, "--rows")

        def keep(filled: Any, path: Path) -> None:
            ti.capture(filled, loaded(probe, "--probe"), sites, rows=selector, out=path, progress=False)  # type: ignore[arg-type]

        settings = {"model": model, "probe": probe, "sites": sites, "rows": rows}
        if fresh:  # the probe set may be another one under the same name
            settings["fresh"] = str(time.time())
        stores, failed = captured_stores(files, network, keep, folder / "stores", settings)
    found = ti.track(
        stores, recipe, metrics=table, subsamples=subsamples, n_jobs=jobs, resume=not fresh, cache=folder / "results",
        progress=not quiet,
    )  # fmt: skip
    if failed:
        found = dataclasses.replace(found, failed=MappingProxyType(dict(sorted({**found.failed, **failed}.items()))))
    if save is not None:
        found.save(save)
    found.report(out)
    for step, message in found.failed.items():
        typer.echo(f"warning: step {step}: {message}", err=True)
    if all(result.error for profile in found.profiles.values() for result in profile.results):
        raise InputError("every site of every step failed; the report holds the messages")
    if not quiet:
        kept = found.about["results"] - found.about["computed"]
        typer.echo(f"{found!r}: {out} ({counted(found.about['computed'], 'result')} computed, {kept} taken from {folder})")
        if subsamples:
            _tell_events(found)


def _tell_events(found: Track) -> None:
    from topo_interp.report.track_page import event_words

    events = found.events()
    for event in events.to_dict("records"):
        typer.echo(event_words(event))
    for caution in filter(None, dict.fromkeys(events["caution"])):
        typer.echo(f"caution: {caution}", err=True)


def diff(
    a: Annotated[Path, typer.Argument(help="A store.")],
    b: Annotated[Path, typer.Argument(help="Another store of the same rows.")],
    out: Annotated[Path, typer.Option(help="The HTML file to write; its tables are written beside it.")] = Path("diff.html"),
    metric: Annotated[str, typer.Option(help="Name of a metric, or 'diffusion(k=15, t=8)'.")] = "euclidean",
    max_dim: Annotated[int, typer.Option(help="Highest degree of homology: 1 for loops.")] = 1,
    steps: Annotated[list[str] | None, typer.Option(help="A step before the distance, see report.")] = None,
    draws: Annotated[int, typer.Option(min=0, help="Permuted pairings for the p-values; 0 for none, also where rows are grouped.")] = 99,
    subsamples: Annotated[int, typer.Option(help="Subsamples for the intervals; 0 for none.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws and subsamples.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    save: Annotated[Path | None, typer.Option(help="Also keep the diff in this file.")] = None,
    quiet: Quiet = False,
) -> None:
    """Compare two stores of the same rows site by site: how far apart, and whether more alike than rows paired at random."""
    import topo_interp as ti

    writable_all(out, save)
    (recipe,) = recipes_of([metric], steps, max_dim)
    found = ti.diff(a, b, recipe, draws=draws, subsamples=subsamples, seed=seed, n_jobs=jobs, progress=not quiet)
    if save is not None:
        found.save(save)
    found.report(out)
    frame = found.to_frame()
    for site, error in zip(frame["site"], frame["error"], strict=True):
        if error:
            typer.echo(f"warning: {site}: {error}", err=True)
    if not quiet:
        columns = [name for name in ("site", "rtd", "rtd_p_max_t", "cka", "cka_p_max_t", f"bottleneck_dim{max_dim}") if name in frame]
        typer.echo(frame[columns].to_string(index=False, float_format="{:.3g}".format))
        chance = f"p of {counted(found.about['tests'], 'test')} against {draws} random pairings, max-T" if draws else "no p-values were computed"
        typer.echo(f"{found!r}: {out}; {chance}")
