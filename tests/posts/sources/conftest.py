"""A small folder in the challenge's format, in any of its releases."""

import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

ODD_TITLES = [
    "Sunset at the beach",
    "",
    'braces } ] , { "quotes" and back\\slash \\',
    "NUL \x00 and bell \x07 and line\u2028end",
    "שלום עולם 🌅👨‍👩‍👧",
    "x" * 10_000,
]
TAGS = ["sea sun", "", "one", "  spaced   tags ", "ümläut 日本語", "a,b \u00a0c"]
LATER_NAMES = {
    "text": "text",
    "category": "category",
    "place": "temporalspatial_information",
    "additional": "additional_information",
    "user": "user_data",
    "images": "img_filepath",
}
EARLIER_NAMES = {
    "text": "tags",
    "category": "category",
    "place": "temporalspatial",
    "additional": "additional",
    "user": "userdata",
    "images": "img",
}
PROFILE_HEADER = (
    ",Pathalias,totalViews,totalTags,totalGeotagged,totalFaves,totalInGroup,photoCount,"
    "followerCount,followingCount"
)


def describe_vector(width, seed):
    """Numbers as the challenge writes them, and the same as float32."""
    values = np.random.default_rng(seed).normal(0, 0.3, width).round(3)
    return ",".join(map(str, values.tolist())), values.astype(np.float32)


class SmpdFolder:
    """Writes the folder file by file; every test may change what it writes."""

    def __init__(self, root: Path, earlier: bool = False, form: str = "A", nested: bool = True):
        self.root = root
        self.names = EARLIER_NAMES if earlier else LATER_NAMES
        self.earlier = earlier
        self.form = form
        self.nested = nested
        self.ids = {"train": [101, 102, 103, 104, 105, 106], "test": [201, 202, 203]}
        self.users = {}
        for ids in self.ids.values():
            self.users |= {post_id: f"{post_id % 3 + 7}@N75" for post_id in ids}

    def path(self, part, role):
        folder = self.root / f"{part}_allmetadata_json" if self.nested else self.root
        folder.mkdir(parents=True, exist_ok=True)
        if role == "labels":
            return folder / f"{part}_label.txt"
        return folder / f"{part}_{self.names[role]}{'.txt' if role == 'images' else '.json'}"

    def write(self, parts=("train", "test")):
        self.root.mkdir(parents=True, exist_ok=True)
        for part in parts:
            for role, records in self.records(part).items():
                self.path(part, role).write_text(json.dumps(records), encoding="utf-8")
            lines = [self.image_line(part, post_id) for post_id in self.ids[part]]
            self.path(part, "images").write_text("\n".join(lines) + "\n", encoding="utf-8")
        if "train" in parts:
            labels = [f"{3 + post_id / 100:.2f}" for post_id in self.ids["train"]]
            self.path("train", "labels").write_text("\n".join(labels) + "\n")
        return self

    def records(self, part):
        keyed = {"text": [], "category": [], "place": [], "additional": []}
        for row, post_id in enumerate(self.ids[part]):
            key = {"Pid": str(post_id), "Uid": self.users[post_id]}
            located = row % 2 == 0
            values = {
                "text": {"Title": ODD_TITLES[row], "Alltags": TAGS[row], "Mediatype": "photo"},
                "category": {
                    "Category": "Whether&Season",
                    "Subcategory": "Hot, dry",
                    "Concept": f"sun{row}",
                },
                "place": {
                    "Postdate": str(1_430_000_000 + post_id),
                    "Longitude": "13.5" if located else ["", "0"][row // 2 % 2],
                    "Latitude": "-52.25" if located else "0",
                    "Geoaccuracy": "16" if located else "0",
                },
                "additional": {
                    "Pathalias": ["None", f"alias{post_id % 3}"][row % 2],
                    "Ispublic": "1",
                    "Mediastatus": "ready",
                },
            }
            for role, fields in values.items():
                keyed[role].append(key | fields)
        accounts = [self.account(post_id) for post_id in self.ids[part]]
        if self.form == "B":
            accounts = {
                field: {str(i): account[field] for i, account in enumerate(accounts)}
                for field in accounts[0]
            }
        return keyed | {"user": accounts}

    def account(self, post_id):
        user = post_id % 3
        account = {
            "photo_count": str(100 + user),
            "ispro": str(user % 2),
            "timezone_offset": ["+01:00", "-09:30", None][user],
            "photo_firstdate": str(1_200_000_000 + user),
        }
        if self.form == "B":
            return account | {
                "timezone_id": "CET",
                "photo_firstdatetaken": ["2004-11-09 08:06:40", "1969-12-31 23:59:59", None][user],
                "user_description": 'I take } pictures, "mostly"',
                "location_description": None,
            }
        return account | {
            "canbuypro": "0",
            "timezone_timezone_id": "8",
            "photo_firstdatetaken": ["1099987600", "-1", "None"][user],
            "user_description": describe_vector(399, user)[0],
            "location_description": ["", describe_vector(400, user)[0] + ",0"][user % 2],
        }

    def image_line(self, part, post_id):
        user = self.users[post_id]
        if self.earlier:
            return f"https://www.flickr.com/photos/{user}/{post_id}/"
        return f"{part}/{user}/{post_id}.jpg"

    def images(self):
        """Path -> bytes: no image of 102, an empty one of 201."""
        paths = {
            post_id: f"{part}/{self.users[post_id]}/{post_id}.jpg"
            for part, ids in self.ids.items()
            for post_id in ids
            if post_id != 102
        }
        return {path: b"" if i == 201 else b"image %d" % i for i, path in paths.items()}

    def write_images(self, kind, prefix=""):
        members = {prefix + path: content for path, content in self.images().items()}
        if kind == "folder":
            for path, content in members.items():
                (self.root / path).parent.mkdir(parents=True, exist_ok=True)
                (self.root / path).write_bytes(content)
        else:
            write_archive(self.root / f"images.{kind}", members)

    def write_profiles(self, suffix=".csv"):
        rows = [[0, "alias1", *range(8)], [1, "None", *[9] * 8], [2, "alias1", *[7] * 8]]
        path = self.root / f"user_additional{suffix}"
        if suffix == ".csv":
            lines = [PROFILE_HEADER, *(",".join(map(str, row)) for row in rows)]
            path.write_text("\n".join(lines) + "\n")
        else:
            path.write_text("".join("\t".join(map(str, row)) + "\r\n" for row in rows), newline="")


def write_archive(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return
    mode = "w" if path.suffix == ".tar" else "w:gz"
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


@pytest.fixture(name="describe_vector")
def _describe_vector():
    return describe_vector


@pytest.fixture(name="write_archive")
def _write_archive():
    return write_archive


@pytest.fixture
def smpd_folder(tmp_path):
    """Build a folder: smpd_folder(name, earlier=..., form=..., nested=...)."""

    def build(name="smpd", **kwargs):
        return SmpdFolder(tmp_path / name, **kwargs)

    return build


@pytest.fixture
def replace_records():
    """Change a JSON file through a function of its content."""

    def replace(path, change):
        content = json.loads(path.read_text(encoding="utf-8"))
        changed = change(content)
        path.write_text(json.dumps(content if changed is None else changed), encoding="utf-8")

    return replace
