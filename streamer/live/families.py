"""The metrics of live streams, by the guidelines of Prometheus: base units, `_total` for what only rises, and no label
whose values aren't a small fixed set but `stream`, whose series go when the stream does.

https://prometheus.io/docs/practices/naming
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

STAGE_BUCKETS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
LATENCY_BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 2.0)
# Judges differ: of one person's faces ArcFace says 0.4 and more, dlib 0.92 and more.
SIMILARITY_BUCKETS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.86, 0.88, 0.9, 0.92, 0.94, 0.96, 0.98, 0.99)
BATCH_BUCKETS = (1, 2, 3, 4, 6, 8, 12, 16, 24)

MOST_VALUES = 32
"""Of one label of one stream. There are a dozen at most; should somebody put a number into a reason, it ends here."""
OTHER = "other"

Family = TypeVar("Family", bound=MetricWrapperBase)


class Families:
    """Every metric of a stream, in a registry. Each has `stream` as its first label."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._all: list[MetricWrapperBase] = []
        self._registry = registry
        self._define_frames()
        self._define_times()
        self._define_faces()
        self._define_ends()

    def _define_frames(self) -> None:
        self.frames_in = self._counter("frames_in", "Frames that came from the source, decoded.")
        self.frames_out = self._counter("frames_out", "Coded pictures handed over to viewers.", "rendition")
        self.frames_shown = self._counter(
            "frames_shown", "Frames of the source that viewers were handed, in whatever renditions."
        )
        self.frames_dropped = self._counter("frames_dropped", "Frames of the source that were never shown.", "reason")
        self.viewer_frames_dropped = self._counter(
            "viewer_frames_dropped", "Coded pictures that one viewer did not get, and others may have.", "reason"
        )
        self.mended = self._counter("timestamps_mended", "Timestamps of the source that were put right.", "kind")
        self.packets_lost = self._counter(
            "source_packets_lost", "Packets of a publisher that never came, or too late to be of use.", "kind"
        )
        self.picture_bytes = self._counter(
            "picture_bytes", "Bytes of coded pictures, once for all viewers.", "rendition"
        )
        self.sound_bytes = self._counter("sound_bytes", "Bytes of coded sound, once for all viewers.")
        self.rate_in = self._gauge("input_frame_rate_hertz", "Frames a second from the source, over the last 5 s.")
        self.rate_out = self._gauge("output_frame_rate_hertz", "Pictures a second to viewers, over the last 5 s.")

    def _define_times(self) -> None:
        self.stage = self._histogram("stage_seconds", "Time of one frame in one stage.", STAGE_BUCKETS, "stage")
        self.latency = self._histogram(
            "latency_seconds", "From a frame's capture, or arrival, to its hand-over to viewers.", LATENCY_BUCKETS
        )
        self.frame_age = self._gauge(
            "frame_age_seconds", "How long ago the newest frame that viewers were handed was captured; now, not then."
        )
        self.glass = self._histogram(
            "glass_to_glass_seconds", "From capture to being shown, as viewers' pages measure it.", LATENCY_BUCKETS
        )

    def _define_faces(self) -> None:
        self.faces = self._counter("faces", "Faces of all frames, by the lane they took and why.", "lane", "reason")
        self.batches = self._histogram("batch_faces", "Faces in one run of a lane's expert.", BATCH_BUCKETS, "lane")
        self.degraded = self._counter("degraded", "What was done less well than asked.", "reason")
        self.similarity = self._histogram(
            "identity_similarity",
            "Cosines between restored faces and their originals, of those that were judged.",
            SIMILARITY_BUCKETS,
            "lane",
        )
        self.guard_steps = self._counter(
            "identity_guard_steps", "Steps of tracks' strengths, down where a face was another person's.", "direction"
        )
        self.unjudged = self._counter(
            "identity_unjudged",
            "Restored faces that were not judged though they should: newer ones came, or it failed.",
        )
        self.effort = self._gauge(
            "effort_level", "Steps down the ladder of effort; 0 is full. Absent while there is nothing to enhance."
        )

    def _define_ends(self) -> None:
        self.source_state = self._gauge("source_state", "1 for the state the source is in, 0 for others.", "state")
        self.reconnects = self._counter("source_reconnects", "Returns of a source after it was lost.", "cause")
        self.viewers = self._gauge("viewers", "Viewers that are connected.")

    def _counter(self, name: str, says: str, *labels: str) -> Counter:
        return self._kept(Counter(f"facelane_{name}", says, ("stream", *labels), registry=self._registry))

    def _gauge(self, name: str, says: str, *labels: str) -> Gauge:
        return self._kept(Gauge(f"facelane_{name}", says, ("stream", *labels), registry=self._registry))

    def _histogram(self, name: str, says: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        family = Histogram(f"facelane_{name}", says, ("stream", *labels), buckets=buckets, registry=self._registry)
        return self._kept(family)

    def _kept(self, family: Family) -> Family:
        self._all.append(family)
        return family

    def forget(self, stream: str) -> None:
        """Removes every series of a stream."""
        for family in self._all:
            family.remove_by_labels({"stream": stream})

    def __iter__(self) -> Iterator[MetricWrapperBase]:
        return iter(self._all)


class Children(Generic[Family]):
    """One stream's series of a family, by the values of its further labels; finding one costs a look-up in a dict."""

    def __init__(self, family: Family, stream: str) -> None:
        self._family = family
        self._stream = stream
        self._by_values: dict[tuple[str, ...], Any] = {}

    def __getitem__(self, values: tuple[str, ...]) -> Family:
        child: Family | None = self._by_values.get(values)
        return self._new(values) if child is None else child

    def _new(self, values: tuple[str, ...]) -> Family:
        if len(self._by_values) >= MOST_VALUES:
            values = (OTHER,) * len(values)
        child = self._family.labels(self._stream, *values)
        self._by_values[values] = child
        return child
