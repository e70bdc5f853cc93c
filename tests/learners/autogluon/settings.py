"""What makes a learner of the kind quick enough for the tests' 160 training posts."""

QUICK = {
    "models": ["catboost", "lightgbm", "multimodal"],
    "catboost": {"iterations": 60, "learning_rate": 0.2, "depth": 3, "rsm": 1.0},
    "lightgbm": {"num_boost_round": 60, "learning_rate": 0.2, "feature_fraction": 1.0},
    "multimodal": {
        "max_tokens": 8,
        "epochs": 3,
        "learning_rate": 0.003,
        "head_rate_factor": 3.0,
    },
    "threads": 1,
}
# Training that cannot stop early: what is kept does not depend on the posts that it stops on.
ONE_STEP = {}
