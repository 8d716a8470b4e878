//! The adapter's rule, added to the rules that are there, as docs/HELM.md says, whatever the names of the installation.

use serde_json::Value;

use crate::cluster::kubectl::Kubectl;

const API_SERVICE: &str = "k8s/custom-metrics-apiservice.yaml";

/// What was there before.
pub struct Rule {
    map: Value,
    registered: bool,
}

impl Rule {
    /// Adds the rule of `charts/prometheus-adapter-values.yaml`.
    pub async fn add(kubectl: &Kubectl) -> Self {
        let map = Self::map(kubectl).await;
        let values =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/prometheus-adapter-values.yaml"));
        let values: Value = serde_saphyr::from_str(&values.expect("the values are there")).expect("they are YAML");
        let mut config: Value =
            serde_saphyr::from_str(map["data"]["config.yaml"].as_str().expect("it has rules")).expect("it is YAML");
        let mut rules = config["rules"].as_array().cloned().unwrap_or_default();
        rules.extend(values["rules"]["custom"].as_array().expect("a list").iter().cloned());
        config["rules"] = rules.into();
        let mut changed = map.clone();
        changed["data"]["config.yaml"] = config.to_string().into();
        let service = kubectl.quietly("get apiservice v1beta1.custom.metrics.k8s.io --ignore-not-found -o name").await;
        if service.is_empty() {
            kubectl.run(&format!("apply -f {API_SERVICE}")).await;
        }
        replace(kubectl, &changed).await;
        Self { map, registered: !service.is_empty() }
    }

    /// The adapter's configuration: by the name of Helm's chart, or of kube-prometheus.
    async fn map(kubectl: &Kubectl) -> Value {
        for name in ["prometheus-adapter", "adapter-config"] {
            let text = kubectl.quietly(&format!("-n monitoring get configmap {name} --ignore-not-found -o json")).await;
            if !text.is_empty() {
                let mut map: Value = serde_json::from_str(&text).expect("kubectl prints JSON");
                let metadata = map["metadata"].as_object_mut().expect("it has metadata");
                metadata.retain(|field, _| ["name", "namespace", "labels", "annotations"].contains(&field.as_str()));
                return map;
            }
        }
        panic!("prometheus-adapter has no configuration in namespace monitoring");
    }

    /// Puts back what was there.
    pub async fn remove(self, kubectl: &Kubectl) {
        replace(kubectl, &self.map).await;
        if !self.registered {
            kubectl.run(&format!("delete -f {API_SERVICE}")).await;
        }
    }
}

/// The adapter reads its configuration only at startup.
async fn replace(kubectl: &Kubectl, map: &Value) {
    kubectl.run_with("the adapter's configuration", "replace -f -", &map.to_string()).await;
    kubectl.run("-n monitoring rollout restart deployment prometheus-adapter").await;
    kubectl.run("-n monitoring rollout status deployment prometheus-adapter --timeout 3m").await;
}
