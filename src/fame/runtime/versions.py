"""Versions of the libraries that can change a result."""

from importlib.metadata import PackageNotFoundError, version

LIBRARIES = (
    *("numpy", "pandas", "pyarrow", "scipy", "scikit-learn"),
    *("torch", "transformers", "tokenizers", "safetensors", "onnxruntime"),
    *("catboost", "lightgbm", "autogluon.tabular", "autogluon.multimodal"),
)


def list_versions() -> dict[str, str]:
    """Library -> version, of those that are installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
