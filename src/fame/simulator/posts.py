"""The simulated sample: an SMPD folder whose popularity is known by construction.

Popularity is a sum of parts, each a function of what the files show of a post, and noise:

=========  ======  =================================================================
part       share   comes from
=========  ======  =================================================================
user        14 %   a level of each user; photo count, pro and account age show some of it
profile     12 %   a renown of each user; the totals of user_additional.csv show most of it
concept     12 %   an effect of each category, subcategory and concept
hour         6 %   the poster's local hour, smooth over the day, and weekends
words       18 %   loadings of the words of title and tags, by topic
picture     14 %   warmth, saturation, contrast and simplicity of what is drawn
noise       24 %   nothing: no model can find it
=========  ======  =================================================================

Shares are of the variance of the training posts' popularity before it is counted in whole views;
there the parts are uncorrelated exactly. The label is log2 of a whole number of views, as on the
challenge's pages, so it is at least 1. The truth is the label without noise.

Parameters add what real posts have beyond that: a level of each author that no account shows,
authors who join late, languages, hashtags. Each has draws of its own: at 0 it changes no byte.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import stats

from fame.params import SampleParams
from fame.runtime.errors import InputError
from fame.simulator.files import SimulatedPosts, write_folder
from fame.simulator.images import LOOKS
from fame.simulator.languages import LANGUAGES
from fame.simulator.users import SECONDS_PER_DAY, Users, draw_users
from fame.simulator.vocabulary import CATEGORY_SHARES, CONCEPTS
from fame.simulator.words import write_texts

SHARES = {
    "user": 0.14,
    "profile": 0.12,
    "concept": 0.12,
    "hour": 0.06,
    "words": 0.18,
    "picture": 0.14,
    "noise": 0.24,
}
MEAN, STANDARD_DEVIATION = 6.4, 2.5
LOOK_WEIGHTS = {"warmth": 0.5, "saturation": 0.45, "contrast": 0.5, "simplicity": 0.55}

FIRST_DAY = 1_425_168_000  # 1 March 2015, 00:00 UTC, a Sunday
TRAINING_DAYS, CHALLENGE_DAYS = 366, 114  # challenge posts from 1 March 2016; 480 days in all
NEWEST_FRACTION = 0.2  # of the training posts: what authors who join late have posts in
TRAINING_USERS_FRACTION = 0.85  # the others post in the challenge part only
NEW_USER_WEIGHT = 3  # of a challenge user without training posts against another
REPEATED_TITLE_FRACTION = 0.25
IDS_PER_POST = 300  # post ids are drawn from so many numbers times the posts
FEWEST_TRAINING_POSTS = 30

# Standard deviations of the effects of a category, of a subcategory in it, of a concept in that.
CONCEPT_SPREADS = (0.7, 0.6, 0.35)
TASTE = 0.7  # how much a user keeps to a category, against 1 for chance


@dataclass(frozen=True)
class Summary:
    """Facts of a simulation, over the training posts but for the counts.

    Attributes:
        posts: training and challenge posts. images: of them, those in the archive.
        mean, standard_deviation: of the labels.
        best_spearman, best_mean_absolute_error: of the truth against the labels, the best that
            any model could reach.
    """

    posts: int
    images: int
    mean: float
    standard_deviation: float
    best_spearman: float
    best_mean_absolute_error: float


def simulate(params: SampleParams, folder: Path) -> Summary:
    """Write the sample into ``folder`` (exists, empty); same params, same bytes.

    Raises:
        InputError: too few training posts to give each part its share.
    """
    users, posts = draw_posts(params)
    images = write_folder(folder, users, posts, np.random.SeedSequence([params.seed, 1]))
    label, truth = (values[: posts.training] for values in (posts.popularity, posts.truth))
    return Summary(
        posts=len(posts.post_ids),
        images=images,
        mean=float(label.mean()),
        standard_deviation=float(label.std()),
        # SciPy's, so that an edit of the project's metrics does not simulate anew.
        best_spearman=float(stats.spearmanr(label, truth).statistic),
        best_mean_absolute_error=float(np.abs(label - truth).mean()),
    )


class Concept(NamedTuple):
    """A row of the catalogue; relatives are the concepts of the same subcategory."""

    category: int
    subcategory: int
    category_name: str
    subcategory_name: str
    name: str
    relatives: list[str]


def draw_posts(params: SampleParams) -> tuple[Users, SimulatedPosts]:
    """All users and posts; training posts first, each part in ascending id."""
    if params.training_posts < FEWEST_TRAINING_POSTS:
        raise InputError(
            f"params.yaml: data.sample.training_posts: must be >= {FEWEST_TRAINING_POSTS}, "
            f"found {params.training_posts}"
        )
    seeds = np.random.SeedSequence([params.seed, 0]).spawn(10)
    for_users, for_times, for_concepts, for_words, for_looks, for_noise, *additional = (
        np.random.default_rng(seed) for seed in seeds
    )
    for_levels, for_newcomers, for_languages, for_additional_words = additional
    training, total = params.training_posts, params.training_posts + params.challenge_posts
    users = draw_users(params.users, FIRST_DAY, for_users)
    user = _assign_users(users.weight, training, params.challenge_posts, for_times)
    posted_at = _draw_times(users.utc_offset_seconds[user], training, for_times)
    posted_at[:training] = _let_authors_join(
        posted_at[:training], user[:training], params.new_authors, for_newcomers
    )
    catalogue = list_concepts()
    concept = _draw_concepts(catalogue, user, for_concepts)
    shown = [catalogue[i] for i in concept]
    series = _draw_series(user, posted_at, for_words)
    language = _draw_languages(params.users, params.other_languages, for_languages)
    texts = write_texts(
        [row.name for row in shown],
        [row.relatives for row in shown],
        series,
        [language[author] for author in user],
        params.hashtags,
        for_words,
        for_additional_words,
    )
    looks = for_looks.random((total, len(LOOKS)))
    author_level = for_levels.normal(size=params.users)[user]
    parts = scale_parts(
        {
            "user": users.level[user],
            "profile": users.renown[user],
            **({"author": author_level} if params.author_level else {}),
            "concept": _draw_concept_effects(catalogue, for_concepts)[concept],
            "hour": _hour_effect(posted_at + users.utc_offset_seconds[user]),
            "words": texts.loading,
            "picture": (looks * [LOOK_WEIGHTS[name] for name in LOOKS]).sum(axis=1),
            "noise": for_noise.normal(size=total),
        },
        share_variance(params.author_level),
        training,
    )
    known = (values for name, values in parts.items() if name != "noise")
    signal = sum(known, start=np.zeros(total))
    return users, SimulatedPosts(
        training=training,
        post_ids=_draw_ids(training, total, for_times),
        user=user,
        posted_at=posted_at,
        categories=[(row.category_name, row.subcategory_name, row.name) for row in shown],
        subjects=np.array([row.category for row in shown]),
        looks=looks,
        texts=texts,
        parts=parts,
        truth=count_views(MEAN + signal),
        popularity=count_views(MEAN + signal + parts["noise"]),
    )


def share_variance(author_level: float) -> dict[str, float]:
    """Part -> share; what the author's level takes is taken from all parts but the noise."""
    left = 1 - author_level / (1 - SHARES["noise"])
    shares = {name: share * left for name, share in SHARES.items()}
    return shares | {"noise": SHARES["noise"], "author": author_level}


