"""docs/WALKTHROUGH.md, walked: one bash runs each of its command blocks, in order and as printed, and what it says is
held to what the document shows.

Always in moto's AWS; and on a real cluster where SHOPFRONT_TEST_KUBECONFIG names one, with SHOPFRONT_TEST_IMAGE as the
image and SHOPFRONT_TEST_SCALER as who scales, as loadtest/tests/cluster has them. What is not real is a stand-in of STAND_INS,
or stands in NOT_ON_A_CLUSTER, and is printed at the end.
"""

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from test_stacks import left

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs/WALKTHROUGH.md"
# As long as the longest of what the document waits for, and some.
PATIENCE = 660

# Programs of these names come first in PATH: what is not real about each, and what it does. `silent` marks a block whose
# words are not those of the real program, so that they are not compared. With a cluster there is a $WALK/kubeconfig.
STAND_INS = {
    "docker": (
        "builds and pushes nothing, logs in nowhere",
        """case $1 in
          login) [ -n "$(cat)" ] && echo "Login Succeeded" ;;
          build) [ -f "${!#}/Dockerfile" ] && echo sha256:0 ;;
          push) echo "${!#}" ;;
        esac""",
    ),
    "git": (
        "clones nothing: kube-prometheus is a folder with the one file that the document removes",
        'mkdir -p "${!#}/manifests/setup" && touch "${!#}/manifests/prometheusAdapter-apiService.yaml"',
    ),
    "kind": ("makes no cluster", "silent"),
    "curl": (
        "knows what checkip.amazonaws.com would say, and a free port in place of 9090; without a cluster it asks nobody",
        """case "${!#}" in
          https://checkip.amazonaws.com) echo 203.0.113.7 ;;
          *) if cluster; then exec "$REAL_CURL" "${@/:9090/:$FREE_PORT}"; fi
             silent; echo 'http_requests_total{method="GET",path="root",status="200"} 1' ;;
        esac""",
    ),
    "kubectl": (
        "asks the test's cluster instead of moto's, and a free port in place of 9090; applies nothing of kube-prometheus and "
        "KEDA, which are there; without a cluster it only looks whether the files are there",
        """file=
        for word; do
          case $file,$word in
            *,https://github.com/kedacore/*) theirs=yes ;;
            yes,*) [ -e "$word" ] || { echo "no such file: $word" >&2; exit 1; } ;;
          esac
          case $word in -f | -k) file=yes ;; *) file= ;; esac
          case $word in ../kube-prometheus/*) theirs=yes ;; esac
        done
        if [ -z "${theirs-}" ] && cluster; then
          KUBECONFIG=$WALK/kubeconfig exec "$REAL_KUBECTL" "${@/#9090/$FREE_PORT:9090}"
        fi
        silent
        case " $* " in *" port-forward "*) exec sleep infinity ;; esac""",
    ),
    "cargo": (
        "runs the load tool as the tests build it, without --release, on the test's cluster; without a cluster nothing",
        """cluster || { silent; exit; }
        until [ "$1" = -- ]; do shift; done
        KUBECONFIG=$WALK/kubeconfig exec "$LOADTEST" "${@:2}\"""",
    ),
}
PRELUDE = """#!/usr/bin/env bash
set -euo pipefail
cluster() { [ -e "$WALK/kubeconfig" ]; }
silent() { touch "$WALK/silent"; }
"""

REGION = "us-east-2"
KEDA, KIND = "KEDA instead", "On kind, or any cluster, in five commands"
LOAD = "--stage 10rps:100s"
# Which blocks are left out on a cluster, by the scaler, and why.
NOT_ON_A_CLUSTER = {
    "adapter": [
        (lambda block: block.section == KEDA, "the section on KEDA: .ci/cluster keda runs it"),
        (lambda block: block.section == KIND, "the section on kind: the commands of the other sections, on another cluster"),
    ],
    "keda": [
        (lambda block: LOAD in block.commands, "the load by prometheus-adapter: .ci/cluster runs it"),
        (lambda block: block.section == KIND, "the section on kind: the commands of the other sections, on another cluster"),
    ],
}
SUBSTITUTED = """\
changed on the way, with a cluster:
  the image's name in k8s/: SHOPFRONT_TEST_IMAGE, for nothing was pushed to ECR
  Prometheus' pods are annotated while the first value is waited for: the kubelet hands their configuration on sooner"""


