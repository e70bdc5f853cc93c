"""A small bundle, made by the stages themselves, and its predictor: made once."""

import io
import os
import shutil
import sys
from contextlib import chdir
from importlib import import_module
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from fame.runtime import files
from fame.serving.predictor import Predictor

ROOT = Path(__file__).parents[2]
BLOCKS = ["meta", "image_stats", "minilm", "history"]
HISTORY = {
    **{"kind": "history", "reads": "posts", "recent_posts": 5, "prior_posts": 5.0},
    **{"half_life_posts": 5.0, "trend_posts": 5, "trend_ridge": 1.0},
}


def write_params(folder):
    content = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    content["data"]["sample"] |= {"training_posts": 150, "challenge_posts": 40, "users": 30}
    content["data"]["max_unreadable_fraction"] = 0.3
    content["split"]["folds"] = 2
    kept = {name: content["backbones"][name] for name in ("image_stats", "minilm")}
    content["backbones"] = kept | {"history": HISTORY}
    content["tables"] = {"trees": content["tables"]["trees"] | {"blocks": BLOCKS}}
    content["learners"] = {
        name: content["learners"][name] | {"iterations": 15} for name in ("lightgbm", "catboost")
    }
    content["runtime"]["workers"] = 1
    YAML().dump(content, folder / "params.yaml")  # in this order


def call(stage, *arguments):
    with mock.patch.object(sys, "argv", [stage, *arguments]):
        import_module(f"fame.{stage}").main()


def run_stages():
    interim, models, learners = "data/interim", "models", ("lightgbm", "catboost")
    outputs = ("posts", "texts", "images", "contents")
    call("simulator.simulate", "--output", "data/raw/sample")
    call(
        "posts.ingest",
        *(word for name in outputs for word in (f"--{name}", f"{interim}/{name}.parquet")),
        *("--descriptions", f"{interim}/descriptions.arrow"),
        *("--reading", f"{interim}/reading.json", "--report", "data.md"),
    )
    call(
        "features.encode_meta",
        *("--posts", f"{interim}/posts.parquet", "--encoder", f"{models}/encoders/meta"),
        *("--descriptions", f"{interim}/descriptions.arrow", "--output", "data/features/meta"),
    )
    for name, reads in (("image_stats", "images"), ("minilm", "texts"), ("history", "posts")):
        call(
            "features.extract",
            *(name, "--input", f"{interim}/{reads}.parquet", "--output", f"data/features/{name}"),
            *(
                "--encoder",
                f"{models}/encoders/{name}",
                "--record",
                f"metrics/features/{name}.json",
            ),
        )
    call(
        "learners.assemble",
        *("trees", "--posts", f"{interim}/posts.parquet", "--images", f"{interim}/images.parquet"),
        *("--features", "data/features", "--fit", "data/tables/trees/fit"),
        *("--score", "data/tables/trees/score", "--recipe", f"{models}/tables/trees"),
    )
    for name in learners:
        oof, model = f"data/out_of_fold/{name}.parquet", f"{models}/learners/{name}"
        call(
            "learners.train",
            *(name, "--table", "data/tables/trees/fit", "--model", model, "--out-of-fold", oof),
            *("--record", f"metrics/learners/{name}.json", "--curves", f"{name}.csv"),
        )
        call(
            "learners.predict",
            *(name, "--table", "data/tables/trees/score", "--model", model, "--out-of-fold", oof),
            *("--predictions", f"data/predictions/{name}.parquet"),
            *("--record", f"metrics/predictions/{name}.json"),
        )
    files.write_json(Path("leakage.json"), {"passed": True})
    call(
        "fusion.fuse",
        *("--posts", f"{interim}/posts.parquet", "--predictions", "data/predictions"),
        *("--records", "metrics/predictions", "--features", "metrics/features"),
        *("--output", "data/predictions/fame.parquet", "--model", f"{models}/fusion.json"),
        *("--leakage", "leakage.json", "--metrics", "metrics.json", "--plots", "plots"),
    )
    call(
        "serving.bundle",
        *("--posts", f"{interim}/posts.parquet", "--features", "data/features"),
        *(word for n in ("encoders", "tables", "learners") for word in (f"--{n}", f"{models}/{n}")),
        *("--fusion", f"{models}/fusion.json", "--metrics", "metrics.json"),
        *("--index", f"{models}/index"),
        *("--manifest", f"{models}/manifest.json"),
    )


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("run")
    write_params(folder)
    with chdir(folder), mock.patch.dict(os.environ, {"OMP_NUM_THREADS": "1"}):
        run_stages()
    return folder


@pytest.fixture(scope="session")
def models(finished, tmp_path_factory):
    """The bundle alone, where nothing else of the run is."""
    return shutil.copytree(finished / "models", tmp_path_factory.mktemp("alone") / "models")


@pytest.fixture(scope="session")
def predictor(models):
    return Predictor.load(models, threads=1)


@pytest.fixture
def copied(models, tmp_path):
    """A bundle to be damaged."""
    return shutil.copytree(models, tmp_path / "models")


@pytest.fixture(scope="session")
def picture():
    """The bytes of a small JPEG."""
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()
