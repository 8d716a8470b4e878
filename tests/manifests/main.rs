//! `k8s/`, without a cluster: typed objects that agree with each other and with the code's own constants.

mod custom;
mod expressions;
mod network;
mod objects;
mod ops;
#[path = "../support/mod.rs"]
mod support;
mod tls;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use custom::{
    Component, Custom, Kustomization, PodMonitorSpec, PrometheusRuleSpec, ScaledObjectSpec, ServiceMonitorSpec,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, LimitRange, Namespace, ResourceQuota, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use objects::{NAMESPACE, container, documents, folder, object, pod, text};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shopfront::app::Endpoint;
use shopfront::config::Config;
use shopfront::metrics::REQUESTS_TOTAL;
use support::program;

/// Every YAML file below `k8s/`, by its name there.
fn files() -> BTreeSet<String> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&folder(), &mut found);
    found.iter().map(|path| path.strip_prefix(folder()).unwrap().to_str().unwrap().to_owned()).collect()
}

/// What is left of an object when all that its type does not know is dropped.
fn through<T: DeserializeOwned + Serialize>(document: &Value) -> Result<Value, serde_json::Error> {
    serde_json::to_value(serde_json::from_value::<T>(document.clone())?)
}

#[test]
fn every_object_has_a_known_type_and_known_fields() {
    for file in files() {
        // None is an object of its own: cases for promtool, and patches.
        if file == "observability/tests/alerts.yaml" || file.contains("mount.yaml") || file.contains("-patch.yaml") {
            continue;
        }
        for document in documents(&file) {
            let of =
                |field: &str| document[field].as_str().unwrap_or_else(|| panic!("no {field} in k8s/{file}")).to_owned();
            let typed = match (of("apiVersion").as_str(), of("kind").as_str()) {
                ("v1", "Namespace") => through::<Namespace>(&document),
                ("v1", "ServiceAccount") => through::<ServiceAccount>(&document),
                ("v1", "Service") => through::<Service>(&document),
                ("v1", "ConfigMap") => through::<ConfigMap>(&document),
                ("v1", "ResourceQuota") => through::<ResourceQuota>(&document),
                ("v1", "LimitRange") => through::<LimitRange>(&document),
                ("apps/v1", "Deployment") => through::<Deployment>(&document),
                ("batch/v1", "Job") => through::<Job>(&document),
                ("autoscaling/v2", "HorizontalPodAutoscaler") => through::<HorizontalPodAutoscaler>(&document),
                ("policy/v1", "PodDisruptionBudget") => through::<PodDisruptionBudget>(&document),
                ("networking.k8s.io/v1", "NetworkPolicy") => through::<NetworkPolicy>(&document),
                ("rbac.authorization.k8s.io/v1", "Role") => through::<Role>(&document),
                ("rbac.authorization.k8s.io/v1", "RoleBinding") => through::<RoleBinding>(&document),
                ("apiregistration.k8s.io/v1", "APIService") => through::<APIService>(&document),
                ("monitoring.coreos.com/v1", "ServiceMonitor") => through::<Custom<ServiceMonitorSpec>>(&document),
                ("monitoring.coreos.com/v1", "PodMonitor") => through::<Custom<PodMonitorSpec>>(&document),
                ("monitoring.coreos.com/v1", "PrometheusRule") => through::<Custom<PrometheusRuleSpec>>(&document),
                ("keda.sh/v1alpha1", "ScaledObject") => through::<Custom<ScaledObjectSpec>>(&document),
                ("kustomize.config.k8s.io/v1beta1", "Kustomization") => through::<Kustomization>(&document),
                ("kustomize.config.k8s.io/v1alpha1", "Component") => through::<Component>(&document),
                (version, kind) => panic!("k8s/{file}: {version} {kind} is not among what this project uses"),
            };
            assert_eq!(typed.unwrap_or_else(|error| panic!("k8s/{file}: {error}")), document, "k8s/{file}");
        }
    }
}

#[test]
fn kustomize_applies_the_files_of_the_walk_through_in_order() {
    let kustomization: Kustomization = object("kustomization.yaml", "Kustomization");
    assert_eq!(
        kustomization.resources,
        [
            "miztiik-automation-ns.yml",
            "limits.yaml",
            "networkpolicy.yaml",
            "k8s_cluster_role_rbac_perms.yaml",
            "custom-metrics-apiservice.yaml",
            "custom-metrics-config.yaml",
            "shopfront.yml",
        ]
    );
    for (folder, own) in [("keda", "keda/kustomization.yaml"), ("observability", "observability/kustomization.yaml")] {
        let kustomization: Kustomization = object(own, "Kustomization");
        for file in kustomization.resources {
            assert!(files().contains(&format!("{folder}/{file}")), "{folder}/{file}");
        }
    }
}

