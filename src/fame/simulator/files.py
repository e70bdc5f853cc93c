"""The simulated sample on disk: the challenge's files in form A (2022 names), and the truth."""

import csv
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from fame.posts.sources.truth import write_truth
from fame.runtime.progress import bar
from fame.simulator.images import Picture, draw, encode, encode_jpeg
from fame.simulator.users import HOMES, TOTALS, Users
from fame.simulator.words import Texts

ARCHIVE = "images.zip"
ZIP_TIME = (2016, 7, 1, 0, 0, 0)
VIDEO_FRACTION = 0.01
LOCATED_FRACTION = 0.4
README = """This folder is SIMULATED. No post, person, word or picture in it is real.

It has the form of the challenge's data (SMPD, 2022 names, user data in form A) and was drawn by
src/fame/simulator/posts.py, which says what its popularity is made of. simulated_truth.csv holds
the popularity of every post without its noise: the best that any model could predict.
"""

# How a picture is stored instead of as an RGB JPEG, and the share of the posts. The first four
# cannot be read; they must stay well below data.max_unreadable_fraction.
ODDITIES = {
    "missing": 0.003,
    "empty": 0.002,
    "truncated": 0.003,
    "page": 0.002,
    "grey": 0.02,
    "palette_png": 0.005,
    "gif": 0.005,
    "cmyk": 0.005,
    "rgba_png": 0.005,
    "rotated": 0.01,
}
ERROR_PAGE = b"<!DOCTYPE html><html><body>This photo is no longer available.</body></html>\n"
ROTATED_BY_90_DEGREES = 6  # EXIF: show it turned clockwise


@dataclass(frozen=True)
class SimulatedPosts:
    """One entry a post: ``training`` training posts, then the challenge posts.

    Attributes:
        training: their number.
        post_ids: (n,) int64, ascending in each part.
        user: (n,) int64, position in the users.
        posted_at: (n,) int64, epoch seconds.
        categories: category, subcategory, concept.
        subjects: (n,) int64, what the picture shows, 0 .. 10.
        looks: (n, 4) float64 in 0 .. 1, in the order of LOOKS.
        texts: titles and tags.
        parts: name -> (n,) float64, what each part adds to the popularity.
        truth, popularity: (n,) float64, the label without and with its noise.
    """

    training: int
    post_ids: np.ndarray
    user: np.ndarray
    posted_at: np.ndarray
    categories: list[tuple[str, str, str]]
    subjects: np.ndarray
    looks: np.ndarray
    texts: Texts
    parts: dict[str, np.ndarray]
    truth: np.ndarray
    popularity: np.ndarray


def write_folder(
    folder: Path, users: Users, posts: SimulatedPosts, seed: np.random.SeedSequence
) -> int:
    """Write all files into ``folder`` (exists, empty); returns the images in the archive."""
    total = len(posts.post_ids)
    for_places, for_pictures = (np.random.default_rng(child) for child in seed.spawn(2))
    for part, rows in (("train", range(posts.training)), ("test", range(posts.training, total))):
        target = folder / f"{part}_allmetadata_json"
        target.mkdir()
        for name, content in _tabulate(users, posts, rows, for_places).items():
            _write_lines(target / f"{part}_{name}.json", [json.dumps(content)])
        paths = [_image_path(users, posts, row) for row in rows]
        _write_lines(target / f"{part}_img_filepath.txt", paths)
    labels = [f"{label:.2f}" for label in posts.popularity[: posts.training]]
    _write_lines(folder / "train_allmetadata_json" / "train_label.txt", labels)
    _write_profiles(folder / "user_additional.csv", users)
    write_truth(folder, posts.post_ids.tolist(), posts.truth.tolist())
    _write_lines(folder / "README.txt", README.splitlines())
    return _write_images(folder / ARCHIVE, users, posts, for_pictures)


def _tabulate(
    users: Users, posts: SimulatedPosts, rows: range, generator: np.random.Generator
) -> dict[str, list[dict[str, str]]]:
    """The five JSON files of a part: name -> a list with an object a post."""
    tables: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        user = posts.user[row]
        key = {"Pid": str(posts.post_ids[row]), "Uid": users.uids[user]}
        category, subcategory, concept = posts.categories[row]
        records = {
            "text": key
            | {
                "Title": posts.texts.titles[row],
                "Alltags": " ".join(posts.texts.tags[row]),
                "Mediatype": "video" if generator.random() < VIDEO_FRACTION else "photo",
            },
            "category": key
            | {"Category": category, "Subcategory": subcategory, "Concept": concept},
            "temporalspatial_information": key
            | {"Postdate": str(posts.posted_at[row])}
            | _locate(users.home[user], generator),
            "additional_information": key
            | {"Pathalias": users.aliases[user], "Ispublic": "1", "Mediastatus": "ready"},
            "user_data": _account(users, user),
        }
        for name, record in records.items():
            tables.setdefault(name, []).append(record)
    return tables


