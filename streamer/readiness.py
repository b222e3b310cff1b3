"""What the settings want that is cheap to look for before any network is loaded: packages, weights, the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from experts import background, catalog, identity
from routing import detectors
from streamer.config import Settings
from weights.session import choose_runtime
from weights.store import Store


def check_ready(settings: Settings, store: Store) -> None:
    """Raises WeightsError, ExpertError or RoutingError, as loading the models would, where the device, a package or
    weights are not there and can't be fetched. Loads and fetches nothing."""
    choose_runtime(settings.runtime)
    for check in package_checks(settings, store).values():
        check()
    for name in needed_weights(settings, store):
        store.check_accepted(name)
        if store.present(name) is None:
            store.check_fetchable(name)


def package_checks(settings: Settings, store: Store) -> Mapping[str, Callable[[], None]]:
    """By what is chosen: each raises ExpertError, RoutingError or WeightsError where a package that this needs is
    missing or does not load."""
    return {
        "experts": lambda: catalog.check_packages(settings.experts),
        "detector": lambda: detectors.check_packages(settings.routing.detector),
        "background": lambda: background.check_packages(settings.background, store, settings.runtime),
        "judge": lambda: identity.check_packages(settings.identity),
    }


def needed_weights(settings: Settings, store: Store) -> tuple[str, ...]:
    """The ids of all weights without which the main job can't run. Raises ExpertError and WeightsError where what is
    chosen for the background can't be."""
    return (
        *detectors.weights_of(settings.routing.detector),
        *catalog.weights_of(settings.experts),
        *background.weights_of(settings.background, store, settings.runtime),
        *identity.weights_of(settings.identity),
    )
