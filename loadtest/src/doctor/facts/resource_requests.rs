//! What a pod requests of CPU or memory, as the HPA's controller adds it up for a utilization.
//!
//! Source: `calculateRequests` in `replica_calculator.go`, as in Kubernetes 1.34 and 1.37.

use serde_json::Value;

use crate::autoscaling::quantity;
use crate::doctor::objects::{list, text};

/// Why a pod has no utilization.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Lacking {
    /// This container has no request.
    Request(String),
    /// The pod has requests of its own, none of which is for this resource, and nor do its containers.
    OfPod,
    /// There is no such container.
    Container(String),
}

/// The request of a pod, or of one container of it.
pub fn of_pod(spec: &Value, resource: &str, container: Option<&str>) -> Result<f64, Lacking> {
    summed(spec, resource, container, &["requests"])
}

/// The same of a pod's template: the API server gives a pod whose limit has no request that limit as its request.
pub fn of_template(spec: &Value, resource: &str, container: Option<&str>) -> Result<f64, Lacking> {
    summed(spec, resource, container, &["requests", "limits"])
}

fn summed(spec: &Value, resource: &str, container: Option<&str>, fields: &[&str]) -> Result<f64, Lacking> {
    let own = |of: &Value| {
        let mut found = fields.iter().map(|field| text(of, &format!("/resources/{field}/{resource}")));
        found.find_map(quantity::value)
    };
    if let Some(wanted) = container {
        let found = counted(spec).find(|one| text(one, "/name") == wanted);
        let found = found.ok_or_else(|| Lacking::Container(wanted.to_owned()))?;
        return own(found).filter(|sum| *sum > 0.0).ok_or_else(|| Lacking::Request(wanted.to_owned()));
    }
    // Requests of the pod as a whole take the place of its containers'.
    let of_pod =
        ["cpu", "memory"].iter().any(|resource| spec.pointer(&format!("/resources/requests/{resource}")).is_some());
    if of_pod {
        let containers = || counted(spec).filter_map(own).reduce(|sum, request| sum + request);
        return own(spec).or_else(containers).ok_or(Lacking::OfPod);
    }
    let lacks = |one: &Value| Lacking::Request(text(one, "/name").to_owned());
    let sum: f64 = counted(spec).map(|one| own(one).ok_or_else(|| lacks(one))).sum::<Result<_, _>>()?;
    // Requests of 0 make no utilization either.
    counted(spec).next().filter(|_| sum <= 0.0).map_or(Ok(sum), |first| Err(lacks(first)))
}

/// The containers that count: a pod's own, and its sidecars, which are init containers that keep running.
pub fn counted(spec: &Value) -> impl Iterator<Item = &Value> {
    list(spec, "/containers").iter().chain(sidecars(spec))
}

/// Init containers that keep running beside the others.
pub fn sidecars(spec: &Value) -> impl Iterator<Item = &Value> {
    list(spec, "/initContainers").iter().filter(|one| one["restartPolicy"] == "Always")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn container(name: &str, resources: &Value) -> Value {
        json!({"name": name, "resources": resources})
    }

    #[test]
    fn containers_and_sidecars_are_added_up_and_each_needs_a_request() {
        let mut spec = json!({
            "containers": [container("shop", &json!({"requests": {"cpu": "100m"}})), container("proxy", &json!({}))],
            "initContainers": [container("migrate", &json!({}))],
        });
        assert_eq!(of_pod(&spec, "cpu", None), Err(Lacking::Request("proxy".to_owned())));
        assert_eq!(of_pod(&spec, "cpu", Some("shop")), Ok(0.1));
        assert_eq!(of_pod(&spec, "cpu", Some("other")), Err(Lacking::Container("other".to_owned())));
        spec["containers"][1] = container("proxy", &json!({"limits": {"cpu": "50m"}}));
        assert_eq!(of_template(&spec, "cpu", None).map(|sum| (sum * 1000.0).round()), Ok(150.0));
        spec["containers"][1] = container("proxy", &json!({"requests": {"cpu": "50m"}}));
        assert_eq!(of_pod(&spec, "cpu", None).map(|sum| (sum * 1000.0).round()), Ok(150.0));
        // An init container that ends does not count, and one that stays does.
        spec["initContainers"][0]["restartPolicy"] = json!("Always");
        assert_eq!(of_pod(&spec, "cpu", None), Err(Lacking::Request("migrate".to_owned())));
    }

    #[test]
    fn requests_of_the_pod_take_the_place_of_its_containers() {
        let mut spec = json!({
            "resources": {"requests": {"cpu": "1"}},
            "containers": [container("shop", &json!({})), container("proxy", &json!({}))],
        });
        assert_eq!(of_pod(&spec, "cpu", None), Ok(1.0));
        assert_eq!(of_pod(&spec, "memory", None), Err(Lacking::OfPod));
        assert_eq!(of_pod(&spec, "cpu", Some("shop")), Err(Lacking::Request("shop".to_owned())));
        spec["containers"][0]["resources"] = json!({"requests": {"memory": "1Mi"}});
        assert_eq!(of_pod(&spec, "memory", None), Ok(1_048_576.0));
    }
}