def scale_parts(
    parts: dict[str, np.ndarray], shares: dict[str, float], training: int
) -> dict[str, np.ndarray]:
    """Centre the parts (n,), make them uncorrelated, give each its share of the variance.

    Each part loses what the parts before it explain of it (Gram-Schmidt). Means, correlations and
    shares are those of the first ``training`` posts.
    """
    scaled: dict[str, np.ndarray] = {}
    for name, values in parts.items():
        values = values - values[:training].mean()
        for other in scaled.values():
            overlap = (values * other)[:training].sum() / (other * other)[:training].sum()
            values = values - overlap * other
        spread = STANDARD_DEVIATION * np.sqrt(shares[name])
        scaled[name] = values * (spread / values[:training].std())
    return scaled


def count_views(popularity: np.ndarray) -> np.ndarray:
    """The label (n,): log2 of a whole number of views, at least 2, to two decimals."""
    views = np.maximum(np.rint(np.exp2(popularity)), 2)
    return np.round(np.log2(views), 2)


def list_concepts() -> list[Concept]:
    """The catalogue, 668 rows; categories and subcategories are numbered from 0."""
    catalogue = []
    subcategory = 0
    for category, (category_name, subcategories) in enumerate(CONCEPTS.items()):
        for subcategory_name, words in subcategories.items():
            names = words.split()
            for name in names:
                relatives = [other for other in names if other != name]
                catalogue.append(
                    Concept(category, subcategory, category_name, subcategory_name, name, relatives)
                )
            subcategory += 1
    return catalogue


def _draw_ids(training: int, total: int, generator: np.random.Generator) -> np.ndarray:
    """Unique ids (n,) int64, ascending in each part and unrelated to the time."""
    ids = generator.choice(IDS_PER_POST * total, total, replace=False) + 1
    return np.concatenate([np.sort(ids[:training]), np.sort(ids[training:])])


def _assign_users(
    weight: np.ndarray, training: int, challenge: int, generator: np.random.Generator
) -> np.ndarray:
    """The user (n,) of each post: heavy-tailed; the last users have challenge posts only."""
    old = round(TRAINING_USERS_FRACTION * len(weight))
    once = generator.permutation(old)[:training]
    share = weight[:old] / weight[:old].sum()
    more = generator.choice(old, training - len(once), p=share)
    newer = weight * np.where(np.arange(len(weight)) < old, 1, NEW_USER_WEIGHT)
    later = generator.choice(len(weight), challenge, p=newer / newer.sum())
    return np.concatenate([generator.permutation(np.concatenate([once, more])), later])


