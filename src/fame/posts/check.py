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
from fame.posts.sources.images import IMAGE_SUFFIXES
from fame.registry import SOURCES, resolve
from fame.runtime.errors import InputError

PROJECT, WEIGHTS = Path("pyproject.toml"), Path("requirements-weights.txt")
RESULTS = ("metrics", "reports")  # folders of what the pipeline writes for git
MAX_UNTRACKED_BYTES = 1 << 20  # files that git does not know, all together
DATA_SUFFIXES = (*IMAGE_SUFFIXES, ".csv", ".tsv", ".jsonl", ".parquet", ".xlsx", ".zip", ".gz")
# Roughly, for a post: vectors in the cache, in the blocks and in the tables; and what is held.
DISK_BYTES_PER_POST, MEMORY_BYTES_PER_POST = 60_000, 20_000


def add(_parser: argparse.ArgumentParser) -> None:
    """The command has no arguments."""


def run(_arguments: argparse.Namespace) -> int:
    """Print each problem; 1 if there is one."""
    problems, facts = check()
    print("\n".join([*facts, *(f"missing: {problem}" for problem in problems)]))
    if not problems:
        print("nothing is missing")
    return 1 if problems else 0


def check() -> tuple[list[str], list[str]]:
    """All problems, and what was found in order."""
    problems = _check_packages()
    try:
        settings = params.load(kinds=not problems)
    except InputError as error:
        return [*problems, str(error)], []
    facts = [f"params.yaml: valid, source {settings.data.source}, root {settings.data.root}"]
    count = 0
    try:
        count, fact = _check_data(settings.data)
        facts.append(fact)
    except InputError as error:
        problems.append(str(error))
    problems += _check_checkpoints(settings)
    problems += _check_git()
    problems += _check_room(count)
    return problems, facts


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


def _check_data(data: params.DataParams) -> tuple[int, str]:
    """Read the posts as ingest will; their number and a line.

    Raises:
        InputError: all that is wrong with them.
    """
    root = Path(data.root)
    if data.source == "sample":
        return data.sample.training_posts + data.sample.challenge_posts, "sample: is simulated"
    if not root.is_dir():
        hint = "; ~ and $ stand for themselves" if data.root[:1] in "~$" else ""
        raise InputError(
            f"params.yaml: data.root: no folder {data.root!r}{hint}; `fame init FILE` puts your "
            "posts where they belong"
        )
    source = resolve(SOURCES, data.source, "params.yaml: data.source")(data)
    posts = source.load(root)
    return len(posts.table), f"data: {len(posts.table):,} posts, {len(posts.findings.notes)} notes"


def _check_checkpoints(settings: params.Params) -> list[str]:
    """Weights that the blocks name and that are not on this machine."""
    problems = []
    for block in ("backbones", "learners"):
        for name, entry in getattr(settings, block).items():
            for key, value in _list_settings(entry):
                problem = _find_problem(key, value)
                if problem:
                    problems.append(f"{block}.{name}.{key}: {value}: {problem}")
    return problems


def _list_settings(entry: Any) -> list[tuple[str, Any]]:
    """Key and value of an entry, also of the blocks in it."""
    found = []
    for key, value in dict(entry).items():
        if isinstance(value, BaseModel):
            found += [(f"{key}.{inner}", v) for inner, v in _list_settings(value)]
        else:
            found.append((key, value))
    return found


def _find_problem(key: str, value: Any) -> str | None:
    last = key.rpartition(".")[2]
    if not isinstance(value, str) or not (last == "file" or last.endswith("checkpoint")):
        return None
    if last == "file":
        return None if Path(value).is_file() else "no such file"
    if Path(value).exists() or "/" not in value:
        return None
    if value.startswith(("/", ".", "~")) or value.count("/") > 1:
        return "no such folder"
    return (
        None
        if _is_cached(value)
        else ("not on this machine; it is fetched from the model hub when it is used")
    )


def _is_cached(hub_id: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(hub_id, "config.json"), str)


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
        f"git: {len(sizes):,} files ({total / 1e6:.1f} MB) are neither in git nor ignored, such as "
        f"{shown}: an experiment would commit them; put data under DVC (`fame init`, `dvc add`) "
        "or into .gitignore"
    ]


def _check_room(count: int) -> list[str]:
    """Disk and memory, roughly."""
    problems = []
    disk = shutil.disk_usage(".").free
    if count * DISK_BYTES_PER_POST > disk:
        problems.append(
            f"disk: {disk / 1e9:.1f} GB free, {count:,} posts take about "
            f"{count * DISK_BYTES_PER_POST / 1e9:.1f}"
        )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if count * MEMORY_BYTES_PER_POST > memory:
        problems.append(
            f"memory: {memory / 1e9:.1f} GB, {count:,} posts take about "
            f"{count * MEMORY_BYTES_PER_POST / 1e9:.1f}"
        )
    return problems
