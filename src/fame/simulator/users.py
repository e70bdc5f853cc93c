"""The simulated users: what they are, and what their accounts show of it."""

from dataclasses import dataclass

import numpy as np

from fame.posts.contract import LOCATION_DESCRIPTION_WIDTH, USER_DESCRIPTION_WIDTH

SECONDS_PER_DAY = 86_400
OLDEST_ACCOUNT = 1_075_593_600  # 1 February 2004
NO_ALIAS_FRACTION = 0.10
NO_PROFILE_FRACTION = 0.05  # an alias, but no row in user_additional.csv
NO_TAKEN_DATE_FRACTION = 0.05
NO_LOCATION_FRACTION = 0.3
POSTS_SPREAD = 1.1  # sd of the logarithm of a user's share of the posts: a heavy tail

# Where users live: offset from UTC in hours, longitude, latitude, share of the users.
HOMES = (
    (-8.0, -120.0, 37.0, 0.17),
    (-5.0, -77.0, 40.0, 0.22),
    (-3.0, -47.0, -23.0, 0.06),
    (0.0, -1.5, 52.0, 0.20),
    (1.0, 9.0, 48.0, 0.20),
    (5.5, 77.0, 21.0, 0.04),
    (9.0, 139.0, 36.0, 0.06),
    (10.0, 149.0, -35.0, 0.05),
)
TOTALS = (
    "totalViews",
    "totalTags",
    "totalGeotagged",
    "totalFaves",
    "totalInGroup",
    "photoCount",
    "followerCount",
    "followingCount",
)


@dataclass(frozen=True)
class Users:
    """One entry a user.

    Attributes:
        uids: like ``59@N75``, unique.
        aliases: path alias, ``None`` (the text) where there is none.
        has_profile: (u,) bool, whether user_additional.csv has a row.
        weight: (u,) share of the posts, up to a factor.
        level: (u,) what their posts gain by them; accounts show it in part.
        renown: (u,) what their posts gain by their standing; the totals show it in part.
        photo_count, is_pro, first_upload, first_taken: (u,) int64; times in epoch seconds, taken
            -1 where unknown.
        home: (u,) int64, position in HOMES.
        totals: (u, 8) int64, in the order of TOTALS.
        user_descriptions: 399 comma-separated floats each; they carry nothing.
        location_descriptions: 400, then two junk characters; or empty.
    """

    uids: list[str]
    aliases: list[str]
    has_profile: np.ndarray
    weight: np.ndarray
    level: np.ndarray
    renown: np.ndarray
    photo_count: np.ndarray
    is_pro: np.ndarray
    first_upload: np.ndarray
    first_taken: np.ndarray
    home: np.ndarray
    totals: np.ndarray
    user_descriptions: list[str]
    location_descriptions: list[str]

    @property
    def utc_offset_seconds(self) -> np.ndarray:
        """(u,) int64, of the user's home."""
        return np.array([round(3600 * hours) for hours, *_ in HOMES])[self.home]


def draw_users(count: int, first_post: int, generator: np.random.Generator) -> Users:
    """``count`` users whose accounts are older than ``first_post`` (epoch seconds)."""
    level, renown = generator.normal(size=(2, count))
    photo_count = np.exp(6.5 + 0.9 * level + generator.normal(0, 0.5, count)).astype(np.int64) + 10
    age_years = np.clip(5.0 + 1.5 * level + generator.normal(0, 1.0, count), 0.1, 11.0)
    first_upload = first_post - (age_years * 365.25 * SECONDS_PER_DAY).astype(np.int64)
    first_upload = np.maximum(first_upload, OLDEST_ACCOUNT)
    first_taken = first_upload - generator.integers(0, 3000, count) * SECONDS_PER_DAY
    first_taken[generator.random(count) < NO_TAKEN_DATE_FRACTION] = -1
    shares = np.array([home[-1] for home in HOMES])
    has_alias = generator.random(count) >= NO_ALIAS_FRACTION
    numbers = generator.permutation(100 * count)[:count] + 1
    return Users(
        uids=[f"{number}@N{generator.integers(100):02d}" for number in numbers],
        aliases=[
            f"user{number}" if known else "None"
            for number, known in zip(numbers, has_alias, strict=True)
        ],
        has_profile=has_alias & (generator.random(count) >= NO_PROFILE_FRACTION),
        weight=np.exp(generator.normal(0, POSTS_SPREAD, count)),
        level=level,
        renown=renown,
        photo_count=photo_count,
        is_pro=(generator.random(count) < 1 / (1 + np.exp(-1.6 * level))).astype(np.int64),
        first_upload=first_upload,
        first_taken=first_taken,
        home=generator.choice(len(HOMES), count, p=shares / shares.sum()),
        totals=_draw_totals(renown, photo_count, generator),
        user_descriptions=[_describe(USER_DESCRIPTION_WIDTH, generator) for _ in range(count)],
        location_descriptions=[
            ""
            if generator.random() < NO_LOCATION_FRACTION
            else _describe(LOCATION_DESCRIPTION_WIDTH, generator) + "\r\n"
            for _ in range(count)
        ],
    )


def _draw_totals(
    renown: np.ndarray, photo_count: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Totals (u, 8) as a crawl finds them later: more photos than the account showed before."""

    def spread(scale: float) -> np.ndarray:
        return np.exp(generator.normal(0, scale, len(renown)))

    photos = photo_count * (1 + generator.exponential(0.2, len(renown)))
    views = photos * 120 * np.exp(1.1 * renown) * spread(0.4)
    columns = (
        views,
        photos * generator.uniform(0, 15, len(renown)),
        photos * generator.uniform(0, 1, len(renown)),
        views * 0.02 * np.exp(0.3 * renown) * spread(0.3),
        photos * 0.5 * spread(0.8),
        photos,
        150 * np.exp(0.9 * renown) * spread(0.5),
        120 * spread(0.9),
    )
    return np.stack(columns, axis=1).astype(np.int64)


def _describe(width: int, generator: np.random.Generator) -> str:
    return ",".join(f"{value:.2f}" for value in generator.normal(0, 0.3, width).tolist())
