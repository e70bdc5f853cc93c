"""params.yaml as `fame init` fills it in: the profile for own posts, then the data."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedSeq

from fame import params
from fame.runtime import files
from fame.variants import profile

PARAMS = Path("params.yaml")
PROFILE = "posts"
# What depends on the posts, as params.yaml comes. What was chosen for another file would be wrong
# for this one and nobody would see it: a target learned as a logarithm twice, say.
BY_FILE: dict[tuple[str, ...], Any] = {
    ("data", "target_transform"): "none",
    ("data", "max_unreadable_fraction"): 0.05,
    ("data", "table", "encoding"): None,
    ("data", "table", "tag_separator"): None,
    ("split", "protocol"): "chronological",
}


@dataclass(frozen=True)
class Proposal:
    """params.yaml as it is to become.

    Attributes:
        document: the whole of it.
        before: keys of BY_FILE -> their values until now.
    """

    document: Any
    before: dict[tuple[str, ...], Any]

    def describe(self) -> list[str]:
        """What goes back to the value that params.yaml comes with."""
        return [
            f"  {'.'.join(key)} becomes {'null' if default is None else default} again, "
            f"it was {self.before[key]}"
            for key, default in BY_FILE.items()
            if _find(self.document, key)[key[-1]] == default != self.before[key]
        ]


def propose() -> Proposal:
    """The profile laid over params.yaml but for its data, and BY_FILE set anew; nothing is written.

    Raises:
        InputError: params.yaml has changes that git lacks, or is not valid.
    """
    document = profile.make_yaml().load(profile.propose(PROFILE, skipped=["data"])[1])
    before = {key: _find(document, key)[key[-1]] for key in BY_FILE}
    for key, default in BY_FILE.items():
        if before[key] != default:
            _find(document, key)[key[-1]] = default
    return Proposal(document, before)


def _find(document: Any, key: tuple[str, ...]) -> Any:
    """The block that holds a key."""
    for name in key[:-1]:
        document = document[name]
    return document


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
