//! Compares our reading of the adapter's rules with the real prometheus-adapter.
//!
//! Needs `SHOPFRONT_TEST_KUBECONFIG` and `--ignored`. The test runs a second adapter with its own rules, otherwise like
//! `monitoring/prometheus-adapter`, over the series of the cluster's Prometheus. It changes nothing else, and deletes
//! what it created.

mod cases;
#[path = "../support/ending.rs"]
mod ending;
mod folder;
#[path = "../support/kubeconfig.rs"]
mod kubeconfig;
mod lab;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use http::Request;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::Client;
use kubeconfig::kubeconfig;
use lab::{Lab, error_text, eventually};
use loadtest::autoscaling::adapter_rules::{Answers, Error, Metric, Rule, Rules, Series, Source};
use loadtest::kube::cluster::percent_encoded;
use serde_json::{Value, json};

const CUSTOM: &str = "/apis/custom.metrics.k8s.io/v1beta1";
const EXTERNAL: &str = "/apis/external.metrics.k8s.io/v1beta1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: set SHOPFRONT_TEST_KUBECONFIG"]
async fn rules_list_and_query_like_the_real_adapter() {
    let lab = Rc::new(Lab::at(&kubeconfig()).await);
    // The cluster is cleaned up even after a failure.
    let compared = ending::run(compare(lab.clone())).await;
    lab.remove().await;
    if let Err(error) = compared {
        ending::fail(error);
    }
}

async fn compare(lab: Rc<Lab>) {
    let (custom, external) = (cases::custom(), cases::external());
    assert!(custom.len() >= 30);
    let config = format!("rules: [{}]\nexternalRules: [{}]\n", custom.join(",\n"), external.join(",\n"));
    let rules = Rules::parse(&config, &lab.resources().await).unwrap_or_else(|error| panic!("{error}"));

    let file = |number| format!("refused-{number:02}.yaml");
    let refused: Vec<_> = (0..cases::REFUSED.len()).map(file).collect();
    let mut configurations = vec![("config.yaml".to_owned(), config)];
    configurations.extend(refused.iter().cloned().zip(cases::REFUSED.map(str::to_owned)));
    lab.create_configurations(&configurations).await;
    lab.create_pod("refused", &refused).await;
    lab.create_pod("adapter", &["config.yaml".to_owned()]).await;

    let adapter = lab.client_of("adapter").await;
    let mut comparison = Comparison { lab: &lab, adapter, rules: &rules, asked: Vec::new(), differ: Vec::new() };
    let (answers, listing, external_listing) = comparison.listings().await;
    comparison.ask_for_custom(&answers, &listing).await;
    comparison.ask_for_external(&external_listing).await;
    comparison.queries().await;
    comparison.refusals().await;
    assert!(comparison.differ.is_empty(), "{}", comparison.differ.join("\n"));

    let (answered, unanswered): (Vec<_>, Vec<_>) = comparison.asked.iter().partition(|asked| asked.query.is_ok());
    println!(
        "{} rules and {} external rules list {} and {} metrics as the real adapter does; {} queries are its own, letter \
         by letter, and {} are refused as it refuses them; {} configurations end it as they are refused",
        custom.len(),
        external.len(),
        listing.len(),
        external_listing.len(),
        answered.len(),
        unanswered.len(),
        refused.len()
    );
}

/// A path requested from the adapter, and the query that it must send to Prometheus.
struct Asked {
    path: String,
    query: Result<String, Error>,
}

struct Comparison<'a> {
    lab: &'a Lab,
    adapter: Client,
    rules: &'a Rules,
    asked: Vec<Asked>,
    differ: Vec<String>,
}

