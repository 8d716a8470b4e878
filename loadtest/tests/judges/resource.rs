//! HPAs on CPU and memory: requests, samples, the age of pods, and metrics-server.

use super::diagnose;
use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::{Outcome, State};
use loadtest::doctor::evidence::{Evidence, Server};
use loadtest::doctor::link::Link;
use loadtest::kube::read::{Answer, Read};
use serde_json::{Value, json};

use crate::changed::{advice_at, broken, commands_at, conditions, ready_for, server_started, state, unavailable};
use crate::healthy::{NAMESPACE, PODS, adapter, ago};
use crate::{broken_cause, seen};

/// Where the controller reads CPU and memory.
pub const PATH: &str =
    "/apis/metrics.k8s.io/v1beta1/namespaces/miztiik-automation-ns/pods?labelSelector=app%3Dshopfront";

/// A metric of type Resource with a utilization as its target.
pub fn utilization(resource: &str, target: u32) -> Value {
    let target = json!({"type": "Utilization", "averageUtilization": target});
    json!({"type": "Resource", "resource": {"name": resource, "target": target}})
}

/// Its status.
pub fn current(resource: &str, value: u32) -> Value {
    let current = json!({"averageUtilization": value, "averageValue": "1m"});
    json!({"type": "Resource", "resource": {"name": resource, "current": current}})
}

/// What metrics-server answers: each pod's containers with this usage, of a window that ended this long ago.
pub fn usage(evidence: &mut Evidence, cpu: &str, seconds: f64) {
    let item = |(pod, _)| {
        json!({
            "metadata": {"name": pod, "namespace": NAMESPACE}, "timestamp": ago(seconds), "window": "15.2s",
            "containers": [{"name": "shopfront", "usage": {"cpu": cpu, "memory": "16Mi"}}],
        })
    };
    let body = json!({"kind": "PodMetricsList", "items": PODS.map(item)});
    evidence.answers.insert(PATH.to_owned(), Answer { status: 200, body });
}

/// metrics-server, as the server of metrics.k8s.io.
pub fn metrics_server() -> Server {
    let text = serde_json::to_string(&adapter().server).unwrap();
    let text = text.replace("custom.metrics.k8s.io", "metrics.k8s.io").replace("prometheus-adapter", "metrics-server");
    let mut server: Server = serde_json::from_str(&text).unwrap();
    server.config = Read::NotAsked;
    seen(&mut server.deployment)["spec"]["template"]["spec"]["containers"][0]["args"] = json!([]);
    server
}

