"""What makes a learner of the kind quick enough for the tests' 160 training posts."""

QUICK = {
    "plain_blocks": ["char_ngrams", "glove", "efficientnet"],
    "clip": 4.0,
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
