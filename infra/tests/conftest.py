"""moto's AWS, one of its own for each file of tests, and the AWS CLI that asks it."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

INFRA = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    """The environment in which `aws` reaches it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path_factory.mktemp("home")
    # Nothing of the caller's: no account of his may be reached.
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_PAGER": "",
        "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
    }
    log = (home / "moto.log").open("w")
    server = subprocess.Popen(
        [sys.executable, str(INFRA / "tests/moto_server.py"), "-p", str(port)], env=env, stdout=log, stderr=log
    )
    try:
        for _ in range(600):
            assert server.poll() is None, (home / "moto.log").read_text()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield env
    finally:
        server.terminate()
        server.wait()
        log.close()


@pytest.fixture(scope="module")
def aws(moto):
    def call(*words, fails=False, text=False):
        done = subprocess.run(["aws", *words], env=moto, capture_output=True, text=True)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout if text or not done.stdout else json.loads(done.stdout)

    return call
