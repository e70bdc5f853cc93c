"""A finished run in a folder: what `dvc repro` would leave, made in this process."""

import os
import shutil
import sys
from contextlib import chdir
from importlib import import_module
from pathlib import Path
from unittest import mock

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
BLOCKS = ["meta", "image_stats", "minilm", "history"]
HISTORY = {
    **{"kind": "history", "reads": "posts", "recent_posts": 5, "prior_posts": 5.0},
    **{"half_life_posts": 5.0, "trend_posts": 5, "trend_ridge": 1.0},
}


def write_params(folder, **data):
    content = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    content["data"]["sample"] |= {"training_posts": 150, "challenge_posts": 40, "users": 30}
    content["data"]["max_unreadable_fraction"] = 0.3
    content["split"]["folds"] = 2
    kept = {name: content["backbones"][name] for name in ("image_stats", "minilm")}
    content["backbones"] = kept | {"history": HISTORY}
    content["tables"] = {"trees": content["tables"]["trees"] | {"blocks": BLOCKS, "reduce": None}}
    content["learners"] = {
        name: content["learners"][name] | {"iterations": 15} for name in ("lightgbm", "catboost")
    }
    content["fusion"] |= {"mode": "fixed", "others": {}}
    content["runtime"]["workers"] = 1
    content["data"] |= data
    YAML().dump(content, folder / "params.yaml")  # in this order


def list_commands(content):
    """The commands of dvc.yaml in their order, for each item of a stage that has several."""
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for stage in stages.values():
        items = content[stage["foreach"].strip("${}")] if "foreach" in stage else {"": {}}
        for key, item in items.items():
            command = stage.get("do", stage)["cmd"].replace("${key}", key)
            for name, value in item.items():
                command = command.replace(f"${{item.{name}}}", str(value))
            yield command.split()


def run_stages():
    """Each stage's main in this process; its command is `python -m MODULE ARGUMENTS`."""
    content = YAML(typ="safe").load(Path("params.yaml"))
    for _, _, module, *arguments in list_commands(content):
        if module == "fame.simulator.simulate" and content["data"]["source"] != "sample":
            continue
        with mock.patch.object(sys, "argv", [module, *arguments]):
            import_module(module).main()


def finish(folder):
    shutil.copy(ROOT / "dvc.yaml", folder)
    with chdir(folder), mock.patch.dict(os.environ, {"OMP_NUM_THREADS": "1"}):
        run_stages()
