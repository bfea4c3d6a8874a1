"""ws-gateway: subscriptions to market data, and a fresh look at the balances."""

import asyncio
from collections.abc import Sequence

import structlog

from connectors.peers.peer import Peer, PeerError
from connectors.rabbitmq.link import Backoff

CHANNELS = ("orderbook", "trades", "kline", "ticker", "funding")
SERVICE = "lockstep"
"""Who asks; the gateway groups subscriptions by it."""


async def subscribe_all(
    peer: Peer, symbols: Sequence[str], backoff: Backoff | None = None, channels: Sequence[str] = CHANNELS
) -> int:
    """Create a subscription for every symbol and channel, each tried again until the gateway takes it; how many.

    They are never cancelled, so that the queues collect while nobody reads them. Asking for one that exists changes
    nothing.
    """
    backoff = backoff or Backoff(first=0.5, longest=30.0)
    wanted = [(symbol, channel) for symbol in symbols for channel in channels]
    count = len(wanted)
    while wanted:
        failed = []
        for symbol, channel in wanted:
            try:
                await subscribe(peer, symbol, channel)
            except PeerError as error:
                failed.append((symbol, channel))
                structlog.get_logger().warning(
                    "gateway.subscription_failed", symbol=symbol, channel=channel, problem=str(error)
                )
        if wanted := failed:
            await asyncio.sleep(backoff.next())
    structlog.get_logger().info("gateway.subscribed", symbols=len(symbols), subscriptions=count)
    return count


async def subscribe(peer: Peer, symbol: str, channel: str) -> None:
    """Create one subscription.

    Raises:
        PeerError: when the gateway does not.
    """
    body = {"channel_type": channel, "symbol": symbol, "requesting_service": SERVICE}
    response = await peer.ask("POST", "/api/v1/subscriptions", json=body)
    if response.status_code not in (200, 201):
        raise peer.unexpected(response)


async def sync_balances(peer: Peer) -> None:
    """Have the gateway ask the exchange for the balances, which it then writes to their table.

    Raises:
        PeerError: when it does not.
    """
    response = await peer.ask("POST", "/api/v1/balances/sync")
    if response.status_code != 200:
        raise peer.unexpected(response)
