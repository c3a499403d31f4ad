"""The command line: each command is one call of the pipeline.

Exit codes: 0 done, 1 an error that the package names (one line on standard error), 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from topo_interp._errors import TopoInterpError
from topo_interp._words import counted
from topo_interp.cli_changes import diff, track
from topo_interp.cli_layers import capture, report
from topo_interp.cli_values import Quiet, recipes_of

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
    typer.echo(f"all {counted(len(opened), 'site')} and {counted(len(recipes), 'recipe')} one after another: about {seconds:.2g} s")


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


# Each with its example, in the order in which they are needed.
_COMMANDS: dict[Callable[..., None], str] = {
    capture: "Example: topo-interp capture --model my_models:small_cnn --probe my_data:probe_loader --sites 'features.*' --out run.acts",
    report: (
        "Example: topo-interp report run.acts --draws 99 --jobs 2, or "
        "topo-interp report run.acts --metric chordal --steps centered --draws 99 --null \"matched_gaussian(within=['template'])\""
    ),
    track: (
        "Examples: topo-interp track topo-interp-demo/checkpoints --out training.html · "
        "topo-interp track run --model my_models:small_cnn --probe my_data:probe_loader --sites 'features.*'"
    ),
    diff: "Example: topo-interp diff before.acts after.acts --steps centered --out diff.html",
    info: "Example: topo-interp info run.acts --verify",
    cost: "Examples: topo-interp cost run.acts · topo-interp cost run.acts --metric chordal --steps centered --landmarks 500",
    demo: "Example: topo-interp demo --out my-demo",
}
for _command, _example in _COMMANDS.items():
    app.command(epilog=_example)(_told(_command))


def main() -> None:
    """Entry point of ``topo-interp``."""
    # For the modules that --model, --probe and --null name. Last, so that no file there takes the place of a package that is imported later.
    sys.path.append(os.getcwd())
    app()


if __name__ == "__main__":
    main()