/// The number of the container's port of this name.
fn container_port(name: &str) -> i32 {
    let ports = container().ports.unwrap();
    ports.iter().find(|port| port.name.as_deref() == Some(name)).unwrap_or_else(|| panic!("port {name}")).container_port
}

/// The settings as they are without flags and variables.
fn defaults() -> Config {
    Config::parse_from(["shopfront"])
}

#[test]
fn ports_names_and_labels_agree_with_each_other_and_with_the_code() {
    let service: Service = object("shopfront.yml", "Service");
    let deployment: Deployment = object("shopfront.yml", "Deployment");
    let budget: PodDisruptionBudget = object("shopfront.yml", "PodDisruptionBudget");
    let hpa: HorizontalPodAutoscaler = object("shopfront.yml", "HorizontalPodAutoscaler");
    let monitor: Custom<ServiceMonitorSpec> = object("shopfront.yml", "ServiceMonitor");

    // One label ties the pods, the Service, the budget and Prometheus' targets together.
    let app = Some([("app".to_owned(), "shopfront".to_owned())].into());
    let specification = deployment.spec.unwrap();
    assert_eq!(specification.template.metadata.unwrap().labels, app);
    assert_eq!(specification.selector.match_labels, app);
    assert_eq!((&service.metadata.labels, &service.spec.as_ref().unwrap().selector), (&app, &app));
    assert_eq!(budget.spec.unwrap().selector.unwrap().match_labels, app);
    assert_eq!(monitor.spec.selector, json!({"matchLabels": {"app": "shopfront"}}));
    assert_eq!(monitor.spec.namespace_selector.match_names, [NAMESPACE]);
    for constraint in pod().topology_spread_constraints.unwrap() {
        assert_eq!(constraint.label_selector.unwrap().match_labels, app);
    }

    let own = i32::from(defaults().address[0].port());
    let port = &service.spec.unwrap().ports.unwrap()[0];
    assert_eq!(
        (port.name.as_deref(), port.port, port.target_port.clone()),
        (Some("web"), 80, Some(IntOrString::Int(own)))
    );
    assert_eq!(container_port("web"), own);
    let scraped = &monitor.spec.endpoints[0];
    assert_eq!(
        (scraped.port.as_str(), scraped.path.as_str(), scraped.interval.as_str()),
        ("web", Endpoint::Metrics.path(), "5s")
    );

    let target = hpa.spec.as_ref().unwrap();
    assert_eq!(Some(target.scale_target_ref.name.as_str()), deployment.metadata.name.as_deref());
    assert_eq!((target.min_replicas, target.max_replicas), (Some(1), 3));
    let job = object::<Job>("loadtest.yml", "Job").spec.unwrap().template.spec.unwrap().containers.remove(0);
    let arguments = job.args.unwrap();
    assert!(arguments.contains(&format!("--url=http://{}/", service.metadata.name.unwrap())), "{arguments:?}");
    assert!(arguments.contains(&format!("--hpa={NAMESPACE}/{}", hpa.metadata.name.unwrap())), "{arguments:?}");
    for kind in ["Service", "Deployment", "PodDisruptionBudget", "HorizontalPodAutoscaler"] {
        assert_eq!(object::<Value>("shopfront.yml", kind)["metadata"]["namespace"], NAMESPACE, "{kind}");
    }
}

/// By each of AWS' controllers: two want it in words, and the third wants nothing said of it.
#[test]
fn load_balancer_is_internet_facing() {
    let service: Service = object("shopfront.yml", "Service");
    let scheme = "service.beta.kubernetes.io/aws-load-balancer-scheme".to_owned();
    assert_eq!(service.metadata.annotations, Some([(scheme, "internet-facing".to_owned())].into()));
    let wanted = service.spec.unwrap();
    assert_eq!((wanted.type_.as_deref(), wanted.load_balancer_class), (Some("LoadBalancer"), None));
}

#[test]
fn grace_period_covers_the_sleep_and_the_drain() {
    let sleep = container().lifecycle.unwrap().pre_stop.unwrap().sleep.unwrap().seconds;
    let shutdown = defaults().shutdown;
    let needed = Duration::from_secs(sleep.try_into().unwrap()) + shutdown.drain_delay + shutdown.shutdown_timeout;
    let granted = Duration::from_secs(pod().termination_grace_period_seconds.unwrap().try_into().unwrap());
    assert!(needed < granted, "{needed:?} of {granted:?}");
}

