"""moto's server, with what its CloudFormation lacks of these three stacks.

moto has an EKS and an OIDC API, but its CloudFormation passes over AWS::EKS::* and AWS::IAM::OIDCProvider. The classes
here hand the templates' properties to those APIs, so that `aws eks describe-cluster` answers with what a template says.
What moto has no API for at all is kept by its name alone (`Kept`). test_stacks.py prints what that leaves unproven.
"""

import re
import sys

from moto import server
from moto.cloudformation import parsing
from moto.cloudformation.models import CloudFormationBackend
from moto.core.common_models import CloudFormationModel
from moto.ec2.models import ec2_backends
from moto.ec2.models.elastic_ip_addresses import ElasticAddress
from moto.ec2.models.flow_logs import FlowLogs
from moto.ec2.models.internet_gateways import InternetGateway
from moto.ec2.models.nat_gateways import NatGateway
from moto.ec2.models.route_tables import RouteTable
from moto.ec2.models.subnets import SubnetBackend
from moto.eks.models import eks_backends
from moto.iam.models import Role, iam_backends
from moto.logs.models import LogGroup, logs_backends


def camel(value):
    """CloudFormation's spelling of a property → the API's."""
    if isinstance(value, dict):
        return {key[0].lower() + key[1:]: camel(item) for key, item in value.items()}
    return [camel(item) for item in value] if isinstance(value, list) else value


# moto reads the service's name out of the name of a model's module.
__name__, started = "moto.eks.cloudformation", __name__ == "__main__"


class Resource(CloudFormationModel):
    TYPE = NAME = ""
    ATTRIBUTES = ()

    @classmethod
    def __init_subclass__(cls):
        # moto asks CloudFormationModel for its direct subclasses and calls these without the class.
        cls.cloudformation_type = staticmethod(lambda: cls.TYPE)
        cls.cloudformation_name_type = staticmethod(lambda: cls.NAME)

    @classmethod
    def has_cfn_attr(cls, attr):
        return attr in cls.ATTRIBUTES

    @classmethod
    def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
        made = cls()
        made.account, made.region = account_id, region_name
        made.create(resource_name, cloudformation_json["Properties"])
        return made

    @classmethod
    def update_from_cloudformation_json(
        cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name
    ):
        original_resource.update(cloudformation_json["Properties"])
        return original_resource

    @property
    def physical_resource_id(self):
        return self.id

    def get_cfn_attribute(self, attribute):
        return self.attributes[attribute]

    def delete(self, account_id, region_name):
        pass


class Cluster(Resource, CloudFormationModel):
    TYPE, NAME = "AWS::EKS::Cluster", "Name"
    ATTRIBUTES = ("Arn", "Endpoint", "OpenIdConnectIssuerUrl", "ClusterSecurityGroupId")

    def create(self, name, properties):
        self.id = name
        network = camel(properties["ResourcesVpcConfig"])
        ec2 = ec2_backends[self.account][self.region]
        vpc = ec2.get_subnet(network["subnetIds"][0]).vpc_id
        # EKS makes this group with each cluster.
        self.group = ec2.create_security_group(f"eks-cluster-sg-{name}", "made by EKS", vpc_id=vpc)
        network |= {"vpcId": vpc, "clusterSecurityGroupId": self.group.id}
        cluster = eks_backends[self.account][self.region].create_cluster(
            name=name,
            role_arn=properties["RoleArn"],
            resources_vpc_config=network,
            version=properties["Version"],
            logging=self.logging(properties),
            encryption_config=camel(properties.get("EncryptionConfig", [])),
        )
        self.attributes = {
            "Arn": cluster.arn,
            "Endpoint": cluster.endpoint,
            "OpenIdConnectIssuerUrl": cluster.identity["oidc"]["issuer"],
            "ClusterSecurityGroupId": self.group.id,
        }

    @staticmethod
    def logging(properties):
        types = properties["Logging"]["ClusterLogging"]["EnabledTypes"]
        return {"clusterLogging": [{"types": [each["Type"] for each in types], "enabled": True}]}

    def update(self, properties):
        cluster = eks_backends[self.account][self.region].describe_cluster(self.id)
        cluster.version = properties["Version"]
        cluster.logging = self.logging(properties)
        cluster.resources_vpc_config |= camel(properties["ResourcesVpcConfig"])

    def delete(self, account_id, region_name):
        eks_backends[account_id][region_name].delete_cluster(self.id)
        ec2_backends[account_id][region_name].delete_security_group(group_id=self.group.id)


class Nodegroup(Resource, CloudFormationModel):
    TYPE, NAME = "AWS::EKS::Nodegroup", "NodegroupName"
    ATTRIBUTES = ("Arn", "ClusterName", "NodegroupName")

    def create(self, name, properties):
        self.cluster, self.name = properties["ClusterName"], name
        self.id = f"{self.cluster}/{name}"
        made = eks_backends[self.account][self.region].create_nodegroup(
            cluster_name=self.cluster,
            nodegroup_name=name,
            node_role=properties["NodeRole"],
            subnets=properties["Subnets"],
            scaling_config=camel(properties["ScalingConfig"]),
            ami_type=properties["AmiType"],
            capacity_type=properties["CapacityType"],
            labels=properties["Labels"],
            launch_template={key: str(value) for key, value in camel(properties["LaunchTemplate"]).items()},
            version=properties["Version"],
        )
        self.attributes = {"Arn": made.arn, "ClusterName": self.cluster, "NodegroupName": name}

    def update(self, properties):
        group = eks_backends[self.account][self.region].describe_nodegroup(self.cluster, self.name)
        group.version = properties["Version"]
        group.scaling_config = camel(properties["ScalingConfig"])

    def delete(self, account_id, region_name):
        eks_backends[account_id][region_name].delete_nodegroup(self.cluster, self.name)


