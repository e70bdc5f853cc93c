from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from fame.runtime.errors import InputError


def test_the_encoder_stays_frozen_in_phase_2(learners, tables):
    table, _ = tables()
    encoders = []
    for epochs in (1, 30):
        learner = learners("dae", phase_2={"epochs": epochs}).fit(table)
        encoders.append(learner.model._models[0].networks["encoder"].state_dict())
    for name, tensor in encoders[0].items():
        assert tensor.equal(encoders[1][name])


def test_a_last_batch_of_one_row_trains(learners, tables):
    table, _ = tables()
    learner = learners("dae", one_step=True, phase_1={"batch_size": 127})
    learner.fit(table)  # 128 rows to train on: 127 and 1
    assert np.isfinite(learner.predict(table)).all()


def test_a_phase_stops_after_patience_and_keeps_the_best_epoch(learners, tables):
    table, _ = tables()
    phase_2 = {"epochs": 200, "patience": 3, "learning_rate": 0.05}
    trainer = learners("dae", phase_2=phase_2).fit(table).trainer
    for fold in trainer.record()["folds"]:
        steps = [
            point
            for point in trainer.curves()
            if point["fold"] == fold["fold"] and point["phase"] == "phase_2"
        ]
        assert len(steps) == fold["best_iteration"] + 3 < 200
        best = min(steps, key=lambda point: point["validation_mae"])
        assert best["iteration"] == fold["best_iteration"]


def test_a_loss_that_is_not_finite_is_one_sentence(learners, tables):
    table, _ = tables()
    labels = np.where(table.fold >= 0, 1e38, np.nan)
    labels[::2] *= -1
    with pytest.raises(InputError, match="the loss of phase_1 is not finite"):
        learners("dae", phase_1={"learning_rate": 1e30}).fit(replace(table, popularity=labels))


@pytest.mark.parametrize(
    ("key", "value"),
    [("sigma", -0.1), ("head_widths", [8]), ("encoded_width", 0)],
)
def test_parameters_are_checked(learners, key, value):
    params = learners("dae").trainer.params
    block = params.model_dump()
    with pytest.raises(ValidationError, match=key):
        type(params).model_validate(block | {key: value})
