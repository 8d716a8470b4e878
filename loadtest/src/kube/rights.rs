//! The right that a request needs, as RBAC names it.

/// What the API server would have to allow for `verb` (get, create) on this path: `get pods/proxy in namespace x`.
pub fn right(verb: &str, path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let group = match parts.next() {
        Some("api") => "",
        Some("apis") => parts.next().unwrap_or_default(),
        _ => return format!("{verb} {path}"),
    };
    // The version.
    parts.next();
    let rest: Vec<&str> = parts.collect();
    let (namespace, rest) = match rest.as_slice() {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
        rest => (None, rest),
    };
    let (resource, name, below) = match rest {
        [resource, _, below, ..] => (*resource, true, Some(*below)),
        [resource, _] => (*resource, true, None),
        [resource] => (*resource, false, None),
        [] => return format!("{verb} {path}"),
    };
    let custom = group == "custom.metrics.k8s.io" || group == "external.metrics.k8s.io";
    let verb = if verb == "get" && !name && !custom { "list" } else { verb };
    let below = below.map(|below| format!("/{below}")).unwrap_or_default();
    let dot = if group.is_empty() { "" } else { "." };
    let place = match namespace {
        Some(namespace) => format!("namespace {namespace}"),
        None if name || query.is_empty() && verb != "list" => "the cluster".to_owned(),
        None => "all namespaces".to_owned(),
    };
    format!("{verb} {resource}{dot}{group}{below} in {place}")
}

#[cfg(test)]
mod tests {
    use super::right;

    #[test]
    fn a_right_is_named_as_rbac_names_it() {
        for (path, named) in [
            ("/api/v1/namespaces/a/pods/b:80/proxy/metrics?x=/y", "get pods/proxy in namespace a"),
            ("/api/v1/namespaces/a/pods?labelSelector=x", "list pods in namespace a"),
            ("/api/v1/namespaces/a", "get namespaces in the cluster"),
            ("/apis/apps/v1/namespaces/a/deployments/b/scale", "get deployments.apps/scale in namespace a"),
            (
                "/apis/monitoring.coreos.com/v1/servicemonitors",
                "list servicemonitors.monitoring.coreos.com in all namespaces",
            ),
            (
                "/apis/custom.metrics.k8s.io/v1beta1/namespaces/a/pods/*/hits",
                "get pods.custom.metrics.k8s.io/hits in namespace a",
            ),
            (
                "/apis/external.metrics.k8s.io/v1beta1/namespaces/a/hits?labelSelector=",
                "get hits.external.metrics.k8s.io in namespace a",
            ),
            ("/apis", "get /apis"),
        ] {
            assert_eq!(right("get", path), named);
        }
        let review = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        assert_eq!(right("create", review), "create subjectaccessreviews.authorization.k8s.io in the cluster");
    }
}
