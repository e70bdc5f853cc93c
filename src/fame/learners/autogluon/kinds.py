"""The models that the stack may hold, and those that its parameters plan."""

from typing import NamedTuple

from fame.learners.autogluon.params import MULTIMODAL, Params

OUTPUT = "WeightedEnsemble_L3"  # the average on top


class Kind(NamedTuple):
    """AutoGluon's key of a kind, its models' name, and what it calls a seed."""

    key: str
    name: str
    seed: str


# No linear models: where they have nearly as many columns as posts, their out-of-fold predictions
# give the labels away to those that stand on them, and the average on top falls for it.
KINDS = {
    "catboost": Kind("CAT", "CatBoost", "random_seed"),
    "lightgbm": Kind("GBM", "LightGBM", "seed"),
    MULTIMODAL: Kind("FAME_MULTIMODAL", "MultiModal", "seed"),
    "extra_trees": Kind("XT", "ExtraTrees", "random_state"),
    "random_forest": Kind("RF", "RandomForest", "random_state"),
    "network": Kind("NN_TORCH", "NeuralNetTorch", "seed_value"),
}


def plan(params: Params) -> dict[str, int]:
    """AutoGluon's name of each model -> its layer: the bags, stacked bags, and the average."""
    first = {f"{KINDS[kind].name}_BAG_L1": 1 for kind in params.models}
    stacked = {f"{KINDS[kind].name}_BAG_L2": 2 for kind in params.models if kind != MULTIMODAL}
    return first | stacked | {OUTPUT: 3}