class OidcProvider(Resource, CloudFormationModel):
    TYPE = "AWS::IAM::OIDCProvider"
    ATTRIBUTES = ("Arn",)

    def create(self, name, properties):
        made = iam_backends[self.account]["aws"].create_open_id_connect_provider(
            url=properties["Url"],
            thumbprint_list=properties.get("ThumbprintList", []),
            client_id_list=properties["ClientIdList"],
            tags=[],
        )
        self.id = made.arn
        self.attributes = {"Arn": made.arn}

    def delete(self, account_id, region_name):
        iam_backends[account_id]["aws"].delete_open_id_connect_provider(self.id)


class Kept:
    """Known to CloudFormation here, and to no API of moto."""

    def create(self, name, properties):
        self.id = re.sub("[^-A-Za-z0-9]", "-", name)
        self.attributes = {}

    def update(self, properties):
        pass


class AccessEntry(Kept, Resource, CloudFormationModel):
    TYPE = "AWS::EKS::AccessEntry"


class Addon(Kept, Resource, CloudFormationModel):
    TYPE = "AWS::EKS::Addon"


class Association(Kept, Resource, CloudFormationModel):
    TYPE = "AWS::SSM::Association"


# Faults of moto, without which the stacks could neither follow each other by `deploy` nor go again.
def execute_change_set(self, change_set_name, stack_name=None):
    """`deploy` is a change set. moto's makes no exports and sees none, so this does what its create-stack does."""
    change = next(each for name, each in self.change_sets.items() if change_set_name in (name, each.change_set_name))
    stack = change.stack
    for export in stack.exports:
        self.exports.pop(export.name, None)
    if change.change_set_type == "CREATE":
        stack.template, stack.parameters, stack.cross_stack_resources = change.template, change.parameters, self.exports
        stack._parse_template()
        stack.resource_map = stack._create_resource_map()
        stack.output_map = stack._create_output_map()
        stack.create_resources()
    else:
        # A default counts as given, or each resource that refers to one would count as changed.
        known = stack.resource_map.resolved_parameters
        stack.resource_map.input_parameters = {name: str(value) for name, value in known.items()}
        stack.update(change.template, parameters=change.parameters)
    change.execution_status = "EXECUTE_COMPLETE"
    stack.status = f"{change.change_set_type}_COMPLETE"
    self._validate_export_uniqueness(stack)
    self.exports.update({export.name: export for export in stack.exports})


def delete_nat_gateway(gateway):
    gateway.ec2_backend.delete_nat_gateway(gateway.id)
    for address in gateway.ec2_backend.addresses:
        if address.eni is gateway._eni:
            gateway.ec2_backend.disassociate_address(address.public_ip)
    gateway._eni.delete()


def delete_route_table(table):
    for association in list(table._associations):
        table.ec2_backend.disassociate_route_table(association)
    table.ec2_backend.delete_route_table(table.id)


def delete_gateway(gateway):
    if gateway.vpc:
        gateway.ec2_backend.detach_internet_gateway(gateway.id, gateway.vpc.id)
    gateway.ec2_backend.delete_internet_gateway(gateway.id)


def create_role(resource_name, properties, account_id, region, create=Role.create_from_cloudformation_json, **_):
    role = create(resource_name, properties, account_id, region)
    for arn in properties["Properties"].get("ManagedPolicyArns", []):
        iam_backends[account_id]["aws"].attach_role_policy(arn, role.name)
    return role


def delete_role(role):
    backend = iam_backends[role.account_id]["aws"]
    for arn in list(role.managed_policies):
        backend.detach_role_policy(arn, role.name)
    for name in list(role.policies):
        backend.delete_role_policy(role.name, name)
    backend.delete_role(role.name)


def update_log_group(original_resource, cloudformation_json, account_id, region_name, **_):
    days = int(cloudformation_json["Properties"]["RetentionInDays"])
    logs_backends[account_id][region_name].put_retention_policy(original_resource.name, days)
    return original_resource


def associate(self, route_table_id, subnet_id, create=SubnetBackend.create_subnet_association):
    self.associate_route_table(route_table_id=route_table_id, subnet_id=subnet_id)
    return create(self, route_table_id, subnet_id)


def update_resource(logical_id, resource_json, resources_map, update=parsing.parse_and_update_resource, **whose):
    # moto also updates what a condition left out.
    there = resources_map[logical_id]
    return there and update(logical_id, resource_json, resources_map, **whose)


# What moto's deletion of a stack would leave behind.
DELETIONS = {
    NatGateway: delete_nat_gateway,
    RouteTable: delete_route_table,
    InternetGateway: delete_gateway,
    Role: delete_role,
    FlowLogs: lambda log: log.ec2_backend.delete_flow_logs([log.id]),
    ElasticAddress: lambda address: address.ec2_backend.release_address(allocation_id=address.allocation_id),
}
for model, deletion in DELETIONS.items():
    model.delete = lambda self, account_id, region_name, deletion=deletion: deletion(self)
parsing.parse_and_update_resource = update_resource
LogGroup.update_from_cloudformation_json = staticmethod(update_log_group)
Role.create_from_cloudformation_json = staticmethod(create_role)
SubnetBackend.create_subnet_association = associate
CloudFormationBackend.execute_change_set = execute_change_set

if started:
    served = server.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    served.start()
    # For whoever started it, and who holds the other end of its input: with that it ends.
    print(served.get_host_and_port()[1], flush=True)
    sys.stdin.read()
