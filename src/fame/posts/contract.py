"""The tables of posts that ingest writes, keyed by post id; rows never vanish or shift."""

import pyarrow as pa

FIT, HOLDOUT, CHALLENGE = "fit", "holdout", "challenge"
SPLITS = (FIT, HOLDOUT, CHALLENGE)

USER_DESCRIPTION_WIDTH = 399
LOCATION_DESCRIPTION_WIDTH = 400

# One row a post. A missing value is null, never 0 or "". Times are UTC.
POSTS = pa.schema(
    [
        pa.field("post_id", pa.string(), nullable=False),
        pa.field("user_id", pa.string()),
        pa.field("split", pa.string(), nullable=False),  # fit, holdout or challenge
        pa.field(
            "fold", pa.int8(), nullable=False
        ),  # 0 .. folds-1 for training posts, -1 elsewhere
        # Training posts that are treated as a new author's; false elsewhere.
        pa.field("author_hidden", pa.bool_(), nullable=False),
        pa.field("popularity", pa.float64()),  # the label; null for challenge posts
        pa.field(
            "simulated_truth", pa.float64()
        ),  # noise-free label of a simulated post, else null
        pa.field("posted_at", pa.timestamp("s", tz="UTC")),
        pa.field("utc_offset_minutes", pa.float32()),  # the poster's time zone
        pa.field("title", pa.string()),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("media_type", pa.string()),
        pa.field("category", pa.string()),
        pa.field("subcategory", pa.string()),
        pa.field("concept", pa.string()),
        pa.field("longitude", pa.float64()),
        pa.field("latitude", pa.float64()),
        pa.field("geo_accuracy", pa.float32()),
        pa.field("photo_count", pa.float64()),
        pa.field("is_pro", pa.float32()),
        pa.field("can_buy_pro", pa.float32()),
        pa.field("first_upload_at", pa.timestamp("s", tz="UTC")),
        pa.field("first_taken_at", pa.timestamp("s", tz="UTC")),
        # The user's totals, crawled after the labels (user_additional).
        pa.field("profile_total_views", pa.float64()),
        pa.field("profile_total_tags", pa.float64()),
        pa.field("profile_total_geotagged", pa.float64()),
        pa.field("profile_total_faves", pa.float64()),
        pa.field("profile_total_in_group", pa.float64()),
        pa.field("profile_photo_count", pa.float64()),
        pa.field("profile_followers", pa.float64()),
        pa.field("profile_following", pa.float64()),
    ]
)
ASSIGNED = ("split", "fold", "author_hidden")  # by ingest, not by a source
# The user's own numeric columns (source: table) follow the schema's columns under this prefix.
OWN_NUMBER_PREFIX = "own_"
# Categories beyond the three of the schema, under this prefix, behind the numbers.
CATEGORY_PREFIX = "category_"

TEXTS = pa.schema([POSTS.field("post_id"), POSTS.field("title"), POSTS.field("tags")])

# Where a post's image lies. `container` is "" for a plain file (then `member` is its path), else
# the path of the zip or tar archive that holds `member`. `digest` is of the file's bytes, so this
# table changes if and only if an image does.
IMAGES = pa.schema(
    [
        pa.field("post_id", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),  # located, or one of the kinds below
        pa.field("container", pa.string()),
        pa.field("member", pa.string()),
        pa.field("digest", pa.string()),
    ]
)

# Both, for a backbone that sees text and image together.
CONTENTS = pa.schema([*TEXTS, *(field for field in IMAGES if field.name != "post_id")])

DESCRIPTIONS = pa.schema(
    [
        pa.field("post_id", pa.string(), nullable=False),
        pa.field("user_description", pa.list_(pa.float32(), USER_DESCRIPTION_WIDTH)),
        pa.field("location_description", pa.list_(pa.float32(), LOCATION_DESCRIPTION_WIDTH)),
    ]
)

LOCATED = "located"
# Status of a row of a feature block, per modality. Anything but OK is a masked (NaN) row.
OK = "ok"
NO_TEXT = "no_text"  # the post has none, or none with a known word
NO_IMAGE = "no_image"  # the source names none: not an error
# An image is named but cannot be read; these count against data.max_unreadable_fraction.
MISSING = "missing"
UNREADABLE = (MISSING, "empty", "truncated", "not_an_image", "bomb", "outside")
