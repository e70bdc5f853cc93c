"""On a real Ray cluster of two nodes, both on this machine, beside a single process."""

import re
import threading

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import spearmanr
from tests.clusters import start_cluster

from fame.learners import table_files
from fame.posts.contract import FIT, HOLDOUT
from fame.runtime.errors import InputError

ray = pytest.importorskip("ray")

# Of the SRC on posts held out: each machine draws the posts for its bins' borders from its share.
TOLERANCE = 0.02


@pytest.fixture(scope="module")
def table(tables, tmp_path_factory):
    """A table on disk, where the machines read it, and the labels of all its rows."""
    made, labels = zip(*(tables(seed=seed) for seed in range(3, 8)), strict=True)
    values = np.concatenate([one.values for one in made])
    label, split = np.concatenate(labels), np.concatenate([one.split for one in made])
    rows = pa.table(
        {
            "post_id": [str(i) for i in range(len(label))],
            "split": split.tolist(),
            "fold": np.concatenate([one.fold for one in made]),
            "popularity": label,
        }
    )
    folder = tmp_path_factory.mktemp("table")
    columns = list(made[0].columns)
    table_files.write_feature_table(
        folder, rows, split == FIT, columns, [values], values.shape, "float32"
    )
    return table_files.read_feature_table(folder), label


@pytest.fixture(scope="module")
def cluster():
    with start_cluster() as made:
        yield made


@pytest.fixture
def on_cluster(cluster, learners):
    def make(address=cluster.address, **changes):
        learner = learners("lightgbm", **({"num_machines": 2} | changes))
        learner.runtime = learner.runtime.model_copy(update={"ray_address": address})
        return learner

    return make


def read(learner, folder):
    folder.mkdir()
    learner.save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_machines_score_as_one_process(on_cluster, learners, table, tmp_path):
    table, label = table
    held = table.split == HOLDOUT
    scores, mae = [], []
    for learner in (learners("lightgbm"), on_cluster()):
        learner.fit(table)
        prediction = learner.predict(table)
        scores.append(spearmanr(prediction[held], label[held]).statistic)
        mae.append(np.abs(prediction[held] - label[held]).mean())
        for fold in learner.record()["folds"]:
            own = table.validation_rows(fold["fold"])
            found = np.abs(prediction[own] - label[own]).mean()
            assert fold["validation_mae"] == pytest.approx(found, abs=2e-6)
    assert scores[0] > 0.9
    assert scores[1] == pytest.approx(scores[0], abs=TOLERANCE)
    assert mae[1] == pytest.approx(mae[0], rel=0.1)
    again = on_cluster()
    again.fit(table)
    files = read(learner, tmp_path / "first")
    assert files == read(again, tmp_path / "second")
    counts = re.findall(rb"internal_count=(\d+)", files["fold_0.txt"])
    # The posts at the root are of both machines, of which bagging draws 0.8.
    assert int(counts[0]) > 0.75 * len(table.training_rows(0))


def test_more_machines_than_there_is_room_for_is_an_error(on_cluster, table):
    with pytest.raises(InputError, match=r"num_machines .*found 5, .* has room for 2 of 1 cores"):
        on_cluster(num_machines=5).fit(table[0])


def test_no_cluster_is_one_error(on_cluster, table):
    with pytest.raises(InputError, match=r"no cluster at '127.0.0.1:1'.*or use num_machines 1"):
        on_cluster("127.0.0.1:1").fit(table[0])


def test_a_machine_that_is_lost_ends_the_training(on_cluster, cluster, table):
    node = cluster.add_node(num_cpus=1)
    learner = on_cluster(num_machines=3, iterations=200_000, early_stopping_rounds=200_000)
    killer = threading.Timer(6, cluster.remove_node, [node, False])
    killer.start()
    with pytest.raises(InputError, match=r"ray: fold 0 of lightgbm .* a machine is lost"):
        learner.fit(table[0])
    killer.join()
