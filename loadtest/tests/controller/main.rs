//! The HPA's algorithm as the model has it, against the real kube-controller-manager.
//!
//! Needs `SHOPFRONT_TEST_KUBECONFIG` and `--ignored`. The test serves custom and external metrics itself, from this machine,
//! so that nothing else in the cluster (prometheus-adapter, KEDA) may serve them while it runs; it fails where
//! something does, and leaves nothing behind.

mod cluster;
#[path = "../support/ending.rs"]
mod ending;
mod fake_api;
#[path = "../support/kubeconfig.rs"]
mod kubeconfig;
mod situations;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use cluster::{Cluster, metric_name, name};
use fake_api::{FakeApi, Metrics};
use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, MetricSpec, MetricTarget};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kubeconfig::kubeconfig;
use loadtest::autoscaling::hpa::{
    Behavior, Condition, Controller, Decision, Metric, Of, Phase, Pod, Reading, Scale, Target, Version,
};
use loadtest::autoscaling::predict::{Pipeline, Source};
use loadtest::autoscaling::rate::Function;
use loadtest::autoscaling::{Autoscaler, Measured, quantity};
use serde_json::Value;
use situations::{Answer, Situation, pod, situations};
use tokio::time::{Instant, interval};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: set SHOPFRONT_TEST_KUBECONFIG"]
async fn the_real_controller_decides_as_the_model_does() {
    let cluster = Rc::new(Cluster::at(&kubeconfig()).await);
    cluster.assert_nobody_serves_metrics().await;
    // Whatever happens in between, the cluster is left as it was found.
    let judged = ending::run(judge(cluster.clone())).await;
    cluster.remove().await;
    if let Err(error) = judged {
        ending::fail(error);
    }
}

/// What the test knows of the cluster, and has seen in it.
struct Seen {
    version: Version,
    metrics: Arc<Metrics>,
    /// Every change of the replicas that an HPA desires, in its order.
    desired: BTreeMap<String, Vec<u64>>,
    /// The HPAs whose spec was changed, as they were before.
    before: BTreeMap<String, Value>,
}

async fn judge(cluster: Rc<Cluster>) {
    let situations = situations();
    assert!(situations.len() >= 100, "{}", situations.len());
    let version = cluster.version().await;
    let scripts = situations.iter().enumerate().flat_map(|(number, case)| {
        let each = case.metrics.iter().enumerate();
        each.map(move |(index, metric)| (metric_name(&name(number), index), metric.answers.clone()))
    });
    let metrics = Metrics { namespace: cluster.namespace.clone(), scripts: scripts.collect(), ..Metrics::default() };
    let metrics = Arc::new(metrics);
    let api = FakeApi::start(cluster.own_address().await, metrics.clone()).await;
    cluster.create_namespace().await.unwrap();
    cluster.register(api.address).await.unwrap();
    cluster.create_pods(&situations).await.unwrap();
    cluster.have_status(&situations).await;
    let refused = cluster.create_hpas(&situations).await;
    for (number, answer) in &refused {
        let is_expected = situations[*number].needs_scaling_to_zero() && !version.scales_to_zero();
        assert!(is_expected && answer.contains("spec.minReplicas"), "{}: {answer}", situations[*number].name);
        println!("{} {}: Kubernetes {version} refuses minReplicas 0", name(*number), situations[*number].name);
    }

    let refused: Vec<usize> = refused.into_iter().map(|(number, _)| number).collect();
    let mut seen = Seen { version, metrics, desired: BTreeMap::new(), before: BTreeMap::new() };
    let mut open: Vec<usize> = (0..situations.len()).filter(|number| !refused.contains(number)).collect();
    let mut last = Vec::new();
    let (end, mut turns) = (Instant::now() + Duration::from_mins(4), interval(Duration::from_secs(1)));
    while !open.is_empty() {
        turns.tick().await;
        for hpa in cluster.hpas().await {
            seen.note(&hpa);
        }
        last.clear();
        let mut still = Vec::new();
        for &number in &open {
            let (case, name) = (&situations[number], name(number));
            change(&cluster, case, &name, &mut seen).await;
            match compare(&cluster, case, &name, &seen).await {
                Ok(line) => println!("{name} {}: {line}", case.name),
                Err(error) => {
                    last.push(format!("{name} {}: {error}", case.name));
                    still.push(number);
                }
            }
        }
        open = still;
        // A sync is seen before its outcome is, so that a difference counts only when it stays.
        assert!(Instant::now() < end, "{} not as the model has it:\n{}", open.len(), last.join("\n"));
    }
    println!(
        "Kubernetes {version}: {} of {} situations decided as the model decides them, {} refused as the model refuses them",
        situations.len() - refused.len(),
        situations.len(),
        refused.len()
    );
}

