"""`python -m experts.training`: trains one expert and writes its weights."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import cv2
import torch

from experts.networks import NETWORKS
from experts.training import photos, pool
from experts.training.export import export
from experts.training.settings import load
from experts.training.trainer import Trainer

logger = logging.getLogger(__name__)


def main(words: Sequence[str] | None = None) -> None:
    """Runs the command line `words`, by default the process's own."""
    arguments = _arguments(words)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    settings = load(arguments.config)
    torch.set_num_threads(settings.optimiser.threads)
    cv2.setNumThreads(settings.optimiser.threads)
    work = arguments.work or arguments.out.with_suffix(".work")
    network = NETWORKS[settings.network]
    pairs = pool.fill(
        work / "pool",
        photos.index(arguments.faces),
        settings.degradation,
        count=settings.pairs,
        size=network.input_size,
        scale=network.scale,
        seed=settings.seed,
    )
    trainer = Trainer(settings, pairs, work)
    figures = trainer.run()
    export(trainer.average, arguments.out, settings)
    logger.info("%s: %s", arguments.out, figures)


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m experts.training", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="TOML file with the settings of the run")
    parser.add_argument("--faces", type=Path, required=True, help="folder of photographs with a faces.csv")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--work", type=Path, help="folder for pairs and checkpoints (default: beside --out)")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
