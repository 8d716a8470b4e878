"""The security claims of infra/README.md, one test a row, over the templates as parsed."""

import json
import re
from pathlib import Path

import pytest
import yaml
from awscli.customizations.cloudformation.yamlhelper import yaml_parse

INFRA = Path(__file__).parents[1]
VPC, CLUSTER, AGENT = (
    yaml_parse((INFRA / f"{name}.yaml").read_text())
    for name in ("eks-cluster-vpc-stack-01", "eks-cluster-stack-01", "ssm-agent-installer-daemonset-stack-01")
)


def properties(name, template=CLUSTER):
    return template["Resources"][name]["Properties"]


def of_type(kind, template=CLUSTER):
    return {name: it["Properties"] for name, it in template["Resources"].items() if it["Type"] == kind}


def policies(role):
    return {arn["Fn::Sub"].rpartition("/")[2] for arn in properties(role).get("ManagedPolicyArns", [])}


def network():
    return properties("Cluster")["ResourcesVpcConfig"]


def launch():
    return properties("NodeTemplate")["LaunchTemplateData"]


def from_control_plane():
    """Ports that the control plane reaches on nodes and pods."""
    api = {"Fn::GetAtt": ["Cluster", "ClusterSecurityGroupId"]}
    rules = of_type("AWS::EC2::SecurityGroupIngress").values()
    return [(it["FromPort"], it["ToPort"]) for it in rules if it["SourceSecurityGroupId"] == api]


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "0.0.0.0/1", "10.0.0.0/8", "::/0", "203.0.113.7", "999.1.1.1/32", ""])
def test_endpoint_refuses(cidr):
    rules = CLUSTER["Parameters"]["PublicAccessCidr"]
    assert "Default" not in rules and not re.fullmatch(rules["AllowedPattern"], cidr)


def test_endpoint_limited():
    rules = CLUSTER["Parameters"]["PublicAccessCidr"]
    assert re.fullmatch(rules["AllowedPattern"], "203.0.113.7/32")
    assert network()["EndpointPublicAccess"] and network()["PublicAccessCidrs"] == [{"Ref": "PublicAccessCidr"}]


def test_endpoint_private():
    assert network()["EndpointPrivateAccess"] is True


def test_control_plane_logs():
    types = properties("Cluster")["Logging"]["ClusterLogging"]["EnabledTypes"]
    assert {it["Type"] for it in types} == {"api", "audit", "authenticator", "controllerManager", "scheduler"}


def test_logs_end():
    group = CLUSTER["Resources"]["ControlPlaneLogs"]
    assert group["DeletionPolicy"] == "Delete" and group["Properties"]["RetentionInDays"]
    assert CLUSTER["Resources"]["Cluster"]["DependsOn"] == "ControlPlaneLogs"


def test_access_entries():
    access = properties("Cluster")["AccessConfig"]
    assert access["AuthenticationMode"] == "API"
    (entry,) = of_type("AWS::EKS::AccessEntry").values()
    assert entry["AccessPolicies"][0]["PolicyArn"]["Fn::Sub"].endswith("/AmazonEKSClusterAdminPolicy")


def test_creator_is_no_admin():
    assert properties("Cluster")["AccessConfig"]["BootstrapClusterCreatorAdminPermissions"] is False


def test_admin_role_minimal():
    role = properties("AdminRole")
    assert role["RoleName"] == "c_admin" and not policies("AdminRole")
    ((statement,),) = [it["PolicyDocument"]["Statement"] for it in role["Policies"]]
    assert statement["Action"] == "eks:DescribeCluster"
    arn, values = statement["Resource"]["Fn::Sub"]
    assert arn.endswith(":cluster/${Name}") and values["Name"] == properties("Cluster")["Name"]


def test_secrets_key():
    choice = properties("Cluster")["EncryptionConfig"]["Fn::If"]
    assert choice[0] == "OwnSecretsKey" and choice[1][0]["Resources"] == ["secrets"]


def off(parameter, template):
    """Whether a parameter costs nothing by default, and says what it costs otherwise."""
    rules = template["Parameters"][parameter]
    return rules["Default"] in ("", "NONE", "optional") and re.search(r"\$\d|nothing", rules["Description"])


