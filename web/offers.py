"""Session descriptions and ICE fragments from strangers: parsed, limited and checked before aiortc sees them.

RFC 9725 sections 4.2 to 4.4, draft-ietf-wish-whep section 4, RFC 8840 section 4.4 for fragments.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import pairwise

from aiortc import RTCIceCandidate
from aiortc.sdp import MediaDescription, SessionDescription, candidate_from_sdp

from web.refusal import Refusal

MAX_LINES = 600
MAX_MEDIA = 8
MAX_CANDIDATES = 64
MAX_CODEC_LINES = 128
"""Of each kind, in one media section. aiortc compares each feedback line with each codec, on the event loop."""
MAX_FEEDBACK_LINES = 16
"""Of one payload type, or of all ("*"), which aiortc writes out for each codec."""

_LINE = re.compile(r"[a-z]=.*")
_KINDS = {"audio", "video", "application"}
_CODEC_LINES = ("a=rtpmap:", "a=fmtp:", "a=rtcp-fb:")
# What aiortc's parser raises on descriptions that it doesn't expect.
_PARSE_ERRORS = (ArithmeticError, AssertionError, AttributeError, LookupError, StopIteration, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Offer:
    """`sdp`: without its candidates, which are kept apart because adding them may take time."""

    sdp: str
    media: tuple[MediaDescription, ...]
    candidates: tuple[RTCIceCandidate, ...]

    @property
    def ufrag(self) -> str:
        return _ufrag(self.media[0])

    def kinds(self) -> list[str]:
        return [media.kind for media in self.media]


@dataclass(frozen=True, slots=True)
class Fragment:
    """What a trickle PATCH brought. `ufrags`: the ICE user fragments that it names."""

    candidates: tuple[RTCIceCandidate, ...]
    ufrags: frozenset[str]


def parse_offer(text: str) -> Offer:
    """Raises Refusal where it is no description, is too large, or lacks what WebRTC needs."""
    lines = _lines(text)
    if not lines or lines[0] != "v=0":
        raise Refusal(HTTPStatus.BAD_REQUEST, 'the body is no session description: begin it with "v=0"')
    if sum(line.startswith("m=") for line in lines) > MAX_MEDIA:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"the offer has more than {MAX_MEDIA} media sections: offer fewer")
    for section in _sections(lines):
        _check_codec_lines(section)
    kept = [line for line in lines if not line.startswith(("a=candidate:", "a=end-of-candidates"))]
    sdp = "\r\n".join(kept) + "\r\n"
    media = tuple(_parse(sdp).media)
    _check_transport(media)
    return Offer(sdp, media, _candidates(lines))


def parse_fragment(text: str) -> Fragment:
    """A body of type application/trickle-ice-sdpfrag. Raises Refusal where it makes no sense."""
    lines = _lines(text)
    ufrags = frozenset(line.removeprefix("a=ice-ufrag:") for line in lines if line.startswith("a=ice-ufrag:"))
    if not any(line.startswith(("a=candidate:", "a=end-of-candidates", "a=ice-ufrag:")) for line in lines):
        raise Refusal(HTTPStatus.BAD_REQUEST, 'the fragment says nothing of ICE: send "a=candidate:" lines')
    return Fragment(_candidates(lines), ufrags)


def check_publisher(offer: Offer) -> None:
    """Raises Refusal unless this offers one video, and one audio at most, to be received."""
    _check_tracks(offer, refused={"recvonly", "inactive"}, wanted="sendonly")
    if "application" in offer.kinds():
        raise Refusal(HTTPStatus.NOT_ACCEPTABLE, "WHIP carries audio and video: leave the data channel out")


def check_viewer(offer: Offer) -> None:
    """Raises Refusal unless this asks for one video, and one audio at most."""
    _check_tracks(offer, refused={"sendonly", "inactive"}, wanted="recvonly")
    if offer.kinds().count("application") > 1:
        raise Refusal(HTTPStatus.NOT_ACCEPTABLE, "the offer has more than one data section: offer one")


def _check_tracks(offer: Offer, *, refused: set[str], wanted: str) -> None:
    kinds = offer.kinds()
    if kinds.count("video") != 1 or kinds.count("audio") > 1:
        raise Refusal(HTTPStatus.NOT_ACCEPTABLE, "offer exactly one video track, and one audio track at most")
    for media in offer.media:
        # No direction means both (RFC 8866, section 6.7).
        if media.kind != "application" and media.direction in refused:
            detail = f'the {media.kind} section is {media.direction}: offer "{wanted}"'
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, detail)


def _lines(text: str) -> list[str]:
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"the body has more than {MAX_LINES} lines: send a shorter one")
    if not all(_LINE.fullmatch(line) for line in lines if line):
        raise Refusal(HTTPStatus.BAD_REQUEST, "the body is malformed: every line of it is a letter, = and a value")
    return [line for line in lines if line]


def _sections(lines: Sequence[str]) -> list[Sequence[str]]:
    """The lines of each media section, beginning with its "m="."""
    begins = [index for index, line in enumerate(lines) if line.startswith("m=")]
    return [lines[begin:end] for begin, end in pairwise([*begins, len(lines)])]


def _check_codec_lines(section: Sequence[str]) -> None:
    counts = {kind: sum(line.startswith(kind) for line in section) for kind in _CODEC_LINES}
    feedback = Counter(line.split()[0] for line in section if line.startswith("a=rtcp-fb:"))
    if max(counts.values()) > MAX_CODEC_LINES or max(feedback.values(), default=0) > MAX_FEEDBACK_LINES:
        most = f"{MAX_CODEC_LINES} lines of codecs, or {MAX_FEEDBACK_LINES} of one's feedback"
        detail = f"a media section has more than {most}: offer fewer"
        raise Refusal(HTTPStatus.BAD_REQUEST, detail)
    listed = section[0].split()[3:]
    described = [line.split()[0] for line in section if line.startswith("a=rtpmap:")]
    if len(set(listed)) < len(listed) or len(set(described)) < len(described):
        raise Refusal(HTTPStatus.BAD_REQUEST, "a payload type means two codecs: give each a number of its own")


def _parse(sdp: str) -> SessionDescription:
    try:
        return SessionDescription.parse(sdp)
    except _PARSE_ERRORS as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, "the session description is malformed: see RFC 8866") from error


def _check_transport(media: Sequence[MediaDescription]) -> None:
    mids = [section.rtp.muxId for section in media]
    if not media or "" in mids or len(set(mids)) < len(mids):
        raise Refusal(HTTPStatus.BAD_REQUEST, "every media section needs an a=mid of its own: add it")
    for section in media:
        if section.kind not in _KINDS:
            raise Refusal(HTTPStatus.NOT_ACCEPTABLE, "only audio, video and data sections are served: drop the others")
        if not (_ufrag(section) and section.ice and section.ice.password):
            raise Refusal(HTTPStatus.BAD_REQUEST, "the offer has no ICE credentials: add a=ice-ufrag and a=ice-pwd")
        if not (section.dtls and section.dtls.fingerprints):
            raise Refusal(HTTPStatus.BAD_REQUEST, "the offer has no DTLS identity: add a=fingerprint and a=setup")
        if section.kind != "application" and not section.rtcp_mux:
            raise Refusal(HTTPStatus.NOT_ACCEPTABLE, "RTP and RTCP share a port here: offer a=rtcp-mux")


def _ufrag(section: MediaDescription) -> str:
    return (section.ice and section.ice.usernameFragment) or ""


def _candidates(lines: Sequence[str]) -> tuple[RTCIceCandidate, ...]:
    found = [candidate for candidate in _read_candidates(lines) if _usable(candidate)]
    return tuple(found[:MAX_CANDIDATES])


def _read_candidates(lines: Sequence[str]) -> Iterator[RTCIceCandidate]:
    index, mid = -1, None
    for line in lines:
        if line.startswith("m="):
            index, mid = index + 1, None
        elif line.startswith("a=mid:"):
            mid = line.removeprefix("a=mid:")
        elif line.startswith("a=candidate:"):
            yield _candidate(line, mid=mid, index=max(index, 0))


def _candidate(line: str, *, mid: str | None, index: int) -> RTCIceCandidate:
    try:
        candidate = candidate_from_sdp(line.removeprefix("a=candidate:"))
    except _PARSE_ERRORS as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, "a candidate is malformed: see RFC 8839, section 5.1") from error
    candidate.sdpMid = mid
    candidate.sdpMLineIndex = index if mid is None else None
    return candidate


def _usable(candidate: RTCIceCandidate) -> bool:
    """Whether it can be reached from here; RFC 9725 section 4.3.2 has the others discarded silently. Names, mDNS ones
    above all, are not looked up: such a client is reached as it comes (a peer reflexive candidate)."""
    try:
        address = ipaddress.ip_address(candidate.ip)
    except ValueError:
        return False
    reachable = not (address.is_multicast or address.is_unspecified) and 0 < candidate.port < 65536
    return reachable and candidate.protocol.lower() == "udp" and candidate.component == 1
