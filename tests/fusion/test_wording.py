"""What was learned to fuse with is told in plain words."""

from fame.fusion.combination import IDENTITY, Combination
from fame.fusion.wording import describe_learned

UNEVEN = {"dae": 0.25, "catboost": 0.75, "ridge": 0.0}
EVEN = dict.fromkeys(("dae", "catboost"), 0.5)


def make(known, new=None, line=IDENTITY, of_new=None):
    return Combination(
        {"known": known, "new": new or known}, {"known": line, "new": of_new or line}
    )


def test_even_weights_are_explained():
    assert describe_learned(make(EVEN), "mae") == [
        "learned weights: even, 0.50 each: no uneven ones improve the MAE by 1% out of fold"
    ]
    assert "the SRC by 1%" in describe_learned(make(EVEN), "src")[0]


def test_of_one_learner_the_weight_is_no_choice():
    assert describe_learned(make({"dae": 1.0}), "mae") == [
        "learned weights: dae 1.00; best MAE out of fold"
    ]


def test_a_learner_without_a_weight_and_a_line_are_told():
    assert describe_learned(make(UNEVEN, line=(-1.414, 1.357)), "mae") == [
        "learned weights: dae 0.25, catboost 0.75, ridge 0.00; best MAE out of fold",
        "then a straight line, fitted out of fold: prediction = -1.414 + 1.357 * weighted mean",
        "weight 0: ridge; more would only make it worse out of fold",
    ]


def test_known_and_new_authors_are_told_apart_where_they_differ():
    other = {"dae": 0.5, "catboost": 0.25, "ridge": 0.25}
    assert describe_learned(make(UNEVEN, other), "mae") == [
        "learned weights for known authors: dae 0.25, catboost 0.75, ridge 0.00; "
        "best MAE out of fold",
        "learned weights for new authors: dae 0.50, catboost 0.25, ridge 0.25; "
        "best MAE out of fold",
    ]
    lines = describe_learned(make(EVEN, of_new=(1.0, 0.5)), "mae")
    assert [line.partition(":")[0] for line in lines] == [
        "learned weights for known authors",
        "learned weights for new authors",
        "then a straight line for new authors, fitted out of fold",
    ]
