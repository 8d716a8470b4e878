//! Changes of a healthy chain, and what the doctor finds in it.

use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::{Diagnosis, Finding, State};
use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::link::Link;
use loadtest::kube::read::{Answer, Read};
use serde_json::{Value, json};

use crate::healthy::{ADAPTER_LIST, ADAPTER_METRIC, KEDA_METRIC, ago};
use crate::{diagnose, seen};

/// Makes the metrics API give this answer for the HPA's metric.
pub fn answers(evidence: &mut Evidence, status: u16, body: Value) {
    let path = if evidence.scaled_object.seen().is_some() { KEDA_METRIC } else { ADAPTER_METRIC };
    evidence.answers.insert(path.to_owned(), Answer { status, body });
}

/// Makes the adapter neither list the metric nor have a value, as without a rule or without series.
pub fn not_found(evidence: &mut Evidence) {
    let list = evidence.answers.get_mut(ADAPTER_LIST).unwrap();
    list.body["resources"] = json!([{"name": "pods/other_per_second", "namespaced": true}]);
    let message = "the server could not find the metric http_requests_per_second for pods";
    answers(evidence, 404, json!({"kind": "Status", "message": message, "reason": "NotFound", "code": 404}));
}

/// Makes the metrics API's server start this long ago.
pub fn server_started(evidence: &mut Evidence, seconds: f64) {
    for pod in seen(&mut evidence.server.pods) {
        pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] = json!(ago(seconds));
    }
}

/// Makes the pods ready for this long.
pub fn ready_for(evidence: &mut Evidence, seconds: f64) {
    for pod in seen(&mut evidence.pods) {
        pod_ready_for(pod, seconds);
    }
}

/// Makes this pod ready for this long.
pub fn pod_ready_for(pod: &mut Value, seconds: f64) {
    for condition in pod["status"]["conditions"].as_array_mut().unwrap() {
        condition["lastTransitionTime"] = json!(ago(seconds));
    }
}

/// Makes the monitors exist for this long.
pub fn monitors_created(evidence: &mut Evidence, seconds: f64) {
    for monitor in seen(&mut evidence.monitors) {
        monitor["metadata"]["creationTimestamp"] = json!(ago(seconds));
    }
}

/// Makes the counter include scrapes: two replicas that scrape every 5 s make 0.4 requests per second.
pub fn counting_scrapes(evidence: &mut Evidence) {
    for page in &mut evidence.pages {
        for (text, count) in [(&mut page.first, 480), (&mut page.second, 483)] {
            let line = format!("http_requests_total{{path=\"metrics\"}} {count}\n");
            seen(text).push_str(&line);
        }
    }
}

/// Sets the requests that each pod gets between the two readings of its page.
pub fn requests(evidence: &mut Evidence, counts: [u32; 2]) {
    for (page, count) in evidence.pages.iter_mut().zip(counts) {
        let first = page.first.seen().unwrap();
        let (from, to) = ("status=\"200\"} 1200", format!("status=\"200\"}} {}", 1200 + count));
        assert!(first.contains(from));
        page.second = Read::Seen(first.replace(from, &to));
    }
}

/// The targets of each Prometheus replica.
pub fn targets(evidence: &mut Evidence) -> impl Iterator<Item = &mut Vec<Value>> {
    evidence.prometheus.replicas.iter_mut().map(|replica| seen(&mut replica.targets))
}

/// Makes Prometheus answer every query with an empty result.
pub fn without_results(evidence: &mut Evidence) {
    for replica in &mut evidence.prometheus.replicas {
        replica.queries.values_mut().for_each(|result| *result = Read::Seen(Vec::new()));
    }
}

/// Makes Prometheus have neither targets nor results.
pub fn without_targets(evidence: &mut Evidence) {
    targets(evidence).for_each(Vec::clear);
    without_results(evidence);
}

/// Makes the scrapes of this port and path fail with this error, so that Prometheus has no results.
pub fn down(evidence: &mut Evidence, error: &str, port_and_path: &str) {
    for target in targets(evidence).flatten() {
        (target["health"], target["lastError"]) = (json!("down"), json!(error));
        let ip = target["labels"]["instance"].as_str().unwrap().split(':').next().unwrap();
        target["scrapeUrl"] = json!(format!("http://{ip}{port_and_path}"));
    }
    without_results(evidence);
}

