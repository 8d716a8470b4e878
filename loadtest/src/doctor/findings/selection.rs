//! Whether Prometheus selects a monitor, and the monitor the pods: selector by selector.

use serde_json::{Value, json};

use crate::doctor::evidence::Evidence;
use crate::doctor::facts::monitors::Served;
use crate::doctor::facts::nearness::distinctive;
use crate::doctor::facts::pods::living;
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::facts::targets::with_counter;
use crate::doctor::facts::{ports, prometheus};
use crate::doctor::fixes::Command;
use crate::doctor::fixes::kubectl::{about, merge, patch, patch_item};
use crate::doctor::objects::{self, Monitor, Service, labels, name, namespace, selects, titled};

/// The pods' objects.
pub struct Workload<'a> {
    /// One of its pods, for the ports and labels of all.
    pub pod: &'a Value,
    /// Its own selector of pods.
    pub selector: &'a Value,
    /// The Services that select the pods.
    pub services: Vec<&'a Value>,
    served: Served<'a>,
}

impl<'a> Workload<'a> {
    /// Of the first pod that has not ended.
    pub fn of(evidence: &'a Evidence) -> Option<Self> {
        let pod = living(evidence).next()?;
        let served = Served::workload(evidence);
        let selector = evidence.workload.seen().map_or(&Value::Null, |workload| objects::Workload(workload).selector());
        Some(Self { pod, selector, services: served.services.clone(), served })
    }

    /// The labels of a Service that tell it from others: those that the pods have as well, else all. None without any.
    pub fn telling_labels(&self, service: &Value) -> Option<Value> {
        let all = labels(service).as_object().filter(|labels| !labels.is_empty())?;
        let shared = all.iter().filter(|(key, value)| labels(self.pod)[key.as_str()] == **value);
        let shared: serde_json::Map<String, Value> = shared.map(|(key, value)| (key.clone(), value.clone())).collect();
        Some(if shared.is_empty() { json!(all) } else { json!(shared) })
    }
}

/// Where a monitor fails, the nearest to the pods first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Stage {
    /// The port's name.
    Port,
    /// The labels of the Service or the pods.
    Labels,
    /// The namespace of the pods.
    Namespace,
    /// Prometheus does not select the monitor.
    Prometheus,
}

/// Why a monitor has no effect.
pub struct Fault {
    /// Where.
    pub stage: Stage,
    /// What is seen.
    pub told: String,
    /// What to do.
    pub advice: String,
    /// The same as commands.
    pub commands: Vec<Command>,
}

/// The operator's object of the Prometheus that the HPA's metric comes from.
pub struct Operator<'a>(&'a Value);

impl<'a> Operator<'a> {
    /// The one whose pods are asked; else the only one, or the first.
    pub fn of(evidence: &'a Evidence) -> Option<Self> {
        prometheus::object(evidence).or(evidence.prometheuses.items().first()).map(Self)
    }

    /// Where a new monitor is to be, and with which labels, to be selected; none where that cannot be told.
    pub fn place(&self, evidence: &Evidence, kind: &str) -> Option<(String, Value)> {
        let (of_monitors, of_namespaces) = fields(kind == "PodMonitor");
        let spec = &self.0["spec"];
        let labels = satisfying(spec.get(of_monitors).filter(|selector| !selector.is_null())?)?;
        let namespaces = &spec[of_namespaces];
        let own = evidence.own_namespace.seen().map_or(&Value::Null, objects::labels);
        let beside = namespaces.is_null() || (!selects(namespaces, own) && evidence.namespace != namespace(self.0));
        let place = if beside { namespace(self.0) } else { evidence.namespace.as_str() };
        Some((place.to_owned(), labels))
    }

