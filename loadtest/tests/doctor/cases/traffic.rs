//! Causes under load, which the load tool's Job sends. Their order makes use of the pods that are there.

use loadtest::doctor::catalogue::Cause;

use super::{MANIFEST, own};
use crate::case::Case;

/// Starts the Job with this rate and these flags.
pub fn load(rate: &str, flags: &[&str]) -> String {
    let flags = flags.iter().fold(String::new(), |all, flag| format!(r"{all}\n            - {flag}"));
    format!(
        r"sed 's/--stage=10rps:5m/--stage={rate}:20m{flags}/; s/activeDeadlineSeconds: 420/activeDeadlineSeconds: 1300/' k8s/loadtest.yml | kubectl replace --force -f -"
    )
}

/// Deletes the Job.
pub fn no_load() -> String {
    own("delete job shopfront-loadtest --ignore-not-found")
}

pub fn cases() -> Vec<Case> {
    vec![within_tolerance(), rounded_up(), at_maximum(), pinned(), short(), no_address()]
}

/// Sets the HPA's target so that the value is this percentage of it, and adds fields to the HPA's spec.
fn target(hundredths: u32, more: &str) -> String {
    let value = own("get hpa shopfront-hpa -o jsonpath='{.status.currentMetrics[0].pods.current.averageValue}'");
    let metric = r#"{\"type\":\"Pods\",\"pods\":{\"metric\":{\"name\":\"http_requests_per_second\"},\"target\":{\"type\":\"AverageValue\",\"averageValue\":\"${target}m\"}}}"#;
    let patch =
        own(&format!(r#"patch hpa shopfront-hpa --type merge -p "{{\"spec\":{{{more}\"metrics\":[{metric}]}}}}""#));
    format!(
        "value=$({value}); case $value in *m) value=${{value%m}} ;; *) value=$((value * 1000)) ;; esac; \
         target=$((value * 100 / {hundredths})); {patch}"
    )
}

fn at_maximum() -> Case {
    Case::new(Cause::AtMaximum, "three pods, and load for four", target(125, ""), MANIFEST).explains().tidied()
}

/// Runs before [`at_maximum`], whose fix adds a pod.
fn within_tolerance() -> Case {
    let line = target(105, r#"\"maxReplicas\":6,"#);
    Case::new(Cause::WithinTolerance, "load a twentieth above the target", line, MANIFEST)
        .explains()
        .by_hand("nothing is broken")
}

/// Two or three pods at four fifths of their target: a pod fewer would be one too few.
fn rounded_up() -> Case {
    let line = target(80, r#"\"maxReplicas\":6,"#);
    Case::new(Cause::RoundedUp, "load a fifth below the target", line, MANIFEST).explains().by_hand("nothing is broken")
}

fn pinned() -> Case {
    let undo = format!("{} && {MANIFEST}", no_load());
    let three = own(r#"patch hpa shopfront-hpa -p '{"spec":{"minReplicas":3}}'"#);
    let load = load("30rps", &["--requests-per-connection=1000000", "--max-in-flight=1"]);
    Case::new(Cause::ClientsPinned, "one kept connection, and three pods", three, undo)
        .then(load)
        .by_hand("the doctor cannot change the clients")
}

fn short() -> Case {
    Case::new(
        Cause::LoadShort,
        "more load than one request in flight allows",
        load("20000rps", &["--max-in-flight=1"]),
        no_load(),
    )
    .by_hand("the user sets the load tool's flags")
    .quick()
}

/// An ingress entry without an address. A cloud's controller does not overwrite it.
fn no_address() -> Case {
    let status = |ingress: &str| {
        own(&format!(
            r#"patch service shopfront-svc --subresource status --type merge -p '{{"status":{{"loadBalancer":{{"ingress":{ingress}}}}}}}'"#
        ))
    };
    Case::new(Cause::NoLoadBalancer, "a load balancer without an address", status("[{}]"), status("null"))
        .by_hand("the cluster has to provide a load balancer")
}
