//! What blocks KEDA: its own checks of the `ScaledObject`, or a `NetworkPolicy` at Prometheus.

use serde_json::{Value, json};

use crate::autoscaling::timing;
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pods::{living, ready_for};
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::facts::{scaled_object, values};
use crate::doctor::fixes::Command;
use crate::doctor::fixes::kubectl::{about, apply, in_namespace};
use crate::doctor::fixes::scaler::Trigger;
use crate::doctor::objects::{condition, list, mentions, name, namespace, selects, text, titled};
use crate::doctor::status::{Finding, Status};

/// KEDA rejects the `ScaledObject`, whatever its triggers do.
pub fn rejected(evidence: &Evidence, object: &Value) -> Option<Finding> {
    let ready = condition(object, "Ready").filter(|ready| ready["status"] == "False")?;
    let message = text(ready, "/message");
    // Triggers that fail are another matter: `TriggerError`.
    if text(ready, "/reason") != "ScaledObjectCheckFailed" {
        return None;
    }
    let seen = format!("{}: Ready is False, ScaledObjectCheckFailed: {message}", titled(object));
    let mut others = evidence.hpas.items().iter().filter(|hpa| name(hpa) != evidence.name);
    let command = others.find(|hpa| mentions(message, name(hpa))).map(|hpa| about(hpa, "delete"));
    let advice = if command.is_some() {
        "Keep one autoscaler for the workload. KEDA checks the object again by itself."
    } else {
        "Fix what KEDA reports about the object. Until then KEDA keeps the previous configuration."
    };
    Some(Finding::new(Cause::KedaBlocked, seen, advice, command))
}