    /// Why it does not select a monitor.
    fn fault(&self, evidence: &Evidence, monitor: &Value) -> Option<Fault> {
        let fault = |told: String, advice: &str, commands: Vec<Command>| {
            Some(Fault { stage: Stage::Prometheus, told, advice: advice.to_owned(), commands })
        };
        let prometheus = titled(self.0);
        let (of_monitors, of_namespaces) = fields(Monitor(monitor).is_of_pods());
        let selector = &self.0["spec"][of_monitors];
        if selector.is_null() {
            let told = format!("{prometheus} has no {of_monitors}, and so selects no monitor");
            let advice =
                format!("Set spec.{of_monitors} of {prometheus}. An empty selector ({{}}) selects all monitors.");
            return fault(told, &advice, Vec::new());
        }
        if !selects(selector, labels(monitor)) {
            let told = format!("its labels do not satisfy the {of_monitors} of {prometheus}, {selector}");
            let commands = satisfying(selector).map(|labels| label(monitor, &labels));
            return fault(
                told,
                "Give the monitor the label that Prometheus selects by.",
                commands.into_iter().collect(),
            );
        }
        let (selector, of) = (&self.0["spec"][of_namespaces], namespace(monitor));
        if selector.is_null() {
            let told = format!("{prometheus} has no {of_namespaces}, and so selects in {} alone", namespace(self.0));
            let advice =
                format!("Set spec.{of_namespaces} of {prometheus}. An empty selector ({{}}) selects all namespaces.");
            return if of == namespace(self.0) { None } else { fault(told, &advice, Vec::new()) };
        }
        let labels = match evidence.own_namespace.seen() {
            Some(own) if of == evidence.namespace => labels(own).clone(),
            // Of another one, the label that every namespace has is known, and of others nothing.
            _ if asks_for_names_alone(selector) => json!({"kubernetes.io/metadata.name": of}),
            _ => return None,
        };
        if selects(selector, &labels) {
            return None;
        }
        let told = format!("its namespace {of} does not satisfy the {of_namespaces} of {prometheus}, {selector}");
        let labels = satisfying(selector).filter(|labels| labels["kubernetes.io/metadata.name"].is_null());
        let advice = match labels {
            Some(labels) => format!("Give namespace {of} the labels that Prometheus selects by: {labels}."),
            None => format!("Move the monitor to a namespace that spec.{of_namespaces} of {prometheus} selects."),
        };
        fault(told, &advice, Vec::new())
    }
}

/// The fields of a `Prometheus` that select monitors, and their namespaces.
fn fields(of_pods: bool) -> (&'static str, &'static str) {
    if of_pods {
        ("podMonitorSelector", "podMonitorNamespaceSelector")
    } else {
        ("serviceMonitorSelector", "serviceMonitorNamespaceSelector")
    }
}

fn asks_for_names_alone(selector: &Value) -> bool {
    let labels = selector["matchLabels"].as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    labels.chain(expressions.filter_map(|one| one["key"].as_str())).all(|key| key == "kubernetes.io/metadata.name")
}

/// Labels that satisfy a selector; none where it wants some to be absent.
fn satisfying(selector: &Value) -> Option<Value> {
    let mut labels = selector["matchLabels"].as_object().cloned().unwrap_or_default();
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let value = match expression["operator"].as_str()? {
            "In" => expression["values"].get(0)?.clone(),
            "Exists" => json!("true"),
            _ => return None,
        };
        labels.insert(expression["key"].as_str()?.to_owned(), value);
    }
    Some(Value::Object(labels))
}

fn label(object: &Value, labels: &Value) -> Command {
    let labels = labels.as_object().into_iter().flatten();
    // A value that is no text is none that a label has.
    let line = labels.fold(about(object, "label"), |line, (key, value)| match value.as_str() {
        Some(value) => line.label(key, value),
        None => line.only_if(false),
    });
    line.words("--overwrite")
}

