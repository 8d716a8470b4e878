//! Causes at the HPA and its controller: rights, other HPAs and metrics, and who else sets the replicas.

use loadtest::doctor::catalogue::Cause;

use super::{MANIFEST, manifest, monitoring, own};
use crate::case::Case;

pub fn cases() -> Vec<Case> {
    vec![
        forbidden(),
        not_scraped(),
        second_hpa(),
        overlapping(),
        second_metric(),
        no_container(),
        set_elsewhere(),
        at_minimum(),
        disabled(),
        stabilised(),
    ]
}

/// Removes custom metrics from the role that Kubernetes gives the controller.
pub fn forbidden() -> Case {
    let role = "system:controller:horizontal-pod-autoscaler";
    let line = format!(
        "kubectl get clusterrole {role} -o yaml | sed 's/- custom.metrics.k8s.io/- nobody.metrics.k8s.io/' | kubectl replace -f -"
    );
    let undo = "kubectl replace -f controller.bak && \
                kubectl delete clusterrole,clusterrolebinding hpa-reads-custom --ignore-not-found";
    Case::new(Cause::ControllerForbidden, "the controller's role without custom metrics", line, undo).tidied().quick()
}

/// Scales to two idle replicas.
fn two() -> String {
    let patch = own(r#"patch hpa shopfront-hpa -p '{"spec":{"minReplicas":2}}'"#);
    let ready = own("wait deployment shopfront-deploy --for=jsonpath='{.status.readyReplicas}'=2 --timeout 90s");
    format!("{patch} && {ready}")
}

fn not_scraped() -> Case {
    let pod = own("get pods -l app=shopfront -o jsonpath='{.items[0].metadata.name}'");
    let drop = r#"{\"spec\":{\"endpoints\":[{\"port\":\"web\",\"path\":\"/metrics\",\"interval\":\"5s\",\"relabelings\":[{\"action\":\"drop\",\"sourceLabels\":[\"__meta_kubernetes_pod_name\"],\"regex\":\"$pod\"}]}]}}"#;
    let patch = monitoring(&format!("patch servicemonitor shopfront-monitor --type merge -p \"{drop}\""));
    Case::new(Cause::PodsNotCounted, "one of two ready pods is not scraped", two(), MANIFEST)
        .then(format!("pod=$({pod}) && {patch}"))
        .tidied()
}

pub fn second_hpa() -> Case {
    let line = own("autoscale deployment shopfront-deploy --name shopfront-second --min 1 --max 2 --cpu-percent 80");
    Case::new(
        Cause::SeveralHpas,
        "a second HPA for the workload",
        line,
        own("delete hpa shopfront-second --ignore-not-found"),
    )
    .by_hand("only the owner knows which HPA to keep")
}

fn overlapping() -> Case {
    let copy = format!(
        "{} | sed 's/name: shopfront-deploy/name: shopfront-double/; /^  uid:/d; /^  resourceVersion:/d' | kubectl create -f -",
        own("get deployment shopfront-deploy -o yaml")
    );
    let undo = own("delete hpa,deployment shopfront-double --ignore-not-found");
    Case::new(Cause::SeveralHpas, "an HPA whose workload takes the same pods", copy, undo)
        .by_hand("only the owner knows which HPA to keep")
        .then(own("autoscale deployment shopfront-double --min 1 --max 2 --cpu-percent 80"))
        .tidied()
}

pub fn second_metric() -> Case {
    let metric = r#"{"type":"Pods","pods":{"metric":{"name":"orders_per_second"},"target":{"type":"AverageValue","averageValue":"5"}}}"#;
    let line = own(&format!(
        r#"patch hpa shopfront-hpa --type json -p '[{{"op":"add","path":"/spec/metrics/-","value":{metric}}}]'"#
    ));
    Case::new(Cause::OtherMetricInvalid, "a second metric that nobody serves", line, MANIFEST)
        .by_hand("the metric may be intended")
        .quick()
}

/// Applies a manifest with replicas after the HPA has set them, as a deployment tool would.
fn set_elsewhere() -> Case {
    let one = own(r#"patch hpa shopfront-hpa -p '{"spec":{"minReplicas":1}}'"#);
    let apply = "sed 's/^  # No replicas:.*/  replicas: 1/' k8s/shopfront.yml | kubectl apply -f -";
    Case::new(Cause::ReplicasSetElsewhere, "a manifest with replicas, applied again", two(), MANIFEST)
        .then(format!("{one} && {apply}"))
        .tidied()
}

fn no_container() -> Case {
    let metric = r#"{"type":"ContainerResource","containerResource":{"name":"cpu","container":"none","target":{"type":"Utilization","averageUtilization":90}}}"#;
    let line = own(&format!(
        r#"patch hpa shopfront-hpa --type json -p '[{{"op":"add","path":"/spec/metrics/-","value":{metric}}}]'"#
    ));
    Case::new(Cause::ContainerUnknown, "a metric of a container that no pod has", line, MANIFEST)
        .by_hand("the user knows which container is meant")
}

fn at_minimum() -> Case {
    Case::new(Cause::AtMinimum, "two idle replicas, which are the minimum", two(), MANIFEST)
        .explains()
        .by_hand("nothing is broken")
}

/// Allows one replica, where there are two idle ones, with this rule for scale-in.
fn held(rule: &str) -> String {
    own(&format!(
        r#"patch hpa shopfront-hpa -p '{{"spec":{{"minReplicas":1,"behavior":{{"scaleDown":{{{rule}}}}}}}}}'"#
    ))
}

fn disabled() -> Case {
    Case::new(Cause::DirectionDisabled, "two idle replicas, and no scale-in", two(), manifest())
        .then(held(r#""selectPolicy":"Disabled""#))
        .explains()
        .tidied()
}

fn stabilised() -> Case {
    Case::new(Cause::Stabilised, "two idle replicas, within the stabilisation window", two(), manifest())
        .then(held(r#""stabilizationWindowSeconds":300"#))
        .explains()
        .by_hand("nothing is broken")
}
