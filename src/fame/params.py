"""The only reader of params.yaml: strict, typed, frozen, without a default in code.

Every stage validates the whole file before it does anything, so a wrong key anywhere is reported
by the first stage that runs. The blocks of backbones and learners are validated by the `Params`
class of their kind, which stands in the kind's own file. This file is no dependency of a stage: it
holds no number; the values themselves are what DVC compares.
"""

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, PlainValidator, StringConstraints

from fame.registry import BACKBONES, resolve, resolve_learner
from fame.runtime import shared
from fame.runtime.cores import check_cores, choose_cores
from fame.runtime.data_root import check_root
from fame.runtime.errors import InputError
from fame.runtime.strict_yaml import Strict, parse, read_text, validate

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Fraction = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Cores = Annotated[int | Literal["auto"], PlainValidator(check_cores)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class SampleParams(Strict):
    """The simulator of the embedded default (data.source: sample)."""

    training_posts: Count
    challenge_posts: Count
    users: Annotated[int, Field(ge=20)]
    seed: Seed
    author_level: Annotated[float, Field(ge=0, le=0.5)]
    new_authors: Fraction
    other_languages: Fraction
    hashtags: Fraction


class ColumnParams(Strict):
    """Which column of the user's file is what; null where there is none.

    Without an id, ids are made of the content. The time may be two columns, a date and a clock.
    """

    id: str | None
    target: str
    user: str | None
    time: str | Annotated[list[str], Field(min_length=2, max_length=2)] | None
    time_format: Annotated[str, StringConstraints(min_length=1)] | None
    title: str | None
    tags: str | None
    categories: list[str]
    numeric: list[str]
    image: str | None
    split: str | None


class TableParams(Strict):
    """The user's own posts (data.source: table)."""

    file: str
    encoding: Annotated[str, StringConstraints(min_length=1)] | None
    images: str | None
    tag_separator: Annotated[str, StringConstraints(min_length=1)] | None
    columns: ColumnParams


class DataParams(Strict):
    """Where the posts come from."""

    source: Literal["sample", "smpd", "table"]
    root: Annotated[
        str, AfterValidator(lambda root, info: check_root(root, info.data.get("source", "sample")))
    ]
    target_transform: Literal["none", "log2p1"]
    on_bad: Literal["mask", "stop"]
    max_bad_fraction: Fraction
    max_unreadable_fraction: Fraction
    sample: SampleParams
    table: TableParams

    def describe(self) -> str:
        """Which posts a run reads, so that nobody takes the sample for their own."""
        names = {
            "sample": "the simulated sample, no posts of yours",
            "smpd": f"SMPD in {self.root}",
            "table": f"your posts in {self.root}/{self.table.file}",
        }
        return names[self.source]

    def name_label(self) -> str:
        """What an axis of labels or of predictions is called."""
        own = self.table.columns.target if self.source == "table" else "popularity"
        return f"log2({own} + 1)" if self.target_transform == "log2p1" else own

    def describe_unit(self) -> str:
        """What labels, predictions and the MAE are counted in."""
        if self.target_transform == "log2p1":
            return f"{self.name_label()}, in which 1 is a factor of 2"
        if self.source == "table":
            return f"the target as it is given ({self.name_label()})"
        return "SMPD's popularity, log2 of the views a day plus 1, in which 1 is a factor of 2"


class SplitParams(Strict):
    """Holdout and folds."""

    protocol: Literal["chronological", "new_users", "user", "random"]
    holdout_fraction: Annotated[float, Field(gt=0, lt=1)]
    folds: Annotated[int, Field(ge=2, le=50)]
    folds_by: Literal["author", "post"]
    large_author_posts: Count | None
    hidden_share: Annotated[float, Field(ge=0, lt=1)] | None
    seed: Seed


class BackboneParams(Strict):
    """What every backbone's block has; the kind's own `Params` adds its keys."""

    kind: str
    reads: Literal["posts", "texts", "images", "contents"]


class HeavyTailedParams(Strict):
    """Which numbers are counts that span orders of magnitude, by the training posts."""

    distinct: Count
    not_negative: Fraction
    high: NonNegative
    log_deviation: NonNegative
    columns: Count


class MetaParams(Strict):
    """Encoding of the metadata: groups that are on or off."""

    post: bool
    time: bool
    geo: bool
    user: bool
    profile: bool
    description: bool
    own: bool
    text: bool
    ratios: bool
    heavy_tailed: HeavyTailedParams
    trend: bool
    trend_min_days: NonNegative
    author: bool
    author_min_posts: Count


class FeatureTableParams(Strict):
    """A learner's table: blocks side by side, in this order.

    `texts`: title and tags as read; `images`: where the images lie. `reduce`: blocks whose numbers
    become so many principal components a modality.
    """

    blocks: Annotated[list[str], Field(min_length=1)]
    reduce: dict[str, Count] | None
    dtype: Literal["float32", "float16"]


class LearnerParams(Strict):
    """What every learner's block has; the kind's own `Params` adds its keys."""

    kind: str
    table: str
    seed: Seed

    def list_checkpoints(self) -> list[str]:
        """Pretrained networks of others that it builds on, besides its table's."""
        return []


class AnyBackboneParams(BackboneParams):
    """A backbone of whatever kind."""

    model_config = ConfigDict(extra="allow")


class AnyLearnerParams(LearnerParams):
    """A learner of whatever kind."""

    model_config = ConfigDict(extra="allow")


class PredictionParams(Strict):
    """What every learner's predictions are held to."""

    margin: NonNegative


class FusionParams(Strict):
    """Weights of the fusion (the paper's alpha, beta, gamma, delta); normalised when used.

    With mode learned, they are what the learned weights are compared with.
    """

    mode: Literal["fixed", "learned"]
    intervals: Annotated[list[Fraction], Field(min_length=1)]
    by_author: bool
    least_posts: Count
    calibrate: bool
    metric: Literal["mae", "src"]
    alpha: NonNegative
    beta: NonNegative
    gamma: NonNegative
    delta: NonNegative
    others: dict[Name, NonNegative]

    def weights(self) -> dict[str, float]:
        """Learner name -> weight as written."""
        return {
            "catboost": self.alpha,
            "lightgbm": self.beta,
            "autogluon": self.gamma,
            "dae": self.delta,
        } | self.others


class LeakageParams(Strict):
    """What the leakage gates call a leak."""

    label_correlation: Annotated[float, Field(gt=0, le=1)]
    probe_posts: Annotated[int, Field(ge=100)]
    probe_ridge: Positive
    probe_deviations: Positive
    seed: Seed


class ReportParams(Strict):
    """What the plots show and how the intervals are drawn."""

    density_bin_width: Positive
    scatter_posts: Count
    resamples: Annotated[int, Field(ge=20)]
    confidence: Annotated[float, Field(gt=0, lt=1)]
    importance_posts: Count
    importance_repeats: Count
    seed: Seed


class RuntimeParams(Strict):
    """What cannot change a result: no stage depends on it."""

    device: Literal["auto", "cpu", "cuda"]
    # A number once it is read: nothing that is written holds it.
    workers: Annotated[int, PlainValidator(lambda found: choose_cores(check_cores(found)))]
    cache: Annotated[str, StringConstraints(min_length=1), AfterValidator(shared.locate)]
    engine: Literal["local", "ray"]
    ray_address: Annotated[str, StringConstraints(pattern=r"^[^\s/]+:\d+$")] | None


class Params(Strict):
    """The whole of params.yaml."""

    data: DataParams
    split: SplitParams
    backbones: dict[Name, Any]
    meta: MetaParams
    tables: dict[Name, FeatureTableParams]
    learners: dict[Name, Any]
    predictions: PredictionParams
    fusion: FusionParams
    leakage: LeakageParams
    report: ReportParams
    runtime: RuntimeParams


def load(path: Path | str = "params.yaml", *, kinds: bool = True) -> Params:
    """Read and validate ``path``; backbones and learners become their kinds' `Params`.

    Args:
        path: the file.
        kinds: False leaves the keys that only a kind knows unread, for a stage that must start
            quickly: the modules of the kinds are not imported.

    Raises:
        InputError: names the key, what was found and what is allowed.
    """
    path = Path(path)
    return check(read_text(path), path.name, kinds=kinds)


def check(text: str, file: str, *, kinds: bool = True) -> Params:
    """The parameters in a text that stands, or is to stand, in ``file``; see `load`."""
    params = validate(Params, parse(text, file), file)
    for block, find, common in (
        ("backbones", _find_backbone_params, AnyBackboneParams),
        ("learners", _find_learner_params, AnyLearnerParams),
    ):
        entries = getattr(params, block)
        for name, entry in entries.items():
            where = f"{block}.{name}"
            kind = entry.get("kind") if isinstance(entry, dict) else None
            model = find(str(kind), f"{file}: {where}.kind") if kinds and kind else common
            entries[name] = validate(model, entry, file, where)
            _check_reads(entries[name], file, where)
    _check_names(params, file)
    return params


def identify(settings: Params, blocks: list[str]) -> dict[str, Any]:
    """Blocks and a digest of them: whether a result that is kept was made with the same."""
    chosen = [(name, repr(getattr(settings, name))) for name in blocks]
    digest = hashlib.blake2b(repr(chosen).encode(), digest_size=16).hexdigest()
    return {"blocks": blocks, "digest": digest}


def choose(block: dict[str, Any], name: str, where: str) -> Any:
    """The entry ``name`` of a block of named entries.

    Raises:
        InputError: no such entry.
    """
    if name not in block:
        raise InputError(
            f"params.yaml: {where}: no entry {name!r}; allowed: {', '.join(sorted(block))}"
        )
    return block[name]


def _find_backbone_params(kind: str, where: str) -> type[Strict]:
    return resolve(BACKBONES, kind, where).Params


def _find_learner_params(kind: str, where: str) -> type[Strict]:
    return resolve_learner(kind, "Params", where)


def _check_reads(entry: Strict, file: str, where: str) -> None:
    if isinstance(entry, BackboneParams) and not isinstance(entry, AnyBackboneParams):
        reads = resolve(BACKBONES, entry.kind, where).reads
        if entry.reads != reads:
            raise InputError(f"{file}: {where}.reads: must be {reads!r}, found {entry.reads!r}")


def _check_names(params: Params, file: str) -> None:
    """Every name that a block uses is defined in its block."""
    blocks = {"meta", "texts", "images", *params.backbones}
    for reserved, where in (
        ("meta", params.backbones),
        ("texts", params.backbones),
        ("images", params.backbones),
        ("fame", params.learners),
    ):
        if reserved in where:
            raise InputError(f"{file}: {reserved!r} is a name of the pipeline; choose another")
    for name, table in params.tables.items():
        for block in table.blocks:
            if block not in blocks:
                raise InputError(
                    f"{file}: tables.{name}.blocks: unknown block {block!r}; "
                    f"allowed: {', '.join(sorted(blocks))}"
                )
        for block in table.reduce or {}:
            if block not in table.blocks or block in ("texts", "images"):
                raise InputError(
                    f"{file}: tables.{name}.reduce: {block!r} is no block of numbers of this "
                    f"table; allowed: {', '.join(sorted({*table.blocks} - {'texts', 'images'}))}"
                )
        if len(set(table.blocks)) < len(table.blocks):
            raise InputError(f"{file}: tables.{name}.blocks: a block is named twice")
    for name, learner in params.learners.items():
        if learner.table not in params.tables:
            raise InputError(
                f"{file}: learners.{name}.table: unknown table {learner.table!r}; "
                f"allowed: {', '.join(sorted(params.tables))}"
            )
    for name in params.fusion.others:
        if name not in params.learners:
            raise InputError(
                f"{file}: fusion.others.{name}: unknown learner; "
                f"allowed: {', '.join(sorted(params.learners))}"
            )
    weights = params.fusion.weights()
    if not any(weights.get(name, 0) for name in params.learners):
        raise InputError(
            f"{file}: fusion: the weights of the learners {', '.join(sorted(params.learners))} "
            "are all zero; at least one must be > 0"
        )


def main() -> None:
    """`python -m fame.params`: validate params.yaml, as every stage does first."""
    params = load()
    print(
        f"params.yaml: valid; source {params.data.source}, "
        f"backbones {', '.join(params.backbones)}, learners {', '.join(params.learners)}"
    )


if __name__ == "__main__":
    from fame.runtime.stage import run

    run(main)
