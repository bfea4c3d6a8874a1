"""Why there is no dataset."""


class DatasetError(ValueError):
    """A dataset cannot be built as it was asked for; the message says why and what to do."""


class CannotServe(DatasetError):
    """The log has nothing for the periods that were asked for; the message names those that it has."""


class LeakageError(DatasetError):
    """A row knows what nobody knew at its time: nothing was kept of the build."""


class Cancelled(Exception):
    """Somebody wanted the build no more: nothing was kept of it."""
