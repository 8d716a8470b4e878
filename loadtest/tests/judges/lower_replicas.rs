//! The replicas, those that become ready, and the traffic to them.

use loadtest::doctor::diagnose;
use loadtest::doctor::diagnosis::{Finding, Link, Outcome, State};
use loadtest::doctor::evidence::{Evidence, Load, Read, Unread};
use serde_json::{Value, json};

use crate::healthy::{NAMESPACE, ago};
use crate::lower::{adapter, broken, cause, keda, seen, state};

/// The HPA's value, and its replicas: those that there are, those that it wants, and the most.
fn scaled(evidence: &mut Evidence, value: &str, current: u32, wanted: u32, most: u32) {
    let hpa = seen(&mut evidence.hpa);
    hpa["spec"]["maxReplicas"] = json!(most);
    hpa["status"]["currentReplicas"] = json!(current);
    hpa["status"]["desiredReplicas"] = json!(wanted);
    let status = &mut hpa["status"]["currentMetrics"][0];
    let kind = if status["pods"].is_object() { "pods" } else { "external" };
    status[kind]["current"]["averageValue"] = json!(value);
}

fn explained(evidence: &Evidence) -> Option<Finding> {
    let diagnosis = diagnose(evidence);
    assert_eq!(diagnosis.outcome, Outcome::Healthy, "{:#?}", diagnosis.rungs);
    diagnosis.explains
}

#[test]
fn at_the_maximum() {
    for (mut evidence, command) in [
        (
            adapter(),
            r#"patch horizontalpodautoscaler.autoscaling/shopfront-hpa --type merge -p '{"spec":{"maxReplicas":4}}'"#,
        ),
        (
            keda(),
            r#"patch scaledobject.keda.sh/shopfront-scaledobject --type merge -p '{"spec":{"maxReplicaCount":4}}'"#,
        ),
    ] {
        scaled(&mut evidence, "4500m", 2, 2, 2);
        let finding = explained(&evidence).unwrap();
        assert_eq!(finding.cause.number(), 24);
        assert_eq!(finding.fix.commands, [format!("kubectl -n {NAMESPACE} {command}")]);
        // Of a peak, no more than twice what was allowed is allowed at once.
        assert!(finding.fix.advice.contains("5 replicas") && finding.fix.advice.contains("twice"), "{finding:?}");
        // At the maximum, and just enough.
        scaled(&mut evidence, "2", 2, 2, 2);
        assert_eq!(explained(&evidence), None);
    }
}

#[test]
fn within_the_tolerance() {
    for mut evidence in [adapter(), keda()] {
        scaled(&mut evidence, "2150m", 2, 2, 3);
        assert_eq!(explained(&evidence).map(|finding| finding.cause.number()), Some(23));
        // One replica fewer would be above the target: the tolerance has nothing to do with it.
        scaled(&mut evidence, "1900m", 2, 2, 3);
        assert_eq!(explained(&evidence), None);
        scaled(&mut evidence, "3", 2, 3, 3);
        assert_eq!(explained(&evidence), None);
    }
}

#[test]
fn a_manifest_that_sets_the_replicas_back() {
    for mut evidence in [adapter(), keda()] {
        seen(&mut evidence.hpa)["status"]["lastScaleTime"] = json!(ago(120.0));
        let wrote = |manager: &str, subresource: &str, seconds: f64| {
            json!({
                "manager": manager, "operation": "Apply", "subresource": subresource, "time": ago(seconds),
                "fieldsV1": {"f:spec": {"f:replicas": {}}},
            })
        };
        for (entry, named) in [
            (wrote("argocd-controller", "", 30.0), true),
            // Before the HPA's own change; by the HPA; and by hand, once.
            (wrote("kubectl-client-side-apply", "", 3000.0), false),
            (wrote("kube-controller-manager", "scale", 119.0), false),
            (wrote("kubectl", "scale", 30.0), false),
            (wrote("kubectl-patch", "", 30.0), false),
        ] {
            seen(&mut evidence.workload)["metadata"]["managedFields"] = json!([entry]);
            if named {
                let finding = broken(&evidence, Link::Replicas);
                assert_eq!(finding.cause.number(), 26);
                assert!(finding.evidence.contains("argocd-controller"), "{}", finding.evidence);
            } else {
                assert_eq!(state(&evidence, Link::Replicas), State::Holds, "{entry}");
            }
        }
    }
}

