//! The chart against `k8s/`: object by object, field by field. What differs is in these tables, and nothing else may.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::helm::{LIKE_K8S, one, render};
use crate::objects::documents;

/// The names of `k8s/`, and those of the chart, which calls objects after the release. In this order: they are replaced
/// wherever they stand.
const NAMES: [(&str, &str); 9] = [
    ("grafana-dashboard-shopfront", "shopfront-dashboard"),
    ("shopfront-loadtest", "shopfront-test"),
    ("shopfront-svc", "shopfront"),
    ("shopfront-deploy", "shopfront"),
    ("shopfront-pdb", "shopfront"),
    ("shopfront-hpa", "shopfront"),
    ("shopfront-monitor", "shopfront"),
    ("shopfront-rules", "shopfront"),
    ("shopfront-scaledobject", "shopfront"),
];

/// The labels that Helm's conventions add to each object.
const CONVENTIONAL: [&str; 5] = [
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
];

/// An object of `k8s/`: its file, kind and name.
type Here = (&'static str, &'static str, &'static str);

/// A field by its JSON pointer, as it is in `k8s/` and in the chart. Null: absent.
type Difference = (&'static str, Value, Value);

/// The objects of `k8s/` that the chart does not have, each with the reason.
const NOT_IN_THE_CHART: [(Here, &str); 11] = [
    (("miztiik-automation-ns.yml", "Namespace", "miztiik-automation-ns"), "helm --create-namespace"),
    (("limits.yaml", "ResourceQuota", "namespace-quota"), "the namespace's, and not the release's"),
    (("limits.yaml", "LimitRange", "container-defaults"), "the namespace's, and not the release's"),
    (("networkpolicy.yaml", "NetworkPolicy", "default-deny"), "it would select other pods of the namespace"),
    (("custom-metrics-apiservice.yaml", "APIService", "v1beta1.custom.metrics.k8s.io"), "prometheus-adapter's chart"),
    (("custom-metrics-config.yaml", "ConfigMap", "adapter-config"), "charts/prometheus-adapter-values.yaml"),
    (("loadtest.yml", "Role", "monitoring/shopfront-loadtest"), "the monitor is in the release's namespace"),
    (("loadtest.yml", "RoleBinding", "monitoring/shopfront-loadtest"), "the monitor is in the release's namespace"),
    (("keda/networkpolicy.yaml", "NetworkPolicy", "prometheus-k8s-keda"), "another project's, and applied by itself"),
    (
        ("observability/grafana-dashboard-loadtest.yaml", "ConfigMap", "grafana-dashboard-loadtest"),
        "the load tool's, which a release does not run",
    ),
    (("ops/service.yaml", "Service", "shopfront-ops"), "publicMetrics: false, in a test of its own"),
];

/// Every file of `k8s/` with objects to be applied.
const FILES: [&str; 13] = [
    "miztiik-automation-ns.yml",
    "limits.yaml",
    "networkpolicy.yaml",
    "k8s_cluster_role_rbac_perms.yaml",
    "custom-metrics-apiservice.yaml",
    "custom-metrics-config.yaml",
    "shopfront.yml",
    "loadtest.yml",
    "keda/scaledobject.yaml",
    "keda/networkpolicy.yaml",
    "observability/grafana-dashboard.yaml",
    "observability/grafana-dashboard-loadtest.yaml",
    "observability/prometheus-rule.yaml",
];

/// The objects that both have, the chart's name for each, and what differs.
fn pairs() -> Vec<(Here, &'static str, Vec<Difference>)> {
    let shop = "shopfront.yml";
    let roles = "k8s_cluster_role_rbac_perms.yaml";
    let load = "loadtest.yml";
    vec![
        (
            (shop, "Service", "shopfront-svc"),
            "shopfront",
            // The chart may have a second Service, for the ops port.
            vec![("/metadata/labels/app.kubernetes.io~1component", Value::Null, json!("web"))],
        ),
        (
            (shop, "Deployment", "shopfront-deploy"),
            "shopfront",
            // A value of the chart; this is the default for a tag.
            vec![("/spec/template/spec/containers/0/imagePullPolicy", Value::Null, json!("IfNotPresent"))],
        ),
        ((shop, "PodDisruptionBudget", "shopfront-pdb"), "shopfront", vec![]),
        (
            (shop, "HorizontalPodAutoscaler", "shopfront-hpa"),
            "shopfront",
            vec![
                // The label by which k8s/keda leaves it out; the chart has `scaler`.
                ("/metadata/labels/scaler", json!("prometheus-adapter"), Value::Null),
                // Lets an upgrade change the scaler.
                ("/metadata/annotations", Value::Null, json!({"validations.keda.sh/hpa-ownership": "false"})),
            ],
        ),
        (
            (shop, "ServiceMonitor", "shopfront-monitor"),
            "shopfront",
            vec![("/spec/selector/matchLabels/app.kubernetes.io~1component", Value::Null, json!("web"))],
        ),
        // Named after the release, because two releases may be in one namespace.
        (
            (roles, "Role", "prometheus-k8s"),
            "shopfront-prometheus",
            vec![("/metadata/name", json!("prometheus-k8s"), json!("shopfront-prometheus"))],
        ),
        (
            (roles, "RoleBinding", "prometheus-k8s"),
            "shopfront-prometheus",
            vec![
                ("/metadata/name", json!("prometheus-k8s"), json!("shopfront-prometheus")),
                ("/roleRef/name", json!("prometheus-k8s"), json!("shopfront-prometheus")),
            ],
        ),
        (
            ("networkpolicy.yaml", "NetworkPolicy", "shopfront"),
            "shopfront",
            // k8s/ has default-deny for that.
            vec![("/spec/policyTypes/1", Value::Null, json!("Egress"))],
        ),
        (("keda/scaledobject.yaml", "ScaledObject", "shopfront-scaledobject"), "shopfront", keda()),
        (
            ("observability/grafana-dashboard.yaml", "ConfigMap", "grafana-dashboard-shopfront"),
            "shopfront-dashboard",
            vec![],
        ),
        (("observability/prometheus-rule.yaml", "PrometheusRule", "shopfront-rules"), "shopfront", vec![]),
        ((load, "ServiceAccount", "shopfront-loadtest"), "shopfront-test", vec![hook("-2")]),
        (
            (load, "Role", "shopfront-loadtest"),
            "shopfront-test",
            vec![
                hook("-2"),
                // k8s/ has this in a Role in `monitoring`, where its monitor is.
                (
                    "/rules/7",
                    Value::Null,
                    json!({"apiGroups": ["monitoring.coreos.com"], "resources": ["servicemonitors", "podmonitors"],
                        "verbs": ["list"]}),
                ),
            ],
        ),
        ((load, "RoleBinding", "shopfront-loadtest"), "shopfront-test", vec![hook("-2")]),
        ((load, "NetworkPolicy", "shopfront-loadtest"), "shopfront-test", vec![hook("-2")]),
        ((load, "Job", "shopfront-loadtest"), "shopfront-test", job()),
    ]
}

/// KEDA's HPA has a name of its own, so that Helm can go from one scaler to the other and back. `k8s/keda` takes the other
/// HPA over.
fn keda() -> Vec<Difference> {
    vec![
        ("/metadata/annotations", json!({"scaledobject.keda.sh/transfer-hpa-ownership": "true"}), Value::Null),
        ("/spec/advanced/horizontalPodAutoscalerConfig/name", json!("shopfront"), json!("shopfront-keda")),
    ]
}

/// Helm makes the objects of `helm test` for each test, and deletes them after it.
fn hook(weight: &str) -> Difference {
    let annotations = json!({
        "helm.sh/hook": "test",
        "helm.sh/hook-weight": weight,
        "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded,hook-failed",
    });
    ("/metadata/annotations", Value::Null, annotations)
}

/// One generator, a verdict instead of a journal, and room for a longer load.
fn job() -> Vec<Difference> {
    let (_, _, mut annotations) = hook("0");
    annotations["helm.sh/hook-output-log-policy"] = json!("hook-succeeded,hook-failed");
    let argument = |index: usize| format!("/spec/template/spec/containers/0/args/{index}").leak() as &'static str;
    vec![
        ("/metadata/annotations", Value::Null, annotations),
        ("/spec/activeDeadlineSeconds", json!(420), json!(1800)),
        ("/spec/completionMode", json!("Indexed"), Value::Null),
        ("/spec/completions", json!(1), Value::Null),
        ("/spec/parallelism", json!(1), Value::Null),
        (argument(1), json!("--url=http://shopfront/"), json!("--url=http://shopfront:80/")),
        (argument(4), json!("--generators=1"), json!("--expect-replicas=3")),
        (argument(5), json!("--expect-replicas=3"), json!("--max-failed=0")),
        (argument(6), json!("--max-failed=0"), Value::Null),
        (argument(7), json!("--metrics-address=0.0.0.0:9899"), Value::Null),
        (argument(8), json!("--json"), Value::Null),
        ("/spec/template/spec/containers/0/imagePullPolicy", Value::Null, json!("IfNotPresent")),
        // For k8s/keda-to-zero, which scales by what the Job offers.
        ("/spec/template/spec/containers/0/ports", json!([{"name": "metrics", "containerPort": 9899}]), Value::Null),
    ]
}

/// An object of `k8s/` with the chart's names and labels.
fn renamed(value: &Value) -> Value {
    match value {
        Value::String(text) => {
            json!(NAMES.iter().fold(text.clone(), |text, (here, there)| text.replace(here, there)))
        }
        Value::Array(items) => items.iter().map(renamed).collect(),
        Value::Object(fields) if fields.len() == 1 && fields.contains_key("app") => {
            json!({"app.kubernetes.io/name": renamed(&fields["app"]), "app.kubernetes.io/instance": "shopfront"})
        }
        Value::Object(fields) => fields.iter().map(|(key, field)| (key.clone(), renamed(field))).collect(),
        other => other.clone(),
    }
}

/// Takes the conventional labels off an object. No labels and an absent field are one.
fn without_conventions(object: &mut Value) {
    let labels = &mut object["metadata"]["labels"];
    let kept = labels.as_object().cloned().unwrap_or_default().into_iter();
    *labels = kept.filter(|(label, _)| !CONVENTIONAL.contains(&label.as_str())).collect();
}

/// What differs below this pointer. An absent field is null.
fn differences(at: &str, here: &Value, there: &Value, found: &mut Vec<(String, Value, Value)>) {
    match (here, there) {
        (Value::Object(one), Value::Object(other)) => {
            for key in one.keys().chain(other.keys()).collect::<BTreeSet<_>>() {
                let below = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                differences(&below, field(one, key), field(other, key), found);
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            for index in 0..one.len().max(other.len()) {
                let item = |items: &[Value]| items.get(index).cloned().unwrap_or_default();
                differences(&format!("{at}/{index}"), &item(one), &item(other), found);
            }
        }
        (here, there) if here == there => {}
        (here, there) => found.push((at.to_owned(), here.clone(), there.clone())),
    }
}

fn field<'a>(fields: &'a Map<String, Value>, key: &str) -> &'a Value {
    fields.get(key).unwrap_or(&Value::Null)
}

/// The object of `k8s/`. The load tool has two of a kind and name, one in `monitoring`.
fn here((file, kind, name): Here) -> Value {
    let is_it = |object: &Value| {
        let elsewhere = file == "loadtest.yml" && object["metadata"]["namespace"] == "monitoring";
        object["kind"] == kind && object["metadata"]["name"] == name && !elsewhere
    };
    let mut found: Vec<_> = documents(file).into_iter().filter(is_it).collect();
    assert_eq!(found.len(), 1, "{kind} {name} in k8s/{file}");
    found.remove(0)
}

/// With the adapter, and with KEDA.
fn both() -> [Vec<Value>; 2] {
    let address = "scaler=keda,keda.serverAddress=http://prometheus-k8s.monitoring.svc:9090";
    [render(LIKE_K8S), render(&[LIKE_K8S, &["--set", address]].concat())]
}

#[test]
fn chart_differs_from_k8s_only_as_listed() {
    let [adapter, keda] = both();
    for (object, name, listed) in pairs() {
        let kind = object.1;
        let rendered = if kind == "ScaledObject" { &keda } else { &adapter };
        let (mut here, mut there) = (renamed(&here(object)), one(rendered, kind, name).clone());
        if kind == "PrometheusRule" {
            differ_in_runbooks_only(&mut here, &mut there);
        }
        without_conventions(&mut here);
        without_conventions(&mut there);
        let mut found = Vec::new();
        differences("", &here, &there, &mut found);
        let mut listed: Vec<_> = listed.into_iter().map(|(at, here, there)| (at.to_owned(), here, there)).collect();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        listed.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(found, listed, "{kind} {name}: what differs, and what is listed");
    }
}

/// The runbooks name what the reader has: files of `k8s/`, or values of the chart. Each has as many steps.
fn differ_in_runbooks_only(here: &mut Value, there: &mut Value) {
    let rules = |rule: &mut Value| {
        let rules = rule.pointer_mut("/spec/groups/0/rules").and_then(Value::as_array_mut).expect("it has rules");
        rules.iter_mut().map(|rule| rule["annotations"]["runbook"].take()).collect::<Vec<_>>()
    };
    for (here, there) in rules(here).iter().zip(rules(there)) {
        let (here, there) = (here.as_str().expect("a runbook"), there.as_str().expect("a runbook"));
        let steps = |text: &str| text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())).count();
        assert_eq!(steps(here), steps(there), "{there}");
        assert!(!there.contains("k8s/") && !there.contains('@'), "{there}");
    }
}

