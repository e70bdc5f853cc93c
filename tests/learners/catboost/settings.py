"""What makes a learner of the kind quick enough for the tests' 160 training posts."""

QUICK = {"iterations": 60, "learning_rate": 0.2, "depth": 3, "rsm": 1.0, "threads": 1}
# Training that cannot stop early: what is kept does not depend on the posts that it stops on.
ONE_STEP = {"iterations": 1}
