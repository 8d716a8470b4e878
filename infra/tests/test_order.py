"""What would keep the stacks from coming up, or going again, in a real account: wrong properties, and a wrong order."""

import re
import subprocess

import pytest
from test_templates import AGENT, CLUSTER, INFRA, VPC, launch, of_type, properties


def test_cfn_lint_has_nothing_to_say():
    """All its rules, in all regions, but I4010: it wants the templates' purpose again as metadata, and the comments say it."""
    words = "--include-checks I W E --include-experimental --ignore-checks I4010 --regions ALL_REGIONS --".split()
    templates = sorted(map(str, INFRA.glob("*-stack-01.yaml")))
    assert len(templates) == 3
    done = subprocess.run(["cfn-lint", *words, *templates], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def named(value):
    """The resources that a value refers to."""
    if isinstance(value, list):
        return set().union(*map(named, value), set())
    if not isinstance(value, dict):
        return set()
    found = named(list(value.values()))
    for key, inner in value.items():
        if key in ("Ref", "Fn::GetAtt"):
            found.add(inner if isinstance(inner, str) else inner[0])
        elif key == "Fn::Sub":
            found |= {it.partition(".")[0] for it in re.findall(r"\${([\w.]+)}", inner if isinstance(inner, str) else inner[0])}
    return found


def before(name, template=CLUSTER):
    """All that CloudFormation makes before this resource, and deletes after it."""
    resource = template["Resources"][name]
    after = resource.get("DependsOn", [])
    direct = named(resource["Properties"]) | set([after] if isinstance(after, str) else after)
    direct &= set(template["Resources"])
    return direct.union(*(before(it, template) for it in direct))


@pytest.mark.parametrize(
    ("first", "then"),
    [
        # EKS would make its own log group, and the stack's would fail; and it writes until it is gone.
        ("ControlPlaneLogs", "Cluster"),
        # A node is ready with both add-ons, and the first of them gets its rights through the provider and the role. A node
        # cannot let its network interfaces go without them either.
        ("NetworkAddon", "Nodes"),
        ("ProxyAddon", "Nodes"),
        ("NetworkRole", "NetworkAddon"),
        ("OidcProvider", "NetworkRole"),
        # With a group of their own, nodes lack EKS' rules: the way to the API server, and back to the kubelet.
        ("NodesToApi", "Nodes"),
        ("ApiToKubelet", "Nodes"),
        # The cluster's DNS, on the other node.
        ("NodesToNodes", "Nodes"),
        # Deployments, for which EKS waits, so that they need a node.
        ("Nodes", "DnsAddon"),
        ("Nodes", "MetricsAddon"),
    ],
)
def test_one_before_the_other(first, then):
    assert first in before(then), f"{then} must depend on {first}"


@pytest.mark.parametrize("role", ["AdminRole", "NodeRole", "ClusterRole"])
def test_roles_do_not_wait_for_the_cluster(role):
    """EKS refuses an access entry for a role that IAM does not yet show everywhere. The cluster's ten minutes are enough."""
    assert "Cluster" not in before(role)


def test_each_service_has_the_role_that_trusts_it():
    trusts = {
        name: role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"]
        for name, role in of_type("AWS::IAM::Role").items()
        if name in ("ClusterRole", "NodeRole")
    }
    assert trusts == {"ClusterRole": "eks.amazonaws.com", "NodeRole": "ec2.amazonaws.com"}
    assert properties("Cluster")["RoleArn"] == {"Fn::GetAtt": ["ClusterRole", "Arn"]}
    assert properties("Nodes")["NodeRole"] == {"Fn::GetAtt": ["NodeRole", "Arn"]}
    assert properties("NetworkAddon")["ServiceAccountRoleArn"] == {"Fn::GetAtt": ["NetworkRole", "Arn"]}


def test_the_gateway_is_attached_while_an_address_is_in_use():
    for name in ("NatAddress", "NatGateway", "PublicRoute"):
        assert "InternetGatewayAttachment" in before(name, VPC)


def test_launch_template_leaves_to_the_node_group_what_is_its_own():
    """EKS refuses a template with any of these, and a group with what belongs into its template."""
    refused = {"ImageId", "IamInstanceProfile", "InstanceMarketOptions", "HibernationOptions", "NetworkInterfaces", "UserData"}
    assert not refused & set(launch())
    assert not {"InstanceTypes", "DiskSize", "RemoteAccess", "ReleaseVersion"} & set(properties("Nodes"))


def test_the_way_between_nodes_and_the_api_server():
    """EKS adds no group to nodes whose template names one, so that 443 and 10250 are up to these two."""
    api, nodes = {"Fn::GetAtt": ["Cluster", "ClusterSecurityGroupId"]}, {"Ref": "NodeSecurityGroup"}
    assert launch()["SecurityGroupIds"] == [nodes]
    there, back = properties("NodesToApi"), properties("ApiToKubelet")
    assert (there["GroupId"], there["SourceSecurityGroupId"], there["FromPort"], there["ToPort"]) == (api, nodes, 443, 443)
    assert (back["GroupId"], back["SourceSecurityGroupId"], back["FromPort"], back["ToPort"]) == (nodes, api, 10250, 10250)
    # Without this property, CloudFormation leaves EC2's own rule: all is allowed out.
    assert "SecurityGroupEgress" not in properties("NodeSecurityGroup") and not of_type("AWS::EC2::SecurityGroupEgress")


def test_one_group_of_the_nodes_has_the_cluster_s_tag():
    """The load-balancer controllers open one group of a node by this tag, and give up on none and on two."""
    (tag,) = [it for it in properties("NodeSecurityGroup")["Tags"] if it["Key"] != "Name"]
    assert tag["Value"] == "owned" and tag["Key"]["Fn::Sub"][0] == "kubernetes.io/cluster/${Name}"
    assert len(launch()["SecurityGroupIds"]) == 1


def imports(value):
    if isinstance(value, dict):
        return set().union(*({it["Fn::Sub"]} if key == "Fn::ImportValue" else imports(it) for key, it in value.items()))
    return set().union(*map(imports, value)) if isinstance(value, list) else set()


def exports(template, parameter):
    """As the next stack names them, by its parameter for this one."""
    names = {it["Export"]["Name"]["Fn::Sub"] for it in template["Outputs"].values() if "Export" in it}
    return {it.replace("${AWS::StackName}", f"${{{parameter}}}") for it in names}


def test_each_import_is_an_export_of_the_stack_before():
    assert imports(VPC) == set()
    assert imports(CLUSTER) and imports(CLUSTER) <= exports(VPC, "VpcStack")
    assert imports(AGENT) and imports(AGENT) <= exports(CLUSTER, "ClusterStack")
