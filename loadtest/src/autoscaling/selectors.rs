//! Label selectors of raw objects, resolved as the API server resolves them.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt};
use serde::Deserialize;
use serde_json::Value;

/// A label selector, with its `matchLabels` and `matchExpressions`; an empty one where there is none. None of what the API
/// server refuses.
pub fn selector(selector: &Value) -> Option<Selector> {
    let selector: Option<LabelSelector> = Deserialize::deserialize(selector).ok()?;
    selector.unwrap_or_default().try_into().ok()
}

/// Whether labels satisfy a selector. An empty selector takes everything.
pub fn selects(selector: &Value, labels: &Value) -> bool {
    let labels: BTreeMap<String, String> = BTreeMap::deserialize(labels).unwrap_or_default();
    self::selector(selector).is_some_and(|selector| selector.matches(&labels))
}

/// Whether a Service sends to pods with these labels. A Service without a selector has its addresses from elsewhere.
pub fn leads_to(service: &Value, labels: &Value) -> bool {
    let selector = service["spec"]["selector"].as_object().filter(|selector| !selector.is_empty());
    selector.is_some_and(|selector| selector.iter().all(|(key, value)| labels[key] == *value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_selector_is_resolved_as_the_api_server_does() {
        let labels = json!({"app": "shop", "tier": "web"});
        let expression = |key: &str, operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        assert!(selects(&json!({}), &labels) && selects(&json!({}), &Value::Null));
        assert!(selects(&json!({"matchLabels": {"app": "shop"}}), &labels));
        assert!(!selects(&json!({"matchLabels": {"app": "shop", "team": "a"}}), &labels));
        assert!(selects(&expression("app", "In", &["x", "shop"]), &labels));
        assert!(
            !selects(&expression("team", "In", &["a"]), &labels)
                && selects(&expression("team", "NotIn", &["a"]), &labels)
        );
        assert!(!selects(&expression("app", "NotIn", &["shop"]), &labels));
        assert!(
            selects(&expression("app", "Exists", &[]), &labels)
                && selects(&expression("x", "DoesNotExist", &[]), &labels)
        );
    }
}