/// Why a monitor does not bring about targets of these pods; nothing where it does.
pub fn faults(
    evidence: &Evidence,
    scaling: &ScalingMetric,
    workload: &Workload,
    operator: Option<&Operator>,
    monitor: &Value,
) -> Vec<Fault> {
    let selected = operator.and_then(|operator| operator.fault(evidence, monitor));
    let mut faults: Vec<Fault> = selected.into_iter().chain(of_namespace(evidence, monitor)).collect();
    let selected = workload.served.selected_by(Monitor(monitor));
    if let (None, Some(service)) = (&selected, astray(evidence, workload, monitor)) {
        faults.push(of_service(service, workload));
    } else if selected.is_none() {
        faults.push(of_labels(workload, monitor));
        // What selects another Service of the namespace is meant for that; and what looks everywhere, for anybody.
        let selector = Monitor(monitor).selector();
        let another = evidence.services.items().iter().any(|service| selects(selector, labels(service)));
        if another || Monitor(monitor).looks_everywhere() {
            faults.push(of_labels(workload, monitor));
        }
    }
    let offering = selected.unwrap_or_else(|| workload.services.clone());
    let pages = scaling.series.as_deref().map(|series| with_counter(evidence, series)).unwrap_or_default();
    faults.extend(of_port(workload, monitor, &offering, pages.first().map(|page| page.port)));
    faults
}

fn of_namespace(evidence: &Evidence, monitor: &Value) -> Option<Fault> {
    let ours = evidence.namespace.as_str();
    if Monitor(monitor).looks_in(ours) {
        return None;
    }
    let looked_in: Vec<&str> = Monitor(monitor).namespaces().collect();
    let told = if looked_in.is_empty() {
        format!("it has no namespaceSelector, and so looks in {} alone, not in {ours}", namespace(monitor))
    } else {
        format!("its namespaceSelector names {}, not {ours}", looked_in.join(", "))
    };
    let all: Vec<&str> = looked_in.into_iter().chain([ours]).collect();
    Some(Fault {
        stage: Stage::Namespace,
        told,
        advice: format!("Have it look in {ours}."),
        commands: vec![merge(monitor, &json!({"spec": {"namespaceSelector": {"matchNames": all}}}))],
    })
}

/// A Service that has the workload's name and that the monitor selects, but that leads to none of the pods.
fn astray<'a>(evidence: &'a Evidence, workload: &Workload, monitor: &Value) -> Option<&'a Value> {
    let named = distinctive(name(evidence.workload.seen()?));
    if Monitor(monitor).is_of_pods() || !workload.services.is_empty() || named.is_empty() {
        return None;
    }
    let mut services = evidence.services.items().iter();
    services
        .find(|service| distinctive(name(service)) == named && selects(Monitor(monitor).selector(), labels(service)))
}

/// No command: what its selector selects now may serve somebody.
fn of_service(service: &Value, workload: &Workload) -> Fault {
    let (selector, labels) = (Service(service).selector(), labels(workload.pod));
    let selector = if selector.is_null() { "no selector".to_owned() } else { format!("the selector {selector}") };
    Fault {
        stage: Stage::Labels,
        told: format!(
            "it selects {}, which has {selector} and leads to none of the pods, whose labels are {labels}",
            titled(service)
        ),
        advice: format!("Correct the selector of {}.", titled(service)),
        commands: Vec::new(),
    }
}

fn of_labels(workload: &Workload, monitor: &Value) -> Fault {
    let selector = Monitor(monitor).selector();
    let replaced = |labels: &Value| {
        let path = "/spec/selector";
        patch(
            monitor,
            &json!([
                {"op": "test", "path": path, "value": selector},
                {"op": "replace", "path": path, "value": {"matchLabels": labels}},
            ]),
        )
    };
    let (told, commands) = if Monitor(monitor).is_of_pods() {
        let labels = workload.selector.get("matchLabels").map(replaced);
        (format!("its selector {selector} selects no pod of the workload"), labels)
    } else if let Some(service) = meant(workload, monitor) {
        let told = format!("its selector {selector} does not select {}", titled(service));
        let commands = match workload.telling_labels(service) {
            Some(labels) => Some(replaced(&labels)),
            None => satisfying(selector).filter(|labels| *labels != json!({})).map(|labels| label(service, &labels)),
        };
        (told, commands)
    } else {
        (format!("its selector {selector} selects Services, and none of them leads to the pods"), None)
    };
    Fault {
        stage: Stage::Labels,
        told,
        advice: "Have the selector and the labels agree.".to_owned(),
        commands: commands.into_iter().collect(),
    }
}

