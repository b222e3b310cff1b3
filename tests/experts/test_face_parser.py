"""The face parser: the package's own network, with random weights, gives what the package gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from experts import face_parser
from experts.compat import import_gan
from experts.face_parser import SIDE, FaceParser, build_network
from tests.helpers.torchvision_here import make_importable
from weights.errors import WeightsError
from weights.manifest import Entry, HttpsFile
from weights.session import RuntimeSettings
from weights.store import Store, StoreSettings

ON_TORCH = RuntimeSettings(device="cpu", runtime="torch", precision="float32")
FREE_ENTRY = Entry(
    "parsenet", "a test", "MIT", "none", None, None, (HttpsFile("https://127.0.0.1:9/parsenet.pth"),), True
)


@pytest.fixture(autouse=True)
def _torchvision() -> None:
    make_importable()


def small_network() -> torch.nn.Module:
    """The package's class with few channels: all of it would take a processor seconds a face."""
    torch.manual_seed(3)
    made: Any = import_gan("facexlib.parsing.parsenet").ParseNet(
        in_size=SIDE, out_size=SIDE, parsing_ch=19, base_ch=4, ch_range=[4, 4], res_depth=1
    )
    # Else one of the labels wins everywhere.
    torch.nn.init.zeros_(made.out_mask_conv.conv2d.bias)
    network: torch.nn.Module = made.eval()
    return network


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_labels_are_the_packages_own(runtime: str) -> None:
    network, face = small_network(), np.random.default_rng(0).integers(0, 256, (236, 236, 3), np.uint8)
    settings = ON_TORCH if runtime == "torch" else RuntimeSettings(runtime="openvino", precision="float32")
    # As facexlib's FaceRestoreHelper.paste_faces_to_input_image does it, but that its faces are BGR.
    picture = cv2.resize(face, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255.0
    tensor = (torch.from_numpy(picture.transpose(2, 0, 1)) - 0.5) / 0.5
    with torch.no_grad():
        expected = network(tensor[None])[0].argmax(dim=1).numpy()[0]
    assert len(np.unique(expected)) > 2, "or anything would equal it"
    labels = FaceParser(network, settings).parse(face)
    assert (labels == expected).mean() > 0.9999, "but where two labels have the same score"


def test_a_file_in_the_projects_layout_is_loaded_key_by_key_and_another_refused(tmp_path: Path) -> None:
    store = Store(StoreSettings(folder=tmp_path / "cache"), manifest={"parsenet": FREE_ENTRY})
    with pytest.raises(WeightsError, match=r"not here; fetch them: facelane weights pull parsenet$"):
        face_parser.make(store, ON_TORCH)
    file = tmp_path / "mine.pth"
    torch.save(build_network().state_dict(), file)
    store.import_file("parsenet", file)
    face_parser.make(store, ON_TORCH)
    other = Store(StoreSettings(folder=tmp_path / "other"), manifest={"parsenet": FREE_ENTRY})
    torch.save(small_network().state_dict(), file)
    other.import_file("parsenet", file)
    with pytest.raises(WeightsError, match=r"encoder\."):
        face_parser.make(other, ON_TORCH)
