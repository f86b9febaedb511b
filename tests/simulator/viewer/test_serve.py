"""The viewer's process: its address, and what it does without."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from simulator.errors import InputError
from simulator.viewer.serve import _listen, _names


def test_who_follows_the_address_at_once_is_not_refused() -> None:
    with _listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        pass  # nobody has accepted yet


def test_a_port_that_another_viewer_waits_at_is_taken() -> None:
    with _listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(InputError, match="--port"):
            _listen("127.0.0.1", port)


def test_small_parts_of_an_answer_are_sent_at_once() -> None:
    # asyncio sets TCP_NODELAY only where the protocol is named.
    with _listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_who_only_looks_loads_neither_torch_nor_scikit_learn() -> None:
    code = "import sys, simulator.viewer.serve; print({'torch', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_machine_is_known_by_its_names_however_they_are_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Big-Machine")
    monkeypatch.setattr(socket, "getfqdn", lambda: "Big-Machine.Example")
    assert {"localhost", "big-machine", "big-machine.example"} <= set(_names("0.0.0.0"))
    assert "big-machine" in _names("Big-Machine")
