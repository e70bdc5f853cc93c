from fame.runtime.plurals import count


def test_one_is_no_plural():
    found = [count(number, "post") for number in (0, 1, 2, 2000)]
    assert found == ["0 posts", "1 post", "2 posts", "2,000 posts"]
