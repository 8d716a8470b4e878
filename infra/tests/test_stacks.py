"""The three stacks, made, looked at, changed and removed with the AWS CLI, in moto's AWS on a free port."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from awscli.customizations.cloudformation.yamlhelper import yaml_parse

INFRA = Path(__file__).parents[1]
VPC, CLUSTER, AGENT = STACKS = (
    "eks-cluster-vpc-stack-01",
    "eks-cluster-stack-01",
    "ssm-agent-installer-daemonset-stack-01",
)

NOT_MODELLED = """
What moto does not model, so that nothing here proves it:
- AWS::EKS::Cluster, ::Nodegroup and AWS::IAM::OIDCProvider: known to its APIs, not to its CloudFormation;
  tests/moto_server.py hands the properties over. Whether AWS takes them is cfn-lint's word (AWS' own schemas).
- AWS::EKS::Addon, AWS::EKS::AccessEntry, AWS::SSM::Association: no API at all; the stack lists them, nothing else.
- that CloudFormation refuses a parameter: only the patterns are tried, as this machine's Python reads them.
- of the cluster: accessConfig, upgradePolicy, bootstrapSelfManagedAddons; that EKS takes the version, the zones and
  a private network in PublicAccessCidr; that it takes two changes of one in the same update.
- of the VPC: DNS names, a change of a resource; that its default group admits its own members (test_default_group_…
  adds the rule, to see it taken away).
- the key of a log group.
- of the node group: updateConfig; it answers with a made-up SSH key, disk size and release of its own.
- change sets with exports: tests/moto_server.py does them. Route tables of subnets, a role's managed policies, a log
  group's new retention, and the deletion of roles, flow logs, the NAT gateway, its address, route tables and the internet
  gateway, too.
- the order in which AWS makes and deletes, and that an export in use keeps its stack: test_order.py reads the order from
  the templates. A failure's rollback.
- EKS' own: nodes that join, add-ons that become ACTIVE, IAM's answers to a role, traffic through a security group,
  load balancers, SSM's agent.
