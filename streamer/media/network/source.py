"""A live source: connects, reads, notices when it stalls, and comes back for as long as it is wanted."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

from streamer.live.ports import Cause, Inlet, SourceState, SourceStatus
from streamer.media.network.address import Address, parse
from streamer.media.network.attempt import Attempt
from streamer.media.network.backoff import Backoff
from streamer.media.network.failure import Failure, failure
from streamer.media.network.opening import Knowledge
from streamer.media.network.outlet import Outlet
from streamer.media.network.policy import SourcePolicy
from streamer.media.network.settings import NetworkSettings

logger = logging.getLogger(__name__)

_CLOSE_SECONDS = 0.5
_LOOK_SECONDS = 0.25
# A source that was passed over so lately has not gone silent.
_BEHIND_SECONDS = 10.0
# Who was live for so long is not one who fails again and again.
_STEADY_SECONDS = 10.0


class NetworkSource:
    """Feeds an inlet from a camera, a server, a device or a file, as `streamer.live.ports.LiveSource`.

    Two threads: one reads and decodes, one watches it and decides about the next try. There is never a second reader:
    one that hangs in a call that nothing can interrupt (a name server, FFmpeg's connecting) is waited for, and by a
    `aclose` left to its time limit, after which it cleans up by itself; its inlet hears nothing of that.
    """

    def __init__(
        self, address: str | Address, settings: NetworkSettings | None = None, *, policy: SourcePolicy | None = None
    ) -> None:
        """`policy`: what connections may be made to, None for all. Raises UsageError for an address that is none, or
        where a card is to decode and there is none."""
        self._address = parse(address) if isinstance(address, str) else address
        self._settings = settings or NetworkSettings()
        self._settings.decoding()
        self._policy = policy
        self._closing = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._attempt: Attempt | None = None
        self._outlet: Outlet | None = None
        self._has_sound = False
        self._decoder = ""
        self._knowledge = Knowledge()
        chosen = self._settings
        self._backoff = Backoff(chosen.retry_first_seconds, chosen.retry_max_seconds, jitter=chosen.retry_jitter)

    @property
    def address(self) -> str:
        return self._address.shown

    @property
    def has_sound(self) -> bool:
        """Of the connection there is, or was."""
        if self._attempt is not None and self._attempt.is_open:
            self._has_sound = self._attempt.has_sound
        return self._has_sound

    @property
    def decoder(self) -> str:
        """What decodes the connection there is, or was, and where; empty before the first picture."""
        if self._attempt is not None and self._attempt.decoding is not None:
            self._decoder = self._attempt.decoding.taken or self._decoder
        return self._decoder

    def start(self, inlet: Inlet) -> None:
        """Begins to feed `inlet`; once only. Returns at once."""
        if self._thread is not None:
            raise RuntimeError("a source is started once")
        self._outlet = Outlet(inlet)
        self._thread = threading.Thread(target=self._run, args=(self._outlet,), name="source", daemon=True)
        self._thread.start()

    async def aclose(self) -> None:
        """Ends it, in every state, within a second; may be called twice. The inlet hears nothing after that."""
        self._stop()
        await asyncio.to_thread(self._join)

    def close(self) -> None:
        """The same for callers without a loop."""
        self._stop()
        self._join()

    def _stop(self) -> None:
        self._closing.set()
        self._wake.set()
        if self._outlet is not None:
            self._outlet.close()

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()
        if self._attempt is not None:
            self._attempt.stop()
            self._attempt.join(_CLOSE_SECONDS)

    def _run(self, outlet: Outlet) -> None:
        """On the watching thread, until closed or at an end."""
        while not self._closing.is_set():
            outlet.status(SourceStatus(SourceState.CONNECTING, message=f"connecting to {self._address}"))
            self._attempt = self._next_attempt(outlet)
            self._attempt.start()
            self._watch(self._attempt, outlet)
            if self._closing.is_set():
                return
            if self._attempt.failure is None:
                outlet.status(SourceStatus(SourceState.ENDED, message=f"{self._address} is at its end"))
                return
            self._rest(self._attempt.failure, outlet)

    def _next_attempt(self, outlet: Outlet) -> Attempt:
        return Attempt(
            self._address,
            self._settings,
            self._policy,
            outlet=outlet,
            wake=self._wake,
            knowledge=self._knowledge,
        )

    def _watch(self, attempt: Attempt, outlet: Outlet) -> None:
        """Tells what becomes of an attempt, until it ends or the source is closed."""
        state = SourceState.CONNECTING
        while not self._closing.is_set() and not attempt.has_ended:
            now = self._state_of(attempt, state)
            if now is not state:
                state = now
                outlet.status(self._status_of(state, attempt))
            self._wake.wait(_LOOK_SECONDS)
            self._wake.clear()
        if attempt.lived_seconds > _STEADY_SECONDS:
            self._backoff.reset()

    def _state_of(self, attempt: Attempt, before: SourceState) -> SourceState:
        now = time.monotonic()
        if attempt.last_picture_at is not None:
            is_stalled = now - attempt.last_picture_at > self._settings.stall_seconds
            return SourceState.STALLED if is_stalled else SourceState.LIVE
        if attempt.opened_at is not None:
            return SourceState.STALLED if now - attempt.opened_at > self._settings.stall_seconds else before
        # Opening has steps, each with this limit; names may take longer still, and nothing can interrupt that.
        is_overdue = now - attempt.started_at > 3 * self._settings.open_timeout_seconds
        return SourceState.RETRYING if is_overdue else before

    def _status_of(self, state: SourceState, attempt: Attempt) -> SourceStatus:
        if state is SourceState.LIVE:
            logger.info("%s is live: %s", self._address, self.decoder)
            return SourceStatus(state)
        if state is SourceState.STALLED:
            return SourceStatus(state, message=self._stall(attempt))
        overdue = failure(Cause.TIMED_OUT, self._address)
        return SourceStatus(state, overdue.cause, overdue.message)

    def _stall(self, attempt: Attempt) -> str:
        if self._address.kind == "file" or attempt.is_behind(_BEHIND_SECONDS):
            return f"this machine can't decode {self._address} in time: take a smaller picture, or give it less to do"
        return f"{self._address} is connected, but sends no picture"

    def _rest(self, why: Failure, outlet: Outlet) -> None:
        """Tells why there is nothing, and waits for the next try."""
        seconds = self._backoff.longest() if why.lasting else self._backoff.next()
        state = SourceState.FAILED if why.lasting else SourceState.RETRYING
        logger.info("%s; next try in %.1f s", why.message, seconds)
        outlet.status(SourceStatus(state, why.cause, why.message, retry_at=time.monotonic() + seconds))
        self._closing.wait(seconds)
