"""The command line: each command is one call of the pipeline.

Exit codes: 0 done, 1 an error that the package names (one line on standard error), 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from topo_interp._errors import InputError, TopoInterpError
from topo_interp._writing import writable
from topo_interp.cli_values import NULLS, SELECTORS, STEPS, called, loaded, recipes_of, table_of

__all__ = ["app", "main"]

app = typer.Typer(
    name="topo-interp",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="What shape are these activations? Capture a model's layers, compute persistent homology, write a report.",
)


def _print_version(asked: bool) -> None:
    if asked:
        import topo_interp as ti

        typer.echo(ti.__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of ``topo-interp``."""
    app()


def _told(command: Callable[..., None]) -> Callable[..., None]:
    """Our errors become one line and exit code 1; anything else is a bug and keeps its traceback."""

    @functools.wraps(command)
    def run(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
        except TopoInterpError as error:
            typer.echo(f"error: {' '.join(str(error).split())}", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(130) from None

    return run


def _writable(*paths: Path | None) -> None:
    """Found out before the work, not after it."""
    for path in paths:
        if path is not None:
            writable(path)


Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress line and no closing words.")]


@app.command(
    epilog="Example: topo-interp capture --model my_models:small_cnn --probe my_data:probe_loader --sites 'features.*' --out run.acts"
)
@_told
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
    store = ti.capture(
        loaded(model, "--model"),
        loaded(probe, "--probe"),
        sites,
        rows=selector,
        dtype=dtype,
        out=out,
        progress=not quiet,
    )
    if not quiet:
        typer.echo(f"{store!r}\nnext: topo-interp report {out} --out layers.html")


@app.command(
    epilog="Example: topo-interp report run.acts --draws 99 --jobs 2, or "
    "topo-interp report run.acts --metric chordal --steps centered --draws 99 --null \"matched_gaussian(within=['template'])\""
)
@_told
def report(
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
            help="For each layer that shows nothing, how large a circle would have been found: up to 1140 more runs of the first recipe."
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

    _writable(out, save)
    if store.is_file():
        asked = (metric or None, steps or None, sites or None, threshold, null, max_dim, jobs, draws, seed, detect, device)
        if asked != (None, None, None, None, None, 1, 1, 0, 0, True, "cpu"):
            raise InputError(
                f"{str(store)!r} is a profile, whose diagrams and tests are computed; give the store to compute others"
            )
        found = ti.Profile.open(store)
    else:
        if not draws and (null is not None or seed or not detect):
            raise InputError("--null, --seed or --no-detect is given and --draws is not; say how many draws, such as --draws 99")
        chance = None
        if draws:
            value = called(null or "matched_gaussian", NULLS, "--null")
            chance = ti.Significance(null=value, draws=draws, seed=seed, detect=ti.Detect() if detect else None)
        opened = ti.open_store(store)
        recipes = recipes_of(metric, steps, max_dim, threshold, len(opened.rows))
        found = ti.profile(
            opened, recipes, sites=sites or None, significance=chance, n_jobs=jobs, progress=not quiet, device=device
        )
    if save is not None:
        found.save(save)
    found.report(out, title=title)
    failed = [result for result in found.results if result.error]
    for result in failed:
        which = f" ({result.recipe})" if len(found.recipes) > 1 else ""
        typer.echo(f"warning: {result.site}{which}: {result.error}", err=True)
    if not quiet:
        typer.echo(f"{found!r}: {out}")
        typer.echo("no significance was computed (--draws 99 does): noise also has loops" if found.tests is None else found.tests.explain())
    if len(failed) == len(found.results):
        raise InputError("every site failed; the report holds the messages")


@app.command(
    epilog="Examples: topo-interp track topo-interp-demo/checkpoints --out training.html · "
    "topo-interp track run --model my_models:small_cnn --probe my_data:probe_loader --sites 'features.*'"
)
@_told
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
    metric: Annotated[str, typer.Option(help="Name of a metric.")] = "euclidean",
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
    import dataclasses
    from types import MappingProxyType

    import topo_interp as ti
    from topo_interp.checkpoints import captured_stores, checkpoint_files, stores_of_run

    _writable(out, save)
    recipe = ti.Rips(metric, steps=tuple(called(step, STEPS, "--steps") for step in steps or ()), max_dim=max_dim)
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
            settings["fresh"] = str(_now())
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
    if not quiet:
        kept = found.about["results"] - found.about["computed"]
        typer.echo(f"{found!r}: {out} ({found.about['computed']} results computed, {kept} taken from {folder})")
        if subsamples:
            from topo_interp.report.track_page import event_words

            events = found.events()
            for event in events.to_dict("records"):
                typer.echo(event_words(event))
            for caution in filter(None, dict.fromkeys(events["caution"])):
                typer.echo(f"caution: {caution}", err=True)


@app.command(epilog="Example: topo-interp diff before.acts after.acts --steps centered --out diff.html")
@_told
def diff(
    a: Annotated[Path, typer.Argument(help="A store.")],
    b: Annotated[Path, typer.Argument(help="Another store of the same rows.")],
    out: Annotated[Path, typer.Option(help="The HTML file to write; its tables are written beside it.")] = Path("diff.html"),
    metric: Annotated[str, typer.Option(help="Name of a metric.")] = "euclidean",
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

    _writable(out, save)
    recipe = ti.Rips(metric, steps=tuple(called(step, STEPS, "--steps") for step in steps or ()), max_dim=max_dim)
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
        chance = f"p of {found.about['tests']} tests against {draws} random pairings, max-T" if draws else "no p-values were computed"
        typer.echo(f"{found!r}: {out}; {chance}")


def _now() -> float:
    import time

    return time.time()


@app.command(epilog="Example: topo-interp info run.acts --verify")
@_told
def info(
    store: Annotated[Path, typer.Argument(help="A store.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Hash every file and compare with the seals.")
    ] = False,
) -> None:
    """What a store holds; with --verify, whether its bytes are the sealed ones."""
    import topo_interp as ti

    opened = ti.open_store(store)
    rows = opened.rows
    typer.echo(f"store   {store}")
    typer.echo(f"hash    {opened.digest()}")
    typer.echo(f"rows    {len(rows)} ({', '.join(map(str, rows.columns))})")
    for key, value in opened.info.items():
        if isinstance(value, (str, int, float)):
            typer.echo(f"{key:<7} {value}")
    typer.echo(f"sites   {len(opened)}")
    for site in opened:
        n, d = opened.shape(site)
        typer.echo(f"  {site}  {n} x {d}")
    for site, reason in opened.left_out.items():
        typer.echo(f"  left out: {site} ({reason})")
    if verify:
        opened.verify()
        typer.echo("verified: every file has the bytes that the manifest sealed")


@app.command(epilog="Examples: topo-interp cost run.acts · topo-interp cost run.acts --metric chordal --steps centered --landmarks 500")
@_told
def cost(
    store: Annotated[Path, typer.Argument(help="A store.")],
    metric: Annotated[list[str] | None, typer.Option(help="A metric, see report; by default the three of a report.")] = None,
    max_dim: Annotated[int, typer.Option(help="Highest degree of homology.")] = 1,
    steps: Annotated[list[str] | None, typer.Option(help="A step before the distance, see report.")] = None,
    threshold: Annotated[float | None, typer.Option(help="Cut the filtration at this distance, see report.")] = None,
    landmarks: Annotated[
        str | None, typer.Option(help="As ti.Rips(landmarks=...): a number, or 'until_certified(bars=5, max_points=2000)'.")
    ] = None,
) -> None:
    """What recipes would take, before they run: memory and time by site, from short runs on this machine."""
    import topo_interp as ti
    from topo_interp.profile_inputs import named_recipes

    opened = ti.open_store(store)
    recipes = named_recipes(recipes_of(metric, steps, max_dim, threshold, len(opened.rows), landmarks))
    seconds = 0.0
    for site in opened:
        for name, recipe in recipes.items():
            estimate = ti.cost(recipe, *opened.shape(site))
            seconds += estimate.seconds
            typer.echo(f"{site}  {name}  {estimate}")
    typer.echo(f"all {len(opened)} sites and {len(recipes)} recipes one after another: about {seconds:.2g} s")


@app.command(epilog="Example: topo-interp demo --out my-demo")
@_told
def demo(
    out: Annotated[
        Path, typer.Option(help="Folder to write into; a previous demo there is replaced.")
    ] = Path("topo-interp-demo"),
    seed: Annotated[int, typer.Option(help="Seed of the network and of the order of the images.")] = 0,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer images and steps: seconds instead of a minute.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train a small network on handwritten digits, capture every layer at every checkpoint, write the report."""
    from topo_interp.demo import run_demo

    made = run_demo(out, seed=seed, quick=quick, progress=not quiet)
    if not quiet:
        made.show()


if __name__ == "__main__":
    main()
