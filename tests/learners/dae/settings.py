"""What makes a learner of the kind quick enough for the tests' 160 training posts."""

QUICK = {
    "encoded_width": 16,
    "phase_1": {"epochs": 6, "batch_size": 32, "learning_rate": 0.005},
    "phase_2": {"epochs": 60, "learning_rate": 0.01},
    "threads": 1,
}
# Training that cannot stop early: what is kept does not depend on the posts that it stops on.
ONE_STEP = {"phase_1": {"epochs": 1}, "phase_2": {"epochs": 1}}