def _locate(home: int, generator: np.random.Generator) -> dict[str, str]:
    """Coordinates near the poster's home, or what the challenge writes where there are none."""
    if generator.random() >= LOCATED_FRACTION:
        return {"Longitude": "", "Latitude": "0", "Geoaccuracy": "0"}
    _, longitude, latitude, _ = HOMES[home]
    return {
        "Longitude": f"{longitude + generator.normal(0, 3):.6f}",
        "Latitude": f"{latitude + generator.normal(0, 3):.6f}",
        "Geoaccuracy": str(generator.integers(10, 17)),
    }


def _account(users: Users, user: int) -> dict[str, str]:
    """A row of the user data: no id, so that it belongs to a post by its position only."""
    hours, minutes = divmod(abs(int(users.utc_offset_seconds[user])) // 60, 60)
    sign = "-" if users.utc_offset_seconds[user] < 0 else "+"
    taken = users.first_taken[user]
    return {
        "photo_count": str(users.photo_count[user]),
        "ispro": str(users.is_pro[user]),
        "canbuypro": "0",
        "timezone_timezone_id": str(users.home[user] + 1),
        "timezone_offset": f"{sign}{hours:02d}:{minutes:02d}",
        "photo_firstdate": str(users.first_upload[user]),
        "photo_firstdatetaken": "None" if taken < 0 else str(taken),
        "user_description": users.user_descriptions[user],
        "location_description": users.location_descriptions[user],
    }


def _write_profiles(path: Path, users: Users) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["", "Pathalias", *TOTALS])
        for number, user in enumerate(np.flatnonzero(users.has_profile)):
            writer.writerow([number, users.aliases[user], *users.totals[user].tolist()])


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="")


def _image_path(users: Users, posts: SimulatedPosts, row: int) -> str:
    part = "train" if row < posts.training else "test"
    return f"{part}/{users.uids[posts.user[row]]}/{posts.post_ids[row]}.jpg"


def _write_images(
    path: Path, users: Users, posts: SimulatedPosts, generator: np.random.Generator
) -> int:
    """One archive, stored, with fixed times; returns the number of its members."""
    total = len(posts.post_ids)
    storage = _draw_storage(total, generator)
    with zipfile.ZipFile(path, "w") as archive, bar(total, "drawing", "pictures") as progress:
        for row in range(total):
            picture = Picture(int(posts.subjects[row]), *posts.looks[row].tolist())
            content = _store(draw(picture, generator), storage[row])
            if content is not None:
                member = zipfile.ZipInfo(_image_path(users, posts, row), ZIP_TIME)
                member.external_attr = 0o644 << 16
                archive.writestr(member, content)
            progress.update()
        return len(archive.namelist())


def _draw_storage(total: int, generator: np.random.Generator) -> list[str]:
    """How each picture is stored: a key of ODDITIES, each as often as it says, or "" for most."""
    storage = [""] * total
    rows = iter(generator.permutation(total).tolist())
    for name, fraction in ODDITIES.items():
        for _ in range(round(fraction * total)):
            storage[next(rows)] = name
    return storage


def _store(image: Image.Image, storage: str) -> bytes | None:
    """The bytes of the file, None where there is none."""
    if storage == "missing":
        return None
    if storage == "empty":
        return b""
    if storage == "truncated":
        content = encode_jpeg(image)
        return content[: len(content) // 2]
    if storage == "page":
        return ERROR_PAGE
    if storage == "rotated":
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = ROTATED_BY_90_DEGREES
        return encode_jpeg(image.transpose(Image.Transpose.ROTATE_90), exif=exif)
    if storage == "palette_png":
        return encode(image.convert("P", palette=Image.Palette.ADAPTIVE), "PNG")
    if storage == "gif":
        return encode(image.convert("P", palette=Image.Palette.ADAPTIVE), "GIF")
    if storage == "rgba_png":
        return encode(image.convert("RGBA"), "PNG")
    return encode_jpeg(image.convert({"grey": "L", "cmyk": "CMYK"}.get(storage, "RGB")))
