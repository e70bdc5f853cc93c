"""Where a report comes from: commit, what is not committed, parameters, machine, seconds of stages.

Read from git and from `runs/`, which nothing depends on: none of it can change a result.
"""

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError

from fame import params
from fame.runtime import files, git
from fame.runtime.versions import list_versions

RESULTS = ("dvc.lock", "reports/", "metrics/", "runs/")  # that a run itself writes
TOOLS = ("dvc", "matplotlib")
Pairs = list[tuple[str, str]]


def describe(settings: params.Params, params_path: Path, runs: Path) -> dict[str, Pairs]:
    """Title -> names and values, in the order in which they are shown."""
    return {
        "Run": describe_commit(runs),
        "Parameters that differ from the last commit": compare_params(params_path),
        "Seconds of each stage, on this machine": list_seconds(settings, runs),
        "Machine": describe_machine(),
        "Versions": [*list_versions().items(), *((name, metadata.version(name)) for name in TOOLS)],
    }


def describe_commit(runs: Path) -> Pairs:
    """When the scores were made, at which commit, and what of it was changed."""
    commit = git.ask("log", "-1", "--format=%h of %cI, %s")
    changed = git.ask("status", "--porcelain", "--untracked-files=no") or ""
    dirty = [line[3:] for line in changed.splitlines() if not line[3:].startswith(RESULTS)]
    fused = runs / "fuse.json"
    made = "not known here"
    if fused.exists():
        made = datetime.fromtimestamp(fused.stat().st_mtime, UTC).strftime("%Y-%m-%d %H:%M UTC")
    state = f"changed and not committed: {', '.join(dirty)}" if dirty else "as committed"
    return [("scores made", made), ("commit", commit or "none"), ("files", state)]


def compare_params(path: Path) -> Pairs:
    """Dotted key -> value then and now, of what is not as in the last commit."""
    committed = git.read_committed(path)
    if committed is None:
        return [("not known", "params.yaml is in no commit")]
    try:
        before = flatten(YAML(typ="safe").load(committed))
    except YAMLError:
        return [("not known", "the committed params.yaml is not valid")]
    now = flatten(YAML(typ="safe").load(path.read_text(encoding="utf-8")))
    keys = [*now, *(key for key in before if key not in now)]
    changed = [key for key in keys if before.get(key) != now.get(key)]
    found = [(key, f"{before.get(key, 'absent')} → {now.get(key, 'absent')}") for key in changed]
    return found or [("none", "all are as committed")]


def list_seconds(settings: params.Params, runs: Path) -> Pairs:
    """Stage -> seconds of its last run, of the stages that these parameters name."""
    names = ["simulate", "ingest", "encode_meta"]
    names += [f"extract@{name}" for name in settings.backbones]
    names += [f"assemble@{name}" for name in settings.tables]
    for stage in ("train", "predict"):
        names += [f"{stage}@{name}" for name in settings.learners]
    names += ["leakage", "fuse", "bundle", "importance", "evaluate", "leaderboard", "submit"]
    found = [
        (name, f"{files.read_json(path)['seconds']:.1f}")
        for name in names
        if (path := runs / f"{name}.json").exists()
    ]
    return found or [("not known here", "no stage ran on this machine")]


def describe_machine() -> Pairs:
    """System, processor, cores, memory, Python."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return [
        ("system", f"{platform.system()} {platform.machine()}"),
        ("processor", find_processor()),
        ("cores", str(os.cpu_count())),
        ("memory", f"{memory / 1e9:.0f} GB"),
        ("Python", platform.python_version()),
    ]


def find_processor() -> str:
    """The processor's name as Linux has it; else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or "not known"


def flatten(content: Any, prefix: str = "") -> dict[str, Any]:
    """Nested keys as dotted ones; an empty block is a value."""
    if not isinstance(content, dict) or not content:
        return {prefix.rstrip("."): content}
    found: dict[str, Any] = {}
    for key, value in content.items():
        found |= flatten(value, f"{prefix}{key}.")
    return found