def _draw_times(
    utc_offset_seconds: np.ndarray, training: int, generator: np.random.Generator
) -> np.ndarray:
    """Epoch seconds (n,) int64: most in the evening of the poster, challenge posts last."""
    total = len(utc_offset_seconds)
    day = generator.integers(0, TRAINING_DAYS, total)
    day[training:] = TRAINING_DAYS + generator.integers(0, CHALLENGE_DAYS, total - training)
    evening = generator.normal(20, 3.5, total)
    hour = np.where(generator.random(total) < 0.6, evening, generator.uniform(0, 24, total))
    second = (hour * 3600).astype(np.int64) - utc_offset_seconds
    return FIRST_DAY + day * SECONDS_PER_DAY + second % SECONDS_PER_DAY


def _let_authors_join(
    posted_at: np.ndarray, user: np.ndarray, share: float, generator: np.random.Generator
) -> np.ndarray:
    """Times (n,) with a share of the newest posts by authors who have no other post.

    Authors are drawn one by one as long as their posts fit; what they posted earlier exchanges its
    day with a newest post of another author.
    """
    day = posted_at // SECONDS_PER_DAY
    # Whole days: at a border by the second an exchange would leave one post of an author before it.
    is_newest = day > np.sort(day)[-round(NEWEST_FRACTION * len(day))]
    room = round(share * is_newest.sum())
    posts = np.bincount(user)
    joins = np.zeros(len(posts), dtype=bool)
    for author in generator.permutation(np.unique(user)):
        if posts[author] <= room:
            joins[author] = True
            room -= posts[author]
    early = np.flatnonzero(joins[user] & ~is_newest)
    late = generator.permutation(np.flatnonzero(~joins[user] & is_newest))[: len(early)]
    shift = (day[late] - day[early]) * SECONDS_PER_DAY
    moved = posted_at.copy()
    moved[early] += shift
    moved[late] -= shift
    return moved


def _draw_languages(users: int, share: float, generator: np.random.Generator) -> list[str]:
    """The language of each user: English, or one of the others for a share of them."""
    others = [name for name in LANGUAGES if name != "english"]
    return [
        others[generator.integers(len(others))] if draw < share else "english"
        for draw in generator.random(users).tolist()
    ]


def _draw_concepts(
    catalogue: list[Concept], user: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Positions (n,) in the catalogue: categories by their shares, users keep to some."""
    taste = generator.normal(size=user.max() + 1)[user] * TASTE
    rank = np.argsort(np.argsort(taste + generator.normal(size=len(user)), kind="stable"))
    shares = np.array(list(CATEGORY_SHARES.values()))
    limits = np.cumsum(shares / shares.sum())[:-1]
    category = np.searchsorted(limits, (rank + 0.5) / len(user))
    rows = [
        np.array([i for i, row in enumerate(catalogue) if row.category == c])
        for c in range(len(shares))
    ]
    # Some concepts are common, most are rare: the position's square leans to the first ones.
    position = generator.random(len(user)) ** 2
    orders = [generator.permutation(choice) for choice in rows]
    return np.array(
        [orders[c][int(p * len(orders[c]))] for c, p in zip(category, position, strict=True)]
    )


def _draw_concept_effects(catalogue: list[Concept], generator: np.random.Generator) -> np.ndarray:
    """An effect (668,) of each row of the catalogue."""
    of_category, of_subcategory, of_concept = CONCEPT_SPREADS
    category = generator.normal(0, of_category, catalogue[-1].category + 1)
    subcategory = generator.normal(0, of_subcategory, catalogue[-1].subcategory + 1)
    own = generator.normal(0, of_concept, len(catalogue))
    return own + np.array(
        [category[row.category] + subcategory[row.subcategory] for row in catalogue]
    )


def _draw_series(
    user: np.ndarray, posted_at: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """A number (n,) for each run of a user's posts that share one title."""
    order = np.lexsort((posted_at, user))
    repeats = np.zeros(len(user), dtype=bool)
    later = np.flatnonzero(user[order][1:] == user[order][:-1]) + 1
    count = min(round(REPEATED_TITLE_FRACTION * len(user)), len(later))
    repeats[generator.permutation(later)[:count]] = True
    series = np.empty(len(user), dtype=np.int64)
    series[order] = np.cumsum(~repeats)
    return series


def _hour_effect(local_time: np.ndarray) -> np.ndarray:
    """Highest about 20:00 and on weekends; ``local_time`` in seconds as if it were UTC."""
    hour = local_time % SECONDS_PER_DAY / 3600
    weekday = (local_time // SECONDS_PER_DAY + 3) % 7  # the epoch began on a Thursday
    daily = np.cos(2 * np.pi * (hour - 20) / 24) + 0.35 * np.cos(4 * np.pi * (hour - 13) / 24)
    return daily + 0.6 * (weekday >= 5)
