"""The parameters of a training on a wide table: the paper's profile with one table, cut short."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]


def read_paper() -> dict[str, Any]:
    """The paper's profile, and ViLT, which only rows of its Table 3 have."""
    from fame.variants import profile  # here, for a process that is measured imports this file

    yaml = YAML(typ="safe")
    content = yaml.load(profile.apply(ROOT / "params.yaml", ROOT / "profiles/paper.yaml"))
    content["backbones"] |= yaml.load((ROOT / "profiles/vilt.yaml").read_text())["backbones"]
    return content


def write(
    folder: Path, content: dict[str, Any], table: str, iterations: int, threads: int | None
) -> None:
    """``content`` as the folder's params.yaml, with this one table and short trainings on it.

    The table has the blocks of the paper's widths. ``iterations`` are trees, or epochs of each of
    the autoencoder's phases; none stops earlier.
    """
    blocks = ["meta", "glove", "image_stats", "blip", "vilt"]
    content["tables"] = {table: {"blocks": blocks, "reduce": None, "dtype": "float32"}}
    for learner in content["learners"].values():
        learner |= {"table": table, "threads": threads}
        if "iterations" in learner:
            learner |= {"iterations": iterations, "early_stopping_rounds": iterations}
        for phase in ("phase_1", "phase_2"):
            if phase in learner:
                learner[phase]["epochs"] = iterations
    with (folder / "params.yaml").open("w") as file:
        YAML(typ="safe").dump(content, file)
