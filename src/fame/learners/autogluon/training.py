"""Training of AutoGluon's stack: CatBoost, LightGBM, a multimodal transformer, then an average.

Layer 1 holds these three kinds, the paper's, or those that the parameters name, each bagged over
the project's folds. Layer 2 holds them again, on the table beside the out-of-fold predictions of
layer 1 (but for the multimodal one, which AutoGluon never stacks). The weighted average of what is
best of all models is the output. What this makes of the paper's wording is in docs/method.md.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np

from fame.learners.autogluon.archive import pack
from fame.learners.autogluon.frames import (
    IMAGE,
    PREDICTOR,
    check_inputs,
    open_folder,
    open_frame,
)
from fame.learners.autogluon.kinds import KINDS, OUTPUT, plan
from fame.learners.autogluon.networks import (
    define_multimodal,
    describe_networks,
    import_autogluon,
)
from fame.learners.autogluon.params import MULTIMODAL
from fame.learners.autogluon.resume import keep_models
from fame.learners.contract import FitTable
from fame.learners.contract import Trainer as BaseTrainer
from fame.learners.model_files import describe_columns, write_manifest
from fame.runtime import files
from fame.runtime.cores import count_cores
from fame.runtime.devices import choose_device, deterministic
from fame.runtime.errors import InputError
from fame.runtime.progress import bar
from fame.runtime.versions import list_versions

if TYPE_CHECKING:
    from autogluon.tabular import TabularPredictor
    from pandas import DataFrame

LABEL, GROUP = "popularity", "fold"
METADATA = "metadata.json"  # in which AutoGluon says where a predictor was made
CLOCK_SECONDS = 1.0e9  # what AutoGluon's clock shows: any one time


class Trainer(BaseTrainer):
    """A stack over a table with texts and, by parameter, images."""

    def __init__(self, params: Any, runtime: Any) -> None:
        self.params = params
        self.runtime = runtime
        self._manifest: dict[str, Any] = {}
        self._seconds: dict[str, float] = {}

    def fit(self, table: FitTable, checkpoints: Path) -> None:
        """Fit the stack; each model trains outside a fold and stops on it.

        Raises:
            InputError: the table has no texts or not the images asked for, a checkpoint or
                AutoGluon is not available, or a planned model could not be trained.
        """
        check_inputs(table, self.params)
        place = checkpoints.absolute()  # before the working folder is another one
        import_autogluon(networks=self.params.reads_texts)
        rows = table.all_rows
        self._folder = open_folder(self.params)
        folder = Path(self._folder.name)
        with open_frame(table, rows, self.params) as (frame, without_image):
            if without_image == len(rows):
                raise InputError(
                    "table: no training post has a readable image; set "
                    "multimodal.image_checkpoint in params.yaml to null"
                )
            frame[LABEL], frame[GROUP] = table.popularity, table.fold.astype(np.int64)
            with (
                files.naming(folder),
                chdir(folder),
                deterministic(self.params.threads),
                _stopped_clock(),
                _progress(folder, plan(self.params), len(table.folds)),
                keep_models(place),
            ):
                self._predictor = self._fit_stack(frame)
        leaderboard = read_leaderboard(self._predictor, plan(self.params))
        self._seconds = {row["model"]: read_seconds(folder, row["model"]) for row in leaderboard}
        _pin_catboost(self._predictor)
        prediction = self._predictor.predict_oof(model=OUTPUT).to_numpy(np.float64)
        self._out_of_fold = prediction
        errors = np.abs(prediction - table.popularity)
        self._manifest = {
            "kind": self.params.kind,
            **describe_columns(table),
            "leaderboard": leaderboard,
            "folds": [
                {
                    "fold": fold,
                    "rows_trained": len(table.training_rows(fold)),
                    "rows_validated": len(table.validation_rows(fold)),
                    "validation_mae": round(float(errors[table.fold == fold].mean()), 6),
                }
                for fold in table.folds
            ],
            "label_range": [float(table.popularity.min()), float(table.popularity.max())],
        }
        if self.params.image_checkpoint is not None:
            self._manifest["without_image"] = without_image

    def out_of_fold(self) -> np.ndarray:
        """(n,) float64 of the average on top; each of its models is bagged over the folds."""
        return self._out_of_fold

    def save(self, folder: Path) -> None:
        """The predictor as one archive, and a manifest with its digest."""
        source = Path(self._folder.name)
        models = self._predictor._trainer.get_minimum_model_set(OUTPUT)
        paths = {p.relative_to(source).as_posix(): p for p in source.rglob("*") if p.is_file()}
        needed = {name: path for name, path in paths.items() if _is_needed(name, models)}
        pack(needed, folder / PREDICTOR, partial(_read_without_place, folder=source))
        write_manifest(folder, self._manifest, [folder / PREDICTOR])

    def record(self) -> dict[str, Any]:
        """Folds with rows and validation MAE, the leaderboard, how many columns were used.

        With images, how many training posts have no readable one.
        """
        without = {key: n for key, n in self._manifest.items() if key == "without_image"}
        return without | {
            "folds": self._manifest["folds"],
            "leaderboard": self._manifest["leaderboard"],
            "columns": len(self._manifest["columns"]),
            "categorical": self._manifest["categorical"],
        }

    def curves(self) -> list[dict[str, Any]]:
        """None: a stack of bags has no one course of training."""
        return []

    def fit_seconds(self) -> dict[str, float]:
        """Model -> seconds of its training in the last ``fit``, all folds together."""
        return self._seconds

    def _fit_stack(self, frame: DataFrame) -> TabularPredictor:
        predictor = import_autogluon(networks=self.params.reads_texts)(
            label=LABEL,
            problem_type="regression",
            eval_metric="mean_absolute_error",
            path=self._folder.name,
            groups=GROUP,
            verbosity=0,
        )
        from autogluon.common.features.feature_metadata import FeatureMetadata
        from autogluon.features.generators import AutoMLPipelineFeatureGenerator

        inputs = frame.drop(columns=[LABEL, GROUP])
        raw = {
            name: {"category": "category", "object": "object"}.get(str(dtype), "float")
            for name, dtype in inputs.dtypes.items()
        }
        # Said, not guessed from the words: a column of short texts would be taken for categories.
        words = [name for name, kind in raw.items() if kind == "object" and name != IMAGE]
        special = {"text": words} | ({"image_path": [IMAGE]} if IMAGE in raw else {})
        on_gpu = choose_device(self.runtime.device) == "cuda"
        return predictor.fit(
            frame,
            hyperparameters=self._hyperparameters(on_gpu),
            num_bag_folds=frame[GROUP].nunique(),
            num_bag_sets=1,
            num_stack_levels=1,
            dynamic_stacking=False,
            ag_args_ensemble={"fold_fitting_strategy": "sequential_local"},
            # It refuses more than there are.
            ag_args_fit={"num_cpus": min(self.params.threads, count_cores()), "num_gpus": 0},
            feature_metadata=FeatureMetadata(type_map_raw=raw, type_group_map_special=special),
            # Counts of words would be as many as the machine's free memory allows.
            feature_generator=AutoMLPipelineFeatureGenerator(
                enable_text_ngram_features=False,
                enable_text_special_features=False,
                enable_raw_text_features=True,
            ),
        )

    def _hyperparameters(self, on_gpu: bool) -> dict[Any, dict[str, Any]]:
        blocks = {
            "catboost": self.params.catboost.model_dump(),
            "lightgbm": self.params.lightgbm.model_dump()
            | {"deterministic": True, "force_col_wise": True},
            MULTIMODAL: {
                "ag_args_fit": {"num_gpus": int(on_gpu)},
                **describe_networks(self.params.multimodal),
            },
        } | self.params.others
        return {
            define_multimodal() if name == MULTIMODAL else KINDS[name].key: blocks[name]
            | {KINDS[name].seed: self.params.seed}
            for name in self.params.models
        }


def read_leaderboard(predictor: TabularPredictor, planned: dict[str, int]) -> list[dict[str, Any]]:
    """A row a model: layer and validation MAE (out of fold).

    Raises:
        InputError: a planned model is not there.
    """
    frame = predictor.leaderboard()
    missing = sorted(planned.keys() - set(frame["model"]))
    if missing:
        failures = predictor.model_failures()
        reasons = dict(zip(failures["model"], failures["exc_str"], strict=True))
        told = "; ".join(f"{name}: {reasons.get(name, 'not trained')}" for name in missing)
        raise InputError(f"autogluon could not train all that was planned: {told}")
    return [
        {
            "model": row["model"],
            "layer": int(row["stack_level"]),
            "validation_mae": round(-row["score_val"], 6),
        }
        for row in frame.sort_values(["stack_level", "model"]).to_dict("records")
    ]


def read_seconds(folder: Path, model: str) -> float:
    """How long a model trained: from its first file to its last."""
    first, last = (folder / "models" / model / f for f in ("utils/model_template.pkl", "model.pkl"))
    return round(last.stat().st_mtime - first.stat().st_mtime, 1)


@contextmanager
def _stopped_clock() -> Iterator[None]:
    """AutoGluon's files hold how long it took: with a stopped clock a fit is the same bytes."""
    with mock.patch("time.time", return_value=CLOCK_SECONDS):
        yield


