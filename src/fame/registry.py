"""What can be named in params.yaml: kind -> "module:Class", imported when it is used.

This file is no dependency of a stage: a new line here cannot change the result of an old kind.
"""

from importlib import import_module

from fame.errors import InputError

SOURCES = {
    "sample": "fame.sources.sample:Sample",
    "smpd": "fame.sources.smpd:Smpd",
    "table": "fame.sources.table:TableFile",
}

BACKBONES = {
    "glove": "fame.backbones.glove:Glove",
    "image_stats": "fame.backbones.image_stats:ImageStats",
    "minilm": "fame.backbones.minilm:MiniLM",
    "efficientnet": "fame.backbones.efficientnet:EfficientNet",
    "vilt": "fame.backbones.vilt:Vilt",
    "blip": "fame.backbones.blip:Blip",
}

LEARNERS = {
    "catboost": "fame.learners.catboost:CatBoost",
    "lightgbm": "fame.learners.lightgbm:LightGBM",
    "dae": "fame.learners.dae:DenoisingAutoencoder",
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
