"""moto's AWS, one of its own for each file of tests, and the AWS CLI that asks it."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

INFRA = Path(__file__).parents[1]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    # All that the tests write is below one folder, which goes with them; and pytest cleans up after a Ctrl-C, but not
    # after SIGTERM.
    config.option.basetemp = tempfile.mkdtemp(prefix="shopfront-infra-")
    config.add_cleanup(lambda: shutil.rmtree(config.option.basetemp))
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    """The environment in which `aws` reaches it."""
    home = tmp_path_factory.mktemp("home")
    # Nothing of the caller's: no account of his may be reached.
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_PAGER": "",
        "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
    }
    command = [sys.executable, str(INFRA / "tests/moto_server.py")]
    with (
        (home / "moto.log").open("w") as log,
        # It ends with its input, when this block or this process does.
        subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        ready, _, _ = select.select([server.stdout], [], [], 60)
        port = ready and server.stdout.readline().strip()
        assert port, (home / "moto.log").read_text()
        yield {**env, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}


@pytest.fixture(scope="module")
def aws(moto):
    def call(*words, fails=False, text=False):
        done = subprocess.run(["aws", *words], env=moto, capture_output=True, text=True)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout if text or not done.stdout else json.loads(done.stdout)

    return call
