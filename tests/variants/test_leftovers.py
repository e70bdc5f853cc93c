import hashlib
import json
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from fame.runtime.dvc_lock import digest_folder
from fame.variants import leftovers

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch, write_params):
    """The pipeline's own dvc.yaml and params.yaml, and a cache of DVC's."""
    write_params()
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    monkeypatch.setattr(leftovers, "find_cache", lambda _: tmp_path / "cache")
    return tmp_path


def put(project, path, content="x", cached=True):
    """A file, or a folder with one, where a stage would have written it."""
    place = project / path
    file = place if place.suffix else place / "values.npy"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    if cached:
        digest = hashlib.md5(content.encode()).hexdigest()
        keep(project, digest, content)
        if not place.suffix:
            listed = [{"md5": digest, "relpath": "values.npy"}]
            keep(project, digest_folder(place), json.dumps(listed))
    return place


def keep(project, digest, content):
    """As DVC does."""
    path = project / "cache/files/md5" / digest[:2] / digest[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def list_files(project):
    return {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}


OF_ENTRIES = (
    *("data/features/{}", "models/encoders/{}", "metrics/features/{}.json"),
    *("data/tables/{}/fit", "data/tables/{}/score", "models/tables/{}"),
    *("models/learners/{}", "data/out_of_fold/{}.parquet", "metrics/learners/{}.json"),
    *("metrics/learning_curves/{}.csv", "data/predictions/{}.parquet"),
    "metrics/predictions/{}.json",
)


def test_all_that_an_entry_wrote_goes_once_params_do_not_have_it(project):
    for place in OF_ENTRIES:
        put(project, place.format("old"))
    (project / "data/tables/old/.gitignore").write_text("/fit\n/score\n")  # by DVC
    lines = leftovers.clear(project)
    assert list_files(project) - {"dvc.yaml", "params.yaml"} == {
        name for name in list_files(project) if name.startswith("cache/")
    }
    assert not (project / "data/tables/old").exists()
    assert len(lines) == 1
    assert lines[0].endswith(": backbones old; tables old; learners old")
    assert leftovers.clear(project) == []


def test_what_params_name_and_what_other_stages_write_stays(project):
    content = YAML(typ="safe").load((project / "params.yaml").read_text())
    blocks = ["backbones"] * 3 + ["tables"] * 3 + ["learners"] * 6
    for place, block in zip(OF_ENTRIES, blocks, strict=True):
        for name in content[block]:
            put(project, place.format(name), cached=False)
    for place in ("data/features/meta", "models/encoders/meta", "data/predictions/fame.parquet"):
        put(project, place)
    put(project, "metrics/metrics.json")
    put(project, "reports/importance/old.json")
    before = list_files(project)
    assert leftovers.clear(project) == []
    assert list_files(project) == before


@pytest.mark.parametrize(
    "path", ["data/features/.gitignore", "data/features/My notes", "metrics/learners/old.txt"]
)
def test_what_no_stage_could_have_written_stays(project, path):
    put(project, path)
    assert leftovers.clear(project) == []
    assert (project / path).exists()


def test_what_could_not_be_had_again_stays_and_is_named(project):
    unsaved = put(project, "models/learners/old", "unsaved", cached=False)
    changed = put(project, "data/predictions/old.parquet")
    changed.write_text("another")
    put(project, "models/encoders/old", "a part is gone")
    digest = hashlib.md5(b"a part is gone").hexdigest()
    (project / "cache/files/md5" / digest[:2] / digest[2:]).unlink()
    put(project, "data/features/old")
    *kept, removed = leftovers.clear(project)
    assert unsaved.exists()
    assert changed.exists()
    assert sorted(line.split()[1] for line in kept) == [
        "data/predictions/old.parquet",
        "models/encoders/old",
        "models/learners/old",
    ]
    assert removed.endswith(": backbones old")


def test_a_record_of_gits_is_kept_where_dvc_finds_it(project):
    put(project, "metrics/learners/old.json", "of git", cached=False)
    leftovers.clear(project)
    digest = hashlib.md5(b"of git").hexdigest()
    kept = project / "cache/files/md5" / digest[:2] / digest[2:]
    assert kept.read_text() == "of git"
    assert kept.stat().st_mode & 0o222 == 0


def test_the_stage_writes_the_same_whatever_it_removed(project, run_stage, capsys):
    output = project / "cleared.json"
    put(project, "data/features/old")
    said, written = [], []
    for _ in range(2):
        run_stage("variants.leftovers", "--output", output)
        said.append(capsys.readouterr().out)
        written.append(output.read_bytes())
    assert "backbones old" in said[0]
    assert said[1].startswith("clear: nothing is left")
    assert written[0] == written[1]
