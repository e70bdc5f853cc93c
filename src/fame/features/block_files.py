"""Feature blocks on disk: values, rows with their status, a manifest."""

from pathlib import Path

import pyarrow as pa

from fame.features.blocks import Block, Column
from fame.runtime import arrays, files

ROWS, VALUES, MANIFEST = "rows.parquet", "values.npy", "manifest.json"


def write_block(folder: Path, block: Block) -> None:
    """A feature block into ``folder`` (exists): values, rows with status per modality, manifest."""
    arrays.write_values(folder / VALUES, [block.values], block.values.shape, "float32")
    describe_block(folder, block)


def describe_block(folder: Path, block: Block) -> None:
    """All of a feature block but its values, which lie in ``folder`` already."""
    # Lists, not arrays: see `to_numbers`.
    rows = {"post_id": pa.array(block.post_ids.tolist(), pa.string())}
    rows |= {
        f"{modality}_status": pa.array(status.tolist(), pa.string()).dictionary_encode()
        for modality, status in block.status.items()
    }
    files.write_table(folder / ROWS, pa.table(rows))
    manifest = {
        "columns": [column.name for column in block.columns],
        "categorical": [column.name for column in block.columns if column.categorical],
        "fitted_on": block.fitted_on,
        "notes": block.notes,
        "rows": len(block.post_ids),
    }
    files.write_json(folder / MANIFEST, manifest)


def read_block(folder: Path) -> Block:
    """A feature block; its values are memory-mapped."""
    manifest = files.read_json(folder / MANIFEST)
    rows = files.read_table(folder / ROWS)
    categorical = set(manifest["categorical"])
    columns = tuple(Column(name, name in categorical) for name in manifest["columns"])
    return Block(
        post_ids=arrays.to_strings(rows["post_id"]),
        values=arrays.read_values(folder / VALUES, len(rows), len(columns)),
        columns=columns,
        status={
            name.removesuffix("_status"): arrays.to_strings(rows[name])
            for name in rows.column_names
            if name.endswith("_status")
        },
        fitted_on=manifest["fitted_on"],
        notes=manifest["notes"],
    )