@dataclass
class Block:
    section: str
    line: int
    commands: str
    expected: str | None


def blocks():
    """Every fence is a block of commands, or what the block before it says."""
    found, section, fence, lines, told = [], "", None, [], 0
    for number, line in enumerate(DOCUMENT.read_text().splitlines(), 1):
        if fence is None and line.startswith("```"):
            fence, lines, start = line[3:], [], number
            assert fence in ("sh", "text"), f"line {number}: neither ```sh nor ```text"
        elif line == "```":
            text = "\n".join(lines)
            if fence == "sh":
                found.append(Block(section, start, text, None))
            else:
                assert found[-1].expected is None and start == told + 2, f"line {start}: not right after its commands"
                found[-1].expected = text
            fence, told = None, number
        elif fence is not None:
            lines.append(line)
        else:
            assert not line.startswith("    "), f"line {number}: commands stand in fences"
            section = line.removeprefix("## ") if line.startswith("## ") else section
    assert fence is None
    return found


def matches(expected, said):
    """`…` is any text of a line, and any lines where it stands alone; columns may be wider or narrower."""
    pattern = ""
    for line in expected.strip("\n").split("\n"):
        if line == "…":
            pattern += r"(?:[^\n]*\n)*?"
            continue
        words = [re.escape(part) for part in line.split("…")]
        pattern += re.sub(r"(?:\\ )+", " +", "[^\n]*".join(words)) + " *\n"
    return re.fullmatch(pattern, said.strip("\n") + "\n") is not None