impl Comparison<'_> {
    /// Waits until the adapter lists the metrics of the rules, and returns them.
    async fn listings(&self) -> (Answers, BTreeMap<Metric, Source>, BTreeMap<String, Source>) {
        eventually("the adapter lists what the rules say", async || {
            let mut answers = Answers::new();
            for rule in self.rules.custom().iter().chain(self.rules.external()) {
                let matcher = rule.series_matcher();
                if !answers.contains_key(matcher) {
                    answers.insert(matcher.to_owned(), self.lab.series(matcher).await.map_err(error_text)?);
                }
            }
            let listing = self.rules.listing(&answers).map_err(|error| error.to_string())?;
            let expected = listing.keys().map(|metric| (metric.to_string(), metric.namespaced)).collect();
            same(&self.listed(CUSTOM).await?, &expected)?;
            let external = self.rules.external_listing(&answers).map_err(|error| error.to_string())?;
            same(&self.listed(EXTERNAL).await?, &external.keys().map(|name| (name.clone(), true)).collect())?;
            Ok((answers, listing, external))
        })
        .await
    }

    async fn get(&self, path: &str) -> Result<Value, kube::Error> {
        self.adapter.request(Request::get(path).body(Vec::new()).unwrap()).await
    }

    async fn listed(&self, api: &str) -> Result<BTreeSet<(String, bool)>, String> {
        let list = self.get(api).await.map_err(error_text)?;
        let resources = list["resources"].as_array().unwrap().iter();
        Ok(resources
            .map(|resource| (resource["name"].as_str().unwrap().to_owned(), resource["namespaced"].as_bool().unwrap()))
            .collect())
    }

    /// Requests each metric for one of its objects. For a pod also for all pods, with a selector, and for no pods.
    async fn ask_for_custom(&mut self, answers: &Answers, listing: &BTreeMap<Metric, Source>) {
        // A rule may produce an empty name, which is listed but cannot be requested.
        for (metric, source) in listing.iter().filter(|(metric, _)| !metric.name.is_empty()) {
            let rule = &self.rules.custom()[source.rule];
            let Some((namespace, name)) = an_object(rule, answers, metric, source) else { continue };
            let query = rule.query(&source.series, metric, &namespace, &[&name], None);
            self.ask(path(metric, &namespace, &name), query).await;
            // The adapter looks up all names in the cluster for pods only.
            if metric.resource.to_string() != "pods" {
                continue;
            }
            let pods = self.lab.pods(&namespace).await;
            let pods: Vec<_> = pods.iter().map(String::as_str).collect();
            let query = rule.query(&source.series, metric, &namespace, &pods, None);
            self.ask(path(metric, &namespace, "*"), query).await;
            let (text, selector) = selector();
            let query = rule.query(&source.series, metric, &namespace, &[&name], Some(&selector));
            let path = path(metric, &namespace, &name);
            self.ask(format!("{path}?metricLabelSelector={}", percent_encoded(text)), query).await;
            let nobody = format!("{}?labelSelector=nobody%3Dhere", self::path(metric, &namespace, "*"));
            self.ask(nobody, rule.query(&source.series, metric, &namespace, &[], None)).await;
        }
    }

    async fn ask_for_external(&mut self, listing: &BTreeMap<String, Source>) {
        for (metric, source) in listing {
            let rule = &self.rules.external()[source.rule];
            let path = format!("{EXTERNAL}/namespaces/monitoring/{metric}");
            self.ask(path.clone(), rule.external_query(&source.series, "monitoring", None)).await;
            let (text, selector) = selector();
            let query = rule.external_query(&source.series, "monitoring", Some(&selector));
            self.ask(format!("{path}?labelSelector={}", percent_encoded(text)), query).await;
        }
    }

    /// Requests a path. If the rules refuse the query, the adapter must answer with an error of its own.
    async fn ask(&mut self, path: String, query: Result<String, Error>) {
        let answer = self.get(&path).await;
        let refused = matches!(&answer, Err(kube::Error::Api(status)) if matches!(status.code, 404 | 500));
        if (answer.is_err() || query.is_err()) && !refused {
            self.differ.push(format!("{path}: the rules have {query:?}, the adapter answers {answer:?}"));
        }
        self.asked.push(Asked { path, query });
    }

    /// Compares the queries with those that the adapter logged, in their order.
    async fn queries(&mut self) {
        let expected: Vec<_> =
            self.asked.iter().filter_map(|asked| Some((&asked.path, asked.query.as_ref().ok()?))).collect();
        let logged = eventually("the adapter has asked Prometheus as often", async || {
            let logged = queries(&self.lab.log("adapter", 0).await);
            if logged.len() < expected.len() {
                let first = expected.iter().zip(&logged).find(|((_, query), logged)| query != logged);
                return Err(format!("{} queries of {}, {first:?}", logged.len(), expected.len()));
            }
            Ok(logged)
        })
        .await;
        let differ = expected.iter().zip(&logged).filter(|((_, query), logged)| query != logged);
        let mut differ: Vec<_> = differ
            .map(|((path, query), logged)| format!("{path}:\n  the rules {query}\n  the adapter {logged}"))
            .collect();
        if logged.len() != expected.len() {
            differ.push(format!("the adapter asked {} queries, the rules have {}", logged.len(), expected.len()));
        }
        self.differ.extend(differ);
    }

    /// Compares the refused configurations: the adapter must end, and the rules must be an error.
    async fn refusals(&mut self) {
        let codes = self.lab.exit_codes("refused").await;
        let resources = self.lab.resources().await;
        for (number, (config, code)) in cases::REFUSED.iter().zip(codes).enumerate() {
            let log = self.lab.log("refused", number).await;
            let fatal = log.lines().find(|line| line.starts_with('F')).unwrap_or_default();
            let refused = Rules::parse(config, &resources);
            println!("{config}\n  the adapter: {fatal}\n  the rules: {:?}", refused.as_ref().map(|_| "nothing"));
            if code == 0 || fatal.is_empty() || !matches!(refused, Err(Error::Refused(_))) {
                self.differ.push(format!("{config}: exit code {code}, {fatal}; the rules have {refused:?}"));
            }
        }
    }
}

