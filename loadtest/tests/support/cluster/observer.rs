//! Reads the HPA and the pods four times a second, from start to end.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::kubectl::{Api, Kubectl};
use super::transcript::Transcript;
use super::workload::patiently;

pub const NAMESPACE: &str = "miztiik-automation-ns";
pub const HPA: &str = "shopfront-hpa";

/// The HPA controller's sync period.
pub const HPA_PERIOD: Duration = Duration::from_secs(15);

const EVERY: Duration = Duration::from_millis(250);

/// The longest time between two readings. The HPA's status stays for a sync period, so a third of it misses nothing.
const GAP: Duration = Duration::from_secs(HPA_PERIOD.as_secs() / 3);

/// The state at one moment.
#[derive(Clone, Debug)]
pub struct Sample {
    pub at: Instant,
    /// The value that the HPA compares with its target. None is `<unknown>` in kubectl.
    pub value: Option<f64>,
    /// The desired replicas.
    pub wanted: u64,
    /// The current replicas, as the HPA last counted them.
    pub current: u64,
    /// All pods, with those that are terminating.
    pub pods: Vec<String>,
    /// The ready pods.
    pub ready: Vec<String>,
}

/// How often and how long the HPA had no value since some moment.
pub struct Unknown {
    pub lasted: Duration,
    /// Lines of kubectl's own watch, which misses no change.
    pub lines: usize,
    /// The longest time between two readings.
    pub gap: Duration,
}

pub struct Observer {
    latest: watch::Receiver<Sample>,
    history: Arc<Mutex<Vec<Sample>>>,
    tasks: [JoinHandle<()>; 2],
    /// The lines of `kubectl get hpa --watch`.
    lines: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Observer {
    /// Starts to watch an HPA, which must exist.
    pub async fn start(api: &Api, kubectl: &Kubectl) -> Self {
        let first = patiently("the HPA can be read", Duration::from_secs(30), async || sample(api).await).await;
        let history = Arc::new(Mutex::new(vec![first.clone()]));
        let (sender, latest) = watch::channel(first);
        let sampling = tokio::spawn({
            let (api, history) = (api.clone(), history.clone());
            async move {
                let mut turns = tokio::time::interval(EVERY);
                loop {
                    turns.tick().await;
                    if let Some(sample) = sample(&api).await {
                        history.lock().expect("no holder panics").push(sample.clone());
                        sender.send_replace(sample);
                    }
                }
            }
        });
        let lines = Arc::new(Mutex::new(Vec::new()));
        let watching = tokio::spawn({
            let mut watching = kubectl.follow(&format!("-n {NAMESPACE} get hpa {HPA} --watch --no-headers"));
            let lines = lines.clone();
            async move {
                while let Some(line) = watching.next().await {
                    lines.lock().expect("no holder panics").push((Instant::now(), line));
                }
            }
        });
        Self { latest, history, tasks: [sampling, watching], lines }
    }

    pub fn now(&self) -> Sample {
        self.latest.borrow().clone()
    }

    /// Waits until a sample meets this condition.
    pub async fn until(&self, what: &str, bound: Duration, holds: impl Fn(&Sample) -> bool) -> Sample {
        let mut latest = self.latest.clone();
        let waited = tokio::time::timeout(bound, latest.wait_for(|sample| holds(sample))).await;
        let reached = waited.map(|sample| sample.expect("the observer outlives its readers").clone());
        reached.unwrap_or_else(|_| panic!("not within {bound:?}: {what}; there is {:?}", self.now()))
    }

    /// The samples since then.
    pub fn since(&self, start: Instant) -> Vec<Sample> {
        let history = self.history.lock().expect("no holder panics");
        history.iter().filter(|sample| sample.at >= start).cloned().collect()
    }

    /// How long the HPA had no value since then. Fails if there is a gap in the readings, which would prove nothing.
    pub fn unknown_since(&self, start: Instant) -> Unknown {
        assert!(!self.tasks.iter().any(JoinHandle::is_finished), "kubectl get hpa --watch has ended, or the sampling");
        let lines = self.lines.lock().expect("no holder panics");
        assert!(!lines.is_empty(), "kubectl get hpa --watch has printed nothing");
        let samples = self.since(start);
        let mut readings = vec![start];
        readings.extend(samples.iter().map(|sample| sample.at));
        readings.push(Instant::now());
        let gap = readings.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
        assert!(gap <= GAP, "the HPA was not read for {gap:?}");
        let without = samples.windows(2).filter(|pair| pair[0].value.is_none());
        let shown = lines.iter().filter(|(at, line)| *at >= start && line.contains("<unknown>"));
        Unknown { lasted: without.map(|pair| pair[1].at - pair[0].at).sum(), lines: shown.count(), gap }
    }

    /// Prints the lines of `kubectl get hpa --watch` since then that changed.
    pub fn show(&self, transcript: &Transcript, start: Instant) {
        transcript.say(format_args!("$ kubectl -n {NAMESPACE} get hpa {HPA} --watch      # seconds before each line"));
        let mut last = String::new();
        for (at, line) in self.lines.lock().expect("no holder panics").iter().filter(|(at, _)| *at >= start) {
            // All columns but the age.
            let columns =
                line.split_whitespace().rev().skip(1).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>();
            let columns = columns.join("   ");
            if columns != last {
                transcript.say(format_args!("{:>6.1}  {columns}", (*at - start).as_secs_f64()));
                last = columns;
            }
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn sample(api: &Api) -> Option<Sample> {
    let hpa = format!("/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers/{HPA}");
    let hpa = api.json(&hpa).await?;
    let pods = pods(api, NAMESPACE, "app%3Dshopfront").await?;
    let metric = &hpa["status"]["currentMetrics"][0];
    let value = ["pods", "external"].iter().find_map(|kind| metric[kind]["current"]["averageValue"].as_str());
    Some(Sample {
        at: Instant::now(),
        value: value.map(quantity),
        wanted: hpa["status"]["desiredReplicas"].as_u64().unwrap_or(0),
        current: hpa["status"]["currentReplicas"].as_u64().unwrap_or(0),
        ready: pods.iter().filter(|pod| is_ready(pod)).map(name).collect(),
        pods: pods.iter().map(name).collect(),
    })
}

/// The pods with this label.
pub async fn pods(api: &Api, namespace: &str, selector: &str) -> Option<Vec<Value>> {
    let list = api.json(&format!("/api/v1/namespaces/{namespace}/pods?labelSelector={selector}")).await?;
    Some(list["items"].as_array()?.clone())
}

pub fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().expect("an object has a name").to_owned()
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    pod["metadata"]["deletionTimestamp"].is_null()
        && conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
}

/// Reads a quantity, such as `2` or `660m`.
pub fn quantity(text: &str) -> f64 {
    let (digits, unit) = text.strip_suffix('m').map_or((text, 1.0), |digits| (digits, 0.001));
    digits.parse::<f64>().unwrap_or_else(|_| panic!("{text} is a number or thousandths")) * unit
}
