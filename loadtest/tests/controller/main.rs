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

use cluster::{Cluster, name};
use fake_api::{FakeApi, Metrics};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kubeconfig::kubeconfig;
use loadtest::autoscaling::hpa::{Behavior, Controller, Decision, Phase, Pod, Reading};
use loadtest::autoscaling::predict::{Pipeline, Source};
use loadtest::autoscaling::rate::Function;
use loadtest::autoscaling::{Autoscaler, quantity};
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

async fn judge(cluster: Rc<Cluster>) {
    let situations = situations();
    assert!(situations.len() >= 40);
    let scripts = situations.iter().enumerate().map(|(number, case)| (name(number), case.answers.clone())).collect();
    let metrics = Arc::new(Metrics { namespace: cluster.namespace.clone(), scripts, ..Metrics::default() });
    let api = FakeApi::start(cluster.own_address().await, metrics.clone()).await;
    cluster.create_namespace().await.unwrap();
    cluster.register(api.address).await.unwrap();
    cluster.create_pods(&situations).await.unwrap();
    cluster.create_hpas(&situations).await.unwrap();

    // Every change of the replicas that an HPA wants, in its order; a look comes each fifteen seconds.
    let mut wanted: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut open: Vec<usize> = (0..situations.len()).collect();
    let mut last = Vec::new();
    let (end, mut turns) = (Instant::now() + Duration::from_mins(4), interval(Duration::from_secs(1)));
    while !open.is_empty() {
        turns.tick().await;
        for hpa in cluster.hpas().await {
            let name = hpa["metadata"]["name"].as_str().unwrap().to_owned();
            let desired = hpa["status"]["desiredReplicas"].as_u64().unwrap_or(0);
            let wanted = wanted.entry(name).or_default();
            if wanted.last().copied().unwrap_or(0) != desired {
                wanted.push(desired);
            }
        }
        last.clear();
        let mut still = Vec::new();
        for &number in &open {
            let case = &situations[number];
            let name = name(number);
            match compare(&cluster, case, &name, &metrics, wanted.get(&name).map_or(&[], Vec::as_slice)).await {
                Ok(line) => println!("{name} {}: {line}", case.name),
                Err(error) => {
                    last.push(format!("{name} {}: {error}", case.name));
                    still.push(number);
                }
            }
        }
        open = still;
        // A look is seen before its outcome is, so that a difference counts only when it stays.
        assert!(Instant::now() < end, "not as the model has it:\n{}", last.join("\n"));
    }
    println!("{} situations decided as the model decides them", situations.len());
}

/// The model over the looks that the controller has had, against what it did; an error says what differs, which may be
/// only that there was no look yet, or that its outcome is not written.
async fn compare(
    cluster: &Cluster,
    case: &Situation,
    name: &str,
    metrics: &Metrics,
    wanted: &[u64],
) -> Result<String, String> {
    let looks = metrics.looks(name);
    let asks = case.replicas > 0;
    if asks && looks.len() < case.answers.len() {
        return Err(format!("{} looks of {}", looks.len(), case.answers.len()));
    }
    let hpa = cluster.hpa(name).await;
    let autoscaler = autoscaler(&hpa);
    let decisions = decisions(case, name, &autoscaler, &looks);
    let decided = decisions.iter().filter(|decision| decision.value.is_some() || decision.rescaled.is_some());
    let mut expected: Vec<u64> = decided.map(|decision| decision.desired.into()).collect();
    expected.dedup();
    if expected != wanted {
        return Err(format!("wanted {wanted:?}, the model {expected:?}"));
    }
    let last = decisions.last().expect("a look");
    let replicas = cluster.replicas(name).await;
    if replicas != last.desired {
        return Err(format!("{replicas} replicas, the model {}", last.desired));
    }
    let field = if case.external() { "external" } else { "pods" };
    let value = hpa["status"]["currentMetrics"][0][field]["current"]["averageValue"].as_str().and_then(quantity::value);
    if value.map(quantity::milli) != last.value.map(quantity::milli) {
        return Err(format!("{value:?}, the model {:?}", last.value));
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
    Ok(format!("{wanted:?}, {} replicas, {value:?} after {} looks", last.desired, looks.len()))
}

/// What the controller knows of an HPA: as the API server gives it back, which drops what its version does not know.
fn autoscaler(hpa: &Value) -> Autoscaler {
    let hpa: HorizontalPodAutoscaler = serde_json::from_value(hpa.clone()).unwrap();
    let spec = hpa.spec.unwrap();
    let metric = spec.metrics.unwrap().remove(0);
    let source = if metric.external.is_some() { Source::External } else { Source::Pods };
    let pods = metric.pods.map(|pods| (pods.metric.name, pods.target));
    let (metric, target) = metric.external.map(|all| (all.metric.name, all.target)).or(pods).unwrap();
    Autoscaler {
        name: hpa.metadata.name.unwrap(),
        scaled: format!("Deployment/{}", spec.scale_target_ref.name),
        metric,
        target: quantity::value(&target.average_value.unwrap().0).unwrap(),
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
            source,
        },
        created: None,
        metrics: Vec::new(),
        kubernetes: Version::default(),
    }
}

/// The model's decisions at the moments at which the controller asked for the metric, and before them those that need
/// none.
fn decisions(case: &Situation, name: &str, autoscaler: &Autoscaler, looks: &[(f64, Answer)]) -> Vec<Decision> {
    let own: Vec<_> = (case.pods.chars().enumerate())
        .map(|(index, letter)| {
            let (phase, leaving) = pod(letter);
            Pod { name: format!("{name}-{index}"), phase, leaving }
        })
        .collect();
    let made = |number| Pod { name: format!("{name}-{number}"), phase: Phase::Pending, leaving: false };
    let pods = |replicas| if case.external() { (0..replicas).map(made).collect() } else { own.clone() };
    let mut controller = Controller::new(autoscaler);
    let mut replicas = case.replicas;
    let mut decisions = Vec::new();
    if replicas == 0 || !(autoscaler.min..=autoscaler.max).contains(&replicas) {
        let at = looks.first().map_or(0.0, |(at, _)| at - autoscaler.pipeline.sync);
        decisions.push(controller.decide(at, replicas, &pods(replicas), Err("not asked")));
        replicas = decisions[0].desired;
    }
    for (at, answer) in looks {
        let reading = match answer {
            Answer::Missing => Err("unable to fetch metrics from custom metrics API"),
            Answer::Total(total) => Ok(Reading::Total(*total)),
            Answer::Values(values) => {
                let value = |(index, value): (usize, &Option<i64>)| Some((format!("{name}-{index}"), (*value)?));
                Ok(Reading::Pods(values.iter().enumerate().filter_map(value).collect()))
            }
        };
        let decision = controller.decide(*at, replicas, &pods(replicas), reading.as_ref().map_err(|error| *error));
        replicas = decision.desired;
        decisions.push(decision);
    }
    decisions
}