impl Seen {
    /// Notes the replicas that an HPA desires, if they are others than before.
    fn note(&mut self, hpa: &Value) {
        let name = hpa["metadata"]["name"].as_str().unwrap().to_owned();
        let desired = hpa["status"]["desiredReplicas"].as_u64().unwrap_or(0);
        let all = self.desired.entry(name).or_default();
        if all.last().copied().unwrap_or(0) != desired {
            all.push(desired);
        }
    }
}

/// Changes the HPA's spec when its time has come.
async fn change(cluster: &Cluster, case: &Situation, name: &str, seen: &mut Seen) {
    let Some((syncs, spec)) = &case.change else { return };
    if seen.metrics.looks(name).len() == *syncs && !seen.before.contains_key(name) {
        let hpa = cluster.hpa(name).await;
        // The outcome of the last sync is to be seen first.
        if hpa["status"]["conditions"].is_array() {
            // The change may bring the next outcome before this one is listed.
            seen.note(&hpa);
            seen.before.insert(name.to_owned(), hpa);
            cluster.change(name, spec).await;
        }
    }
}

/// The model over the syncs that the controller has had, against what it did; an error says what differs, which may be
/// only that there was no sync yet, or that its outcome is not written.
async fn compare(cluster: &Cluster, case: &Situation, name: &str, seen: &Seen) -> Result<String, String> {
    let looks = seen.metrics.looks(name);
    let asks = case.replicas > 0;
    if asks && looks.len() < case.syncs() {
        return Err(format!("{} syncs of {}", looks.len(), case.syncs()));
    }
    let hpa = cluster.hpa(name).await;
    let own = autoscaler(&hpa, seen.version);
    let before = seen.before.get(name).map(|before| autoscaler(before, seen.version));
    let decisions = decisions(case, name, before.as_ref().unwrap_or(&own), &own, seen);
    let is_decided = |decision: &&Decision| {
        let failed = |condition: &Condition| condition.kind == "ScalingActive" && !condition.status;
        decision.rescaled.is_some() || !decision.conditions.iter().any(failed)
    };
    let mut expected: Vec<u64> = decisions.iter().filter(is_decided).map(|decision| decision.desired.into()).collect();
    expected.dedup();
    if expected.first() == Some(&0) {
        expected.remove(0);
    }
    let desired = seen.desired.get(name).map_or(&[][..], Vec::as_slice);
    if expected != desired {
        return Err(format!("desired {desired:?}, the model {expected:?}"));
    }
    let Some(last) = decisions.last() else { return Err("no sync yet".to_owned()) };
    let replicas = cluster.replicas(name).await;
    if replicas != last.desired {
        return Err(format!("{replicas} replicas, the model {}", last.desired));
    }
    let mut values = Vec::new();
    for (index, metric) in case.metrics.iter().enumerate() {
        let current = &hpa["status"]["currentMetrics"][index][metric.kind.names().1]["current"];
        let value = current[metric.kind.target().1].as_str().and_then(quantity::value);
        let model = last.values.get(index).copied().flatten();
        // The average of no pods is a number that the machine makes up.
        let is_made_up = model.is_none() && value.is_some_and(|value| value < 0.0);
        if !is_made_up && value.map(quantity::milli) != model.map(quantity::milli) {
            return Err(format!("{value:?}, the model {model:?}"));
        }
        values.push(model);
    }
    let text = |condition: &Value, field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    let conditions = hpa["status"]["conditions"].as_array().into_iter().flatten();
    let says = conditions.map(|condition| {
        let [kind, status, reason, message] =
            ["type", "status", "reason", "message"].map(|field| text(condition, field));
        format!("{kind}={status} {reason}: {message}")
    });
    // What the API server makes of an answer of 404 is its own, and an External metric's selector, here none, is not
    // told.
    let cut = |text: String| text.split(": unable to get").next().unwrap_or_default().replace("(nil)", "");
    let says: Vec<_> = says.map(cut).collect();
    let expected: Vec<_> = last.conditions.iter().map(|condition| cut(condition.to_string())).collect();
    if says != expected {
        return Err(format!("says {says:?}, the model {expected:?}"));
    }
    if let Some((syncs, _)) = &case.change {
        // The change itself brings a sync, or it waits for the next.
        let waited = looks[*syncs].0 - looks[syncs - 1].0;
        let is_at_once = waited < 10.0;
        if is_at_once != seen.version.syncs_changes_at_once() {
            return Err(format!("synced {waited:.1} s after the sync before the change"));
        }
    }
    Ok(format!("{desired:?}, {} replicas, {values:?} after {} syncs", last.desired, looks.len()))
}