/// The Service of the pods that has a port which the monitor names; else the first.
fn meant<'a>(workload: &'a Workload, monitor: &Value) -> Option<&'a Value> {
    let endpoints = Monitor(monitor).endpoints();
    let has = |service: &&&Value| {
        Service(service)
            .ports()
            .iter()
            .any(|port| port["name"].is_string() && endpoints.iter().any(|endpoint| endpoint["port"] == port["name"]))
    };
    workload.services.iter().find(has).or(workload.services.first()).copied()
}

/// Whether one of the monitor's endpoints names a port that there is; else the one that leads to the page is meant.
fn of_port(workload: &Workload, monitor: &Value, offering: &[&Value], page: Option<u16>) -> Option<Fault> {
    let (pod, field, all) = (workload.pod, Monitor(monitor).field(), Monitor(monitor).endpoints());
    let is_pod_monitor = Monitor(monitor).is_of_pods();
    let offered = |endpoint: &Value| {
        if is_pod_monitor {
            return ports::declared(pod).any(|port| port["name"] == endpoint["port"]);
        }
        offering.iter().flat_map(|service| Service(service).ports()).any(|port| port["name"] == endpoint["port"])
    };
    let leads = |endpoint: &Value| {
        if endpoint["port"].as_str().is_some_and(|port| !port.is_empty()) {
            return offered(endpoint);
        }
        let wanted = ports::of_endpoint(endpoint);
        ports::declared(pod).any(|port| port["name"] == *wanted || port["containerPort"] == *wanted)
    };
    if all.iter().any(leads) || (offering.is_empty() && !is_pod_monitor) {
        return None;
    }
    let endpoint = all.first().unwrap_or(&Value::Null);
    let wanted =
        ["port", "targetPort", "portNumber"].into_iter().find(|key| !endpoint[*key].is_null()).unwrap_or("port");
    let whose = if is_pod_monitor { pod } else { offering[0] };
    let there: Vec<&Value> = if is_pod_monitor || wanted != "port" {
        ports::declared(pod).collect()
    } else {
        Service(whose).ports().iter().collect()
    };
    let names: Vec<&str> = there.iter().filter_map(|port| port["name"].as_str()).collect();
    let told = format!("its {wanted} {} is none of {} ({})", endpoint[wanted], titled(whose), names.join(", "));
    let of_container = |port: &Value| port["containerPort"].as_u64().and_then(|port| u16::try_from(port).ok());
    let leads_to = |port: &Value| of_container(port).or_else(|| ports::of_service(pod, port));
    let to_page = there.iter().find(|port| page.is_some() && port["name"].is_string() && leads_to(port) == page);
    let meant =
        to_page.and_then(|port| port["name"].as_str()).or(if names.len() == 1 { names.first().copied() } else { None });
    let at = format!("/spec/{field}/0");
    let path = format!("{at}/{wanted}");
    let command = match (names.as_slice(), there.as_slice()) {
        ([_, ..], _) if wanted != "portNumber" && !all.is_empty() => meant.map(|name| {
            let replace = json!({"op": "replace", "path": path, "value": name});
            patch_item(monitor, &at, endpoint, [replace])
        }),
        // A Service's only port needs no name, and a monitor finds it by nothing else.
        ([], [_]) if wanted == "port" && !is_pod_monitor && !all.is_empty() => {
            let add = json!({"op": "add", "path": "/spec/ports/0/name", "value": endpoint["port"]});
            Some(patch_item(whose, "/spec/ports/0", there[0], [add]))
        }
        _ => None,
    };
    Some(Fault {
        stage: Stage::Port,
        told,
        advice: "Have the monitor name the port as the Service or the container does.".to_owned(),
        commands: command.into_iter().collect(),
    })
}
