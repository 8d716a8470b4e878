//! What the chart's schema accepts, and how it refuses the rest: one line that names the key.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::helm::{chart, helm, refusal, render, root};

fn schema() -> Value {
    let text = std::fs::read_to_string(chart().join("values.schema.json")).expect("the schema is there");
    serde_json::from_str(&text).expect("the schema is JSON")
}

fn values() -> Value {
    let text = std::fs::read_to_string(chart().join("values.yaml")).expect("the values are there");
    serde_saphyr::from_str(&text).expect("the values are YAML")
}

/// Every key of a tree whose keys the schema knows, with dots.
fn keys(
    of: &Map<String, Value>,
    below: &str,
    into: &mut BTreeSet<String>,
    nested: &dyn Fn(&Value) -> Option<Map<String, Value>>,
) {
    for (key, value) in of {
        let path = if below.is_empty() { key.clone() } else { format!("{below}.{key}") };
        if let Some(inner) = nested(value) {
            keys(&inner, &path, into, nested);
        }
        into.insert(path);
    }
}

/// The schema's own keys.
fn known() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    let schema = schema();
    let properties = |schema: &Value| schema["properties"].as_object().cloned();
    keys(&properties(&schema).expect("it has properties"), "", &mut known, &properties);
    known
}

#[test]
fn schema_and_defaults_have_the_same_keys() {
    let known = known();
    let mut defaults = BTreeSet::new();
    let fields = |value: &Value| value.as_object().filter(|fields| !fields.is_empty()).cloned();
    keys(values().as_object().expect("an object"), "", &mut defaults, &fields);
    // Free forms, whose keys are not the chart's.
    let free = ["resources.", "podSecurityContext.", "securityContext.", "dashboard.labels."];
    defaults.retain(|key| !free.iter().any(|form| key.starts_with(form)));
    let absent: Vec<_> = known
        .iter()
        .filter(|key| {
            !defaults.contains(*key) && !key.starts_with("autoscaling.behavior.") && !key.starts_with("resources.")
        })
        .collect();
    // Helm hands `global` to each chart of an umbrella.
    assert_eq!(absent, ["global"]);
    assert!(defaults.is_subset(&known), "{:?}", defaults.difference(&known));
}

#[test]
fn unknown_keys_are_refused_at_each_level() {
    let mut objects = vec![String::new()];
    let schema = schema();
    let closed = |key: &str| {
        let pointer = format!("/properties/{}", key.replace('.', "/properties/"));
        schema.pointer(&pointer).is_some_and(|schema| schema["additionalProperties"] == false)
    };
    objects.extend(known().into_iter().filter(|key| closed(key)).map(|key| format!("{key}.")));
    assert!(objects.len() > 10, "{objects:?}");
    for object in objects {
        let said = refusal(&["--set", &format!("{object}mistyped=1")]);
        assert!(said.contains("mistyped"), "{object}: {said}");
    }
}