fn same(adapter: &BTreeSet<(String, bool)>, rules: &BTreeSet<(String, bool)>) -> Result<(), String> {
    let (only_adapter, only_rules): (Vec<_>, Vec<_>) =
        (adapter.difference(rules).collect(), rules.difference(adapter).collect());
    if rules.is_empty() || !only_adapter.is_empty() || !only_rules.is_empty() {
        return Err(format!("the adapter alone has {only_adapter:?}, the rules alone {only_rules:?}"));
    }
    Ok(())
}

/// The namespace and the name of an object that a metric's series describe.
fn an_object(rule: &Rule, answers: &Answers, metric: &Metric, source: &Source) -> Option<(String, String)> {
    let mut series = answers[rule.series_matcher()].iter().filter(|series| series.name == source.series);
    series.find_map(|series| {
        let mut labels = series.labels.iter().filter(|(_, value)| !value.is_empty());
        let (_, name) = labels.find(|(label, _)| {
            let labels = BTreeMap::from([((*label).clone(), String::new())]);
            rule.metrics(&[Series { name: series.name.clone(), labels }]).contains_key(metric)
        })?;
        let namespace = if metric.namespaced { series.labels.get("namespace")?.clone() } else { String::new() };
        Some((namespace, name.clone()))
    })
}

fn path(metric: &Metric, namespace: &str, name: &str) -> String {
    let Metric { resource, name: metric_name, .. } = metric;
    let metric_name = percent_encoded(metric_name);
    if resource.to_string() == "namespaces" {
        return format!("{CUSTOM}/namespaces/{name}/metrics/{metric_name}");
    }
    let within = if namespace.is_empty() { String::new() } else { format!("namespaces/{namespace}/") };
    format!("{CUSTOM}/{within}{resource}/{name}/{metric_name}")
}

/// A metric's selector, as the HPA's controller writes it in a URL, and as the HPA has it.
fn selector() -> (&'static str, LabelSelector) {
    let text = "container=a,!id,image,job in (z,kubelet,b),node notin (x)";
    let selector = json!({"matchLabels": {"container": "a"}, "matchExpressions": [
        {"key": "id", "operator": "DoesNotExist"},
        {"key": "image", "operator": "Exists"},
        {"key": "job", "operator": "In", "values": ["z", "kubelet", "b"]},
        {"key": "node", "operator": "NotIn", "values": ["x"]}]});
    (text, serde_json::from_value(selector).unwrap())
}

/// The queries in the adapter's log, in their order.
fn queries(log: &str) -> Vec<String> {
    let asked = log.lines().filter_map(|line| line.split_once("/api/v1/query?")?.1.split(' ').next());
    asked
        .map(|parameters| {
            let query =
                parameters.split('&').find_map(|parameter| parameter.strip_prefix("query=")).unwrap_or_default();
            decoded(query)
        })
        .collect()
}

/// Decodes a form value.
fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (digits, after) = rest.split_at(2);
                bytes.push(u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
                rest = after;
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap()
}
