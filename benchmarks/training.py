"""Training on a wide table: memory and speed beside the libraries called directly.

Writes feature blocks of the paper's widths (meta, glove 40, image_stats 4, blip and vilt 2,304
each), assembles them into one table with the project's own stage and trains on it. The numbers are
random but for a few columns that carry the label: how well anything predicts is of no meaning here,
how long it takes and how much memory it needs is.

Speed, on fewer posts: each side in a process of its own. "direct" is the float32 matrix of the fit
posts in memory and, fold by fold, the library's own Dataset or Pool of it, as one does by hand;
"ours" is the learner of this project, from the table on disk.

Memory, at full size with few iterations: the peak resident memory of the stages' processes.

    python benchmarks/training.py --learners lightgbm --parts speed --rows 30000
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import wide_params
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
FIT_POSTS, OTHER_POSTS = 305_613, 180_581  # SMPD's training and test posts
META, GLOVE, IMAGE_STATS = 40, 40, 4
CATEGORIES = {"category": 11, "subcategory": 77, "concept": 668}  # values, as in SMPD
TABLE = "wide"
FIT, SCORE, RECIPE = f"{TABLE}/fit", f"{TABLE}/score", f"{TABLE}/recipe"
ROWS_AT_ONCE = 2048
SEED = 7
LEARNERS = ("lightgbm", "catboost", "dae")
MEMORY_ALLOWED = {
    "lightgbm": 0.6,
    "catboost": 1.3,
    "dae": 0.2,
}  # of the training posts' float32 matrix
ASSEMBLE_ALLOWED = 1e9
SPEED_WANTED, TOTAL_WANTED = 1.0, 1.5


@dataclass(frozen=True)
class Cost:
    """Of a process: wall and CPU seconds, peak resident bytes."""

    wall: float
    cpu: float
    peak: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--parts", nargs="+", choices=["speed", "memory"], default=["speed", "memory"]
    )
    parser.add_argument("--learners", nargs="+", choices=LEARNERS, default=LEARNERS)
    parser.add_argument(
        "--rows", type=int, default=20_000, help="fit posts of the speed comparison"
    )
    parser.add_argument("--full-rows", type=int, default=FIT_POSTS, help="fit posts for the memory")
    parser.add_argument("--columns", type=int, default=META + GLOVE + IMAGE_STATS + 2 * 2304)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=200, help="of the speed comparison")
    parser.add_argument("--few", type=int, default=5, help="iterations for the memory")
    parser.add_argument(
        "--settings", type=Path, default=ROOT / "params.yaml", help="whose learners are measured"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--folder", type=Path, help="keep the tables here, use them again")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--others", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side == "blocks":
        write_blocks(
            arguments.folder,
            arguments.rows,
            arguments.others,
            arguments.columns,
            arguments.folds,
        )
        return
    if arguments.side:
        train(arguments.side, arguments.learners[0], arguments.folder)
        return
    # A waiting thread sleeps, as in the stages: on both sides.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        missed = []
        if "speed" in arguments.parts:
            missed += compare_speed(arguments, folder)
        if "memory" in arguments.parts:
            missed += measure_memory(arguments, folder)
    if missed:
        sys.exit(f"not as wanted: {'; '.join(missed)}")


def compare_speed(arguments: argparse.Namespace, folder: Path) -> list[str]:
    """Both sides with one iteration and with more of them; what is not as wanted."""
    place = folder / f"speed_{arguments.rows}"
    prepare(place, arguments.rows, arguments.rows // 100, arguments.columns, arguments.folds)
    matrix = 4 * arguments.rows * arguments.columns
    print(
        f"\nSpeed: {arguments.rows:,} fit posts x {arguments.columns:,} columns of random numbers"
    )
    print(f"float32 matrix {matrix / 1e9:.2f} GB, {arguments.folds} folds")
    head = ("learner", "side", "iterations", "wall s", "CPU s", "peak / matrix", "CPU s each")
    print("  ".join(f"{name:>13}" for name in head), flush=True)
    missed = []
    for learner in (name for name in arguments.learners if name != "dae"):
        whole, each, further = {}, {}, (arguments.iterations - 1) * arguments.folds
        for side in ("direct", "ours"):
            one, more = (
                train_apart(place, side, learner, number, arguments)
                for number in (1, arguments.iterations)
            )
            whole[side], each[side] = more.wall, (more.cpu - one.cpu) / further
            for number, cost in ((1, one), (arguments.iterations, more)):
                cells = (learner, side, number, f"{cost.wall:.1f}", f"{cost.cpu:.1f}")
                cells += (f"{cost.peak / matrix:.2f}", f"{each[side]:.4f}" if number > 1 else "")
                print("  ".join(f"{cell:>13}" for cell in cells), flush=True)
        for name, costs, wanted in (
            ("an iteration (CPU)", each, SPEED_WANTED),
            (f"{arguments.folds} folds with preparation (wall)", whole, TOTAL_WANTED),
        ):
            ratio = costs["direct"] / costs["ours"]
            print(f"{learner}: {name}: {ratio:.2f} times as fast (wanted {wanted})")
            if ratio < wanted:
                missed.append(f"{learner} {name} {ratio:.2f}")
    print(
        "wall and CPU: the training, all folds; CPU s each: an iteration of a fold after the first"
    )
    return missed


def measure_memory(arguments: argparse.Namespace, folder: Path) -> list[str]:
    """The stages at full size; what is not as wanted."""
    rows, few = arguments.full_rows, arguments.few
    place, matrix = folder / f"full_{rows}", 4 * rows * arguments.columns
    others = round(rows * OTHER_POSTS / FIT_POSTS)
    print(f"\nMemory: {rows:,} fit posts and {others:,} others x {arguments.columns:,} columns")
    print(f"float32 matrix of the fit posts {matrix / 1e9:.2f} GB, {few} iterations or epochs")
    print("  ".join(f"{name:>13}" for name in ("stage", "wall s", "CPU s", "peak GB", "/ matrix")))
    missed = []

    def show(stage: str, cost: Cost, limit: float) -> None:
        cells = (f"{cost.wall:.0f}", f"{cost.cpu:.0f}", f"{cost.peak / 1e9:.2f}")
        cells += (f"{cost.peak / matrix:.2f}",)
        print("  ".join(f"{cell:>13}" for cell in (stage, *cells)), flush=True)
        if cost.peak > limit:
            missed.append(f"{stage} needs {cost.peak / 1e9:.2f} GB, allowed {limit / 1e9:.2f}")

    cost = prepare(place, rows, others, arguments.columns, arguments.folds)
    if cost:
        show("assemble", cost, ASSEMBLE_ALLOWED)
    for learner in arguments.learners:
        write_params(place, few, arguments.threads, arguments.settings)
        for stage, cost in run_learner(place, learner):
            show(f"{stage} {learner}", cost, MEMORY_ALLOWED[learner] * matrix)
    print("each row is a stage as `dvc repro` runs it: all folds, all posts")
    return missed


def run_learner(folder: Path, learner: str) -> Iterator[tuple[str, Cost]]:
    """Training and prediction, one after the other, with their costs."""
    shared = [f"--{name}={learner}/{name}" for name in ("model", "out-of-fold")]
    for stage, table, outputs in (
        ("train", FIT, ("record", "curves")),
        ("predict", SCORE, ("predictions", "predictions-record")),
    ):
        own = [f"--{name.rpartition('-')[2]}={learner}/{name}" for name in outputs]
        command = [f"fame.learners.{stage}", learner, f"--table={table}", *shared, *own]
        yield stage, measure([sys.executable, "-m", *command], folder)


def train_apart(
    folder: Path, side: str, learner: str, iterations: int, arguments: argparse.Namespace
) -> Cost:
    """What a side's training costs; loading the matrix of the direct side is not counted."""
    write_params(folder, iterations, arguments.threads, arguments.settings)
    command = [sys.executable, __file__, "--side", side, "--learners", learner]
    result = subprocess.run(
        [*command, "--folder", str(folder)], check=True, stdout=subprocess.PIPE, text=True
    )
    return Cost(**json.loads(result.stdout.splitlines()[-1]))


