"""deps/ names the source files that a stage imports: read again here, from the compiled code."""

import hashlib
import os
import re
import shutil
from functools import cache
from itertools import pairwise
from modulefinder import ModuleFinder
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from fame import dependencies, params
from fame.registry import BACKBONES, LEARNERS, SOURCES
from fame.runtime.imports import WITHOUT_EFFECT

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
# Stage -> its kinds, each with the modules that it imports by name.
KINDS = {
    "ingest": {kind: [place.split(":")[0]] for kind, place in SOURCES.items()},
    "extract": {kind: [place.split(":")[0]] for kind, place in BACKBONES.items()},
    "train": {kind: [f"{place}.training"] for kind, place in LEARNERS.items()},
    "predict": {kind: [f"{place}.model"] for kind, place in LEARNERS.items()},
}
ALL_KINDS = {"leakage": KINDS["extract"], "importance": KINDS["predict"]}


# The fusion checks what it reads there against its records, see dvc.yaml; nothing depends on costs.
# What a stage waits for and does not read: its folders are cleared first.
CLEARED = "data/interim/cleared.json"
SAMPLE = "data/raw/sample"  # depended on by ingest for its order, see dvc.yaml
UNNAMED = {"fuse": {"data/predictions"}, "leaderboard": {"runs"}, "report": {"runs"}}


def read_stages():
    stages = {}
    for file in (ROOT / "dvc.yaml", ROOT / "reports" / "dvc.yaml"):
        for name, stage in YAML(typ="safe").load(file.read_text())["stages"].items():
            stages[name] = stage.get("do", stage)
    return stages


STAGES = read_stages()


def list_programs():
    """Folder below deps/ -> the modules that its stage runs."""
    programs = {}
    for stage, entry in STAGES.items():
        words = entry["cmd"].split()
        module = words[words.index("-m") + 1]
        for kind, own in KINDS.get(stage, {"": []}).items():
            others = [name for names in ALL_KINDS.get(stage, {}).values() for name in names]
            programs[f"{stage}/{kind}".rstrip("/")] = [module, *own, *others]
    return programs


PROGRAMS = list_programs()


def find_file(module):
    path = SOURCE / Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def list_imports(module):
    """The modules of fame whose names the compiled module imports, its functions too."""
    found, waiting = set(), [compile(find_file(module).read_text(), module, "exec")]
    while waiting:
        code = waiting.pop()
        waiting += [constant for constant in code.co_consts if isinstance(constant, type(code))]
        for what, told in ModuleFinder().scan_opcodes(code):
            if what == "absolute_import":
                names, place = told
                inner = {f"{place}.{name}" for name in names or ()}
                found |= {name if find_file(name).exists() else place for name in inner or {place}}
    return {name for name in found if name.startswith("fame.")}


def walk(modules):
    reached, waiting = set(), set(modules)
    while waiting:
        name = waiting.pop()
        if name not in reached | WITHOUT_EFFECT:
            reached.add(name)
            waiting |= list_imports(name)
    return {find_file(name) for name in reached}


def read_links(root=ROOT):
    """A stage, with its kind -> the files that the links of its folders lead to."""
    folder, links = root / "deps", {}
    for path in folder.rglob("*"):
        if path.is_symlink():
            links.setdefault(str(path.parent.relative_to(folder)), set()).add(path.resolve())
    every = {stage: links.pop(f"{stage}/every_kind") for stage in KINDS}
    return {name: paths | every.get(name.split("/")[0], set()) for name, paths in links.items()}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_stage_depends_on_what_it_imports_and_on_nothing_else(name):
    linked = {path for path in read_links()[name] if path.suffix == ".py"}
    imported = walk(PROGRAMS[name])
    assert linked - imported == set(), "linked, not imported; run `make links`"
    assert imported - linked == set(), "imported, not linked; run `make links`"


def test_the_links_are_as_they_would_be_written():
    expected = {
        ROOT / "deps" / name / ".".join(path.relative_to(SOURCE / "fame").parts): path
        for name, paths in dependencies.list_links(ROOT).items()
        for path in paths
    }
    there = {path for path in (ROOT / "deps").rglob("*") if not path.is_dir()}
    assert there == set(expected)
    for link, path in expected.items():
        target = link.readlink()
        assert not target.is_absolute()
        assert path.is_file()
        assert os.path.normpath(link.parent / target) == str(path)


def test_every_stage_names_its_own_folder_of_links():
    for stage, entry in STAGES.items():
        named = [path for path in entry["deps"] if path.startswith("deps/")]
        kind = "${data.source}" if stage == "ingest" else "${item.kind}"
        folders = [f"{stage}/every_kind", f"{stage}/{kind}"] if stage in KINDS else [stage]
        assert named == [f"deps/{name}" for name in folders]
    assert set(read_links()) == set(PROGRAMS)


def test_templates_belong_to_what_names_them():
    linked = {path for paths in read_links().values() for path in paths}
    files = {path for path in (SOURCE / "fame").rglob("*") if path.is_file()}
    others = {path for path in files if path.suffix not in (".py", ".pyc")}
    # The page of `fame serve`, and DVC's page of plots, belong to no stage.
    others -= {SOURCE / f"fame/serving/page.{suffix}" for suffix in ("html", "css", "js")}
    if SOURCE / "fame/report/vega/scripts.py" not in linked:
        others -= set((SOURCE / "fame/report/vega").iterdir())
    assert SOURCE / "fame/report/page.html.j2" in others
    assert others <= linked


