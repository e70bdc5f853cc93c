import signal
import threading
from dataclasses import replace

import numpy as np
import pytest

from fame import params
from fame.features.blocks import Column
from fame.learners.catboost import training
from fame.learners.catboost.pools import make_pool
from fame.runtime.errors import InputError
from fame.runtime.processes import Interrupts


def test_time_and_random_id_are_not_in_the_files(fitted):
    from catboost import CatBoostRegressor

    path = fitted("catboost").folder / "fold_0.cbm"
    metadata = CatBoostRegressor().load_model(str(path)).get_metadata()
    assert metadata["train_finish_time"] == ""
    assert metadata["model_guid"] == ""


def test_names_of_columns_are_kept_to_the_model(learners, tables):
    from catboost import CatBoostRegressor

    table, _ = tables()
    names = ['own_{"é": [1, 2]}', "own_a b", "own_a_b", "own_a\tb", "own_🙂"]
    columns = (*table.columns[:2], *map(Column, names), *table.columns[7:])
    learner = learners("catboost").fit(replace(table, columns=columns))
    model = CatBoostRegressor().load_model(str(learner.folder / "fold_0.cbm"))
    assert set(names) < set(model.feature_names_)
    categories = [model.feature_names_[place] for place in model.get_cat_feature_indices()]
    assert categories == ["meta.category", "meta.concept"]


def test_a_category_never_seen_is_predicted_as_any_other_never_seen(fitted, tables):
    table, _ = tables()
    values = np.repeat(table.values[:1], 3, axis=0)
    values[:, 0] = [0, 900, 901]
    model = fitted("catboost").model
    known, unseen, other = model.predict_fold(0, replace(table, values=values), np.arange(3))
    assert unseen == other
    assert known != unseen


def test_what_cannot_be_learned_is_one_sentence(learners, tables):
    table, _ = tables()
    equal = np.where(table.fold >= 0, 6.4, np.nan)
    with pytest.raises(InputError, match=r"catboost cannot learn on fold 0: .*equal"):
        learners("catboost").fit(replace(table, popularity=equal))


@pytest.mark.parametrize("numeric", [True, False])
def test_where_no_column_varies_the_middle_of_the_labels_is_predicted(learners, tables, numeric):
    table, _ = tables()
    columns = [column for column in table.columns if column.categorical != numeric][:2]
    values = np.zeros((len(table.values), 2), table.values.dtype)
    same = replace(table, values=values, columns=tuple(columns))
    fitted = learners("catboost").fit(same)
    model = fitted.model
    for fold in (0, 1):
        training = table.popularity[(table.fold >= 0) & (table.fold != fold)]
        predicted = model.predict_fold(fold, same, np.arange(3))
        assert predicted == pytest.approx(np.full(3, training.mean()))
    assert not model.explain(same).any()


