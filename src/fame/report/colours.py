"""One colour a model, in every figure: readable on white and on black."""

FAME = "#d1495b"
LABELS = "#808894"  # what was measured, not predicted
MAIN, SECOND = "#2f7fc1", "#d1622b"  # of figures that show one model
# In the order of params.yaml; of the ninth learner on they come again.
LEARNERS = ("#2f7fc1", "#2a9d6f", "#b07d12", "#8a63c9", "#c05c9e", "#4f8f8f", "#9c6b3f", "#6b7fd7")
FUSED = "fame"


def choose(learners: list[str]) -> dict[str, str]:
    """Model -> colour, of the learners and the fusion."""
    own = {name: LEARNERS[place % len(LEARNERS)] for place, name in enumerate(learners)}
    return {FUSED: FAME} | own
