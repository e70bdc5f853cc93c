import pyarrow as pa
import pytest

from fame.posts import schema
from fame.posts.contract import ASSIGNED, POSTS
from fame.runtime.errors import InputError


def make_posts(**columns):
    columns = {"post_id": ["1", "2", "3"], "popularity": [1.0, 2.5, None]} | columns
    own = {name: columns.pop(name) for name in list(columns) if name.startswith("own_")}
    split = {"split": pa.array(columns.pop("split"), pa.string())} if "split" in columns else {}
    table = {
        field.name: pa.array(columns.pop(field.name, [None] * 3), field.type)
        for field in POSTS
        if field.name not in ASSIGNED
    }
    own = {name: pa.array(values, pa.float64()) for name, values in own.items()}
    return pa.table(table | split | own)


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"split": ["fit", "holdout", "challenge"]},
        {"own_price": [1.0, None, -3.0]},
        {"title": ["\x00\u202e", "x" * 10_000, "🦊"], "tags": [[], ["a"], None]},
        {"popularity": [-4.0, 2.0, 3.0]},
    ],
)
def test_posts_of_the_schema_pass(columns):
    schema.validate(make_posts(**columns))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"post_id": ["1", "2", "1"]}, "post_id '1' stands in 2 posts; ids are unique"),
        ({"post_id": ["1", None, "3"]}, "post None: post_id is None, allowed: a value"),
        ({"post_id": ["1", "", "3"]}, "allowed: an id of at least one character"),
        (
            {"latitude": [0.0, 90.5, None]},
            "post '2': latitude is 90.5, allowed: degrees",
        ),
        ({"longitude": [-181.0, 0.0, None]}, "longitude is -181.0"),
        ({"popularity": [1.0, float("inf"), None]}, "popularity is inf, allowed: a finite number"),
        ({"is_pro": [0.0, 1.0, 0.5]}, "is_pro is 0.5, allowed: 0 or 1"),
        ({"profile_followers": [None, -1.0, 0.0]}, "profile_followers is -1.0, allowed: .*>= 0"),
        ({"own_price": [1.0, float("inf"), 0.0]}, "own_price is inf"),
        ({"utc_offset_minutes": [0.0, 0.0, 900.0]}, "minutes in -840 .. 840"),
        ({"popularity": [None, None, None]}, "no post has a label"),
        ({"split": ["fit", "holdout", "test"]}, "split is 'test', allowed: one of fit, holdout"),
        (
            {"split": ["fit", "challenge", "challenge"]},
            "split challenge has label 2.5, allowed: none",
        ),
        ({"split": ["fit", "fit", "holdout"]}, "split holdout has no label, allowed: a number"),
    ],
)
def test_bad_posts_are_refused_by_name(columns, message):
    with pytest.raises(InputError, match=message):
        schema.validate(make_posts(**columns))


def test_a_wrong_type_is_refused():
    posts = make_posts()
    posts = posts.set_column(0, "post_id", pa.array([1, 2, 3]))
    with pytest.raises(InputError, match="columns post_id are not those of the posts table"):
        schema.validate(posts)


def test_an_empty_source_is_refused():
    with pytest.raises(InputError, match="holds no post"):
        schema.validate(make_posts().slice(0, 0))
