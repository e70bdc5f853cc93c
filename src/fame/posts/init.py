"""`fame init FILE`: propose what each column is, put the file under DVC, write params.yaml.

Nothing is written before all is known: a file that cannot be read leaves everything as it was.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq

from fame import params
from fame.posts.archives import is_archive
from fame.posts.contract import CATEGORY_PREFIX, OWN_NUMBER_PREFIX, Posts
from fame.posts.findings import READ
from fame.posts.mapping import Mapping, propose
from fame.posts.sources import smpd_files
from fame.posts.sources.images import IMAGE_SUFFIXES
from fame.posts.sources.table import TableFile
from fame.posts.sources.table_files import read_cells
from fame.runtime import files
from fame.runtime.errors import InputError

PARAMS, RAW = Path("params.yaml"), Path("data/raw")
PROFILE = "posts"  # the profile for own posts
SHOWN_POSTS = 5
SHOWN_CHARACTERS = 60
KEYS = ("id", "target", "user", "time", "title", "tags", "image", "split")
NEXT = "make repro (or dvc repro)"


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("file", type=Path, help="your posts, or a folder in SMPD's form")
    parser.add_argument("--images", type=Path, help="folder, zip or tar that holds the images")
    parser.add_argument("--name", help="folder below data/raw; the file's name if not given")
    parser.add_argument("--yes", action="store_true", help="write without asking")
    for key in KEYS:
        parser.add_argument(f"--{key}", metavar="COLUMN", help=f"the column that is the {key}")
    for key in ("categories", "numeric"):
        parser.add_argument(f"--{key}", metavar="A,B", help=f"the columns that are {key}")
    parser.add_argument("--time-format", help="'day first', 'month first' or '%%d/%%m/%%Y'")
    parser.add_argument("--encoding", help="of a text file; found if not given")
    parser.add_argument(
        "--target-transform", choices=("none", "log2p1"), help="log2p1 for raw counts; found"
    )


def run(arguments: argparse.Namespace) -> int:
    """Propose, show, and write if it is wanted; 1 if it is not."""
    if not PARAMS.is_file():
        raise InputError(f"{PARAMS}: no such file; run fame init in the project's folder")
    if arguments.file.is_dir():
        return _set_up_smpd(arguments)
    place = _find_place(arguments)
    apply_profile(PROFILE, "--dry-run")  # what it refuses is said before anything is asked
    cells = read_cells(arguments.file, arguments.encoding)
    given = _list_given(arguments, list(cells.columns))
    images = arguments.images or _find_images_beside(arguments.file)
    mapping = propose(cells, given, images, arguments.time_format)
    if mapping.columns["image"] is None:
        images = None
    print("\n".join(_describe_mapping(arguments.file, len(cells.numbers), mapping)))
    if mapping.refusals:
        raise InputError("; ".join(mapping.refusals))
    block = _make_block(arguments, mapping, place, images)
    posts = _try_reading(arguments, block, images)
    print("\n".join(_describe_posts(posts)))
    if not (arguments.yes or _confirm()):
        print("nothing is written")
        return 1
    _put(arguments.file, images, place)
    _write_params(block, mapping)
    print(f"data are in {place}, under DVC; params.yaml reads them. Next: {NEXT}")
    return 0


def _find_place(arguments: argparse.Namespace) -> Path:
    """The folder of the data, which must not be taken by others."""
    folder = arguments.file.resolve().parent
    if arguments.name is None and folder.parent == RAW.resolve():
        return RAW / folder.name
    name = arguments.name or arguments.file.name.split(".")[0]
    name = re.sub(r"[^\w-]+", "_", name).strip("_") or "posts"
    place = RAW / (f"own_{name}" if name == "sample" else name)
    if place.exists() and not arguments.yes:
        raise InputError(f"{place}: is there already; name another with --name, or say --yes")
    return place


def _list_given(arguments: argparse.Namespace, names: list[str]) -> dict[str, Any]:
    """Keys that the user named.

    Raises:
        InputError: a column that the file lacks.
    """
    given: dict[str, Any] = {
        key: getattr(arguments, key) for key in KEYS if getattr(arguments, key) is not None
    }
    for key in ("categories", "numeric"):
        if getattr(arguments, key) is not None:
            given[key] = [name for name in getattr(arguments, key).split(",") if name]
    wanted = [(k, n) for k, v in given.items() for n in (v if isinstance(v, list) else [v])]
    absent = [f"--{key} {name}" for key, name in wanted if name not in names]
    if absent:
        raise InputError(
            f"{arguments.file}: no column for {', '.join(absent)}; its columns: {', '.join(names)}"
        )
    return given


def _find_images_beside(file: Path) -> Path | None:
    """A folder or archive with images beside the file, if there is just one."""
    found = []
    for path in sorted(file.resolve().parent.iterdir()):
        is_folder = path.is_dir() and any(
            child.suffix.lower() in IMAGE_SUFFIXES for child in _take_some(path)
        )
        if is_folder or (path.is_file() and is_archive(path)):
            found.append(path)
    return found[0] if len(found) == 1 else None


def _take_some(folder: Path, count: int = 100) -> list[Path]:
    children = []
    for child in folder.iterdir():
        children.append(child)
        if len(children) == count:
            break
    return children


def _describe_mapping(file: Path, count: int, mapping: Mapping) -> list[str]:
    lines = [f"{file}: {count:,} posts"]
    width = max(map(len, [*mapping.reasons, *mapping.left_out]), default=0)
    lines += [f"  {name:<{width}}  {reason}" for name, reason in mapping.reasons.items()]
    lines += [f"  {name:<{width}}  left out: {why}" for name, why in mapping.left_out.items()]
    if mapping.counts:
        lines.append("  the target looks like raw counts: learned as log2(x + 1), log2p1")
    return lines


def _make_block(
    arguments: argparse.Namespace, mapping: Mapping, place: Path, images: Path | None
) -> dict[str, Any]:
    """The new values of the data block."""
    transform = arguments.target_transform or ("log2p1" if mapping.counts else "none")
    return {
        "source": "table",
        "root": place.as_posix(),
        "target_transform": transform,
        "table": {
            "file": arguments.file.name,
            "encoding": arguments.encoding,
            "images": images.name if images else None,
            "columns": mapping.columns,
        },
    }


def _try_reading(
    arguments: argparse.Namespace, block: dict[str, Any], images: Path | None
) -> Posts:
    """The posts as ingest will read them; images are looked for where they lie now.

    Raises:
        InputError: whatever would stop the run.
    """
    document = _load_params()
    _lay(document["data"], block)
    data = params.validate(params.DataParams, _plain(document["data"]), PARAMS.name)
    table = data.table.model_copy(update={"images": None})
    columns = table.columns.model_copy(update={"image": None})
    without_images = data.model_copy(
        update={"table": table.model_copy(update={"columns": columns})}
    )
    if images is not None and not images.exists():
        raise InputError(f"{images}: no such folder or archive of images")
    return TableFile(without_images).load(arguments.file.resolve().parent)


def _describe_posts(posts: Posts) -> list[str]:
    """Some posts as they are read, and what reading decided."""
    shown = [
        name
        for name, column in zip(posts.table.column_names, posts.table.columns, strict=True)
        if column.null_count < len(column)
    ]
    lines = ["", f"the first {min(SHOWN_POSTS, len(posts.table))} posts as they are read:"]
    for row in posts.table.select(shown).slice(0, SHOWN_POSTS).to_pylist():
        cells = [f"{_name(name)}={_shorten(value)}" for name, value in row.items()]
        lines.append(f"  {' | '.join(cells)}")
    notes = sorted(posts.findings.notes, key=lambda note: note.became == READ)
    lines += ["", *(f"  {note.describe(posts.findings.unit)}" for note in notes)]
    return lines


def _name(column: str) -> str:
    return column.removeprefix(OWN_NUMBER_PREFIX).removeprefix(CATEGORY_PREFIX)


def _shorten(value: Any) -> str:
    text = (
        " ".join(value)
        if isinstance(value, list)
        else f"{value:g}"
        if (isinstance(value, float))
        else str(value)
    )
    text = " ".join(text.split())
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "..."


def _confirm() -> bool:
    """Whether the user says yes; without a terminal nobody can."""
    if not sys.stdin.isatty():
        raise InputError("no terminal to ask on; --yes writes params.yaml without asking")
    return input("write params.yaml and put the data under DVC? [Y/n] ").strip().lower() in (
        *("", "y", "yes"),
    )


def _put(file: Path, images: Path | None, place: Path) -> None:
    """Copy the data to their place, whole or not at all, and have DVC track them."""
    if (place / file.name).is_file() and (place / file.name).samefile(file):
        track(place)
        return
    is_new = not place.exists()
    with files.replacing_folder(place) as folder:
        shutil.copy2(file, folder / file.name)
        if images is not None and images.is_dir():
            shutil.copytree(images, folder / images.name)
        elif images is not None:
            shutil.copy2(images, folder / images.name)
    try:
        track(place)
    except InputError:
        if is_new:
            shutil.rmtree(place)
        raise


def track(place: Path) -> None:
    """`dvc add`: experiments, queued ones too, find the data, and git never holds them.

    Raises:
        InputError: DVC says why not.
    """
    command = [sys.executable, "-m", "dvc", "add", "--quiet", place.as_posix()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        problem = done.stderr.strip().splitlines()
        raise InputError(f"dvc add {place}: {problem[-1] if problem else 'failed'}")


def _yaml() -> YAML:
    yaml = YAML()  # round trip: comments stay
    yaml.width = 100
    yaml.preserve_quotes = True
    yaml.representer.add_representer(
        type(None), lambda r, _: r.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def _load_params() -> Any:
    return _yaml().load(files.read_text(PARAMS))


def _plain(node: Any) -> Any:
    """Dictionaries, lists and scalars of their own types, without what ruamel keeps beside."""
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


def _lay(place: Any, block: dict[str, Any]) -> None:
    """New values, key by key, so that comments stay."""
    for key, value in block.items():
        if isinstance(value, dict) and isinstance(place.get(key), dict):
            _lay(place[key], value)
        else:
            place[key] = _in_line(value) if isinstance(value, list) else value


def _in_line(values: list[str]) -> CommentedSeq:
    sequence = CommentedSeq(values)
    sequence.fa.set_flow_style()
    return sequence


def _write_params(block: dict[str, Any], mapping: Mapping | None) -> None:
    """The profile for own posts, the data block, and a split that these posts allow."""
    apply_profile(PROFILE)
    document = _load_params()
    _lay(document["data"], block)
    columns = {} if mapping is None else mapping.columns
    has_no_times = bool(columns) and columns["time"] is None
    if has_no_times and document["split"].get("protocol") == "chronological":
        document["split"]["protocol"] = "random" if columns["user"] is None else "user"
    with files.replacing(PARAMS) as temporary, temporary.open("w", encoding="utf-8") as file:
        _yaml().dump(document, file)
    params.load(PARAMS, kinds=False)


def apply_profile(name: str, *options: str) -> None:
    """Switch params.yaml to a profile where there is one of that name."""
    if not Path("profiles", f"{name}.yaml").is_file():
        return
    command = [sys.executable, "-m", "fame.variants.profile", name, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"profile {name}: {done.stderr.strip().removeprefix('error: ')}")


def _set_up_smpd(arguments: argparse.Namespace) -> int:
    """The challenge's folder stays where it is: it is read as it was downloaded."""
    folders = smpd_files.list_folders(arguments.file)
    found = smpd_files.find_files(folders, smpd_files.TRAIN)
    absent = [role for role in smpd_files.NAMES if role not in found and role != "images"]
    if absent:
        raise InputError(
            f"{arguments.file}: no folder of the challenge: no file for {', '.join(absent)}; "
            "expected its JSON files, or name the one file that holds your posts"
        )
    root = arguments.file.resolve()
    place = root.relative_to(Path.cwd()) if root.is_relative_to(Path.cwd()) else root
    print(f"{place}: the challenge's data ({', '.join(p.name for p in found.values())})")
    if not (arguments.yes or _confirm()):
        print("nothing is written")
        return 1
    _write_params({"source": "smpd", "root": place.as_posix()}, None)
    print(f"params.yaml reads {place} where it lies. Next: {NEXT}")
    return 0
