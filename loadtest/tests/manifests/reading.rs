//! What `predict` reads of files and folders that anybody may have, and what it refuses as the API server does.

use std::path::PathBuf;

use loadtest::autoscaling::hpa::{Of, Target};
use loadtest::autoscaling::manifests::{self, Manifests};
use loadtest::autoscaling::predict::predict;
use loadtest::profile::Profile;
use serde_json::{Value, json};
use tempfile::TempDir;

const RULES: &str = r#"{"rules": [
    {"seriesQuery": "http_requests_total{pod!=\"\"}", "name": {"as": "requests"},
     "resources": {"overrides": {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}}},
     "metricsQuery": "sum(irate(<<.Series>>{<<.LabelMatchers>>}[1m])) by (<<.GroupBy>>)"},
    {"seriesQuery": "balancer_requests_total{service!=\"\"}", "name": {"as": "demand"},
     "resources": {"overrides": {"namespace": {"resource": "namespace"}, "service": {"resource": "service"}}},
     "metricsQuery": "sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)"}],
  "externalRules": [
    {"seriesQuery": "balancer_requests_total", "name": {"as": "balanced"}, "resources": {"namespaced": false},
     "metricsQuery": "sum(rate(<<.Series>>[2m]))"}]}"#;

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    let version = match kind {
        "HorizontalPodAutoscaler" => "autoscaling/v2",
        "Deployment" => "apps/v1",
        "Service" | "ConfigMap" => "v1",
        _ => "monitoring.coreos.com/v1",
    };
    let metadata = json!({"name": name, "namespace": "shop", "labels": {"app": "web", "part": name}});
    json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})
}

fn pods(target: &str) -> Value {
    json!({"type": "Pods", "pods": {"metric": {"name": "requests"}, "target": {"type": "AverageValue", "averageValue": target}}})
}

fn external(target: &Value) -> Value {
    json!({"type": "External", "external": {"metric": {"name": "balanced"}, "target": target}})
}

fn cpu() -> Value {
    json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}})
}

fn hpa(metrics: &[Value]) -> Value {
    let scaled = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    object(
        "HorizontalPodAutoscaler",
        "web",
        &json!({"scaleTargetRef": scaled, "minReplicas": 1, "maxReplicas": 5, "metrics": metrics}),
    )
}

/// A Deployment with two ports, its Service, a monitor of the second, and the adapter's rules.
fn others() -> Vec<Value> {
    let ports = json!([{"name": "web", "containerPort": 8080}, {"name": "metrics", "containerPort": 9090}]);
    let template = json!({"metadata": {"labels": {"app": "web", "tier": "front"}},
                          "spec": {"containers": [{"name": "web", "ports": ports}]}});
    let of_service = json!([{"name": "web", "port": 80}, {"name": "metrics", "port": 9090}]);
    let mut rules = object("ConfigMap", "adapter-config", &Value::Null);
    rules["data"] = json!({"config.yaml": RULES});
    let expressions = json!([{"key": "part", "operator": "In", "values": ["web", "shop"]}, {"key": "gone", "operator": "DoesNotExist"}]);
    vec![
        object("Deployment", "web", &json!({"template": template})),
        object("Service", "web", &json!({"selector": {"app": "web"}, "ports": of_service})),
        object(
            "ServiceMonitor",
            "web",
            &json!({"selector": {"matchExpressions": expressions}, "endpoints": [{"port": "metrics", "interval": "7s"}]}),
        ),
        rules,
    ]
}

