"""The models that a killed fit of AutoGluon has finished, one a fold of each bag, for the next fit.

AutoGluon itself cannot go on: what it could load a predictor from it writes when all is done.
"""

import logging
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from fame.runtime import files, resume

PLACE, MODEL = "place", "model"


@contextmanager
def keep_models(kept: Path) -> Iterator[None]:
    """While the block runs, each model that AutoGluon fits is kept, and one that is kept is taken.

    Fitted or taken, a model is loaded from what is kept of it, so that both are the same bytes.
    """
    from autogluon.core.models.ensemble import fold_fitting_strategy

    strategy = fold_fitting_strategy.SequentialLocalFoldFittingStrategy
    fit = strategy._fit

    def fit_or_take(self: Any, model_base: Any, *given: Any) -> Any:
        _, _, context, _ = given
        bag = Path(self.bagged_ensemble_model.path)
        folder = bag / f"{model_base.name}{context['model_name_suffix']}"
        archive = kept / f"{bag.name}_{folder.name}.zip"
        if not _is_whole(archive):
            model = fit(self, model_base, *given)
            model.save()
            _pack(folder, archive)
        _unpack(archive, folder)
        level = logging.getLogger("autogluon").level  # which loading a multimodal model changes
        model = type(model_base).load(str(folder))
        logging.getLogger("autogluon").setLevel(level)
        return model

    with mock.patch.object(strategy, "_fit", fit_or_take):
        yield


def _is_whole(archive: Path) -> bool:
    note = archive.with_suffix(".json")
    if not note.exists():
        return False
    content = resume.read_note(note)
    if content and archive.exists() and content[MODEL] == files.digest_file(archive):
        print(f"{archive}: resumed", file=sys.stderr)
        return True
    print(f"{archive}: damaged; the model is trained again", file=sys.stderr)
    return False


def _pack(folder: Path, archive: Path) -> None:
    with files.replacing(archive) as temporary, zipfile.ZipFile(temporary, "w") as target:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                target.write(path, path.relative_to(folder))
    note = {MODEL: files.digest_file(archive), PLACE: str(Path.cwd())}
    resume.write_note(archive.with_suffix(".json"), note)


def _unpack(archive: Path, folder: Path) -> None:
    """The files as they were, but that the temporary folder they name is this one (as long)."""
    before = resume.read_note(archive.with_suffix(".json"))[PLACE].encode()
    now = str(Path.cwd()).encode()
    with zipfile.ZipFile(archive) as source:
        for name in source.namelist():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source.read(name).replace(before, now))
