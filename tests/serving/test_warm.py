import hashlib

import numpy as np
import pyarrow as pa
from PIL import Image

from fame.features.backbones.image_stats import ImageStats
from fame.params import RuntimeParams
from fame.posts.contract import IMAGES, LOCATED, MISSING, NO_IMAGE, OK
from fame.runtime import files
from fame.serving.warm import FINGERPRINT, WarmBackbone
from tests.pictures import encode

RUNTIME = RuntimeParams(device="cpu", workers=1, cache="x", engine="local", ray_address=None)


def test_a_warm_backbone_reads_images_in_its_own_process(tmp_path):
    content = encode(Image.new("RGB", (4, 3)))
    (tmp_path / "a.png").write_bytes(content)
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    members = [str(tmp_path / "a.png"), str(tmp_path / "gone.png"), None]
    columns = {
        "post_id": ["1", "2", "3"],
        "status": [LOCATED, LOCATED, NO_IMAGE],
        "container": ["", "", None],
        "member": members,
        "digest": [digest, digest[::-1], None],
    }
    images = pa.table(
        {name: pa.array(values, IMAGES.field(name).type) for name, values in columns.items()}
    )
    posts = pa.table(
        {
            "post_id": columns["post_id"],
            "title": pa.array([None] * 3, pa.string()),
            "tags": pa.array([[]] * 3, pa.list_(pa.string())),
        }
    )
    backbone = ImageStats(ImageStats.Params(kind="image_stats", reads="images"), RUNTIME)
    files.write_json(tmp_path / FINGERPRINT, backbone.fingerprint())
    block = WarmBackbone(backbone, tmp_path, RUNTIME).transform(posts, images, None)
    assert block.status["image"].tolist() == [OK, MISSING, NO_IMAGE]
    assert block.values[0, :3].tolist() == [4, 3, 12]
    assert np.isnan(block.values[1:]).all()