class Walk:
    """A bash in a copy of the checkout, and what it has said so far."""

    def __init__(self, folder, env, kubeconfig=None, loadtest=""):
        self.folder, self.clone = folder, folder / "shopfront"
        skipped = shutil.ignore_patterns("target", ".git", ".venv", "__pycache__", "*.bak", "report", "report-*")
        shutil.copytree(ROOT, self.clone, ignore=skipped)
        self.before = self.files()
        programs = folder / "programs"
        programs.mkdir()
        for name, (_, script) in STAND_INS.items():
            (programs / name).write_text(f"{PRELUDE}{script}\n")
            (programs / name).chmod(0o755)
        if kubeconfig:
            shutil.copy(kubeconfig, folder / "kubeconfig")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        env = {**env, "PATH": f"{programs}:{env['PATH']}", "WALK": str(folder), "FREE_PORT": str(port)}
        env |= {"REAL_CURL": shutil.which("curl") or "", "REAL_KUBECTL": shutil.which("kubectl") or ""}
        env |= {"LOADTEST": str(loadtest)}
        self.done, done = os.pipe()
        # A session of its own, so that what a block leaves in the background ends with it.
        self.bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=self.clone, env=env, stdin=subprocess.PIPE, text=True, pass_fds=[done], start_new_session=True,
        )
        os.close(done)
        self.write = done
        self.say("set -euo pipefail")

    def files(self):
        return {path.relative_to(self.clone): path.read_bytes() for path in self.clone.rglob("*") if path.is_file()}

    def say(self, line):
        self.bash.stdin.write(line + "\n")
        self.bash.stdin.flush()

    def run(self, block):
        """True where the block said what the document shows, False where a stand-in spoke."""
        silent, script, output = (self.folder / name for name in ("silent", f"{block.line}.sh", f"{block.line}.out"))
        silent.unlink(missing_ok=True)
        script.write_text(block.commands + "\n")
        self.say(f". {script} >{output} 2>&1 </dev/null {self.write}>&-")
        self.say(f"echo >&{self.write}")
        ready, _, _ = select.select([self.done], [], [], PATIENCE)
        went = bool(ready and os.read(self.done, 1))
        # bash's own word of a process that the block ended.
        said = re.sub(r"(?m)^.*: line \d+: +\d+ Terminated .*\n", "", output.read_text())
        where = f"docs/WALKTHROUGH.md, line {block.line}:\n{block.commands}\n\nsaid\n{said}"
        assert went, f"{'failed' if ready else f'not done in {PATIENCE} s'}: {where}"
        if silent.exists():
            return False
        assert matches(block.expected or "", said), f"{where}\nand is to say\n{block.expected or 'nothing'}"
        return True

    def end(self):
        try:
            os.killpg(self.bash.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.bash.stdin.close()
        self.bash.wait()
        os.close(self.done)


def table(walked, skipped=()):
    held = f"{sum(walked)} said what is shown, in the others a stand-in spoke"
    lines = [f"docs/WALKTHROUGH.md: {len(walked)} blocks run; {held}"]
    lines += ["not run for real:", *(f"  {name:<8} {what}" for name, (what, _) in STAND_INS.items())]
    return "\n".join(lines + [f"  {why}" for why in skipped])


def test_each_block_is_bash():
    found = blocks()
    for block in found:
        done = subprocess.run(["bash", "-n"], input=block.commands, capture_output=True, text=True)
        assert done.returncode == 0, f"line {block.line}: {done.stderr}"
    *kind, _clean_up = (block for block in found if block.section == KIND)
    commands = "\n".join(block.commands for block in kind)
    assert len(re.sub(r"(&&|\|\||\\)\n", "", commands).splitlines()) == 5


def run_with(block, folder, **said):
    """A block in an empty clone, where each program does nothing, but kubectl says what the cluster has."""
    clone = folder / "shopfront"
    clone.mkdir(exist_ok=True)
    get = 'case "$*" in *"get configmap"*) echo "$CONFIG" ;; *"get apiservice"*) echo "$OWNER" ;; esac'
    programs = {"git": STAND_INS["git"][1], "kubectl": get, "kind": ":", "docker": ":", "cargo": ":"}
    functions = "\n".join(f"{name}() {{ {script}; }}" for name, script in programs.items())
    env = {**os.environ, "CONFIG": "", "OWNER": "", **said}
    subprocess.run(["bash", "-euc", f"{functions}\n{block.commands}"], cwd=clone, env=env, check=True)
    return clone


def test_a_second_run_keeps_the_first_copy(tmp_path):
    copying = [block for block in blocks() if "> adapter-config.bak" in block.commands]
    assert {block.section for block in copying} == {"The manifests", KIND}
    for block in copying:
        folder = tmp_path / str(block.line)
        folder.mkdir()
        run_with(block, folder, CONFIG="theirs")
        assert (run_with(block, folder, CONFIG="ours") / "adapter-config.bak").read_text() == "theirs\n"


@pytest.mark.parametrize(("owner", "applied"), [("", True), ("v1beta1.metrics.k8s.io   kube-system/metrics-server", False)])
def test_who_owns_the_metrics_api_keeps_it(tmp_path, owner, applied):
    monitoring = next(block for block in blocks() if block.section == KIND and "get apiservice" in block.commands)
    clone = run_with(monitoring, tmp_path, OWNER=owner)
    assert (clone / "../kube-prometheus/manifests/prometheusAdapter-apiService.yaml").exists() == applied


@pytest.mark.parametrize(
    ("expected", "said", "same"),
    [
        ("a … c", "a b c\n", True),
        ("a … c", "a b d\n", False),
        ("NAME AGE\nx   …", "NAME                AGE\nx                   5s\n", True),
        ("a\n…\nd", "a\nb\nc\nd\n", True),
        ("a\n…", "a\n", True),
        ("…\nd", "a\nb\n", False),
        ("a", "a\nb\n", False),
        ("", "", True),
        ("", "a warning\n", False),
    ],
)
def test_what_is_shown_is_compared(expected, said, same):
    assert matches(expected, said) == same


def test_walked_in_moto(moto, aws, tmp_path, capsys):
    moto["AWS_DEFAULT_REGION"] = REGION  # where `aws` looks for what is left
    before = left(aws)
    walk = Walk(tmp_path, moto)
    try:
        walked = [walk.run(block) for block in blocks()]
    finally:
        walk.end()
    assert left(aws) == before
    after = walk.files()
    assert after == walk.before, "not cleaned up on this machine"
    # All that is AWS' own, at the least.
    others = re.compile(r"\b(kubectl|cargo|kind|curl --)")
    assert all(said for said, block in zip(walked, blocks()) if not others.search(block.commands))
    with capsys.disabled():
        print("\n" + table(walked))


class Cluster:
    """The cluster as it was found, and so left."""

    OWN = (
        "namespace miztiik-automation-ns",
        "apiservice v1beta1.custom.metrics.k8s.io",
        "-n monitoring servicemonitor shopfront-monitor",
        "-n monitoring networkpolicy prometheus-k8s-keda",
    )

    def __init__(self, kubeconfig, folder):
        self.env = {**os.environ, "KUBECONFIG": str(kubeconfig)}
        self.copy = folder / "adapter-config.json"
        there = self.there()
        assert not there, f"there already, and not this test's to delete; docs/KUBERNETES.md says how to remove it:\n{there}"
        self.copy.write_text(self.kubectl("-n monitoring get configmap adapter-config -o json"))
        self.config = self.adapter_config()

    def kubectl(self, words, check=True):
        done = subprocess.run(["kubectl", *words.split()], env=self.env, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0 or not check, f"kubectl {words}: {done.stderr}"
        return done.stdout

    def there(self):
        return "".join(self.kubectl(f"get {own} --ignore-not-found") for own in self.OWN)

    def adapter_config(self):
        return self.kubectl("-n monitoring get configmap adapter-config --ignore-not-found -o jsonpath={.data}")

    def hand_on(self, stop):
        """The kubelet reads a pod's Secrets anew within two minutes, and at once when the pod changes."""
        while not stop.wait(10):
            for mark in ("shopfront-test=now", "shopfront-test-"):
                self.kubectl(
                    f"-n monitoring annotate pods -l app.kubernetes.io/name=prometheus --overwrite {mark}", check=False
                )

    def restore(self):
        """What the document has not taken away by itself, which is a fault where it came to its end."""
        rest = self.there()
        if rest:
            self.kubectl("delete -k k8s/keda --ignore-not-found --timeout 3m", check=False)
            self.kubectl("delete -f k8s/keda/networkpolicy.yaml --ignore-not-found", check=False)
            self.kubectl("delete -k k8s --ignore-not-found --timeout 3m", check=False)
        if self.adapter_config() != self.config:
            rest += "adapter-config is not as it was\n"
            self.kubectl(f"replace --force -f {self.copy}")
            self.kubectl("-n monitoring rollout restart deployment prometheus-adapter")
            self.kubectl("-n monitoring rollout status deployment prometheus-adapter --timeout 3m")
        assert not self.there() and self.adapter_config() == self.config
        return rest


@pytest.fixture
def cluster(tmp_path):
    kubeconfig = os.environ.get("SHOPFRONT_TEST_KUBECONFIG")
    if not kubeconfig:
        pytest.skip("SHOPFRONT_TEST_KUBECONFIG names no cluster")
    found = Cluster(Path(kubeconfig).absolute(), tmp_path)
    yield found
    found.restore()


def test_walked_on_a_cluster(cluster, moto, aws, tmp_path, capsys):
    # As the gate's other tests on a cluster have built it already: `cargo run` would build its dependencies anew.
    subprocess.run("cargo test --locked --workspace --test observe --no-run".split(), cwd=ROOT, check=True)
    loadtest = (ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug/loadtest").absolute()
    left_out = NOT_ON_A_CLUSTER[os.environ.get("SHOPFRONT_TEST_SCALER") or "adapter"]
    moto["AWS_DEFAULT_REGION"] = REGION
    before = left(aws)
    walk = Walk(tmp_path / "walk", moto, cluster.env["KUBECONFIG"], loadtest)
    walked = []
    stop = threading.Event()
    hand_on = threading.Thread(target=cluster.hand_on, args=[stop])
    try:
        for block in blocks():
            if any(is_meant(block) for is_meant, _ in left_out):
                continue
            first_value = "wait hpa/shopfront-hpa" in block.commands and not hand_on.ident
            if first_value:
                hand_on.start()
            walked.append(walk.run(block))
            if first_value:
                stop.set()
            manifest = walk.clone / "k8s/shopfront.yml"
            pulled = f"image: {os.environ['SHOPFRONT_TEST_IMAGE']}"
            manifest.write_text(re.sub(r"image: \S+amazonaws\S+", pulled, manifest.read_text()))
    finally:
        stop.set()
        walk.end()
        if hand_on.ident:
            hand_on.join()
    assert not cluster.restore(), "the document leaves something behind on the cluster"
    assert left(aws) == before
    kept = {path: text for path, text in walk.files().items() if not path.parts[0].startswith("report")}
    assert kept == walk.before, "not cleaned up on this machine"
    with capsys.disabled():
        print("\n" + table(walked, [why for _, why in left_out]) + "\n" + SUBSTITUTED)
