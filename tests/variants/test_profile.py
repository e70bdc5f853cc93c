import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from fame import params
from fame.runtime.errors import InputError
from fame.variants import profile

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_switching_lays_the_profile_over_the_parameters(repository):
    before = params.load(repository / "params.yaml")
    difference = profile.switch("paper")
    after = params.load(repository / "params.yaml")
    assert any(line.startswith("+") and "iterations: 200000" in line for line in difference)
    assert (after.data.source, after.learners["catboost"].depth) == ("smpd", 8)
    assert "blip" in after.backbones
    assert not {"minilm", "efficientnet"} & set(after.backbones)
    assert after.split == before.split
    assert profile.switch("paper") == []


def test_comments_stay(repository):
    profile.switch("paper")
    text = (repository / "params.yaml").read_text()
    assert "# trees at most" in text
    assert text.startswith("# Every number that can change a result.")


@pytest.mark.parametrize("name", sorted(p.stem for p in (ROOT / "profiles").glob("*.yaml")))
def test_a_profile_repeats_nothing_of_the_parameters(name):
    if name == profile.NO_PROFILE:
        return
    yaml = YAML(typ="safe")
    base = yaml.load(ROOT / "params.yaml")
    assert list(_repeated(yaml.load(ROOT / "profiles" / f"{name}.yaml"), base)) == []


def _repeated(overlay, base, place=""):
    for key, value in overlay.items():
        if key in base and isinstance(value, dict) and isinstance(base[key], dict):
            yield from _repeated(value, base[key], f"{place}{key}.")
        elif key in base and value == base[key]:
            yield f"{place}{key}"


def test_changes_that_git_lacks_are_not_overwritten(repository):
    path = repository / "params.yaml"
    path.write_text(path.read_text().replace("alpha: 0.1", "alpha: 0.3"))
    with pytest.raises(InputError, match="has changes that are not committed"):
        profile.switch("paper")
    assert "alpha: 0.3" in path.read_text()


def set_up_own_posts(repository):
    """As `fame init` writes it, and committed."""
    text = (repository / "params.yaml").read_text()
    text = text.replace("source: sample ", "source: table ", 1)
    text = text.replace("root: data/raw/sample", "root: data/raw/mine", 1)
    (repository / "params.yaml").write_text(text.replace("file: posts.csv", "file: mine.csv"))
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", *identity, "commit", "-qam", "mine"], cwd=repository, check=True)


def call(monkeypatch, name):
    monkeypatch.setattr("sys.argv", ["profile", name])
    profile.main()


def test_a_profile_for_own_posts_leaves_them_where_they_are(repository, monkeypatch, capsys):
    set_up_own_posts(repository)
    before = params.load("params.yaml").data
    call(monkeypatch, "posts")
    assert "word_history" in params.load("params.yaml").backbones
    assert params.load("params.yaml").data == before
    assert "before:" not in capsys.readouterr().out
    written = (repository / "params.yaml").read_text()
    call(monkeypatch, "posts")
    said = capsys.readouterr().out
    assert "is unchanged" in said
    assert "git checkout" not in said
    assert (repository / "params.yaml").read_text() == written


def test_other_data_than_before_are_told(repository, monkeypatch, capsys):
    set_up_own_posts(repository)
    before = params.load("params.yaml").data
    call(monkeypatch, "paper")
    said = capsys.readouterr().out
    assert "reads SMPD in data/raw/smpd; before: your posts in data/raw/mine/mine.csv" in said
    assert params.load("params.yaml").data.table == before.table


@pytest.mark.usefixtures("repository")
def test_an_unknown_profile_lists_the_allowed():
    with pytest.raises(InputError, match="PROFILE=papr: no such profile; allowed: clip, lifelike"):
        profile.switch("papr")


def test_an_invalid_profile_changes_nothing(repository):
    before = (repository / "params.yaml").read_text()
    (repository / "profiles" / "broken.yaml").write_text("fusion: {alpha: -0.1}\n")
    with pytest.raises(InputError, match=r"broken\.yaml: fusion\.alpha: must be"):
        profile.switch("broken")
    assert (repository / "params.yaml").read_text() == before


@pytest.mark.usefixtures("repository")
def test_the_papers_profile_is_its_method_whatever_the_defaults_are():
    profile.switch("paper")
    paper = params.load("params.yaml")
    assert list(paper.learners) == ["catboost", "lightgbm", "autogluon", "dae"]
    assert paper.fusion.mode == "fixed"
    weights = {"catboost": 0.4, "lightgbm": 0.35, "autogluon": 0.15, "dae": 0.1}
    assert paper.fusion.weights() == weights
    assert (paper.fusion.by_author, paper.fusion.calibrate) == (False, False)
    blocks = {name: (table.blocks, table.reduce) for name, table in paper.tables.items()}
    assert blocks == {
        "trees": (["meta", "glove", "image_stats", "blip"], None),
        "text_image": (["blip"], None),
        "stack": (["meta", "glove", "image_stats", "texts", "images"], None),
    }
    assert set(paper.backbones) == {"glove", "image_stats", "blip"}
    assert paper.meta.description
    for group in ("text", "ratios", "trend", "author"):
        assert not getattr(paper.meta, group)
    assert paper.learners["autogluon"].models == ["catboost", "lightgbm", "multimodal"]
    multimodal = paper.learners["autogluon"].multimodal
    declared = [multimodal.checkpoint, multimodal.image_checkpoint]
    assert paper.learners["autogluon"].list_checkpoints() == declared
    assert paper.learners["dae"].list_checkpoints() == []
    for name in ("catboost", "lightgbm"):
        learner = paper.learners[name]
        assert (learner.learning_rate, learner.loss, learner.iterations) == (0.03, "rmse", 200_000)
    assert (paper.learners["catboost"].depth, paper.learners["catboost"].rsm) == (8, 1.0)
    boosted = paper.learners["lightgbm"]
    assert (boosted.max_depth, boosted.num_leaves, boosted.extra_trees) == (8, 255, False)
    assert (boosted.feature_fraction, boosted.bagging_fraction, boosted.lambda_l2) == (1, 1, 0)


@pytest.mark.usefixtures("repository")
def test_a_blocks_reduction_that_is_null_goes():
    profile.switch("posts")
    assert params.load("params.yaml").tables["trees"].reduce == {"efficientnet": 20}
