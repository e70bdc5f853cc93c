"""What is proposed for exports as platforms write them, and what stays out."""

from pathlib import Path

import pandas as pd
import pytest
from tests.posts.exports import EXPORTS

from fame.posts.sources.table_files import read_cells
from fame.setup.mapping import propose


def propose_for(folder, frame, given=None, images=None, time_format=None):
    frame.to_csv(folder / "posts.csv", index=False)
    return propose(read_cells(folder / "posts.csv", None), given or {}, images, time_format)


def make_frame(**columns):
    base = {"id": [f"p{i}" for i in range(40)], "likes": [i % 7 for i in range(40)]}
    return pd.DataFrame(base | columns)


@pytest.mark.parametrize("name", EXPORTS)
def test_each_export_is_mapped(tmp_path, name):
    make, expected = EXPORTS[name]
    mapping = propose(read_cells(make(tmp_path), None), {}, None, None)
    assert {key: mapping.columns[key] for key in expected} == expected
    assert mapping.refusals == []
    assert mapping.counts
    used = {
        name
        for value in expected.values()
        for name in ([value] if isinstance(value, str) else value or [])
    }
    assert set(mapping.reasons) == used


def test_outcomes_and_copies_of_the_target_are_left_out_as_leaks(tmp_path):
    frame = make_frame(
        comments=range(40),
        user_likes=[(i * 17) % 40 for i in range(40)],
        fame=[(i % 7) * 2.5 for i in range(40)],
        updated_at=["2022-01-01"] * 20 + ["2022-01-02"] * 20,
    )
    mapping = propose_for(tmp_path, frame)
    assert mapping.columns["numeric"] == ["user_likes"]
    assert mapping.columns["target"] == "likes"
    for name in ("comments", "fame", "updated_at"):
        assert mapping.left_out[name].endswith("a leak")


def test_an_id_and_a_time_of_unknown_names_are_told_by_their_cells(tmp_path):
    days = [f"{1 + i % 28:02d}.{1 + i // 28:02d}.2023 08:15" for i in range(40)]
    frame = pd.DataFrame({"Beitrag": [f"{i:04d}" for i in range(40)], "ganz neu": days})
    frame["likes"] = [(i * 17) % 39 for i in range(40)]
    mapping = propose_for(tmp_path, frame)
    assert mapping.refusals == []
    assert (mapping.columns["id"], mapping.columns["time"]) == ("Beitrag", "ganz neu")


def test_what_the_user_names_is_taken(tmp_path):
    frame = make_frame(comments=range(40), place=["a", "b"] * 20)
    given = {"target": "comments", "categories": ["place"], "numeric": []}
    mapping = propose_for(tmp_path, frame, given)
    assert mapping.columns["target"] == "comments"
    assert mapping.columns["categories"] == ["place"]
    assert "likes" in mapping.left_out


def test_no_id_and_no_target_are_asked_for_together(tmp_path):
    frame = pd.DataFrame({"a": ["x", "x", "y"], "b": [1, 2, 3], "c": [3, 1, 2]})
    mapping = propose_for(tmp_path, frame)
    assert ["--id" in mapping.refusals[0], "--target" in mapping.refusals[1]] == [True, True]


def test_names_of_other_languages_are_known(tmp_path):
    frame = pd.DataFrame(
        {
            "Beitrags-ID": [f"p{i}" for i in range(40)],
            "Seitenname": ["Café", "Kino"] * 20,
            "Nachricht": [f"Grüße {i}" for i in range(40)],
            "Veröffentlicht": [f"2022-01-{i % 28 + 1:02d}" for i in range(40)],
            "Fans": [i * 7 % 40 for i in range(40)],
            "Reaktionen": [i * 3 % 40 for i in range(40)],
            "Geteilt": [i * 11 % 40 for i in range(40)],
            "Commentaires": [i * 13 % 40 for i in range(40)],
        }
    )
    mapping = propose_for(tmp_path, frame)
    keys = {key: mapping.columns[key] for key in ("id", "user", "title", "time", "target")}
    assert list(keys.values()) == [*frame.columns[:4], "Reaktionen"]
    assert mapping.columns["numeric"] == ["Fans"]
    assert set(mapping.left_out) == {"Geteilt", "Commentaires"}


