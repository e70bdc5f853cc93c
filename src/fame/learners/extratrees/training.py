"""Training of extremely randomised trees: scikit-learn's, all of them kept.

Nothing stops early, so the labels of a fold are not seen before its posts are predicted. Missing
numbers are a branch of their own; categories are compared by their ids.
"""

from pathlib import Path

import numpy as np

from fame.learners.contract import FitTable
from fame.learners.extratrees.forest import SUFFIX, Forest, bound, copy_forest
from fame.learners.extratrees.params import Params
from fame.learners.fold_training import Fitted, FoldTrainer, Step
from fame.runtime.cores import choose_cores


class Trainer(FoldTrainer):
    """Trees that look at some columns and one random threshold each, their mean."""

    suffix = SUFFIX

    def fit_fold(self, table: FitTable, fold: int) -> Fitted:
        """All trees, on all rows outside the fold."""
        from sklearn.ensemble import ExtraTreesRegressor

        settings: Params = self.settings
        rows, validation = table.training_rows(fold), table.validation_rows(fold)
        trees = ExtraTreesRegressor(
            n_estimators=settings.trees,
            min_samples_leaf=settings.min_posts_in_leaf,
            max_features=settings.column_share,
            random_state=settings.seed + fold,
            n_jobs=choose_cores(settings.threads),
        )
        trees.fit(bound(table.read(rows)), table.popularity[rows])
        forest = copy_forest(trees)
        maes = zip(
            _find_maes(forest, table, rows), _find_maes(forest, table, validation), strict=True
        )
        return Fitted(
            model=forest,
            best_iteration=None,
            prediction=_predict_trees(forest, table, validation).mean(axis=1),
            curve=[Step("trees", count, *both) for count, both in enumerate(maes, 1)],
        )

    def write_model(self, model: Forest, path: Path) -> None:
        """The nodes as safetensors."""
        model.write(path)


def _predict_trees(forest: Forest, table: FitTable, rows: np.ndarray) -> np.ndarray:
    parts = [forest.predict_trees(table.read(part)) for part in table.chunks(rows)]
    return np.concatenate(parts)


def _find_maes(forest: Forest, table: FitTable, rows: np.ndarray) -> list[float]:
    """MAE of the mean of the first tree, of the first two, ..."""
    total = np.zeros(len(forest.root))
    count = np.arange(1, len(forest.root) + 1)
    for part in table.chunks(rows):
        means = np.cumsum(forest.predict_trees(table.read(part)), axis=1) / count
        total += np.abs(means - table.popularity[part][:, None]).sum(axis=0)
    return (total / len(rows)).tolist()
