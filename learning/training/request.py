"""What is asked of a training."""

from dataclasses import dataclass

from learning.training.problems import CannotTrain
from learning.training.rows import Rows
from schemas.learning import Target, Training


@dataclass(frozen=True)
class Request:
    """Rows to learn from, rows to stop early by (they may be none), and how; ``features`` name the columns of both.

    Raises:
        CannotTrain: when the columns do not fit their names.
    """

    train: Rows
    validation: Rows
    features: tuple[str, ...]
    target: Target
    training: Training

    def __post_init__(self) -> None:
        if not self.features or len(set(self.features)) != len(self.features):
            raise CannotTrain(f"features must be named, each once: {', '.join(self.features) or 'there are none'}")
        if found := [name for name in self.features if set(name) & set("[]<")]:
            raise CannotTrain(f"XGBoost takes no feature with [, ] or < in its name: {', '.join(found)}")
        for split, rows in (("train", self.train), ("validation", self.validation)):
            if rows.features.shape != (rows.count, len(self.features)):
                raise CannotTrain(
                    f"the {split} split has a matrix of shape {rows.features.shape} for {rows.count} targets"
                    f" and {len(self.features)} features"
                )

    @property
    def classifies(self) -> bool:
        """Whether the targets are classes."""
        return self.target.kind == "classification"
