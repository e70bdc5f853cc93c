"""On a real Ray cluster of two nodes, both on this machine, beside a single process."""

import re
import threading

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import spearmanr
from tests.clusters import start_cluster

from fame.learners import table_files
from fame.learners.contract import Table
from fame.posts.contract import FIT, HOLDOUT
from fame.runtime.errors import InputError

ray = pytest.importorskip("ray")

# Of the SRC on posts held out: each machine draws the posts for its bins' borders from its share.
TOLERANCE = 0.02


@pytest.fixture(scope="module")
def posts(tables, tmp_path_factory):
    """Training posts on disk, where the machines read them, other posts, and their labels."""
    made, labels = zip(*(tables(seed=seed) for seed in range(3, 8)), strict=True)
    values = np.concatenate([one.values for one in made])
    label, split = np.concatenate(labels), np.concatenate([one.split for one in made])
    fold = np.concatenate([one.fold for one in made])
    post_ids = np.array([str(i) for i in range(len(label))], dtype=object)
    fit, held = split == FIT, split == HOLDOUT
    rows = {"post_id": post_ids[fit].tolist(), "fold": fold[fit], "popularity": label[fit]}
    folder, columns = tmp_path_factory.mktemp("table"), made[0].columns
    table_files.write_table(folder, pa.table(rows), list(columns), [values[fit]], "float32")
    others = Table(post_ids=post_ids[held], values=values[held], columns=columns)
    return table_files.read_fit_table(folder), others, label[held]


@pytest.fixture(scope="module")
def table(posts):
    return posts[0]


@pytest.fixture(scope="module")
def cluster():
    with start_cluster() as made:
        yield made


@pytest.fixture
def on_cluster(cluster, learners):
    def make(address=cluster.address, **changes):
        learner = learners("lightgbm", **({"num_machines": 2} | changes))
        runtime = learner.trainer.runtime
        learner.trainer.runtime = runtime.model_copy(update={"ray_address": address})
        return learner

    return make


def fit(learner, table, folder):
    """What is saved."""
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "models").mkdir()
    learner.trainer.fit(table, folder / "checkpoints")
    learner.trainer.save(folder / "models")
    learner.model.load(folder / "models")
    return {path.name: path.read_bytes() for path in (folder / "models").iterdir()}


@pytest.mark.slow
def test_two_machines_score_as_one_process(on_cluster, learners, posts, tmp_path):
    table, others, label = posts
    scores, mae, saved = [], [], []
    for learner in (learners("lightgbm"), on_cluster()):
        saved.append(fit(learner, table, tmp_path / str(len(saved))))
        prediction = learner.model.predict(others)
        scores.append(spearmanr(prediction, label).statistic)
        mae.append(np.abs(prediction - label).mean())
        for fold in learner.trainer.record()["folds"]:
            own = table.validation_rows(fold["fold"])
            found = np.abs(learner.trainer.out_of_fold()[own] - table.popularity[own]).mean()
            assert fold["validation_mae"] == pytest.approx(found, abs=2e-6)
    assert scores[0] > 0.9
    assert scores[1] == pytest.approx(scores[0], abs=TOLERANCE)
    assert mae[1] == pytest.approx(mae[0], rel=0.1)
    assert fit(on_cluster(), table, tmp_path / "again") == saved[1]
    counts = re.findall(rb"internal_count=(\d+)", saved[1]["fold_0.txt"])
    # The posts at the root are of both machines, of which bagging draws 0.8.
    assert int(counts[0]) > 0.75 * len(table.training_rows(0))


def test_more_machines_than_there_is_room_for_is_an_error(on_cluster, table, tmp_path):
    with pytest.raises(InputError, match=r"num_machines .*found 5, .* has room for 2 of 1 cores"):
        on_cluster(num_machines=5).trainer.fit(table, tmp_path)


def test_no_cluster_is_one_error(on_cluster, table, tmp_path):
    with pytest.raises(InputError, match=r"no cluster at '127.0.0.1:1'.*or use num_machines 1"):
        on_cluster("127.0.0.1:1").trainer.fit(table, tmp_path)


@pytest.mark.slow
def test_a_machine_that_is_lost_ends_the_training(on_cluster, cluster, table, tmp_path):
    node = cluster.add_node(num_cpus=1)
    learner = on_cluster(num_machines=3, iterations=200_000, early_stopping_rounds=200_000)
    killer = threading.Timer(6, cluster.remove_node, [node, False])
    killer.start()
    with pytest.raises(InputError, match=r"ray: fold 0 of lightgbm .* a machine is lost"):
        learner.trainer.fit(table, tmp_path)
    killer.join()
