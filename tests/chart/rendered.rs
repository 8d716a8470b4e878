//! What the chart renders: for each version of Kubernetes, for each scaler, and under the longest name.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, from_value, json};

use crate::custom::{Custom, PrometheusRuleSpec, ScaledObjectSpec, ServiceMonitorSpec};
use crate::helm::{LIKE_K8S, of_kind, one, refusal, release, render};

/// Values that turn everything on.
const EVERYTHING: &str = "networkPolicy.enabled=true,dashboard.enabled=true,alerts.enabled=true,\
    ingress.enabled=true,ingress.hosts[0]=shop.example.com,ingress.className=nginx,ingress.tls[0].secretName=shop-tls,\
    httpRoute.enabled=true,httpRoute.parentRefs[0].name=public,httpRoute.hostnames[0]=shop.example.com,\
    service.type=LoadBalancer,service.loadBalancerSourceRanges[0]=203.0.113.7/32,monitor.serviceAccount=monitoring/prometheus,\
    priorityClassName=high,nodeSelector.disk=ssd,tolerations[0].key=spot,topologySpread=required,\
    podLabels.team=red,podAnnotations.note=x,imagePullSecrets[0].name=registry,extraArgs[0]=--drain-delay=10s,\
    tls.secretName=shop-tls,grpc.enabled=true,otlp.endpoint=http://otel-collector:4318,networkPolicy.egress[0].ports[0].port=4318,\
    env[0].name=SHOPFRONT_LOG_FORMAT,env[0].value=json,\
    autoscaling.behavior.scaleDown.stabilizationWindowSeconds=60";

const KEDA: &str = "scaler=keda,keda.serverAddress=http://prometheus-operated.monitoring.svc:9090";

const SCALERS: [&str; 4] = ["scaler=adapter", KEDA, "scaler=cpu", "scaler=none"];

/// What is left of an object when all that its type does not know is dropped.
fn through<T: DeserializeOwned + Serialize>(object: &Value) -> Value {
    let typed = from_value::<T>(object.clone()).unwrap_or_else(|error| panic!("{error}: {object}"));
    serde_json::to_value(typed).expect("it can be written")
}

fn typed(object: &Value) -> Value {
    let of = |field: &str| object[field].as_str().unwrap_or_else(|| panic!("no {field}: {object}"));
    match (of("apiVersion"), of("kind")) {
        ("v1", "Service") => through::<Service>(object),
        ("v1", "ServiceAccount") => through::<ServiceAccount>(object),
        ("v1", "ConfigMap") => through::<ConfigMap>(object),
        ("apps/v1", "Deployment") => through::<Deployment>(object),
        ("batch/v1", "Job") => through::<Job>(object),
        ("autoscaling/v2", "HorizontalPodAutoscaler") => through::<HorizontalPodAutoscaler>(object),
        ("policy/v1", "PodDisruptionBudget") => through::<PodDisruptionBudget>(object),
        ("networking.k8s.io/v1", "NetworkPolicy") => through::<NetworkPolicy>(object),
        ("networking.k8s.io/v1", "Ingress") => through::<Ingress>(object),
        ("rbac.authorization.k8s.io/v1", "Role") => through::<Role>(object),
        ("rbac.authorization.k8s.io/v1", "RoleBinding") => through::<RoleBinding>(object),
        ("monitoring.coreos.com/v1", "ServiceMonitor") => through::<Custom<ServiceMonitorSpec>>(object),
        ("monitoring.coreos.com/v1", "PrometheusRule") => through::<Custom<PrometheusRuleSpec>>(object),
        ("keda.sh/v1alpha1", "ScaledObject") => through::<Custom<ScaledObjectSpec>>(object),
        // Not among the types of this project.
        ("monitoring.coreos.com/v1", "PodMonitor") | ("gateway.networking.k8s.io/v1", "HTTPRoute") => object.clone(),
        (version, kind) => panic!("{version} {kind} is not among what the chart uses"),
    }
}