@contextmanager
def _progress(folder: Path, planned: dict[str, int], fold_count: int) -> Iterator[None]:
    """A bar over the models, a fold each, that AutoGluon has written into ``folder``."""
    bags = [name for name in planned if "_BAG_" in name]
    done = threading.Event()

    def watch() -> None:
        with bar(len(bags) * fold_count, "all folds", "models") as progress:
            while not done.wait(0.5):
                progress.update(
                    len(list(folder.glob("models/*_BAG_*/S1F*/model.pkl"))) - progress.n
                )

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _pin_catboost(predictor: TabularPredictor) -> None:
    """CatBoost writes a time and a random id into its models."""
    trainer = predictor._trainer
    for name in (name for name in predictor.model_names() if name.startswith("CatBoost_BAG")):
        bag = trainer.load_model(name)
        for child_name in bag.models:
            child = bag.load_child(child_name)
            metadata = child.model.get_metadata()
            metadata["train_finish_time"] = metadata["model_guid"] = ""
            child.save()


def _is_needed(name: str, models: list[str]) -> bool:
    """Whether a file predicts: no log, no row of the training, no model that has no weight."""
    parts = name.split("/")
    if parts[0] == "models" and len(parts) > 2 and parts[1] not in models:
        return False
    return "tfevents" not in name and not name.startswith("utils/data/")


def _read_without_place(path: Path, folder: Path) -> bytes:
    """A file's bytes without what only this machine has.

    The temporary folder gets another name of the same length. Of the packages that AutoGluon
    lists, which are all of the environment, those stay that can change a result.
    """
    if path == folder / METADATA:
        metadata = json.loads(path.read_text())
        metadata["packages"] = list_versions()
        return json.dumps(metadata, sort_keys=True).encode()
    own = folder.name.encode()
    return path.read_bytes().replace(own, b"_" * len(own))
