"""The languages of the simulated authors."""

import pytest

from fame.simulator.languages import LANGUAGES
from fame.simulator.vocabulary import TOPICS
from fame.simulator.words import TITLE_WORDS


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_language_has_words_for_every_topic_and_no_word_twice(name: str) -> None:
    language = LANGUAGES[name]
    assert len(language.topics) == len(TOPICS)
    longest = TITLE_WORDS[1]
    assert min(len(words) for words in language.topics) >= longest // 2
    assert len(language.fillers) >= longest - longest // 2
    words = [word for topic in language.topics for word in topic] + language.fillers
    assert len(set(words)) == len(words)
    assert all(language.endings)
