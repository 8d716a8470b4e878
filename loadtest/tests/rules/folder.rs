//! The rules of the conformance test in a folder of manifests: a prediction reads the window of the query that the
//! adapter would send.

use std::collections::BTreeMap;

use loadtest::autoscaling::adapter_rules::{Answers, GroupResource, Metric, Resources, Rules, Series, Source};
use loadtest::autoscaling::manifests;
use loadtest::autoscaling::promql::ranges_of_rates;
use serde_json::{Value, json};

use super::cases;

/// The series that the cases select, as a kubelet exports them.
fn answers(rules: &Rules) -> Answers {
    let labels = |name: &str| -> Series {
        let labels = [("namespace", "shop"), ("pod", "web"), ("container", "web"), ("node", "n"), ("job", "kubelet")];
        let all = labels.into_iter().chain([("__name__", name)]);
        Series::from(all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<BTreeMap<_, _>>())
    };
    let known = ["container_cpu_usage_seconds_total", "container_memory_usage_bytes"];
    let all = rules.custom().iter().chain(rules.external());
    let answer = |matcher: &str| {
        let named = known.iter().filter(|name| matcher.starts_with(*name) || matcher.contains("__name__=~"));
        named.filter(|name| matcher.starts_with(*name) || name.contains("memory")).map(|name| labels(name)).collect()
    };
    all.map(|rule| (rule.series_matcher().to_owned(), answer(rule.series_matcher()))).collect()
}

/// Reads a folder with these rules and an HPA on this metric.
fn read(config: &str, kind: &str, metric: &str) -> Result<manifests::Manifests, String> {
    let labels = json!({"app": "web"});
    let target = json!({"type": "AverageValue", "averageValue": "2"});
    let object = |kind: &str, spec: Value| {
        let version = if kind == "HorizontalPodAutoscaler" { "autoscaling/v2" } else { "v1" };
        let metadata = json!({"name": "web", "namespace": "shop", "labels": labels});
        json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})
    };
    let mut hpa = json!({"type": kind});
    hpa[kind.to_lowercase()] = json!({"metric": {"name": metric}, "target": target});
    let scaled = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web"}]}});
    let objects = [
        object("HorizontalPodAutoscaler", json!({"scaleTargetRef": scaled, "maxReplicas": 3, "metrics": [hpa]})),
        object("Deployment", json!({"template": template})),
        object("Service", json!({"selector": labels, "ports": [{"name": "web", "port": 80}]})),
        object("ServiceMonitor", json!({"selector": {"matchLabels": labels}, "endpoints": [{"port": "web"}]})),
        json!({"kind": "ConfigMap", "metadata": {"name": "adapter"}, "data": {"config.yaml": config}}),
    ];
    let folder = tempfile::tempdir().unwrap();
    // JSON is YAML.
    let documents = objects.map(|object| object.to_string()).join("\n---\n");
    std::fs::write(folder.path().join("all.yaml"), documents).unwrap();
    manifests::read(&[folder.path()]).map_err(|error| error.to_string())
}

#[test]
fn folder_gets_the_windows_of_the_adapters_queries() {
    let config =
        format!("rules: [{}]\nexternalRules: [{}]\n", cases::custom().join(",\n"), cases::external().join(",\n"));
    let rules = Rules::parse(&config, &Resources::assumed()).unwrap();
    let answers = answers(&rules);
    let pods = GroupResource { group: String::new(), resource: "pods".to_owned() };
    let custom = rules.listing(&answers).unwrap();
    let custom = custom.into_iter().filter(|(metric, _)| metric.resource == pods && !metric.name.is_empty());
    let custom = custom.map(|(Metric { name, .. }, source)| ("Pods", name, source));
    let external = rules.external_listing(&answers).unwrap().into_iter();
    let external = external.map(|(name, source)| ("External", name, source));
    let (mut windows, mut errors) = (0, 0);
    for (kind, name, Source { rule, series }) in custom.chain(external) {
        let query = if kind == "Pods" {
            let metric = Metric { resource: pods.clone(), namespaced: true, name: name.clone() };
            rules.custom()[rule].query(&series, &metric, "shop", &["web"], None)
        } else {
            rules.external()[rule].external_query(&series, "shop", None)
        };
        let asked = query.as_deref().map(ranges_of_rates).unwrap_or_default();
        match (read(&config, kind, &name), &asked[..]) {
            (Ok(read), ["2m"]) => {
                assert_eq!(
                    (read.autoscaler.pipeline.window, read.series.as_deref()),
                    (120.0, Some(&*series)),
                    "{name}"
                );
                windows += 1;
            }
            (Err(error), []) => {
                assert!(error.contains("make it a query with a rate()") || query.is_err(), "{name}: {error}");
                assert_eq!(error.lines().count(), 1, "{error}");
                errors += 1;
            }
            (read, asked) => panic!("{kind} {name}: {asked:?} is asked for, and read is {read:?}"),
        }
    }
    // `twice` comes from the last of its rules, which has a rate.
    assert!(windows >= 9 && errors >= 15, "{windows} windows and {errors} errors");
}

#[test]
fn refused_configuration_gets_one_line() {
    for config in cases::REFUSED.iter().filter(|config| config.contains("seriesQuery")) {
        // A folder does not have the API server's resources.
        if config.contains("resource: nothing") {
            continue;
        }
        let error = read(config, "Pods", "x").unwrap_err();
        assert!(
            error.contains("stops prometheus-adapter at its start") && error.lines().count() == 1,
            "{config}: {error}"
        );
    }
}
