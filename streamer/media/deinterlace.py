"""Frames that were coded as two fields, made whole by FFmpeg's bwdif; all others pass untouched."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import av
from av.filter import Graph

from streamer.errors import SourceError
from streamer.media.convert import PLANAR


class Deinterlacer:
    """Takes decoded frames in order and gives as many back, each with the frame that it was made from.

    The filter starts at the first frame flagged as interlaced; from there on every frame runs through it, which leaves
    those that are not flagged as they are, so that the order holds.
    """

    def __init__(self) -> None:
        self.is_active = False
        self._graph: Graph | None = None
        self._shape: tuple[int, int, str] | None = None
        self._waiting: deque[av.VideoFrame] = deque()

    def feed(self, frame: av.VideoFrame) -> Iterator[tuple[av.VideoFrame, av.VideoFrame]]:
        """Pairs (picture, original) that are ready after `frame`."""
        self.is_active = self.is_active or frame.interlaced_frame
        if not self.is_active:
            yield frame, frame
            return
        fields = _planar(frame)
        shape = fields.width, fields.height, fields.format.name
        if self._graph is None or shape != self._shape:
            yield from self.flush()
            self._graph, self._shape = _graph(fields), shape
        self._waiting.append(frame)
        self._graph.vpush(fields)
        yield from self._pull(self._graph)

    def flush(self) -> Iterator[tuple[av.VideoFrame, av.VideoFrame]]:
        """The pairs that the filter still holds; it starts afresh with the next frame."""
        graph, self._graph, self._shape = self._graph, None, None
        if graph is not None:
            graph.vpush(None)
            yield from self._pull(graph)
            if self._waiting:
                raise SourceError("deinterlacing lost frames: convert the film to progressive video first")

    def _pull(self, graph: Graph) -> Iterator[tuple[av.VideoFrame, av.VideoFrame]]:
        while True:
            try:
                picture = graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return
            original = self._waiting.popleft()
            picture.colorspace, picture.color_range = original.colorspace, original.color_range
            picture.color_primaries, picture.color_trc = original.color_primaries, original.color_trc
            yield picture, original


def _planar(frame: av.VideoFrame) -> av.VideoFrame:
    """A graphics card's picture as bwdif takes it. The graph would do that by itself, and blur interlaced pictures."""
    planar = PLANAR.get(frame.format.name)
    return frame if planar is None else frame.reformat(format=planar)


def _graph(frame: av.VideoFrame) -> Graph:
    graph = Graph()
    # The clock doesn't matter: pictures are matched to their frames by order. It must only rise.
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    filter = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
    graph.link_nodes(source, filter, graph.add("buffersink")).configure()
    return graph
