"""Checkpoints: a folder, or a model of the Hugging Face hub at a pinned revision.

Weights are read from safetensors only. A pickled checkpoint runs whatever its author wrote into it
when it is opened the usual way, so it is converted once, by a reader that takes only tensors:

    python -m fame.features.backbones.shared.checkpoints \\
        dandelin/vilt-b32-finetuned-flickr30k data/vilt
"""

import argparse
import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fame.runtime.errors import InputError
from fame.runtime.files import digest_file, replacing_folder

WEIGHTS, PICKLED = "*.safetensors", "*.bin"
CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)
# Mean and deviation of red, green and blue that CLIP was trained with, and much that came after it.
OPENAI_COLOURS = (
    [0.48145466, 0.4578275, 0.40821073],
    [0.26862954, 0.26130258, 0.27577711],
)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk.

    Attributes:
        name: as the parameter gives it: a model's id, or a folder.
        revision: the commit of the hub that the files are of; None for a folder.
        folder: where the files lie.
    """

    name: str
    revision: str | None
    folder: Path

    def note(self) -> dict[str, Any]:
        """Name, commit and digests, for the manifest."""
        return {"checkpoint": self.name, **self.fingerprint()}

    def fingerprint(self) -> dict[str, Any]:
        """Commit, and digests of the files that change a vector; no name, for a folder may move."""
        return {"revision": self.revision, "sha256": self._digests}

    @cached_property
    def _digests(self) -> dict[str, str]:
        names = [CONFIG, PREPROCESSOR, *TOKENIZER]
        paths = [path for path in (self.folder / name for name in names) if path.is_file()]
        return {path.name: digest_file(path) for path in [*paths, *self.find_weights()]}

    def read_config(self, name: str = CONFIG) -> dict[str, Any]:
        """A JSON file of the checkpoint; empty where it has none.

        Raises:
            InputError: not valid JSON, or no object.
        """
        path = self.folder / name
        try:
            found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        except ValueError as error:
            raise InputError(f"{path}: not valid JSON: {error}") from None
        if not isinstance(found, dict):
            raise InputError(f"{path}: holds no JSON object")
        return found

    def read_colours(
        self, mean: list[float], deviation: list[float]
    ) -> tuple[list[float], list[float]]:
        """Mean and deviation of red, green and blue that its pixels are scaled by, if it says."""
        found = self.read_config(PREPROCESSOR)
        return found.get("image_mean", mean), found.get("image_std", deviation)

    def check_type(self, model_type: str) -> None:
        """Whether it is of such a model.

        Raises:
            InputError: it is of another one.
        """
        found = self.read_config().get("model_type")
        if found != model_type:
            raise InputError(
                f"checkpoint {self.name}: is of a model of type {found!r}; "
                f"allowed here: {model_type!r}"
            )

    def find_weights(self) -> list[Path]:
        """Its safetensors files, in the order of their names."""
        return sorted(self.folder.glob(WEIGHTS))


def find_checkpoint(name: str, revision: str, key: str) -> Checkpoint:
    """The checkpoint of a folder or of the hub, downloaded where it is not yet.

    Args:
        name: a folder, or a model's id ("owner/name").
        revision: branch, tag or commit of the hub; not used for a folder.
        key: of the parameter, for errors.

    Raises:
        InputError: it is not available, or holds no safetensors; with the cure.
    """
    folder = Path(name)
    if folder.is_dir():
        checkpoint = Checkpoint(name, None, folder)
    else:
        folder = download(name, revision, key, [WEIGHTS, CONFIG, PREPROCESSOR, *TOKENIZER])
        checkpoint = Checkpoint(name, folder.name, folder)
    if not (folder / CONFIG).is_file():
        raise InputError(f"{key}: {name}: has no {CONFIG}, so it is no checkpoint of transformers")
    if not any(folder.glob(WEIGHTS)):
        options = "" if revision == "main" or Path(name).is_dir() else f" --revision {revision}"
        raise InputError(
            f"{key}: {name}: has no {WEIGHTS}, and pickled weights ({PICKLED}) are not opened; "
            "convert it by `python -m fame.features.backbones.shared.checkpoints "
            f"{name} FOLDER{options}` "
            "and set the key to FOLDER"
        )
    return checkpoint


def download(name: str, revision: str, key: str, patterns: list[str]) -> Path:
    """The files of a hub model, as the hub's own cache keeps them: a folder named by the commit.

    Without a network, or with HF_HUB_OFFLINE=1, what the cache holds.

    Raises:
        InputError: it is not available; with the cure.
    """
    from huggingface_hub import errors, snapshot_download

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except errors.HFValidationError:
        raise InputError(
            f"{key}: {name!r} is neither a folder nor a model's id (owner/name)"
        ) from None
    except errors.GatedRepoError:
        raise InputError(
            f"{key}: {name} is gated; accept its terms at https://huggingface.co/{name}, then run "
            "`hf auth login`"
        ) from None
    except errors.RepositoryNotFoundError:
        raise InputError(
            f"{key}: the hub has no model {name}, or it is private: correct the name, or run "
            "`hf auth login`"
        ) from None
    except errors.RevisionNotFoundError:
        raise InputError(
            f"{key}: {name} has no revision {revision!r}; allowed: a branch, tag or commit, as main"
        ) from None
    except OSError:  # what else the hub's client raises: offline, and not or not all in its cache
        raise InputError(
            f"{key}: {name} at revision {revision!r} is not in the cache and the hub cannot be "
            f"reached; run `hf download {name} --revision {revision} --local-dir FOLDER` where it "
            "can, bring FOLDER here and set the key to it"
        ) from None


def convert(name: str, revision: str, output: Path) -> None:
    """Write the checkpoint ``name`` with its pickled weights as safetensors into ``output``.

    Only tensors are unpickled, nothing is run.

    Raises:
        InputError: it is not available or holds anything but tensors, or ``output`` exists.
    """
    import pickle

    import torch
    from safetensors.torch import save

    if output.exists():
        raise InputError(f"{output}: exists; name a folder that does not")
    folder = Path(name)
    if not folder.is_dir():
        patterns = [PICKLED, CONFIG, PREPROCESSOR, *TOKENIZER]
        folder = download(name, revision, "checkpoint", patterns)
    pickled = sorted(folder.glob(f"pytorch_model{PICKLED}"))
    if not pickled:
        raise InputError(f"{name}: has no pytorch_model{PICKLED}; there is nothing to convert")
    with replacing_folder(output) as made:
        for path in pickled:
            try:
                weights = torch.load(path, map_location="cpu", weights_only=True)
            except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
                problem = str(error).splitlines()[0]
                raise InputError(f"{path}: not opened, not only tensors: {problem}") from None
            tensors = {key: tensor.clone().contiguous() for key, tensor in weights.items()}
            content = save(tensors, metadata={"format": "pt"})
            (made / f"{path.stem}.safetensors").write_bytes(content)
        for file in (CONFIG, PREPROCESSOR, *TOKENIZER):
            if (folder / file).is_file():
                shutil.copyfile(folder / file, made / file)


def main() -> None:
    """Convert a pickled checkpoint."""
    parser = argparse.ArgumentParser(description="Convert a pickled checkpoint to safetensors")
    parser.add_argument("checkpoint", help="a folder, or a model's id on the hub")
    parser.add_argument("output", type=Path, help="folder to write; it must not exist")
    parser.add_argument("--revision", default="main")
    arguments = parser.parse_args()
    convert(arguments.checkpoint, arguments.revision, arguments.output)
    print(f"{arguments.output}: {arguments.checkpoint} as safetensors; set the checkpoint to it")


if __name__ == "__main__":
    from fame.runtime.stage import run

    run(main)