def train(side: str, name: str, folder: Path) -> None:
    """One side, in this process; prints its cost."""
    from importlib import import_module

    from fame import params, registry
    from fame.features import block_files
    from fame.learners import table_files

    import_module(name)  # not a part of the training
    os.chdir(folder)
    settings = params.load()
    chosen, table = settings.learners[name], table_files.read_fit_table(Path(FIT))
    checkpoints = Path(tempfile.mkdtemp())
    if side == "direct":
        values = np.load(Path(FIT) / block_files.VALUES)
        function = {"lightgbm": train_lightgbm, "catboost": train_catboost}[name]
        prepared = (chosen, values, table)
    else:
        trainer = registry.resolve_learner(chosen.kind, "Trainer", name)(chosen, settings.runtime)
        function, prepared = trainer.fit, (table, checkpoints)
    wall, cpu = time.perf_counter(), time.process_time()
    function(*prepared)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    shutil.rmtree(checkpoints)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": peak}))


def train_lightgbm(chosen: Any, values: np.ndarray, table: Any) -> None:
    """LightGBM as one calls it, a Dataset a fold; what it does on its own is left to it."""
    import lightgbm

    own = {"kind", "table", "threads", "loss", "iterations", "early_stopping_rounds"}
    own |= {"bin_construct_sample_cnt", "histogram_pool_size", "num_machines"}
    settings = chosen.model_dump(exclude=own)
    settings |= {"objective": "regression", "metric": "l1", "num_threads": chosen.threads}
    settings |= {"verbosity": -1}
    label = table.popularity
    for fold in table.folds:
        rows, held = table.training_rows(fold), table.validation_rows(fold)
        training = lightgbm.Dataset(
            values[rows], label[rows], categorical_feature=table.categorical, params=settings
        )
        validation = training.create_valid(values[held], label[held])
        lightgbm.train(
            settings,
            training,
            chosen.iterations,
            valid_sets=[validation],
            callbacks=[lightgbm.early_stopping(chosen.early_stopping_rounds, verbose=False)],
        )


