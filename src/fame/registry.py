"""What can be named in params.yaml: kind -> "module:Class", imported when it is used.

This file is no dependency of a stage: a new line here cannot change the result of an old kind.
"""

from importlib import import_module

from fame.runtime.errors import InputError

SOURCES = {
    "sample": "fame.posts.sources.sample:Sample",
    "smpd": "fame.posts.sources.smpd:Smpd",
    "table": "fame.posts.sources.table:TableFile",
}

BACKBONES = {
    "glove": "fame.features.backbones.glove:Glove",
    "image_stats": "fame.features.backbones.image_stats:ImageStats",
    "minilm": "fame.features.backbones.minilm:MiniLM",
    "efficientnet": "fame.features.backbones.efficientnet:EfficientNet",
    "vilt": "fame.features.backbones.vilt:Vilt",
    "blip": "fame.features.backbones.blip:Blip",
    "clip": "fame.features.backbones.clip:Clip",
}

LEARNERS = {
    "catboost": "fame.learners.catboost.learner:CatBoost",
    "lightgbm": "fame.learners.lightgbm.learner:LightGBM",
    "autogluon": "fame.learners.autogluon.learner:AutoGluon",
    "dae": "fame.learners.dae.learner:DenoisingAutoencoder",
}


def resolve(registry: dict[str, str], kind: str, where: str) -> type:
    """The class registered as ``kind``.

    ``where`` is the parameter that named it, for the error.

    Raises:
        InputError: ``kind`` is not registered.
    """
    if kind not in registry:
        raise InputError(f"{where}: unknown kind {kind!r}; allowed: {', '.join(sorted(registry))}")
    module, name = registry[kind].split(":")
    return getattr(import_module(module), name)
