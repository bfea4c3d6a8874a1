"""One day of one raw type from the exchange into a file: what is missing, no more, and checked when it is there."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import structlog

from connectors.bybit.errors import MissingRows, RestError
from connectors.history.files import BackfillFiles, BadFile, placed, problem_of
from connectors.history.kinds import TAGS, RawType
from connectors.history.market import Market
from connectors.history.spans import DAY, MINUTE, Span, merged, minutes, within, without, words

SAVES = 3
"""So often a day is written before it is given up."""
LOGGER = structlog.get_logger()


class Fetched(NamedTuple):
    """What became of a day of one type: ``rows`` that were saved, what is ``missing``, and why ('': nothing is)."""

    rows: int
    missing: list[Span]
    problem: str = ""


class Answer(NamedTuple):
    """What the exchange gave for spans that were wanted, and what of them it did not."""

    rows: list[Any]
    missing: list[Span]
    problem: str = ""


async def fetch(
    market: Market, files: BackfillFiles, raw: RawType, symbol: str, wanted: Sequence[Span], launch: int | None = None
) -> Fetched:
    """Fetch the spans of ``wanted``, which lie in one day, and save what came of them.

    Args:
        market: the exchange.
        files: where rows are saved.
        raw: ``klines`` or ``funding``.
        symbol: our name.
        wanted: what is missing, up to now at most.
        launch: when the symbol was listed (microseconds UTC): before that nothing is missing.

    Raises:
        OSError: when files cannot be written.
    """
    answer = await ask(market, raw, symbol, merged(wanted))
    rows, doubtful, wrong = sound(answer.rows, wanted)
    if raw == "klines":
        # A minute counts when its candle is there, whatever the exchange says.
        covers = merged([*minutes(row.start for row in rows), *_unlisted(wanted, launch)])
    else:
        covers = without(wanted, [*answer.missing, *((at, at + 1) for at in doubtful)])
    missing = without(wanted, covers)
    problem = answer.problem or wrong or (f"the exchange gave none for {words(missing)}" if missing else "")
    if not covers:
        return Fetched(0, missing, problem)
    if failure := _save(files, raw, symbol, rows, covers):
        return Fetched(0, merged(wanted), failure)
    return Fetched(len(rows), missing, problem)


async def ask(market: Market, raw: RawType, symbol: str, wanted: Sequence[Span]) -> Answer:
    """Ask for each span; after one that fails for good there is no use in asking for the next."""
    rows: list[Any] = []
    missing: list[Span] = []
    problem = ""
    for span in wanted:
        try:
            rows += await _listed(market, raw, symbol, span)
        except MissingRows as error:
            rows += error.found
            missing += within(error.missing, span)
            problem = str(error) if missing else problem
        except RestError as error:
            missing.append(Span(span.start, wanted[-1].end))
            problem = str(error)
            break
    return Answer(rows, missing, problem)


async def _listed(market: Market, raw: RawType, symbol: str, span: Span) -> Sequence[Any]:
    if raw == "klines":
        return await market.klines(symbol, span.start, span.end)
    # Whether a rate is missing shows in the days before and after.
    return await market.funding(symbol, span.start - DAY, span.end + DAY)


def sound(found: Sequence[Any], wanted: Sequence[Span]) -> tuple[list[Any], list[int], str]:
    """The rows that are right and were asked for, each once and in order; the times of the others, and what is wrong.

    Two rows of the same time that differ are both wrong: nobody knows which to believe.
    """
    by_time: dict[int, Any] = {}
    doubtful: dict[int, None] = {}
    wrong = ""
    for row in found:
        at = placed(row)
        span = next((span for span in wanted if span.start <= at < span.end), None)
        if span is None:
            continue
        problem = problem_of(row, span, -1)
        if not problem and by_time.setdefault(at, row) != row:
            problem = f"two different rows of {at} (microseconds UTC)"
        if problem:
            doubtful[at] = None
            wrong = wrong or f"a {type(row).__name__.lower()} that cannot be: {problem}"
    return [by_time[at] for at in sorted(by_time) if at not in doubtful], list(doubtful), wrong


def _unlisted(wanted: Sequence[Span], launch: int | None) -> list[Span]:
    return [] if launch is None else within(wanted, (0, launch // MINUTE * MINUTE))


def _save(files: BackfillFiles, raw: RawType, symbol: str, rows: Sequence[Any], covers: Sequence[Span]) -> str:
    """Write until what is read back is right; why it is not, where it never is."""
    problem = ""
    for attempt in range(1, SAVES + 1):
        try:
            files.save(TAGS[raw], symbol, rows, covers)
            return ""
        except BadFile as error:
            problem = str(error)
            LOGGER.warning("backfill.bad_file", type=raw, symbol=symbol, attempt=attempt, problem=problem)
    return f"{problem}; it was removed, {SAVES} times: check the disk"
