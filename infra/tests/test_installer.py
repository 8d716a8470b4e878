"""infra/ssm-agent-installer.yaml, tried on a node of a real cluster with a package that stands in for the agent.

Needs SHOPFRONT_TEST_KUBECONFIG, a cluster that lets a namespace have privileged pods, and SHOPFRONT_TEST_NODE_IMAGE, an
image made by tests/node-image that its nodes can pull. The installer gets a directory of a node as the host, filled from
that image: nothing of the node itself is changed, and no systemd is needed. What that leaves unproven: the agent itself,
an .rpm, and a systemd that starts it.
"""

import hashlib
import json
import os
import subprocess
import uuid
from pathlib import Path

import pytest
import yaml

MANIFEST = Path(__file__).parents[1] / "ssm-agent-installer.yaml"
NAMESPACE = NAME = "ssm-agent-installer"
KUBECONFIG, IMAGE = (os.environ.get(f"SHOPFRONT_TEST_{it}") for it in ("KUBECONFIG", "NODE_IMAGE"))

pytestmark = pytest.mark.skipif(
    not (KUBECONFIG and IMAGE), reason="needs a cluster: SHOPFRONT_TEST_KUBECONFIG and SHOPFRONT_TEST_NODE_IMAGE"
)


def kubectl(*words, given=None):
    done = subprocess.run(
        ["kubectl", "--kubeconfig", KUBECONFIG, "--namespace", NAMESPACE, *words], input=given, capture_output=True, text=True
    )
    assert done.returncode == 0, f"kubectl {' '.join(words)}\n{done.stdout}{done.stderr}"
    return done.stdout


def apply(*objects):
    kubectl("apply", "--filename", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A package of the agent's name that installs one file."""
    root = tmp_path_factory.mktemp("package")
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text(
        "Package: amazon-ssm-agent\nVersion: 0.0\nArchitecture: all\nMaintainer: none <none@example.org>\n"
        "Description: stands in for the agent\n"
    )
    program = root / "usr/bin/amazon-ssm-agent"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    file = root.with_suffix(".deb")
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", root, file], check=True, capture_output=True)
    return file


class Node:
    """A pod that serves the package, and holds the directory that the installer takes for the host."""

    def __init__(self):
        self.host = f"/var/tmp/shopfront-test-{uuid.uuid4()}"

    def start(self, package):
        kubectl("create", "configmap", "package", f"--from-file=amazon-ssm-agent.deb={package}")
        container = {
            "name": "node",
            "image": IMAGE,
            "command": ["sh", "-c", f"cp -a /host-root {self.host} && exec httpd -f -p 8080 -h /package"],
            "readinessProbe": {"tcpSocket": {"port": 8080}},
            "volumeMounts": [{"name": "tmp", "mountPath": "/var/tmp"}, {"name": "package", "mountPath": "/package"}],
        }
        volumes = [
            {"name": "tmp", "hostPath": {"path": "/var/tmp"}},
            {"name": "package", "configMap": {"name": "package"}},
        ]
        pod = {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 1}
        apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "node"}, "spec": pod})
        kubectl("wait", "pod/node", "--for=condition=Ready", "--timeout=120s")
        pod = json.loads(kubectl("get", "pod", "node", "--output=json"))
        self.name, self.address = pod["spec"]["nodeName"], pod["status"]["podIP"]

    def run(self, *words):
        return kubectl("exec", "node", "--", *words)

    def state(self):
        """Each file below the host's directory, with its time and its content's sum, and what systemctl was asked."""
        files = self.run("sh", "-c", f"cd {self.host} && find . -type f -exec stat -c '%n %y' {{}} + -exec sha256sum {{}} +")
        return sorted(files.splitlines()), self.run("sh", "-c", f"cat {self.host}/var/log/systemctl 2>/dev/null || true")

    def install(self, package, sha256, until):
        """The manifest with this package, this directory as the host, and this node alone; its log once `until` holds."""
        kubectl("delete", "daemonset", NAME, "--ignore-not-found", "--cascade=foreground")
        objects = {it["kind"]: it for it in yaml.safe_load_all(MANIFEST.read_text())}
        objects["ConfigMap"]["data"] |= {"package": package, "sha256": sha256}
        pod = objects["DaemonSet"]["spec"]["template"]["spec"]
        pod["nodeSelector"]["kubernetes.io/hostname"] = self.name
        pod["initContainers"][0]["image"] = IMAGE
        # By its name alone: a node that reaches no registry may have it by that.
        pod["containers"][0]["image"] = pod["containers"][0]["image"].partition("@")[0]
        (host,) = [it for it in pod["volumes"] if it["name"] == "host"]
        assert host["hostPath"] == {"path": "/"}
        host["hostPath"] = {"path": self.host, "type": "Directory"}
        apply(*objects.values())
        kubectl("wait", f"daemonset/{NAME}", "--for=jsonpath={.status.currentNumberScheduled}=1", "--timeout=60s")
        kubectl("wait", "pod", f"--selector=app={NAME}", f"--for={until}", "--timeout=120s")
        return kubectl("logs", f"--selector=app={NAME}", "--container=install")


# Of a pod whose installer ended with an error, and waits to be tried again.
REFUSED = "jsonpath={.status.initContainerStatuses[0].state.waiting.reason}=CrashLoopBackOff"
READY = "condition=Ready"


@pytest.fixture(scope="module")
def node(package):
    # Fails where it is there already: it is somebody's, and stays.
    kubectl("create", "namespace", NAMESPACE)
    node = Node()
    try:
        kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=privileged")
        node.start(package)
        yield node
    finally:
        try:
            kubectl("delete", "daemonset", NAME, "--ignore-not-found", "--cascade=foreground")
            node.run("rm", "-rf", node.host)
        finally:
            kubectl("delete", "namespace", NAMESPACE)


def test_on_a_node_without_a_package_says_what_to_name(node):
    before = node.state()
    log = node.install("", "", REFUSED)
    assert "this node has no SSM agent: name a package and its sha256 in ConfigMap ssm-agent-installer" in log
    assert node.state() == before


def test_on_a_node_another_sum_installs_nothing(node, package):
    before = node.state()
    other = hashlib.sha256(b"another package").hexdigest()
    assert "FAILED" in node.install(f"http://{node.address}:8080/amazon-ssm-agent.deb", other, REFUSED)
    assert node.state() == before, "the download is gone, too"


def test_on_a_node_installs_starts_and_does_not_do_it_again(node, package):
    given = (f"http://{node.address}:8080/amazon-ssm-agent.deb", hashlib.sha256(package.read_bytes()).hexdigest(), READY)
    assert "the agent is installed\n" in node.install(*given)
    files, asked = node.state()
    assert "install ok installed" in node.run("cat", f"{node.host}/var/lib/dpkg/status")
    assert any(it.startswith("./usr/bin/amazon-ssm-agent ") for it in files) and asked == "enable --now amazon-ssm-agent\n"
    assert not any("ssm-agent-XXXXXX" in it or "unfinished" in it or "var/tmp/" in it for it in files), files

    assert "the agent is installed already" in node.install(*given)
    assert node.state() == (files, asked)


def test_on_a_node_what_was_interrupted_is_done_again(node, package):
    node.run("touch", f"{node.host}/var/lib/ssm-agent-installer.unfinished")
    given = (f"http://{node.address}:8080/amazon-ssm-agent.deb", hashlib.sha256(package.read_bytes()).hexdigest(), READY)
    assert "the agent is installed\n" in node.install(*given)
    files, asked = node.state()
    assert asked == "enable --now amazon-ssm-agent\n" * 2 and not any("unfinished" in it for it in files)
