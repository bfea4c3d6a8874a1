"""The study: can the direction of real candles be foretold, by what, and how sure is that?"""

from learning.study.bars import Bars, rates_beside, read_bars, read_rates
from learning.study.leakage import Leakage, prove
from learning.study.rows import Rows, build_rows
from learning.study.settings import Question, Settings
from learning.study.study import corrected, study

__all__ = [
    "Bars", "Leakage", "Question", "Rows", "Settings", "build_rows", "corrected", "prove", "rates_beside", "read_bars",
    "read_rates", "study",
]  # fmt: skip
