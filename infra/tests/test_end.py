"""Nothing outlives the tests: conftest.py's server and folder go, too, when they are told to end."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

WAITS = """
def test_waits(moto):
    print(moto["AWS_ENDPOINT_URL"], flush=True)
    input()
"""


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_nothing_is_left_after_sigterm(tmp_path):
    (tmp_path / "test_waits.py").write_text(WAITS)
    left = tmp_path / "left"
    left.mkdir()
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "conftest", "--capture=no", "test_waits.py"]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "TMPDIR": str(left)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, env=env, **pipes) as tests:
        said = next(filter(None, (re.search(r"http://127.0.0.1:(\d+)", line) for line in tests.stdout)))
        port = int(said[1])
        assert answers(port) and list(left.iterdir())
        tests.terminate()
        assert tests.wait(timeout=60) == pytest.ExitCode.INTERRUPTED
    assert not answers(port) and not list(left.iterdir())
