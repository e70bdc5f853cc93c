"""`fame init FILE`: propose what each column is, put the file under DVC, write params.yaml.

Nothing is written before all is known: a file that cannot be read leaves everything as it was.
"""

import argparse
import math
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from fame import params
from fame.posts import ingest, schema
from fame.posts.contract import CATEGORY_PREFIX, OWN_NUMBER_PREFIX
from fame.posts.findings import READ
from fame.posts.sources import smpd_files
from fame.posts.sources.contract import Posts
from fame.posts.sources.table import TableFile
from fame.posts.sources.table_files import TABLE_SUFFIXES, read_cells
from fame.runtime import files
from fame.runtime.errors import InputError
from fame.setup import params_file
from fame.setup.mapping import Mapping, propose
from fame.setup.params_file import PARAMS, Proposal
from fame.setup.pictures import choose_images, find_images
from fame.setup.rows import keep_posts

RAW = Path("data/raw")
ROLES = {"user": "the author", "time": "the time of posting", "title": "the title"}
ROLES |= {"tags": "the tags", "image": "the picture"}
HASHTAG = r"(^|[^\w&])#\w*\pL"  # no &#39; and no #1
SHOWN_POSTS = 5
SHOWN_CHARACTERS = 60
KEYS = ("id", "target", "user", "time", "title", "tags", "image", "split")
NEXT = "make repro, then git add --all && git commit"
PROTOCOLS = {"user": "all posts of some authors", "random": "posts drawn one by one"}


def add(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "file", type=Path, help="your posts, or a folder with them or in SMPD's form"
    )
    parser.add_argument("--images", type=Path, help="folder, zip or tar that holds the images")
    parser.add_argument("--name", help="folder below data/raw; the file's name if not given")
    parser.add_argument("--yes", action="store_true", help="write without asking")
    for key in KEYS:
        also = "; A,B: a date and a clock" if key == "time" else ""
        parser.add_argument(
            f"--{key}", metavar="COLUMN", help=f"the column that is the {key}{also}"
        )
    for key in ("categories", "numeric"):
        parser.add_argument(f"--{key}", metavar="A,B", help=f"the columns that are {key}")
    parser.add_argument("--time-format", help="'day first', 'month first' or '%%d/%%m/%%Y'")
    parser.add_argument("--encoding", help="of a text file; found if not given")
    parser.add_argument(
        "--target-transform",
        choices=("none", "log2p1"),
        help="log2p1 for raw counts; found if not given",
    )


def run(arguments: argparse.Namespace) -> int:
    """Propose, show, and write if it is wanted; 1 if it is not."""
    if not PARAMS.is_file():
        raise InputError(f"{PARAMS}: no such file; run fame init in the project's folder")
    read = params.load(kinds=False).data.describe()
    try:
        is_written = _set_up(arguments)
    except InputError as error:
        raise InputError(f"{error}; {PARAMS} is unchanged and reads {read}") from None
    if not is_written:
        print(f"nothing is written; {PARAMS} is unchanged and reads {read}")
    return 0 if is_written else 1


def _set_up(arguments: argparse.Namespace) -> bool:
    """Whether it was wanted.

    Raises:
        InputError: nothing is set up.
    """
    if not arguments.file.exists():
        raise InputError(f"{arguments.file}: no such file or folder; name what holds your posts")
    if arguments.file.is_dir():
        found = smpd_files.find_files(smpd_files.list_folders(arguments.file), smpd_files.TRAIN)
        absent = [role for role in smpd_files.NAMES if role not in found and role != "images"]
        if not absent:
            return _set_up_smpd(arguments, list(found.values()))
        arguments.file = _find_only_table(arguments.file, absent)
    place = _find_place(arguments)
    proposal = params_file.propose()
    images = _propose(arguments, place, proposal)
    if place.exists() and not (arguments.yes or _is_inside(arguments.file, place)):
        raise InputError(f"{place}: is there already; name another with --name, or say --yes")
    if not (arguments.yes or _confirm()):
        return False
    _put(arguments.file, images, place)
    params_file.write(proposal.document)
    print(f"data are in {place}, under DVC; params.yaml reads them. Next: {NEXT}")
    return True


