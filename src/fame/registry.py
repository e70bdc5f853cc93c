"""What can be named in params.yaml, by kind; a module is imported when it is used.

This file is no dependency of a stage: a new line here cannot change the result of an old kind.
"""

from importlib import import_module
from typing import Any

from fame.runtime.errors import InputError

SOURCES = {
    "sample": "fame.posts.sources.sample:Sample",
    "smpd": "fame.posts.sources.smpd:Smpd",
    "table": "fame.posts.sources.table:TableFile",
}

BACKBONES = {
    "glove": "fame.features.backbones.glove:Glove",
    "image_stats": "fame.features.backbones.image_stats:ImageStats",
    "pixel_stats": "fame.features.backbones.pixel_stats:PixelStats",
    "minilm": "fame.features.backbones.minilm:MiniLM",
    "efficientnet": "fame.features.backbones.efficientnet:EfficientNet",
    "vilt": "fame.features.backbones.vilt:Vilt",
    "blip": "fame.features.backbones.blip:Blip",
    "clip": "fame.features.backbones.clip:Clip",
    "char_ngrams": "fame.features.encoders.char_ngrams:CharNgrams",
    "history": "fame.features.encoders.history:History",
    "word_history": "fame.features.encoders.word_history:WordHistory",
}

# A folder with the modules params (Params), training (Trainer) and model (Model).
LEARNERS = {
    "catboost": "fame.learners.catboost",
    "lightgbm": "fame.learners.lightgbm",
    "autogluon": "fame.learners.autogluon",
    "dae": "fame.learners.dae",
    "tabm": "fame.learners.tabm",
    "extratrees": "fame.learners.extratrees",
    "ridge": "fame.learners.ridge",
}


def resolve(registry: dict[str, str], kind: str, where: str) -> Any:
    """The class registered as ``kind``.

    ``where`` is the parameter that named it, for the error.

    Raises:
        InputError: ``kind`` is not registered.
    """
    if kind not in registry:
        raise InputError(f"{where}: unknown kind {kind!r}; allowed: {', '.join(sorted(registry))}")
    module, _, name = registry[kind].partition(":")
    return getattr(import_module(module), name)


def resolve_learner(kind: str, part: str, where: str) -> Any:
    """`Params`, `Trainer` or `Model` of a kind of learner.

    Raises:
        InputError: ``kind`` is not registered.
    """
    modules = {"Params": "params", "Trainer": "training", "Model": "model"}
    places = {name: f"{folder}.{modules[part]}:{part}" for name, folder in LEARNERS.items()}
    return resolve(places, kind, where)
