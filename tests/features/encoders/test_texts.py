import pyarrow as pa

from fame.features.encoders.texts import join_texts


def test_title_and_tags_are_one_text_in_lower_case():
    posts = pa.table(
        {
            "title": pa.array(["Am Meer", None, "ÜBER", None]),
            "tags": pa.array([["Sun", "sea side"], ["Sun"], [], None], pa.list_(pa.string())),
        }
    )
    assert join_texts(posts) == ["am meer sun sea side", " sun", "über ", " "]
