"""The manifest of a bundle: what lies in `models/`, by what it was made, what it is worth.

A bundle is the folder of a finished run's models. Scoring needs nothing else: no data, no DVC.
"""

import platform
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from fame import params
from fame.fusion import fusion_file
from fame.fusion.combination import Combination
from fame.learners import model_files
from fame.params import (
    DataParams,
    FeatureTableParams,
    MetaParams,
    PredictionParams,
    Strict,
)
from fame.posts.contract import POSTS
from fame.registry import BACKBONES, resolve, resolve_learner
from fame.runtime import files
from fame.runtime.dvc_lock import MANIFEST
from fame.runtime.errors import InputError
from fame.runtime.versions import list_versions

FORMAT = 4  # of the manifest; another one is another program's
ENCODERS, TABLES, LEARNERS = "encoders", "tables", "learners"
FUSION, INDEX = "fusion.json", "index"
BLOCKS = ("data", "backbones", "meta", "tables", "learners", "predictions")


class BundleParams(Strict):
    """The blocks of params.yaml that scoring needs."""

    data: DataParams
    backbones: dict[str, Any]
    meta: MetaParams
    tables: dict[str, FeatureTableParams]
    learners: dict[str, Any]
    predictions: PredictionParams


class Entry(Strict):
    """A backbone or a learner, as far as it tells whose parameters it has."""

    model_config = ConfigDict(extra="ignore")

    kind: str


class Training(Strict):
    """What the training posts were: counts, labels, times in seconds."""

    posts: int
    authors: int
    label_quantiles: Annotated[list[float], Field(min_length=2)]
    target_transform: str
    first_post: int | None
    last_post: int | None


class Manifest(Strict):
    """The shape of a manifest: it has no digest of its own, and may be damaged or made up."""

    format: int
    files: dict[str, str]
    versions: dict[str, str]
    params: dict[str, Any]
    columns: list[Annotated[list[str], Field(min_length=2, max_length=2)]]
    training: Training
    learners: list[str]
    left_out: dict[str, str]


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files are all there, as they were written.

    Attributes:
        folder: of the bundle.
        params: as the run had them.
        columns: name and Arrow type of each column of the posts table, in its order.
        training: counts, labels and holdout scores of the run.
        left_out: learner -> why it is not in the bundle.
        learners: those that can be asked, in the order in which they are fused.
        combination: how the learners that are there are fused.
        widths: known and new authors -> share in percent -> half width of the interval.
        shares: of the posts that the intervals are to cover.
        reach: the lowest and the highest end of an interval.
    """

    folder: Path
    params: BundleParams
    columns: list[tuple[str, str]]
    training: dict[str, Any]
    left_out: dict[str, str]
    learners: list[str]
    combination: Combination
    widths: dict[str, dict[str, float]]
    shares: list[float]
    reach: tuple[float, float]


def describe_versions() -> dict[str, str]:
    """Library -> version, Python's too."""
    major_minor = ".".join(platform.python_version_tuple()[:2])
    return {"python": major_minor, **list_versions()}


def open_bundle(folder: Path, *, any_versions: bool = False) -> Bundle:
    """Check every file and version, then read what the models are made and fused by.

    Raises:
        InputError: no bundle, a file is missing, damaged or was not among those written, or a
            library has another version than in training (``any_versions`` accepts that).
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest["files"])
    if not any_versions:
        check_versions(manifest["versions"])
    settings = params.validate(BundleParams, manifest["params"], f"{folder / MANIFEST}: params")
    for block, find in (("backbones", _find_backbone), ("learners", _find_learner)):
        entries = getattr(settings, block)
        for name, entry in entries.items():
            place = f"{folder / MANIFEST}: {block}.{name}"
            model = find(params.validate(Entry, entry, place).kind, f"{block}.{name}.kind")
            entries[name] = params.validate(model, entry, place)
    lacking = set(POSTS.names) - {name for name, _ in manifest["columns"]}
    if lacking:
        raise InputError(f"{folder / MANIFEST}: columns: lacks {', '.join(sorted(lacking))}")
    if not set(manifest["left_out"]) < set(manifest["learners"]):
        raise InputError(f"{folder / MANIFEST}: left_out: expected some of its learners, not all")
    if sorted(manifest["learners"]) != sorted(settings.learners):
        raise InputError(f"{folder / MANIFEST}: learners are not those of its params; train again")
    fusion = read_fusion(folder, manifest)
    combination = Combination(fusion["weights"], fusion["lines"])
    for name in manifest["left_out"]:
        combination = combination.leave_out(name)
    return Bundle(
        folder=folder,
        params=settings,
        columns=[(name, kind) for name, kind in manifest["columns"]],
        training=manifest["training"] | {"holdout": fusion["holdout"]},
        left_out=manifest["left_out"],
        learners=[name for name in manifest["learners"] if name not in manifest["left_out"]],
        combination=combination,
        widths=fusion["intervals"],
        shares=fusion["shares"],
        reach=tuple(fusion["reach"]),
    )


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a bundle of this format.

    Raises:
        InputError: there is none.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; a bundle is the folder models/ of a finished run "
            "(`make repro`), or what `fame export` wrote"
        )
    manifest = files.read_json(path)
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        raise InputError(f"{path}: format {found!r}, expected {FORMAT}; train again")
    params.validate(Manifest, manifest, str(path))
    return manifest


def read_fusion(folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """How a bundle's learners are fused.

    Raises:
        InputError: no such file, a damaged one, or of other models than the manifest's.
    """
    fusion = fusion_file.read(folder / FUSION)
    fused, trained, packed = fusion["models"], manifest["learners"], manifest["files"]
    other = [
        name
        for name in dict.fromkeys([*trained, *fused])
        if name not in manifest["left_out"]
        and packed.get(f"{LEARNERS}/{name}/{model_files.MANIFEST}") != fused.get(name)
    ]
    if other:
        raise InputError(
            f"{folder / FUSION}: of another training of {', '.join(other)} than {MANIFEST}; run "
            "`dvc repro`"
        )
    return fusion


def check_files(folder: Path, digests: dict[str, str]) -> None:
    """Every file is there with its digest; all that are not are named at once.

    Raises:
        InputError: names them.
    """
    problems = []
    for name, digest in digests.items():
        pure, path = PurePosixPath(name), folder / name
        if pure.is_absolute() or ".." in pure.parts:
            problems.append(f"{name}: leaves the bundle")
        elif not path.is_file():
            problems.append(f"{name}: missing")
        elif files.digest_file(path) != digest:
            problems.append(f"{name}: not the file that was saved (damaged or changed)")
    if problems:
        shown = "; ".join(problems[:3]) + (f"; {len(problems) - 3} more" if problems[3:] else "")
        raise InputError(f"{folder}: {shown}; export the bundle again, or run `dvc repro`")


def check_versions(trained: dict[str, str]) -> None:
    """Refuse libraries of other versions than in training: they may predict other numbers.

    Raises:
        InputError: names all that differ.
    """
    here = describe_versions()
    other = [
        f"{name} {version} (here {here.get(name, 'not installed')})"
        for name, version in trained.items()
        if here.get(name) != version
    ]
    if other:
        raise InputError(
            f"the bundle was trained with {', '.join(other)}; install these versions, or accept "
            "other last digits with --any-versions (library: any_versions=True)"
        )


def _find_backbone(kind: str, where: str) -> type[Strict]:
    return resolve(BACKBONES, kind, where).Params


def _find_learner(kind: str, where: str) -> type[Strict]:
    return resolve_learner(kind, "Params", where)