#[test]
fn a_manifest_with_replicas_that_kubectl_applies() {
    let mut evidence = adapter();
    seen(&mut evidence.hpa)["status"]["lastScaleTime"] = json!(ago(120.0));
    let applied = |replicas: &str| {
        json!({
            "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": format!("{{\"spec\":{{{replicas}\"paused\":false}}}}"),
            },
            "managedFields": [{
                "manager": "kubectl-client-side-apply", "operation": "Update", "time": ago(30.0),
                "fieldsV1": {"f:spec": {"f:replicas": {}}},
            }],
        })
    };
    let mut apply = |replicas: &str| {
        let metadata = seen(&mut evidence.workload)["metadata"].as_object_mut().unwrap();
        metadata.extend(applied(replicas).as_object().unwrap().clone());
        evidence.clone()
    };
    let forgets = "kubectl -n miztiik-automation-ns apply view-last-applied deployment.apps/shopfront-deploy -o yaml | \
                   sed '/^  replicas:/d' | kubectl -n miztiik-automation-ns apply set-last-applied -f -";
    assert_eq!(cause(&apply("\"replicas\":1,"), Link::Replicas), (26, forgets.to_owned()));
    // The field stays kubectl's when a manifest without it is applied.
    assert_eq!(state(&apply(""), Link::Replicas), State::Holds);
}

#[test]
fn a_see_saw() {
    let rescale = |size: u32, count: u32, first: f64, last: f64| {
        json!({
            "involvedObject": {"kind": "HorizontalPodAutoscaler", "name": "shopfront-hpa"}, "reason": "SuccessfulRescale",
            "message": format!("New size: {size}; reason: pods metric above target"), "count": count,
            "firstTimestamp": ago(first), "lastTimestamp": ago(last),
        })
    };
    let mut evidence = adapter();
    evidence.events = Read::Seen(vec![rescale(3, 4, 200.0, 20.0)]);
    assert_eq!(cause(&evidence, Link::Replicas).0, 26);
    // Out, in and out again, all by itself.
    evidence.events = Read::Seen(vec![rescale(3, 2, 500.0, 20.0), rescale(1, 1, 100.0, 100.0)]);
    assert_eq!(state(&evidence, Link::Replicas), State::Holds);
    // The other size was there long ago for the first time.
    evidence.events = Read::Seen(vec![rescale(3, 2, 500.0, 20.0), rescale(1, 4, 3000.0, 100.0)]);
    assert_eq!(state(&evidence, Link::Replicas), State::Holds);
}

