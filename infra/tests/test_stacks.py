"""The three stacks, made, looked at, changed and removed with the AWS CLI, in moto's AWS on a free port.

What must be there is the contract of the three stacks, a test a line of it.
"""

from pathlib import Path

import pytest
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
- of the cluster: accessConfig, upgradePolicy, bootstrapSelfManagedAddons; that EKS takes the version, the zones and
  a private network in PublicAccessCidr.
- of the VPC: DNS names, a change of a resource.
- of the node group: updateConfig; it answers with a made-up SSH key, disk size and release of its own.
- change sets with exports, and parameters' patterns: tests/moto_server.py does both.
- route tables of subnets, a role's managed policies, a log group's new retention, and the deletion of roles, the NAT
  gateway, its address, route tables and the internet gateway (there too).
- a failure's rollback.
- the order of deletion: an export in use does not stop moto from deleting its stack, as it does AWS.
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


def test_all_three_complete(aws, stacks):
    got = {it["StackName"]: it["StackStatus"] for it in aws("cloudformation", "describe-stacks")["Stacks"]}
    assert got == dict.fromkeys(STACKS, "CREATE_COMPLETE")


def test_each_resource_is_made(aws, stacks):
    for name in STACKS:
        found = aws("cloudformation", "describe-stack-resources", "--stack-name", name)["StackResources"]
        assert {it["LogicalResourceId"] for it in found} == set(yaml_parse((INFRA / f"{name}.yaml").read_text())["Resources"])


def test_vpc_over_2_zones_with_dns(aws, stacks):
    vpc = outputs(aws, VPC)["VpcId"]
    # By the template: moto's CloudFormation passes both over.
    network = yaml_parse((INFRA / f"{VPC}.yaml").read_text())["Resources"]["Vpc"]["Properties"]
    assert network["EnableDnsHostnames"] is True and network["EnableDnsSupport"] is True
    for which in ("Public", "Private", "Isolated"):
        subnets = aws("ec2", "describe-subnets", "--subnet-ids", *ids(aws, which))["Subnets"]
        assert len({it["AvailabilityZone"] for it in subnets}) == 2 and {it["VpcId"] for it in subnets} == {vpc}


def test_1_nat_gateway_and_routes(aws, stacks):
    vpc = outputs(aws, VPC)["VpcId"]
    nat = aws("ec2", "describe-nat-gateways", "--filter", f"Name=vpc-id,Values={vpc}")["NatGateways"]
    assert len(nat) == 1 and nat[0]["SubnetId"] in ids(aws, "Public")
    ways = {}
    for which in ("Public", "Private", "Isolated"):
        for subnet in ids(aws, which):
            (table,) = aws("ec2", "describe-route-tables", "--filters", f"Name=association.subnet-id,Values={subnet}")[
                "RouteTables"
            ]
            out = [it for it in table["Routes"] if it.get("DestinationCidrBlock") == "0.0.0.0/0"]
            ways.setdefault(which, []).append(
                [it.get("NatGatewayId") or it.get("GatewayId", "").partition("-")[0] for it in out]
            )
    assert ways == {"Public": [["igw"]] * 2, "Private": [[nat[0]["NatGatewayId"]]] * 2, "Isolated": [[], []]}


def test_subnet_tags_for_load_balancers(aws, stacks):
    def tags(which):
        subnets = aws("ec2", "describe-subnets", "--subnet-ids", *ids(aws, which))["Subnets"]
        return [{it["Key"]: it["Value"] for it in subnet.get("Tags", [])} for subnet in subnets]

    for which, role in (("Public", "elb"), ("Private", "internal-elb")):
        for got in tags(which):
            assert got[f"kubernetes.io/role/{role}"] == "1" and got["kubernetes.io/cluster/shopfront"] == "shared"
    assert not any(key.startswith("kubernetes.io") for got in tags("Isolated") for key in got)


def test_cluster_with_a_limited_public_endpoint(aws, stacks):
    cluster = aws("eks", "describe-cluster", "--name", "shopfront")["cluster"]
    network = cluster["resourcesVpcConfig"]
    assert cluster["status"] == "ACTIVE" and cluster["version"] == "1.35"
    assert network["endpointPublicAccess"] and network["publicAccessCidrs"] == ["203.0.113.7/32"]
    assert sorted(network["subnetIds"]) == sorted(ids(aws, "Private"))
    (logging,) = cluster["logging"]["clusterLogging"]
    assert logging["enabled"] and len(logging["types"]) == 5


def test_c_admin(aws, stacks):
    role = aws("iam", "get-role", "--role-name", "c_admin")["Role"]
    assert role["Arn"] == outputs(aws, CLUSTER)["AdminRoleArn"]
    assert aws("iam", "list-attached-role-policies", "--role-name", "c_admin")["AttachedPolicies"] == []


