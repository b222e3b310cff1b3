"""What a film says of itself once it was enhanced: by whom, with which weights, and how strongly."""

from __future__ import annotations

from streamer import __version__
from streamer.config import Settings
from streamer.machinery import Models


def disclosure(settings: Settings, models: Models) -> str:
    """One line for people, with each expert, its weights by id and digest, and how much of its work is laid on."""
    experts = [
        f"{lane.value} lane: {work.expert.info.id} ({work.expert.info.weights}), strength {work.strength:g}"
        for lane, work in models.lanes.items()
    ]
    # Never the method of a network: that may be the path of somebody's file.
    network = None if models.background is None else models.background.info
    background = f"background: {settings.background.method if network is None else f'{network.id} ({network.weights})'}"
    judged = "not judged" if models.judge is None else f"judged by {models.judge.info.id}"
    fidelity = f"fidelity {settings.experts.fidelity:g}"
    told = "; ".join([*experts, fidelity, background, f"identity: {judged}"])
    return f"Enhanced by Facelane {__version__}: faces are restored, and no evidence. {told}"