@pytest.mark.parametrize(
    "name",
    [
        *("Total clicks", "New follows", "Profile visits", "Detail Expands", "Watch time (hours)"),
        *("Estimated revenue (EUR)", "Subscribers gained", "Engagements", "Interactions"),
        *("Average percentage viewed (%)", "Impressions", "Reach", "Engagement rate"),
        *("Total views", "user profile clicks", "app opens", "upvote ratio"),
        *("Geteilte Inhalte", "Gespeichert", "Linkklicks", "Enregistrements", "Couverture"),
        *("Veces que se ha guardado", "Interacciones", "Salvataggi", "Impressões", "Weergaven"),
        *("Reacties", "Yorum sayısı", "Erişim", "Polubienia", "Liczba komentarzy", "Zasięg"),
    ],
)
def test_what_programs_count_for_a_post_is_a_leak(tmp_path, name):
    mapping = propose_for(tmp_path, make_frame(**{name: [i * 17 % 40 + 1 for i in range(40)]}))
    assert mapping.columns["target"] == "likes"
    assert mapping.left_out[name].endswith("a leak")


def test_followers_beside_times_of_watching_are_a_leak(tmp_path):
    numbers = {"Subscribers": range(3, 43), "Watch time (hours)": [i * 7 % 40 for i in range(40)]}
    frame = make_frame(**numbers)
    assert propose_for(tmp_path, frame).left_out["Subscribers"].endswith("a leak")
    frame["author"] = [f"a{i % 9}" for i in range(40)]
    assert propose_for(tmp_path, frame).columns["numeric"] == ["Subscribers"]


def test_an_account_without_followers_is_no_leak(tmp_path):
    frame = make_frame(Followers=[i * 17 % 40 for i in range(40)])
    assert propose_for(tmp_path, frame).columns["numeric"] == ["Followers"]


@pytest.mark.parametrize(
    ("least", "authors", "is_known"), [(1, 1, True), (0, 9, True), (0, 1, False), (-1, 9, False)]
)
def test_followers_that_a_post_brought_are_a_leak(tmp_path, least, authors, is_known):
    frame = make_frame(Subscribers=[i * 17 % 10 + least for i in range(40)])
    if authors > 1:
        frame["author"] = [f"a{i % authors}" for i in range(40)]
    mapping = propose_for(tmp_path, frame)
    assert (mapping.columns["numeric"] == ["Subscribers"]) is is_known
    assert mapping.left_out.get("Subscribers", "a leak").endswith("a leak")


@pytest.mark.parametrize(
    "name", ["likesCount", "Total likes", "Number of likes", "Like", "stats.views"]
)
def test_a_count_of_likes_is_the_target(tmp_path, name):
    frame = make_frame(commentsCount=range(40)).rename(columns={"likes": name})
    assert propose_for(tmp_path, frame).columns["target"] == name


def test_a_title_is_told_by_its_last_word_or_by_sentences(tmp_path):
    sentences = [f"a day at sea {i}" for i in range(40)]
    codes = [f"word{i}" for i in range(40)]
    for name in ("Video title", "Post", "Texte de la publication", "Treść posta"):
        frame = make_frame(**{name: sentences, "x": codes, "Top comment": sentences})
        assert propose_for(tmp_path, frame).columns["title"] == name
    frame = make_frame(
        a=sentences, b=sentences, c=[f'[{{"text": "a b c {i}"}}]' for i in range(40)]
    )
    assert propose_for(tmp_path, frame).columns["title"] is None


def test_of_two_titles_the_one_that_few_posts_have_is_left_out(tmp_path):
    sentences = [f"a day at sea {i}" for i in range(40)]
    frame = make_frame(title=[*sentences[:9], *[""] * 31], description=sentences)
    mapping = propose_for(tmp_path, frame)
    assert mapping.columns["title"] == "description"
    assert mapping.left_out == {"title": "another column is the title (--title)"}


