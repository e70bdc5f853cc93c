"""What holds for every encoder that remembers posts."""

from fame.features.encoding import encode
from fame.runtime import files


def check_that_it_loads_as_it_was_saved(make_encoder, posts, folder):
    encoder = make_encoder()
    block = encode(encoder, posts)
    encoder.save(folder)
    loaded = make_encoder()
    loaded.load(folder)
    again = loaded.transform(posts)
    assert again.values.tobytes() == block.values.tobytes()
    assert again.notes == block.notes
    (folder / "again").mkdir()
    loaded.save(folder / "again")
    for path in (folder / "again").iterdir():
        assert path.read_bytes() == (folder / path.name).read_bytes()


def check_that_posts_of_a_file_mean_the_same(make_encoder, posts, folder):
    """Parquet gives timestamps back in milliseconds."""
    files.write_table(folder / "posts.parquet", posts)
    read = files.read_table(folder / "posts.parquet")
    values = encode(make_encoder(), posts).values
    assert encode(make_encoder(), read).values.tobytes() == values.tobytes()