#[test]
fn every_object_has_a_known_type_and_known_fields() {
    for scaler in SCALERS {
        for kind in ["monitor.kind=ServiceMonitor", "monitor.kind=PodMonitor"] {
            // `behavior` of a ScaledObject is not among the fields that k8s/keda uses.
            let everything = if scaler == KEDA {
                EVERYTHING.replace("autoscaling.behavior.scaleDown.stabilizationWindowSeconds=60", "replicas=1")
            } else {
                EVERYTHING.to_owned()
            };
            for object in render(&["--set", &everything, "--set", scaler, "--set", kind]) {
                assert_eq!(typed(&object), object, "{scaler}, {kind}");
            }
        }
    }
}

#[test]
fn versions_of_kubernetes_from_1_30_to_1_37_get_the_same_objects() {
    let all = |version: &str| render(&["--kube-version", version, "--set", EVERYTHING]);
    let newest = all("1.37.2");
    assert!(newest.len() > 10);
    for version in ["1.30.0", "1.31.4-eks-1234567", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37"] {
        assert_eq!(all(version), newest, "{version}");
    }
    let said = refusal(&["--kube-version", "1.29.9"]);
    assert!(said.contains("1.30"), "{said}");
}

#[test]
fn each_scaler_has_its_own_object_and_no_other() {
    for (scaler, expected) in SCALERS.iter().zip([
        vec!["HorizontalPodAutoscaler"],
        vec!["ScaledObject"],
        vec!["HorizontalPodAutoscaler"],
        vec![],
    ]) {
        let objects = render(&["--set", scaler]);
        let scalers: Vec<_> = objects
            .iter()
            .filter_map(|object| object["kind"].as_str())
            .filter(|kind| ["HorizontalPodAutoscaler", "ScaledObject"].contains(kind))
            .collect();
        assert_eq!(scalers, expected, "{scaler}");
        // Whoever scales owns the number.
        let replicas = &one(&objects, "Deployment", "shopfront")["spec"]["replicas"];
        assert_eq!(replicas.is_null(), *scaler != "scaler=none", "{scaler}");
    }
}

#[test]
fn cpu_is_an_amount_or_a_share() {
    let target = |cpu: &str| {
        let objects = render(&["--set", "scaler=cpu", "--set-string", &format!("autoscaling.cpu={cpu}")]);
        one(&objects, "HorizontalPodAutoscaler", "shopfront")["spec"]["metrics"][0]["resource"]["target"].clone()
    };
    assert_eq!(target("50m"), json!({"type": "AverageValue", "averageValue": "50m"}));
    assert_eq!(target("70%"), json!({"type": "Utilization", "averageUtilization": 70}));
}

/// The Service, the budget, the monitor and the HPA select the pods of their own release, and never the load tool's.
/// Whatever labels and variables a user adds, each key and name stands there once.
#[test]
fn values_of_the_user_repeat_no_key_of_the_chart() {
    let set = r"podLabels.app\.kubernetes\.io/name=other,podLabels.team=shop";
    let target = ["--set", set, "--set", "env[0].name=SHOPFRONT_TARGET", "--set-string", "env[0].value=5"];
    let objects = release("shopfront", &target);
    let deployment = of_kind(&objects, "Deployment").next().expect("a Deployment");
    let template = &deployment["spec"]["template"];
    let labels = &template["metadata"]["labels"];
    assert_eq!((&labels["app.kubernetes.io/name"], &labels["team"]), (&json!("shopfront"), &json!("shop")));
    let variables = &template["spec"]["containers"][0]["env"];
    assert_eq!(variables, &json!([{"name": "SHOPFRONT_TARGET", "value": "5"}]));
}

