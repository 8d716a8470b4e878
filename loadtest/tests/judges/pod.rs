//! The first link: the workload, and a pod of it that runs.

use loadtest::doctor::diagnose;
use loadtest::doctor::evidence::{Evidence, Read, Unread};
use serde_json::{Value, json};

use super::healthy::{self, ago};
use super::{found, named, seen};

#[test]
fn a_target_in_another_namespace_is_found_there() {
    let mut evidence = healthy::adapter();
    evidence.workload = Read::Absent;
    (evidence.scale, evidence.pods) = (Read::Absent, Read::NotAsked);
    evidence.elsewhere = vec!["shop".to_owned()];
    let finding = found(&evidence, 18);
    assert!(finding.evidence.contains("namespace shop has it"), "{}", finding.evidence);
    let [delete, apply] = finding.fix.commands.as_slice() else { panic!("{:?}", finding.fix) };
    assert_eq!(delete, "kubectl -n miztiik-automation-ns delete horizontalpodautoscaler.autoscaling/shopfront-hpa");
    let manifest = apply.strip_prefix("kubectl apply -f - <<'EOF'\n").unwrap().strip_suffix("\nEOF").unwrap();
    let moved: Value = serde_saphyr::from_str(manifest).unwrap();
    assert_eq!((&moved["metadata"]["namespace"], &moved["spec"]["maxReplicas"]), (&json!("shop"), &json!(3)));
}

#[test]
fn a_target_that_may_not_be_read_is_not_missing() {
    let mut evidence = healthy::adapter();
    let right = Some("get deployments.apps in namespace x".to_owned());
    evidence.workload = Read::Unread(Unread { what: "it".to_owned(), why: "403".to_owned(), right: right.clone() });
    let diagnosis = diagnose(&evidence);
    assert_eq!((diagnosis.broken, diagnosis.missing_rights), (None, Vec::from_iter(right)));
}

#[test]
fn no_hpa_at_all_is_a_manifest_that_was_refused() {
    let mut evidence = healthy::adapter();
    (evidence.hpa, evidence.workload, evidence.scale) = (Read::Absent, Read::NotAsked, Read::NotAsked);
    let others = std::mem::replace(&mut evidence.hpas, Read::Seen(Vec::new()));
    assert!(found(&evidence, 19).evidence.contains("serves autoscaling/v2, v1"));
    // With others there, its name is mistyped.
    evidence.hpas = others;
    assert_eq!(named(&evidence), None);
}

#[test]
fn from_zero_no_hpa_scales() {
    let zero = |mut evidence: Evidence| {
        // As the API server writes a 0.
        seen(&mut evidence.scale)["spec"] = json!({});
        seen(&mut evidence.pods).clear();
        evidence
    };
    let evidence = zero(healthy::adapter());
    let commands = found(&evidence, 21).fix.commands;
    assert_eq!(commands, ["kubectl -n miztiik-automation-ns scale deployment.apps/shopfront-deploy --replicas=1"]);
    // KEDA does, where it went there itself.
    let mut evidence = zero(healthy::keda());
    seen(&mut evidence.scaled_object)["spec"]["minReplicaCount"] = json!(0);
    assert_eq!(
        diagnose(&evidence).rungs[0].evidence.split(": ").nth(1),
        Some("0 replicas, from which it is scaled out again")
    );
}

/// Pods of which none is ready, each with this state.
fn unready(evidence: &mut Evidence, state: &Value, age: f64) {
    for pod in seen(&mut evidence.pods) {
        pod["metadata"]["creationTimestamp"] = json!(ago(age));
        pod["status"]["conditions"] = json!([{"type": "Ready", "status": "False", "message": "containers not ready"}]);
        pod["status"]["containerStatuses"] =
            json!([{"name": "shopfront", "ready": false, "state": state, "lastState": {}}]);
    }
}

#[test]
fn an_image_that_cannot_be_pulled_is_told_from_one_that_is_being_pulled() {
    let mut evidence = healthy::adapter();
    unready(&mut evidence, &json!({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling"}}), 60.0);
    seen(&mut evidence.workload)["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("2");
    let finding = found(&evidence, 33);
    assert!(finding.evidence.contains("ImagePullBackOff: Back-off pulling"), "{}", finding.evidence);
    assert_eq!(
        finding.fix.commands,
        ["kubectl -n miztiik-automation-ns rollout undo deployment.apps/shopfront-deploy"]
    );

    unready(&mut evidence, &json!({"waiting": {"reason": "ContainerCreating"}}), 20.0);
    assert_eq!(named(&evidence), None);
}

#[test]
fn a_container_that_ran_out_of_memory_is_told_so() {
    let mut evidence = healthy::adapter();
    unready(&mut evidence, &json!({"waiting": {"reason": "CrashLoopBackOff"}}), 600.0);
    for pod in seen(&mut evidence.pods) {
        pod["status"]["containerStatuses"][0]["lastState"] = json!({"terminated": {"reason": "OOMKilled", "exitCode": 137, "startedAt": ago(200.0), "finishedAt": ago(20.0)}});
    }
    let finding = found(&evidence, 33);
    assert!(
        finding.evidence.ends_with("CrashLoopBackOff: last ended with OOMKilled, exit code 137"),
        "{}",
        finding.evidence
    );
    assert!(finding.fix.advice.contains("limits.memory"), "{}", finding.fix.advice);
    // One pod that serves, and the chain holds this far.
    let pods = seen(&mut evidence.pods);
    pods[0] = seen(&mut healthy::adapter().pods)[0].clone();
    assert_eq!(diagnose(&evidence).rungs[0].evidence.rsplit(": ").next(), Some("1 of 2 pods are ready"));
}

#[test]
fn pods_that_no_node_takes_are_pending() {
    let mut evidence = healthy::adapter();
    for pod in seen(&mut evidence.pods) {
        pod["status"] = json!({"phase": "Pending", "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: Insufficient cpu",
        }]});
    }
    assert!(found(&evidence, 27).evidence.contains("Insufficient cpu"));
}

#[test]
fn pods_that_run_and_never_get_ready_are_told_by_their_probe() {
    let mut evidence = healthy::adapter();
    unready(&mut evidence, &json!({"running": {"startedAt": ago(900.0)}}), 900.0);
    let event =
        json!({"reason": "Unhealthy", "involvedObject": {"name": healthy::PODS[0].0}, "message": "probe failed: 503"});
    seen(&mut evidence.events).push(event);
    assert!(found(&evidence, 22).evidence.ends_with("probe failed: 503"));
    unready(&mut evidence, &json!({"running": {"startedAt": ago(9.0)}}), 10.0);
    assert_eq!(named(&evidence), None);
}
