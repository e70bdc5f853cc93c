"""What is published on SMPD's test posts: FAME (DOI 10.1145/3746027.3763759), SRC and MAE."""

Scores = tuple[float, float]


def concerns(source: str) -> bool:
    """Whether a run over these data is there to make the paper's results again.

    Beside a user's own posts, of another platform and another unit, they would measure nothing.
    """
    return source in ("smpd", "sample")


# Table 1.
MODELS: dict[str, Scores] = {
    "CL-WMTG": (0.6545, 1.3931),
    "HyFea": (0.702, 1.383),
    "TTC-VLT": (0.7118, 1.2691),
    "DEVLT": (0.7149, 1.2371),
    "HVLA": (0.7341, 1.1970),
    "TTME": (0.7434, 1.1745),
    "DFT-MOVL": (0.753, 1.170),
    "FAME": (0.7543, 1.1607),
}
# Table 2, and the fusion itself.
FUSIONS: dict[str, Scores] = {
    "fame": (0.7543, 1.1607),
    "without_catboost": (0.7360, 1.2091),
    "without_lightgbm": (0.7461, 1.1845),
    "without_autogluon": (0.7475, 1.1809),
    "without_dae": (0.7511, 1.1711),
}
# Table 3: row of profiles/ablation.yaml -> learner -> scores.
FEATURE_SETS: dict[str, dict[str, Scores]] = {
    "glove_image_stats": {"dae": (0.6488, 1.6727)},
    "vilt": {"dae": (0.6267, 1.4273)},
    "blip": {"dae": (0.6735, 1.3723)},
    "meta_glove_image_stats": {
        "dae": (0.6107, 1.4734),
        "lightgbm": (0.7283, 1.2479),
        "catboost": (0.7311, 1.2307),
    },
    "meta_vilt": {
        "dae": (0.5957, 1.5138),
        "lightgbm": (0.7040, 1.2895),
        "catboost": (0.7184, 1.2615),
    },
    "meta_blip": {
        "dae": (0.6267, 1.4273),
        "lightgbm": (0.7313, 1.2241),
        "catboost": (0.7322, 1.2215),
    },
    "meta_glove_image_stats_blip": {
        "dae": (0.6349, 1.4131),
        "lightgbm": (0.7337, 1.2317),
        "catboost": (0.7343, 1.2152),
    },
}
# Figure 3: where the predicted densities peak.
PEAKS = {
    "catboost": "3.55 to 4.78",
    "lightgbm": "3.55 to 4.78",
    "autogluon": "3.55 to 4.78",
    "dae": "4.78 to 6.01",
}