"""


def deploy(aws, name, *parameters, template=None, fails=False):
    words = ["cloudformation", "deploy", "--stack-name", name, "--capabilities", "CAPABILITY_NAMED_IAM"]
    words += ["--template-file", str(template or INFRA / f"{name}.yaml")]
    return aws(*words, *(["--parameter-overrides", *parameters] if parameters else []), text=True, fails=fails)


def outputs(aws, name):
    (stack,) = aws("cloudformation", "describe-stacks", "--stack-name", name)["Stacks"]
    return {it["OutputKey"]: it["OutputValue"] for it in stack.get("Outputs", [])}


def left(aws):
    """All that the stacks make and moto can list."""
    return {
        "stacks": [it["StackName"] for it in aws("cloudformation", "describe-stacks")["Stacks"]],
        "exports": aws("cloudformation", "list-exports")["Exports"],
        "clusters": aws("eks", "list-clusters")["clusters"],
        "networks": [it for it in aws("ec2", "describe-vpcs")["Vpcs"] if not it["IsDefault"]],
        "subnets": [it for it in aws("ec2", "describe-subnets")["Subnets"] if not it["DefaultForAz"]],
        "gateways": aws("ec2", "describe-internet-gateways")["InternetGateways"],
        "nat": [it for it in aws("ec2", "describe-nat-gateways")["NatGateways"] if it["State"] != "deleted"],
        "addresses": aws("ec2", "describe-addresses")["Addresses"],
        "interfaces": aws("ec2", "describe-network-interfaces")["NetworkInterfaces"],
        "groups": [
            it["GroupName"] for it in aws("ec2", "describe-security-groups")["SecurityGroups"] if it["GroupName"] != "default"
        ],
        "templates": aws("ec2", "describe-launch-templates")["LaunchTemplates"],
        "roles": [it["RoleName"] for it in aws("iam", "list-roles")["Roles"]],
        "providers": aws("iam", "list-open-id-connect-providers")["OpenIDConnectProviderList"],
        "logs": aws("logs", "describe-log-groups")["logGroups"],
    }


@pytest.fixture(scope="module")
def stacks(aws):
    before = left(aws)
    deploy(aws, VPC)
    deploy(aws, CLUSTER, "PublicAccessCidr=203.0.113.7/32")
    deploy(aws, AGENT)
    return before


def ids(aws, which):
    return outputs(aws, VPC)[f"{which}SubnetIds"].split(",")


def resources(name):
    return yaml_parse((INFRA / f"{name}.yaml").read_text())["Resources"]


def cluster(aws):
    return aws("eks", "describe-cluster", "--name", "shopfront")["cluster"]


def node_group(aws):
    (name,) = aws("eks", "list-nodegroups", "--cluster-name", "shopfront")["nodegroups"]
    return aws("eks", "describe-nodegroup", "--cluster-name", "shopfront", "--nodegroup-name", name)["nodegroup"]


def node_template(aws):
    words = ["--launch-template-id", node_group(aws)["launchTemplate"]["id"], "--versions", "$Latest"]
    (version,) = aws("ec2", "describe-launch-template-versions", *words)["LaunchTemplateVersions"]
    return version["LaunchTemplateData"]


# The contract of the stacks. Below, each of its phrases is what a test says of itself, and all of them are all of it.
CONTRACT = """
Three stacks, each deployed and destroyed on its own: `eks-cluster-vpc-stack-01` (VPC over 2 AZs with public, private and
isolated subnets, 1 NAT gateway, DNS names on), `eks-cluster-stack-01` (EKS with a public endpoint; an admin role `c_admin`
allowed in; one on-demand managed node group from a launch template: t3.medium, desired 2, min 1, max 6, node label
`app=miztiik_on_demand_ng`, node role with AmazonSSMManagedInstanceCore; an OIDC provider for service accounts; an
output `ConfigCommand`, the `aws eks update-kubeconfig` line), `ssm-agent-installer-daemonset-stack-01` (a DaemonSet that
installs the SSM agent once on each node).
"""


def test_contract_stacks(aws, stacks):
    """Three stacks, each deployed and destroyed on its own:"""
    got = {it["StackName"]: it["StackStatus"] for it in aws("cloudformation", "describe-stacks")["Stacks"]}
    assert got == dict.fromkeys(STACKS, "CREATE_COMPLETE")
    for name in STACKS:
        found = aws("cloudformation", "describe-stack-resources", "--stack-name", name)["StackResources"]
        # What costs is made where a parameter asks for it, and no parameter does here.
        always = {it for it, one in resources(name).items() if one.get("Condition", "MakeAdminRole") == "MakeAdminRole"}
        # moto lists what a condition leaves out as well, without a name.
        assert {it["LogicalResourceId"] for it in found if "LogicalResourceId" in it} == always
        assert not any(it["Type"] == "AWS::CloudFormation::Stack" for it in resources(name).values())


def test_contract_vpc(aws, stacks):
    """`eks-cluster-vpc-stack-01` (VPC over 2 AZs with public, private and isolated subnets,"""
    vpc = outputs(aws, "eks-cluster-vpc-stack-01")["VpcId"]
    ways = {}
    for which in ("Public", "Private", "Isolated"):
        subnets = aws("ec2", "describe-subnets", "--subnet-ids", *ids(aws, which))["Subnets"]
        assert len({it["AvailabilityZone"] for it in subnets}) == 2 and {it["VpcId"] for it in subnets} == {vpc}
        for subnet in ids(aws, which):
            words = ["--filters", f"Name=association.subnet-id,Values={subnet}"]
            (table,) = aws("ec2", "describe-route-tables", *words)["RouteTables"]
            out = [it for it in table["Routes"] if it.get("DestinationCidrBlock") == "0.0.0.0/0"]
            way = [(it.get("NatGatewayId") or it["GatewayId"]).partition("-")[0] for it in out]
            ways.setdefault(which, []).append(way)
    assert ways == {"Public": [["igw"]] * 2, "Private": [["nat"]] * 2, "Isolated": [[], []]}


def test_contract_nat(aws, stacks):
    """1 NAT gateway,"""
    words = ["--filter", f"Name=vpc-id,Values={outputs(aws, VPC)['VpcId']}"]
    (gateway,) = aws("ec2", "describe-nat-gateways", *words)["NatGateways"]
    assert gateway["SubnetId"] in ids(aws, "Public") and gateway["NatGatewayAddresses"][0]["AllocationId"]


def test_contract_dns():
    """DNS names on),"""
    # By the template: moto's CloudFormation passes both over.
    network = resources(VPC)["Vpc"]["Properties"]
    assert network["EnableDnsHostnames"] is True and network["EnableDnsSupport"] is True


def test_contract_cluster(aws, stacks):
    """`eks-cluster-stack-01` (EKS with a public endpoint;"""
    assert outputs(aws, "eks-cluster-stack-01")["ClusterName"] == "shopfront" == cluster(aws)["name"]
    assert cluster(aws)["status"] == "ACTIVE" and cluster(aws)["version"] == "1.35"
    network = cluster(aws)["resourcesVpcConfig"]
    assert network["endpointPublicAccess"] and network["publicAccessCidrs"] == ["203.0.113.7/32"]
    assert sorted(network["subnetIds"]) == sorted(ids(aws, "Private"))


def test_contract_admin(aws, stacks):
    """an admin role `c_admin` allowed in;"""
    role = aws("iam", "get-role", "--role-name", "c_admin")["Role"]
    assert role["Arn"] == outputs(aws, CLUSTER)["AdminRoleArn"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{role['Arn'].split(':')[4]}:root"}
    # By the template: moto has no access entries.
    entry = resources(CLUSTER)["AdminAccess"]["Properties"]
    assert entry["PrincipalArn"]["Fn::If"][1] == {"Fn::GetAtt": ["AdminRole", "Arn"]}


def test_contract_node_group(aws, stacks):
    """one on-demand managed node group from a launch template:"""
    group = node_group(aws)
    assert group["capacityType"] == "ON_DEMAND" and group["status"] == "ACTIVE"
    assert group["amiType"] == "AL2023_x86_64_STANDARD" and sorted(group["subnets"]) == sorted(ids(aws, "Private"))
    assert [it["LaunchTemplateId"] for it in aws("ec2", "describe-launch-templates")["LaunchTemplates"]] == [
        group["launchTemplate"]["id"]
    ]
    data = node_template(aws)
    assert "KeyName" not in data and data["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True
    assert data["MetadataOptions"] == {"HttpEndpoint": "enabled", "HttpTokens": "required", "HttpPutResponseHopLimit": 1}


def test_contract_instance_type(aws, stacks):
    """t3.medium,"""
    assert node_template(aws)["InstanceType"] == "t3.medium"


def test_contract_sizes(aws, stacks):
    """desired 2, min 1, max 6,"""
    assert node_group(aws)["scalingConfig"] == {"desiredSize": 2, "minSize": 1, "maxSize": 6}


def test_contract_label(aws, stacks):
    """node label `app=miztiik_on_demand_ng`,"""
    assert node_group(aws)["labels"] == {"app": "miztiik_on_demand_ng"}


def test_contract_node_role(aws, stacks):
    """node role with AmazonSSMManagedInstanceCore;"""
    role = node_group(aws)["nodeRole"].rpartition("/")[2]
    got = aws("iam", "list-attached-role-policies", "--role-name", role)["AttachedPolicies"]
    assert "AmazonSSMManagedInstanceCore" in {it["PolicyName"] for it in got} and len(got) == 3, got


def test_contract_oidc(aws, stacks):
    """an OIDC provider for service accounts;"""
    arn = outputs(aws, CLUSTER)["OidcProviderArn"]
    got = aws("iam", "get-open-id-connect-provider", "--open-id-connect-provider-arn", arn)
    issuer = cluster(aws)["identity"]["oidc"]["issuer"]
    assert got["Url"] == issuer.removeprefix("https://") and got["ClientIDList"] == ["sts.amazonaws.com"]
    (trust,) = (
        it["AssumeRolePolicyDocument"]["Statement"][0]
        for it in aws("iam", "list-roles")["Roles"]
        if "NetworkRole" in it["RoleName"]
    )
    assert trust["Principal"] == {"Federated": arn}
    assert trust["Condition"]["StringEquals"][f"{got['Url']}:sub"] == "system:serviceaccount:kube-system:aws-node"


def test_contract_config_command(aws, stacks):
    """an output `ConfigCommand`, the `aws eks update-kubeconfig` line),"""
    command = outputs(aws, CLUSTER)["ConfigCommand"]
    assert command.startswith("aws eks update-kubeconfig --region us-east-1 --name shopfront --role-arn arn:aws:iam::")
    written = aws(*command.split()[1:], "--dry-run", text=True)
    assert "shopfront" in written and "c_admin" in written


def test_contract_agent(aws, stacks):
    """`ssm-agent-installer-daemonset-stack-01` (a DaemonSet that installs the SSM agent once on each node)."""
    # CloudFormation applies no manifest: the stack says which command does. test_installer.py tries it.
    command = outputs(aws, "ssm-agent-installer-daemonset-stack-01")["InstallCommand"]
    file = command.removeprefix("kubectl apply -f infra/")
    assert "DaemonSet" in {it["kind"] for it in yaml.safe_load_all((INFRA / file).read_text())}


def test_each_phrase_of_the_contract_has_a_test():
    phrases = [test.__doc__ for name, test in globals().items() if name.startswith("test_contract_")]
    assert " ".join(phrases) == " ".join(CONTRACT.split())


def test_subnet_tags_for_load_balancers(aws, stacks):
    def tags(which):
        subnets = aws("ec2", "describe-subnets", "--subnet-ids", *ids(aws, which))["Subnets"]
        return [{it["Key"]: it["Value"] for it in subnet.get("Tags", [])} for subnet in subnets]

    for which, role in (("Public", "elb"), ("Private", "internal-elb")):
        for got in tags(which):
            assert got[f"kubernetes.io/role/{role}"] == "1" and got["kubernetes.io/cluster/shopfront"] == "shared"
    assert not any(key.startswith("kubernetes.io") for got in tags("Isolated") for key in got)


def test_control_plane_logs(aws, stacks):
    (logging,) = cluster(aws)["logging"]["clusterLogging"]
    assert logging["enabled"] and len(logging["types"]) == 5
    (group,) = aws("logs", "describe-log-groups")["logGroups"]
    assert (group["logGroupName"], group["retentionInDays"]) == ("/aws/eks/shopfront/cluster", 7)


def test_control_plane_reaches_the_adapter(aws, stacks):
    group = outputs(aws, CLUSTER)["NodeSecurityGroupId"]
    api = cluster(aws)["resourcesVpcConfig"]["clusterSecurityGroupId"]
    (found,) = aws("ec2", "describe-security-groups", "--group-ids", group)["SecurityGroups"]
    ways = {(it.get("FromPort"), pair["GroupId"]) for it in found["IpPermissions"] for pair in it["UserIdGroupPairs"]}
    assert ways == {(None, group), *((port, api) for port in (6443, 9090, 9443, 9898, 10250, 10251))}
    assert {it["Key"]: it["Value"] for it in found["Tags"]}["kubernetes.io/cluster/shopfront"] == "owned"


def test_default_group_closes_by_the_readme(aws, moto, stacks):
    """README.md's commands, as they stand: CloudFormation has no resource that takes a rule away."""
    text = (INFRA / "README.md").read_text()
    (commands,) = re.findall(r"((?:^    .*\n)*^    aws ec2 revoke-security-group-egress.*\n(?:^    .*\n)*)", text, re.M)
    group = outputs(aws, VPC)["DefaultSecurityGroupId"]
    words = ["--group-id", group, "--protocol", "all", "--source-group", group]
    aws("ec2", "authorize-security-group-ingress", *words)  # as AWS makes the group, and moto does not
    subprocess.run(["bash", "-euc", commands], env=moto, check=True, capture_output=True)
    (found,) = aws("ec2", "describe-security-groups", "--group-ids", group)["SecurityGroups"]
    assert (found["GroupName"], found["IpPermissions"], found["IpPermissionsEgress"]) == ("default", [], [])


