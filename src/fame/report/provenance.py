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
    """Dotted key -> value then and now, of what is not as in the last commit.

    An entry that was added or left out as a whole, as a learner, is one line.
    """
    committed = git.read_committed(path)
    if committed is None:
        return [("not known", "params.yaml is in no commit")]
    try:
        before = YAML(typ="safe").load(committed)
    except YAMLError:
        return [("not known", "the committed params.yaml is not valid")]
    now = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    return list_changes(before, now) or [("none", "all are as committed")]


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


def list_changes(before: Any, now: Any, key: str = "") -> Pairs:
    """Dotted key -> what became of its value; an empty block is a value."""
    if before == now:
        return []
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return [(key, f"{show(before)} → {show(now)}")]
    found: Pairs = []
    for name in [*now, *(name for name in before if name not in now)]:
        dotted = f"{key}.{name}" if key else str(name)
        if name not in before:
            found.append((dotted, "added" if isinstance(now[name], dict) else show(now[name])))
        elif name not in now:
            found.append((dotted, "left out"))
        else:
            found += list_changes(before[name], now[name], dotted)
    return found


def show(value: Any) -> str:
    """As params.yaml would have it on one line: `null`, `true`, `[meta, history]`."""
    if isinstance(value, list):
        return f"[{', '.join(map(show, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {show(one)}" for name, one in value.items()) + "}"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value)
