"""`fame check`: all that is missing or cannot work, named at once, before anything runs."""

import argparse
import importlib.metadata
import os
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from fame import params
from fame.posts import ingest
from fame.posts.data_report import RAW_COUNTS, looks_like_counts
from fame.posts.sources.images import IMAGE_SUFFIXES
from fame.runtime.cores import count_cores
from fame.runtime.data_root import require_folder
from fame.runtime.devices import choose_device
from fame.runtime.errors import InputError
from fame.runtime.readable import count
from fame.setup.estimate import describe_seconds, estimate

PROJECT, WEIGHTS = Path("pyproject.toml"), Path("requirements-weights.txt")
RESULTS = ("metrics", "reports")  # folders of what the pipeline writes for git
MAX_UNTRACKED_BYTES = 1 << 20  # files that git does not know, all together
DATA_SUFFIXES = (*IMAGE_SUFFIXES, ".csv", ".tsv", ".jsonl", ".parquet", ".xlsx", ".zip", ".gz")
SMPD = (486_194, 305_613)  # posts, and those with a label: its size while it is not here
HUB_SECONDS = 5
# What takes nearly all of the disk, and DVC keeps once more; beside them the cache of vectors.
LARGE = ("data/features", "data/tables")


def add(parser: argparse.ArgumentParser) -> None:
    """The command's argument."""
    parser.add_argument(
        "--brief", action="store_true", help="without what reading the posts finds: ingest tells it"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print each problem; 1 if there is one."""
    problems, facts = check(brief=arguments.brief)
    print("\n".join([*facts, *(f"missing or wrong: {problem}" for problem in problems)]))
    if not problems:
        data = params.load(kinds=False).data
        hint = "; `fame init FILE` sets up yours" if data.source == "sample" else ""
        print(f"nothing is missing; checked: {data.describe()}{hint}")
    return 1 if problems else 0


def check(*, brief: bool = False) -> tuple[list[str], list[str]]:
    """All problems, and what was found in order; ``brief``: but for how the posts were read."""
    problems = _check_packages()
    try:
        settings = params.load(kinds=not problems)
    except InputError as error:
        return [*problems, str(error), *_check_git()], []
    facts = [f"params.yaml: valid, source {settings.data.source}, root {settings.data.root}"]
    is_to_come = settings.data.source == "smpd" and not Path(settings.data.root).is_dir()
    counts = SMPD if is_to_come else (0, 0)
    try:
        counts, found = _check_data(settings)
        facts += found[:1] if brief else found
    except InputError as error:
        problems.append(str(error))
    except ImportError:  # of a package that is named as missing
        if not problems:
            raise
    rooms = _check_room(settings, *counts)
    for part in (_check_device(settings), _check_checkpoints(settings), rooms):
        problems += part[0]
        facts += part[1]
    return problems + _check_git(), facts


def _check_packages() -> list[str]:
    """Requirements that are not installed."""
    from packaging.requirements import Requirement

    absent = []
    for written in _list_requirements():
        requirement = Requirement(written)
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            absent.append(f"package {written}: not installed; run `make repro`")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            absent.append(f"package {written}: version {version} is installed")
    return absent


def _list_requirements() -> list[str]:
    found: list[str] = []
    if PROJECT.is_file():
        content = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
        found += content["project"]["dependencies"]
    if WEIGHTS.is_file():
        lines = WEIGHTS.read_text(encoding="utf-8").splitlines()
        found += [line.split("#")[0].strip() for line in lines]
    return [written for written in found if written]


def _check_data(settings: params.Params) -> tuple[tuple[int, int], list[str]]:
    """Read and split the posts as ingest will: how many, how many with a label, what to say.

    Raises:
        InputError: all that is wrong with them.
    """
    data = settings.data
    if data.source == "sample":
        labelled, others = data.sample.training_posts, data.sample.challenge_posts
        total = labelled + others
        said = f"data: a simulated sample, {total:,} posts, {labelled:,} with a label"
        return (total, labelled), [said]
    require_folder(data.source, data.root)
    posts, _ = ingest.read(settings)
    count, labels = len(posts.table), posts.table["popularity"]
    labelled = count - labels.null_count
    facts = [f"data: {count:,} posts, {labelled:,} with a label"]
    facts += [f"  {note.describe(posts.findings.unit)}" for note in posts.findings.notes]
    if data.target_transform == "none" and looks_like_counts(labels.drop_null().to_numpy()):
        facts.append(f"  {RAW_COUNTS}")
    return (count, labelled), facts


def _check_device(settings: params.Params) -> tuple[list[str], list[str]]:
    """Whether there is the GPU that is asked for; what is done where one is only wished for."""
    try:
        device = choose_device(settings.runtime.device)
    except InputError as error:
        return [str(error)], []
    except ImportError:  # of torch, which is named as missing
        return [], []
    wishing = [
        f"backbones.{name}.decode: gpu: no GPU here, images are decoded as with exact"
        for name, entry in settings.backbones.items()
        if device == "cpu" and getattr(entry, "decode", None) == "gpu"
    ]
    return [], wishing


def _check_checkpoints(settings: params.Params) -> tuple[list[str], list[str]]:
    """Weights that the blocks name: those that cannot be had, and those to be fetched."""
    problems, facts = [], []
    used = {block for table in settings.tables.values() for block in table.blocks}
    for block in ("backbones", "learners"):
        for name, entry in getattr(settings, block).items():
            for key, value in _list_settings(entry):
                problem, is_fetched = _find_problem(key, value)
                line = f"{block}.{name}.{key}: {value}: {problem}"
                if problem and block == "backbones" and name not in used:
                    line += f"; no table has {name}: without its entry nothing waits for it"
                if is_fetched:
                    facts.append(line)
                elif problem:
                    problems.append(line)
    return problems, facts


def _list_settings(entry: Any) -> list[tuple[str, Any]]:
    """Key and value of an entry, also of the blocks in it that it uses."""
    found = []
    models = getattr(entry, "models", None)  # of a stack, each with a block
    for key, value in dict(entry).items():
        if isinstance(value, BaseModel):
            if models is None or key in models:
                found += [(f"{key}.{inner}", v) for inner, v in _list_settings(value)]
        else:
            found.append((key, value))
    return found


def _find_problem(key: str, value: Any) -> tuple[str, bool]:
    """What is to say of a setting's weights, "" for nothing; whether the hub has them."""
    last = key.rpartition(".")[2]
    if not isinstance(value, str) or not (last == "file" or last.endswith("checkpoint")):
        return "", False
    if last == "file":
        return "" if Path(value).is_file() else "no such file", False
    if Path(value).exists() or "/" not in value:
        return "", False
    if value.startswith(("/", ".", "~")) or value.count("/") > 1:
        return "no such folder", False
    if _is_cached(value):
        return "", False
    refusal = _ask_hub(value)
    return f"not on this machine; {refusal or 'the first run fetches it'}", not refusal


def _is_cached(hub_id: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(hub_id, "config.json"), str)


def _ask_hub(hub_id: str) -> str:
    """Why the model hub does not give a model; "" where it does."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE forbids to fetch it; name a folder that holds it"
    try:
        HfApi().model_info(hub_id, timeout=HUB_SECONDS)
    except GatedRepoError:
        return "the model hub gives it to those who are logged in and have asked for it"
    except RepositoryNotFoundError:
        return "the model hub has none of this name"
    except Exception:  # of whatever is between here and there
        return "the model hub does not answer; name a folder that holds it"
    return ""


def _check_git() -> list[str]:
    """Files that git neither holds nor ignores: the first `dvc exp run` would commit them."""
    command = ["git", "ls-files", "--others", "--exclude-standard", "-z"]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return ["git: not installed; experiments need it"]
    if done.returncode:
        return ["git: no repository here; experiments need one (`git init`, and one commit)"]
    found = [Path(os.fsdecode(name)) for name in done.stdout.split(b"\0") if name]
    names = [path for path in found if path.parts[0] not in RESULTS]  # which git is to keep
    sizes = {path: path.stat().st_size for path in names if path.is_file()}
    data = [path for path in sizes if path.name.lower().endswith(DATA_SUFFIXES)]
    total = sum(sizes.values())
    if not data and total <= MAX_UNTRACKED_BYTES:
        return []
    shown = ", ".join(map(str, (data or sorted(sizes, key=sizes.__getitem__, reverse=True))[:3]))
    return [
        f"git: neither in git nor ignored: {count(len(sizes), 'file')} ({total / 1e6:.1f} MB), "
        f"such as {shown}: an experiment would commit them; put data under DVC "
        "(`fame init`, `dvc add`) or into .gitignore"
    ]


def _check_room(settings: params.Params, posts: int, labelled: int) -> tuple[list[str], list[str]]:
    """Disk and memory that lack, and what a run takes, roughly."""
    if not posts:
        return [], []
    taken = estimate(settings, posts, labelled)
    facts = [
        f"a run from nothing over {posts:,} posts: about {describe_seconds(taken.seconds)} on "
        f"{count_cores()} cores without a GPU, {_describe_bytes(taken.disk)} of disk, "
        f"{_describe_bytes(taken.memory)} of memory (rough, see docs/scale.md)"
    ]
    problems = []
    free = shutil.disk_usage(".").free
    held = 2 * sum(map(_measure, LARGE)) + _measure(settings.runtime.cache)
    if taken.disk - held > free:
        problems.append(
            f"disk: {_describe_bytes(free)} free, {posts:,} posts take about "
            f"{_describe_bytes(taken.disk)}, of which {_describe_bytes(held)} are there"
        )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if taken.memory > memory:
        problems.append(
            f"memory: {_describe_bytes(memory)}, {posts:,} posts take about "
            f"{_describe_bytes(taken.memory)}"
        )
    return problems, facts


def _measure(folder: str) -> int:
    """Bytes of the files in a folder; 0 where there is none."""
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def _describe_bytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB"