def test_what_is_asked_for_says_what_was_found(tmp_path):
    ids, texts = [f"p{i // 2}" for i in range(40)], ["low", "high"] * 20
    frame = make_frame(id=ids, likes=texts, url2=[f"u{i}" for i in range(40)])
    by_id, by_target = propose_for(tmp_path, frame).refusals
    assert by_id == (
        "id is no id: 20 different cells in 40 rows; name one in which no two posts have the "
        "same: --id COLUMN, one of url2, or add one that numbers the posts"
    )
    assert by_target == (
        "likes is no target: it holds texts ('low', 'high'); name the number to predict: "
        "--target COLUMN; no other column holds numbers"
    )


def test_a_split_in_other_words_is_no_category(tmp_path):
    frame = make_frame(part=["Train", "test"] * 20)
    mapping = propose_for(tmp_path, frame)
    assert (mapping.columns["split"], mapping.columns["categories"]) == ("part", [])


def test_an_address_is_an_id_where_there_is_no_other(tmp_path):
    frame = make_frame(url=[f"https://a.example/{i}" for i in range(40)]).drop(columns="id")
    assert propose_for(tmp_path, frame).columns["id"] == "url"


def test_a_target_that_is_named_is_looked_at_too(tmp_path):
    frame = make_frame(saves=[int(1.2**i) for i in range(40)])
    assert propose_for(tmp_path, frame, {"target": "saves"}).counts
    frame["saves"] = frame["saves"] / 170.5
    assert not propose_for(tmp_path, frame, {"target": "saves"}).counts


@pytest.mark.parametrize("missing", ["n.a.", "k.A.", ""])
def test_counts_with_dots_are_counts_beside_words_with_dots(tmp_path, missing):
    frame = make_frame(likes=[missing, "1.301", *(str(int(1.2**i)) for i in range(38))])
    assert propose_for(tmp_path, frame).counts


@pytest.mark.parametrize("others", [{}, {"followers": range(40), "published_year": [1, 2] * 20}])
def test_a_number_of_any_name_is_no_target(tmp_path, others):
    frame = make_frame(**others).rename(columns={"likes": "y"})
    assert propose_for(tmp_path, frame).columns["target"] is None


def test_numbers_among_words_for_missing_are_numbers(tmp_path):
    frame = make_frame(followers=["1,741", "N/A", "12.5%", "1.2K", "-"] * 8)
    assert propose_for(tmp_path, frame).columns["numeric"] == ["followers"]


@pytest.mark.parametrize("words", [("ja", "nein"), ("oui", "non"), ("sí", "no"), ("да", "нет")])
def test_yes_and_no_of_other_languages_are_numbers(tmp_path, words):
    frame = make_frame(sponsored=[*words] * 20)
    assert propose_for(tmp_path, frame).columns["numeric"] == ["sponsored"]


@pytest.mark.parametrize("name", ["lang", "Sprache", "post language", "code"])
@pytest.mark.parametrize("code", ["no", "ja", "si"])
def test_codes_of_languages_are_categories(tmp_path, name, code):
    mapping = propose_for(tmp_path, make_frame(**{name: [code] * 39 + ["sv"]}))
    assert (mapping.columns["categories"], mapping.columns["numeric"]) == ([name], [])


def test_numbers_are_numbers_whatever_their_name(tmp_path):
    frame = make_frame(land=[i * 37 % 40 for i in range(40)])
    assert propose_for(tmp_path, frame).columns["numeric"] == ["land"]


def test_nobody_is_not_counted_among_the_authors(tmp_path):
    frame = make_frame(author=["ann", "bob", "anonymous", "nil"] * 10)
    assert "2 different ones" in propose_for(tmp_path, frame).reasons["author"]


def test_what_could_be_mistaken_is_said(tmp_path):
    frame = make_frame(
        size=["S", "38", "40", "42"] * 10,
        posted_at=["01012022", "25122022"] * 20,
        author=[f"name {i}" for i in range(40)],
    )
    mapping = propose_for(tmp_path, frame)
    assert mapping.reasons["size"] == "a category of 4 different texts, most of them numbers"
    assert "no form that is known" in mapping.left_out["posted_at"]
    assert mapping.left_out["author"] == "no two posts have the same author"