def test_writes_no_file_of_its_own(learners, tables, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    learners("catboost", one_step=True).fit(tables()[0])
    assert list(tmp_path.iterdir()) == []


def test_loss_is_a_parameter(learners, tables):
    table, _ = tables()
    predictions = [
        learners("catboost", loss=loss).fit(table).predict(table) for loss in ("rmse", "mae")
    ]
    assert not np.array_equal(*predictions)


def test_a_fold_is_what_catboost_makes_of_its_rows_alone_in_the_same_bins(
    fitted, learners, tables, tmp_path
):
    """Directly trained, it has never seen a row outside: statistics of categories neither."""
    from catboost import CatBoostRegressor

    mixed, _ = tables()
    table, params = mixed.training, learners("catboost").trainer.params

    def make_labelled_pool(rows):
        return make_pool(table, rows, labels=table.popularity[rows])

    pool = make_labelled_pool(table.all_rows)
    pool.quantize(border_count=params.border_count, random_seed=params.seed)
    pool.save_quantization_borders(str(tmp_path / "borders"))
    own = {"kind", "table", "seed", "threads", "loss", "early_stopping_rounds"}
    direct = CatBoostRegressor(
        **params.model_dump(exclude=own),
        random_seed=params.seed,
        thread_count=1,
        early_stopping_rounds=params.early_stopping_rounds,
        eval_metric="MAE",
        input_borders=str(tmp_path / "borders"),
        allow_writing_files=False,
        verbose=False,
    )
    direct.fit(
        make_labelled_pool(table.training_rows(3)),
        eval_set=make_labelled_pool(table.validation_rows(3)),
        use_best_model=True,
    )
    expected = direct.predict(make_pool(mixed, mixed.all_rows))
    np.testing.assert_array_equal(fitted("catboost").model.predict_fold(3, mixed), expected)


def test_columns_are_cut_into_bins_once(learners, tables, monkeypatch):
    from catboost import Pool

    made, quantize = [], Pool.quantize
    monkeypatch.setattr(
        Pool, "quantize", lambda pool, **given: made.append(pool) or quantize(pool, **given)
    )
    learner = learners("catboost", one_step=True).fit(tables()[0])
    assert [pool.shape for pool in made] == [(160, 32)]
    assert learner.trainer._binned is None


@pytest.fixture
def fails(learners, tables, tmp_path, monkeypatch):
    """What a training of many iterations raises whose snapshots call something."""

    def call(keep, error):
        monkeypatch.setattr(training._Snapshots, "keep", keep)
        learner = learners("catboost", iterations=10**6, early_stopping_rounds=10**6)
        with Interrupts() as interrupts, pytest.raises(error):
            learner.fit(tables()[0], tmp_path / "checkpoints")
        assert not [each for each in threading.enumerate() if "_interrupt" in each.name]
        assert signal.getsignal(training.SIGNAL) == signal.SIG_DFL
        return interrupts.number

    return call


UNRAISABLE = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@UNRAISABLE
def test_what_goes_wrong_in_the_log_is_no_interrupt_of_a_users(fails):
    def keep(_):
        raise OSError("no space left")

    assert fails(keep, OSError) is None


@UNRAISABLE
@pytest.mark.parametrize("count", [1, 2])
def test_an_interrupt_in_the_log_ends_the_training_and_a_second_one_nothing_else(fails, count):
    def keep(_):
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            if count == 2:
                signal.raise_signal(signal.SIGINT)

    assert fails(keep, KeyboardInterrupt) == signal.SIGINT


# An interrupt may come while a line of the log is written: CatBoost says so, and it comes again.
@UNRAISABLE
def test_a_fold_is_resumed_from_its_snapshot(
    fitted, learners, tables, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(training, "SNAPSHOT_SECONDS", 0)
    table, _ = tables()
    keep, checkpoints = training._Snapshots.keep, tmp_path / "checkpoints"

    def stop(snapshots):
        keep(snapshots)
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(training._Snapshots, "keep", stop)
        with pytest.raises(OSError, match="no space"):
            learners("catboost").fit(table, checkpoints)
    (snapshot,) = (checkpoints / "fold_0").glob("*.snapshot")
    content = snapshot.read_bytes()
    for changed, told in (
        (content, "the fold is resumed from its last snapshot"),
        (b"x", "damaged; the fold is trained from its start"),
    ):
        for path in checkpoints.glob("fold_*.*"):
            path.unlink()
        snapshot.parent.mkdir(exist_ok=True)
        snapshot.write_bytes(changed)
        learner = learners("catboost").fit(table, checkpoints)
        assert told in capsys.readouterr().err
        assert learner.read() == fitted("catboost").read()
        assert learner.trainer.curves() == fitted("catboost").trainer.curves()
        assert [path.name for path in checkpoints.iterdir() if path.is_dir()] == ["fold_4"]


def test_a_gpu_that_is_not_there_is_refused_before_anything_is_read(
    learners, tmp_path, monkeypatch
):
    monkeypatch.setattr("catboost.utils.get_gpu_device_count", lambda: 0)
    trainer = learners("catboost", task_type="GPU").trainer
    with pytest.raises(InputError, match=r"task_type .*'GPU', but CatBoost sees no GPU; .*CPU"):
        trainer.fit(None, tmp_path)


def test_what_a_gpu_cannot_do_is_a_wrong_parameter(write_params, tmp_path):
    write_params(**{"learners.catboost.task_type": "GPU", "learners.catboost.rsm": 0.5})
    with pytest.raises(InputError, match=r"learners.catboost.task_type: must be 'CPU' where rsm"):
        params.load(tmp_path / "params.yaml")
    write_params(**{"learners.catboost.task_type": "GPU", "learners.catboost.rsm": 1.0})
    assert params.load(tmp_path / "params.yaml").learners["catboost"].task_type == "GPU"
