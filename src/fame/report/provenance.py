"""Where a report comes from: commit, what is not committed, parameters, machine, versions.

What is committed gives the same page at each run, or no run would leave git clean: its date is the
commit's, and the seconds of the stages are in `runs/` alone.
"""

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError

from fame.runtime import git
from fame.runtime.versions import list_versions

# What a result is made of. The commit that adds the results themselves is another one.
INPUTS = (
    *("src", "deps", "data", "params.yaml", "dvc.yaml", "reports/dvc.yaml"),
    *("constraints.txt", "requirements-weights.txt"),
)
TOOLS = ("dvc", "matplotlib")
Pairs = list[tuple[str, str]]


def describe(params_path: Path) -> dict[str, Pairs]:
    """Title -> names and values, in the order in which they are shown."""
    return {
        "Run": describe_commit(),
        "Parameters that differ from the last commit": compare_params(params_path),
        "Machine": describe_machine(),
        "Versions": [*list_versions().items(), *((name, metadata.version(name)) for name in TOOLS)],
    }


def describe_commit() -> Pairs:
    """The last commit that changed what results are made of, and what of that was changed since.

    The date is the commit's; where something was changed, it is the present one.
    """
    commit = git.ask("log", "-1", "--format=%h, %s", "--", *INPUTS)
    made = git.ask("log", "-1", "--format=%cI, of the commit", "--", *INPUTS)
    changed = git.ask("status", "--porcelain", "--untracked-files=no", "--", *INPUTS) or ""
    dirty = [line[3:] for line in changed.splitlines()]
    if dirty or not made:
        made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    state = f"changed and not committed: {', '.join(dirty)}" if dirty else "as committed"
    return [
        ("date", made),
        ("commit", commit or "none"),
        ("files", state if commit else "not committed"),
    ]


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
