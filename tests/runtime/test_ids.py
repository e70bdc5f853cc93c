from hypothesis import given
from hypothesis import strategies as st

from fame.runtime import ids

unique_ids = st.lists(st.text(min_size=1).filter(str.isprintable), unique=True)


@given(st.lists(st.integers(0, 10**12), unique=True))
def test_ids_of_digits_are_in_numeric_order(numbers):
    texts = [str(number) for number in numbers]
    assert [int(texts[i]) for i in ids.order(texts)] == sorted(numbers)


@given(unique_ids, st.randoms())
def test_order_and_digest_do_not_depend_on_the_input_order(post_ids, random):
    shuffled = random.sample(post_ids, len(post_ids))
    assert [post_ids[i] for i in ids.order(post_ids)] == [shuffled[i] for i in ids.order(shuffled)]
    assert ids.digest(post_ids) == ids.digest(shuffled)


@given(unique_ids, unique_ids)
def test_digest_tells_sets_of_ids_apart(first, second):
    assert (ids.digest(first) == ids.digest(second)) == (set(first) == set(second))


def test_digest_keeps_ids_apart():
    assert ids.digest(["ab", "c"]) != ids.digest(["a", "bc"])
