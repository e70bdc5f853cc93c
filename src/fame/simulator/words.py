"""Titles and tags of the simulated posts, and what their words carry."""

from dataclasses import dataclass

import numpy as np

from fame.simulator.vocabulary import EMOJI, FILLERS, FOREIGN_TITLES, TAG_FILLERS, TOPICS

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
    generator: np.random.Generator,
) -> Texts:
    """Words for n posts: from topics, from the concept, and such that say nothing.

    Args:
        concepts: what a post shows.
        relatives: the concepts of the same subcategory.
        series: (n,) int64; posts of one series share their title and its topic.
        generator: the only source of chance.
    """
    topics = [words.split() for words in TOPICS]
    loadings = _draw_loadings(topics, generator)
    started: dict[int, tuple[int, list[str]]] = {}
    titles, tags, loading = [], [], np.zeros(len(concepts))
    for row, (concept, related) in enumerate(zip(concepts, relatives, strict=True)):
        if series[row] not in started:
            topic = int(generator.integers(len(topics)))
            started[series[row]] = topic, _choose_title(topics[topic], concept, generator)
        topic, title_words = started[series[row]]
        side_topic = topics[generator.integers(len(topics))]
        tag_words = _choose_tags(topics[topic], side_topic, concept, related, generator)
        title, title_words = _spell_title(title_words, generator)
        if generator.random() < EMPTY_TAGS_FRACTION:
            tag_words = []
        titles.append(title)
        tags.append(tag_words)
        loading[row] = _mean_loading(title_words, loadings) + _mean_loading(tag_words, loadings)
    return Texts(titles, tags, loading)


def _draw_loadings(topics: list[list[str]], generator: np.random.Generator) -> dict[str, float]:
    levels = generator.permutation(np.linspace(-TOPIC_RANGE, TOPIC_RANGE, len(topics)))
    return {
        word: level + generator.normal(0, WORD_SPREAD)
        for level, words in zip(levels.tolist(), topics, strict=True)
        for word in words
    }


def _mean_loading(words: list[str], loadings: dict[str, float]) -> float:
    """Mean over all words, those that say nothing included; 0 without words."""
    return sum(loadings.get(word, 0.0) for word in words) / max(len(words), 1)


def _choose(words: list[str], count: int, generator: np.random.Generator) -> list[str]:
    """``count`` different words, or all if there are fewer."""
    return [words[i] for i in generator.permutation(len(words))[:count]]


def _choose_title(topic: list[str], concept: str, generator: np.random.Generator) -> list[str]:
    count = int(generator.integers(TITLE_WORDS[0], TITLE_WORDS[1] + 1))
    words = [concept, *_choose(topic, round(count / 2), generator)]
    words += _choose(FILLERS.split(), count - len(words), generator)
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


def _spell_title(words: list[str], generator: np.random.Generator) -> tuple[str, list[str]]:
    """The title as it is written and its words that may carry something."""
    draw = generator.random()
    if draw < EMPTY_TITLE_FRACTION:
        return "", []
    if draw < EMPTY_TITLE_FRACTION + FOREIGN_TITLE_FRACTION:
        return FOREIGN_TITLES[generator.integers(len(FOREIGN_TITLES))], []
    title = " ".join(words).capitalize()
    if draw > 1 - EMOJI_FRACTION:
        title += " " + EMOJI[generator.integers(len(EMOJI))]
    return title, words
