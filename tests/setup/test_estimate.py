"""What a run takes, roughly: against what was measured, and what makes it more."""

from pathlib import Path

import pytest

from fame import params
from fame.setup import estimate as estimating
from fame.setup.estimate import describe_seconds, estimate
from fame.variants import profile

ROOT = Path(__file__).parents[2]
SMPD = (486_194, 305_613)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(estimating, "count_cores", lambda: 2)


@pytest.fixture
def read(tmp_path):
    """The parameters with a profile laid over them."""

    def call(name=None):
        path = tmp_path / "params.yaml"
        base = ROOT / "params.yaml"
        text = profile.apply(base, ROOT / f"profiles/{name}.yaml") if name else base.read_text()
        path.write_text(text)
        return params.load(path)

    return call


def test_the_sample_takes_what_was_measured_within_a_factor_of_two(read):
    found = estimate(read(), 3000, 2500)
    assert 95 <= found.seconds <= 380  # 3 min 10 s on two quiet cores
    assert 0.1e9 <= found.disk <= 0.4e9
    assert 0.4e9 <= found.memory <= 1.6e9  # train@autogluon: 0.75 GB


def test_parameters_that_grow_count_as_for_these_posts(read):
    settings = read("posts")
    catboost = settings.learners["catboost"]
    grown = catboost.model_copy(update={"depth": {"from_0": 4, "from_5000": 8}})

    def hold(entry, posts):
        changed = settings.model_copy(update={"learners": {"catboost": entry}})
        return estimate(changed, posts, posts).memory

    for posts, depth in ((1_000, 4), (20_000, 8)):
        same = catboost.model_copy(update={"depth": depth})
        assert hold(grown, posts) == hold(same, posts)


def test_smpd_takes_what_was_measured_at_its_size(read):
    """docs/scale.md: 40 GB of disk, CatBoost's 7.8 GB of memory; BLIP at one post a second."""
    found = estimate(read("paper"), *SMPD)
    assert 25e9 <= found.disk <= 60e9
    assert 4e9 <= found.memory <= 12e9
    assert found.seconds > 486_194


def test_more_posts_labels_and_learners_take_more(read):
    settings = read("posts")
    base = estimate(settings, 1000, 900)
    assert base.disk < estimate(settings, 2000, 900).disk < 2 * base.disk
    assert estimate(settings, 1000, 500).memory < base.memory
    less = settings.model_copy(update={"learners": {}})
    assert estimate(less, 1000, 900).seconds < base.seconds
    assert estimate(less, 1000, 900).disk == base.disk


def test_a_kind_that_is_not_known_counts_as_another(read):
    settings = read()
    block = settings.backbones["glove"].model_copy(update={"kind": "own"})
    backbones = settings.backbones | {"glove": block}
    found = estimate(settings.model_copy(update={"backbones": backbones}), 3000, 2500)
    assert found.disk > estimate(settings, 3000, 2500).disk


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1, "a minute"), (3600, "60 minutes"), (7200, "2 hours"), (1e6, "12 days")],
)
def test_seconds_in_a_persons_unit(seconds, said):
    assert describe_seconds(seconds) == said
