//! The link pod: the workload, and at least one running pod.

use super::diagnose;
use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::evidence::Evidence;
use loadtest::kube::read::{Read, Unread};
use serde_json::{Value, json};

use super::healthy::{self, ago};
use super::{broken_cause, found, seen};

#[test]
fn workload_in_another_namespace_gets_commands_to_move_the_hpa() {
    let mut evidence = healthy::adapter();
    evidence.workload = Read::Absent;
    (evidence.scale, evidence.pods) = (Read::Absent, Read::NotAsked);
    evidence.elsewhere = vec!["shop".to_owned()];
    let finding = found(&evidence, Cause::TargetElsewhere);
    assert!(finding.evidence.contains("namespace shop has it"), "{}", finding.evidence);
    let [apply, delete] = finding.fix.commands.as_slice() else { panic!("{:?}", finding.fix) };
    assert_eq!(delete, "kubectl -n miztiik-automation-ns delete horizontalpodautoscaler.autoscaling/shopfront-hpa");
    let manifest = apply.strip_prefix(r"printf '%s\n' '").unwrap().strip_suffix("' | kubectl apply -f -").unwrap();
    let moved: Value = serde_saphyr::from_str(manifest).unwrap();
    assert_eq!((&moved["metadata"]["namespace"], &moved["spec"]["maxReplicas"]), (&json!("shop"), &json!(3)));
    // No command creates an HPA whose evidence is incomplete.
    seen(&mut evidence.hpa)["spec"]["metrics"][0]["pods"]["note"] = json!("(left out)");
    assert_eq!(found(&evidence, Cause::TargetElsewhere).fix.commands, Vec::<String>::new());
}

#[test]
fn unreadable_workload_is_a_missing_right_and_no_cause() {
    let mut evidence = healthy::adapter();
    let right = Some("get deployments.apps in namespace x".to_owned());
    evidence.workload = Read::Unread(Unread { what: "it".to_owned(), why: "403".to_owned(), right: right.clone() });
    let diagnosis = diagnose(&evidence);
    assert_eq!((diagnosis.broken, diagnosis.missing_rights), (None, Vec::from_iter(right)));
}

#[test]
fn namespace_without_any_hpa_means_a_refused_manifest() {
    let mut evidence = healthy::adapter();
    (evidence.hpa, evidence.workload, evidence.scale) = (Read::Absent, Read::NotAsked, Read::NotAsked);
    let others = std::mem::replace(&mut evidence.hpas, Read::Seen(Vec::new()));
    let finding = found(&evidence, Cause::OldApiVersion);
    assert!(finding.evidence.contains("serves autoscaling/v2, v1"), "{finding:?}");
    let fix = &finding.fix;
    assert!(fix.commands.is_empty() && fix.advice.contains("`apiVersion: autoscaling/v2`"), "{fix:?}");
    // If there are other HPAs, the name is mistyped. If they are unknown, nothing shows a refusal.
    for hpas in [others, Read::Absent, Read::NotAsked] {
        let evidence = Evidence { hpas, ..evidence.clone() };
        assert_eq!(broken_cause(&evidence), None);
    }
    // A missing namespace is no refusal either, nor is a manifest that the API server would accept.
    let without_namespace = Evidence { own_namespace: Read::Absent, ..evidence.clone() };
    assert_eq!((broken_cause(&without_namespace), diagnose(&without_namespace).outcome.exit_code()), (None, 3));
    let expected = format!("there is no namespace {}", healthy::NAMESPACE);
    assert_eq!(diagnose(&without_namespace).links[0].evidence, expected);
    seen(&mut evidence.autoscaling).push("v2beta2".to_owned());
    assert_eq!(broken_cause(&evidence), None);
}

#[test]
fn workload_with_zero_replicas_is_scaled_to_one() {
    let zero = |mut evidence: Evidence| {
        // The API server omits a 0.
        seen(&mut evidence.scale)["spec"] = json!({});
        seen(&mut evidence.pods).clear();
        evidence
    };
    let evidence = zero(healthy::adapter());
    let commands = found(&evidence, Cause::ReplicasZero).fix.commands;
    assert_eq!(commands, ["kubectl -n miztiik-automation-ns scale deployment.apps/shopfront-deploy --replicas=1"]);
    // KEDA scales from zero if minReplicaCount is 0.
    let mut evidence = zero(healthy::keda());
    seen(&mut evidence.scaled_object)["spec"]["minReplicaCount"] = json!(0);
    assert_eq!(
        diagnose(&evidence).links[0].evidence.split(": ").nth(1),
        Some("0 replicas, from which KEDA or the HPA scales it")
    );
}

