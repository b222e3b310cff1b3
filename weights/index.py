"""The package index as the user's pip is set up: which places to ask, and what they list (PEP 503).

pip itself would run a source archive's build to learn its name; here nothing of an archive is ever run, and one way
serves wheels and source archives. Mirrors, find-links, certificates and proxies are taken from pip's own configuration.
"""

from __future__ import annotations

import ast
import logging
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from weights.errors import WeightsError
from weights.network import TIMEOUT_SECONDS, Network, NetworkSettings, public, reason_of

logger = logging.getLogger(__name__)

SECTIONS = ("global", "download", ":env:")


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """Where pip looks: index pages first, then folders or pages of links; and how it gets there."""

    indexes: tuple[str, ...]
    find_links: tuple[str, ...] = ()
    network: NetworkSettings = field(default_factory=NetworkSettings)


def pip_settings() -> IndexSettings:
    """The user's settings, as pip says them: its files and PIP_ variables, and its own default for the index."""
    options = parse_pip_config(_run_python("-m", "pip", "config", "list"))
    index = options.get("index-url") or _default_index()
    cert = options.get("cert")
    no_index = options.get("no-index", "").lower() in ("1", "true", "yes", "on")
    return IndexSettings(
        indexes=() if no_index else (index, *options.get("extra-index-url", "").split()),
        find_links=tuple(options.get("find-links", "").split()),
        network=NetworkSettings(
            certificates=Path(cert).expanduser() if cert else None,
            proxy=options.get("proxy"),
            timeout_seconds=float(options.get("timeout", TIMEOUT_SECONDS)),
        ),
    )


def parse_pip_config(text: str) -> dict[str, str]:
    """The options that `pip config list` prints, the stronger winning: variables over sections over global."""
    found: dict[str, tuple[int, str]] = {}
    for line in text.splitlines():
        match = re.fullmatch(r"(global|download|:env:)\.([a-z-]+)=(.*)", line.strip())
        if match is None:
            continue
        section, name, value = match.groups()
        name, rank = name.removeprefix("default-"), SECTIONS.index(section)
        if rank >= found.get(name, (-1, ""))[0]:
            found[name] = (rank, str(ast.literal_eval(value)))
    return {name: value for name, (_, value) in found.items()}


def _default_index() -> str:
    return _run_python("-c", "from pip._internal.models.index import PyPI; print(PyPI.simple_url)").strip()


def _run_python(*words: str) -> str:
    result = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    if result.returncode:
        said = result.stderr.strip().splitlines()
        reason = said[-1] if said else f"exit code {result.returncode}"
        raise WeightsError(f"pip can't say where the package index is ({reason}); run python -m ensurepip")
    return result.stdout


class Places:
    """Opens what the settings lead to. Raises LocalError if their certificates can't be read."""

    def __init__(self, settings: IndexSettings) -> None:
        self._settings = settings
        self.network = Network(settings.network)

    def links(self, distribution: str, archive: str) -> Iterator[str]:
        """Where `archive` may be had, as addresses of HTTP or local files: folders of links first, then the indexes in
        their order. A place's name and password are in its links to its own server, as pip sends them.

        A place that can't be asked is passed over with a warning; if no other had it, its failure is raised as a
        retryable WeightsError.
        """
        normal = re.sub(r"[-_.]+", "-", distribution).lower()
        pages = [f"{index.rstrip('/')}/{normal}/" for index in self._settings.indexes]
        failures: list[str] = []
        found = False
        for place in (*self._settings.find_links, *pages):
            try:
                links = [link for link in self._listed(place) if _file_name(link) == archive]
            except (OSError, HTTPException) as error:
                failures.append(f"{public(place)}: {reason_of(error)}")
                logger.warning("passed over %s", failures[-1])
                continue
            found = found or bool(links)
            yield from (_with_credentials(link, place) for link in links)
        if failures and not found:
            raise WeightsError(
                f"{archive} can't be fetched ({'; '.join(failures)}); check the network and pip's configuration",
                retryable=True,
            )

    def _listed(self, place: str) -> list[str]:
        folder = local_path(place)
        if folder is not None:
            if (folder / "index.html").is_file():
                return _parse_links((folder / "index.html").read_text("utf-8"), base=folder.as_uri() + "/")
            return [path.as_uri() for path in folder.iterdir()] if folder.is_dir() else []
        try:
            with self.network.open(place) as response:
                base = response.url if isinstance(response, HTTPResponse) else place
                return _parse_links(response.read().decode("utf-8", "replace"), base=base)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return []
            raise


class _LinkParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href")
        if tag == "a" and href:
            self.links.append(href)


def _parse_links(page: str, *, base: str) -> list[str]:
    parser = _LinkParser()
    parser.feed(page)
    links = [urllib.parse.urljoin(base, link) for link in parser.links]
    return [link for link in links if urllib.parse.urlsplit(link).scheme in ("http", "https", "file")]


def _with_credentials(link: str, place: str) -> str:
    """The link with the name and password of the place that lists it, if it leads to the same server."""
    to, by = urllib.parse.urlsplit(link), urllib.parse.urlsplit(place)
    same = (to.scheme, to.netloc) == (by.scheme, by.netloc.rpartition("@")[2])
    return to._replace(netloc=by.netloc).geturl() if same else link


def local_path(place: str) -> Path | None:
    """What lies on this machine, by its path or its file: URL; None for an address."""
    parts = urllib.parse.urlsplit(place)
    if parts.scheme == "file":
        return Path(urllib.request.url2pathname(parts.path))
    return None if parts.scheme in ("http", "https") else Path(place).expanduser().absolute()


def _file_name(url: str) -> str:
    return urllib.parse.unquote(urllib.parse.urlsplit(url).path.rpartition("/")[2])