#[test]
fn selectors_select_the_pods_of_their_own_release_alone() {
    let labels = |object: &Value| object.as_object().expect("labels").clone();
    for (this, other) in [("shopfront", "shopfront-blue"), ("blue", "green")] {
        let objects = release(this, &["--set", EVERYTHING]);
        let pods = |objects: &[Value], kind: &str| {
            let found: Vec<_> = of_kind(objects, kind)
                .map(|object| labels(&object["spec"]["template"]["metadata"]["labels"]))
                .collect();
            assert_eq!(found.len(), 1, "{kind}");
            found[0].clone()
        };
        let (own, load) = (pods(&objects, "Deployment"), pods(&objects, "Job"));
        let stranger = pods(&release(other, &[]), "Deployment");
        let mut selectors = vec![];
        for object in &objects {
            let spec = &object["spec"];
            let selector = match object["kind"].as_str() {
                Some("Service") => &spec["selector"],
                Some("Deployment" | "PodDisruptionBudget") => &spec["selector"]["matchLabels"],
                Some("NetworkPolicy") if object["metadata"]["annotations"].is_null() => {
                    &spec["podSelector"]["matchLabels"]
                }
                _ => continue,
            };
            selectors.push(labels(selector));
        }
        assert_eq!(selectors.len(), 5, "two Services, Deployment, budget and policy");
        for selector in selectors {
            let takes =
                |pod: &serde_json::Map<String, Value>| selector.iter().all(|(key, value)| pod.get(key) == Some(value));
            assert!(takes(&own) && !takes(&load) && !takes(&stranger), "{selector:?}");
        }
    }
}

#[test]
fn names_fit_whatever_the_release_is_called() {
    let longest = "r".repeat(53);
    let objects = release(&longest, &["--set", EVERYTHING, "--set", KEDA]);
    let mut names = BTreeSet::new();
    for object in &objects {
        let name = object["metadata"]["name"].as_str().expect("a name");
        assert!(name.len() <= 63 && !name.ends_with('-'), "{name}");
        assert!(names.insert((object["kind"].to_string(), name.to_owned())), "two {name}");
        for (label, value) in object["metadata"]["labels"].as_object().expect("labels") {
            assert!(value.as_str().is_some_and(|value| value.len() <= 63), "{label}: {value}");
        }
    }
    // A release that has the chart's name in its own does not repeat it.
    assert_eq!(
        of_kind(&release("my-shopfront", &[]), "Deployment").next().expect("one")["metadata"]["name"],
        "my-shopfront"
    );
    assert_eq!(of_kind(&release("demo", &[]), "Deployment").next().expect("one")["metadata"]["name"], "demo-shopfront");
}

#[test]
fn monitor_has_the_labels_that_are_set_or_else_the_release_of_the_stack() {
    let labels = |set: &str| {
        let objects = render(&["--set", "alerts.enabled=true", "--set", set]);
        let of = |kind: &str| one(&objects, kind, "shopfront")["metadata"]["labels"].clone();
        assert_eq!(of("ServiceMonitor")["release"], of("PrometheusRule")["release"], "both are selected alike");
        of("ServiceMonitor")
    };
    assert_eq!(labels("scaler=adapter")["release"], "kube-prometheus-stack");
    assert_eq!(labels("monitor.release=kps")["release"], "kps");
    assert_eq!(labels("monitor.release=")["release"], Value::Null);
    let own = labels("monitor.labels.team=red");
    assert_eq!((&own["team"], &own["release"]), (&json!("red"), &Value::Null));
}

#[test]
fn every_pod_satisfies_the_restricted_standard() {
    for object in render(&["--set", EVERYTHING]).iter().filter(|object| object["spec"]["template"].is_object()) {
        let pod = &object["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"], json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}}));
        for container in pod["containers"].as_array().expect("containers") {
            assert_eq!(
                container["securityContext"],
                json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}})
            );
        }
    }
    // Without an HPA to watch, the load tool asks the API server for nothing.
    let objects = render(&["--set", "scaler=none"]);
    let job = one(&objects, "Job", "shopfront-test");
    assert_eq!(job["spec"]["template"]["spec"]["automountServiceAccountToken"], false);
    assert_eq!(of_kind(&objects, "Role").count(), 0);
}

