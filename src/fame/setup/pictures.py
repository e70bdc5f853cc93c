"""The folder or archive that holds the posts' pictures, and how many of them are there."""

import argparse
from pathlib import Path

from fame.posts.archives import SUFFIXES, is_archive
from fame.posts.sources.images import count_found, is_image
from fame.posts.sources.table_files import Cells
from fame.posts.sources.table_lists import read_paths
from fame.runtime.errors import InputError
from fame.setup.mapping import Mapping

MOST_MISSING = 0.5  # of the listed images


def find_images(arguments: argparse.Namespace) -> Path | None:
    """The folder or archive of the images, as given or beside the file.

    Raises:
        InputError: what was given is not there, or holds the project that it would be copied to.
    """
    images: Path | None = arguments.images
    if images is None:
        return _find_images_beside(arguments.file)
    if not images.is_dir() and not (images.is_file() and is_archive(images)):
        raise InputError(
            f"{images}: no folder and no archive of images; allowed: a folder, or a file that ends "
            f"with {', '.join(SUFFIXES)}"
        )
    if Path.cwd().is_relative_to(images.resolve()):
        raise InputError(
            f"{images}: holds the project, into which images are copied; --images names a folder "
            "of images alone"
        )
    if images.is_dir():
        inside = _take_some(images)
        archives = [path for path in inside if path.is_file() and is_archive(path)]
        if len(inside) == len(archives) == 1:
            return archives[0]
    return images


def _find_images_beside(file: Path) -> Path | None:
    """A folder or archive with images beside the file, if there is just one."""
    found = []
    for path in sorted(file.resolve().parent.iterdir()):
        is_folder = path.is_dir() and any(is_image(child.name) for child in _take_some(path))
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


def choose_images(
    arguments: argparse.Namespace, cells: Cells, mapping: Mapping, images: Path | None
) -> tuple[Path | None, list[str], float]:
    """The images, how many posts have one, in words, and the share of listed ones that are absent.

    What lies beside the file by chance, and no column names, is left out.

    Raises:
        InputError: a column was named for images that are nowhere, or most of them are absent.
    """
    column = mapping.columns["image"]
    if images is None or column is None:
        if column is not None:
            raise InputError("--image: --images names no folder or archive that holds the images")
        if images is not None:
            print(f"  {images}: left out: no column names its files")
        elif any(is_image(path.name) for path in _take_some(arguments.file.resolve().parent)):
            print(
                f"  pictures beside {arguments.file.name}: left out; in a folder of their own, "
                "beside it or named with --images, they are found"
            )
        return None, [], 0.0
    listed = read_paths(cells.column(column).trial()).to_pylist()
    found, absent, by_name = count_found(listed, images)
    example = f", for instance {absent[0]!r}" if absent else ""
    if not found and not arguments.images and not arguments.image:
        print(
            f"  {images}: left out: none of the listed images is there{example}; "
            "--images names another place"
        )
        mapping.columns["image"] = None
        return None, [], 0.0
    line = f"{found:,} of {len(listed):,} rows have a picture in {images}"
    if absent:
        line += f"; {_count(absent)} listed and not there{example}"
    if by_name:
        line += (
            f"; {_count(by_name)} found by the file's name, not in the listed folder, for "
            f"instance {by_name[0]!r}"
        )
    missing = len(absent) / max(1, found + len(absent))
    if not found or missing > MOST_MISSING:
        raise InputError(
            f"{line}; at most half may be missing: --images names the folder or archive that the "
            "listed paths start from"
        )
    return images, [f"  pictures: {line}"], missing


def _count(paths: list[str]) -> str:
    return f"{len(paths):,} {'is' if len(paths) == 1 else 'are'}"