def test_a_name_of_several_columns_is_left_out(tmp_path):
    (tmp_path / "posts.csv").write_text(
        "id,likes,x,x\n" + "".join(f"p{i},{i},1,2\n" for i in range(9))
    )
    mapping = propose(read_cells(tmp_path / "posts.csv", None), {}, None, None)
    assert mapping.left_out == {"x": "several columns have this name"}


@pytest.mark.parametrize("name", ["id", "x"])
def test_pictures_may_have_the_ids_as_names(tmp_path, name):
    pictures = tmp_path / "pics"
    pictures.mkdir()
    for i in range(40):
        (pictures / f"p{i}.jpg").write_bytes(b"picture")
    mapping = propose_for(tmp_path, make_frame().rename(columns={"id": name}), images=pictures)
    assert (mapping.columns["id"], mapping.columns["image"]) == (name, name)


def test_an_order_of_day_and_month_that_nothing_tells_is_asked_for(tmp_path):
    frame = make_frame(date=["03/04/2022", "05/06/2022"] * 20)
    assert "--time-format" in propose_for(tmp_path, frame).refusals[0]
    mapping = propose_for(tmp_path, frame, time_format="day first")
    assert mapping.refusals == []
    assert mapping.columns["time"] == "date"
    assert mapping.columns["time_format"] == "day first"


def test_images_are_mapped_only_where_there_are_some(tmp_path):
    frame = make_frame(picture=[f"{i}.JPG" for i in range(40)])
    assert propose_for(tmp_path, frame).columns["image"] is None
    assert propose_for(tmp_path, frame, images=Path("pics")).columns["image"] == "picture"


def test_empty_constant_and_counting_columns_are_left_out(tmp_path):
    frame = make_frame(nothing=None, same="x", size=[i * i % 11 for i in range(40)])
    frame.insert(0, "", range(40))
    mapping = propose_for(tmp_path, frame)
    assert mapping.columns["numeric"] == ["size"]
    assert set(mapping.left_out) == {"nothing", "same", "column 1"}


def test_objects_are_no_categories_and_those_of_others_are_leaks(tmp_path):
    frame = make_frame(
        comments=["[]", '[{"text": "nice"}]'] * 20,
        place=['{"city": "Rome"}', '{"city": "Bern"}'] * 20,
        genres=['["a", "b"]', '["c"]'] * 20,
    )
    mapping = propose_for(tmp_path, frame)
    assert mapping.columns["categories"] == ["genres"]
    assert mapping.left_out["comments"].endswith("a leak")
    assert "objects" in mapping.left_out["place"]


def test_a_category_that_names_the_author_once_more_is_left_out(tmp_path):
    """It would tell of the posts whose author is hidden, and of no new author anything."""
    authors = [f"user{i % 5}" for i in range(40)]
    frame = make_frame(
        author=authors,
        nickname=[name.upper() for name in authors],
        kind=["ab"[i % 2] for i in range(40)],
        city=["Rome" if i % 5 < 2 else "Bern" for i in range(40)],
        mood=[f"mood{(i + i // 5) % 5}" for i in range(40)],
    )
    mapping = propose_for(tmp_path, frame, {"user": "author"})
    assert mapping.columns["categories"] == ["city", "kind", "mood"]
    assert "says who the author is" in mapping.left_out["nickname"]


def test_ids_of_categories_are_categories_and_other_ids_are_none(tmp_path):
    frame = make_frame(
        category_id=[10 + i % 4 for i in range(40)],
        id_str=[900 + i for i in range(40)],
        place_id=[i % 4 for i in range(40)],
        topic_id=[i * 7 % 39 for i in range(40)],
    )
    mapping = propose_for(tmp_path, frame)
    assert mapping.columns["categories"] == ["category_id"]
    for name in ("id_str", "place_id", "topic_id"):
        assert mapping.left_out[name] == "an id, no quantity"


@pytest.mark.parametrize(
    "name",
    [
        "Lifetime Engaged Users",
        "Lifetime People who have liked your Page and engaged with your post",
        "Lifetime Post Consumers",
    ],
)
def test_measures_of_a_lifetime_are_counted_after_the_post(tmp_path, name):
    mapping = propose_for(tmp_path, make_frame(**{name: [i * 17 % 39 for i in range(40)]}))
    assert mapping.left_out[name].endswith("a leak")