def test_parameters_that_cost(aws, stacks, tmp_path):
    """Off in the stacks above; here on, in a network of its own, which goes again."""
    key = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
    assert not aws("ec2", "describe-flow-logs")["FlowLogs"]
    deploy(aws, "second", "FlowLogs=REJECT", f"LogsKeyArn={key}", "VpcPrefix=10.11", template=INFRA / f"{VPC}.yaml")
    (log,) = aws("ec2", "describe-flow-logs")["FlowLogs"]
    assert (log["ResourceId"], log["TrafficType"]) == (outputs(aws, "second")["VpcId"], "REJECT")
    (group,) = (it for it in aws("logs", "describe-log-groups")["logGroups"] if it["logGroupName"] == "/aws/vpc/second")
    assert group["retentionInDays"] == 7
    aws("cloudformation", "delete-stack", "--stack-name", "second")
    aws("cloudformation", "wait", "stack-delete-complete", "--stack-name", "second")
    assert not aws("ec2", "describe-flow-logs")["FlowLogs"]


def test_update(aws, stacks, tmp_path):
    deploy(aws, CLUSTER, "PublicAccessCidr=198.51.100.0/24", "KubernetesVersion=1.36", "LogRetentionDays=14")
    assert cluster(aws)["version"] == node_group(aws)["version"] == "1.36"
    assert cluster(aws)["resourcesVpcConfig"]["publicAccessCidrs"] == ["198.51.100.0/24"]
    assert aws("logs", "describe-log-groups")["logGroups"][0]["retentionInDays"] == 14
    # The other two have no parameter that could change in place: an output more.
    for name in (VPC, AGENT):
        changed = tmp_path / f"{name}.yaml"
        changed.write_text((INFRA / f"{name}.yaml").read_text() + "  More:\n    Value: more\n")
        before = outputs(aws, name)
        deploy(aws, name, template=changed)
        assert outputs(aws, name) == {**before, "More": "more"}


def test_zz_deleted_in_order_without_a_rest(aws, stacks, capsys):
    for name in reversed(STACKS):
        aws("cloudformation", "delete-stack", "--stack-name", name)
        aws("cloudformation", "wait", "stack-delete-complete", "--stack-name", name)
    assert left(aws) == stacks
    with capsys.disabled():
        print(NOT_MODELLED)


def test_zzz_no_second_stack_without_the_first(aws, stacks):
    """Last, for moto does not roll back what fails."""
    error = deploy(aws, CLUSTER, "PublicAccessCidr=203.0.113.7/32", fails=True)
    assert f"No export named {VPC}-" in error