def train_catboost(chosen: Any, values: np.ndarray, table: Any) -> None:
    """CatBoost as one calls it, a Pool a fold; numbers as float32, categories as text."""
    from catboost import CatBoostRegressor, FeaturesData, Pool

    categorical = table.categorical
    numeric = [i for i in range(values.shape[1]) if i not in set(categorical)]
    label = table.popularity

    def make_pool(rows: np.ndarray) -> Pool:
        ids = values[np.ix_(rows, categorical)].astype(np.int64).astype(str)
        data = FeaturesData(
            num_feature_data=np.ascontiguousarray(values[rows][:, numeric]),
            cat_feature_data=np.char.encode(ids).astype(object),
        )
        return Pool(data, label[rows])

    own = {"kind", "table", "seed", "threads", "loss"}
    for fold in table.folds:
        model = CatBoostRegressor(
            **chosen.model_dump(exclude=own),
            loss_function="RMSE",
            eval_metric="MAE",
            random_seed=chosen.seed,
            thread_count=chosen.threads,
            allow_writing_files=False,
            verbose=False,
        )
        training = make_pool(table.training_rows(fold))
        model.fit(training, eval_set=make_pool(table.validation_rows(fold)), use_best_model=True)


def prepare(folder: Path, fit: int, others: int, columns: int, folds: int) -> Cost | None:
    """Blocks and the table that the stage assembles of them; its cost, None if it was there."""
    if (folder / TABLE).exists():
        return None
    folder.mkdir(parents=True, exist_ok=True)
    write_params(folder, 1, 1, ROOT / "params.yaml")
    # In a process of its own: the system counts a parent's memory as a peak of its children.
    sizes = {"rows": fit, "others": others, "columns": columns, "folds": folds}
    options = [f"--{name}={size}" for name, size in sizes.items()]
    blocks = [sys.executable, __file__, "--side=blocks", f"--folder={folder}", *options]
    subprocess.run(blocks, check=True)
    command = [sys.executable, "-m", "fame.learners.assemble", TABLE, "--posts=posts.parquet"]
    command += ["--images=images.parquet", "--features=features"]
    command += [f"--fit={FIT}", f"--score={SCORE}", f"--recipe={RECIPE}"]
    cost = measure(command, folder)
    shutil.rmtree(folder / "features")
    return cost


def measure(command: list[str], folder: Path) -> Cost:
    """A process's cost, as the system counts it when it ends."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"failed: {' '.join(command)}")
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(time.perf_counter() - start, cpu, usage.ru_maxrss * 1024)


def write_params(folder: Path, iterations: int, threads: int, settings: Path) -> None:
    """The paper's profile with this table, and the learners of ``settings``, cut short."""
    content = wide_params.read_paper()
    content["learners"] = YAML(typ="safe").load(settings.read_text())["learners"]
    wide_params.write(folder, content, TABLE, iterations, threads)


def write_blocks(folder: Path, fit: int, others: int, columns: int, folds: int) -> None:
    """Posts and feature blocks; three columns of meta are categories, two carry the label."""
    import pyarrow as pa

    from fame.features import block_files
    from fame.features.blocks import Block, Column
    from fame.runtime import arrays, files

    rows, number = fit + others, np.arange(fit + others)
    generator = np.random.default_rng(SEED)
    post_ids = np.array([f"{i:09d}" for i in number], dtype=object)
    wide = columns - META - GLOVE - IMAGE_STATS
    widths = {"meta": META, "glove": GLOVE, "image_stats": IMAGE_STATS}
    widths |= {"blip": wide // 2, "vilt": wide - wide // 2}
    label = 6 + generator.normal(size=rows)
    for name, width in widths.items():
        names = [f"number_{i}" for i in range(width)]
        categories = list(CATEGORIES) if name == "meta" else []
        names[: len(categories)] = categories

        def chunks(width: int = width, categories: list[str] = categories) -> Iterator[np.ndarray]:
            for start in range(0, rows, ROWS_AT_ONCE):
                count = min(ROWS_AT_ONCE, rows - start)
                chunk = generator.standard_normal((count, width), np.float32)
                for place, category in enumerate(categories):
                    chunk[:, place] = generator.integers(1, CATEGORIES[category] + 1, count)
                part = label[start : start + count]
                chunk[:, -2:] += 0.5 * part[:, None].astype(np.float32)
                yield chunk

        target = folder / "features" / name
        target.mkdir(parents=True)
        arrays.write_values(target / block_files.VALUES, chunks(), (rows, width), "float32")
        held = tuple(Column(column, column in categories) for column in names)
        ok = {"value": np.full(rows, "ok", dtype=object)}
        block_files.describe_block(target, Block(post_ids, np.empty((rows, 0)), held, ok))
    split = np.where(number < fit, "fit", "challenge")
    posts = {
        "post_id": pa.array(post_ids.tolist(), pa.string()),
        "split": pa.array(split.tolist(), pa.string()),
        "fold": np.where(number < fit, number % folds, -1).astype(np.int8),
        "popularity": np.where(number < fit, label, np.nan),
    }
    files.write_table(folder / "posts.parquet", pa.table(posts))


if __name__ == "__main__":
    main()
