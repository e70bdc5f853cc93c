"""A block of the kind, which params.yaml lacks, and what makes it quick for 160 training posts."""

BLOCK = {
    "kind": "extratrees",
    "table": "trees",
    "seed": 7,
    "trees": 100,
    "min_posts_in_leaf": 3,
    "column_share": 0.4,
    "threads": 2,
}
QUICK = {"trees": 30, "column_share": 1.0, "threads": 1}
# Nothing stops early anyway.
ONE_STEP = {"trees": 2}
