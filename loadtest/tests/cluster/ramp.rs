//! Ten requests a second, and the way to three pods beside the floor that arithmetic gives.

use std::time::Duration;

use crate::cluster::observer::{HPA_PERIOD, NAMESPACE, Observer, Sample};
use crate::cluster::settings::Scaler;
use crate::cluster::workload::patiently;
use crate::load::{JOB, Load};
use crate::steps::{Run, SCRAPE, SLACK};

/// Requests a second of each pod that the HPA aims at, and the tolerance within which it does nothing.
const TARGET: f64 = 2.0;
const TOLERANCE: f64 = 1.1;

/// A pod that is wanted starts at once, and is ready within a period of its readiness probe.
const READINESS: Duration = Duration::from_secs(2);

/// A short stabilisation, in seconds: no multiple of the HPA's period, with which a few milliseconds would decide whether
/// the look before still counts.
const SHORT: u32 = 20;

/// The window that the promise is for, and the promise: three pods within this time.
const MINUTE: Duration = Duration::from_mins(1);
const PROMISED: Duration = Duration::from_secs(45);

/// The way to three ready pods, and the load that goes on.
pub struct Ramp {
    pub load: Load,
    took: Duration,
}

impl Run {
    pub async fn three_pods_come(&self, observer: &Observer) -> Ramp {
        self.transcript.step("4. ten requests a second, and three pods");
        if self.settings.quick {
            // Before the load tool reads it.
            self.workload.stabilise_for(SHORT).await;
        }
        self.ramp(observer, self.window(), 130, Some(self.trickle())).await
    }

    /// The same once more: the adapter by its documented change, KEDA as it is.
    ///
    /// The promise is short of the worst case by two or three seconds: where a scrape and the HPA's look both come about
    /// as late as they can, once in some twenty-five ramps, it is not kept. Then there is one more ramp, openly.
    pub async fn with_a_window_of_one_minute(&self, observer: &Observer) {
        if self.settings.scaler == Scaler::Adapter {
            self.workload.shorten_the_window().await;
        }
        // From the rolling restart.
        self.back_to_one_pod(observer).await;
        let first = self.ramp(observer, MINUTE, 340, None).await;
        if first.took > PROMISED {
            self.transcript.say("once more");
            self.back_to_one_pod(observer).await;
            let second = self.ramp(observer, MINUTE, 340, None).await;
            assert!(second.took <= PROMISED, "with a window of a minute, three pods are ready in {PROMISED:?}");
        }
    }

    async fn back_to_one_pod(&self, observer: &Observer) {
        self.workload.kubectl.run(&format!("-n {NAMESPACE} delete job {JOB} --ignore-not-found")).await;
        self.workload.stabilise_for(SHORT).await;
        let idle = |sample: &Sample| sample.pods.len() == 1 && sample.current == 1 && reads_zero(sample);
        observer.until("one pod is left, and reads 0", MINUTE + Duration::from_mins(3), idle).await;
        self.workload.stabilise_for(300).await;
    }

    /// The load, the steps to three ready pods, and what each of them serves.
    pub async fn ramp(&self, observer: &Observer, window: Duration, seconds: u32, trickle: Option<u32>) -> Ramp {
        let before = self.workload.sum_counted(&observer.now().pods).await;
        let load = self.workload.start_load(seconds, trickle, observer).await;
        let start = load.start;
        let bound = 2 * window + Duration::from_mins(1);
        let mut steps = Vec::new();
        for pods in [2_u8, 3] {
            let wanted = observer.until("the HPA wants more", bound, |sample| sample.wanted >= pods.into()).await;
            steps.push((pods, wanted));
        }
        let all = observer.until("three pods are ready", bound, |sample| sample.ready.len() == 3).await;
        let took = all.at - start;
        let rate = (self.workload.sum_counted(&all.ready).await - before) / start.elapsed().as_secs_f64();
        observer.show(&self.transcript, start);
        self.transcript.say(format_args!("\n{rate:.1} requests a second, window {} s", window.as_secs()));
        self.transcript
            .say("| pods | wanted after | ready after | floor | wanted, at the latest | ready, at the latest |");
        self.transcript.say("|---|---|---|---|---|---|");
        let history = observer.since(start);
        for (pods, wanted) in steps {
            let after = (wanted.at - start).as_secs_f64();
            let is_ready = |sample: &&Sample| sample.ready.len() >= pods.into();
            let ready = history.iter().find(is_ready).expect("three were ready").at - start;
            // From one pod, or from two that the load is shared by.
            let floor = f64::from(pods - 1) * TARGET * TOLERANCE * window.as_secs_f64() / rate;
            let most = floor + (SCRAPE + HPA_PERIOD).as_secs_f64();
            let ready_at_most = most + READINESS.as_secs_f64();
            let ready = ready.as_secs_f64();
            self.transcript.say(format_args!(
                "| {pods} | {after:.1} s | {ready:.1} s | {floor:.1} s | {most:.1} s | {ready_at_most:.1} s |"
            ));
            assert!(after <= most + SLACK.as_secs_f64(), "the HPA was late");
            assert!(ready <= ready_at_most + SLACK.as_secs_f64(), "the pod was late");
        }
        let promise = match (window == MINUTE, took <= PROMISED) {
            (false, _) => "",
            (true, true) => ", promised within 45 s",
            (true, false) => ", not within the 45 s promised: the worst case is beyond that",
        };
        self.transcript.say(format_args!("three ready pods after {:.1} s{promise}", took.as_secs_f64()));
        self.shares(&all.ready).await;
        Ramp { load, took }
    }

    async fn shares(&self, pods: &[String]) {
        let before = patiently("each pod tells its count", MINUTE, async || self.workload.counted(pods).await).await;
        let served = patiently("the load goes on", MINUTE, async || {
            let now = self.workload.counted(pods).await?;
            let served: Vec<_> = now.iter().zip(&before).map(|(now, before)| now - before).collect();
            (served.iter().sum::<f64>() >= 150.0).then_some(served)
        })
        .await;
        let sum: f64 = served.iter().sum();
        for (pod, count) in pods.iter().zip(&served) {
            self.transcript.say(format_args!("{pod} serves {:.0} % of it", 100.0 * count / sum));
            // A third each, chosen at random for each connection: a sixth is four standard deviations away.
            assert!(*count > sum / 6.0, "{pod} has no share");
        }
    }
}

fn reads_zero(sample: &Sample) -> bool {
    sample.value.is_some_and(|value| value.abs() < f64::EPSILON)
}
