"""The plain way to embed posts with Hugging Face, and models of full size with random weights."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from extraction import TOKENS
from PIL import Image
from transformers import (
    AutoTokenizer,
    BertModel,
    BlipConfig,
    BlipForImageTextRetrieval,
    BlipProcessor,
    ViltConfig,
    ViltModel,
    ViltProcessor,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.vilt.image_processing_pil_vilt import ViltImageProcessorPil

from fame.features.backbones import efficientnet, minilm
from fame.features.resampling import resize

Call = tuple[Callable[..., Any], dict[str, torch.Tensor]]  # a forward and its inputs
Plain = Callable[[pa.Table], Iterator[Call]]  # a batch of posts -> the forwards of its passes


def save_random(model: torch.nn.Module, folder: Path) -> None:
    """A checkpoint of the model as it was initialised, with the vocabulary of bert-base-uncased."""
    model.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(minilm.TOKENIZER.find().parent, local_files_only=True)
    tokenizer.save_pretrained(folder)


def make_checkpoints(root: Path, kinds: list[str]) -> None:
    """ViLT-B/32 and BLIP-base, random, for those of ``kinds``."""
    torch.manual_seed(7)
    if "vilt" in kinds:
        save_random(ViltModel(ViltConfig()), root / "vilt")
    if "blip" in kinds:
        config = BlipConfig(
            text_config={"num_attention_heads": 12}, vision_config={"initializer_range": 0.02}
        )
        save_random(BlipForImageTextRetrieval(config), root / "blip")


def open_images(posts: pa.Table) -> list[Image.Image]:
    return [Image.open(member).convert("RGB") for member in posts["member"].to_pylist()]


def list_texts(posts: pa.Table) -> tuple[list[str], list[str]]:
    return posts["title"].to_pylist(), [" ".join(tags) for tags in posts["tags"].to_pylist()]


def place(inputs: Any, model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Inputs where the model is, pixels as it computes."""
    tensors = {name: values.to(model.device) for name, values in inputs.items()}
    return {
        name: values.to(model.dtype) if values.is_floating_point() else values
        for name, values in tensors.items()
    }


def plain_vilt(folder: Path, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Plain:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    processor = ViltProcessor(ViltImageProcessorPil(), tokenizer)
    model = ViltModel.from_pretrained(folder).eval().to(device, dtype)

    def call(posts: pa.Table) -> Iterator[Call]:
        images = open_images(posts)
        for texts in (*list_texts(posts), [""] * len(posts)):
            inputs = processor(
                images,
                texts,
                padding="max_length",
                truncation=True,
                max_length=TOKENS["vilt"],
                return_tensors="pt",
            )
            yield model, place(inputs, model)

    return call


def plain_blip(folder: Path, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Plain:
    processor = BlipProcessor(BlipImageProcessorPil(), AutoTokenizer.from_pretrained(folder))
    model = BlipForImageTextRetrieval.from_pretrained(folder).eval().to(device, dtype)

    def call(posts: pa.Table) -> Iterator[Call]:
        seen = processor(images=open_images(posts), return_tensors="pt")
        yield model.vision_model, place(seen, model)
        for texts in list_texts(posts):
            inputs = processor(
                text=texts,
                padding="max_length",
                truncation=True,
                max_length=TOKENS["blip"],
                return_tensors="pt",
            )
            yield model.text_encoder, place(inputs, model)

    return call


def plain_minilm(_: Path) -> Plain:
    folder = minilm.WEIGHTS.find().parent
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = BertModel.from_pretrained(folder).eval()

    def call(posts: pa.Table) -> Iterator[Call]:
        for texts in list_texts(posts):
            inputs = tokenizer(
                texts,
                padding="max_length",
                truncation=True,
                max_length=TOKENS["minilm"],
                return_tensors="pt",
            )
            yield model, inputs

    return call


def plain_efficientnet(_: Path) -> Plain:
    network = open_efficientnet()

    def call(posts: pa.Table) -> Iterator[Call]:
        images = open_images(posts)
        pixels = np.stack([resize(one, efficientnet.plan(*one.size)) for one in images])
        inputs = efficientnet.scale(torch.from_numpy(pixels)).contiguous()
        yield network.extract_features, {"inputs": inputs}

    return call


def open_efficientnet() -> torch.nn.Module:
    from efficientnet_lite_pytorch import EfficientNet as Network

    network = Network.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(efficientnet.WEIGHTS.find(), weights_only=True))
    return network.eval()


PLAIN = {
    "vilt": plain_vilt,
    "blip": plain_blip,
    "minilm": plain_minilm,
    "efficientnet": plain_efficientnet,
}
