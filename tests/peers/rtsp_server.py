"""An RTSP server that plays films round and round as if they were cameras: a peer of tests, run by the system's Python.

    rtsp_server.py --port 8554 --path cam=film.mp4 --path mix=small.mp4,large.mp4 --path private=a.mp4 --login USER:WORD

Nothing is encoded here: films are taken apart, and their access units sent at the pace of their own times. Prints
"ready" when it listens. Paths that begin with "private" ask for the login.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from typing import Any

import gi  # type: ignore[import-not-found]  # Debian's python3-gi, for Debian's own Python

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # type: ignore[import-not-found]  # noqa: E402

# What a film's stream is made into before it is sent, and by which element it is packed, by media type.
_KINDS = {
    "video/x-h264": (
        "h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au",
        "rtph264pay",
    ),
    "video/x-h265": (
        "h265parse config-interval=-1 ! video/x-h265,stream-format=byte-stream,alignment=au",
        "rtph265pay",
    ),
    "video/mpeg": ("mpeg4videoparse config-interval=-1", "rtpmp4vpay"),
    "image/jpeg": ("jpegparse", "rtpjpegpay"),
    "audio/mpeg": ("aacparse ! audio/mpeg,stream-format=raw", "rtpmp4gpay"),
    "audio/x-mulaw": ("identity", "rtppcmupay"),
    "audio/x-alaw": ("identity", "rtppcmapay"),
    "audio/x-opus": ("opusparse", "rtpopuspay"),
}
_LEAD = 20 * Gst.MSECOND


def kinds_of(film: str) -> list[str]:
    """The media types in a film, the picture's first."""
    found: list[str] = []
    pipeline = Gst.parse_launch("filesrc name=file ! parsebin name=parse")
    pipeline.get_by_name("file").set_property("location", film)
    pipeline.get_by_name("parse").connect("pad-added", lambda _, pad: found.append(kind_of(pad)))
    pipeline.set_state(Gst.State.PAUSED)
    # Its streams lead nowhere, which it complains of as soon as all of them are there.
    pipeline.get_bus().timed_pop_filtered(10 * Gst.SECOND, Gst.MessageType.ERROR | Gst.MessageType.EOS)
    pipeline.set_state(Gst.State.NULL)
    unknown = [kind for kind in found if kind not in _KINDS]
    if not found or unknown:
        sys.exit(f"{film} has streams that can't be sent: {unknown or 'none'}")
    return sorted(found, key=lambda kind: kind.startswith("audio"))


def kind_of(pad: Any) -> str:
    # A parser that hasn't seen its first picture has said what it gives, but not of what size.
    caps = pad.get_current_caps() or pad.query_caps(None)
    return str(caps.get_structure(0).get_name())


