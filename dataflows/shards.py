"""The Bytewax wrapper around the engine of a shard."""

import time
from collections.abc import Callable, Iterable

from bytewax.operators import StatefulBatchLogic

from connectors.fatal import fatal
from connectors.source import Chunk
from dataflows.recovery import StateUnusable
from dataflows.slowness import Slowness
from operators.engine import Beginning, Engine
from schemas.output import Output

State = tuple[int, int, bytes]
"""(shard, offset of the last message that was fed, the engine's snapshot)"""


class ShardLogic(StatefulBatchLogic[Chunk, Output, State]):
    """Feeds the messages of one shard to its engine.

    Bytewax does not say which key a logic is built for, so the shard travels with its messages and the engine is made
    when the first of them, or a snapshot, arrives. Each chunk says which message it follows, so an engine whose state
    is not of the same moment as the source's notices it before it computes anything wrong.
    """

    @fatal
    def __init__(
        self, build: Callable[[int], Engine], begin: Callable[[int], Beginning | None], state: State | None = None
    ) -> None:
        self.build = build
        self.begin = begin
        self.engine: Engine | None = None
        self.last: int | None = None
        self.slowness: Slowness | None = None
        if state is not None:
            shard, self.last, data = state
            self.engine = build(shard)
            try:
                self.engine.restore(data)
            except ValueError as error:
                raise StateUnusable(f"events/{shard}: {error}") from error

    @fatal
    def on_batch(self, values: list[Chunk]) -> tuple[Iterable[Output], bool]:
        outputs: list[Output] = []
        for shard, after, messages in values:
            if after != self.last:
                raise StateUnusable(
                    f"events/{shard}: the source goes on after offset {after}, but the engine's state is that after"
                    f" offset {self.last} (None is the beginning)"
                )
            if self.engine is None:
                self.engine = self.build(shard)
                self.engine.beginning = self.begin(shard)
            if self.slowness is None:
                self.slowness = Slowness(self.engine)
            begin = time.perf_counter()
            outputs += self.engine.feed(messages)
            self.slowness.fed(time.perf_counter() - begin)
            self.last = messages[-1][0]
        return outputs, StatefulBatchLogic.RETAIN

    def snapshot(self) -> State:
        assert self.engine is not None and self.last is not None, "a logic is only kept after its first batch"
        return self.engine.cursor.shard, self.last, self.engine.snapshot()
