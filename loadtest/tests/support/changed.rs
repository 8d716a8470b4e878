//! What tests change of a chain that holds, and what is found of it then.

use loadtest::doctor::diagnosis::{Diagnosis, Finding, State};
use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::facts::requests;
use loadtest::doctor::facts::scaling_metric::ScalingMetric;
use loadtest::doctor::link::Link;
use loadtest::kube::read::{Answer, Read};
use serde_json::{Value, json};

use crate::healthy::ago;
use crate::{diagnose, seen};

/// Where the adapter's list is.
pub const LIST: &str = "/apis/custom.metrics.k8s.io/v1beta1";

/// What the API answers to the HPA's first metric.
pub fn answers(evidence: &mut Evidence, status: u16, body: Value) {
    let metric = evidence.hpa.seen().unwrap()["spec"]["metrics"][0].clone();
    let path = requests::metric(evidence, &metric).unwrap();
    evidence.answers.insert(path, Answer { status, body });
}

/// No value, and no such metric in the list, as an adapter answers that has no rule, or no series.
pub fn not_found(evidence: &mut Evidence) {
    let list = evidence.answers.get_mut(LIST).unwrap();
    list.body["resources"] = json!([{"name": "pods/other_per_second", "namespaced": true}]);
    let message = "the server could not find the metric http_requests_per_second for pods";
    answers(evidence, 404, json!({"kind": "Status", "message": message, "reason": "NotFound", "code": 404}));
}

/// The metrics API's server was started so long ago.
pub fn server_started(evidence: &mut Evidence, seconds: f64) {
    for pod in seen(&mut evidence.server.pods) {
        pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] = json!(ago(seconds));
    }
}

/// The pods are ready for so long.
pub fn ready_for(evidence: &mut Evidence, seconds: f64) {
    for pod in seen(&mut evidence.pods) {
        for condition in pod["status"]["conditions"].as_array_mut().unwrap() {
            condition["lastTransitionTime"] = json!(ago(seconds));
        }
    }
}

/// What Prometheus answers to the query of the HPA's metric.
pub fn results(evidence: &mut Evidence, result: &[Value]) {
    let query = ScalingMetric::of(evidence).query.unwrap();
    for replica in &mut evidence.prometheus.replicas {
        replica.queries.insert(query.clone(), Read::Seen(result.to_vec()));
    }
}

/// The adapter's configuration with one text in another's place.
pub fn rewritten(evidence: &mut Evidence, from: &str, to: &str) {
    let document = &mut seen(&mut evidence.server.config)["data"]["config.yaml"];
    let text = document.as_str().unwrap().to_owned();
    assert!(text.contains(from), "{text}");
    *document = json!(text.replace(from, to));
}

/// The `APIService` is not available, for this reason and so long.
pub fn unavailable(evidence: &mut Evidence, reason: &str, message: &str, since: f64) {
    let condition = json!({
        "type": "Available", "status": "False", "reason": reason, "message": message, "lastTransitionTime": ago(since),
    });
    seen(&mut evidence.server.api_service)["status"]["conditions"] = json!([condition]);
    answers(evidence, 503, json!({"message": "the server is currently unable to handle the request"}));
}

/// The HPA says that it reads no metric, for this reason and so long.
pub fn conditions(evidence: &mut Evidence, reason: &str, message: &str, since: f64) {
    seen(&mut evidence.hpa)["status"]["conditions"] = json!([
        {"type": "AbleToScale", "status": "True", "reason": "SucceededGetScale", "message": ""},
        {
            "type": "ScalingActive", "status": "False", "reason": reason, "message": message,
            "lastTransitionTime": ago(since),
        },
    ]);
}

/// Another argument of the adapter's, at this place.
pub fn argument(evidence: &mut Evidence, place: usize, value: &str) {
    seen(&mut evidence.server.deployment)["spec"]["template"]["spec"]["containers"][0]["args"][place] = json!(value);
}

/// The HPA's value, and its replicas: those that there are, those that it wants, and the most.
pub fn scaled(evidence: &mut Evidence, value: &str, current: u32, wanted: u32, most: u32) {
    let hpa = seen(&mut evidence.hpa);
    hpa["spec"]["maxReplicas"] = json!(most);
    hpa["status"]["currentReplicas"] = json!(current);
    hpa["status"]["desiredReplicas"] = json!(wanted);
    let status = &mut hpa["status"]["currentMetrics"][0];
    let kind = if status["pods"].is_object() { "pods" } else { "external" };
    status[kind]["current"]["averageValue"] = json!(value);
}

/// What is found broken at this link, and nothing above it.
pub fn broken(evidence: &Evidence, link: Link) -> Finding {
    let Diagnosis { links, broken, .. } = diagnose(evidence);
    let result = links.iter().find(|result| result.state == State::Broken);
    assert_eq!(result.map(|result| result.link), Some(link), "{links:#?}");
    readable(broken.unwrap())
}

/// The number of the cause at this link, and the commands that mend it.
pub fn cause(evidence: &Evidence, link: Link) -> (u8, String) {
    let finding = broken(evidence, link);
    (finding.cause.number(), finding.fix.commands.join("\n"))
}

/// The number of the cause at this link, and the advice, where the change is not the user's own to paste.
pub fn advised(evidence: &Evidence, link: Link) -> (u8, String) {
    let finding = broken(evidence, link);
    assert_eq!(finding.fix.commands, [""; 0], "{finding:?}");
    (finding.cause.number(), finding.fix.advice)
}

/// That nothing is broken; how this link is.
pub fn state(evidence: &Evidence, link: Link) -> State {
    let Diagnosis { links, broken, .. } = diagnose(evidence);
    assert_eq!(broken, None, "{links:#?}");
    links.iter().find(|result| result.link == link).unwrap().state
}

/// A finding with each backslash of its commands as a shell reads it: for fish it stands in quotes of its own.
pub fn readable(mut finding: Finding) -> Finding {
    for command in &mut finding.fix.commands {
        *command = command.replace(r#"'"\\"'"#, r"\");
    }
    finding
}