@pytest.fixture
def copied(tmp_path):
    """The project's source and links, to be edited."""
    for name in ("src", "deps"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True, ignore=ignored)
    return tmp_path


def digest_folders(links):
    """What DVC compares: the bytes behind the links of each folder."""
    return {
        name: hashlib.sha256(b"".join(sorted(path.read_bytes() for path in paths))).hexdigest()
        for name, paths in links.items()
    }


def test_a_comment_makes_stale_exactly_the_stages_that_import_the_file(copied):
    links = read_links(copied)
    before = digest_folders(links)
    imported = {name: walk(modules) for name, modules in PROGRAMS.items()}
    told = dependencies.list_stages(ROOT)
    files = sorted((copied / "src/fame").rglob("*.py"))
    assert len(files) > 100
    for file in files:
        own = file.relative_to(copied / "src/fame")
        text = file.read_text()
        file.write_text(text + "# A comment.\n")
        after = digest_folders(links)
        file.write_text(text)
        stale = {name for name in before if before[name] != after[name]}
        assert stale == {n for n, paths in imported.items() if SOURCE / "fame" / own in paths}, own
        assert stale == set(told.get(str(own), [])), own


def test_code_that_only_predicts_retrains_nothing():
    for kind in LEARNERS:
        training = {path.name for path in read_links()[f"train/{kind}"]}
        assert {"training.py", "train.py"} <= training
        assert not {"model.py", "fold_model.py", "predict.py"} & training


def test_the_page_is_that_of_the_links():
    page = (ROOT / "docs/dependencies.md").read_text()
    assert page == dependencies.render_page(ROOT), "run `make links`"
    rows = dict(line.strip("| ").split(" | ") for line in page.splitlines() if line[:3] == "| `")
    links = read_links()
    for path in (SOURCE / "fame").rglob("*.py"):
        if path.name == "__init__.py":
            continue
        told = rows[f"`{path.relative_to(SOURCE / 'fame')}`"]
        names = {name for name, paths in links.items() if path in paths}
        assert parse(told) == names, path


def parse(told):
    """Folders below deps/ from a cell of the page: all, none, or `train (dae), fuse`."""
    if told in ("all", "none"):
        return set(PROGRAMS) if told == "all" else set()
    names = set()
    for stage, kinds in re.findall(r"(\w+)(?: \(([^)]+)\))?", told):
        own = kinds.split(", ") if kinds else KINDS.get(stage)
        names |= {f"{stage}/{kind}" for kind in own} if own else {stage}
    return names


def test_writing_mends_what_is_wrong_and_leaves_what_is_right(copied):
    for name in ("dvc.yaml", "reports/dvc.yaml"):
        (copied / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, copied / name)
    folder = copied / "deps"
    kept = (folder / "fuse/fusion.fuse.py").lstat().st_ino
    dependencies.write_links(copied)
    assert (folder / "fuse/fusion.fuse.py").lstat().st_ino == kept
    (folder / "fuse/fusion.fuse.py").unlink()
    (folder / "fuse/runtime.files.py").unlink()
    (folder / "fuse/runtime.files.py").write_text("no link\n")
    (folder / "fuse/report.page.py").symlink_to("../../src/fame/report/page.py")
    (folder / "attic").mkdir()
    (folder / "attic/x.py").symlink_to("../../src/fame/registry.py")
    dependencies.write_links(copied)
    assert {path: path.readlink() for path in folder.rglob("*") if not path.is_dir()} == {
        folder / path.relative_to(ROOT / "deps"): path.readlink()
        for path in (ROOT / "deps").rglob("*")
        if not path.is_dir()
    }
    assert not (folder / "attic").exists()


def test_simulate_which_looks_for_the_posts_comes_before_ingest_whatever_the_source():
    assert "data.root" in STAGES["simulate"]["params"]
    assert STAGES["simulate"]["outs"] == [SAMPLE]
    assert {"${data.root}", SAMPLE} < set(STAGES["ingest"]["deps"])


@pytest.mark.parametrize("stage", STAGES)
def test_a_command_holds_every_path_of_its_stage_and_no_other(stage):
    entry = STAGES[stage]
    outs = [*entry.get("outs", []), *entry.get("metrics", [])]
    paths = {next(iter(path)) if isinstance(path, dict) else path for path in outs}
    # A parameter is data: no shell sees it.
    own = (path for path in entry["deps"] if not path.startswith("deps/") and path != CLEARED)
    paths |= {path for path in own if path not in ("${data.root}", SAMPLE)}
    words = entry["cmd"].split()
    named = {path for option, path in pairwise(words) if option.startswith("--")}
    assert named - UNNAMED.get(stage, set()) == paths


def test_a_folder_of_entries_is_cleared_before_a_stage_reads_it():
    """Else what an entry that was deleted left there would be an input, see `clear`."""
    places = {
        out if isinstance(out, str) else next(iter(out))
        for entry in STAGES.values()
        for out in entry.get("outs", [])
    }
    folders = {place.partition("/${key}")[0] for place in places if "${key}" in place}
    readers = {name for name, entry in STAGES.items() if folders & set(entry["deps"])}
    assert {"assemble", "leakage", "fuse", "bundle", "importance", "leaderboard"} < readers
    assert readers == {name for name, entry in STAGES.items() if CLEARED in entry["deps"]}


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_says_what_it_does(stage):
    assert STAGES[stage]["desc"]


def test_the_exempt_files_hold_no_default():
    for model in vars(params).values():
        if isinstance(model, type) and issubclass(model, params.Strict):
            assert all(field.is_required() for field in model.model_fields.values()), model