def _propose(arguments: argparse.Namespace, place: Path, proposal: Proposal) -> Path | None:
    """Look at the file, show what it is to be, and fill in the parameters; returns the images.

    Raises:
        InputError: what the user has to say first, or whatever would stop the run.
    """
    images = find_images(arguments)
    cells = read_cells(arguments.file, arguments.encoding)
    document, data = proposal.document, proposal.document["data"]
    cells.findings.settle(data["on_bad"], data["max_bad_fraction"])
    given = _list_given(arguments, list(cells.columns))
    posts_cells = keep_posts(cells)
    mapping = propose(posts_cells, given, images, arguments.time_format)
    print("\n".join(_describe_mapping(arguments, len(cells.numbers), mapping)))
    print(_describe_target(arguments, mapping), end="")
    if mapping.refusals:
        raise InputError("; ".join(mapping.refusals))
    images, lines, missing = choose_images(arguments, posts_cells, mapping, images)
    if images is not None and _is_below(place, images) and not _is_below(images, place):
        raise InputError(
            f"{images}: holds {place}, into which images are copied; --images names a folder of "
            "images alone"
        )
    params_file.lay(data, _make_block(arguments, mapping, place, images))
    posts, protocol, why = _try_reading(arguments, document, mapping)
    if missing > data["max_unreadable_fraction"]:
        share = data["max_unreadable_fraction"] = math.ceil(missing * 20) / 20
        lines += [f"  data.max_unreadable_fraction becomes {share:g}, as so many are missing"]
    document["split"]["protocol"] = protocol
    if why:
        # The reason alone, of a sentence that refuses.
        why = why.replace("params.yaml: split.protocol: ", "the protocol ").partition("; ")[0]
        lines += [f"  held out: {PROTOCOLS[protocol]}, not the newest, because {why}"]
    lines += _describe_hashtags(posts.table, mapping)
    print("\n".join(_describe_posts(posts, lines + proposal.describe())))
    return images


def _find_place(arguments: argparse.Namespace) -> Path:
    """The folder of the data: where they lie, if that is below data/raw, or one of their name."""
    folder = arguments.file.resolve().parent
    if arguments.name is None and folder.parent == RAW.resolve():
        return RAW / folder.name
    name = arguments.name or arguments.file.name.split(".")[0]
    name = re.sub(r"[^\w-]+", "_", name).strip("_") or "posts"
    return RAW / (f"own_{name}" if name == "sample" else name)


def _is_inside(file: Path, place: Path) -> bool:
    return file.resolve().parent == place.resolve()


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
            value = getattr(arguments, key)
            given[key] = [value] if value in names else [n for n in value.split(",") if n]
    pair = given.get("time", "").split(",")
    if len(pair) == 2 and given["time"] not in names:  # a date and a clock
        given["time"] = pair
    wanted = [(k, n) for k, v in given.items() for n in (v if isinstance(v, list) else [v])]
    absent = [f"--{key} {name}" for key, name in wanted if name not in names]
    if absent:
        raise InputError(
            f"{arguments.file}: no column for {', '.join(absent)}; its columns: {', '.join(names)}"
        )
    return given


def _describe_mapping(arguments: argparse.Namespace, count: int, mapping: Mapping) -> list[str]:
    lines = [f"{arguments.file}: {count:,} rows"]
    width = max(map(len, [*mapping.reasons, *mapping.left_out]), default=0)
    lines += [f"  {name:<{width}}  {reason}" for name, reason in mapping.reasons.items()]
    lines += [f"  {name:<{width}}  left out: {why}" for name, why in mapping.left_out.items()]
    likely = f"; it may be {' or '.join(mapping.likely_titles)}" if mapping.likely_titles else ""
    absent = [
        f"{words} (--{key}{likely if key == 'title' else ''})"
        for key, words in ROLES.items()
        if mapping.columns[key] is None
    ]
    if absent:
        lines.append(f"  no column found for {', '.join(absent)}")
    if mapping.columns["id"] is None and not mapping.refusals:
        lines.append(
            "  no column is the id (--id): ids are made of the posts' contents, the same in every "
            "order and whatever is added"
        )
    return lines


