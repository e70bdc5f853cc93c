"""Titles and tags of the simulated posts, and what their words carry."""

from dataclasses import dataclass

import numpy as np

from fame.simulator.languages import LANGUAGES, Language
from fame.simulator.vocabulary import EMOJI, FOREIGN_TITLES, TAG_FILLERS, TOPICS

TITLE_WORDS = (5, 10)  # fewest and most
TAG_WORDS = (5, 30)
MEAN_TAGS = 12
EMPTY_TITLE_FRACTION = 0.02
EMPTY_TAGS_FRACTION = 0.03
FOREIGN_TITLE_FRACTION = 0.01
EMOJI_FRACTION = 0.03
TOPIC_RANGE = 1.7  # a topic's loading lies in -range .. range, evenly spaced over the topics
WORD_SPREAD = 0.3  # standard deviation of a word's loading about its topic's


@dataclass(frozen=True)
class Texts:
    """One entry a post.

    Attributes:
        titles: possibly empty.
        tags: lists of single words, possibly empty.
        loading: (n,) float64, mean loading of the title's words plus that of the tags.
    """

    titles: list[str]
    tags: list[list[str]]
    loading: np.ndarray


def write_texts(
    concepts: list[str],
    relatives: list[list[str]],
    series: np.ndarray,
    languages: list[str],
    hashtags: float,
    generator: np.random.Generator,
    additional: np.random.Generator,
) -> Texts:
    """Words for n posts: from topics, from the concept, and such that say nothing.

    Args:
        concepts: what a post shows.
        relatives: the concepts of the same subcategory.
        series: (n,) int64; posts of one series share their title and its topic.
        languages: of each post's author; the same in all posts of a series.
        hashtags: share of the topics' words that an ending is joined to, as in sunsetlovers.
        generator: the source of chance of English texts without hashtags.
        additional: the source of chance of all else, so that it leaves them as they are.
    """
    loadings = _draw_loadings(generator, additional)
    started: dict[int, tuple[int, list[str], str]] = {}
    titles, tags, loading = [], [], np.zeros(len(concepts))
    for row, (concept, related) in enumerate(zip(concepts, relatives, strict=True)):
        name = languages[row]
        language, known = LANGUAGES[name], loadings[name]
        if series[row] not in started:
            topic = int(generator.integers(len(language.topics)))
            named = [concept] if name == "english" else []
            title_words = _choose_title(language, topic, named, generator)
            parts = _join_endings(title_words, known, language.endings, hashtags, additional)
            started[series[row]] = topic, title_words, _spell_title(*parts, language.separator)
        topic, title_words, title = started[series[row]]
        side_topic = language.topics[generator.integers(len(language.topics))]
        tag_words = _choose_tags(language.topics[topic], side_topic, concept, related, generator)
        title, title_words = _vary_title(title, title_words, generator)
        if generator.random() < EMPTY_TAGS_FRACTION:
            tag_words = []
        parts = _join_endings(tag_words, known, language.endings, hashtags, additional)
        titles.append(title)
        tags.append([*parts[0], *parts[1]])
        loading[row] = _mean_loading(title_words, known) + _mean_loading(tag_words, known)
    return Texts(titles, tags, loading)


def _draw_loadings(
    generator: np.random.Generator, additional: np.random.Generator
) -> dict[str, dict[str, float]]:
    """Language -> word -> loading; a topic has the same level in all languages."""
    levels = generator.permutation(np.linspace(-TOPIC_RANGE, TOPIC_RANGE, len(TOPICS))).tolist()
    return {
        name: {
            word: level + (generator if name == "english" else additional).normal(0, WORD_SPREAD)
            for level, words in zip(levels, language.topics, strict=True)
            for word in words
        }
        for name, language in LANGUAGES.items()
    }


def _mean_loading(words: list[str], loadings: dict[str, float]) -> float:
    """Mean over all words, those that say nothing included; 0 without words."""
    return sum(loadings.get(word, 0.0) for word in words) / max(len(words), 1)


def _choose(words: list[str], count: int, generator: np.random.Generator) -> list[str]:
    """``count`` different words, or all if there are fewer."""
    return [words[i] for i in generator.permutation(len(words))[:count]]


def _choose_title(
    language: Language, topic: int, named: list[str], generator: np.random.Generator
) -> list[str]:
    count = int(generator.integers(TITLE_WORDS[0], TITLE_WORDS[1] + 1))
    words = [*named, *_choose(language.topics[topic], round(count / 2), generator)]
    words += _choose(language.fillers, count - len(words), generator)
    return _choose(words, count, generator)


def _choose_tags(
    topic: list[str],
    side_topic: list[str],
    concept: str,
    relatives: list[str],
    generator: np.random.Generator,
) -> list[str]:
    fewest, most = TAG_WORDS
    count = min(fewest + int(generator.exponential(MEAN_TAGS - fewest)), most)
    words = _choose(topic, round(0.4 * count), generator)
    words += _choose(side_topic, round(0.2 * count), generator)
    words += [concept, *_choose(relatives, round(0.15 * count), generator)]
    words = list(dict.fromkeys(words))  # both topics may be the same
    words += _choose(TAG_FILLERS.split(), count - len(words), generator)
    return _choose(words, count, generator)


def _spell_title(words: list[str], with_ending: list[str], separator: str) -> str:
    """A sentence, and hashtags behind it."""
    return " ".join([separator.join(words).capitalize(), *(f"#{word}" for word in with_ending)])


def _join_endings(
    words: list[str],
    loadings: dict[str, float],
    endings: list[str],
    share: float,
    generator: np.random.Generator,
) -> tuple[list[str], list[str]]:
    """The words that stay as they are, and the share of those of topics that have an ending."""
    plain, with_ending = [], []
    for word, draw in zip(words, generator.random(len(words)).tolist(), strict=True):
        if draw < share and word in loadings:
            with_ending.append(word + endings[generator.integers(len(endings))])
        else:
            plain.append(word)
    return plain, with_ending


def _vary_title(
    title: str, words: list[str], generator: np.random.Generator
) -> tuple[str, list[str]]:
    """The title as a post has it and its words that may carry something."""
    draw = generator.random()
    if draw < EMPTY_TITLE_FRACTION:
        return "", []
    if draw < EMPTY_TITLE_FRACTION + FOREIGN_TITLE_FRACTION:
        return FOREIGN_TITLES[generator.integers(len(FOREIGN_TITLES))], []
    if draw > 1 - EMOJI_FRACTION:
        title += " " + EMOJI[generator.integers(len(EMOJI))]
    return title, words
