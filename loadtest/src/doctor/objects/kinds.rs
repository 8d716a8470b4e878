//! Kinds of object, with the paths of their fields. The objects stay as they were read, since a bundle may hold fields that
//! nobody knows, or that are malformed.

use serde_json::Value;

use super::{list, namespace, text};

/// A `HorizontalPodAutoscaler`.
#[derive(Clone, Copy)]
pub struct Hpa<'a>(pub &'a Value);

impl<'a> Hpa<'a> {
    /// Its metrics.
    pub fn metrics(self) -> &'a [Value] {
        list(self.0, "/spec/metrics")
    }

    /// What it scales.
    pub fn target(self) -> &'a Value {
        &self.0["spec"]["scaleTargetRef"]
    }

    /// The kind of what it scales. A `ScaledObject` has the field where an HPA has it, and may leave it out.
    pub fn target_kind(self) -> &'a str {
        self.target()["kind"].as_str().unwrap_or("Deployment")
    }

    /// The API version of what it scales, which a `ScaledObject` may leave out, too.
    pub fn target_version(self) -> &'a str {
        self.target()["apiVersion"].as_str().unwrap_or("apps/v1")
    }

    /// Kind and name of what it scales, such as `Deployment/web`.
    pub fn scaled(self) -> String {
        format!("{}/{}", text(self.target(), "/kind"), text(self.target(), "/name"))
    }
}

/// An `APIService`.
#[derive(Clone, Copy)]
pub struct ApiService<'a>(pub &'a Value);

impl ApiService<'_> {
    /// The Service that it names, as `namespace/name`.
    pub fn owner(self) -> String {
        format!("{}/{}", text(self.0, "/spec/service/namespace"), text(self.0, "/spec/service/name"))
    }
}

/// What the HPA scales, or another object with a pod template.
#[derive(Clone, Copy)]
pub struct Workload<'a>(pub &'a Value);

impl<'a> Workload<'a> {
    /// The labels that its new pods get; none if the kind has no template.
    pub fn pod_labels(self) -> Option<&'a Value> {
        self.0.pointer("/spec/template/metadata/labels")
    }

    /// The containers of its new pods.
    pub fn containers(self) -> &'a [Value] {
        list(self.0, "/spec/template/spec/containers")
    }

    /// Its own selector of pods.
    pub fn selector(self) -> &'a Value {
        &self.0["spec"]["selector"]
    }

    /// Whether one of its containers has an image with this in its name.
    pub fn runs_image(self, part: &str) -> bool {
        self.containers().iter().any(|container| text(container, "/image").contains(part))
    }
}

/// A `Pod`.
#[derive(Clone, Copy)]
pub struct Pod<'a>(pub &'a Value);

impl<'a> Pod<'a> {
    /// Its containers.
    pub fn containers(self) -> &'a [Value] {
        list(self.0, "/spec/containers")
    }

    /// The status of each container.
    pub fn container_statuses(self) -> &'a [Value] {
        list(self.0, "/status/containerStatuses")
    }

    /// Whether its phase is `Running`.
    pub fn is_running(self) -> bool {
        text(self.0, "/status/phase") == "Running"
    }
}

/// A `Service`.
#[derive(Clone, Copy)]
pub struct Service<'a>(pub &'a Value);

impl<'a> Service<'a> {
    /// Its ports.
    pub fn ports(self) -> &'a [Value] {
        list(self.0, "/spec/ports")
    }

    /// The labels of the pods that it sends to.
    pub fn selector(self) -> &'a Value {
        &self.0["spec"]["selector"]
    }
}

/// A `ServiceMonitor` or a `PodMonitor`.
#[derive(Clone, Copy)]
pub struct Monitor<'a>(pub &'a Value);

impl<'a> Monitor<'a> {
    /// Whether it selects pods, and not Services.
    pub fn is_of_pods(self) -> bool {
        self.0["kind"] == "PodMonitor"
    }

    /// Its selector.
    pub fn selector(self) -> &'a Value {
        &self.0["spec"]["selector"]
    }

    /// The field of its endpoints in `spec`.
    pub fn field(self) -> &'static str {
        if self.is_of_pods() { "podMetricsEndpoints" } else { "endpoints" }
    }

    /// Its endpoints.
    pub fn endpoints(self) -> &'a [Value] {
        self.0["spec"][self.field()].as_array().map_or(&[], Vec::as_slice)
    }

    /// The namespaces that it names.
    pub fn namespaces(self) -> impl Iterator<Item = &'a str> {
        list(self.0, "/spec/namespaceSelector/matchNames").iter().filter_map(Value::as_str)
    }

    /// Whether it looks in every namespace.
    pub fn looks_everywhere(self) -> bool {
        self.0["spec"]["namespaceSelector"]["any"] == true
    }

    /// Whether it looks in a namespace: in every one, in those that it names, or, if it names none, in its own.
    pub fn looks_in(self, of: &str) -> bool {
        let own = self.namespaces().next().is_none() && namespace(self.0) == of;
        self.looks_everywhere() || own || self.namespaces().any(|name| name == of)
    }
}

/// A `ScaledObject` of KEDA.
#[derive(Clone, Copy)]
pub struct ScaledObject<'a>(pub &'a Value);

impl<'a> ScaledObject<'a> {
    /// Its triggers.
    pub fn triggers(self) -> &'a [Value] {
        list(self.0, "/spec/triggers")
    }

    /// The `metadata` of the triggers that query Prometheus.
    pub fn prometheus_triggers(self) -> impl Iterator<Item = &'a Value> {
        self.triggers().iter().filter(|trigger| trigger["type"] == "prometheus").map(|trigger| &trigger["metadata"])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn monitor_that_names_no_namespace_looks_in_its_own() {
        let looks_in = |selector: Value, of: &str| {
            Monitor(&json!({"metadata": {"namespace": "watch"}, "spec": {"namespaceSelector": selector}})).looks_in(of)
        };
        // Clients in Go write an empty object if there is no selector.
        for nothing in [Value::Null, json!({}), json!({"any": false, "matchNames": []})] {
            assert!(looks_in(nothing.clone(), "watch") && !looks_in(nothing, "shop"));
        }
        let named = json!({"matchNames": ["shop"]});
        assert!(looks_in(named.clone(), "shop") && !looks_in(named, "watch"));
        assert!(looks_in(json!({"any": true}), "shop"));
    }
}
