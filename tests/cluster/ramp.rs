//! Ten requests a second, and the way to three pods beside the floor that arithmetic gives.

use std::time::{Duration, Instant};

use crate::observer::{HPA_PERIOD, Observer, Sample};
use crate::settings::Scaler;
use crate::steps::{Run, SCRAPE, SLACK};
use crate::workload::patiently;

/// Requests a second of each pod that the HPA aims at, and the tolerance within which it does nothing.
const TARGET: f64 = 2.0;
const TOLERANCE: f64 = 1.1;

impl Run {
    pub async fn three_pods_come(&self, observer: &Observer) -> Instant {
        self.transcript.step("4. ten requests a second, and three pods");
        // Until the rolling restart is over.
        self.ramp(observer, self.window(), 150).await
    }

    /// The same once more: the adapter by its documented change, KEDA as it is.
    pub async fn with_a_window_of_one_minute(&self, observer: &Observer) {
        if self.settings.scaler == Scaler::Adapter {
            self.workload.shorten_the_window().await;
        }
        let quiet = |sample: &Sample| sample.value.is_some_and(|value| value.abs() < f64::EPSILON);
        observer.until("the HPA reads 0 again", self.window() + Duration::from_mins(2), quiet).await;
        self.ramp(observer, Duration::from_mins(1), 340).await;
    }

    /// The load, the steps to three ready pods, and what each of them serves.
    pub async fn ramp(&self, observer: &Observer, window: Duration, seconds: u32) -> Instant {
        let before = self.workload.counted(&observer.now().pods).await.iter().sum::<f64>();
        let start = self.workload.start_load(seconds, observer).await;
        let bound = 2 * window + Duration::from_mins(1);
        let mut steps = Vec::new();
        for pods in [2_u8, 3] {
            let wanted = observer.until("the HPA wants more", bound, |sample| sample.wanted >= pods.into()).await;
            steps.push((pods, wanted));
        }
        let all = observer.until("three pods are ready", bound, |sample| sample.ready.len() == 3).await;
        let took = all.at - start;
        let rate =
            (self.workload.counted(&all.ready).await.iter().sum::<f64>() - before) / start.elapsed().as_secs_f64();
        observer.show(&self.transcript, start);
        self.transcript.say(format_args!("\n{rate:.1} requests a second, window {} s", window.as_secs()));
        self.transcript.say("| pods | wanted after | ready after | floor | one scrape and one HPA period more |");
        self.transcript.say("|---|---|---|---|---|");
        let history = observer.since(start);
        for (pods, wanted) in steps {
            let after = (wanted.at - start).as_secs_f64();
            let is_ready = |sample: &&Sample| sample.ready.len() >= pods.into();
            let ready = history.iter().find(is_ready).expect("three were ready").at - start;
            // From one pod, or from two that the load is shared by.
            let floor = f64::from(pods - 1) * TARGET * TOLERANCE * window.as_secs_f64() / rate;
            let most = floor + (SCRAPE + HPA_PERIOD).as_secs_f64();
            self.transcript.say(format_args!(
                "| {pods} | {after:.1} s | {:.1} s | {floor:.1} s | {most:.1} s |",
                ready.as_secs_f64()
            ));
            assert!(after <= most + SLACK.as_secs_f64(), "the HPA was late");
        }
        self.transcript.say(format_args!("three ready pods after {:.1} s", took.as_secs_f64()));
        if window == Duration::from_mins(1) {
            assert!(took <= Duration::from_secs(45), "with a window of a minute, three pods are ready in 45 s");
        }
        self.shares(&all.ready).await;
        start
    }

    async fn shares(&self, pods: &[String]) {
        let before = self.workload.counted(pods).await;
        let served = patiently("the load goes on", Duration::from_mins(1), async || {
            let now = self.workload.counted(pods).await;
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
