"""The embedded default: the simulated folder, read as the challenge's, with its known truth."""

from dataclasses import replace
from pathlib import Path

from fame.params import DataParams
from fame.posts.sources.contract import Posts, Source
from fame.posts.sources.smpd import Smpd
from fame.posts.sources.truth import read_truth


class Sample(Source):
    """An SMPD folder that the simulator wrote."""

    def __init__(self, data: DataParams) -> None:
        self._smpd = Smpd(data)

    def load(self, root: Path) -> Posts:
        """The posts of the folder, each with its `simulated_truth`.

        Raises:
            InputError: as `Smpd.load`; or the truth is missing or not that of these posts.
        """
        posts = self._smpd.load(root)
        position = posts.table.schema.get_field_index("simulated_truth")
        field = posts.table.schema.field(position)
        truth = read_truth(root, posts.table["post_id"])
        return replace(posts, table=posts.table.set_column(position, field, truth))
