"""Fused predictions -> the challenge's submission file, checked against its form."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from fame import params
from fame.features.backbones.contract import Backbone
from fame.fusion import fusion_file
from fame.learners import table_files
from fame.posts.contract import CHALLENGE
from fame.registry import BACKBONES, resolve
from fame.runtime import arrays, files
from fame.runtime.errors import InputError
from fame.runtime.readable import count, show_number
from fame.runtime.stage import run

VERSION = "VERSION 1.2"


def main() -> None:
    """Write, read back, check, summarise."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("posts", "tables", "fusion", "prediction", "output", "summary"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    settings = params.load()
    posts = files.read_table(arguments.posts, ["post_id", "split"])
    rows = arrays.to_strings(posts["split"]) == CHALLENGE
    prediction = table_files.read_predictions(arguments.prediction, posts["post_id"])[rows]
    post_ids = arrays.to_strings(posts["post_id"])[rows]
    weights = fusion_file.read(arguments.fusion)["weights"]
    used = {name for group in weights.values() for name, weight in group.items() if weight > 0}
    backbones = list_backbones(settings, used, arguments.tables)
    files.write_json(arguments.output, compose(post_ids, prediction, backbones))
    summary = check(files.read_json(arguments.output), set(post_ids), str(arguments.output))
    files.write_json(arguments.summary, summary | {"source": settings.data.source})
    if not len(post_ids):
        print("submit: there are no challenge posts; the submission is empty")
        return
    low, high, mean = (show_number(summary[key], 2) for key in ("lowest", "highest", "mean"))
    print(
        f"submit ({settings.data.source}): {count(summary['posts'], 'post')}, each once, "
        f"all finite; score {low} to {high}, mean {mean}"
    )


def list_backbones(settings: params.Params, learners: set[str], folder: Path) -> list[str]:
    """The pretrained ones with a column in a table of these learners, sorted.

    Others predict nothing: of posts without pictures no table has a column of a backbone that looks
    at them.

    Args:
        settings: of the run.
        learners: those with a weight in the fusion.
        folder: the learners' tables, data/tables.
    """
    tables = {settings.learners[name].table for name in learners}
    blocks = {
        column.name.split(".", 1)[0]
        for name in tables
        for column in table_files.read_score_table(folder / name / table_files.SCORE_FOLDER).columns
    }
    kinds = {name: settings.backbones[name].kind for name in blocks & set(settings.backbones)}
    makers = {name: resolve(BACKBONES, kind, f"backbones.{name}") for name, kind in kinds.items()}
    found = {name for name, maker in makers.items() if is_pretrained(maker)}
    return sorted(found.union(*(settings.learners[name].list_checkpoints() for name in learners)))


def is_pretrained(maker: type) -> bool:
    """Whether what makes a block has weights of others, of which it notes where they come from.

    An encoder is fitted on the training posts, and counts of pixels know no weights.
    """
    return issubclass(maker, Backbone) and maker.notes is not Backbone.notes


def compose(post_ids: np.ndarray, prediction: np.ndarray, backbones: list[str]) -> dict[str, Any]:
    """The content of the file in the challenge's form; ``backbones``: the pretrained ones used."""
    details = f"frozen pretrained backbones: {', '.join(backbones)}" if backbones else "none"
    return {
        "version": VERSION,
        "result": [
            {"post_id": f"post{post_id}", "popularity_score": round(float(score), 4)}
            for post_id, score in zip(post_ids, prediction, strict=True)
        ],
        "external_data": {"used": "true" if backbones else "false", "details": details},
    }


def check(content: Any, post_ids: set[str], place: str) -> dict[str, Any]:
    """Refuse what the challenge would; else a summary of the scores.

    Raises:
        InputError: names the post: it is missing, there twice, unknown, or its score not finite.
    """
    if not isinstance(content, dict) or set(content) != {"version", "result", "external_data"}:
        raise InputError(f"{place}: expected the keys version, result and external_data")
    seen: set[str] = set()
    scores = []
    for number, entry in enumerate(content["result"], 1):
        if set(entry) != {"post_id", "popularity_score"}:
            raise InputError(f"{place}: result {number}: expected post_id and popularity_score")
        post_id, score = str(entry["post_id"]).removeprefix("post"), entry["popularity_score"]
        if post_id not in post_ids:
            raise InputError(f"{place}: result {number}: post {post_id} is no challenge post")
        if post_id in seen:
            raise InputError(f"{place}: result {number}: post {post_id} is there twice")
        number_like = isinstance(score, int | float) and not isinstance(score, bool)
        if not (number_like and np.isfinite(score)):
            raise InputError(f"{place}: post {post_id}: score {score!r}, expected a finite number")
        seen.add(post_id)
        scores.append(float(score))
    if missing := sorted(post_ids - seen):
        raise InputError(
            f"{place}: {count(len(missing), 'challenge post')} missing, first {missing[0]}"
        )
    if not scores:
        return {"posts": 0}
    return {
        "posts": len(scores),
        "lowest": min(scores),
        "highest": max(scores),
        "mean": round(float(np.mean(scores)), 6),
        "median": round(float(np.median(scores)), 6),
    }


if __name__ == "__main__":
    run(main)
