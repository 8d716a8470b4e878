//! The link ready: the desired pods become ready.

use super::diagnose;
use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::State;
use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::link::Link;
use loadtest::kube::read::{Read, Unread};
use serde_json::{Value, json};

use crate::changed::{advice_at, broken, cause_at, commands_at, scaled, state};
use crate::healthy::{adapter, ago, keda};
use crate::seen;

/// Adds a third pod in this phase, which the HPA desires.
fn third(evidence: &mut Evidence, phase: &str, conditions: &Value, containers: &Value, age: f64) {
    let mut pod = evidence.pods.items()[1].clone();
    pod["metadata"]["name"] = json!("shopfront-deploy-7d94b56f44-third");
    pod["metadata"]["creationTimestamp"] = json!(ago(age));
    pod["status"] = json!({
        "phase": phase, "startTime": ago(age), "conditions": conditions, "containerStatuses": containers,
    });
    seen(&mut evidence.pods).push(pod);
    seen(&mut evidence.scale)["spec"]["replicas"] = json!(3);
    scaled(evidence, "2500m", 3, 3, 3);
}

fn unschedulable() -> Value {
    let message = "0/1 nodes are available: 1 Insufficient cpu.";
    json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}])
}

#[test]
fn unschedulable_new_pod_is_pending() {
    for healthy in [adapter(), keda()] {
        let mut evidence = healthy.clone();
        third(&mut evidence, "Pending", &unschedulable(), &json!([]), 40.0);
        let finding = broken(&evidence, Link::Ready);
        assert_eq!((finding.cause, finding.evidence.contains("Insufficient cpu")), (Cause::PodsPending, true));
        let field = if evidence.scaled_object.seen().is_some() { "maxReplicaCount" } else { "maxReplicas" };
        let [command] = finding.fix.commands.as_slice() else { panic!("{:?}", finding.fix) };
        assert!(command.ends_with(&format!(r#"--type merge -p '{{"spec":{{"{field}":2}}}}'"#)), "{command}");
        // The maximum is not set below the minimum.
        seen(&mut evidence.hpa)["spec"]["minReplicas"] = json!(3);
        assert_eq!(commands_at(&evidence, Link::Ready), (Cause::PodsPending, String::new()));
        // A node autoscaler adds a node for the pod.
        let event = |reason: &str| {
            let of = json!({"kind": "Pod", "name": "shopfront-deploy-7d94b56f44-third"});
            Read::Seen(vec![json!({"involvedObject": of, "reason": reason, "lastTimestamp": ago(20.0)})])
        };
        for reason in ["TriggeredScaleUp", "Nominated"] {
            evidence.events = event(reason);
            assert_eq!(state(&evidence, Link::Ready), State::Pending);
        }
        evidence.events = Read::Seen(Vec::new());
        assert_eq!(cause_at(&evidence, Link::Ready), Cause::PodsPending);
        seen(&mut evidence.pods)[2]["status"]["nominatedNodeName"] = json!("node-1");
        assert_eq!(state(&evidence, Link::Ready), State::Pending);
        seen(&mut evidence.pods)[2]["status"]["nominatedNodeName"] = Value::Null;
        // Without events, a node autoscaler may be at work: the pod gets longer.
        evidence.events = Read::Unread(Unread::default());
        assert_eq!(state(&evidence, Link::Ready), State::Pending);
        // After 20 seconds it is too early, unless an autoscaler has refused to add a node.
        let mut evidence = healthy.clone();
        third(&mut evidence, "Pending", &unschedulable(), &json!([]), 20.0);
        assert_eq!(state(&evidence, Link::Ready), State::Pending);
        evidence.events = event("NotTriggerScaleUp");
        assert_eq!(cause_at(&evidence, Link::Ready), Cause::PodsPending);
        let mut evidence = healthy;
        let creating =
            json!([{"name": "shopfront", "state": {"waiting": {"reason": "ContainerCreating"}}, "lastState": {}}]);
        third(&mut evidence, "Pending", &json!([{"type": "PodScheduled", "status": "True"}]), &creating, 5.0);
        assert_eq!(state(&evidence, Link::Ready), State::Ok);
    }
}

#[test]
fn exhausted_quota_is_pods_pending() {
    let mut evidence = adapter();
    seen(&mut evidence.scale)["spec"]["replicas"] = json!(3);
    let message = "Error creating: pods \"x\" is forbidden: exceeded quota: small, requested: pods=1,requests.cpu=100m, \
                   used: pods=2,requests.cpu=200m, limited: pods=2,requests.cpu=200m";
    let event = |of: &str, seconds: f64| {
        json!({
            "involvedObject": {"kind": "ReplicaSet", "name": of}, "reason": "FailedCreate", "message": message,
            "lastTimestamp": ago(seconds),
        })
    };
    evidence.events = Read::Seen(vec![event("shopfront-deploy-7d94b56f44", 20.0)]);
    let (cause, advice) = advice_at(&evidence, Link::Ready);
    assert!(
        cause == Cause::PodsPending && advice.contains("ResourceQuota small to raise pods to 3, requests.cpu to 300m"),
        "{advice}"
    );
    for other in [event("shopfront-deploy-7d94b56f44", 900.0), event("other-7d94b56f44", 20.0)] {
        evidence.events = Read::Seen(vec![other]);
        assert_eq!(state(&evidence, Link::Ready), State::Ok);
    }
    // The controller retries less and less often, but the Deployment's condition keeps the reason.
    let kept = json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]);
    seen(&mut evidence.workload)["status"]["conditions"] = kept;
    assert_eq!(commands_at(&evidence, Link::Ready), (Cause::PodsPending, String::new()));
    // A StatefulSet has no such condition.
    seen(&mut evidence.workload)["kind"] = json!("StatefulSet");
    evidence.events = Read::Seen(vec![event("shopfront-deploy-7d94b56f44", 900.0)]);
    assert_eq!(commands_at(&evidence, Link::Ready), (Cause::PodsPending, String::new()));
}

/// Rolls back to the revision of the ready pods.
const UNDO: &str = "kubectl -n miztiik-automation-ns rollout undo deployment.apps/shopfront-deploy --to-revision=\"$(kubectl \
                    -n miztiik-automation-ns get replicaset -l pod-template-hash=7d94b56f44 -o \
                    jsonpath='{.items[0].metadata.annotations.deployment\\.kubernetes\\.io/revision}')\"";

/// Makes the third pod one of a new revision. The other pods are ready.
fn of_a_change(evidence: &mut Evidence) {
    seen(&mut evidence.workload)["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("2");
    seen(&mut evidence.pods)[2]["metadata"]["labels"]["pod-template-hash"] = json!("5c9");
}

#[test]
fn change_with_too_large_requests_is_rolled_back() {
    let mut evidence = adapter();
    third(&mut evidence, "Pending", &unschedulable(), &json!([]), 40.0);
    of_a_change(&mut evidence);
    assert_eq!(commands_at(&evidence, Link::Ready), (Cause::PodsPending, UNDO.to_owned()));
}

#[test]
fn pod_that_does_not_start_within_five_minutes_is_not_counted() {
    let scheduled = json!([{"type": "PodScheduled", "status": "True"}]);
    let creating = json!([{"name": "shopfront", "state": {"waiting": {"reason": "ContainerCreating"}}}]);
    let on_its_way = |age: f64| {
        let mut evidence = adapter();
        third(&mut evidence, "Pending", &scheduled, &creating, age);
        evidence
    };
    assert_eq!(state(&on_its_way(290.0), Link::Ready), State::Ok);
    let mut evidence = on_its_way(400.0);
    let name = evidence.pods.items()[2]["metadata"]["name"].clone();
    let message = "MountVolume.SetUp failed for volume \"rules\": configmap \"rules\" not found";
    evidence.events =
        Read::Seen(vec![json!({"involvedObject": {"name": name}, "reason": "FailedMount", "message": message})]);
    let finding = broken(&evidence, Link::Ready);
    assert_eq!((finding.cause, finding.fix.commands.len()), (Cause::PodsNotCounted, 0));
    assert!(finding.evidence.contains("does not start: MountVolume.SetUp failed"), "{}", finding.evidence);
    of_a_change(&mut evidence);
    assert_eq!(commands_at(&evidence, Link::Ready), (Cause::PodsNotCounted, UNDO.to_owned()));
    // Pulling a large image takes long.
    seen(&mut evidence.events).push(json!({"involvedObject": {"name": name}, "reason": "Pulling"}));
    assert_eq!(state(&evidence, Link::Ready), State::Ok);
    seen(&mut evidence.events).pop();
    // The pod's own startup probe allows more time.
    let probe = json!({"failureThreshold": 200, "periodSeconds": 6});
    seen(&mut evidence.pods)[2]["spec"]["containers"][0]["startupProbe"] = probe;
    assert_eq!(state(&evidence, Link::Ready), State::Ok);
}

#[test]
fn desired_replicas_come_from_the_workload_if_the_scale_is_unreadable() {
    let ready_evidence = |evidence: &Evidence| {
        let links = diagnose(evidence).links;
        links.into_iter().find(|result| result.link == Link::Ready).unwrap().evidence
    };
    let mut evidence = adapter();
    evidence.scale = Read::Unread(Unread::default());
    seen(&mut evidence.workload)["spec"]["replicas"] = json!(3);
    assert_eq!(ready_evidence(&evidence), "2 of 3 pods are ready");
    // The workload is unreadable too, and the HPA has calculated nothing.
    evidence.workload = Read::Unread(Unread::default());
    seen(&mut evidence.hpa)["status"]["desiredReplicas"] = json!(0);
    assert_eq!(ready_evidence(&evidence), "2 of 2 pods are ready");
}

#[test]
fn failing_new_pod_gets_a_rollback_or_more_memory() {
    let not_ready = json!([{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "False", "lastTransitionTime": ago(60.0)}]);
    let waiting = |reason: &str| json!([{"name": "shopfront", "image": "x", "restartCount": 0, "state": {"waiting": {"reason": reason}}, "lastState": {}}]);
    for healthy in [adapter(), keda()] {
        let mut evidence = healthy.clone();
        third(&mut evidence, "Pending", &not_ready, &waiting("ImagePullBackOff"), 60.0);
        assert_eq!(commands_at(&evidence, Link::Ready), (Cause::PodFails, String::new()));
        // The pod is of a new revision, so there is one to roll back to.
        of_a_change(&mut evidence);
        assert_eq!(commands_at(&evidence, Link::Ready), (Cause::PodFails, UNDO.to_owned()));
        // The revision is a day old, so something else has changed.
        seen(&mut evidence.pods)[2]["metadata"]["creationTimestamp"] = json!(ago(86_400.0));
        assert_eq!(commands_at(&evidence, Link::Ready), (Cause::PodFails, String::new()));
        let mut evidence = healthy.clone();
        let killed = json!([{
            "name": "shopfront", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
        }]);
        third(&mut evidence, "Running", &not_ready, &killed, 60.0);
        let more = "kubectl -n miztiik-automation-ns set resources deployment.apps/shopfront-deploy --containers=shopfront \
                    --limits=memory=512Mi";
        assert_eq!(commands_at(&evidence, Link::Ready), (Cause::PodFails, more.to_owned()));
        // A container restarted with its node is no crash, but one that ends by itself again and again is.
        let restarted = |exit: u32, seconds: f64| {
            let mut evidence = healthy.clone();
            let last = json!({
                "reason": "x", "exitCode": exit, "startedAt": ago(seconds + 20.0), "finishedAt": ago(20.0),
            });
            let containers = json!([{
                "name": "shopfront", "restartCount": 3, "state": {"running": {"startedAt": ago(15.0)}},
                "lastState": {"terminated": last},
            }]);
            third(&mut evidence, "Running", &not_ready, &containers, 90_000.0);
            evidence
        };
        assert_eq!(state(&restarted(255, 7200.0), Link::Ready), State::Ok);
        assert_eq!(cause_at(&restarted(0, 30.0), Link::Ready), Cause::PodFails);
        // The container is still being created.
        let mut evidence = healthy;
        third(&mut evidence, "Pending", &not_ready, &waiting("ContainerCreating"), 20.0);
        assert_eq!(state(&evidence, Link::Ready), State::Ok);
    }
}