/// Makes no pod ready, each with this container state and age.
fn unready(evidence: &mut Evidence, state: &Value, age: f64) {
    for pod in seen(&mut evidence.pods) {
        pod["metadata"]["creationTimestamp"] = json!(ago(age));
        pod["status"]["conditions"] = json!([{"type": "Ready", "status": "False", "message": "containers not ready"}]);
        pod["status"]["containerStatuses"] =
            json!([{"name": "shopfront", "ready": false, "state": state, "lastState": {}}]);
    }
}

#[test]
fn image_pull_backoff_is_broken_and_a_running_pull_is_not() {
    let mut evidence = healthy::adapter();
    unready(&mut evidence, &json!({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling"}}), 60.0);
    let finding = found(&evidence, Cause::PodFails);
    assert!(finding.evidence.contains("ImagePullBackOff: Back-off pulling"), "{}", finding.evidence);

    unready(&mut evidence, &json!({"waiting": {"reason": "ContainerCreating"}}), 20.0);
    assert_eq!(broken_cause(&evidence), None);
}

/// Makes the Deployment's second revision this old. It has had no available pods since.
fn changed(evidence: &mut Evidence, ago_seconds: f64) {
    let workload = seen(&mut evidence.workload);
    workload["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("2");
    workload["metadata"]["managedFields"] =
        json!([{"time": ago(ago_seconds)}, {"time": ago(1.0), "subresource": "status"}]);
    workload["status"]["conditions"] =
        json!([{"type": "Available", "status": "False", "lastTransitionTime": ago(ago_seconds - 1.0)}]);
}

#[test]
fn change_is_rolled_back_only_if_earlier_pods_were_ready() {
    let undo = ["kubectl -n miztiik-automation-ns rollout undo deployment.apps/shopfront-deploy"];
    let mut evidence = healthy::adapter();
    let stuck = json!({"waiting": {"reason": "ImagePullBackOff", "message": ""}});
    unready(&mut evidence, &stuck, 60.0);
    changed(&mut evidence, 62.0);
    assert_eq!(found(&evidence, Cause::PodFails).fix.commands, undo);
    // The pods ran for over an hour, or nothing changed recently: the change is not the cause.
    for age in [4000.0, 600.0] {
        unready(&mut evidence, &stuck, age);
        changed(&mut evidence, if age > 3600.0 { age + 2.0 } else { 90_000.0 });
        assert_eq!(found(&evidence, Cause::PodFails).fix.commands, Vec::<String>::new());
    }
    // It was unavailable before the change.
    unready(&mut evidence, &stuck, 60.0);
    changed(&mut evidence, 62.0);
    seen(&mut evidence.workload)["status"]["conditions"][0]["lastTransitionTime"] = json!(ago(900.0));
    assert_eq!(found(&evidence, Cause::PodFails).fix.commands, Vec::<String>::new());
}

#[test]
fn container_that_ended_once_is_not_broken() {
    let mut evidence = healthy::adapter();
    let ended = json!({"terminated": {"reason": "Error", "exitCode": 1}});
    unready(&mut evidence, &ended, 20.0);
    assert_eq!(broken_cause(&evidence), None);
    for pod in seen(&mut evidence.pods) {
        pod["status"]["containerStatuses"][0]["restartCount"] = json!(3);
    }
    found(&evidence, Cause::PodFails);
    for pod in seen(&mut evidence.pods) {
        let init = json!([{"name": "wait", "ready": false, "restartCount": 1, "state": ended, "lastState": {}}]);
        pod["status"]["containerStatuses"] = json!([]);
        pod["status"]["initContainerStatuses"] = init;
    }
    assert_eq!(broken_cause(&evidence), None);
}

#[test]
fn container_that_the_runtime_cannot_start_is_told_with_what_the_runtime_says() {
    let mut evidence = healthy::adapter();
    let said = "failed to create containerd task: exec: \"/bin/start\": stat /bin/start: no such file or directory";
    for reason in ["StartError", "ContainerCannotRun"] {
        unready(&mut evidence, &json!({"waiting": {"reason": "CrashLoopBackOff"}}), 600.0);
        for pod in seen(&mut evidence.pods) {
            pod["status"]["containerStatuses"][0]["lastState"] =
                json!({"terminated": {"reason": reason, "exitCode": 128, "message": said}});
        }
        let finding = found(&evidence, Cause::PodFails);
        assert!(finding.evidence.contains("/bin/start"), "{}", finding.evidence);
        assert!(finding.fix.advice.contains("no log"), "{}", finding.fix.advice);
    }
    // What the program wrote itself may be a secret.
    for pod in seen(&mut evidence.pods) {
        pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"] = json!("Error");
    }
    let finding = found(&evidence, Cause::PodFails);
    assert!(!finding.evidence.contains("/bin/start"), "{}", finding.evidence);
    assert!(!loadtest::doctor::redact::redacted(&evidence).pods.items()[0].to_string().contains("/bin/start"));
}

#[test]
fn container_out_of_memory_gets_twice_its_limit() {
    let mut evidence = healthy::adapter();
    unready(&mut evidence, &json!({"waiting": {"reason": "CrashLoopBackOff"}}), 600.0);
    for pod in seen(&mut evidence.pods) {
        pod["status"]["containerStatuses"][0]["lastState"] = json!({"terminated": {"reason": "OOMKilled", "exitCode": 137, "startedAt": ago(200.0), "finishedAt": ago(20.0)}});
    }
    let finding = found(&evidence, Cause::PodFails);
    assert!(
        finding.evidence.ends_with("CrashLoopBackOff: last ended with OOMKilled, exit code 137"),
        "{}",
        finding.evidence
    );
    assert!(finding.fix.advice.contains("limits.memory"), "{}", finding.fix.advice);
    let doubled = "kubectl -n miztiik-automation-ns set resources deployment.apps/shopfront-deploy --containers=shopfront \
                   --limits=memory=512Mi";
    assert_eq!(finding.fix.commands, [doubled]);
    let version = std::mem::replace(&mut seen(&mut evidence.workload)["apiVersion"], json!("argoproj.io/v1alpha1"));
    assert_eq!(
        found(&evidence, Cause::PodFails).fix.commands,
        Vec::<String>::new(),
        "kubectl sets nothing of other kinds"
    );
    seen(&mut evidence.workload)["apiVersion"] = version;
    for pod in seen(&mut evidence.pods) {
        pod["spec"]["containers"][0]["resources"]["limits"]["memory"] = json!("1.5Gi");
    }
    assert_eq!(found(&evidence, Cause::PodFails).fix.commands, Vec::<String>::new());
    // One ready pod is enough for this link.
    let pods = seen(&mut evidence.pods);
    pods[0] = seen(&mut healthy::adapter().pods)[0].clone();
    assert_eq!(diagnose(&evidence).links[0].evidence.rsplit(": ").next(), Some("1 of 2 pods are ready"));
}

#[test]
fn unschedulable_pods_are_pending() {
    let mut evidence = healthy::adapter();
    for pod in seen(&mut evidence.pods) {
        pod["status"] = json!({"phase": "Pending", "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: Insufficient cpu",
        }]});
    }
    assert!(found(&evidence, Cause::PodsPending).evidence.contains("Insufficient cpu"));
    // A quota allows no pod at all.
    let message = "pods \"shopfront-deploy-7d94b56f44-x\" is forbidden: exceeded quota: few, requested: pods=1, used: pods=0, \
                   limited: pods=0";
    seen(&mut evidence.pods).clear();
    seen(&mut evidence.events).push(json!({
        "reason": "FailedCreate", "message": message, "lastTimestamp": ago(20.0),
        "involvedObject": {"kind": "ReplicaSet", "name": "shopfront-deploy-7d94b56f44"},
    }));
    let fix = found(&evidence, Cause::PodsPending).fix;
    assert_eq!(fix.commands, [""; 0]);
    assert_eq!(fix.advice, "Ask whoever owns ResourceQuota few to raise pods to 2, or run fewer replicas.");
}

#[test]
fn pods_that_never_become_ready_show_their_probe_failure() {
    let mut evidence = healthy::adapter();
    unready(&mut evidence, &json!({"running": {"startedAt": ago(900.0)}}), 900.0);
    let event =
        json!({"reason": "Unhealthy", "involvedObject": {"name": healthy::PODS[0].0}, "message": "probe failed: 503"});
    seen(&mut evidence.events).push(event);
    let finding = found(&evidence, Cause::PodsNotCounted);
    assert!(finding.evidence.ends_with("probe failed: 503") && finding.fix.commands.is_empty(), "{finding:?}");
    changed(&mut evidence, 902.0);
    let undo = ["kubectl -n miztiik-automation-ns rollout undo deployment.apps/shopfront-deploy"];
    assert_eq!(found(&evidence, Cause::PodsNotCounted).fix.commands, undo);
    // It was available for ten minutes after the change.
    let lost = json!([{"type": "Available", "status": "False", "lastTransitionTime": ago(300.0)}]);
    seen(&mut evidence.workload)["status"]["conditions"] = lost;
    assert_eq!(found(&evidence, Cause::PodsNotCounted).fix.commands, Vec::<String>::new());
    unready(&mut evidence, &json!({"running": {"startedAt": ago(9.0)}}), 10.0);
    assert_eq!(broken_cause(&evidence), None);
}

#[test]
fn paused_deployment_without_a_pod_is_resumed() {
    let mut evidence = healthy::adapter();
    seen(&mut evidence.pods).clear();
    let changed = |evidence: &mut Evidence, seconds: f64| {
        let workload = seen(&mut evidence.workload);
        workload["metadata"]["creationTimestamp"] = json!(ago(seconds));
        workload["metadata"]["managedFields"] = json!([]);
    };
    seen(&mut evidence.workload)["spec"]["paused"] = json!(true);
    // Its controllers may still be about to make the pods.
    changed(&mut evidence, 10.0);
    assert_eq!(broken_cause(&evidence), None);
    changed(&mut evidence, 60.0);
    let finding = found(&evidence, Cause::PodsPending);
    assert!(finding.evidence.contains("spec.paused is true"), "{finding:?}");
    assert_eq!(
        finding.fix.commands,
        ["kubectl -n miztiik-automation-ns rollout resume deployment.apps/shopfront-deploy"]
    );
    // Of a kind whose controller makes none, no command is known.
    seen(&mut evidence.workload)["kind"] = json!("Rollout");
    changed(&mut evidence, 900.0);
    let finding = found(&evidence, Cause::PodsPending);
    assert!(
        finding.fix.advice.contains("controller of kind Rollout") && finding.fix.commands.is_empty(),
        "{finding:?}"
    );
}

#[test]
fn failed_readiness_probe_is_described() {
    let mut evidence = healthy::adapter();
    let message = "Readiness probe failed: HTTP probe failed with statuscode: 404";
    let mut events = Vec::new();
    for pod in seen(&mut evidence.pods) {
        pod["spec"]["containers"][0]["readinessProbe"] = json!({"httpGet": {"path": "/ready", "port": "web"}});
        pod["status"]["conditions"] = json!([{"type": "Ready", "status": "False", "lastTransitionTime": ago(900.0)}]);
        pod["status"]["containerStatuses"][0]["state"] = json!({"running": {"startedAt": ago(900.0)}});
        let of = json!({"name": pod["metadata"]["name"]});
        events.push(json!({"reason": "Unhealthy", "message": message, "involvedObject": of}));
    }
    evidence.events = Read::Seen(events);
    let finding = found(&evidence, Cause::PodsNotCounted);
    assert!(
        finding.evidence.contains("statuscode: 404 (container ") && finding.evidence.contains("GET /ready on port web"),
        "{finding:?}"
    );
}

#[test]
fn target_of_another_kind_is_found_before_another_namespace() {
    let mut evidence = healthy::adapter();
    let mut other = seen(&mut evidence.workload).clone();
    other["kind"] = json!("StatefulSet");
    evidence.workload = Read::Absent;
    (evidence.scale, evidence.pods) = (Read::Absent, Read::NotAsked);
    (evidence.elsewhere, evidence.namesake) = (vec!["shop".to_owned()], Read::Seen(other));
    let finding = found(&evidence, Cause::TargetElsewhere);
    let [command] = finding.fix.commands.as_slice() else { panic!("{finding:?}") };
    assert!(
        command.contains("patch horizontalpodautoscaler") && command.contains(r#""kind":"StatefulSet""#),
        "{command}"
    );
    assert!(!finding.evidence.contains("namespace shop"), "{finding:?}");
    // A DaemonSet has no replicas.
    seen(&mut evidence.namesake)["kind"] = json!("DaemonSet");
    let finding = found(&evidence, Cause::TargetElsewhere);
    assert!(finding.fix.commands.is_empty() && finding.fix.advice.contains("DaemonSet"), "{finding:?}");
}
