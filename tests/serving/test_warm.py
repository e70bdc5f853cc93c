import hashlib

from PIL import Image

from fame.features.engine.contents import KEY_BYTES, STATUSES, Inputs
from fame.posts.contract import MISSING, OK
from fame.serving.warm import InlineEmbedder
from tests.pictures import encode


class Sizes:
    """What an embedder asks of a backbone when it prepares images."""

    def image_preparer(self):
        return len


def make_runtime():
    class Runtime:
        workers, device = 1, "cpu"

    return Runtime()


def test_an_inline_embedder_prepares_images_and_can_be_left(tmp_path):
    content = encode(Image.new("RGB", (4, 3)))
    path = tmp_path / "a.png"
    path.write_bytes(content)
    digest = hashlib.blake2b(content, digest_size=KEY_BYTES).hexdigest()
    places = [("", str(path), digest), ("", str(tmp_path / "gone.png"), digest)]
    with InlineEmbedder(Sizes(), make_runtime()) as embedder:
        prepared = embedder.prepare(Inputs("image", None, places))
    assert [STATUSES[code] for code in prepared.status] == [OK, MISSING]
    assert [item.pixels for item in prepared.items] == [len(content), None]
