"""A block of the kind, which params.yaml lacks, and what makes it quick for 160 training posts."""

BLOCK = {
    "kind": "tabm",
    "table": "trees",
    "seed": 7,
    "plain_blocks": ["char_ngrams", "glove", "efficientnet"],
    "max_categories": 50,
    "min_deviation": 0.001,
    "clip": 4.0,
    "min_values": 3,
    "min_gap_share": 0.005,
    "quantiles": 1000,
    "posts_per_quantile": 30,
    "bins": 16,
    "embedding_width": 8,
    "members": {"from_0": 8, "from_30000": 16},
    "width": {"from_0": 64, "from_30000": 128},
    "blocks": 2,
    "dropout": 0.1,
    "loss": "rmse",
    "stop_on": "rmse",
    "training": {
        "epochs": 60,
        "patience": 6,
        "batch_size": 256,
        "learning_rate": 0.002,
        "optimiser": "adamw",
        "weight_decay": 0.0003,
        "max_gradient_norm": 1.0,
    },
    "threads": 2,
}
QUICK = {
    "members": 4,
    "width": 32,
    "blocks": 1,
    "embedding_width": 4,
    "bins": 8,
    "training": {"epochs": 40, "batch_size": 32, "learning_rate": 0.01},
    "threads": 1,
}
# Training that cannot stop early: what is kept does not depend on the posts that it stops on.
ONE_STEP = {"training": {"epochs": 1}}
