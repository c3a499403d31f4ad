"""The progress line is silent without a terminal, shows text as it is, and nests."""

from __future__ import annotations

import re

from topo_interp.progress import progress


def test_silent_without_a_terminal(capsys):
    with progress(3, "layers") as line:
        line.advance(2)
        line.update(done=3, total=4, description="more")
    assert capsys.readouterr() == ("", "")


def test_shows_text_as_it_is_and_nests(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes the stream for a terminal
    monkeypatch.setenv("TERM", "xterm")
    with progress(2, "site blocks[0]") as outer:
        outer.advance()
        with progress(None, "[red]inner") as inner:
            inner.update(description="[b]still")
        outer.advance()
    out, err = capsys.readouterr()
    assert out == ""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", err)
    assert "site blocks[0]" in text and "2/2" in text
    assert "[b]still" in text or "[red]inner" in text