/// Whichever image the documented command has put there.
#[test]
fn each_workload_names_its_image_once() {
    let images = |file: &String| text(file).matches("image: ").count();
    let named: Vec<_> = files().into_iter().map(|file| (images(&file), file)).filter(|(count, _)| *count > 0).collect();
    assert_eq!(named, [(1, "loadtest.yml".to_owned()), (1, "shopfront.yml".to_owned())]);
}

#[test]
fn documented_commands_match_the_manifests() {
    let kubernetes = include_str!("../../docs/KUBERNETES.md");
    for page in [kubernetes, include_str!("../../README.md"), include_str!("../../CONTRIBUTING.md")] {
        for word in page.split(|c: char| !c.is_ascii_alphanumeric() && !"/._-".contains(c)) {
            if let Some(file) = word.strip_prefix("k8s/") {
                assert!(folder().join(file).exists(), "k8s/{file}");
            }
        }
    }
    assert!(kubernetes.contains("s|image: [^ ]*|image: $image|"), "it replaces whatever the image's one line names");
    assert!(kubernetes.contains(r"s/\[2m\]/[1m]/") && text("custom-metrics-config.yaml").matches("[2m]").count() == 1);
}

#[test]
fn adapter_rule_turns_the_counter_into_the_metric_of_the_hpa() {
    let config: ConfigMap = object("custom-metrics-config.yaml", "ConfigMap");
    let config: Value = serde_saphyr::from_str(&config.data.unwrap()["config.yaml"]).unwrap();
    let rule = &config["rules"][0];
    assert_eq!(rule["seriesQuery"], format!("{REQUESTS_TOTAL}{{namespace!=\"\",pod!=\"\"}}"));
    assert_eq!(rule["name"], json!({"matches": "^(.*)_total", "as": "${1}_per_second"}));
    assert_eq!(rule["metricsQuery"], "sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)");
    let named = format!("{}_per_second", REQUESTS_TOTAL.strip_suffix("_total").unwrap());

    let hpa: HorizontalPodAutoscaler = object("shopfront.yml", "HorizontalPodAutoscaler");
    let metric = hpa.spec.unwrap().metrics.unwrap().remove(0).pods.unwrap();
    assert_eq!((metric.metric.name, metric.target.average_value.unwrap().0), (named, "2".to_owned()));
    // The page draws the same.
    let set = container().env.unwrap_or_default().into_iter().find(|variable| variable.name == "SHOPFRONT_TARGET");
    assert_eq!(set.and_then(|variable| variable.value), Some("2".to_owned()));

    // Without these, `kubectl top` and v1beta1.metrics.k8s.io die.
    for resource in ["cpu", "memory"] {
        for query in ["containerQuery", "nodeQuery"] {
            assert!(config["resourceRules"][resource][query].is_string(), "{resource} {query}");
        }
    }
    let service: APIService = object("custom-metrics-apiservice.yaml", "APIService");
    let behind = service.spec.unwrap().service.unwrap();
    assert_eq!((behind.namespace.as_deref(), behind.name.as_deref()), (Some("monitoring"), Some("prometheus-adapter")));
}

#[test]
fn prometheus_may_only_read_pods_services_and_endpoints() {
    let role: Role = object("k8s_cluster_role_rbac_perms.yaml", "Role");
    let mut resources = BTreeSet::new();
    for rule in role.rules.unwrap() {
        assert_eq!(rule.verbs, ["get", "list", "watch"]);
        resources.extend(rule.resources.unwrap());
    }
    assert_eq!(
        resources.iter().map(String::as_str).collect::<Vec<_>>(),
        ["endpoints", "endpointslices", "pods", "services"]
    );
    let binding: RoleBinding = object("k8s_cluster_role_rbac_perms.yaml", "RoleBinding");
    assert_eq!(Some(binding.role_ref.name), role.metadata.name);
    let subject = binding.subjects.unwrap().remove(0);
    assert_eq!((subject.name.as_str(), subject.namespace.as_deref()), ("prometheus-k8s", Some("monitoring")));
    assert_eq!(
        (role.metadata.namespace.as_deref(), binding.metadata.namespace.as_deref()),
        (Some(NAMESPACE), Some(NAMESPACE))
    );
}

