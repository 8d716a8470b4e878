//! The `APIService` of the metric's API: which server it names, and whether the API server can reach it.

mod unavailable;

use serde_json::{Value, json};

use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::{ScalingMetric, Source};
use crate::doctor::facts::server::answers_with_404;
use crate::doctor::facts::{early, server, values};
use crate::doctor::fixes::kubectl::{self, apply_with_comment};
use crate::doctor::objects::{ApiService, Service, age, condition, name, namespace, text, titled};
use crate::doctor::status::{Checked, Finding, Input, Status};
use crate::kube::read::Read;

/// The comment above `insecureSkipTLSVerify` in the manifest that registers a server.
const UNVERIFIED: &str = "The server signs its own certificate. If a CA signed it: set caBundle instead of this line.";

pub fn check(evidence: &Evidence, scaling: &ScalingMetric) -> Checked {
    let source = scaling.metric.as_ref().ok_or_else(Status::without_metric)?.source;
    let version = format!("v1beta1.{}", server::group(source));
    let api = Status::require(&evidence.server.api_service, || match &evidence.server.api_service {
        Read::Absent => missing(evidence, scaling, source, &version).into(),
        _ => Status::missing(Input::ApiService, format!("APIService {version} was not read")),
    })?;
    let owner = ApiService(api).owner();
    let works = values::works(evidence, scaling);
    if works != Some(true)
        && let Some(deployment) = evidence.server.deployment.seen().filter(|server| !server::serves(server, source))
    {
        // Many images serve metrics. A server that does not is known by its image, or because it has no list.
        let wrong = server::is_another(deployment, source) || server::lists(evidence, source) == Some(false);
        if wrong || works == Some(false) && early::too_early(evidence, scaling).is_none() {
            return Err(another(evidence, scaling, api, deployment, wrong).into());
        }
    }
    let Some(available) = condition(api, "Available") else {
        let why = format!("APIService {version} is new: the API server has not checked {owner} yet");
        return Err(Status::pending(timing::API_SERVICE_RETRY - age(api, evidence.taken), why));
    };
    let (reason, message) = (text(available, "/reason"), text(available, "/message"));
    if available["status"] == "True" {
        return Ok(format!("APIService {version}: Available, Service {owner}"));
    }
    let seen = format!("APIService {version}: Available is False, {reason}: {message}");
    if runs(evidence) && server::rolls(evidence) {
        return Err(Status::pending(
            timing::API_SERVICE_RETRY,
            format!("{seen} (its Deployment is just being changed)"),
        ));
    }
    let new = age(api, evidence.taken).min(server::newly_ready(evidence).unwrap_or(f64::INFINITY));
    if runs(evidence) && new < timing::API_SERVICE_RETRY {
        let why = format!("{seen} (it, or its server, is {new:.0} s old)");
        return Err(Status::pending(timing::API_SERVICE_RETRY - new, why));
    }
    // A rule may have been added in the second of its start, which the rule's own check cannot see.
    if let Some(deployment) = evidence.server.deployment.seen().filter(|_| answers_with_404(evidence))
        && server::serves(deployment, Source::Adapter)
    {
        let advice = "The adapter had no rule for this API at startup, so it does not serve the API. It reads its rules only \
                      at startup. Restart it.";
        return Err(Finding::new(Cause::RuleAbsent, seen, advice, [kubectl::restart(deployment)]).into());
    }
    Err(unavailable::finding(evidence, source, api, &version, &seen).into())
}

/// Whether there is a server that runs.
fn runs(evidence: &Evidence) -> bool {
    evidence.server.deployment.seen().is_some_and(|deployment| desired(deployment) > 0)
}

fn missing(evidence: &Evidence, scaling: &ScalingMetric, source: Source, version: &str) -> Finding {
    let seen = format!("APIService {version} does not exist");
    if source == Source::AdapterExternal && scaling.rule.is_none() {
        let advice = "Install the server that has this metric. External metrics come from KEDA, from prometheus-adapter with a \
                      rule under `externalRules`, or from a cloud's metrics adapter.";
        return Finding::new(Cause::ApiServiceMissing, seen, advice, None);
    }
    let Some((namespace, name, port)) = service(evidence, source) else {
        let advice = format!("Install {}, which registers {version}.", server::title(source));
        return Finding::new(Cause::ApiServiceMissing, seen, advice, None);
    };
    let group = server::group(source);
    let manifest = json!({
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": version},
        "spec": {
            "service": {"name": name, "namespace": namespace, "port": port},
            "group": group,
            "version": "v1beta1",
            "insecureSkipTLSVerify": true,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        },
    });
    let advice = format!("Register {version} for Service {namespace}/{name}.");
    let command = apply_with_comment(&manifest, "insecureSkipTLSVerify", UNVERIFIED);
    Finding::new(Cause::ApiServiceMissing, seen, advice, [command])
}

fn another(evidence: &Evidence, scaling: &ScalingMetric, api: &Value, deployment: &Value, wrong: bool) -> Finding {
    let source = scaling.metric.as_ref().map_or(Source::Adapter, |metric| metric.source);
    let owner = ApiService(api).owner();
    let (title, version) = (server::title(source), name(api));
    let deployment = titled(deployment);
    let mut seen = format!("APIService {version}: spec.service is {owner}, {deployment}, which is not {title}");
    if let Some((_, answer)) = scaling.metric.as_ref().and_then(|metric| values::answer(evidence, metric)) {
        let told = format!("{} {}", answer.status, text(&answer.body, "/message"));
        seen = format!("{seen}; it answers {}", told.trim_end());
    }
    // No command: other HPAs may use what the present server serves.
    let advice = match service(evidence, source) {
        _ if !wrong => format!(
            "Check the metric's name and selector in the HPA, and make {deployment} serve it: it owns {version}, and only \
             one server can. Its log and its own objects say which metrics it has."
        ),
        None => format!("Install {title}, and point {version} to its Service. Another server owns it now."),
        Some((namespace, name, port)) => format!(
            "One server can own {version}. If nothing uses the metrics that {owner} serves, set spec.service of APIService \
             {version} to namespace {namespace}, name {name}, port {port}. Its own metrics are then no longer served."
        ),
    };
    Finding::new(Cause::AnotherServer, seen, advice, None)
}

/// The Service that should be registered: its namespace, name and port.
fn service(evidence: &Evidence, source: Source) -> Option<(String, String, i64)> {
    let title = match source {
        Source::Keda => "keda",
        Source::Adapter | Source::AdapterExternal => "adapter",
        // No candidate serves CPU and memory.
        Source::Resource => return None,
    };
    let own = evidence.server.deployment.seen().filter(|deployment| server::serves(deployment, source));
    let behind = evidence.server.service.seen().filter(|_| own.is_some());
    let candidates = evidence.server.candidates.items().iter();
    let candidate = candidates.clone().find(|service| name(service).contains(title));
    let service = behind.or(candidate)?;
    let ports = Service(service).ports();
    let port = ports.iter().find(|port| port["port"] == 443).or(ports.first());
    let port = port.and_then(|port| port["port"].as_i64()).unwrap_or(443);
    Some((namespace(service).to_owned(), name(service).to_owned(), port))
}

fn desired(deployment: &Value) -> i64 {
    deployment.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1)
}
