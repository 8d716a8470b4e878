//! Causes at the workload: its replicas, image and resources, and an HPA in its namespace.

use loadtest::doctor::catalogue::Cause;

use super::{MANIFEST, manifest, own};
use crate::case::Case;

/// The lab's own namespace.
pub const ELSEWHERE: &str = "shopfront-elsewhere";

pub fn cases() -> Vec<Case> {
    vec![
        no_replicas(),
        no_image(),
        crashes(),
        no_room(),
        no_room_at_all(),
        quota(),
        elsewhere(),
        old(),
        version(),
        strangers(),
    ]
}

/// A version that Kubernetes 1.16 removed with its group's Deployments.
fn version() -> Case {
    let line = own(
        r#"patch hpa shopfront-hpa --type merge -p '{"spec":{"scaleTargetRef":{"apiVersion":"extensions/v1beta1"}}}'"#,
    );
    Case::new(Cause::ScaleTargetVersion, "a scaleTargetRef with the version extensions/v1beta1", line, MANIFEST)
}

/// Another Deployment, without an HPA, whose pods have the label of the workload's selector.
fn strangers() -> Case {
    let copy = format!(
        "{} | sed 's/name: shopfront-deploy/name: shopfront-worker/; /^  uid:/d; /^  resourceVersion:/d' | kubectl create -f -",
        own("get deployment shopfront-deploy -o yaml")
    );
    let undo = own("delete deployment shopfront-worker --ignore-not-found");
    Case::new(Cause::SelectorTakesOthers, "another Deployment's pods under the selector", copy, undo)
        .by_hand("the pods are somebody else's")
}

pub fn no_replicas() -> Case {
    let line = own("scale deployment shopfront-deploy --replicas 0");
    Case::new(Cause::ReplicasZero, "replicas scaled to 0", line, own("scale deployment shopfront-deploy --replicas 1"))
        .quick()
}

/// Patches the container, and the rollout strategy with `recreate`.
fn changed(recreate: bool, container: &str) -> String {
    let strategy = if recreate { r#""strategy":{"type":"Recreate","rollingUpdate":null},"# } else { "" };
    own(&format!(
        r#"patch deployment shopfront-deploy -p '{{"spec":{{{strategy}"template":{{"spec":{{"containers":[{{"name":"shopfront",{container}}}]}}}}}}}}'"#
    ))
}

/// Restores the pod template, without fields that the manifest does not have.
fn template_back() -> String {
    let plain = own(
        r#"patch deployment shopfront-deploy -p '{"spec":{"template":{"spec":{"containers":[{"name":"shopfront","args":null}]}}}}'"#,
    );
    let there = own("rollout status deployment shopfront-deploy --timeout 2m");
    format!("{plain} && {MANIFEST} && {there}")
}

/// Deletes the old pod first, so that no pod is ready.
pub fn no_image() -> Case {
    let line = changed(true, r#""image":"registry.invalid/shopfront:none""#);
    Case::new(Cause::PodFails, "an image that does not exist, no pod left", line, template_back()).tidied()
}

fn crashes() -> Case {
    let line = changed(false, r#""args":["--no-such-flag"]"#);
    Case::new(Cause::PodFails, "a command that crashes, the old pod left", line, template_back()).tidied().quick()
}

pub fn no_room() -> Case {
    let line = changed(false, r#""resources":{"limits":{"cpu":"1k"},"requests":{"cpu":"1k"}}"#);
    Case::new(Cause::PodsPending, "a request that no node can hold", line, template_back()).tidied()
}

fn no_room_at_all() -> Case {
    let line = changed(true, r#""resources":{"limits":{"cpu":"1k"},"requests":{"cpu":"1k"}}"#);
    Case::new(Cause::PodsPending, "a request that no node can hold, no pod left", line, template_back()).tidied()
}

fn quota() -> Case {
    let two = own(r#"patch hpa shopfront-hpa -p '{"spec":{"minReplicas":2}}'"#);
    let undo = format!("{} && {MANIFEST}", own("delete quota shopfront-few --ignore-not-found"));
    Case::new(Cause::PodsPending, "a quota that is used up", own("create quota shopfront-few --hard pods=1"), undo)
        .by_hand("the owner of the quota decides")
        .then(two)
        .tidied()
}

/// Applies only the HPA of the manifest, by its label.
const HPA_ALONE: &str = "kubectl apply -l scaler=prometheus-adapter -f -";

fn elsewhere() -> Case {
    let undo = format!("kubectl delete namespace {ELSEWHERE} --ignore-not-found && {}", manifest());
    Case::new(
        Cause::TargetElsewhere,
        "the HPA in a namespace without its target",
        format!("kubectl create namespace {ELSEWHERE}"),
        undo,
    )
    .then(format!("sed 's/miztiik-automation-ns/{ELSEWHERE}/' k8s/shopfront.yml | {HPA_ALONE}"))
    .then(own("delete hpa shopfront-hpa"))
    .for_hpa(&format!("{ELSEWHERE}/shopfront-hpa"))
    .tidied()
}

/// The manifest is in a file, as a user's would be.
fn old() -> Case {
    Case::new(
        Cause::OldApiVersion,
        "a manifest of autoscaling/v2beta2, refused",
        own("delete hpa shopfront-hpa"),
        format!("rm -rf old && {}", manifest()),
    )
    .by_hand("the author has to change the manifest")
    .then("mkdir -p old && sed 's|autoscaling/v2$|autoscaling/v2beta2|' k8s/shopfront.yml > old/shopfront.yml")
    .then("! kubectl apply -f old/shopfront.yml")
}
