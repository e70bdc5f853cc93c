"""Texts or images -> the feature block of one frozen backbone."""

import argparse
import time
from pathlib import Path

import numpy as np

from fame import io, params
from fame.core.contracts import NO_IMAGE, NO_TEXT, Block
from fame.extraction import engine
from fame.registry import BACKBONES, resolve
from fame.stages import run


def main() -> None:
    """Embed every post with the backbone of one name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backbone")
    for name in ("input", "output", "record"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    settings = params.load()
    entry = params.choose(settings.backbones, arguments.backbone, "backbones")
    kind = resolve(BACKBONES, entry.kind, f"params.yaml: backbones.{arguments.backbone}.kind")
    backbone = kind(entry, settings.runtime)
    table = io.read_table(arguments.input, engine.INPUTS[entry.reads])
    start = time.perf_counter()
    block = engine.extract(backbone, table)
    seconds = time.perf_counter() - start
    engine.check_readable(block, settings.data.max_unreadable_fraction, str(arguments.input))
    with io.replacing_folder(arguments.output) as folder:
        io.write_block(folder, block)
        backbone.save(folder)
    io.write_json(arguments.record, make_record(block))
    print(summarise(arguments.backbone, block, seconds))


def make_record(block: Block) -> dict[str, object]:
    """Counts and facts that the metrics and a reader need; no time, no machine."""
    return {
        "posts": len(block.post_ids),
        "width": len(block.columns),
        "status": engine.count_status(block),
        "fitted_on": block.fitted_on,
        "notes": block.notes,
    }


def summarise(name: str, block: Block, seconds: float) -> str:
    """One line; a modality of which no post has anything is named in it."""
    parts = [f"extract {name}: {len(block.post_ids)} posts, {len(block.columns)} columns"]
    for modality, status in block.status.items():
        if np.isin(status, (NO_IMAGE, NO_TEXT)).all():
            parts.append(f"{modality}: no post has anything to embed, all rows are masked")
        elif modality == "image":
            parts.append(f"{modality}: {engine.describe_unreadable(status)}")
    parts.append(f"{seconds:.1f} s, {len(block.post_ids) / seconds:.0f} posts/s")
    return "; ".join(parts)


if __name__ == "__main__":
    run(main)