#[test]
fn every_object_of_k8s_is_in_the_chart_or_listed_with_a_reason() {
    let known: BTreeSet<(String, String, String)> = pairs()
        .into_iter()
        .map(|(object, ..)| object)
        .chain(NOT_IN_THE_CHART.into_iter().map(|(object, _)| object))
        .map(|(file, kind, name)| (file.to_owned(), kind.to_owned(), name.to_owned()))
        .collect();
    let mut there = BTreeSet::from([("ops/service.yaml".into(), "Service".into(), "shopfront-ops".into())]);
    for file in FILES {
        for object in documents(file) {
            let name = object["metadata"]["name"].as_str().expect("a name");
            let elsewhere = file == "loadtest.yml" && object["metadata"]["namespace"] == "monitoring";
            let name = if elsewhere { format!("monitoring/{name}") } else { name.to_owned() };
            there.insert((file.to_owned(), object["kind"].as_str().expect("a kind").to_owned(), name));
        }
    }
    assert_eq!(known, there);
}

#[test]
fn every_object_of_the_chart_is_in_k8s_and_has_the_conventional_labels() {
    let known: BTreeSet<_> =
        pairs().into_iter().map(|((_, kind, _), name, _)| (kind.to_owned(), name.to_owned())).collect();
    let rendered: Vec<_> = both().into_iter().flatten().collect();
    let mut there = BTreeSet::new();
    for object in &rendered {
        let of = |field: &Value| field.as_str().expect("text").to_owned();
        there.insert((of(&object["kind"]), of(&object["metadata"]["name"])));
        for label in CONVENTIONAL {
            assert!(object["metadata"]["labels"][label].is_string(), "{label}: {object}");
        }
    }
    assert_eq!(there, known);
}