class Feeder:
    """Plays films in turn, for ever, into the sources of one RTSP media, with times that go on rising."""

    def __init__(self, films: list[str], kinds: list[str], element: Any, *, tell: bool = False) -> None:
        self._films = films
        self._tells = tell
        self._place = 0
        self._kinds = kinds
        self._element = element
        self._sources = [element.get_by_name(f"source{index}") for index in range(len(kinds))]
        self._stopping = threading.Event()
        self._base: int | None = None
        self._offset = 0
        self._end = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            for film in self._films:
                self._play(film)

    def _play(self, film: str) -> None:
        self._place = 0
        pipeline = Gst.parse_launch("filesrc name=file ! parsebin name=parse")
        pipeline.get_by_name("file").set_property("location", film)
        pipeline.get_by_name("parse").connect("pad-added", self._link, pipeline)
        pipeline.set_state(Gst.State.PLAYING)
        bus = pipeline.get_bus()
        while not self._stopping.is_set():
            message = bus.timed_pop_filtered(100 * Gst.MSECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
            if message is not None:
                if message.type == Gst.MessageType.ERROR:
                    sys.exit(f"{film}: {message.parse_error()[0].message}")
                break
        pipeline.set_state(Gst.State.NULL)
        self._offset = self._end

    def _link(self, _: Any, pad: Any, pipeline: Any) -> None:
        kind = kind_of(pad)
        made, _ = _KINDS[kind]
        ends = f"queue max-size-time=0 max-size-bytes=0 ! {made} ! appsink name=out emit-signals=true sync=true"
        branch = Gst.parse_bin_from_description(ends, True)
        branch.get_by_name("out").connect("new-sample", self._send, self._sources[self._kinds.index(kind)])
        pipeline.add(branch)
        branch.sync_state_with_parent()
        pad.link(branch.get_static_pad("sink"))

    def _send(self, sink: Any, source: Any) -> Any:
        sample = sink.emit("pull-sample")
        buffer = sample.get_buffer().copy()
        base = self._running()
        if base is None:
            return Gst.FlowReturn.OK
        # What an edit list cuts off, such as an encoder's lead-in, has no running time.
        shown = sample.get_segment().to_running_time(Gst.Format.TIME, buffer.pts)
        if shown == Gst.CLOCK_TIME_NONE:
            return Gst.FlowReturn.OK
        duration = 0 if buffer.duration == Gst.CLOCK_TIME_NONE else buffer.duration
        self._end = max(self._end, self._offset + shown + duration)
        buffer.pts = buffer.dts = base + self._offset + shown
        if source.get_property("caps") is None or not source.get_property("caps").is_equal(sample.get_caps()):
            source.set_property("caps", sample.get_caps())
        source.emit("push-buffer", buffer)
        if self._tells and source is self._sources[0]:
            self._tell(buffer.pts)
        return Gst.FlowReturn.OK

    def _tell(self, running_time: int) -> None:
        """The clock of GStreamer is the monotonic one; what comes late is sent at once."""
        due = (self._element.get_base_time() + running_time) / Gst.SECOND
        sys.stdout.write(f"{self._place} {max(due, time.monotonic()):.6f}\n")
        sys.stdout.flush()
        self._place += 1

    def _running(self) -> int | None:
        """What to add to a film's times: the running time of the RTSP media at which the feeding began."""
        with self._lock:
            if self._base is None:
                clock = self._element.get_clock()
                while clock is None and not self._stopping.wait(0.005):
                    clock = self._element.get_clock()
                if clock is None:
                    return None
                self._base = clock.get_time() - self._element.get_base_time() + _LEAD
            return self._base


def factory_of(films: list[str], *, tell: bool) -> Any:
    kinds = kinds_of(films[0])
    parts = []
    for index, kind in enumerate(kinds):
        _, payloader = _KINDS[kind]
        parts.append(
            f"appsrc name=source{index} is-live=true format=time max-bytes=0 ! "
            f"{payloader} name=pay{index} pt={96 + index} perfect-rtptime=false"
        )
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch("( " + " ".join(parts) + " )")
    factory.set_shared(True)
    factory.set_latency(0)
    factory.connect("media-configure", lambda _, media: _feed(media, films, kinds, tell=tell))
    return factory


def _feed(media: Any, films: list[str], kinds: list[str], *, tell: bool) -> None:
    feeder = Feeder(films, kinds, media.get_element(), tell=tell)
    media.connect("unprepared", lambda _: feeder.stop())
    feeder.start()


def protect(server: Any, login: str) -> None:
    user, _, word = login.partition(":")
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(2)  # Digest, as cameras ask for
    for role in ("user", "anonymous"):
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", role)
        if role == "user":
            auth.add_digest(user, word, token)
        else:
            auth.set_default_token(token)
    server.set_auth(auth)


def permit(factory: Any, *, private: bool) -> None:
    for role in ("user", "anonymous"):
        structure = Gst.Structure.new_empty(role)
        structure.set_value("media.factory.access", True)
        structure.set_value("media.factory.construct", role == "user" or not private)
        factory.add_role_from_structure(structure)


def serve(server: Any, port: int, *, paths: list[str], login: str, tell: bool) -> None:
    server.set_address("127.0.0.1")
    server.set_service(str(port))
    protect(server, login)
    mounts = server.get_mount_points()
    for path in paths:
        name, _, films = path.partition("=")
        factory = factory_of(films.split(","), tell=tell)
        permit(factory, private=name.startswith("private"))
        mounts.add_factory(f"/{name}", factory)
    if not server.attach(None):
        sys.exit(f"port {port} can't be had")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", action="append", default=[])
    parser.add_argument("--login", default="user:word")
    parser.add_argument("--tell", action="store_true")
    words = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    serve(server, words.port, paths=words.path, login=words.login, tell=words.tell)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
