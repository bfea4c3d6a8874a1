"""Settings that stand in for what a strategy's file does not say about learning (contracts: settings 3.2 and 3.3)."""

from typing import Any, Literal

from pydantic_settings import BaseSettings

from cli.setting import setting

UNSET = "; unset: the strategy's own default"
SHARE = "a number from 0 to 1"
DAYS = "a number of days above 0"


class LearningSettings(BaseSettings):
    """What the environment says about every strategy that does not say it itself."""

    horizon: int | None = setting(
        "MODEL_PREDICTION_HORIZON_SECONDS", None, f"Seconds that models look ahead{UNSET}",
        "a whole number from 1 to 86400", ge=1, le=86_400,
    )  # fmt: skip
    threshold: float | None = setting(
        "MODEL_CLASSIFICATION_THRESHOLD", None, f"Return from which a price went up or down{UNSET}",
        "a fraction from 0 to below 1", ge=0, lt=1,
    )  # fmt: skip
    accuracy: float | None = setting(
        "MODEL_QUALITY_THRESHOLD_ACCURACY", None,
        f"Accuracy from which a model takes over, and least confidence of a signal{UNSET}", SHARE, ge=0, le=1,
    )  # fmt: skip
    min_rows: int | None = setting(
        "MODEL_TRAINING_MIN_DATASET_SIZE", None, f"Rows that a training needs{UNSET}", "a whole number above 0", gt=0
    )
    max_seconds: int | None = setting(
        "MODEL_TRAINING_MAX_DURATION_SECONDS", None, f"Seconds after which a training is given up{UNSET}",
        "a whole number from 1 to 86400", gt=0, le=86_400,
    )  # fmt: skip
    class_weight: Literal["inverse_frequency", "balanced", "none"] | None = setting(
        "MODEL_TRAINING_CLASS_WEIGHT_METHOD", None, f"How rare classes weigh more{UNSET}",
        "inverse_frequency, balanced or none",
    )  # fmt: skip
    tuning: bool = setting(
        "MODEL_TRAINING_HYPERPARAMETER_TUNING", False, "Whether hyper-parameters are searched", "true or false"
    )
    tuning_method: Literal["grid_search", "bayesian"] = setting(
        "MODEL_TRAINING_TUNING_METHOD", "grid_search", "How they are searched; bayesian: a seeded random search",
        "grid_search or bayesian",
    )  # fmt: skip
    tuning_trials: int | None = setting(
        "MODEL_TRAINING_TUNING_MAX_ITERATIONS", None, f"Sets of them that are tried at most{UNSET}",
        "a whole number from 1 to 200", gt=0, le=200,
    )  # fmt: skip
    schedule: str | None = setting(
        "MODEL_RETRAINING_SCHEDULE", None, f"When models are trained, UTC{UNSET}",
        "a cron expression such as 0 3 * * *, or hourly, daily or weekly",
    )  # fmt: skip
    interval_days: float | None = setting(
        "MODEL_RETRAINING_INTERVAL_DAYS", None, f"Days between two trainings{UNSET}", DAYS, gt=0, le=3660
    )
    train_days: float | None = setting(
        "MODEL_RETRAINING_TRAIN_PERIOD_DAYS", None, f"Days that models learn from{UNSET}", DAYS, gt=0, le=3660
    )
    validation_days: float | None = setting(
        "MODEL_RETRAINING_VALIDATION_PERIOD_DAYS", None, f"Days that trainings are checked by{UNSET}", DAYS,
        gt=0, le=3660,
    )  # fmt: skip
    test_days: float | None = setting(
        "MODEL_RETRAINING_TEST_PERIOD_DAYS", None, f"Days that models are tested on{UNSET}", DAYS, gt=0, le=3660
    )


def learning_defaults(settings: LearningSettings) -> dict[str, Any]:
    """By the full name of a strategy's setting: what holds where its file says nothing."""
    searched = {"grid_search": "grid", "bayesian": "random"}[settings.tuning_method] if settings.tuning else None
    found = {
        "confidence": settings.accuracy,
        "learning.target.horizon": settings.horizon,
        "learning.target.threshold": settings.threshold,
        "learning.promotion.accuracy": settings.accuracy,
        "learning.training.min_rows": settings.min_rows,
        "learning.training.max_seconds": settings.max_seconds,
        "learning.training.class_weight": settings.class_weight,
        "learning.training.search": searched,
        "learning.training.trials": settings.tuning_trials,
        "learning.training.schedule": settings.schedule,
        "learning.training.interval_days": settings.interval_days,
        "learning.training.train_days": settings.train_days,
        "learning.training.validation_days": settings.validation_days,
        "learning.training.test_days": settings.test_days,
    }
    return {name: value for name, value in found.items() if value is not None}
