"""What the tests of the three pages share: a parser that sees what a browser would do, and a browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest


class Page(HTMLParser):
    """What a browser would do with a page: the elements it makes, the loads it starts, the text it shows."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.loads, self.handlers, self.shown, self.data = [], [], [], [], ""
        self._inside = []
        self.feed(text)
        self.close()

    @property
    def text(self):
        """What is shown, with single spaces."""
        return " ".join("".join(self.shown).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        attributes = dict(attributes)
        if tag not in ("meta", "link", "img", "br"):
            self._inside.append((tag, attributes.get("id")))
        self.handlers += [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "data", "action", "srcset", "poster", "background"):
            target = attributes.get(name)
            if target is not None and not (tag == "a" and target.startswith("#")):
                self.loads.append((tag, name, target))

    def handle_endtag(self, tag):
        while self._inside and self._inside.pop()[0] != tag:
            pass

    def handle_data(self, data):
        where = self._inside[-1] if self._inside else ("", None)
        if where == ("script", "figures"):
            self.data += data
        elif where[0] == "style":
            self.loads += [("style", "url", url) for url in re.findall(r"url\(|@import", data)]
        elif where[0] != "script":
            self.shown.append(data)


@pytest.fixture(scope="session")
def parsed():
    """What a page does, by :class:`Page`."""
    return Page


@pytest.fixture(scope="session")
def browse(tmp_path_factory):
    """The document that a browser makes of a file, as text, and the pictures that it has drawn."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no chromium")
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    flags += " --disable-component-update --disable-sync --virtual-time-budget=8000 --window-size=1300,3000 --dump-dom"

    def load(path):
        command = [browser, *flags.split(), f"--user-data-dir={tmp_path_factory.mktemp('user')}", path.as_uri()]
        document = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout
        return document, re.findall(r'id="([\w-]+)"[^>]*data-drawn="yes"', document)

    return load
