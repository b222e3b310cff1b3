"""One try at a source, on a thread of its own: it opens it and reads it to its end."""

from __future__ import annotations

import logging
import threading
import time
import traceback

from streamer.aio import SOURCE_THREAD
from streamer.live.ports import Cause
from streamer.media.decoding import CardFault, Decoding
from streamer.media.network.address import Address
from streamer.media.network.connection import Connection
from streamer.media.network.failure import Failure, failure
from streamer.media.network.opening import Knowledge, OpenMedia, open_media
from streamer.media.network.outlet import Outlet
from streamer.media.network.policy import SourcePolicy
from streamer.media.network.settings import NetworkSettings

logger = logging.getLogger(__name__)


class Attempt:
    """Its times (monotonic seconds) and `failure` may be read on any thread; `wake` is set at each turn.

    `failure` is None as long as it works, and after the end of a source that has one.
    """

    def __init__(
        self,
        address: Address,
        settings: NetworkSettings,
        policy: SourcePolicy | None,
        *,
        outlet: Outlet,
        wake: threading.Event,
        knowledge: Knowledge,
    ) -> None:
        """`knowledge`: of the source, from attempt to attempt."""
        self.started_at = time.monotonic()
        self.opened_at: float | None = None
        self.first_picture_at: float | None = None
        self.last_picture_at: float | None = None
        self.behind_at: float | None = None
        self.failure: Failure | None = None
        self.has_sound = False
        self.decoding: Decoding | None = None
        self._address = address
        self._settings = settings
        self._policy = policy
        self._outlet = outlet
        self._wake = wake
        self._knowledge = knowledge
        self._stopping = threading.Event()
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._media: OpenMedia | None = None
        # A daemon: the end of the process doesn't wait for one that hangs.
        self._thread = threading.Thread(target=self._run, name=SOURCE_THREAD, daemon=True)

    @property
    def is_open(self) -> bool:
        return self.opened_at is not None

    @property
    def has_ended(self) -> bool:
        return self._done.is_set()

    @property
    def lived_seconds(self) -> float:
        """From its first picture to its last."""
        if self.first_picture_at is None or self.last_picture_at is None:
            return 0.0
        return self.last_picture_at - self.first_picture_at

    def is_behind(self, seconds: float) -> bool:
        """Whether pictures were passed over in the last `seconds`, since they came faster than they are decoded."""
        return self.behind_at is not None and time.monotonic() - self.behind_at < seconds

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends it as soon as it can be; returns at once."""
        self._stopping.set()
        with self._lock:
            if self._media is not None:
                self._media.interrupt()

    def join(self, seconds: float) -> None:
        """Waits for its end, at most so long."""
        self._thread.join(seconds)
        if self._thread.is_alive():
            logger.debug("%s: left to its time limit", self._address)

    def _note_picture(self) -> None:
        now = time.monotonic()
        self.last_picture_at = now
        if self.first_picture_at is None:
            self.first_picture_at = now
            self._wake.set()

    def _note_behind(self) -> None:
        self.behind_at = time.monotonic()

    def _run(self) -> None:
        try:
            self._read()
            while self._begins_again():
                self._read()
        except Failure as error:
            self.failure = error
        except Exception as error:  # whatever it is: a source is never given up, and says what stopped it
            self.failure = self._unforeseen(error)
        finally:
            self._done.set()
            self._wake.set()

    def _begins_again(self) -> bool:
        is_file = self._address.kind == "file"
        return is_file and self._settings.loop and self.first_picture_at is not None and not self._stopping.is_set()

    def _unforeseen(self, error: Exception) -> Failure:
        # Where, but not its own text, which may hold the address with its password.
        place = traceback.extract_tb(error.__traceback__)[-1]
        logger.error("%s: %s in %s:%s", self._address, type(error).__name__, place.filename, place.lineno)
        return failure(Cause.OTHER, self._address, detail=type(error).__name__)

    def _read(self) -> None:
        media = open_media(self._address, self._settings, self._policy, knowledge=self._knowledge)
        try:
            with self._lock:
                self._media = media
            connection = Connection(
                media,
                self._address,
                self._settings,
                outlet=self._outlet,
                stopping=self._stopping,
                on_picture=self._note_picture,
                on_behind=self._note_behind,
            )
            self.has_sound = connection.has_sound
            self.decoding = media.decoding
            self.opened_at = time.monotonic()
            connection.run()
        except CardFault as error:
            self._knowledge.card_fault = error.fault
            raise failure(Cause.OTHER, self._address, detail=str(error)) from None
        finally:
            with self._lock:
                self._media = None
            media.close()
        if self.first_picture_at is None and connection.has_seen_video and not self._stopping.is_set():
            raise failure(Cause.CODEC, self._address)
        # Cameras have no end: one that comes to it was lost.
        if self._address.kind != "file" and not self._stopping.is_set():
            raise failure(Cause.CLOSED, self._address)
