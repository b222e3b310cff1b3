"""The networks that ship, as sessions of their own, each with what it would really get to see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from blending import align
from experts import catalog, compact, dlib_embedder
from experts.dlib_file import read_network
from experts.embedding import realigned
from experts.fidelity import mixed
from experts.networks import NETWORKS
from experts.networks.background import BackgroundCorrection
from experts.networks.blocks import CELL
from experts.networks.dlib_resnet import SIDE
from experts.networks.restorer import Restorer
from routing.crops import Image, crops_of, squares_about
from routing.detector import CELL_PER_FACE_WIDTH
from routing.detectors import make_detector
from routing.networks import ONET_SIZE, RNET_SIZE, ONet, PNet, RNet, load_weights
from routing.pyramid import plan
from routing.types import Detection
from streamer.bench_detectors import pictures_of
from streamer.config import Settings
from streamer.demo import sample_pictures
from streamer.errors import SourceError
from weights.runtime import Array
from weights.session import RuntimeSettings, Session, open_item_session, open_session
from weights.store import Store

BATCH = 16
DETECTOR = ("mtcnn-pnet", "mtcnn-rnet", "mtcnn-onet")
NAMES = (*NETWORKS, compact.ID, *DETECTOR, dlib_embedder.ID)

Open = Callable[[RuntimeSettings], Session]
Face = tuple[Image, Detection]
"""A face, and the picture that it is in."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A network. `open`: a session of it, as the product opens it. `batch`: what it gets to see. `batched`: its batch
    may be of any size. `exact`: the product runs it in float32 alone."""

    name: str
    open: Open
    batch: Array
    batched: bool = True
    exact: bool = False


def load_subjects(
    sources: Sequence[Path], frames: int, names: Sequence[str], settings: Settings, store: Store
) -> tuple[list[Subject], dict[str, str]]:
    """The networks of those names, and why others are absent. Raises SourceError where there is no
    picture, or no face in any."""
    pictures = _pictures(sources, frames, store)
    detector = make_detector(store, settings.routing.detector, replace(settings.runtime, device="cpu", runtime="auto"))
    faces = [(picture, face) for picture in pictures for face in detector.detect(picture)][:BATCH]
    if not faces:
        raise SourceError("no face is found to compute with: give other clips, or folders of photographs")
    makers: dict[str, Callable[[], Subject]] = {
        **{name: partial(_expert, name, faces, settings.experts.fidelity, store) for name in NETWORKS},
        compact.ID: partial(_background, pictures[0], store),
        **{name: partial(_detector, name, faces, settings, store) for name in DETECTOR},
    }
    absent = {}
    if store.present(dlib_embedder.WEIGHTS) is not None:
        makers[dlib_embedder.ID] = partial(_embedder, faces, store)
    elif dlib_embedder.ID in names:
        absent[dlib_embedder.ID] = f"its weights are not here: facelane weights pull {dlib_embedder.WEIGHTS}"
    return [makers[name]() for name in names if name in makers], absent


def _pictures(sources: Sequence[Path], frames: int, store: Store) -> list[Image]:
    if not sources:
        return sample_pictures(store, BATCH // 2)
    pictures = [picture for source in sources for picture in pictures_of(source, frames)]
    if not pictures:
        raise SourceError("there is no picture to look at: give clips, or folders of pictures")
    return pictures


def _aligned(faces: Sequence[Face], side: int) -> Image:
    return np.stack([align.crop(picture, align.similarity(face.landmarks, side), side) for picture, face in faces])


def _expert(name: str, faces: Sequence[Face], fidelity: float, store: Store) -> Subject:
    side = NETWORKS[name].input_size
    files = [store.find(id) for id in catalog.WEIGHTS[name].needed(fidelity)]

    def opened(settings: RuntimeSettings) -> Session:
        network = Restorer(NETWORKS[name]())
        shape = (None, side, side, 3)
        return open_item_session(network, weights=mixed(files, fidelity), input_shape=shape, settings=settings)

    return Subject(name, opened, _aligned(faces, side))


def _background(picture: Image, store: Store) -> Subject:
    height, width = (extent // CELL * CELL for extent in picture.shape[:2])
    luma = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)[None, :height, :width]
    path = store.find(compact.WEIGHTS_ID)

    def opened(settings: RuntimeSettings) -> Session:
        return open_session(BackgroundCorrection(), weights=path, input_shape=(1, None, None), settings=settings)

    return Subject(compact.ID, opened, np.ascontiguousarray(luma), batched=False)


def _detector(name: str, faces: Sequence[Face], settings: Settings, store: Store) -> Subject:
    path = store.find(name)
    module, side = {"mtcnn-pnet": (PNet, None), "mtcnn-rnet": (RNet, RNET_SIZE), "mtcnn-onet": (ONet, ONET_SIZE)}[name]

    def opened(runtime: RuntimeSettings) -> Session:
        network = module()
        load_weights(network, path)
        shape = (1 if side is None else None, side, side, 3)
        return open_session(network, weights=None, input_shape=shape, settings=runtime, batches=(1, 4, 16))

    if side is None:
        return Subject(name, opened, _canvas(faces[0][0], settings), batched=False, exact=True)
    crops = [crops_of(picture, squares_about(np.array([face.box], np.float32)), side) for picture, face in faces]
    return Subject(name, opened, np.concatenate(crops), exact=True)


def _canvas(picture: Image, settings: Settings) -> Image:
    """A picture with a face in it at all sizes, as the first of MTCNN's networks sees it."""
    wanted = settings.routing.detector
    cell = wanted.min_face_px * CELL_PER_FACE_WIDTH
    canvas = plan(picture.shape[1], picture.shape[0], cell_px=cell, step=wanted.pyramid_step)
    if canvas is None:
        raise SourceError("the first picture with a face is too small for MTCNN: give larger ones")
    return canvas.draw(picture)


def _embedder(faces: Sequence[Face], store: Store) -> Subject:
    side, path = SIDE, store.find(dlib_embedder.WEIGHTS)
    chips = realigned(_aligned(faces, side), align.TEMPLATE, dlib_embedder.POINTS, side)

    def opened(settings: RuntimeSettings) -> Session:
        shape = (None, side, side, 3)
        return open_session(read_network(path), weights=None, input_shape=shape, settings=settings, batches=(1,))

    return Subject(dlib_embedder.ID, opened, chips)