#[test]
fn keda_replaces_the_hpa_with_the_same_target() {
    let hpa: HorizontalPodAutoscaler = object("shopfront.yml", "HorizontalPodAutoscaler");
    let scaled: Custom<ScaledObjectSpec> = object("keda/scaledobject.yaml", "ScaledObject");
    let wanted = hpa.spec.unwrap();
    assert_eq!(scaled.metadata["namespace"], NAMESPACE);
    assert_eq!(Some(&scaled.spec.advanced.horizontal_pod_autoscaler_config.name), hpa.metadata.name.as_ref());
    assert_eq!(scaled.spec.scale_target_ref.name, wanted.scale_target_ref.name);
    assert_eq!(
        (Some(scaled.spec.min_replica_count), scaled.spec.max_replica_count),
        (wanted.min_replicas, wanted.max_replicas)
    );
    let trigger = &scaled.spec.triggers[0];
    assert_eq!((trigger.r#type.as_str(), trigger.metric_type.as_str()), ("prometheus", "AverageValue"));
    assert_eq!(
        trigger.metadata.threshold,
        wanted.metrics.unwrap().remove(0).pods.unwrap().target.average_value.unwrap().0
    );
    assert_eq!(trigger.metadata.ignore_null_values, "false", "no answer is a fault, and not an idle shop");

    // What `-l scaler!=prometheus-adapter` leaves out is what the adapter's way needs, and nothing else.
    let mut left_out = Vec::new();
    for file in object::<Kustomization>("kustomization.yaml", "Kustomization").resources {
        left_out.extend(
            documents(&file)
                .into_iter()
                .filter(|document| document["metadata"]["labels"]["scaler"] == "prometheus-adapter"),
        );
    }
    let kinds: Vec<_> = left_out.iter().map(|document| document["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["APIService", "ConfigMap", "HorizontalPodAutoscaler"]);

    // Applied by itself: on a Prometheus that no policy guards, it would shut everybody else out.
    let kustomization: Kustomization = object("keda/kustomization.yaml", "Kustomization");
    assert_eq!(kustomization.resources, ["scaledobject.yaml"]);
    let policy: NetworkPolicy = object("keda/networkpolicy.yaml", "NetworkPolicy");
    let admitted = policy.spec.unwrap().ingress.unwrap().remove(0);
    let port = match admitted.ports.unwrap().remove(0).port.unwrap() {
        IntOrString::Int(port) => port,
        IntOrString::String(name) => panic!("{name}"),
    };
    assert!(trigger.metadata.server_address.ends_with(&format!(":{port}")), "KEDA is let in where it asks");
}

#[test]
fn grafana_patch_mounts_the_dashboards() {
    let files = ["observability/grafana-dashboard.yaml", "observability/grafana-dashboard-loadtest.yaml"];
    let dashboards = files.map(|file| object::<ConfigMap>(file, "ConfigMap"));
    let patch: Value = documents("observability/grafana-mount.yaml").remove(0);
    let mounted = &patch["spec"]["template"]["spec"];
    for (index, dashboard) in dashboards.into_iter().enumerate() {
        assert_eq!(dashboard.metadata.labels.unwrap()["grafana_dashboard"], "1");
        assert_eq!(mounted["volumes"][index]["configMap"]["name"], json!(dashboard.metadata.name));
        assert_eq!(mounted["containers"][0]["volumeMounts"][index]["name"], mounted["volumes"][index]["name"]);
    }
    let (version, kind) = ("apps/v1", "Deployment");
    let patched = json!({"apiVersion": version, "kind": kind, "metadata": {}, "spec": {"selector": {}, "template": patch["spec"]["template"]}});
    assert_eq!(through::<Deployment>(&patched).unwrap(), patched);

    // By the keys that Kubernetes merges these lists by.
    let patch: Value = documents("observability/grafana-unmount.yaml").remove(0);
    let unmounted = &patch["spec"]["template"]["spec"];
    let mount = &mounted["containers"][0];
    let deleted = |list: &Value, key: &str| -> Vec<Value> {
        list.as_array().unwrap().iter().map(|one| json!({key: one[key], "$patch": "delete"})).collect()
    };
    assert_eq!(
        unmounted["containers"][0],
        json!({"name": mount["name"], "volumeMounts": deleted(&mount["volumeMounts"], "mountPath")})
    );
    assert_eq!(unmounted["volumes"], json!(deleted(&mounted["volumes"], "name")));
}

#[tokio::test]
async fn each_alert_fires_and_does_not_fire_in_promtool() {
    // Says how to get it, where it is missing.
    let _ = program("promtool", "prometheus");
    let output = tokio::process::Command::new(folder().join("observability/tests/run")).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let cases = text("observability/tests/alerts.yaml");
    let rules: Custom<PrometheusRuleSpec> = object("observability/prometheus-rule.yaml", "PrometheusRule");
    for alert in rules.spec.groups.iter().flat_map(|group| &group.rules) {
        assert!(cases.contains(&format!("alertname=\"{}\"", alert.name)), "no case has {} fire", alert.name);
    }
}
