"""The whole pipeline on a tiny sample through dvc, as a user would run it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from PIL import Image
from ruamel.yaml import YAML

from tests.pictures import encode

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.pipeline


class Project:
    """A small copy of the repository with its own git and DVC."""

    def __init__(self, folder):
        self.folder = folder
        tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        # The copied source is what runs; threads beyond the machine's would only slow it.
        self.environment = os.environ | {"PYTHONPATH": str(folder / "src"), "PATH": tools}

    @contextmanager
    def guarded(self):
        """Stages note in `runs/guard.txt` what they may not do, see tests/guard."""
        before = self.environment
        note = self.folder / "runs/guard.txt"
        note.parent.mkdir(exist_ok=True)
        path = f"{ROOT / 'tests/guard'}{os.pathsep}{before['PYTHONPATH']}"
        self.environment = before | {"PYTHONPATH": path, "GUARD": str(note)}
        yield
        self.environment = before

    def run(self, *command, fails=False):
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert bool(done.returncode) == fails, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def repro(self, *arguments):
        """Reproduce; the names of the stages that ran."""
        output = self.run("dvc", "repro", *arguments)
        return re.findall(r"Running stage '([^']+)'", output)

    def commit(self):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        self.run("git", "add", "-A")
        self.run("git", *identity, "commit", "-qm", "state")

    def change_params(self, **changes):
        path = self.folder / "params.yaml"
        yaml = YAML()
        content = yaml.load(path.read_text())
        for key, value in changes.items():
            *parents, last = key.split(".")
            place = content
            for parent in parents:
                place = place[parent]
            place[last] = value
        yaml.dump(content, path)

    def drop_params(self, *keys):
        path = self.folder / "params.yaml"
        yaml = YAML()
        content = yaml.load(path.read_text())
        for key in keys:
            block, name = key.split(".")
            del content[block][name]
        yaml.dump(content, path)

    def edit(self, file, before, after):
        path = self.folder / file
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after, 1))

    def append(self, file, text):
        with (self.folder / file).open("a") as opened:
            opened.write(text)

    def write_links(self):
        """As `make links` does after a new file or import."""
        self.run(sys.executable, "-m", "fame.dependencies")

    def list_link_folders(self):
        """Stage of both pipelines, as DVC names it -> its folders of links."""
        source = self.read_params()["data"]["source"]
        folders = {}
        for name, entry, item in list_stages(self.folder):
            kind = source if name == "ingest" else item.get("kind", "")
            paths = {dep for dep in entry["deps"] if dep.startswith("deps/")}
            folders[name] = {re.sub(r"\$\{.*\}", kind, path) for path in paths}
        return folders

    def read_params(self):
        return YAML(typ="safe").load((self.folder / "params.yaml").read_text())

    def list_stale(self):
        """The stages, of both pipelines, with a dependency that is not as it was."""
        told = json.loads(self.run("dvc", "status", "--json"))
        stale = {}
        for stage, changes in told.items():
            kinds = {kind for change in changes if isinstance(change, dict) for kind in change}
            assert kinds <= {"changed deps"}, (stage, changes)
            stale[stage.removeprefix("reports/dvc.yaml:")] = changes
        return set(stale)

    def read_metrics(self):
        return json.loads((self.folder / "metrics/metrics.json").read_text())

    def read_data(self):
        return json.loads((self.folder / "metrics/data.json").read_text())


TINY = {
    "data.sample.training_posts": 200,
    "data.sample.challenge_posts": 30,
    "data.sample.users": 40,
    # So few posts hold more unreadable ones by chance.
    "data.max_unreadable_fraction": 0.2,
    "split.folds": 2,
    "fusion.alpha": 0.4,
    "fusion.beta": 0.35,
    "fusion.gamma": 0.15,
    "fusion.delta": 0.1,
    "fusion.others": {},
    "learners.catboost.iterations": 20,
    "learners.lightgbm.iterations": 20,
    "learners.dae.phase_1.epochs": 2,
    "learners.dae.phase_2.epochs": 2,
    "tables.trees.blocks": [
        *("meta", "history", "char_ngrams", "glove", "image_stats", "pixel_stats"),
        *("minilm", "efficientnet"),
    ],
    "tables.trees.reduce": {"efficientnet": 10},
    # A learner whose table leaves the pictures out.
    "learners.dae.table": "text_image",
    "tables.text_image.blocks": ["minilm"],
    "tables.text_image.reduce": None,
}
# Each learner is two stages more in every test that trains: those of TabM and ridge took 51 s in
# the first run alone, on busy cores. tests/learners trains them all.
LEFT_OUT = ("learners.autogluon", "tables.stack", "learners.tabm", "learners.ridge")


def list_stages(folder):
    """Each stage of both pipelines: its name as DVC has it, its entry, its item of params.yaml."""
    read = YAML(typ="safe").load
    content = read((folder / "params.yaml").read_text())
    for file in ("dvc.yaml", "reports/dvc.yaml"):
        for name, entry in read((folder / file).read_text())["stages"].items():
            if "foreach" not in entry:
                yield name, entry, {}
                continue
            for key, item in content[entry["foreach"].strip("${}")].items():
                yield f"{name}@{key}", entry["do"], item


def copy_project(folder):
    """The repository's pipeline in ``folder``, with a git of its own, nothing run yet."""
    folder.mkdir(exist_ok=True)
    for name in ("dvc.yaml", "params.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    for name in ("src", ".dvc/plots", "profiles"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    # As links: to the copied source files, of which the stages consist here.
    shutil.copytree(ROOT / "deps", folder / "deps", symlinks=True)
    kept = ("reports/.gitignore", "reports/ablation/.gitkeep", "reports/protocols/.gitkeep")
    for name in (".dvc/config", ".dvc/plots.html", ".dvc/.gitignore", "reports/dvc.yaml", *kept):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        shutil.copy(ROOT / name, folder / name)
    made = Project(folder)
    made.run("git", "init", "-q")
    return made


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    made = copy_project(tmp_path_factory.mktemp("project"))
    made.change_params(**TINY)
    made.drop_params(*LEFT_OUT)
    with made.guarded():
        made.repro("--all-pipelines")
    made.commit()
    return made


@pytest.fixture(autouse=True)
def restore(project):
    """Each test starts from the committed state and everything up to date."""
    yield
    project.run("git", "checkout", "-q", ".")
    project.run("git", "clean", "-qfd")
    project.run("dvc", "checkout", "-q")


def test_posts_go_in_and_fused_predictions_come_out(project):
    metrics = project.read_metrics()
    predictions = pq.read_table(project.folder / "data/predictions/fame.parquet")
    posts = pq.read_table(project.folder / "data/interim/posts.parquet")
    assert predictions.column_names == ["post_id", "split", "prediction"]
    assert predictions["post_id"].equals(posts["post_id"])
    assert predictions["split"].equals(posts["split"])
    assert len(posts) == 230
    for name in ("fame", "catboost", "lightgbm", "dae", "without_dae"):
        assert set(metrics[name]) == {"src", "mae"}
    assert sum(metrics["weights"].values()) == pytest.approx(1, abs=1e-5)
    assert set(project.read_data()["simulated_best"]) == {"src", "mae"}
    assert (project.folder / "reports/figures/densities.png").exists()


def test_no_stage_unpickles_anything_or_reaches_for_the_network(project):
    told = (project.folder / "runs/guard.txt").read_text().splitlines()
    stages = {line.rpartition(": ")[0] for line in told if line.endswith(": guarded")}
    assert {"simulate", "extract@efficientnet", "train@dae", "predict@dae", "fuse"} <= stages
    assert "reports/dvc.yaml:importance" in stages
    assert [line for line in told if not line.endswith(": guarded")] == []


def test_the_guard_would_tell(project):
    """The counterpart: what the stages are kept from is noticed, whoever does it."""
    note = project.folder / "runs/other.txt"
    code = (
        "import io, pickle, socket, numpy\n"
        "buffer = io.BytesIO(); numpy.save(buffer, numpy.array([{}, print]), allow_pickle=True)\n"
        "acts = [lambda: socket.create_connection(('127.0.0.1', 9)),\n"
        "  lambda: pickle.loads(pickle.dumps(print)),\n"
        "  lambda: numpy.load(io.BytesIO(buffer.getvalue()), allow_pickle=True)]\n"
        "for act in acts:\n"
        "  try: act()\n"
        "  except Exception as error: print(error)\n"
    )
    with project.guarded():
        project.environment |= {"DVC_STAGE": "x", "GUARD": str(note)}
        project.run(sys.executable, "-c", code)
    told = note.read_text().splitlines()
    assert told[0] == "x: guarded"
    assert told[1] == "x: looked up 127.0.0.1"
    assert told[2].startswith("x: unpickled builtins.print")
    assert len(told) == 4
    assert "unpickled" in told[3]


def test_the_models_alone_score_as_the_pipeline_did(project, tmp_path):
    models = shutil.copytree(project.folder / "models", tmp_path / "models")
    source, output = project.folder / "data/raw/sample", tmp_path / "out.parquet"
    command = ("-m", "fame.cli", "predict", str(source), "-o", str(output))
    project.run(sys.executable, *command, "--models", str(models))
    found = pq.read_table(output)
    for name in ("fame", "catboost", "lightgbm", "dae"):
        made = pq.read_table(project.folder / f"data/predictions/{name}.parquet")
        made = made.filter(pc.equal(made["split"], "challenge"))
        column = "prediction" if name == "fame" else f"learner_{name}"
        assert set(found["id"].to_pylist()) == set(made["post_id"].to_pylist())
        rows = pc.index_in(made["post_id"], value_set=found["id"].combine_chunks())
        assert found[column].take(rows).to_pylist() == made["prediction"].to_pylist()


def test_a_second_run_says_that_nothing_changed(project):
    output = project.run("dvc", "repro", "--all-pipelines")
    assert "Running stage" not in output
    assert "Data and pipelines are up to date." in output


@pytest.mark.slow
def test_every_stage_gives_the_same_bytes_again(project):
    before = (project.folder / "dvc.lock").read_text()
    # Without the run cache, from nothing.
    ran = project.repro("--force", "--no-run-cache")
    assert {"simulate", "ingest", "train@catboost", "train@dae", "predict@dae", "fuse"} <= set(ran)
    assert (project.folder / "dvc.lock").read_text() == before


def test_a_fusion_weight_runs_the_fusion_and_what_draws_it(project):
    project.change_params(**{"fusion.beta": 0.3})
    ran = project.repro("--all-pipelines")
    drawn = {f"reports/dvc.yaml:{name}" for name in ("evaluate", "submit", "report")}
    assert (ran[0], set(ran[1:])) == ("fuse", drawn)


@pytest.mark.slow
def test_a_learners_parameter_runs_that_learner(project):
    project.change_params(**{"learners.dae.phase_2.learning_rate": 0.002})
    ran = project.repro()
    assert set(ran) == {"clear", "train@dae", "predict@dae", "leakage", "fuse", "bundle"}
    assert ran.index("train@dae") < ran.index("predict@dae") < ran.index("fuse")


def test_a_learner_that_is_deleted_leaves_nothing_and_comes_back_untrained(project):
    """By a plain `dvc repro`: what it left would be recorded with the folders, and kept by git."""
    text = (project.folder / "params.yaml").read_text()
    project.drop_params("learners.dae", "tables.text_image")
    assert {"clear", "leakage", "fuse", "bundle"} <= set(project.repro("--all-pipelines"))
    places = ("data", "models", "metrics", "reports/importance")
    left = [path for place in places for path in (project.folder / place).rglob("*")]
    assert [path for path in left if path.stem in ("dae", "text_image")] == []
    project.commit()
    project.run("dvc", "checkout")
    assert project.run("dvc", "status").strip() == "Data and pipelines are up to date."
    (project.folder / "params.yaml").write_text(text)
    ran = project.repro()
    assert not [name for name in ran if name.startswith(("train", "assemble"))]
    assert (project.folder / "models/learners/dae").is_dir()
    assert (project.folder / "metrics/learners/dae.json").is_file()
    project.run("git", "reset", "-q", "--hard", "HEAD~1")
    project.run("dvc", "checkout", "-q")


@pytest.mark.slow
def test_a_learners_code_retrains_that_learner_only(project):
    project.append("src/fame/learners/dae/training.py", "\n# A comment.\n")
    assert project.repro() == ["train@dae"]


@pytest.mark.slow
def test_what_only_predicts_retrains_nothing(project):
    project.append("src/fame/learners/dae/model.py", "\n# A comment.\n")
    assert project.repro() == ["predict@dae"]


@pytest.mark.slow
def test_the_metrics_code_trains_nothing(project):
    project.append("src/fame/runtime/metrics.py", "\n# A comment.\n")
    assert set(project.repro()) == {"leakage", "fuse", "bundle"}


@pytest.mark.slow
def test_a_backbones_file_that_changes_no_vector_stops_there(project):
    project.append("src/fame/features/backbones/efficientnet.py", "\n# A comment.\n")
    assert set(project.repro()) == {"extract@efficientnet", "leakage"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "file",
    [
        "runtime/ids.py",
        "posts/sources/sample.py",
        "features/engine/local.py",
        "learners/fold_model.py",
        "learners/catboost/training.py",
        "fusion/mean.py",
        "report/page.html.j2",
        "runtime/stage.py",
        "variants/ablation.py",
    ],
)
def test_a_comment_makes_stale_the_stages_that_import_the_file(project, file):
    """In DVC's eyes; tests/test_dependencies.py has every file."""
    links = project.folder.glob(f"deps/**/{file.replace('/', '.')}")
    folders = {str(link.parent.relative_to(project.folder)) for link in links}
    expected = {s for s, paths in project.list_link_folders().items() if paths & folders}
    assert project.list_stale() == set()
    project.append(f"src/fame/{file}", "\n# A comment.\n")
    assert project.list_stale() == expected


@pytest.mark.slow
def test_a_backbone_retrains_only_the_learners_whose_table_uses_it(project):
    project.append(
        "src/fame/features/backbones/image_stats.py",
        "\nREAD_ONCE = ImageStats.run\n"
        "def run_shifted(self, kind, items):\n"
        "    return {'header': READ_ONCE(self, kind, items)['header'] + 1}\n"
        "ImageStats.run = run_shifted\n",
    )
    ran = project.repro()
    assert ran[0] == "extract@image_stats"
    assert {"assemble@trees", "assemble@text_image"} <= set(ran)
    for stage in ("train", "predict"):
        assert {name for name in ran if name.startswith(stage)} == {
            f"{stage}@catboost",
            f"{stage}@lightgbm",
        }


def test_an_experiment_is_one_command_and_its_difference_another(project):
    output = project.run("dvc", "exp", "run", "-S", "fusion.alpha=0.5")
    assert re.findall(r"Running stage '([^']+)'", output) == ["fuse"]
    assert "sum to 0.95, not 1" in output
    difference = json.loads(project.run("dvc", "metrics", "diff", "--json"))
    changed = difference["metrics/metrics.json"]
    assert changed["weights.catboost"]["new"] == pytest.approx(0.5 / 0.95, abs=1e-5)
    assert "fame.mae" in changed
    assert "catboost.mae" not in changed


@pytest.mark.slow
def test_a_new_learner_is_one_folder_one_registry_line_one_block(project):
    folder = project.folder / "src/fame/learners/squares"
    folder.mkdir()
    for name, text in SQUARES.items():
        (folder / name).write_text(text)
    project.edit(
        "src/fame/registry.py",
        "LEARNERS = {",
        'LEARNERS = {\n    "squares": "fame.learners.squares",',
    )
    project.change_params(
        **{
            "learners.squares": {"kind": "squares", "table": "trees", "seed": 1, "penalty": 10.0},
            "fusion.others": {"squares": 0.2},
        }
    )
    project.write_links()
    own = {"train@squares", "predict@squares"}
    assert set(project.repro()) == {"clear", *own, "leakage", "fuse", "bundle"}
    metrics = project.read_metrics()
    assert metrics["weights"]["squares"] == pytest.approx(0.2 / 1.05, abs=1e-5)
    assert {"squares", "without_squares"} <= set(metrics)


@pytest.mark.slow
def test_a_new_backbone_is_one_file_one_registry_line_one_block(project):
    (project.folder / "src/fame/features/backbones/sizes.py").write_text(SIZES)
    project.edit(
        "src/fame/registry.py",
        "BACKBONES = {",
        'BACKBONES = {\n    "sizes": "fame.features.backbones.sizes:Sizes",',
    )
    project.change_params(**{"backbones.sizes": {"kind": "sizes", "reads": "contents"}})
    project.write_links()
    output = project.run("dvc", "repro", "extract@sizes")
    assert re.findall(r"Running stage '([^']+)'", output) == ["extract@sizes"]
    assert "extract sizes: 230 posts, 2 columns; " in output
    values = np.load(project.folder / "data/features/sizes/values.npy")
    assert np.isfinite(values).all(axis=1).sum() > 150


def test_a_wrong_parameter_is_one_line_and_leaves_all_as_it_was(project):
    before = (project.folder / "metrics/metrics.json").read_bytes()
    project.change_params(**{"fusion.alpha": -1})
    output = project.run("dvc", "repro", fails=True)
    assert (
        "error: params.yaml: fusion.alpha: must be greater than or equal to 0, found -1" in output
    )
    assert "Traceback" not in output
    project.run("git", "checkout", "-q", "params.yaml")
    project.run("dvc", "repro")
    assert (project.folder / "metrics/metrics.json").read_bytes() == before


@pytest.mark.slow
def test_ones_own_posts_go_through_without_images_tags_or_users(project):
    rows = [
        f"{i},{2 + i % 7 / 2},2024-01-{1 + i % 25:02d}T{i % 24:02d}:00:00Z,word {WORDS[i % 7]}"
        for i in range(190)
    ]
    rows += [f"{i},,2024-02-01T00:00:00Z,new {WORDS[i % 7]}" for i in range(190, 200)]
    (project.folder / "own").mkdir()
    (project.folder / "own" / "posts.csv").write_text(
        "\n".join(["id,likes,when,text", *rows]) + "\n"
    )
    mapped = {"target": "likes", "time": "when", "title": "text"}
    project.change_params(
        **{"data.source": "table", "data.root": "own"},
        **{f"data.table.columns.{key}": column for key, column in mapped.items()},
    )
    output = project.run("dvc", "repro")
    assert "extract efficientnet: 200 posts, 1,280 columns; no post has a picture: " in output
    assert "table trees: without all 1,280 columns of efficientnet" in output
    metrics = project.read_metrics()
    data = project.read_data()
    assert data["posts_challenge"] == 10
    assert data["simulated"] is False
    assert metrics["fame"]["mae"] < data["median"]["mae"]


def write_own_posts(project, unlabelled, reverse=False):
    """A table with 90 labelled posts, the same each time, and these unlabelled ones."""
    folder = project.folder / "own"
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number in range(4):
        picture = Image.new("RGB", (40 + 9 * number, 50), (60 * number, 99, 20))
        (folder / f"images/{number}.png").write_bytes(encode(picture))
    rows = [
        f"{10 + i},{2 + i % 7 / 2},u{i % 11},2024-01-{1 + i % 25:02d}T{i % 24:02d}:00:00Z,"
        f"word {WORDS[i % 7]},{WORDS[i % 3]},{i % 5}.5,{i % 3}.png"
        for i in range(90)
    ]
    rows += unlabelled
    lines = ["id,likes,who,when,text,kind,price,picture", *(rows[::-1] if reverse else rows)]
    (folder / "posts.csv").write_text("\n".join(lines) + "\n")


def read_labelled(project):
    """What belongs to the labelled posts: bytes of files, rows of tables, numbers."""
    folder, found = project.folder, {}
    places = ["models", "data/out_of_fold", "metrics/learners", "metrics/learning_curves"]
    places += ["metrics/plots", "reports/importance", *folder.glob("data/tables/*/fit")]
    for place in places:
        for path in sorted((folder / place).rglob("*")):
            if path.is_file() and path.name != ".gitignore":
                found[str(path.relative_to(folder))] = path.read_bytes()
    posts = pq.read_table(folder / "data/interim/posts.parquet")
    labelled = pc.is_valid(posts["popularity"])
    found["posts"] = posts.filter(labelled)
    for name in ("catboost", "lightgbm", "dae", "fame"):
        table = pq.read_table(folder / f"data/predictions/{name}.parquet")
        found[name] = table.filter(labelled)
    data = project.read_data()
    del data["posts_challenge"]
    for counts in data.pop("unreadable").values():
        assert set(counts.values()) == {0}
    found |= {"metrics": project.read_metrics(), "data": data}
    evaluation = json.loads((folder / "reports/evaluation.json").read_text())
    found["evaluation"] = {k: v for k, v in evaluation.items() if k != "densities"}
    return found


@pytest.mark.slow
def test_unlabelled_posts_train_nothing_and_change_nothing_of_the_labelled_ones(project):
    few = [f"{100 + i},,u{i},2024-02-01T00:00:00Z,new {WORDS[i]},cake,1.5,0.png" for i in range(5)]
    # Users, words, categories, numbers and an image that no other post has, ids before all others,
    # between them and after them, and posts with nothing at all.
    more = [
        f"{i}z,,new{i % 3},2019-01-01T05:00:00Z,zebra {i},zebra,{10**i},3.png" for i in range(9)
    ]
    more += ["0,,,,,,,", "55555,,,,,,,"]
    write_own_posts(project, few)
    mapped = {"target": "likes", "user": "who", "time": "when", "title": "text"}
    mapped |= {"categories": ["kind"], "numeric": ["price"], "image": "picture"}
    project.change_params(
        **{"data.source": "table", "data.root": "own", "data.table.images": "images"},
        **{f"data.table.columns.{key}": column for key, column in mapped.items()},
    )
    project.repro("--all-pipelines")
    before = read_labelled(project)
    models = ("encoders/glove", "encoders/meta", "tables/trees", "learners/catboost")
    for place in (*(f"models/{name}" for name in models), "data/tables/trees/fit"):
        assert any(name.startswith(place) for name in before), place
    learners = {"catboost", "lightgbm", "dae"}
    for unlabelled, reverse in ((few + more, True), ([], False)):
        write_own_posts(project, unlabelled, reverse)
        ran = project.repro("assemble@trees", "assemble@text_image")
        assert {"ingest", "encode_meta", "extract@glove", "assemble@trees"} <= set(ran)
        stale = project.list_stale()
        assert {f"predict@{name}" for name in learners} <= stale
        assert not [name for name in stale if name.startswith("train")]
        ran += project.repro("--all-pipelines")
        assert {f"predict@{name}" for name in learners} | {"leakage", "fuse"} <= set(ran)
        drawn = {f"reports/dvc.yaml:{name}" for name in ("importance", "evaluate", "submit")}
        assert drawn | {"reports/dvc.yaml:report"} <= set(ran)
        assert not [name for name in ran if name.startswith("train")]
        after = read_labelled(project)
        assert [name for name in before if name not in after or before[name] != after[name]] == []
        assert set(after) == set(before)
        assert project.read_data()["posts_challenge"] == len(unlabelled)
    # In another order the same posts are the same files.
    write_own_posts(project, [], reverse=True)
    assert project.repro("--all-pipelines") == ["ingest"]


@pytest.mark.slow
def test_an_ablation_that_is_killed_goes_on_and_leaves_the_metrics_alone(project):
    cells = ["catboost", "lightgbm"]
    (project.folder / "profiles/ablation.yaml").write_text(
        "stand_ins: {}\ntables: {row: {blocks: [meta, glove]}}\n"
        "learners: {" + ", ".join(f"{name}: [row]" for name in cells) + "}\n"
    )
    metrics = (project.folder / "metrics/metrics.json").read_bytes()
    command, workspace = (
        [sys.executable, "-m", "fame.variants.ablation"],
        project.folder / ".workspaces",
    )
    killed = subprocess.Popen(
        command, cwd=project.folder, env=project.environment, start_new_session=True
    )
    lock = workspace / "ablation/dvc.lock"
    while not (lock.exists() and "train@catboost_on_row" in lock.read_text()):
        assert killed.poll() is None
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    rest = {"predict@catboost_on_row", "train@lightgbm_on_row", "predict@lightgbm_on_row"}
    for expected in (rest, set()):
        output = project.run(*command)
        ran = set(re.findall(r"^(\S+@\S+) +[\d.]+ s ", output, re.MULTILINE))
        assert ran == expected
        found = json.loads((project.folder / "reports/ablation/cells.json").read_text())["cells"]
        assert [cell["entry"] for cell in found] == [f"{name}_on_row" for name in cells]
        for cell in found:
            path = workspace / "ablation/data/predictions" / f"{cell['entry']}.parquet"
            rows = pq.read_table(path).filter(pc.equal(pc.field("split"), "holdout"))
            posts = pq.read_table(workspace / "ablation/data/interim/posts.parquet")
            true = posts.filter(pc.equal(pc.field("split"), "holdout"))["popularity"]
            mae = np.abs(true.to_numpy() - rows["prediction"].to_numpy()).mean()
            assert cell["mae"] == pytest.approx(mae, abs=1e-6)
    assert (project.folder / "metrics/metrics.json").read_bytes() == metrics
    assert project.repro() == []


@pytest.mark.slow
def test_a_clone_that_pulls_has_nothing_to_run(project, tmp_path):
    remote, clone = tmp_path / "remote", Project(tmp_path / "clone")
    project.run("dvc", "remote", "add", "--local", "--default", "--force", "store", str(remote))
    project.run("dvc", "push", "-q")
    project.run("git", "clone", "-q", str(project.folder), str(clone.folder))
    clone.run("dvc", "remote", "add", "--local", "--default", "store", str(remote))
    clone.run("dvc", "pull", "-q")
    assert clone.repro("--all-pipelines") == []


WORDS = ("dog", "beach", "rain", "music", "cake", "mountain", "city")

SIZES = '''
"""Letters of the title and bytes of the image."""

import numpy as np

from fame.features.backbones.contract import Backbone, Pass
from fame.features.blocks import Column
from fame.params import BackboneParams


class Sizes(Backbone):
    """One pass that sees both."""

    class Params(BackboneParams):
        """No parameter of its own."""

    reads = "contents"
    passes = (Pass("joint", "title", True, {"sizes": "both"}),)

    def __init__(self, params, runtime):
        """Nothing to prepare."""

    def columns(self):
        return {"both": (Column("letters"), Column("bytes"))}

    def fingerprint(self):
        return {}

    def tokenize(self, texts):
        return [np.frombuffer(text.encode(), np.uint8) for text in texts]

    def image_preparer(self):
        return count_bytes

    def run(self, kind, items):
        sizes = [[len(item.tokens), item.pixels] for item in items]
        return {"sizes": np.array(sizes, np.float32)}


def count_bytes(content):
    return np.array(len(content))
'''

SQUARES = {
    "params.py": '''
"""The block of least squares."""

from fame.params import LearnerParams, Positive


class Params(LearnerParams):
    """The block of least squares."""

    penalty: Positive
''',
    "design.py": '''
"""Bounded values, and a one for the intercept."""

import numpy as np

from fame.learners.contract import Table


def make_design(table: Table, rows: np.ndarray) -> np.ndarray:
    values = np.nan_to_num(table.read(rows).astype(np.float64))
    return np.column_stack([values / (1 + np.abs(values)), np.ones(len(rows))])
''',
    "training.py": '''
"""Training of least squares on bounded values."""

from pathlib import Path

import numpy as np

from fame.learners.contract import FitTable
from fame.learners.fold_training import Fitted, FoldTrainer, Step
from fame.learners.squares.design import make_design


class Trainer(FoldTrainer):
    """One linear model a fold."""

    suffix = ".npy"

    def fit_fold(self, table: FitTable, fold: int) -> Fitted:
        rows, validation = table.training_rows(fold), table.validation_rows(fold)
        x = make_design(table, rows)
        gram = x.T @ x + self.params.penalty * np.eye(x.shape[1])
        model = np.linalg.solve(gram, x.T @ table.popularity[rows])
        predictions = [make_design(table, part) @ model for part in (rows, validation)]
        maes = [
            float(np.abs(prediction - table.popularity[part]).mean())
            for prediction, part in zip(predictions, (rows, validation), strict=True)
        ]
        return Fitted(model, 1, predictions[1], [Step("least_squares", 1, *maes)])

    def write_model(self, model: np.ndarray, path: Path) -> None:
        np.save(path, model)
''',
    "model.py": '''
"""Prediction of least squares."""

from pathlib import Path

import numpy as np

from fame.learners.contract import Table
from fame.learners.fold_model import FoldModel
from fame.learners.squares.design import make_design


class Model(FoldModel):
    """One linear model a fold."""

    suffix = ".npy"

    def read_model(self, path: Path) -> np.ndarray:
        return np.load(path)

    def predict_model(self, model: np.ndarray, table: Table, rows: np.ndarray) -> np.ndarray:
        return make_design(table, rows) @ model
''',
}