/// Makes Prometheus answer this query with this result.
pub fn results(evidence: &mut Evidence, query: &str, result: &[Value]) {
    for replica in &mut evidence.prometheus.replicas {
        replica.queries.insert(query.to_owned(), Read::Seen(result.to_vec()));
    }
}

/// Replaces a text in the adapter's configuration.
pub fn rewritten(evidence: &mut Evidence, from: &str, to: &str) {
    let document = &mut seen(&mut evidence.server.config)["data"]["config.yaml"];
    let text = document.as_str().unwrap().to_owned();
    assert!(text.contains(from), "{text}");
    *document = json!(text.replace(from, to));
}

/// Makes the `APIService` unavailable, with this reason and for this long.
pub fn unavailable(evidence: &mut Evidence, reason: &str, message: &str, since: f64) {
    let condition = json!({
        "type": "Available", "status": "False", "reason": reason, "message": message, "lastTransitionTime": ago(since),
    });
    seen(&mut evidence.server.api_service)["status"]["conditions"] = json!([condition]);
    answers(evidence, 503, json!({"message": "the server is currently unable to handle the request"}));
}

/// Makes the HPA report that it cannot read its metric, with this reason and for this long.
pub fn conditions(evidence: &mut Evidence, reason: &str, message: &str, since: f64) {
    seen(&mut evidence.hpa)["status"]["conditions"] = json!([
        {"type": "AbleToScale", "status": "True", "reason": "SucceededGetScale", "message": ""},
        {
            "type": "ScalingActive", "status": "False", "reason": reason, "message": message,
            "lastTransitionTime": ago(since),
        },
    ]);
}

/// Replaces an argument of the adapter.
pub fn argument(evidence: &mut Evidence, place: usize, value: &str) {
    seen(&mut evidence.server.deployment)["spec"]["template"]["spec"]["containers"][0]["args"][place] = json!(value);
}

/// Sets the HPA's value, and its current, desired and maximum replicas.
pub fn scaled(evidence: &mut Evidence, value: &str, current: u32, desired: u32, maximum: u32) {
    let hpa = seen(&mut evidence.hpa);
    hpa["spec"]["maxReplicas"] = json!(maximum);
    hpa["status"]["currentReplicas"] = json!(current);
    hpa["status"]["desiredReplicas"] = json!(desired);
    let status = &mut hpa["status"]["currentMetrics"][0];
    let kind = if status["pods"].is_object() { "pods" } else { "external" };
    status[kind]["current"]["averageValue"] = json!(value);
}

/// The finding of the broken link, which must be this one.
pub fn broken(evidence: &Evidence, link: Link) -> Finding {
    let Diagnosis { links, broken, .. } = diagnose(evidence);
    let result = links.iter().find(|result| result.state == State::Broken);
    assert_eq!(result.map(|result| result.link), Some(link), "{links:#?}");
    readable(broken.unwrap())
}

/// The cause at this link, which must be the broken one.
pub fn cause_at(evidence: &Evidence, link: Link) -> Cause {
    broken(evidence, link).cause
}

/// The cause at this link, and the commands that fix it, a line each.
pub fn commands_at(evidence: &Evidence, link: Link) -> (Cause, String) {
    let finding = broken(evidence, link);
    (finding.cause, finding.fix.commands.join("\n"))
}

/// The cause at this link, and the advice. The fix must have no commands, because the object is not the user's own.
pub fn advice_at(evidence: &Evidence, link: Link) -> (Cause, String) {
    let finding = broken(evidence, link);
    assert_eq!(finding.fix.commands, [""; 0], "{finding:?}");
    (finding.cause, finding.fix.advice)
}

/// The state of this link. No link may be broken.
pub fn state(evidence: &Evidence, link: Link) -> State {
    let Diagnosis { links, broken, .. } = diagnose(evidence);
    assert_eq!(broken, None, "{links:#?}");
    links.iter().find(|result| result.link == link).unwrap().state
}

/// The finding with plain backslashes in its commands. The doctor quotes each of them separately, for fish.
pub fn readable(mut finding: Finding) -> Finding {
    for command in &mut finding.fix.commands {
        *command = command.replace(r#"'"\\"'"#, r"\");
    }
    finding
}