/// The triggers fail, although Prometheus answers the doctor's query.
pub fn check(evidence: &Evidence, scaling: &ScalingMetric, triggers: &[Trigger<'_>]) -> Result<(), Status> {
    let Some(object) = triggers.first().map(|trigger| trigger.object) else { return Ok(()) };
    let works = values::works(evidence, scaling);
    let ready = condition(object, "Ready");
    let failing = ready.is_some_and(|ready| ready["status"] == "False");
    let falls_back = scaled_object::falls_back(evidence);
    if !falls_back && (works == Some(true) || (works.is_none() && !failing)) {
        return Ok(());
    }
    let asks_prometheus = triggers.iter().any(|trigger| trigger.spec["type"] == "prometheus");
    let mut seen = titled(object);
    if falls_back {
        seen = format!("{seen}: {}", fallback(object));
    } else if let Some(ready) = ready {
        let [status, reason, message] = ["/status", "/reason", "/message"].map(|field| text(ready, field));
        seen = format!("{seen}: Ready is {status}, {reason}: {message}");
    }
    let oldest = living(evidence).filter_map(|pod| ready_for(evidence, pod)).fold(0.0, f64::max);
    if oldest < timing::TRIGGER_FIRST_ANSWER && !falls_back {
        return Err(Status::pending(
            timing::TRIGGER_FIRST_ANSWER - oldest,
            format!("{seen}; the pods have just become ready"),
        ));
    }
    let log = || operator_log(evidence);
    let (cause, advice, command) = if let Some(policy) = policy(evidence).filter(|_| asks_prometheus) {
        seen = format!("{seen}; {} does not allow KEDA's operator to reach Prometheus", titled(policy));
        let advice =
            "Allow KEDA's operator to reach Prometheus' port. Network policies are additive, so the command adds one.";
        (Cause::KedaBlocked, advice.to_owned(), apply(&admission(evidence, policy)))
    } else if falls_back {
        (Cause::FallbackActive, format!("{} {}", whose(evidence, triggers), RESUMES), log())
    } else if failing && asks_prometheus {
        let advice = "Read the log of KEDA's operator, and check the network between it and Prometheus.";
        (Cause::KedaBlocked, advice.to_owned(), log())
    } else if failing {
        (Cause::KedaBlocked, whose(evidence, triggers), log())
    } else {
        return Ok(());
    };
    Err(Finding::new(cause, seen, advice, [command]).into())
}

/// What happens after the trigger is fixed.
const RESUMES: &str = "KEDA uses the trigger's value again as soon as there is one.";

/// The command that shows why KEDA's operator does not get a value.
pub fn operator_log(evidence: &Evidence) -> Command {
    in_namespace(operator(evidence).0).words("logs deployment/keda-operator --tail=50")
}

/// What KEDA answers in place of the triggers' values, and which of them fail.
fn fallback(object: &Value) -> String {
    let Value::Object(health) = &object["status"]["health"] else { return "Fallback is True".to_owned() };
    let failing = health.iter().filter(|(_, health)| health["status"] == "Failing");
    let failing = failing.map(|(metric, health)| {
        let failures = health["numberOfFailures"].as_u64().unwrap_or_default();
        format!("{metric} has failed {failures} times")
    });
    let failing: Vec<String> = failing.collect();
    let replicas = object["spec"]["fallback"]["replicas"].as_u64();
    let replicas = replicas.map_or_else(String::new, |replicas| format!(", and KEDA asks for {replicas} replicas"));
    if failing.is_empty() {
        format!("Fallback is True{replicas}")
    } else {
        format!("Fallback is True{replicas}: {}", failing.join(", "))
    }
}

/// Where the reason may be that a trigger fails.
fn whose(evidence: &Evidence, triggers: &[Trigger<'_>]) -> String {
    let authentication = triggers.iter().find_map(|trigger| {
        let reference = &trigger.spec["authenticationRef"];
        let kind = reference["kind"].as_str().unwrap_or("TriggerAuthentication");
        Some(format!("{kind} {}", reference["name"].as_str()?))
    });
    let kinds: Vec<String> =
        triggers.iter().map(|trigger| format!("trigger {} ({})", trigger.place, text(trigger.spec, "/type"))).collect();
    let is_answered = triggers.iter().any(|trigger| {
        let query = trigger.field("query");
        evidence.prometheus.replicas.iter().any(|one| one.queries.get(query).is_some_and(|read| read.seen().is_some()))
    });
    let answered = if is_answered { " Prometheus answers the query to the doctor." } else { "" };
    let with = authentication.map_or_else(String::new, |named| format!(", and its credentials in {named}"));
    format!(
        "Find out why {} fails: read the log of KEDA's operator, and check the address in its metadata{with}.{answered}",
        kinds.join(" or ")
    )
}

/// A policy for Prometheus, if none allows KEDA's operator.
fn policy(evidence: &Evidence) -> Option<&Value> {
    let pod = evidence.prometheus.pods.items().first()?;
    let labels = &pod["metadata"]["labels"];
    let guards = |policy: &&Value| {
        let kinds = list(policy, "/spec/policyTypes");
        namespace(policy) == namespace(pod)
            && selects(&policy["spec"]["podSelector"], labels)
            && (kinds.is_empty() || kinds.iter().any(|kind| kind == "Ingress"))
    };
    let mut guarding = evidence.prometheus.policies.items().iter().filter(guards);
    let admits = |policy: &Value| list(policy, "/spec/ingress").iter().any(|rule| admits(evidence, policy, rule));
    let first = guarding.clone().next()?;
    (!guarding.any(admits)).then_some(first)
}

/// Where KEDA's operator runs, and the labels that its chart and its manifests give it.
fn operator(evidence: &Evidence) -> (&str, Value) {
    let server = evidence.server.deployment.seen().map(namespace).filter(|namespace| !namespace.is_empty());
    (
        server.unwrap_or("keda"),
        json!({"app": "keda-operator", "name": "keda-operator", "app.kubernetes.io/name": "keda-operator"}),
    )
}

fn admits(evidence: &Evidence, policy: &Value, rule: &Value) -> bool {
    let from = list(rule, "/from");
    let (place, labels) = operator(evidence);
    from.is_empty()
        || from.iter().any(|peer| {
            let (spaces, pods) = (&peer["namespaceSelector"], &peer["podSelector"]);
            let here = spaces.is_null() && !pods.is_null() && namespace(policy) == place;
            let there = !spaces.is_null() && selects(spaces, &json!({"kubernetes.io/metadata.name": place}));
            (here || there) && (pods.is_null() || selects(pods, &labels))
        })
}

/// A policy for the same pods that admits KEDA's operator.
fn admission(evidence: &Evidence, policy: &Value) -> Value {
    let (place, _) = operator(evidence);
    let ports = list(policy, "/spec/ingress").iter().flat_map(|rule| list(rule, "/ports"));
    let port = ports.map(|port| port["port"].clone()).next().unwrap_or_else(|| json!(9090));
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": format!("{}-keda", name(policy)), "namespace": namespace(policy)},
        "spec": {
            "podSelector": policy["spec"]["podSelector"],
            "policyTypes": ["Ingress"],
            "ingress": [{
                "from": [{
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": place}},
                    "podSelector": {"matchLabels": {"app": "keda-operator"}},
                }],
                "ports": [{"protocol": "TCP", "port": port}],
            }],
        },
    })
}