/// A third pod is wanted, which is in this phase.
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
fn a_new_pod_that_finds_no_place() {
    for healthy in [adapter(), keda()] {
        let mut evidence = healthy.clone();
        third(&mut evidence, "Pending", &unschedulable(), &json!([]), 40.0);
        let finding = broken(&evidence, Link::Ready);
        assert_eq!((finding.cause.number(), finding.evidence.contains("Insufficient cpu")), (27, true));
        let field = if evidence.scaled_object.seen().is_some() { "maxReplicaCount" } else { "maxReplicas" };
        let [command] = finding.fix.commands.as_slice() else { panic!("{:?}", finding.fix) };
        assert!(command.ends_with(&format!(r#"--type merge -p '{{"spec":{{"{field}":2}}}}'"#)), "{command}");
        // No fewer than it is to have at the least.
        seen(&mut evidence.hpa)["spec"]["minReplicas"] = json!(3);
        assert_eq!(cause(&evidence, Link::Ready), (27, String::new()));
        // An autoscaler of nodes makes one for it; or has said that it will not.
        let told = |reason: &str| {
            let of = json!({"kind": "Pod", "name": "shopfront-deploy-7d94b56f44-third"});
            Read::Seen(vec![json!({"involvedObject": of, "reason": reason, "lastTimestamp": ago(20.0)})])
        };
        for reason in ["TriggeredScaleUp", "Nominated"] {
            evidence.events = told(reason);
            assert_eq!(state(&evidence, Link::Ready), State::NotJudged);
        }
        evidence.events = Read::Seen(Vec::new());
        assert_eq!(cause(&evidence, Link::Ready).0, 27);
        seen(&mut evidence.pods)[2]["status"]["nominatedNodeName"] = json!("node-1");
        assert_eq!(state(&evidence, Link::Ready), State::NotJudged);
        seen(&mut evidence.pods)[2]["status"]["nominatedNodeName"] = Value::Null;
        // Whether there is an autoscaler of nodes is not known: it is given longer.
        evidence.events = Read::Unread(Unread::default());
        assert_eq!(state(&evidence, Link::Ready), State::NotJudged);
        // For some seconds; or on its way.
        let mut evidence = healthy.clone();
        third(&mut evidence, "Pending", &unschedulable(), &json!([]), 20.0);
        assert_eq!(state(&evidence, Link::Ready), State::NotJudged);
        evidence.events = told("NotTriggerScaleUp");
        assert_eq!(cause(&evidence, Link::Ready).0, 27);
        let mut evidence = healthy;
        let creating =
            json!([{"name": "shopfront", "state": {"waiting": {"reason": "ContainerCreating"}}, "lastState": {}}]);
        third(&mut evidence, "Pending", &json!([{"type": "PodScheduled", "status": "True"}]), &creating, 5.0);
        assert_eq!(state(&evidence, Link::Ready), State::Holds);
    }
}

#[test]
fn a_quota_that_is_used_up() {
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
    let patch = r#"kubectl -n miztiik-automation-ns patch resourcequota/small --type merge -p '{"spec":{"hard":{"pods":"3","requests.cpu":"300m"}}}'"#;
    assert_eq!(cause(&evidence, Link::Ready), (27, patch.to_owned()));
    for other in [event("shopfront-deploy-7d94b56f44", 900.0), event("other-7d94b56f44", 20.0)] {
        evidence.events = Read::Seen(vec![other]);
        assert_eq!(state(&evidence, Link::Ready), State::Holds);
    }
    // It is tried ever more seldom, and the Deployment keeps why.
    let kept = json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]);
    seen(&mut evidence.workload)["status"]["conditions"] = kept;
    assert_eq!(cause(&evidence, Link::Ready), (27, patch.to_owned()));
    // Another kind does not.
    seen(&mut evidence.workload)["kind"] = json!("StatefulSet");
    evidence.events = Read::Seen(vec![event("shopfront-deploy-7d94b56f44", 900.0)]);
    assert_eq!(cause(&evidence, Link::Ready), (27, patch.to_owned()));
}

/// Back to those that serve, whatever was tried after them.
const UNDO: &str = "kubectl -n miztiik-automation-ns rollout undo deployment.apps/shopfront-deploy --to-revision=\"$(kubectl \
                    -n miztiik-automation-ns get replicaset -l pod-template-hash=7d94b56f44 -o \
                    jsonpath='{.items[0].metadata.annotations.deployment\\.kubernetes\\.io/revision}')\"";

/// The third pod is of a change of the Deployment; the others serve.
fn of_a_change(evidence: &mut Evidence) {
    seen(&mut evidence.workload)["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("2");
    seen(&mut evidence.pods)[2]["metadata"]["labels"]["pod-template-hash"] = json!("5c9");
}

#[test]
fn a_change_that_asks_for_more_than_there_is_is_taken_back() {
    let mut evidence = adapter();
    third(&mut evidence, "Pending", &unschedulable(), &json!([]), 40.0);
    of_a_change(&mut evidence);
    assert_eq!(cause(&evidence, Link::Ready), (27, UNDO.to_owned()));
}

#[test]
fn a_pod_that_is_on_its_way_for_ever() {
    let scheduled = json!([{"type": "PodScheduled", "status": "True"}]);
    let creating = json!([{"name": "shopfront", "state": {"waiting": {"reason": "ContainerCreating"}}}]);
    let on_its_way = |age: f64| {
        let mut evidence = adapter();
        third(&mut evidence, "Pending", &scheduled, &creating, age);
        evidence
    };
    assert_eq!(state(&on_its_way(290.0), Link::Ready), State::Holds);
    let mut evidence = on_its_way(400.0);
    let name = evidence.pods.items()[2]["metadata"]["name"].clone();
    let message = "MountVolume.SetUp failed for volume \"rules\": configmap \"rules\" not found";
    evidence.events =
        Read::Seen(vec![json!({"involvedObject": {"name": name}, "reason": "FailedMount", "message": message})]);
    let finding = broken(&evidence, Link::Ready);
    assert_eq!((finding.cause.number(), finding.fix.commands.len()), (22, 0));
    assert!(finding.evidence.contains("does not start: MountVolume.SetUp failed"), "{}", finding.evidence);
    of_a_change(&mut evidence);
    assert_eq!(cause(&evidence, Link::Ready), (22, UNDO.to_owned()));
    // A large image.
    seen(&mut evidence.events).push(json!({"involvedObject": {"name": name}, "reason": "Pulling"}));
    assert_eq!(state(&evidence, Link::Ready), State::Holds);
    seen(&mut evidence.events).pop();
    // As long as its own probe gives it to start.
    let probe = json!({"failureThreshold": 200, "periodSeconds": 6});
    seen(&mut evidence.pods)[2]["spec"]["containers"][0]["startupProbe"] = probe;
    assert_eq!(state(&evidence, Link::Ready), State::Holds);
}

#[test]
fn how_many_are_wanted_where_the_scale_may_not_be_read() {
    let told = |evidence: &Evidence| {
        let rungs = diagnose(evidence).rungs;
        rungs.into_iter().find(|rung| rung.link == Link::Ready).unwrap().evidence
    };
    let mut evidence = adapter();
    evidence.scale = Read::Unread(Unread::default());
    seen(&mut evidence.workload)["spec"]["replicas"] = json!(3);
    assert_eq!(told(&evidence), "2 of 3 pods are ready");
    // Nor the workload; and the HPA has worked nothing out.
    evidence.workload = Read::Unread(Unread::default());
    seen(&mut evidence.hpa)["status"]["desiredReplicas"] = json!(0);
    assert_eq!(told(&evidence), "2 of 2 pods are ready");
}

#[test]
fn a_new_pod_that_cannot_start() {
    let not_ready = json!([{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "False", "lastTransitionTime": ago(60.0)}]);
    let waiting = |reason: &str| json!([{"name": "shopfront", "image": "x", "restartCount": 0, "state": {"waiting": {"reason": reason}}, "lastState": {}}]);
    for healthy in [adapter(), keda()] {
        let mut evidence = healthy.clone();
        third(&mut evidence, "Pending", &not_ready, &waiting("ImagePullBackOff"), 60.0);
        assert_eq!(cause(&evidence, Link::Ready), (33, String::new()));
        // Of a new revision: the one before is there to go back to.
        of_a_change(&mut evidence);
        assert_eq!(cause(&evidence, Link::Ready), (33, UNDO.to_owned()));
        // Of one that is a day old: something else changed since.
        seen(&mut evidence.pods)[2]["metadata"]["creationTimestamp"] = json!(ago(86_400.0));
        assert_eq!(cause(&evidence, Link::Ready), (33, String::new()));
        let mut evidence = healthy.clone();
        let killed = json!([{
            "name": "shopfront", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
        }]);
        third(&mut evidence, "Running", &not_ready, &killed, 60.0);
        let more = "kubectl -n miztiik-automation-ns set resources deployment.apps/shopfront-deploy --containers=shopfront \
                    --limits=memory=512Mi";
        assert_eq!(cause(&evidence, Link::Ready), (33, more.to_owned()));
        // It starts for the fourth time, after its node; and one that ends by itself again and again.
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
        assert_eq!(state(&restarted(255, 7200.0), Link::Ready), State::Holds);
        assert_eq!(cause(&restarted(0, 30.0), Link::Ready).0, 33);
        // A start that takes its time.
        let mut evidence = healthy;
        third(&mut evidence, "Pending", &not_ready, &waiting("ContainerCreating"), 20.0);
        assert_eq!(state(&evidence, Link::Ready), State::Holds);
    }
}

/// Requests at each pod between the two looks at its page.
fn requests(evidence: &mut Evidence, counts: [u32; 2]) {
    for (page, count) in evidence.pages.iter_mut().zip(counts) {
        let first = page.first.seen().unwrap();
        let (from, to) = ("status=\"200\"} 1200", format!("status=\"200\"}} {}", 1200 + count));
        assert!(first.contains(from));
        page.second = Read::Seen(first.replace(from, &to));
    }
}

#[test]
fn one_hot_pod() {
    for mut evidence in [adapter(), keda()] {
        requests(&mut evidence, [90, 1]);
        let restart = "kubectl -n miztiik-automation-ns rollout restart deployment shopfront-deploy".to_owned();
        assert_eq!(cause(&evidence, Link::Traffic), (28, restart));
        seen(&mut evidence.services)[0]["spec"]["sessionAffinity"] = json!("ClientIP");
        let (number, command) = cause(&evidence, Link::Traffic);
        assert_eq!((number, command.contains(r#""sessionAffinity":"None""#)), (28, true), "{command}");
        // Where pods are chosen by name, or differ: a canary.
        seen(&mut evidence.services)[0]["spec"]["clusterIP"] = json!("None");
        assert_eq!(state(&evidence, Link::Traffic), State::Holds);
        seen(&mut evidence.services)[0]["spec"]["clusterIP"] = json!("10.96.0.9");
        let hash = seen(&mut evidence.pods)[1]["metadata"]["labels"]["pod-template-hash"].take();
        assert_eq!(state(&evidence, Link::Traffic), State::Holds);
        seen(&mut evidence.pods)[1]["metadata"]["labels"]["pod-template-hash"] = hash;
        assert_eq!(cause(&evidence, Link::Traffic).0, 28);
        // Uneven, as chance has it; and too few to tell.
        requests(&mut evidence, [60, 30]);
        assert_eq!(state(&evidence, Link::Traffic), State::Holds);
        requests(&mut evidence, [9, 0]);
        assert_eq!(state(&evidence, Link::Traffic), State::Holds);
        // The idle one has only just become ready.
        requests(&mut evidence, [90, 1]);
        for condition in seen(&mut evidence.pods)[1]["status"]["conditions"].as_array_mut().unwrap() {
            condition["lastTransitionTime"] = json!(ago(20.0));
        }
        assert_eq!(state(&evidence, Link::Traffic), State::Holds);
    }
}

#[test]
fn a_hot_pod_where_no_service_spreads_over_all() {
    let hot = || {
        let mut evidence = adapter();
        requests(&mut evidence, [90, 1]);
        evidence
    };
    assert_eq!(cause(&hot(), Link::Traffic).0, 28);
    // A shard, or whoever leads: the pods have names and parts of their own, whatever Service is before them.
    let mut evidence = hot();
    seen(&mut evidence.workload)["kind"] = json!("StatefulSet");
    assert_eq!(state(&evidence, Link::Traffic), State::Holds);
    // It sends to pods that are near.
    for (field, value) in
        [("internalTrafficPolicy", "Local"), ("externalTrafficPolicy", "Local"), ("trafficDistribution", "PreferClose")]
    {
        let mut evidence = hot();
        seen(&mut evidence.services)[0]["spec"][field] = json!(value);
        assert_eq!(state(&evidence, Link::Traffic), State::Holds, "{field}");
    }
    let mut evidence = hot();
    let near = json!({"service.kubernetes.io/topology-mode": "Auto"});
    seen(&mut evidence.services)[0]["metadata"]["annotations"] = near;
    assert_eq!(state(&evidence, Link::Traffic), State::Holds);
    // Besides, there is a Service of one pod, whichever it is, or one of all.
    for pod in 0..2 {
        let mut evidence = hot();
        seen(&mut evidence.pods)[pod]["metadata"]["labels"]["shard"] = json!("a");
        let mut service = evidence.services.items()[0].clone();
        service["spec"]["selector"] = json!({"app": "shopfront", "shard": "a"});
        seen(&mut evidence.services).push(service.clone());
        assert_eq!(state(&evidence, Link::Traffic), State::Holds, "{pod}");
        seen(&mut evidence.services)[1]["spec"]["selector"] = json!({"app": "shopfront"});
        assert_eq!(cause(&evidence, Link::Traffic).0, 28, "{pod}");
    }
    let mut evidence = hot();
    seen(&mut evidence.services).clear();
    assert_eq!(state(&evidence, Link::Traffic), State::Holds);
}

#[test]
fn a_load_that_falls_short() {
    for mut evidence in [adapter(), keda()] {
        let load = |answered, dropped| {
            Read::Seen(Load { pod: "loadtest-x, loadtest-y".to_owned(), seconds: 10.0, due: 100, answered, dropped })
        };
        for (answered, dropped) in [(40, 0), (100, 30)] {
            evidence.load = load(answered, dropped);
            let log = |pod: &str| format!("kubectl -n {NAMESPACE} logs pod/{pod} --tail=50");
            let logs = format!("{}\n{}", log("loadtest-x"), log("loadtest-y"));
            assert_eq!(cause(&evidence, Link::Traffic), (29, logs));
        }
        evidence.load = load(96, 0);
        assert_eq!(state(&evidence, Link::Traffic), State::Holds);
    }
}

#[test]
fn a_load_balancer_without_an_address() {
    for mut evidence in [adapter(), keda()] {
        seen(&mut evidence.services)[0]["status"] = json!({"loadBalancer": {}});
        // Requests come from within all the same.
        assert_eq!(state(&evidence, Link::Traffic), State::Holds);
        requests(&mut evidence, [0, 0]);
        let forward = "kubectl -n miztiik-automation-ns port-forward service/shopfront-svc 8080:80".to_owned();
        assert_eq!(cause(&evidence, Link::Traffic), (34, forward.clone()));
        // A place for one is none.
        seen(&mut evidence.services)[0]["status"] = json!({"loadBalancer": {"ingress": [{}]}});
        assert_eq!(cause(&evidence, Link::Traffic), (34, forward));
        // It is new; and a Service that wants none.
        seen(&mut evidence.services)[0]["metadata"]["creationTimestamp"] = json!(ago(30.0));
        assert_eq!(state(&evidence, Link::Traffic), State::Holds);
        seen(&mut evidence.services)[0]["metadata"]["creationTimestamp"] = json!(ago(3600.0));
        seen(&mut evidence.services)[0]["spec"]["type"] = json!("ClusterIP");
        assert_eq!(state(&evidence, Link::Traffic), State::Holds);
    }
}

#[test]
fn a_value_as_a_whole_is_divided_by_nothing() {
    let mut evidence = keda();
    let hpa = seen(&mut evidence.hpa);
    hpa["spec"]["metrics"][0]["external"]["target"] = json!({"type": "Value", "value": "2"});
    hpa["spec"]["maxReplicas"] = json!(2);
    hpa["status"]["currentMetrics"][0]["external"]["current"] = json!({"value": "3"});
    assert_eq!(explained(&evidence).map(|finding| finding.cause.number()), Some(24));
    // By the API's answer, where the HPA has not said it yet: twice one request a second.
    seen(&mut evidence.hpa)["status"]["currentMetrics"] = json!([]);
    assert_eq!(diagnose(&evidence).figures.unwrap().value, Some(2.0));
}