/// The image is named by tag, or by digest, which wins.
#[test]
fn images_are_named_by_tag_or_digest() {
    let image = |set: &str| {
        let objects = render(&["--set", set]);
        one(&objects, "Deployment", "shopfront")["spec"]["template"]["spec"]["containers"][0]["image"].clone()
    };
    assert_eq!(image("image.repository=host/shopfront"), "host/shopfront:1.0");
    assert_eq!(image("image.tag=2.0"), "shopfront:2.0");
    let digest = format!("sha256:{}", "a".repeat(64));
    assert_eq!(image(&format!("image.tag=2.0,image.digest={digest}")), format!("shopfront@{digest}"));
}

/// KEDA's query, the dashboard and the alerts ask by the label `service`, which every monitor gives.
#[test]
fn series_have_the_label_that_the_queries_ask_by() {
    for set in ["publicMetrics=false", "monitor.kind=PodMonitor", "publicMetrics=true,monitor.kind=PodMonitor"] {
        let objects = render(&["--set", set]);
        let monitor =
            objects.iter().find(|object| object["kind"].as_str().is_some_and(|kind| kind.ends_with("Monitor")));
        let spec = &monitor.expect("a monitor")["spec"];
        let endpoint =
            if spec["endpoints"].is_array() { &spec["endpoints"][0] } else { &spec["podMetricsEndpoints"][0] };
        assert_eq!(endpoint["port"], "ops", "{set}");
        assert_eq!(endpoint["relabelings"], json!([{"targetLabel": "service", "replacement": "shopfront"}]), "{set}");
    }
    let objects = render(&[LIKE_K8S, &["--set", KEDA]].concat());
    let query = &one(&objects, "ScaledObject", "shopfront")["spec"]["triggers"][0]["metadata"]["query"];
    assert!(query.as_str().is_some_and(|query| query.contains(r#"service="shopfront""#)), "{query}");
}

#[test]
fn tls_grpc_and_traces_have_their_ports_and_variables_and_nothing_of_them_is_there_by_default() {
    let of = |values: &[&str]| {
        let objects = render(values);
        let pod = one(&objects, "Deployment", "shopfront")["spec"]["template"]["spec"].clone();
        let ports = one(&objects, "Service", "shopfront")["spec"]["ports"].clone();
        let names = |list: &Value| {
            let names = list.as_array().into_iter().flatten().map(|item| item["name"].as_str().unwrap().to_owned());
            names.collect::<BTreeSet<_>>()
        };
        let container = &pod["containers"][0];
        (names(&container["env"]), names(&container["ports"]), names(&ports), pod["volumes"].clone())
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let (variables, ports, of_service, volumes) = of(&[]);
    assert_eq!(variables, set(&["SHOPFRONT_TARGET"]));
    assert_eq!((ports, of_service, volumes), (set(&["web", "ops"]), set(&["web"]), Value::Null));

    let values = "tls.secretName=shop-tls,grpc.enabled=true,otlp.endpoint=http://otel-collector:4318";
    let (variables, ports, of_service, volumes) = of(&["--set", values]);
    assert_eq!(
        variables,
        set(&[
            "SHOPFRONT_TARGET",
            "SHOPFRONT_TLS_CERT",
            "SHOPFRONT_TLS_KEY",
            "SHOPFRONT_GRPC_ADDRESS",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_SERVICE_NAME",
        ])
    );
    assert_eq!((ports, of_service), (set(&["web", "ops", "https", "grpc"]), set(&["web", "https"])));
    assert_eq!(volumes, json!([{"name": "tls", "secret": {"secretName": "shop-tls"}}]));
    let said = refusal(&["--set", values, "--set", "networkPolicy.enabled=true"]);
    assert!(said.contains("networkPolicy.egress"), "{said}");
    let said = refusal(&["--set", values, "--set", "service.port=443"]);
    assert!(said.contains("service.port"), "{said}");
}