/// What the controller knows of an HPA: as the API server gives it back, which drops what its version does not know.
fn autoscaler(hpa: &Value, kubernetes: Version) -> Autoscaler {
    let hpa: HorizontalPodAutoscaler = serde_json::from_value(hpa.clone()).unwrap();
    let spec = hpa.spec.unwrap();
    let number = |quantity: Option<Quantity>| quantity.map(|quantity| quantity::value(&quantity.0).unwrap());
    let target = |target: MetricTarget| {
        let average = number(target.average_value).map(Target::AverageValue);
        average.or_else(|| number(target.value).map(Target::Value)).unwrap()
    };
    let measured = |metric: MetricSpec| {
        let pods = metric.pods.map(|pods| (pods.metric.name, Of::Pods, pods.target));
        let external = metric.external.map(|external| (external.metric.name, Of::External, external.target));
        let object = metric.object.map(|object| {
            let of = Of::Object { kind: object.described_object.kind, object: object.described_object.name };
            (object.metric.name, of, object.target)
        });
        let (name, of, aim) = pods.or(external).or(object).unwrap();
        Measured { metric: Metric { name, of, target: target(aim) }, window: 60.0, function: Function::Rate }
    };
    let metrics: Vec<_> = spec.metrics.unwrap().into_iter().map(measured).collect();
    Autoscaler {
        name: format!("{}/{}", hpa.metadata.namespace.unwrap(), hpa.metadata.name.unwrap()),
        scaled: format!("Deployment/{}", spec.scale_target_ref.name),
        metric: metrics[0].metric.name.clone(),
        target: metrics[0].metric.target.value(),
        min: spec.min_replicas.unwrap().try_into().unwrap(),
        max: spec.max_replicas.try_into().unwrap(),
        behavior: Behavior::of(spec.behavior.as_ref()).unwrap(),
        pipeline: Pipeline {
            scrape: 5.0,
            window: 60.0,
            function: Function::Rate,
            relist: 0.0,
            sync: 15.0,
            startup: 1.0,
            source: Source::Pods,
        },
        created: None,
        metrics,
        kubernetes,
    }
}

/// The model's decisions at the moments at which the controller asked for the metrics, and before them those that need
/// none.
fn decisions(case: &Situation, name: &str, before: &Autoscaler, after: &Autoscaler, seen: &Seen) -> Vec<Decision> {
    let own: Vec<_> = (case.pods.chars().enumerate())
        .map(|(index, letter)| {
            let (phase, leaving) = pod(letter);
            Pod { name: format!("{name}-{index}"), phase, leaving }
        })
        .collect();
    let made = |number| Pod { name: format!("{name}-{number}"), phase: Phase::Pending, leaving: false };
    let pods = |replicas| if case.has_status { (0..replicas).map(made).collect() } else { own.clone() };
    let scale = |replicas| Scale { replicas, status: if case.has_status { replicas } else { 0 } };
    let looks: Vec<_> = (0..case.metrics.len()).map(|index| seen.metrics.looks(&metric_name(name, index))).collect();
    let mut controller = Controller::new(before);
    let mut replicas = case.replicas;
    let mut decisions = Vec::new();
    if replicas == 0 || !(before.min..=before.max).contains(&replicas) {
        let at = looks[0].first().map_or(0.0, |(at, _)| at - before.pipeline.sync);
        decisions.push(controller.sync(at, scale(replicas), &pods(replicas), &[]));
        replicas = decisions[0].desired;
    }
    for (number, (at, _)) in looks[0].iter().enumerate() {
        if case.change.as_ref().is_some_and(|(syncs, _)| number == *syncs) {
            controller.change(after);
        }
        // The later metrics of a sync may be asked for a moment after this was read.
        let Some(answers) = looks.iter().map(|looks| looks.get(number)).collect::<Option<Vec<_>>>() else { break };
        let readings: Vec<_> = answers.iter().map(|(_, answer)| reading(name, answer)).collect();
        let readings: Vec<_> = readings.iter().map(|reading| reading.as_ref().map_err(|why| *why)).collect();
        let decision = controller.sync(*at, scale(replicas), &pods(replicas), &readings);
        replicas = decision.desired;
        decisions.push(decision);
    }
    decisions
}

fn reading(name: &str, answer: &Answer) -> Result<Reading, &'static str> {
    match answer {
        Answer::Missing => Err("unable to fetch metrics from custom metrics API"),
        Answer::Total(total) => Ok(Reading::Total(*total)),
        Answer::Values(values) => {
            let value = |(index, value): (usize, &Option<i64>)| Some((format!("{name}-{index}"), (*value)?));
            Ok(Reading::Pods(values.iter().enumerate().filter_map(value).collect()))
        }
    }
}