def test_node_group(aws, stacks):
    group = aws(
        "eks", "describe-nodegroup", "--cluster-name", "shopfront", "--nodegroup-name", outputs(aws, CLUSTER)["NodegroupName"]
    )["nodegroup"]
    assert group["scalingConfig"] == {"minSize": 1, "desiredSize": 2, "maxSize": 6}
    assert group["labels"] == {"app": "miztiik_on_demand_ng"} and group["capacityType"] == "ON_DEMAND"
    assert group["amiType"] == "AL2023_x86_64_STANDARD" and sorted(group["subnets"]) == sorted(ids(aws, "Private"))
    (version,) = aws(
        "ec2", "describe-launch-template-versions", "--launch-template-id", group["launchTemplate"]["id"]
    )["LaunchTemplateVersions"]
    data = version["LaunchTemplateData"]
    assert data["InstanceType"] == "t3.medium" and "KeyName" not in data
    assert data["MetadataOptions"] == {"HttpEndpoint": "enabled", "HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    assert data["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True


def test_node_role(aws, stacks):
    role = aws("eks", "describe-nodegroup", "--cluster-name", "shopfront", "--nodegroup-name", "miztiik_on_demand_ng")[
        "nodegroup"
    ]["nodeRole"]
    got = aws("iam", "list-attached-role-policies", "--role-name", role.rpartition("/")[2])["AttachedPolicies"]
    assert "AmazonSSMManagedInstanceCore" in {it["PolicyName"] for it in got} and len(got) == 3, got


def test_oidc_provider_and_its_role(aws, stacks):
    issuer = aws("eks", "describe-cluster", "--name", "shopfront")["cluster"]["identity"]["oidc"]["issuer"]
    arn = outputs(aws, CLUSTER)["OidcProviderArn"]
    got = aws("iam", "get-open-id-connect-provider", "--open-id-connect-provider-arn", arn)
    assert got["Url"] == issuer.removeprefix("https://") and got["ClientIDList"] == ["sts.amazonaws.com"]
    (trust,) = (
        it["AssumeRolePolicyDocument"]["Statement"][0]
        for it in aws("iam", "list-roles")["Roles"]
        if "NetworkRole" in it["RoleName"]
    )
    assert trust["Principal"] == {"Federated": arn}
    assert trust["Condition"]["StringEquals"][f"{got['Url']}:sub"] == "system:serviceaccount:kube-system:aws-node"


def test_control_plane_reaches_the_adapter(aws, stacks):
    group = outputs(aws, CLUSTER)["NodeSecurityGroupId"]
    api = aws("eks", "describe-cluster", "--name", "shopfront")["cluster"]["resourcesVpcConfig"]["clusterSecurityGroupId"]
    (found,) = aws("ec2", "describe-security-groups", "--group-ids", group)["SecurityGroups"]
    ways = {(it.get("FromPort"), pair["GroupId"]) for it in found["IpPermissions"] for pair in it["UserIdGroupPairs"]}
    assert ways == {(None, group), *((port, api) for port in (6443, 9090, 9443, 9898, 10250, 10251))}
    assert {it["Key"]: it["Value"] for it in found["Tags"]}["kubernetes.io/cluster/shopfront"] == "owned"


def test_config_command_runs(aws, stacks):
    command = outputs(aws, CLUSTER)["ConfigCommand"]
    assert command.startswith("aws eks update-kubeconfig --region us-east-1 --name shopfront --role-arn arn:aws:iam::")
    written = aws(*command.split()[1:], "--dry-run", text=True)
    assert "shopfront" in written and "c_admin" in written


def test_update(aws, stacks, tmp_path):
    words = ["PublicAccessCidr=198.51.100.0/24", "KubernetesVersion=1.36", "LogRetentionDays=14"]
    deploy(aws, CLUSTER, *words)
    cluster = aws("eks", "describe-cluster", "--name", "shopfront")["cluster"]
    assert cluster["version"] == "1.36" and cluster["resourcesVpcConfig"]["publicAccessCidrs"] == ["198.51.100.0/24"]
    assert aws("logs", "describe-log-groups")["logGroups"][0]["retentionInDays"] == 14
    # The other two have no parameter that could change in place: an output more.
    for name in (VPC, AGENT):
        changed = tmp_path / f"{name}.yaml"
        changed.write_text((INFRA / f"{name}.yaml").read_text() + "  More:\n    Value: more\n")
        before = outputs(aws, name)
        deploy(aws, name, template=changed)
        assert outputs(aws, name) == {**before, "More": "more"}


@pytest.mark.parametrize("word", ["PublicAccessCidr=0.0.0.0/0", "KubernetesVersion=1.20", "SupportType=NONE"])
def test_refused(aws, stacks, word):
    assert word.partition("=")[0] in deploy(aws, CLUSTER, word, fails=True)


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