def _choose_transform(arguments: argparse.Namespace, mapping: Mapping) -> str:
    return arguments.target_transform or ("log2p1" if mapping.counts else "none")


def _describe_target(arguments: argparse.Namespace, mapping: Mapping) -> str:
    """How the target is learned, where it is not as it is; a line or nothing."""
    if _choose_transform(arguments, mapping) == "log2p1":
        why = "looks like raw counts: it " if mapping.counts else ""
        return f"  the target {why}is learned as log2(x + 1) (data.target_transform: log2p1)\n"
    if mapping.negatives and arguments.target_transform is None:
        return (
            f"  the target looks like raw counts, but {mapping.negatives:,} "
            f"{'is' if mapping.negatives == 1 else 'are'} negative: it is "
            "learned as it is (none), so that the largest weigh most; if they stand for a missing "
            "value, leave those cells empty and rerun\n"
        )
    return ""


def _make_block(
    arguments: argparse.Namespace, mapping: Mapping, place: Path, images: Path | None
) -> dict[str, Any]:
    """The new values of the data block."""
    return {
        "source": "table",
        "root": place.as_posix(),
        "target_transform": _choose_transform(arguments, mapping),
        "table": {
            "file": arguments.file.name,
            "encoding": arguments.encoding,
            "images": _name_images(images, place) if images else None,
            "columns": mapping.columns,
        },
    }


def _name_images(images: Path, place: Path) -> str | None:
    """Where images will lie in their place; null where that is the place itself."""
    if not _is_below(images, place):
        return images.name
    inside = images.resolve().relative_to(place.resolve()).as_posix()
    return None if inside == "." else inside


def _is_below(path: Path, folder: Path) -> bool:
    """Whether it lies in a folder, or is the folder itself."""
    return path.resolve().is_relative_to(folder.resolve())


def _try_reading(
    arguments: argparse.Namespace, document: Any, mapping: Mapping
) -> tuple[Posts, str, str]:
    """The posts as ingest will read them, but for where their images lie, and how they are split.

    That is a protocol, and why it is not the usual one.

    Raises:
        InputError: whatever would stop the run.
    """
    settings = params_file.read(document)
    data = settings.data
    posts = TableFile(data).load(arguments.file.resolve().parent, with_images=False)
    labelled = ingest.transform_target(posts.table, posts.findings, data)
    schema.validate(labelled)
    protocol, parts, why = _choose_protocol(labelled, settings.split, mapping)
    if mapping.columns["split"] is None:
        ingest.note_share(parts, posts.findings, settings.split)
    return posts, protocol, why


def _choose_protocol(
    table: pa.Table, split: params.SplitParams, mapping: Mapping
) -> tuple[str, pa.Table, str]:
    """The first protocol that the posts allow, the posts by it, and what is against the usual one.

    Raises:
        InputError: none does.
    """
    others = ["user", "random"] if mapping.columns["user"] else ["random"]
    problems = []
    for protocol in [split.protocol, *others]:
        try:
            parts = ingest.split_posts(table, split.model_copy(update={"protocol": protocol}))
        except InputError as error:
            problems.append(error)
        else:
            return protocol, parts, str(problems[0]) if problems else ""
    raise problems[0]


def _describe_hashtags(table: pa.Table, mapping: Mapping) -> list[str]:
    """What becomes of hashtags in titles where no column is the tags."""
    if mapping.columns["tags"] is not None:
        return []
    count = pc.sum(pc.match_substring_regex(table["title"], HASHTAG)).as_py() or 0
    if not count:
        return []
    hold = "title holds" if count == 1 else "titles hold"
    return [
        f"  {count:,} {hold} hashtags: they are read and counted as part of the title; what "
        "is computed of a column of tags alone is missing"
    ]