def test_logs_key():
    for group, template in (("ControlPlaneLogs", CLUSTER), ("FlowLogGroup", VPC)):
        assert properties(group, template)["KmsKeyId"]["Fn::If"][:2] == ["OwnLogsKey", {"Ref": "LogsKeyArn"}]
        assert template["Conditions"]["OwnLogsKey"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "LogsKeyArn"}, ""]}]}
        assert off("LogsKeyArn", template)
    assert off("SecretsKeyArn", CLUSTER)


def test_flow_logs():
    log = properties("FlowLog", VPC)
    assert (log["ResourceType"], log["ResourceId"], log["TrafficType"]) == ("VPC", {"Ref": "Vpc"}, {"Ref": "FlowLogs"})
    made = {name: it.get("Condition") for name, it in VPC["Resources"].items() if name.startswith("FlowLog")}
    assert made == dict.fromkeys(("FlowLog", "FlowLogGroup", "FlowLogRole"), "MakeFlowLogs") and off("FlowLogs", VPC)
    ((statement,),) = [it["PolicyDocument"]["Statement"] for it in properties("FlowLogRole", VPC)["Policies"]]
    assert statement["Resource"] == {"Fn::GetAtt": ["FlowLogGroup", "Arn"]}
    (trust,) = properties("FlowLogRole", VPC)["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_default_group_unused():
    used = [name for it in (VPC, CLUSTER, AGENT) for name, one in it["Resources"].items() if "DefaultSecurityGroup" in str(one)]
    assert used == []


def test_admin_mfa():
    (trust,) = properties("AdminRole")["AssumeRolePolicyDocument"]["Statement"]
    choice, needed, otherwise = trust["Condition"]["Fn::If"]
    assert CLUSTER["Conditions"][choice] == {"Fn::Equals": [{"Ref": "AdminMfa"}, "required"]} and off("AdminMfa", CLUSTER)
    assert needed == {"Bool": {"aws:MultiFactorAuthPresent": "true"}} and otherwise == {"Ref": "AWS::NoValue"}


def test_network_policies_obeyed():
    assert json.loads(properties("NetworkAddon")["ConfigurationValues"]) == {"enableNetworkPolicy": "true"}


def test_no_stale_version():
    rules = CLUSTER["Parameters"]["KubernetesVersion"]
    assert rules["Default"] in rules["AllowedValues"]
    assert all(tuple(map(int, it.split("."))) >= (1, 30) for it in rules["AllowedValues"])


def test_no_extended_support():
    assert CLUSTER["Parameters"]["SupportType"]["Default"] == "STANDARD"
    assert properties("Cluster")["UpgradePolicy"] == {"SupportType": {"Ref": "SupportType"}}


def test_oidc_no_thumbprint():
    assert set(properties("OidcProvider")) == {"Url", "ClientIdList"}


def test_node_role_minimal():
    least = {"AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly", "AmazonSSMManagedInstanceCore"}
    assert policies("NodeRole") == least and "Policies" not in properties("NodeRole")


def test_network_role_bound():
    assert policies("NetworkRole") == {"AmazonEKS_CNI_Policy"}
    trust = properties("NetworkRole")["AssumeRolePolicyDocument"]["Fn::Sub"][0]
    assert '"${Issuer}:sub": "system:serviceaccount:kube-system:aws-node"' in trust
    assert '"${Issuer}:aud": "sts.amazonaws.com"' in trust and "*" not in trust


def test_addon_versions_by_eks():
    addons = of_type("AWS::EKS::Addon").values()
    assert {it["AddonName"] for it in addons} == {"vpc-cni", "kube-proxy", "coredns", "metrics-server"}
    assert not any("AddonVersion" in it for it in addons)


def test_metrics_server_takes():
    assert properties("MetricsAddon")["ResolveConflicts"] == "OVERWRITE"


def test_imds_v2():
    assert launch()["MetadataOptions"]["HttpTokens"] == "required"


def test_imds_one_hop():
    assert launch()["MetadataOptions"]["HttpPutResponseHopLimit"] == 1


def test_volumes_encrypted():
    (disk,) = launch()["BlockDeviceMappings"]
    assert disk["Ebs"]["Encrypted"] is True and disk["Ebs"]["VolumeType"] == "gp3"


def test_no_ssh():
    assert "KeyName" not in launch() and "RemoteAccess" not in properties("Nodes")
    assert not any(low <= 22 <= high for low, high in from_control_plane())


def test_image_by_eks():
    assert "ImageId" not in launch() and properties("Nodes")["AmiType"] == "AL2023_x86_64_STANDARD"


def test_nodes_private():
    private = {"Fn::Split": [",", {"Fn::ImportValue": {"Fn::Sub": "${VpcStack}-PrivateSubnetIds"}}]}
    assert properties("Nodes")["Subnets"] == private and network()["SubnetIds"] == private


def test_nodes_own_group():
    assert launch()["SecurityGroupIds"] == [{"Ref": "NodeSecurityGroup"}]


def test_ports_from_control_plane():
    assert sorted(from_control_plane()) == [(port, port) for port in (6443, 9090, 9443, 9898, 10250, 10251)]


def test_nothing_open_to_the_world():
    rules = [*of_type("AWS::EC2::SecurityGroupIngress").values(), *of_type("AWS::EC2::SecurityGroup").values()]
    assert not any({"CidrIp", "CidrIpv6", "SecurityGroupIngress"} & set(it) for it in rules)


def test_no_public_addresses():
    subnets = of_type("AWS::EC2::Subnet", VPC)
    assert len(subnets) == 6 and not any(it["MapPublicIpOnLaunch"] for it in subnets.values())


def test_isolated():
    routes = of_type("AWS::EC2::Route", VPC).values()
    assert {it["RouteTableId"]["Ref"] for it in routes} == {"PublicRoutes", "PrivateRoutes"}
    associations = of_type("AWS::EC2::SubnetRouteTableAssociation", VPC).values()
    tables = {it["SubnetId"]["Ref"]: it["RouteTableId"]["Ref"] for it in associations}
    assert tables["IsolatedSubnetA"] == tables["IsolatedSubnetB"] == "IsolatedRoutes"


def test_no_wildcards():
    for template in (VPC, CLUSTER, AGENT):
        for role in of_type("AWS::IAM::Role", template).values():
            for policy in role.get("Policies", []):
                for statement in policy["PolicyDocument"]["Statement"]:
                    assert "*" not in str(statement["Action"]) and statement["Resource"] != "*"


def test_no_lambda():
    assert {it["Type"] for it in AGENT["Resources"].values()} == {"AWS::SSM::Association"}


def test_installer_privileged_once():
    objects = {it["kind"]: it for it in yaml.safe_load_all((INFRA / "ssm-agent-installer.yaml").read_text())}
    pod = objects["DaemonSet"]["spec"]["template"]["spec"]
    (install,), (rest,) = pod["initContainers"], pod["containers"]
    assert install["securityContext"] == {"privileged": True} and pod["automountServiceAccountToken"] is False
    assert "volumeMounts" not in rest and not {"hostPID", "hostNetwork", "hostIPC"} & set(pod)
    assert rest["securityContext"]["runAsNonRoot"] and rest["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_installer_pinned():
    objects = {it["kind"]: it for it in yaml.safe_load_all((INFRA / "ssm-agent-installer.yaml").read_text())}
    pod = objects["DaemonSet"]["spec"]["template"]["spec"]
    images = [it["image"] for it in pod["initContainers"] + pod["containers"]]
    assert all(re.fullmatch(r".+:[\d.]+@sha256:[0-9a-f]{64}", it) for it in images), images
    script = objects["ConfigMap"]["data"]["install.sh"]
    assert script.index("exit 0") < script.index('[ -z "$SHA256" ]') < script.index("sha256sum -c") < script.index("rpm")


def test_readme_names_each():
    """The table has a row a test, and a test a row."""
    rows = re.findall(r"\| `(test_\w+)` \|$", (INFRA / "README.md").read_text(), re.M)
    tests = {name for name in globals() if name.startswith("test_")} - {"test_readme_names_each"}
    assert len(rows) == len(set(rows)) and set(rows) == tests
