"""The result of a backtest, read from the log that it wrote."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from connectors.log import Log
from dataflows.backtest import Request
from dataflows.code import code_version
from dataflows.digest import digest, records
from dataflows.sampling import TOPIC as PRICES
from reports.bar import PriceBar
from reports.payments import payments
from reports.reasons import Reasons
from reports.result import Material, result
from schemas.account import Execution
from schemas.codec import decode_account, decode_decision, decode_quality, decode_signal

SECOND = 1_000_000
DIGESTS = ("decisions", "signals", "account")
decode_bar = msgspec.json.Decoder(PriceBar).decode


def findings(own: Log, request: Request) -> dict[str, Any]:
    """What the run of ``request`` has to say, as plain data; see ``reports.result``."""
    shards = len(request.ranges)
    material = material_of(own, request)
    models: set[str] = set()
    for value in _values(own, "signals", shards):
        signal = decode_signal(value)
        if signal.kind == "exit" and signal.rule:
            material.rules[signal.signal_id] = signal.rule
        if signal.model_version:
            models.add(signal.model_version)
    facts = _facts(request, material)
    facts["models"] = sorted(models)
    facts["digests"] = {topic: digest(own, topic, shards) for topic in DIGESTS}
    quality = Counter(decode_quality(value).problem for value in _values(own, "quality", shards))
    facts["quality"] = dict(sorted(quality.items()))
    return result(material, facts)


def material_of(own: Log, request: Request) -> Material:
    """What the run of ``request`` did, without its exit rules.

    The account events stay in the order of each shard, which is all that matters: symbols do not cross shards.
    """
    shards = len(request.ranges)
    account = [decode_account(value) for value in _values(own, "account", shards)]
    executions = [record for record in account if isinstance(record, Execution)]
    bars = [decode_bar(value) for value in _values(own, PRICES, shards)]
    seen = {bar.symbol for bar in bars}
    wanted = {symbol for settings in request.strategies for symbol in settings.symbols}
    symbols = sorted(seen & wanted | {one.symbol for one in executions}) or sorted(seen)
    ranges = [found for found in request.ranges if found.ends]
    start = min((found.begins for found in ranges), default=0) // SECOND * SECOND
    times = [*(found.ends for found in ranges), *(one.ts for one in executions), *(bar.ts for bar in bars)]
    last = max(times, default=0)
    return Material(
        start,
        -(-last // SECOND) * SECOND,
        request.account.cash,
        symbols,
        executions,
        [bar for bar in bars if bar.symbol in symbols],
        payments((record for record in account if record.symbol in symbols), request.account.cash),
        reasons=Reasons.of(decode_decision(value) for value in _values(own, "decisions", shards)),
    )


def _facts(request: Request, material: Material) -> dict[str, Any]:
    account = msgspec.structs.asdict(request.account)
    del account["recv"]
    return {
        "kind": "backtest",
        "run": request.id,
        "source": request.source,
        "begins": material.start,
        "ends": material.end,
        "events": sum(found.stop - found.first for found in request.ranges),
        "symbols": list(material.symbols),
        "shards": [
            {
                "shard": shard,
                "from": found.first,
                "to": found.stop,
                "warm": found.warm,
                "first": found.begins or None,
                "last": found.ends or None,
            }
            for shard, found in enumerate(request.ranges)
        ],
        "account": account,
        "strategies": [msgspec.to_builtins(settings) for settings in request.strategies],
        "strategies_from": request.strategies_from,
        "registry": {"version": request.registry_version, "digest": request.registry},
        "code": {"version": code_version(), "digest": request.code},
    }


def _values(log: Log, topic: str, shards: int) -> Iterator[bytes]:
    for shard in range(shards):
        for record in records(log, topic, shard):
            if record.value:
                yield record.value