/// `publicMetrics: false` is `k8s/ops`.
#[test]
fn private_metrics_are_those_of_k8s_ops() {
    let objects = render(&[LIKE_K8S, &["--set", "publicMetrics=false"]].concat());
    let container = |object: &Value| object["spec"]["template"]["spec"]["containers"][0]["args"].clone();
    let patch = documents("ops/deployment-patch.yaml").remove(0);
    assert_eq!(container(one(&objects, "Deployment", "shopfront")), container(&patch));
    let lab = render(&[LIKE_K8S, &["--set", "lab=true"]].concat());
    assert_eq!(container(one(&lab, "Deployment", "shopfront")), json!(["--lab"]));

    let service = documents("ops/service.yaml").remove(0);
    assert_eq!(renamed(&service["spec"]), one(&objects, "Service", "shopfront-ops")["spec"]);

    let patch = documents("ops/monitor-patch.yaml").remove(0);
    let monitor = one(&objects, "ServiceMonitor", "shopfront");
    assert_eq!(renamed(&patch["spec"]["endpoints"]), monitor["spec"]["endpoints"]);
    assert_eq!(monitor["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"], "ops");
    let labels = &one(&objects, "Service", "shopfront-ops")["metadata"]["labels"];
    assert_eq!(labels["app.kubernetes.io/component"], "ops");
}
