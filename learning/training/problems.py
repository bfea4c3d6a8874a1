"""Why a training ends without a model."""


class CannotTrain(ValueError):
    """The data or the settings allow no model. The message says what is wrong with which of them, and what to do."""


class TookTooLong(CannotTrain):
    """The time limit of the settings has passed."""


class Cancelled(Exception):
    """Whoever watches the training wanted it to end."""
