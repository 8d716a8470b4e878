//! The link traffic: the requests that reach the pods.

use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::State;
use loadtest::doctor::evidence::Load;
use loadtest::doctor::link::Link;
use loadtest::kube::read::Read;
use serde_json::json;

use crate::changed::{cause_at, commands_at, pod_ready_for, requests, state};
use crate::healthy::{NAMESPACE, adapter, ago, keda};
use crate::seen;

#[test]
fn one_hot_pod_means_pinned_clients() {
    for mut evidence in [adapter(), keda()] {
        requests(&mut evidence, [90, 1]);
        let restart = "kubectl -n miztiik-automation-ns rollout restart deployment shopfront-deploy".to_owned();
        assert_eq!(commands_at(&evidence, Link::Traffic), (Cause::ClientsPinned, restart));
        seen(&mut evidence.services)[0]["spec"]["sessionAffinity"] = json!("ClientIP");
        let (cause, command) = commands_at(&evidence, Link::Traffic);
        assert_eq!((cause, command.contains(r#""sessionAffinity":"None""#)), (Cause::ClientsPinned, true), "{command}");
        // A headless Service lets clients choose pods by name, and pods of different revisions may be a canary.
        seen(&mut evidence.services)[0]["spec"]["clusterIP"] = json!("None");
        assert_eq!(state(&evidence, Link::Traffic), State::Ok);
        seen(&mut evidence.services)[0]["spec"]["clusterIP"] = json!("10.96.0.9");
        let hash = seen(&mut evidence.pods)[1]["metadata"]["labels"]["pod-template-hash"].take();
        assert_eq!(state(&evidence, Link::Traffic), State::Ok);
        seen(&mut evidence.pods)[1]["metadata"]["labels"]["pod-template-hash"] = hash;
        assert_eq!(cause_at(&evidence, Link::Traffic), Cause::ClientsPinned);
        // A difference by chance, or too few requests, proves nothing.
        requests(&mut evidence, [60, 30]);
        assert_eq!(state(&evidence, Link::Traffic), State::Ok);
        requests(&mut evidence, [9, 0]);
        assert_eq!(state(&evidence, Link::Traffic), State::Ok);
        // The idle pod has just become ready.
        requests(&mut evidence, [90, 1]);
        pod_ready_for(&mut seen(&mut evidence.pods)[1], 20.0);
        assert_eq!(state(&evidence, Link::Traffic), State::Ok);
    }
}

#[test]
fn hot_pod_is_expected_unless_a_service_balances_over_all_pods() {
    let hot = || {
        let mut evidence = adapter();
        requests(&mut evidence, [90, 1]);
        evidence
    };
    assert_eq!(cause_at(&hot(), Link::Traffic), Cause::ClientsPinned);
    // The pods of a StatefulSet may have different roles, such as shards or a leader.
    let mut evidence = hot();
    seen(&mut evidence.workload)["kind"] = json!("StatefulSet");
    assert_eq!(state(&evidence, Link::Traffic), State::Ok);
    // The Service prefers pods that are near the client.
    for (field, value) in
        [("internalTrafficPolicy", "Local"), ("externalTrafficPolicy", "Local"), ("trafficDistribution", "PreferClose")]
    {
        let mut evidence = hot();
        seen(&mut evidence.services)[0]["spec"][field] = json!(value);
        assert_eq!(state(&evidence, Link::Traffic), State::Ok, "{field}");
    }
    let mut evidence = hot();
    let near = json!({"service.kubernetes.io/topology-mode": "Auto"});
    seen(&mut evidence.services)[0]["metadata"]["annotations"] = near;
    assert_eq!(state(&evidence, Link::Traffic), State::Ok);
    // A second Service for one of the pods explains the difference; one for all pods does not.
    for pod in 0..2 {
        let mut evidence = hot();
        seen(&mut evidence.pods)[pod]["metadata"]["labels"]["shard"] = json!("a");
        let mut service = evidence.services.items()[0].clone();
        service["spec"]["selector"] = json!({"app": "shopfront", "shard": "a"});
        seen(&mut evidence.services).push(service.clone());
        assert_eq!(state(&evidence, Link::Traffic), State::Ok, "{pod}");
        seen(&mut evidence.services)[1]["spec"]["selector"] = json!({"app": "shopfront"});
        assert_eq!(cause_at(&evidence, Link::Traffic), Cause::ClientsPinned, "{pod}");
    }
    let mut evidence = hot();
    seen(&mut evidence.services).clear();
    assert_eq!(state(&evidence, Link::Traffic), State::Ok);
}

#[test]
fn load_below_its_rate_is_reported_with_its_logs() {
    for mut evidence in [adapter(), keda()] {
        let load = |answered, dropped| {
            Read::Seen(Load { pod: "loadtest-x, loadtest-y".to_owned(), seconds: 10.0, due: 100, answered, dropped })
        };
        for (answered, dropped) in [(40, 0), (100, 30)] {
            evidence.load = load(answered, dropped);
            let log = |pod: &str| format!("kubectl -n {NAMESPACE} logs pod/{pod} --tail=50");
            let logs = format!("{}\n{}", log("loadtest-x"), log("loadtest-y"));
            assert_eq!(commands_at(&evidence, Link::Traffic), (Cause::LoadShort, logs));
        }
        evidence.load = load(96, 0);
        assert_eq!(state(&evidence, Link::Traffic), State::Ok);
    }
}

#[test]
fn load_balancer_without_an_address_gets_a_port_forward() {
    for mut evidence in [adapter(), keda()] {
        seen(&mut evidence.services)[0]["status"] = json!({"loadBalancer": {}});
        // Requests from inside the cluster still arrive.
        assert_eq!(state(&evidence, Link::Traffic), State::Ok);
        requests(&mut evidence, [0, 0]);
        let forward = "kubectl -n miztiik-automation-ns port-forward service/shopfront-svc 8080:80".to_owned();
        assert_eq!(commands_at(&evidence, Link::Traffic), (Cause::NoLoadBalancer, forward.clone()));
        // An ingress entry without an address is no address.
        seen(&mut evidence.services)[0]["status"] = json!({"loadBalancer": {"ingress": [{}]}});
        assert_eq!(commands_at(&evidence, Link::Traffic), (Cause::NoLoadBalancer, forward));
        // The Service is new, or it is of a type without a load balancer.
        seen(&mut evidence.services)[0]["metadata"]["creationTimestamp"] = json!(ago(30.0));
        assert_eq!(state(&evidence, Link::Traffic), State::Ok);
        seen(&mut evidence.services)[0]["metadata"]["creationTimestamp"] = json!(ago(3600.0));
        seen(&mut evidence.services)[0]["spec"]["type"] = json!("ClusterIP");
        assert_eq!(state(&evidence, Link::Traffic), State::Ok);
    }
}