@pytest.mark.parametrize("name", ["date_unixtime", "created_timestamp", "post created time"])
def test_a_second_form_of_the_time_is_no_number(tmp_path, name):
    days = [f"2023-{1 + i % 12:02d}-{1 + i % 28:02d} 0{i % 9}:15" for i in range(40)]
    cells = [1_700_000_000 + 997 * i for i in range(40)]
    clocks = [f"{i % 24:02d}:{i:02d}:00" for i in range(40)]
    frame = make_frame(posted_at=days, **{name: clocks if name.endswith(" time") else cells})
    mapping = propose_for(tmp_path, frame)
    assert mapping.columns["time"] == "posted_at"
    assert "another form of a time" in mapping.left_out[name]


@pytest.mark.parametrize("name", ["first comment", "reply", "boosts", "reblogs_count", "评论数"])
def test_what_others_write_and_count_is_left_out(tmp_path, name):
    is_text = name in ("first comment", "reply")
    cells = [["nice", "wow"][i % 2] if is_text else i * 17 % 39 for i in range(40)]
    assert propose_for(tmp_path, make_frame(**{name: cells})).left_out[name].endswith("a leak")


def test_a_chinese_export_is_mapped(tmp_path):
    count = range(40)
    frame = pd.DataFrame(
        {
            "id": [f"49{i:04d}" for i in count],
            "用户昵称": [f"用户{i % 5}" for i in count],
            "微博正文": [f"今天天气很好{i}" for i in count],
            "话题": ["旅行,美食" if i % 2 else "旅行" for i in count],
            "发布时间": [f"2024-03-{1 + i % 28:02d} 08:15" for i in count],
            "点赞数": [i**3 for i in count],
            "转发数": [i * 17 % 39 for i in count],
        }
    )
    mapping = propose_for(tmp_path, frame)
    chosen = {key: mapping.columns[key] for key in ("user", "title", "tags", "time", "target")}
    assert list(chosen.values()) == ["用户昵称", "微博正文", "话题", "发布时间", "点赞数"]
    assert mapping.left_out["转发数"].endswith("a leak")


def test_a_file_with_neither_id_nor_target_asks_for_what_is_missing(tmp_path):
    frame = pd.DataFrame({"title": [f"some words of {i}" for i in range(40)]})
    mapping = propose_for(tmp_path, frame)
    assert mapping.columns["id"] is None
    assert len(mapping.refusals) == 1
    assert "--target COLUMN" in mapping.refusals[0]


@pytest.mark.parametrize(
    "name",
    [
        *("Bildunterschrift", "Beitragstext", "Post-Text", "Inhalt", "Post message", "Légende"),
        *("Description de la publication", "Pie de foto", "Contenido", "Didascalia", "Contenuto"),
        *("Legenda", "Conteúdo", "Bijschrift", "Bericht", "Açıklama", "Gönderi", "Treść", "Tytuł"),
    ],
)
def test_a_caption_is_told_by_its_name_in_each_language(tmp_path, name):
    """Beside other sentences, which the name alone tells apart."""
    sentences = [f"a day at sea {i}" for i in range(40)]
    frame = make_frame(**{"x": sentences, name: sentences})
    assert propose_for(tmp_path, frame).columns["title"] == name


def test_columns_of_sentences_are_named_where_no_title_is_found(tmp_path):
    codes = [f"code{i}" for i in range(40)]
    sentences = [f"a day at sea {i % 19}" for i in range(40)]
    mapping = propose_for(tmp_path, make_frame(Copy=sentences, x=codes))
    assert (mapping.columns["title"], mapping.likely_titles) == (None, ["Copy"])
    mapping = propose_for(tmp_path, make_frame(Copy=sentences, x=codes, title=sentences))
    assert mapping.likely_titles == []


