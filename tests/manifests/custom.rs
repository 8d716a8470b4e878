//! Custom resources, as far as they are used here: a field that is not among these is a mistake, or to be added.

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Custom<S> {
    pub api_version: String,
    pub kind: String,
    pub metadata: Value,
    pub spec: S,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ServiceMonitorSpec {
    pub namespace_selector: MatchNames,
    pub selector: Value,
    pub endpoints: Vec<ScrapedEndpoint>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PodMonitorSpec {
    pub selector: Value,
    pub pod_metrics_endpoints: Vec<PodEndpoint>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PodEndpoint {
    pub port: String,
    pub interval: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MatchNames {
    pub match_names: Vec<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScrapedEndpoint {
    pub port: String,
    pub path: String,
    pub interval: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relabelings: Vec<Relabeling>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Relabeling {
    pub target_label: String,
    pub replacement: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PrometheusRuleSpec {
    pub groups: Vec<RuleGroup>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RuleGroup {
    pub name: String,
    pub rules: Vec<Alert>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    #[serde(rename = "alert")]
    pub name: String,
    pub expr: String,
    pub r#for: String,
    pub labels: Severity,
    pub annotations: Annotations,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Severity {
    pub severity: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Annotations {
    pub summary: String,
    pub description: String,
    pub runbook: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ScaledObjectSpec {
    pub scale_target_ref: Named,
    pub min_replica_count: i32,
    pub max_replica_count: i32,
    pub advanced: Advanced,
    pub triggers: Vec<Trigger>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Advanced {
    pub horizontal_pod_autoscaler_config: Named,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    pub name: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Trigger {
    pub r#type: String,
    pub metric_type: String,
    pub metadata: TriggerMetadata,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TriggerMetadata {
    pub server_address: String,
    pub query: String,
    pub threshold: String,
    pub ignore_null_values: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Kustomization {
    pub api_version: String,
    pub kind: String,
    pub resources: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Patch>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Component {
    pub api_version: String,
    pub kind: String,
    pub resources: Vec<String>,
    pub patches: Vec<Patch>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    pub path: String,
    pub target: Patched,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Patched {
    pub kind: String,
    pub name: String,
}
