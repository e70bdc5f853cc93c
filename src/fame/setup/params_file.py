"""params.yaml as `fame init` fills it in: the profile for own posts, then the data."""

import io
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedSeq

from fame import params
from fame.runtime import files
from fame.variants import profile

PARAMS = Path("params.yaml")
PROFILE = "posts"


def propose() -> Any:
    """The document with the profile laid over it but for its data; nothing is written.

    Raises:
        InputError: params.yaml has changes that git lacks, or is not valid.
    """
    return profile.make_yaml().load(profile.propose(PROFILE, skipped=["data"])[1])


def lay(place: Any, block: dict[str, Any]) -> None:
    """Put new values in, key by key, so that comments stay."""
    for key, value in block.items():
        if isinstance(value, dict) and isinstance(place.get(key), dict):
            lay(place[key], value)
        else:
            place[key] = _in_line(value) if isinstance(value, list) else value


def read(document: Any) -> params.Params:
    """The parameters that the document holds, but for what only kinds know.

    Raises:
        InputError: names the key.
    """
    return params.check(_dump(document), PARAMS.name, kinds=False)


def write(document: Any) -> None:
    """Replace params.yaml, if the document is valid."""
    read(document)
    files.write_text(PARAMS, _dump(document))


def _dump(document: Any) -> str:
    text = io.StringIO()
    profile.make_yaml().dump(document, text)
    return text.getvalue()


def _in_line(values: list[str]) -> CommentedSeq:
    sequence = CommentedSeq(values)
    sequence.fa.set_flow_style()
    return sequence