def _describe_posts(posts: Posts, more: list[str]) -> list[str]:
    """Some posts as they are read, and what reading decided."""
    lines = ["", f"the first {min(SHOWN_POSTS, len(posts.table))} posts as they are read:"]
    for row in posts.table.slice(0, SHOWN_POSTS).to_pylist():
        cells = [
            f"{_name(name)}={_shorten(value)}"
            for name, value in row.items()
            if value is not None and value != []
        ]
        lines.append(f"  {' | '.join(cells)}")
    notes = sorted(posts.findings.notes, key=lambda note: note.became == READ)
    lines += ["", *more, *(f"  {note.describe(posts.findings.unit)}" for note in notes)]
    return lines


def _name(column: str) -> str:
    return column.removeprefix(OWN_NUMBER_PREFIX).removeprefix(CATEGORY_PREFIX)


def _shorten(value: Any) -> str:
    text = (
        " ".join(value)
        if isinstance(value, list)
        else _write_number(value)
        if isinstance(value, float)
        else str(value)
    )
    text = " ".join(text.split())
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "..."


def _write_number(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() else f"{value:.6g}"


def _confirm() -> bool:
    """Whether the user says yes; without a terminal nobody can."""
    if not sys.stdin.isatty():
        raise InputError("no terminal to ask on; --yes writes params.yaml without asking")
    return input("write params.yaml and put the data under DVC? [Y/n] ").strip().lower() in (
        *("", "y", "yes"),
    )


def _put(file: Path, images: Path | None, place: Path) -> None:
    """Copy the data to their place, whole or not at all, and have DVC track them.

    What is in its place already stays as it is.

    Raises:
        InputError: DVC says why not, or other images have the place of these.
    """
    new: Path | None = None
    if not ((place / file.name).is_file() and (place / file.name).samefile(file)):
        new = None if place.exists() else place
        with files.replacing_folder(place) as folder:
            if images is not None:
                _copy(images, folder / (_name_images(images, place) or "."))
            # Last, as images that are the place itself hold what was there before.
            shutil.copy2(file, folder / file.name)
    elif images is not None and not _is_below(images, place):
        new = place / images.name
        if new.exists():
            raise InputError(f"{new}: is there already; name it with --images, or take it away")
        _copy(images, new)
    try:
        track(place)
    except InputError:
        if new is not None:
            _remove(new)
        raise


def _copy(images: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if images.is_dir():
        shutil.copytree(images, target, dirs_exist_ok=True)
    else:
        shutil.copy2(images, target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


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


def _find_only_table(folder: Path, absent: list[str]) -> Path:
    """The one file in a folder that can hold posts.

    Raises:
        InputError: there is none, or more than one.
    """
    files_in_it = [path for path in sorted(folder.iterdir()) if path.is_file()]
    tables = [path for path in files_in_it if path.name.lower().endswith(TABLE_SUFFIXES)]
    if len(tables) == 1:
        return tables[0]
    challenge = f"as a folder of the challenge it lacks files for {', '.join(absent)}"
    if not tables:
        raise InputError(f"{folder}: no file in it can hold your posts; {challenge}")
    names = ", ".join(path.name for path in tables[:SHOWN_POSTS])
    raise InputError(
        f"{folder}: more than one file in it may hold your posts ({names}); name one, as in "
        f"`fame init {shlex.quote(tables[0].as_posix())}`; {challenge}"
    )


def _set_up_smpd(arguments: argparse.Namespace, found: list[Path]) -> bool:
    """The challenge's folder stays where it is: it is read as it was downloaded."""
    root = arguments.file.resolve()
    place = root.relative_to(Path.cwd()) if root.is_relative_to(Path.cwd()) else root
    print(f"{place}: the challenge's data ({', '.join(p.name for p in found)})")
    proposal = params_file.propose()
    params_file.lay(proposal.document["data"], {"source": "smpd", "root": place.as_posix()})
    for line in proposal.describe():
        print(line)
    if not (arguments.yes or _confirm()):
        return False
    params_file.write(proposal.document)
    print(f"params.yaml reads {place} where it lies. Next: {NEXT}")
    return True
