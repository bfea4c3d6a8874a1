"""The Bytewax wrapper around the engine of a shard."""

from collections.abc import Callable, Iterable

from bytewax.operators import StatefulBatchLogic

from connectors.source import Messages
from operators.engine import Engine
from schemas.output import Output


class ShardLogic(StatefulBatchLogic[tuple[int, Messages], Output, tuple[int, bytes]]):
    """Feeds the messages of one shard to its engine.

    Bytewax does not say which key a logic is built for, so the shard travels with its messages and the engine is made
    when the first of them, or a snapshot, arrives.
    """

    def __init__(self, build: Callable[[int], Engine], state: tuple[int, bytes] | None = None) -> None:
        self.build = build
        self.engine: Engine | None = None
        if state is not None:
            shard, data = state
            self.engine = build(shard)
            self.engine.restore(data)

    def on_batch(self, values: list[tuple[int, Messages]]) -> tuple[Iterable[Output], bool]:
        outputs: list[Output] = []
        for shard, messages in values:
            if self.engine is None:
                self.engine = self.build(shard)
            outputs += self.engine.feed(messages)
        return outputs, StatefulBatchLogic.RETAIN

    def snapshot(self) -> tuple[int, bytes]:
        assert self.engine is not None, "a logic is only kept after its first batch"
        return self.engine.cursor.shard, self.engine.snapshot()
