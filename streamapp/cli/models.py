"""`streamapp models`: the model registry."""

import asyncio
import logging
from pathlib import Path
from typing import Annotated, Any

import typer

from streamapp.errors import ConfigError, RegistryUnavailable, StreamappError, UnknownVersion
from streamapp.models import Registry

app = typer.Typer(name="models", no_args_is_help=True, help="The model registry. Versions never change, aliases move.")


CHAMPION = "champion"
"""The alias of the version that answers."""


def _several(name: str, what: str, metavar: str) -> Any:
    """An option that may be repeated."""
    return typer.Option(
        name, metavar=metavar, help=f"{what} May be repeated.", default_factory=list, show_default=False
    )


RegistryUrl = Annotated[
    str | None,
    typer.Option(
        "--registry", metavar="URL", envvar="STREAMAPP_REGISTRY", help="A folder or an fsspec URL.", show_default=False
    ),
]
Model = Annotated[str, typer.Argument(metavar="MODEL", show_default=False)]
Version = Annotated[str, typer.Argument(metavar="VERSION", help="A version or an alias.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="JSON lines instead of a table.")]
Inputs = Annotated[
    list[str], _several("--input", "An input, for formats without a signature: x:float32[rows,3].", "TENSOR")
]
Outputs = Annotated[list[str], _several("--output", "An output, likewise.", "TENSOR")]
Metrics = Annotated[list[str], _several("--metric", "A figure from training.", "NAME=VALUE")]
Trust = Annotated[
    bool, typer.Option("--trust", help="Load formats that can run code (.river, .pt2): you know where this is from.")
]
Sample = Annotated[
    Path | None, typer.Option("--sample", metavar="FILE", help="Rows to try it with: JSON, input name -> rows.")
]
TimeLimit = Annotated[float, typer.Option("--time-limit-s", min=0.1, help="Seconds that the trial may take.")]
MemoryLimit = Annotated[float, typer.Option("--memory-limit-gib", min=0.1, help="Memory that the trial may use.")]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who does this; the system's user if absent.")]


@app.command()
def register(
    model: Model,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The model file.", show_default=False)],
    version: Annotated[str, typer.Option("--version", metavar="V", help="It never changes.", show_default=False)],
    inputs: Inputs,
    outputs: Outputs,
    metrics: Metrics,
    registry: RegistryUrl = None,
    runtime: Annotated[str | None, typer.Option(help="By the file's ending if absent.")] = None,
    trust: Trust = False,
    sample: Sample = None,
    feature_service: Annotated[str | None, typer.Option(metavar="NAME", help="Feast feature service.")] = None,
    feature_service_sha256: Annotated[str | None, typer.Option(metavar="HEX", help="Of its definition.")] = None,
    training_data: Annotated[str | None, typer.Option(metavar="TEXT", help="Where the training rows are.")] = None,
    trained_from: Annotated[str | None, typer.Option(metavar="TIME", help="Their first time, ISO 8601.")] = None,
    trained_to: Annotated[str | None, typer.Option(metavar="TIME", help="Their end, not included.")] = None,
    code_version: Annotated[str | None, typer.Option(metavar="TEXT", help="Of the training code.")] = None,
    parent: Annotated[str | None, typer.Option(metavar="VERSION", help="What it was made from; or @alias.")] = None,
    time_limit_s: TimeLimit = 120.0,
    memory_limit_gib: MemoryLimit = 8.0,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Try a model in a process of its own, then make a version of it."""
    from streamapp.clock import SystemClock
    from streamapp.registering.claims import feature_contract, parse_metrics, training_of
    from streamapp.registering.register import Claim, Trial, user
    from streamapp.registering.register import register as run
    from streamapp.registering.tables import print_outcomes
    from streamapp.registering.tensors import declared_signature
    from streamapp.registering.trial import Limits

    opened = _open(registry)
    claim = Claim(
        model=model,
        version=version,
        runtime=runtime,
        declared=declared_signature(inputs, outputs),
        feature_service=feature_contract(feature_service, feature_service_sha256),
        training=training_of(training_data, trained_from, trained_to),
        code_version=code_version,
        metrics=parse_metrics(metrics),
        parent=opened.resolve(model, parent) if parent else None,
    )
    trial = Trial(trust, sample, Limits(time_limit_s, memory_limit_gib))
    print_outcomes([run(opened, path, claim, trial, by or user(), SystemClock())], as_json=as_json)


@app.command("list")
def list_(
    model: Annotated[str | None, typer.Argument(metavar="[MODEL]", show_default=False)] = None,
    registry: RegistryUrl = None,
    as_json: AsJson = False,
) -> None:
    """The versions of all models, or of one."""
    from streamapp.registering.tables import print_versions

    opened = _open(registry)
    print_versions(opened, (opened.known(model),) if model else opened.models(), as_json=as_json)


@app.command()
def show(
    model: Model,
    version: Annotated[
        str | None, typer.Argument(metavar="[VERSION|@ALIAS]", help="All of them if absent.", show_default=False)
    ] = None,
    registry: RegistryUrl = None,
    as_json: AsJson = False,
) -> None:
    """One version in full, or a model's versions and how its aliases moved."""
    from streamapp.registering.tables import print_aliases, print_version, print_versions

    opened = _open(registry)
    if version is None:
        print_versions(opened, (opened.known(model),), as_json=as_json)
        if not as_json:
            print_aliases(opened.aliases(model))
        return
    print_version(opened.version(model, opened.resolve(model, version)), opened.aliases(model), as_json=as_json)


@app.command()
def diff(
    model: Model,
    a: Annotated[str, typer.Argument(metavar="A", help="A version or an alias.", show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", help="Another one.", show_default=False)],
    registry: RegistryUrl = None,
    as_json: AsJson = False,
) -> None:
    """What differs between two versions."""
    from streamapp.registering.tables import print_difference

    opened = _open(registry)
    one, other = (opened.version(model, opened.resolve(model, name)) for name in (a, b))
    print_difference(one, other, as_json=as_json)


@app.command()
def verify(model: Model, version: Version, registry: RegistryUrl = None) -> None:
    """Read every file of a version and compare it with the manifest."""
    from streamapp.registering.tables import counted

    opened = _open(registry)
    manifest = opened.verify(model, opened.resolve(model, version))
    size = sum(file.bytes for file in manifest.files)
    typer.echo(
        f"{model} {manifest.version}: {counted(len(manifest.files), 'file')}, {size} bytes, as its manifest says"
    )


@app.command()
def alias(
    context: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(metavar="[MODEL] ALIAS VERSION", help="Alias: champion, challenger, …", show_default=False),
    ],
    registry: RegistryUrl = None,
    by: By = None,
    pipeline: Annotated[
        Path | None,
        typer.Option(
            "--pipeline",
            "-p",
            metavar="FILE",
            envvar="STREAMAPP_PIPELINE",
            help="With alias `champion`: the version answers in this pipeline, at once, whether or not the registry is "
            "there or has it. MODEL and --registry may be left out then.",
            show_default=False,
        ),
    ] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is kept in the pipeline's history.")] = "",
) -> None:
    """Let an alias mean a version from now on; with --pipeline a new champion answers first, then the alias moves.

    Status 0 also where a champion answers that the registry lacks, since the pipeline file gives it: its alias stays.
    Status 1 if the alias could not be moved although the registry has the version; that it answers holds all the same.
    """
    if pipeline is not None:
        names, registry, settings = _completed(pipeline, names, registry)
    if len(names) != 3:
        raise ConfigError("write MODEL ALIAS VERSION, as in: streamapp models alias scorer champion 3")
    if pipeline is not None and names[1] in {CHAMPION, settings.control and settings.control.alias}:
        _make_champion(context, pipeline, settings, names, registry, by, reason)
    else:
        model, name, version = names
        _point(model, name, version, registry, by)


def _point(model: str, name: str, version: str, registry: str | None, by: str | None) -> None:
    from streamapp.registering.register import user

    opened = _open(registry)
    now = opened.point(model, name, opened.resolve(model, version), by or user())
    last = now.history[-1]
    typer.echo(f"{model}: {name} is {now.version} since {last.when} by {last.who}, before {last.source or 'nothing'}")


def _completed(pipeline: Path, names: list[str], registry: str | None) -> tuple[list[str], str | None, Any]:
    """MODEL ALIAS VERSION and the registry, as the pipeline completes them, and the pipeline."""
    from streamapp.config.load import load_pipeline
    from streamapp.control.companion import registry_address
    from streamapp.rollout.champion import only_model

    settings = load_pipeline(pipeline)
    names = [only_model(settings), *names] if len(names) == 2 else names
    if registry is None and settings.control is not None:
        registry = registry_address(settings.control, pipeline.parent)
    return names, registry, settings


def _make_champion(
    context: typer.Context,
    pipeline: Path,
    settings: Any,
    names: list[str],
    registry: str | None,
    by: str | None,
    reason: str,
) -> None:
    """The version answers before its alias moves, so that a registry that is away does not keep a rollback."""
    from streamapp.rollout.champion import make_champion
    from streamapp.rollout.reach import reach

    # What stops a command is raised and told once; aiokafka logs it as well.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    model, name, reference = names
    reached = (context.obj or reach)(settings, pipeline.parent)
    made = asyncio.run(make_champion(reached, settings, model, reference, reason))
    typer.echo(made.said)
    if not made.answers and settings.control.alias == name:
        typer.echo(f"{model}: {name} is moved then, by the worker that leads (streamapp rollout status {model})")
        return
    try:
        _point(model, name, made.version, registry, by)
    except UnknownVersion as error:
        if not made.own:
            raise
        typer.echo(
            f"{model}: {name} stays as it is, as the registry cannot name what only the pipeline file has ({error}); "
            f"to change that: streamapp models register {model} PATH --version {made.version}"
        )
    except StreamappError as error:
        tried = isinstance(error, RegistryUnavailable) and settings.control.alias == name
        more = "; the worker that leads goes on trying" if tried else ""
        raise type(error)(f"{made.said}; but alias `{name}` was not moved{more}: {error}") from error


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", show_default=False)],
    inputs: Inputs,
    outputs: Outputs,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Of a single model; or only this one.")] = None,
    version: Annotated[str | None, typer.Option(metavar="V", help="Likewise.")] = None,
    registry: RegistryUrl = None,
    trust: Trust = False,
    sample: Sample = None,
    time_limit_s: TimeLimit = 120.0,
    memory_limit_gib: MemoryLimit = 8.0,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Register what a Triton-style repository, an MLflow model folder or a TorchScript file holds.

    Exit status 1 if something in it was refused.
    """
    from streamapp.clock import SystemClock
    from streamapp.registering.found import Refused
    from streamapp.registering.importing import find, import_all
    from streamapp.registering.register import Trial, user
    from streamapp.registering.tables import print_outcomes
    from streamapp.registering.tensors import declared_signature
    from streamapp.registering.trial import Limits

    opened = _open(registry)
    declared = declared_signature(inputs, outputs)
    trial = Trial(trust, sample, Limits(time_limit_s, memory_limit_gib))
    found = find(source, model, version)
    outcomes = import_all(opened, found, declared, trial, by or user(), SystemClock())
    print_outcomes(outcomes, as_json=as_json)
    if any(isinstance(outcome, Refused) for outcome in outcomes):
        raise typer.Exit(1)


def _open(url: str | None) -> Registry:
    """Where the models are. Raises `ConfigError`."""
    if url is None:
        raise ConfigError("no registry is named: --registry URL, or set STREAMAPP_REGISTRY")
    return Registry(url)