def test_tags_are_told_by_their_cells_and_days_are_none(tmp_path):
    cells = [f"#sea{i} #été" for i in range(40)]
    assert propose_for(tmp_path, make_frame(x=cells)).columns["tags"] == "x"
    assert propose_for(tmp_path, make_frame(x=cells, y=cells)).columns["tags"] is None
    mixed = [*cells[:30], *["we are #1 at sea"] * 10]
    assert propose_for(tmp_path, make_frame(x=mixed)).columns["tags"] is None
    days = [f"{1 + i % 28:02d}.03.{20 + i // 28}" for i in range(40)]
    mapping = propose_for(tmp_path, make_frame(Tag=days, Etiquetas=cells))
    assert (mapping.columns["time"], mapping.columns["tags"]) == ("Tag", "Etiquetas")
    assert propose_for(tmp_path, make_frame(Tag=cells)).columns["tags"] == "Tag"


@pytest.mark.parametrize(
    "name", ["ID du compte", "Identificador de la cuenta", "Hesap No", "Identyfikator konta"]
)
def test_numbers_of_accounts_are_no_quantities(tmp_path, name):
    mapping = propose_for(tmp_path, make_frame(**{name: [71_000 + i % 12 for i in range(40)]}))
    assert mapping.columns["numeric"] == []


def test_likes_come_before_views_in_each_language(tmp_path):
    counts = [i * 3 % 40 for i in range(40)]
    for likes, views in (("„Gefällt mir“-Angaben", "Aufrufe"), ("Mentions J’aime", "Vues")):
        frame = make_frame(**{views: counts, likes: counts}).drop(columns="likes")
        assert propose_for(tmp_path, frame).columns["target"] == likes


@pytest.mark.parametrize("cell", ["#{:06x}", "#{:03x}", "#{:08X}", "#{}", "#{0} #{0}"])
def test_colours_and_references_are_no_tags(tmp_path, cell):
    cells = [cell.format(257 * i % 4000) for i in range(40)]
    assert propose_for(tmp_path, make_frame(x=cells)).columns["tags"] is None
    words = [*cells[:10], *["#sea #fade"] * 30]
    assert propose_for(tmp_path, make_frame(x=words)).columns["tags"] == "x"


def test_a_caption_of_hashtags_alone_is_the_title_where_no_other_is(tmp_path):
    frame = make_frame(caption=[f"#sea{i} #été" for i in range(40)])
    mapping = propose_for(tmp_path, frame)
    assert (mapping.columns["title"], mapping.columns["tags"]) == ("caption", None)
    frame["x"] = [f"a day at sea {i}" for i in range(40)]
    for given in ({}, {"title": "x"}):
        mapping = propose_for(tmp_path, frame, given)
        assert (mapping.columns["title"], mapping.columns["tags"]) == ("x", "caption")


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("promoted_yes_no", 2), ("id_verified", 2), ("photo_nr", 7), ("season_no", 30)],
)
def test_numbers_of_few_kinds_are_quantities_whatever_their_name(tmp_path, name, kinds):
    cells = [i * 17 % kinds for i in range(40)]
    assert propose_for(tmp_path, make_frame(**{name: cells})).columns["numeric"] == [name]


def test_numbers_that_tell_posts_apart_are_no_quantities(tmp_path):
    mapping = propose_for(tmp_path, make_frame(order_nr=[i * 17 % 39 + 500 for i in range(40)]))
    assert mapping.left_out["order_nr"] == "an id, no quantity"


def test_lectures_of_a_course_are_known_and_those_of_a_post_a_leak(tmp_path):
    cells = [i * 17 % 39 for i in range(40)]
    mapping = propose_for(tmp_path, make_frame(num_lectures=cells, Lectures=cells))
    assert mapping.columns["numeric"] == ["num_lectures"]
    assert mapping.left_out["Lectures"].endswith("a leak")


def test_a_category_named_tag_is_no_time(tmp_path):
    frame = make_frame(hashtags=["a b", "c"] * 20, tag=["x", "y", "z", "x"] * 10)
    assert propose_for(tmp_path, frame).columns["categories"] == ["tag"]
    frame["tag"] = ["1. Tag", "2. Tag"] * 20
    assert "its name says a time" in propose_for(tmp_path, frame).left_out["tag"]