#[test]
fn bad_values_are_refused_by_their_key() {
    let cases = [
        ("scaler=hpa", "scaler"),
        ("scaler=", "scaler"),
        ("replicas=-1", "replicas"),
        ("autoscaling.minimum=0", "minimum"),
        ("autoscaling.maximum=many", "maximum"),
        ("autoscaling.target=0", "target"),
        ("autoscaling.target=0.0", "target"),
        ("autoscaling.target=2rps", "target"),
        ("autoscaling.window=2 minutes", "window"),
        ("autoscaling.cpu=0m", "cpu"),
        ("autoscaling.cpu=0%", "cpu"),
        ("autoscaling.behavior.scaleDown.selectPolicy=Least", "selectPolicy"),
        ("autoscaling.behavior.scaleDown.stabilizationWindowSeconds=3601", "stabilizationWindowSeconds"),
        ("image.repository=", "repository"),
        ("image.repository=shopfront:1.0", "repository"),
        ("image.digest=sha256:abc", "digest"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("publicMetrics=yes", "publicMetrics"),
        ("lab=on", "lab"),
        ("terminationGracePeriodSeconds=5", "terminationGracePeriodSeconds"),
        ("monitor.kind=Probe", "kind"),
        ("monitor.interval=", "interval"),
        ("monitor.interval=5", "interval"),
        ("monitor.prometheus=k8s", "prometheus"),
        ("monitor.serviceAccount=prometheus-k8s", "serviceAccount"),
        ("monitor.namespace=Monitoring", "namespace"),
        ("service.type=ExternalName", "type"),
        ("service.port=0", "port"),
        ("service.port=65536", "port"),
        ("keda.serverAddress=prometheus:9090", "serverAddress"),
        ("topologySpread=always", "topologySpread"),
        ("podDisruptionBudget.maxUnavailable=0", "maxUnavailable"),
        ("podDisruptionBudget.maxUnavailable=101%", "maxUnavailable"),
        ("extraArgs[0]=drain-delay", "extraArgs"),
        ("test.stages[0]=10rps", "stages"),
        ("test.expectReplicas=-1", "expectReplicas"),
        ("fullnameOverride=Shop_Front", "fullnameOverride"),
    ];
    for (set, key) in cases {
        let said = refusal(&["--set", set]);
        assert!(said.contains(key), "{set}: {said}");
    }
}

#[test]
fn values_that_contradict_each_other_are_refused_with_the_remedy() {
    let cases: [(&[&str], &str); 7] = [
        (&["autoscaling.minimum=5"], "autoscaling.maximum is 3, and must be at least autoscaling.minimum, 5"),
        (&["scaler=cpu,autoscaling.cpu=70%", "resources.requests.cpu=null"], "set resources.requests.cpu"),
        (&["monitor.enabled=false"], "set monitor.enabled=true"),
        (&["ingress.enabled=true"], "ingress.hosts is empty"),
        (&["httpRoute.enabled=true"], "httpRoute.parentRefs is empty"),
        (&["service.loadBalancerSourceRanges[0]=10.0.0.0/8"], "needs service.type=LoadBalancer"),
        (&["scaler=keda"], "keda.serverAddress: set it to Prometheus' address"),
    ];
    for (sets, remedy) in cases {
        let arguments: Vec<_> = sets.iter().flat_map(|set| ["--set", set]).collect();
        let said = refusal(&arguments);
        assert!(said.contains(remedy), "{sets:?}: {said}");
    }
}

#[test]
fn values_at_their_limits_are_accepted() {
    for set in [
        "replicas=0,scaler=none",
        "autoscaling.minimum=3",
        "autoscaling.target=0.5",
        "autoscaling.target=1000000",
        "scaler=cpu,autoscaling.cpu=70%",
        "scaler=cpu,autoscaling.cpu=0.25",
        "scaler=cpu,autoscaling.cpu=1",
        "image.repository=registry.example:5000/team/shopfront",
        "podDisruptionBudget.maxUnavailable=100%",
        "monitor.enabled=false,publicMetrics=true",
        "global.imageRegistry=registry.example",
        "test.enabled=false",
    ] {
        assert!(!render(&["--set", set]).is_empty(), "{set}");
    }
}

#[test]
fn helm_lint_finds_nothing() {
    let keda = "scaler=keda,keda.serverAddress=http://prometheus-operated.monitoring.svc:9090";
    for set in ["scaler=adapter", keda, "scaler=cpu", "scaler=none"] {
        let output = helm(&["lint", "--strict", "charts/shopfront", "--kube-version", "1.34", "--set", set]);
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
}

/// `charts/prometheus-adapter-values.yaml`, for the community's chart.
#[test]
fn adapter_values_have_the_rule_of_k8s_and_nothing_that_clashes_with_the_chart_s_defaults() {
    let read = |file: &str| std::fs::read_to_string(root().join(file)).expect("the file is there");
    let adapter: Value = serde_saphyr::from_str(&read("charts/prometheus-adapter-values.yaml")).expect("it is YAML");
    let map: Value = serde_saphyr::from_str(&read("k8s/custom-metrics-config.yaml")).expect("it is YAML");
    let config: Value = serde_saphyr::from_str(map["data"]["config.yaml"].as_str().expect("text")).expect("it is YAML");
    assert_eq!(adapter["rules"], json!({"custom": config["rules"]}), "the defaults stay as they are");
    assert_eq!(adapter["prometheus"]["port"], 9090);
    let url = adapter["prometheus"]["url"].as_str().expect("an address");
    assert_eq!(url, "http://prometheus-operated.{{ .Release.Namespace }}.svc", "the operator's own Service");
    let rule = config["rules"][0]["name"]["as"].as_str().expect("a name");
    assert_eq!(rule.replace("${1}", "http_requests"), values()["autoscaling"]["metric"].as_str().expect("a name"));
}