/// A healthy chain on CPU: each of two pods uses 60 % of its request, and the target is 80 %.
pub fn cpu() -> Evidence {
    let mut evidence = adapter();
    evidence.server = metrics_server();
    (evidence.prometheus, evidence.monitors) = Default::default();
    let hpa = seen(&mut evidence.hpa);
    hpa["spec"]["metrics"] = json!([utilization("cpu", 80)]);
    hpa["status"]["currentMetrics"] = json!([current("cpu", 60)]);
    for pod in seen(&mut evidence.pods) {
        pod["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "100m", "memory": "32Mi"}});
    }
    usage(&mut evidence, "60m", 10.0);
    evidence
}

/// Adds a container to each pod, and to the template if it is in it.
fn add(evidence: &mut Evidence, field: &str, container: &Value, in_template: bool) {
    let pods = seen(&mut evidence.pods).iter_mut().map(|pod| &mut pod["spec"]);
    let template = &mut seen(&mut evidence.workload)["spec"]["template"]["spec"];
    for spec in pods.chain(in_template.then_some(template)) {
        if spec[field].is_null() {
            spec[field] = json!([]);
        }
        spec[field].as_array_mut().unwrap().push(container.clone());
    }
}

const MISSING: &str = "failed to get cpu utilization: missing request for cpu in container proxy of Pod shopfront-x";

#[test]
fn healthy_cpu_metric_is_ok_at_each_link_of_its_own() {
    let diagnosis = diagnose(&cpu());
    assert_eq!((diagnosis.outcome, diagnosis.broken), (Outcome::Healthy, None));
    let of = |link| diagnosis.links.iter().find(|result| result.link == link).unwrap();
    assert_eq!((of(Link::ApiService).state, of(Link::Answer).state), (State::Ok, State::Ok));
    assert_eq!(of(Link::Answer).evidence, "cpu: 2 of 2 pods have a value");
    let [metric] = diagnosis.metrics.as_slice() else { panic!("{:?}", diagnosis.metrics) };
    assert_eq!((metric.value, metric.target, metric.desired, metric.decides), (Some(60.0), 80.0, Some(2), true));
    assert_eq!(metric.evidence, "60 % of 80 % asks for 2: ceil(2 × 0.75) = 2");
}

#[test]
fn container_without_a_request_is_named_and_gets_one() {
    let mut evidence = cpu();
    add(&mut evidence, "containers", &json!({"name": "proxy"}), true);
    conditions(&mut evidence, "FailedGetResourceMetric", MISSING, 60.0);
    let (cause, command) = commands_at(&evidence, Link::Condition);
    assert_eq!(cause, Cause::RequestMissing);
    assert_eq!(
        command,
        format!(
            "kubectl -n {NAMESPACE} patch deployment.apps/shopfront-deploy --type strategic -p \
             '{{\"spec\":{{\"template\":{{\"spec\":{{\"containers\":[{{\"name\":\"proxy\",\"resources\":{{\"requests\":{{\"cpu\":\"10m\"}}}}}}]}}}}}}}}'"
        )
    );
    let finding = broken(&evidence, Link::Condition);
    assert!(
        finding.evidence.contains("container proxy") && finding.fix.advice.contains("ContainerResource"),
        "{finding:?}"
    );
    // The template has it, and the pods are being replaced.
    let template = &mut seen(&mut evidence.workload)["spec"]["template"]["spec"];
    template["containers"][1]["resources"] = json!({"limits": {"cpu": "50m"}});
    template["containers"][0]["resources"] = json!({"requests": {"cpu": "50m"}});
    assert_eq!(state(&evidence, Link::Condition), State::Pending);
}

#[test]
fn sidecar_that_a_mesh_adds_gets_advice_and_no_command() {
    let mut evidence = cpu();
    add(&mut evidence, "containers", &json!({"name": "istio-proxy"}), false);
    let (cause, advice) = advice_at(&evidence, Link::Condition);
    assert!(cause == Cause::RequestMissing && advice.contains("sidecar.istio.io/proxyCPU"), "{advice}");
    // A sidecar in initContainers counts, and one that ends does not.
    let mut evidence = cpu();
    add(&mut evidence, "initContainers", &json!({"name": "migrate"}), true);
    assert_eq!(diagnose(&evidence).broken, None);
    add(&mut evidence, "initContainers", &json!({"name": "mesh", "restartPolicy": "Always"}), true);
    let (cause, command) = commands_at(&evidence, Link::Condition);
    assert!(cause == Cause::RequestMissing && command.contains(r#""initContainers":[{"name":"mesh""#), "{command}");
}

#[test]
fn value_target_and_one_containers_metric_need_no_request_of_others() {
    let mut evidence = cpu();
    add(&mut evidence, "containers", &json!({"name": "proxy"}), true);
    let hpa = seen(&mut evidence.hpa);
    let target = json!({"type": "AverageValue", "averageValue": "100m"});
    hpa["spec"]["metrics"] = json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]);
    let current = json!({"averageValue": "60m"});
    hpa["status"]["currentMetrics"] = json!([{"type": "Resource", "resource": {"name": "cpu", "current": current}}]);
    assert_eq!(diagnose(&evidence).broken, None);
    let hpa = seen(&mut evidence.hpa);
    let target = json!({"type": "Utilization", "averageUtilization": 80});
    let of = |name: &str| json!([{"type": "ContainerResource", "containerResource": {"name": "cpu", "container": name, "target": target}}]);
    hpa["spec"]["metrics"] = of("shopfront");
    hpa["status"]["currentMetrics"] = json!([]);
    assert_eq!(diagnose(&evidence).broken, None);
    seen(&mut evidence.hpa)["spec"]["metrics"] = of("shop");
    let (cause, advice) = advice_at(&evidence, Link::Condition);
    assert!(cause == Cause::ContainerUnknown && advice.ends_with("shopfront, proxy."), "{advice}");
}

#[test]
fn request_of_the_pod_takes_the_place_of_its_containers() {
    let mut evidence = cpu();
    add(&mut evidence, "containers", &json!({"name": "proxy"}), true);
    for pod in seen(&mut evidence.pods) {
        pod["spec"]["resources"] = json!({"requests": {"cpu": "200m"}});
    }
    assert_eq!(diagnose(&evidence).broken, None);
    seen(&mut evidence.hpa)["spec"]["metrics"] = json!([utilization("memory", 80)]);
    assert_eq!(diagnose(&evidence).broken, None, "a container has one");
}

#[test]
fn pod_of_something_else_without_a_request_gets_no_patch_of_the_workload() {
    let mut evidence = cpu();
    let mut job = evidence.pods.items()[0].clone();
    job["metadata"]["name"] = json!("shopfront-deploy-migrate-x2x");
    job["metadata"]["ownerReferences"] = json!([{"kind": "Job", "name": "shopfront-deploy-migrate"}]);
    job["spec"]["containers"] = json!([{"name": "migrate"}]);
    seen(&mut evidence.pods).push(job);
    assert_ne!(diagnose(&evidence).broken.map(|finding| finding.cause), Some(Cause::RequestMissing));
}

/// Makes the pods start this long ago, with a sample from before they were ready.
fn started(evidence: &mut Evidence, seconds: f64) {
    for pod in seen(&mut evidence.pods) {
        pod["status"]["startTime"] = json!(ago(seconds));
    }
    ready_for(evidence, seconds - 2.0);
    usage(evidence, "60m", seconds - 10.0);
    let why = "failed to get cpu utilization: did not receive metrics for targeted pods (pods might be unready)";
    conditions(evidence, "FailedGetResourceMetric", why, seconds - 20.0);
}

#[test]
fn cpu_of_new_pods_is_pending_and_never_broken() {
    for seconds in [41.0, 90.0, 150.0, 240.0, 299.0] {
        let mut evidence = cpu();
        started(&mut evidence, seconds);
        let diagnosis = diagnose(&evidence);
        let condition = diagnosis.links.iter().find(|result| result.link == Link::Condition).unwrap();
        assert_eq!((condition.state, condition.wait), (State::Pending, Some(300.0 - seconds)), "{condition:?}");
        assert_eq!((diagnosis.broken, diagnosis.outcome), (None, Outcome::CouldNotLook), "{seconds}");
        assert!(condition.evidence.contains("Nothing is wrong"), "{}", condition.evidence);
        // Nothing was read of the API.
        evidence.answers.clear();
        assert_eq!(diagnose(&evidence).broken, None, "{seconds}");
    }
    // The sample counts by now, and the HPA has not synced since.
    let mut evidence = cpu();
    started(&mut evidence, 301.0);
    assert_eq!(state(&evidence, Link::Condition), State::Pending);
}

#[test]
fn some_new_pods_damp_a_scale_out_and_are_named() {
    let mut evidence = cpu();
    let pod = &mut seen(&mut evidence.pods)[1];
    pod["status"]["startTime"] = json!(ago(60.0));
    crate::changed::pod_ready_for(pod, 20.0);
    usage(&mut evidence, "168m", 10.0);
    // With the new pod as idle, 2.1 times the target becomes 1.05 times, which is within the tolerance.
    seen(&mut evidence.hpa)["status"]["currentMetrics"] = json!([current("cpu", 168)]);
    let diagnosis = diagnose(&evidence);
    let finding = diagnosis.explains.expect("it is held");
    assert_eq!((finding.cause, diagnosis.outcome), (Cause::PodsDamp, Outcome::Healthy));
    assert!(
        finding.evidence.contains("1 pod that is not ready or just started counts as idle"),
        "{}",
        finding.evidence
    );
}

#[test]
fn server_without_values_of_old_pods_is_pod_metrics_missing() {
    let mut evidence = cpu();
    evidence.answers.insert(PATH.to_owned(), Answer { status: 200, body: json!({"items": []}) });
    let line =
        "E1127 scraper.go:149] \"Failed to scrape node\" err=\"tls: x509: cannot validate certificate\" node=\"a\"\n";
    evidence.server.log = Read::Seen(line.to_owned());
    let (cause, advice) = advice_at(&evidence, Link::Answer);
    assert!(cause == Cause::PodMetricsMissing && advice.contains("serverTLSBootstrap"), "{advice}");
    // It has just started, or the pods have.
    server_started(&mut evidence, 60.0);
    assert_eq!(state(&evidence, Link::Answer), State::Pending);
    server_started(&mut evidence, 3000.0);
    ready_for(&mut evidence, 60.0);
    assert_eq!(state(&evidence, Link::Answer), State::Pending);
}

#[test]
fn missing_and_unavailable_metrics_servers_are_named() {
    let mut evidence = cpu();
    evidence.server = Server { api_service: Read::Absent, ..Server::default() };
    let (cause, advice) = advice_at(&evidence, Link::ApiService);
    assert!(cause == Cause::ApiServiceMissing && advice.contains("metrics server"), "{advice}");
    let mut evidence = cpu();
    unavailable(&mut evidence, "FailedDiscoveryCheck", "no response from https://10.0.0.1:10250", 600.0);
    assert_eq!(advice_at(&evidence, Link::ApiService).0, Cause::ApiServiceUnavailable);
}

#[test]
fn memory_counts_from_the_first_sample_on() {
    let mut evidence = cpu();
    started(&mut evidence, 60.0);
    let hpa = seen(&mut evidence.hpa);
    hpa["spec"]["metrics"] = json!([utilization("memory", 80)]);
    hpa["status"] = adapter().hpa.seen().unwrap()["status"].clone();
    hpa["status"]["currentMetrics"] = json!([current("memory", 50)]);
    let diagnosis = diagnose(&evidence);
    assert_eq!((diagnosis.outcome, diagnosis.metrics[0].desired), (Outcome::Healthy, Some(2)));
    assert_eq!(diagnosis.metrics[0].changes.as_deref(), Some("scales out above 88 %, in at 40 % or below"));
}

#[test]
fn resource_that_the_api_never_has_is_named() {
    let mut evidence = cpu();
    seen(&mut evidence.hpa)["spec"]["metrics"] = json!([utilization("CPU", 80)]);
    let finding = broken(&evidence, Link::Answer);
    let [command] = finding.fix.commands.as_slice() else { panic!("{finding:?}") };
    assert!(command.contains(r#""path":"/spec/metrics/0/resource/name","value":"cpu""#), "{command}");
    assert_eq!((finding.cause, broken_cause(&evidence)), (Cause::PodMetricsMissing, Some(Cause::PodMetricsMissing)));
    seen(&mut evidence.hpa)["spec"]["metrics"] = json!([utilization("nvidia.com/gpu", 80)]);
    let finding = broken(&evidence, Link::Answer);
    assert!(finding.fix.commands.is_empty() && finding.evidence.contains("nvidia.com/gpu"), "{finding:?}");
}
