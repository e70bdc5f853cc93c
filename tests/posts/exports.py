"""Exports as six kinds of platforms write them, small and made up."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

COUNT = 120
WORDS = ("garden", "river", "sunset", "coffee", "music", "train", "market", "bread", "snow", "cat")


def _draw(seed: int) -> tuple[np.random.Generator, np.ndarray, list[datetime], list[str]]:
    random = np.random.default_rng(seed)
    counts = np.round(2 ** random.normal(8, 3, COUNT)).astype(int)
    start = datetime(2021, 3, 1, 8, 30)
    times = [start + timedelta(hours=int(7 * i + random.integers(5))) for i in range(COUNT)]
    texts = [" ".join(random.choice(WORDS, 5)) for _ in range(COUNT)]
    return random, counts, times, texts


def photos(folder: Path) -> Path:
    """Comma-separated: shortcodes, captions with line breaks, hashtags, grouped counts."""
    random, counts, times, texts = _draw(1)
    frame = pd.DataFrame(
        {
            "shortcode": [f"B{i:05d}x" for i in range(COUNT)],
            "owner_username": [f"name{i}" for i in random.integers(0, 20, COUNT)],
            "taken_at": [f"{t:%Y-%m-%dT%H:%M:%S}+0100" for t in times],
            "caption": [f'{text},\n"quoted" é' for text in texts],
            "hashtags": [f"#{text.replace(' ', ' #')}" for text in texts],
            "followers": [f"{n:,}" for n in random.integers(100, 90_000, COUNT)],
            "is_video": random.choice([True, False], COUNT),
            "likes": counts,
            "comments": counts // 9,
        }
    )
    frame.to_csv(folder / "photos.csv", index=False)
    return folder / "photos.csv"


def short_videos(folder: Path) -> Path:
    """JSON lines: large ids, nested authors, lists of tags, epoch seconds."""
    random, counts, times, texts = _draw(2)
    lines = [
        {
            "id": 6_900_000_000_000_000_000 + 7 * i,
            "createTime": int(times[i].timestamp()),
            "desc": texts[i],
            "author": {"uniqueId": f"maker{i % 15}", "verified": bool(i % 2)},
            "authorStats": {"followerCount": int(random.integers(10, 9999))},
            "video": {"duration": int(random.integers(5, 60)), "ratio": "720p"},
            "hashtags": texts[i].split(),
            "stats": {"diggCount": int(counts[i]), "shareCount": int(counts[i] // 7)},
        }
        for i in range(COUNT)
    ]
    text = "\n".join(json.dumps(line) for line in lines)
    (folder / "videos.jsonl").write_text(text, encoding="utf-8")
    return folder / "videos.jsonl"


def tweets(folder: Path) -> Path:
    """Tab-separated, dates in words with a zone, tags as a Python list."""
    random, counts, times, texts = _draw(3)
    frame = pd.DataFrame(
        {
            "tweet_id": [str(1_400_000_000_000_000_001 + 3 * i) for i in range(COUNT)],
            "created_at": [f"{t:%a %b %d %H:%M:%S} +0000 {t:%Y}" for t in times],
            "screen_name": [f"account{i % 8}" for i in range(COUNT)],
            "full_text": texts,
            "hashtags": [str(text.split()[:2]) for text in texts],
            "lang": random.choice(["en", "fr", "und"], COUNT),
            "source": random.choice(["web", "phone"], COUNT),
            "user_followers": random.integers(10, 10_000, COUNT),
            "retweet_count": counts // 5,
            "favorite_count": counts,
        }
    )
    frame.to_csv(folder / "tweets.tsv", index=False, sep="\t")
    return folder / "tweets.tsv"


def talks(folder: Path) -> Path:
    """No id column but a unique code; durations, dates with the month first, an index."""
    random, counts, times, texts = _draw(4)
    frame = pd.DataFrame(
        {
            "talk_id": range(COUNT),
            "headline": texts,
            "main_speaker": [f"Speaker {i % 40}" for i in range(COUNT)],
            "event": random.choice(["spring", "autumn"], COUNT),
            "duration": [f"{m}:{s:02d}" for m, s in random.integers(1, 59, (COUNT, 2))],
            "published_date": [f"{t:%m/%d/%Y}" for t in times],
            "languages": random.integers(1, 40, COUNT),
            "tags": [json.dumps(text.split()[:3]) for text in texts],
            "views": [f"{n:,}" for n in counts],
        }
    )
    frame.to_csv(folder / "talks.csv")
    return folder / "talks.csv"


def page_posts(folder: Path) -> Path:
    """Semicolons, Latin-1, decimal commas, day first, counts of reactions."""
    random, counts, times, texts = _draw(5)
    frame = pd.DataFrame(
        {
            "status_id": [f"{88_000 + i}_{500_000 + i}" for i in range(COUNT)],
            "page_name": [f"Café {i % 8}" for i in range(COUNT)],
            "status_message": [f"{text} déjà vu" for text in texts],
            "status_type": random.choice(["photo", "link", "video"], COUNT),
            "status_published": [f"{t:%d/%m/%Y %H:%M}" for t in times],
            "budget": [f"{x:.2f}".replace(".", ",") for x in random.gamma(2, 40, COUNT)],
            "num_reactions": counts,
            "num_comments": counts // 4,
            "num_shares": counts // 6,
        }
    )
    frame.to_csv(folder / "page.csv", index=False, sep=";", encoding="cp1252")
    return folder / "page.csv"


def shop_posts(folder: Path) -> Path:
    """A workbook: prices, percentages, times of a spreadsheet, five categories."""
    random, counts, times, texts = _draw(6)
    frame = pd.DataFrame(
        {
            "sku": [f"00{i:04d}" for i in range(COUNT)],
            "seller": [f"shop{i % 12}" for i in range(COUNT)],
            "listed_at": times,
            "product_name": texts,
            "price": [f"${x:,.2f}" for x in random.gamma(2, 500, COUNT)],
            "discount": [f"{x}%" for x in random.integers(0, 60, COUNT)],
            **{
                name: random.choice(["red", "green", "blue", name], COUNT)
                for name in ("department", "category", "subcategory", "colour", "season")
            },
            "sold": counts,
            "rating": np.round(random.uniform(1, 5, COUNT), 1),
        }
    )
    frame.to_excel(folder / "shop.xlsx", index=False)
    return folder / "shop.xlsx"


EXPORTS: dict[str, tuple[Callable[[Path], Path], dict[str, Any]]] = {
    "photos": (
        photos,
        {
            "id": "shortcode",
            "target": "likes",
            "user": "owner_username",
            "time": "taken_at",
            "title": "caption",
            "tags": "hashtags",
            "categories": [],
            "numeric": ["followers", "is_video"],
        },
    ),
    "short_videos": (
        short_videos,
        {
            "id": "id",
            "target": "stats.diggCount",
            "user": "author.uniqueId",
            "time": "createTime",
            "title": "desc",
            "tags": "hashtags",
            "categories": [],
            "numeric": ["author.verified", "authorStats.followerCount", "video.duration"],
        },
    ),
    "tweets": (
        tweets,
        {
            "id": "tweet_id",
            "target": "favorite_count",
            "user": "screen_name",
            "time": "created_at",
            "title": "full_text",
            "tags": "hashtags",
            "categories": ["source", "lang"],
            "numeric": ["user_followers"],
        },
    ),
    "talks": (
        talks,
        {
            "id": "talk_id",
            "target": "views",
            "user": "main_speaker",
            "time": "published_date",
            "title": "headline",
            "tags": "tags",
            "categories": ["event"],
            "numeric": ["duration", "languages"],
        },
    ),
    "page_posts": (
        page_posts,
        {
            "id": "status_id",
            "target": "num_reactions",
            "user": "page_name",
            "time": "status_published",
            "title": "status_message",
            "tags": None,
            "categories": ["status_type"],
            "numeric": ["budget"],
        },
    ),
    "shop_posts": (
        shop_posts,
        {
            "id": "sku",
            "target": "sold",
            "user": "seller",
            "time": "listed_at",
            "title": "product_name",
            "tags": None,
            "categories": ["category", "colour", "department", "season", "subcategory"],
            "numeric": ["price", "discount"],
        },
    ),
}
