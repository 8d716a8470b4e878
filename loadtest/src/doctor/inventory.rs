//! What a cluster without an HPA has for autoscaling, and what comes next.

use serde::Serialize;
use serde_json::Value;

use crate::doctor::objects::{ApiService, Workload, condition, text, titled};
use crate::kube::read::Read;
use crate::output::Clean;
use crate::output::text::{fit, wrap};

/// The parts that bring a metric to an HPA.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    /// The API server's version.
    pub kubernetes: Option<String>,
    /// Each part, in the order in which they depend on each other.
    pub parts: Vec<Part>,
}

/// A part, and the command that comes next for it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// What it is.
    pub name: &'static str,
    /// Whether it is there and works; none if that could not be read.
    pub works: Option<bool>,
    /// What is seen of it.
    pub seen: String,
    /// What comes next, and the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Next>,
}

/// What comes next.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Next {
    /// In words.
    pub advice: &'static str,
    /// The command.
    pub command: String,
}

/// What is read of a cluster.
pub struct Found {
    /// The API server's version.
    pub kubernetes: Read<String>,
    /// The `APIService` of each of the three metrics APIs.
    pub api_services: [(&'static str, Read<Value>); 3],
    /// The Deployments of all namespaces.
    pub deployments: Read<Vec<Value>>,
    /// The operator's Prometheus objects.
    pub prometheuses: Read<Vec<Value>>,
}

/// The names of the images of each part, without registry and tag.
const OPERATOR: &[&str] = &["prometheus-operator"];
const ADAPTER: &[&str] = &["prometheus-adapter", "prometheus-adapter-amd64", "k8s-prometheus-adapter"];
const KEDA: &[&str] = &["keda", "keda-operator"];

impl Inventory {
    /// Of what was read.
    pub fn of(found: &Found) -> Self {
        let works = |part: &Part| part.works == Some(true);
        let [cpu, custom, external] = &found.api_services;
        let resource = api("CPU and memory", cpu);
        let (operator, prometheus) = (installed(found, "prometheus-operator", OPERATOR), prometheus(found));
        let (adapter, keda) = (installed(found, "prometheus-adapter", ADAPTER), installed(found, "KEDA", KEDA));
        let (has_adapter, has_keda) = (works(&adapter), works(&keda));
        let next = |part: Part, advice, command: &str| match part.works {
            Some(false) => Part { next: Some(Next { advice, command: command.to_owned() }), ..part },
            _ => part,
        };
        let parts = vec![
            match resource.works {
                Some(true) => {
                    let advice = "An HPA on CPU works now. For a Deployment whose pods request CPU:";
                    let command = "kubectl autoscale deployment NAME --cpu-percent=80 --min=1 --max=3".to_owned();
                    Part { next: Some(Next { advice, command }), ..resource }
                }
                _ => next(resource, "An HPA on CPU or memory needs metrics-server:", METRICS_SERVER),
            },
            next(operator, "An HPA on a metric of the pods needs Prometheus. With Helm:", PROMETHEUS),
            prometheus,
            if has_keda {
                adapter
            } else {
                next(
                    adapter,
                    "An HPA reads Prometheus through prometheus-adapter. With Helm, in a clone of this repository:",
                    INSTALL_ADAPTER,
                )
            },
            if has_adapter { keda } else { next(keda, "Or through KEDA:", INSTALL_KEDA) },
            api("custom metrics", custom),
            api("external metrics", external),
        ];
        let mut inventory = Self { kubernetes: found.kubernetes.seen().cloned(), parts };
        if (has_adapter || has_keda)
            && let Some(last) = inventory.parts.iter_mut().find(|part| part.name == "prometheus")
        {
            let advice = "The parts for an HPA on requests per second are there. To see one scale, in a clone of this repository \
                          (docs/HELM.md):";
            let scaler = if has_adapter { "" } else { " --set scaler=keda" };
            let command = format!(
                "helm upgrade --install shopfront charts/shopfront --namespace shop --create-namespace{scaler}"
            );
            last.next = Some(Next { advice, command });
        }
        inventory
    }

    /// For a person, in at most this width.
    pub fn render(&self, width: usize) -> Clean {
        let kubernetes =
            self.kubernetes.as_deref().map(|version| format!(" (Kubernetes {})", version.trim_start_matches('v')));
        let mut text =
            format!("There is no HPA in this cluster{}. For autoscaling it has:\n\n", kubernetes.unwrap_or_default());
        let column = self.parts.iter().map(|part| part.name.len()).max().unwrap_or_default();
        for part in &self.parts {
            let mark = match part.works {
                Some(true) => '✓',
                Some(false) => '-',
                None => '?',
            };
            text.push_str(&(fit(&format!("{mark} {:<column$}  {}", part.name, part.seen), width) + "\n"));
        }
        for next in self.parts.iter().filter_map(|part| part.next.as_ref()) {
            text.push_str(&["", &wrap(next.advice, width, 0).join("\n"), "", &next.command, ""].join("\n"));
        }
        Clean::of(&text)
    }
}

const METRICS_SERVER: &str =
    "kubectl apply -f https://github.com/kubernetes-sigs/metrics-server/releases/latest/download/components.yaml";
const PROMETHEUS: &str = "helm upgrade --install kube-prometheus-stack \
    oci://ghcr.io/prometheus-community/charts/kube-prometheus-stack --namespace monitoring --create-namespace";
const INSTALL_ADAPTER: &str = "helm upgrade --install prometheus-adapter \
    oci://ghcr.io/prometheus-community/charts/prometheus-adapter --namespace monitoring \
    --values charts/prometheus-adapter-values.yaml";
const INSTALL_KEDA: &str =
    "helm upgrade --install keda keda --repo https://kedacore.github.io/charts --namespace keda --create-namespace";

/// One of the metrics APIs: who serves it.
fn api(name: &'static str, (group, service): &(&'static str, Read<Value>)) -> Part {
    let (works, seen) = match service {
        Read::Seen(service) => {
            let owner = ApiService(service).owner();
            match condition(service, "Available") {
                Some(available) if available["status"] == "True" => (Some(true), format!("{group}: Service {owner}")),
                Some(available) => {
                    let why = format!("{}: {}", text(available, "/reason"), text(available, "/message"));
                    (Some(false), format!("{group}: Service {owner}, which is not available, {why}"))
                }
                None => (None, format!("{group}: Service {owner}, which the API server has not checked yet")),
            }
        }
        Read::Unread(unread) => (None, format!("{group}: {}", unread.reason())),
        Read::Absent | Read::NotAsked => (Some(false), format!("nobody serves {group}")),
    };
    Part { name, works, seen, next: None }
}

/// The Deployments that run a part's image.
fn installed(found: &Found, name: &'static str, images: &[&str]) -> Part {
    let (works, seen) = match &found.deployments {
        Read::Unread(unread) => (None, unread.reason()),
        all => {
            let runs: Vec<&Value> = all.items().iter().filter(|one| runs(one, images)).collect();
            let ready = |one: &&Value| one["status"]["readyReplicas"].as_u64().unwrap_or(0) > 0;
            let titles = runs.iter().map(|one| titled(one)).collect::<Vec<_>>().join(", ");
            match (runs.is_empty(), runs.iter().any(ready)) {
                (true, _) => (Some(false), "not installed".to_owned()),
                (false, true) => (Some(true), titles),
                (false, false) => (None, format!("{titles}, of which no pod is ready")),
            }
        }
    };
    Part { name, works, seen, next: None }
}

/// Whether a Deployment runs one of these images.
fn runs(deployment: &Value, images: &[&str]) -> bool {
    Workload(deployment).containers().iter().any(|container| {
        let name = text(container, "/image").rsplit('/').next().unwrap_or_default();
        images.contains(&name.split([':', '@']).next().unwrap_or_default())
    })
}

/// The Prometheus objects, and which monitors each selects.
fn prometheus(found: &Found) -> Part {
    let (works, seen) = match &found.prometheuses {
        Read::Unread(unread) => (None, unread.reason()),
        all if all.items().is_empty() => (Some(false), "the operator has no Prometheus object".to_owned()),
        all => (Some(true), all.items().iter().map(selection).collect::<Vec<_>>().join("; ")),
    };
    Part { name: "prometheus", works, seen, next: None }
}

/// Which `ServiceMonitor`s a Prometheus object selects.
fn selection(prometheus: &Value) -> String {
    let spec = &prometheus["spec"];
    let selected = |field: &str, all: &str, none: &str| match &spec[field] {
        Value::Null => none.to_owned(),
        selector if selector.as_object().is_some_and(serde_json::Map::is_empty) => all.to_owned(),
        selector => selector.to_string(),
    };
    let monitors = selected("serviceMonitorSelector", "all", "no");
    let namespaces = selected("serviceMonitorNamespaceSelector", "all namespaces", "its own namespace");
    format!("{} selects {monitors} ServiceMonitors in {namespaces}", titled(prometheus))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(deployments: Vec<Value>, custom: Read<Value>) -> Found {
        Found {
            kubernetes: Read::Seen("v1.37.2".to_owned()),
            api_services: [
                ("metrics.k8s.io", Read::Absent),
                ("custom.metrics.k8s.io", custom),
                ("external.metrics.k8s.io", Read::Absent),
            ],
            deployments: Read::Seen(deployments),
            prometheuses: Read::Absent,
        }
    }

    fn deployment(name: &str) -> Value {
        json!({"kind": "Deployment", "metadata": {"name": name, "namespace": "watch"}, "status": {"readyReplicas": 1}, "spec": {"template": {"spec": {
            "containers": [{"image": format!("registry.example/{name}:v1")}]}}}})
    }

    #[test]
    fn empty_cluster_gets_a_command_for_each_part() {
        let text = Inventory::of(&found(Vec::new(), Read::Absent)).render(100).to_string();
        for command in [METRICS_SERVER, PROMETHEUS, INSTALL_ADAPTER, INSTALL_KEDA] {
            assert!(text.contains(command), "{command}: {text}");
        }
        assert!(
            text.contains("no HPA in this cluster (Kubernetes 1.37.2)") && !text.contains("charts/shopfront "),
            "{text}"
        );
    }

    #[test]
    fn what_is_there_is_not_installed_again() {
        let service = json!({"spec": {"service": {"namespace": "watch", "name": "bridge"}},
                             "status": {"conditions": [{"type": "Available", "status": "True"}]}});
        let mut found =
            found(vec![deployment("prometheus-operator"), deployment("prometheus-adapter")], Read::Seen(service));
        found.prometheuses = Read::Seen(vec![
            json!({"kind": "Prometheus", "metadata": {"name": "k8s", "namespace": "watch"},
            "spec": {"serviceMonitorSelector": {"matchLabels": {"release": "stack"}}, "serviceMonitorNamespaceSelector": {}}}),
        ]);
        let text = Inventory::of(&found).render(200).to_string();
        assert!(
            !text.contains("oci://") && text.contains("charts/shopfront --namespace shop --create-namespace\n"),
            "{text}"
        );
        assert!(
            text.contains(r#"selects {"matchLabels":{"release":"stack"}} ServiceMonitors in all namespaces"#),
            "{text}"
        );
        assert!(text.contains("custom.metrics.k8s.io: Service watch/bridge"), "{text}");
    }

    #[test]
    fn other_programs_of_similar_names_and_parts_that_do_not_run_are_not_taken_for_it() {
        let mut stopped = deployment("prometheus-operator");
        stopped["status"] = json!({});
        let found = found(vec![deployment("keda-demo-app"), stopped], Read::Absent);
        let text = Inventory::of(&found).render(200).to_string();
        assert!(
            text.contains("- KEDA ") && text.contains("? prometheus-operator") && text.contains("no pod is ready"),
            "{text}"
        );
        assert!(!text.contains("--set scaler=keda"), "{text}");
    }
}
