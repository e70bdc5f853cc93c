import pytest

from fame.runtime import readable


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0.0000"),
        (1.19612, "1.1961"),
        (-999.12345, "-999.1235"),
        (1000.4, "1,000"),
        (880000.4633, "880,000"),
        (1102911.1091, "1,102,911"),
        (-43214077.2, "-43,214,077"),
    ],
)
def test_a_score_has_four_decimals_and_a_large_one_none(value, shown):
    assert readable.show_number(value) == shown


def test_a_difference_has_its_sign():
    assert readable.show_number(0.01, sign=True) == "+0.0100"
    assert readable.show_number(-222910.6, sign=True) == "-222,911"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (6, "6"),
        (2.68, "2.68"),
        (30744, "30,744"),
        (4.32142e6, "4,321,420"),
        (43214077.0, "43,214,077"),
    ],
)
def test_a_users_number_is_never_written_with_an_exponent(value, shown):
    assert readable.show_value(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(-0.00025, "-0.00025"), (-7.5e-05, "-0.000075"), (0.0031, "+0.0031"), (15432.1, "+15,000")],
)
def test_a_small_change_is_a_plain_decimal(value, shown):
    assert readable.show_change(value) == shown


def test_one_is_no_plural():
    found = [readable.count(number, "post") for number in (0, 1, 2, 2000)]
    assert found == ["0 posts", "1 post", "2 posts", "2,000 posts"]