fn folder(files: &[(&str, String)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn list(objects: &[Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()
}

fn read(objects: &[Value]) -> Result<Manifests, String> {
    let folder = folder(&[("all.json", list(objects))]);
    let place = folder.path().display().to_string();
    manifests::read(&[folder.path().join("all.json")]).map_err(|error| error.to_string().replace(&place, ""))
}

fn with(hpa: Value) -> Vec<Value> {
    [vec![hpa], others()].concat()
}

#[test]
fn a_list_is_read_from_json_and_yaml_and_by_its_own_name() {
    let expected = read(&with(hpa(&[pods("2")]))).unwrap();
    assert_eq!((expected.autoscaler.pipeline.scrape, expected.autoscaler.pipeline.window), (7.0, 60.0));
    let text = list(&with(hpa(&[pods("2")])));
    // JSON is YAML, too.
    let folder = folder(&[("all.yaml", text), ("stranger.txt", "{".to_owned())]);
    let places: [PathBuf; 2] = [folder.path().to_path_buf(), folder.path().join("all.yaml")];
    for place in places {
        assert_eq!(manifests::read(&[place]).as_ref(), Ok(&expected));
    }
    // A list of one kind does not repeat it.
    let mut objects = others();
    let mut bare = hpa(&[pods("2")]);
    bare.as_object_mut().unwrap().retain(|field, _| field != "kind" && field != "apiVersion");
    objects.push(json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscalerList", "items": [bare]}));
    assert_eq!(read(&objects).as_ref(), Ok(&expected));
}

#[test]
fn several_places_are_read_the_later_ones_first_and_none_that_is_not_named() {
    let outer = folder(&[("stranger.yaml", "a: [".to_owned())]);
    let inner = outer.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(inner.join("hpa.yaml"), hpa(&[pods("2")]).to_string()).unwrap();
    let others = folder(&[("others.json", list(&others()))]);
    let missing = manifests::read(&[&inner]).unwrap_err().to_string();
    assert!(missing.contains("no Deployment named web: add it, or name its file or folder with another"), "{missing}");
    let target = |places: &[PathBuf]| manifests::read(places).map(|read| read.autoscaler.target);
    assert_eq!(target(&[inner.clone(), others.path().to_path_buf()]), Ok(2.0));
    let later = folder(&[("hpa.json", hpa(&[pods("3")]).to_string())]);
    let later = later.path().join("hpa.json");
    assert_eq!(target(&[inner.clone(), others.path().to_path_buf(), later.clone()]), Ok(3.0));
    assert_eq!(target(&[later, others.path().to_path_buf(), inner]), Ok(2.0));
}

#[test]
fn a_pod_monitor_needs_no_service() {
    let mut objects = with(hpa(&[pods("2")]));
    objects.retain(|object| object["kind"] != "Service" && object["kind"] != "ServiceMonitor");
    let error = read(&objects).unwrap_err();
    assert!(error.contains("no Service that selects the pods of Deployment web"), "{error}");
    let endpoints = json!([{"port": "web", "interval": "3s"}, {"port": "other"}]);
    let selector = json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]});
    let monitor = object("PodMonitor", "web", &json!({"selector": selector, "podMetricsEndpoints": endpoints}));
    objects.push(monitor);
    let read = read(&objects).unwrap();
    assert_eq!((read.autoscaler.pipeline.scrape, read.workload.service), (3.0, None));
}

#[test]
fn a_monitor_of_another_namespace_does_not_count() {
    let mut objects = with(hpa(&[pods("2")]));
    let monitor = objects.iter_mut().find(|object| object["kind"] == "ServiceMonitor").unwrap();
    monitor["metadata"]["namespace"] = "monitoring".into();
    let elsewhere = monitor.clone();
    let error = read(&objects).unwrap_err();
    assert!(error.contains("no ServiceMonitor that selects Service web"), "{error}");
    let any = objects.iter_mut().find(|object| object["kind"] == "ServiceMonitor").unwrap();
    *any = elsewhere;
    any["spec"]["namespaceSelector"] = json!({"matchNames": ["shop"]});
    assert!(read(&objects).is_ok());
}

#[test]
fn the_largest_of_several_metrics_counts_and_cpu_is_left_out() {
    let average = json!({"type": "AverageValue", "averageValue": "1"});
    let read_ = read(&with(hpa(&[cpu(), pods("100"), external(&average)]))).unwrap();
    assert_eq!(read_.not_modelled, ["CPU"]);
    let metrics = &read_.autoscaler.metrics;
    let of: Vec<_> = metrics.iter().map(|metric| (&metric.metric.of, metric.metric.target, metric.window)).collect();
    let expected = [(&Of::Pods, Target::AverageValue(100.0), 60.0), (&Of::External, Target::AverageValue(1.0), 120.0)];
    assert_eq!(of, expected);
    let load: Profile = "4rps:10m".parse().unwrap();
    let last = *predict(&load, &read_.autoscaler, 1, 600.0).last().unwrap();
    assert_eq!((last.wanted, last.by), (4, 1));
    // One whose rule is not there does not hide the other.
    let mut unknown = external(&average);
    unknown["external"]["metric"]["name"] = "queue".into();
    let read_ = read(&with(hpa(&[unknown.clone(), pods("2")]))).unwrap();
    assert_eq!((read_.autoscaler.metric.as_str(), read_.autoscaler.metrics.len()), ("requests", 0));
    assert!(read_.not_modelled[0].starts_with("queue, because no ConfigMap has an external adapter rule"));
    let error = read(&with(hpa(&[unknown]))).unwrap_err();
    assert!(error.starts_with("no ConfigMap has an external adapter rule that makes queue"), "{error}");
}

#[test]
fn an_objects_value_is_read_by_the_rules_of_its_kind() {
    let described = json!({"apiVersion": "v1", "kind": "Service", "name": "web"});
    let target = json!({"type": "Value", "value": "10"});
    let metric = json!({"type": "Object", "object": {"metric": {"name": "demand"}, "describedObject": described, "target": target}});
    let read = read(&with(hpa(&[metric]))).unwrap();
    let of = Of::Object { kind: "Service".to_owned(), object: "web".to_owned() };
    let [metric] = &read.autoscaler.metrics[..] else { panic!("{:?}", read.autoscaler) };
    assert_eq!((&metric.metric.of, metric.metric.target, metric.window), (&of, Target::Value(10.0), 120.0));
}

#[test]
fn zero_is_left_and_reached_by_a_total() {
    let mut zero = hpa(&[external(&json!({"type": "AverageValue", "averageValue": "2"}))]);
    zero["spec"]["minReplicas"] = 0.into();
    let read = read(&with(zero)).unwrap();
    let load: Profile = "6rps:4m 0rps:10m".parse().unwrap();
    let moments = predict(&load, &read.autoscaler, 0, 840.0);
    let most = moments.iter().map(|moment| moment.wanted).max();
    // The first sync comes half a period after the load's start, and finds some of it.
    assert_eq!((moments[0].wanted, most, moments.last().unwrap().wanted), (1, Some(3), 0), "{moments:?}");
    // No average of no pods.
    assert!(moments.iter().all(|moment| moment.value.is_none_or(f64::is_finite)), "{moments:?}");
}

/// An HPA with this in one of its fields.
fn edited(pointer: &str, value: Value) -> String {
    let mut hpa = hpa(&[pods("2"), external(&json!({"type": "Value", "value": "2"})), cpu()]);
    hpa["spec"]["behavior"] = json!({"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 15}]}});
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    hpa["spec"].pointer_mut(parent).unwrap()[field] = value;
    read(&with(hpa)).map_or_else(|error| error, |_| "taken".to_owned())
}

/// Each of them is refused by the API server of Kubernetes 1.37 for the same field.
#[test]
fn what_the_api_server_refuses_is_one_line_with_the_fields_path() {
    for (pointer, value, expected) in [
        ("/minReplicas", json!(-1), "spec.minReplicas is -1: make it 0 or more"),
        ("/minReplicas", json!("1"), "spec.minReplicas is \"1\": make it a whole number"),
        ("/maxReplicas", json!(0), "spec.maxReplicas is 0: make it 1 or more, and no less than spec.minReplicas"),
        ("/scaleTargetRef/apiVersion", json!("v1"), "spec.scaleTargetRef.apiVersion is \"v1\": make it"),
        ("/scaleTargetRef/name", json!(""), "spec.scaleTargetRef.name is \"\": make it a name"),
        ("/scaleTargetRef/name", json!("a/b"), "spec.scaleTargetRef.name is \"a/b\": make it a name without"),
        ("/metrics/0/type", json!("Pod"), "spec.metrics[0].type is \"Pod\": make it Object, Pods, Resource"),
        ("/metrics/0/type", json!("External"), "spec.metrics[0].external is missing"),
        ("/metrics/0/resource", json!({}), "spec.metrics[0].resource does not belong to a metric of type Pods"),
        ("/metrics/0/pods/metric/name", json!(""), "spec.metrics[0].pods.metric.name is \"\": make it a name"),
        ("/metrics/0/pods/target/type", json!("Average"), "spec.metrics[0].pods.target.type is \"Average\": make it"),
        ("/metrics/0/pods/target/averageValue", json!("-1"), "spec.metrics[0].pods.target.averageValue is \"-1\""),
        ("/metrics/1/external/target/averageValue", json!("1"), "spec.metrics[1].external.target.value stands beside"),
        (
            "/metrics/2/resource/target/averageUtilization",
            json!(0),
            "spec.metrics[2].resource.target.averageUtilization is 0",
        ),
        ("/behavior/scaleUp/tolerance", json!("-0.1"), "spec.behavior.scaleUp.tolerance is \"-0.1\""),
        ("/behavior/scaleUp/selectPolicy", json!("max"), "spec.behavior.scaleUp.selectPolicy is \"max\""),
        (
            "/behavior/scaleUp/stabilizationWindowSeconds",
            json!(3601),
            "spec.behavior.scaleUp.stabilizationWindowSeconds",
        ),
        ("/behavior/scaleUp/policies", json!([]), "spec.behavior.scaleUp.policies is empty"),
        ("/behavior/scaleUp/policies/0/type", json!("Pod"), "spec.behavior.scaleUp.policies[0].type is \"Pod\""),
        ("/behavior/scaleUp/policies/0/value", json!(0), "spec.behavior.scaleUp.policies[0].value is 0"),
        (
            "/behavior/scaleUp/policies/0/periodSeconds",
            json!(1801),
            "spec.behavior.scaleUp.policies[0].periodSeconds is 1801: make it 1 to 1800",
        ),
    ] {
        let error = edited(pointer, value);
        assert!(error.contains(&format!("HorizontalPodAutoscaler web: {expected}")), "{pointer}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    let mut zero = hpa(&[pods("2"), cpu()]);
    zero["spec"]["minReplicas"] = 0.into();
    let error = read(&with(zero)).unwrap_err();
    assert!(error.contains("spec.minReplicas is 0, and spec.metrics has no Object and no External metric"), "{error}");
    let mut below = hpa(&[pods("2")]);
    below["spec"]["minReplicas"] = 9.into();
    let error = read(&with(below)).unwrap_err();
    assert!(error.contains("spec.maxReplicas is 5: make it 1 or more, and no less than spec.minReplicas, which is 9"));
    assert!(edited("/behavior/scaleUp/tolerance", json!("0")) == "taken", "0 is a tolerance");
}
