"""A block of the kind, and what makes it quick for 160 training posts."""

BLOCK = {
    "kind": "ridge",
    "table": "trees",
    "seed": 7,
    "penalties": [1.0, 10.0, 30.0, 100.0, 300.0, 1000.0],
    "clip": 4.0,
    "min_deviation": 0.001,
    "max_values": 30,
    "max_categories": 500,
    "min_posts": 3,
    "level_weight": 2.0,
    "threads": 1,
}
QUICK: dict[str, object] = {}
# One penalty: what is kept does not depend on the posts that choose it.
ONE_STEP = {"penalties": [10.0]}
