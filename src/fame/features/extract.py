"""Texts or images -> the feature block of one frozen backbone."""

import argparse
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
import pyarrow as pa

from fame import params
from fame.features import block_files
from fame.features.backbones.contract import Backbone, Preparer
from fame.features.blocks import Block
from fame.features.encoders.contract import Encoder
from fame.features.encoding import encode
from fame.features.engine import block as blocks
from fame.features.engine import embed, unchanged
from fame.params import RuntimeParams
from fame.posts.contract import LOCATED, NO_IMAGE, NO_TEXT, OK
from fame.registry import BACKBONES, resolve
from fame.runtime import arrays, files
from fame.runtime.errors import InputError
from fame.runtime.stage import count, run

NOTHING = {"image": "a picture", "title": "a title"}  # what no post has, by modality
FINGERPRINT = "fingerprint.json"  # of the weights that an encoder needs beside its files


def main() -> None:
    """Embed every post with the backbone of one name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backbone")
    for name in ("input", "output", "encoder", "record"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    settings = params.load()
    entry = params.choose(settings.backbones, arguments.backbone, "backbones")
    kind = resolve(BACKBONES, entry.kind, f"params.yaml: backbones.{arguments.backbone}.kind")
    maker = kind(entry, settings.runtime)
    if isinstance(maker, Encoder):
        extract_by_encoder(maker, arguments)
    else:
        extract_by_backbone(maker, arguments, settings)


def extract_by_encoder(encoder: Encoder, paths: argparse.Namespace) -> None:
    """Fit on the training posts, transform all, write."""
    start = time.perf_counter()
    block = encode(encoder, files.read_table(paths.input))
    with files.replacing_folder(paths.output) as folder:
        block_files.write_block(folder, block)
    with files.replacing_folder(paths.encoder) as folder:
        encoder.save(folder)
    files.write_json(paths.record, make_record(block))
    seconds = time.perf_counter() - start
    print(f"extract {paths.backbone}: {describe_size(block)}; {seconds:.1f} s")


def extract_by_backbone(
    backbone: Backbone, paths: argparse.Namespace, settings: params.Params
) -> None:
    """Embed what is new, fit what is fitted, write."""
    table = files.read_table(paths.input, embed.INPUTS[backbone.reads])
    limit, place = settings.data.max_unreadable_fraction, str(paths.input)
    start = time.perf_counter()
    check_located(table, limit, place)
    facts = {"input": files.digest_file(paths.input), "max_unreadable_fraction": limit}
    outputs = [paths.output, paths.encoder, paths.record]
    with embed.open_cache(backbone, settings.runtime) as cache:
        note = cache / f"{paths.output.name}.published.json"
        if unchanged.is_unchanged(note, facts, outputs):
            print(f"extract {paths.backbone}: {count(len(table), 'post')}; nothing is new")
            return
        with open_beside(backbone, paths.backbone, settings) as beside:
            features = embed.embed(backbone, table, cache, settings.runtime, beside)
        with files.replacing_folder(paths.output) as folder:
            block = blocks.publish(backbone, table, features, folder)
            for status in block.status.values():
                blocks.check_readable(block.post_ids, status, limit, place)
            block_files.describe_block(folder, block)
        with files.replacing_folder(paths.encoder) as folder:
            backbone.save_fitted(folder)
            files.write_json(folder / FINGERPRINT, backbone.fingerprint())
        files.write_json(paths.record, make_record(block))
        if not features.missing:
            unchanged.remember(note, facts, outputs)
    print(summarise(paths.backbone, block, features, time.perf_counter() - start))


@contextmanager
def open_beside(
    backbone: Backbone, name: str, settings: params.Params
) -> Iterator[list[tuple[Backbone, Path]]]:
    """Other backbones that can see the images which ``name`` decodes, and their caches.

    Their own stages find the vectors there. One that cannot be opened now is left to its stage.
    """
    found = []
    with ExitStack() as stack:
        for other, entry in settings.backbones.items():
            kind = resolve(BACKBONES, entry.kind, f"params.yaml: backbones.{other}.kind")
            maker = kind(entry, settings.runtime)
            if other != name and shares_images(backbone, maker, settings.runtime):
                with suppress(InputError):
                    cache = stack.enter_context(embed.try_cache(maker, settings.runtime))
                    found += [(maker, cache)] if cache else []
        yield found


def shares_images(backbone: Backbone, other: Backbone | Encoder, runtime: RuntimeParams) -> bool:
    """Whether what is decoded for a backbone serves the other: from one file, in one way."""
    if isinstance(other, Encoder) or runtime.engine != "local":
        return False
    if not set(embed.INPUTS[other.reads]) <= set(embed.INPUTS[backbone.reads]):
        return False
    try:
        preparers = [each.image_preparer() for each in (backbone, other)]
    except (NotImplementedError, InputError):
        return False
    decoding = {each.way if isinstance(each, Preparer) else None for each in preparers}
    return None not in decoding and len(decoding) == 1


def check_located(table: pa.Table, max_unreadable_fraction: float, place: str) -> None:
    """Refuse at once what no decoding can help: too many images that are not there."""
    if "status" in table.column_names:
        status = arrays.to_strings(table["status"])
        status[status == LOCATED] = OK
        post_ids = arrays.to_strings(table["post_id"])
        blocks.check_readable(post_ids, status, max_unreadable_fraction, place)


def make_record(block: Block) -> dict[str, object]:
    """Counts and facts that the metrics and a reader need; no time, no machine."""
    return {
        "posts": len(block.post_ids),
        "width": len(block.columns),
        "status": blocks.count_status(block),
        "fitted_on": block.fitted_on,
        "notes": block.notes,
    }


def describe_size(block: Block) -> str:
    """`9 posts, 1 column`."""
    return f"{count(len(block.post_ids), 'post')}, {count(len(block.columns), 'column')}"


def summarise(name: str, block: Block, features: embed.Features, seconds: float) -> str:
    """One line; a modality of which no post has anything is named in it."""
    parts = [f"extract {name}: {describe_size(block)}"]
    for modality, status in block.status.items():
        if np.isin(status, (NO_IMAGE, NO_TEXT)).all():
            parts.append(f"no post has {NOTHING.get(modality, modality)}: the columns stay empty")
        elif modality == "image":
            parts.append(f"{modality}: {blocks.describe_unreadable(status)}")
    if features.new or features.reused:
        parts.append(f"{count(features.new, 'content')} new, {features.reused:,} reused")
    parts.append(f"{seconds:.1f} s, {len(block.post_ids) / seconds:,.0f} posts/s")
    if features.new:
        times = f"{features.waited:.1f} s waiting for input, {features.computed:.1f} s computing"
        parts.append(times)
    return "; ".join(parts)


if __name__ == "__main__":
    run(main)
