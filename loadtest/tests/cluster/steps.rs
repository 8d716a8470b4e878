//! The steps, each with its bound and its figures.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clients::{Clients, Crowd, Tally};
use crate::cluster::observer::{HPA, HPA_PERIOD, NAMESPACE, Observer, Sample};
use crate::cluster::settings::{Scaler, Settings};
use crate::cluster::transcript::Transcript;
use crate::cluster::workload::{Workload, patiently};
use crate::entrance::Entrance;
use crate::load::sum_of;
use crate::prometheus::Prometheus;
use crate::ramp::Ramp;

/// Prometheus' interval, from the `ServiceMonitor`.
pub const SCRAPE: Duration = Duration::from_secs(5);

/// How often the adapter lists its series.
const RELIST: Duration = Duration::from_mins(1);

/// What a busy machine may add to a step: scheduling, rounding to whole samples.
pub const SLACK: Duration = Duration::from_secs(5);

/// The proof asks for so many answers to keep-alive clients.
const KEEP_ALIVE_ANSWERS: u64 = 25_000;

/// Sixteen clients that keep their connections, at a pace that a tenth of a core a pod can follow.
const KEEPING: Crowd = Crowd { clients: 16, every: Duration::from_millis(25), keep_alive: true };

/// Clients with a connection for each request.
const COMING_AND_GOING: Crowd = Crowd { clients: 4, every: Duration::from_millis(40), keep_alive: false };

/// When the first pod was ready, scraped by all, and known to the HPA.
pub struct FirstValue {
    ready: Instant,
    scraped: Instant,
    known: Instant,
}

#[derive(Clone)]
pub struct Run {
    pub settings: Arc<Settings>,
    pub workload: Arc<Workload>,
    pub transcript: Transcript,
}

impl Run {
    pub fn new(settings: Settings, workload: Workload) -> Self {
        let transcript = workload.transcript.clone();
        Self { settings: Arc::new(settings), workload: Arc::new(workload), transcript }
    }

    /// The window of the rate that the HPA reads, as the manifests have it.
    pub fn window(&self) -> Duration {
        match self.settings.scaler {
            Scaler::Adapter => Duration::from_mins(2),
            Scaler::Keda => Duration::from_mins(1),
        }
    }

    async fn prometheus(&self) -> Prometheus {
        Prometheus::reach(&self.workload.kubectl, &self.workload.api).await
    }

    pub async fn install(&self) -> Observer {
        let Self { workload, transcript, .. } = self;
        transcript.step("the API server takes every manifest");
        workload.kubectl.run("apply -f k8s/miztiik-automation-ns.yml").await;
        workload.dry_run().await;
        transcript.step("the manifests");
        let before = workload.scrape_configuration().await.expect("Prometheus has a configuration");
        workload.apply().await;
        if self.settings.quick {
            workload.hasten_the_scrape_configuration(&before).await;
        }
        workload.kubectl.eventually(Duration::from_secs(30), &format!("-n {NAMESPACE} get hpa {HPA}"), |_| true).await;
        Observer::start(&workload.api, &workload.kubectl).await
    }

    /// Watches the first pod's way to the HPA.
    pub async fn the_metric_comes(&self, observer: &Observer) -> FirstValue {
        let ready = observer.until("a pod is ready", Duration::from_mins(2), |sample| !sample.ready.is_empty()).await;
        // This pod: a Prometheus whose configuration drops a target shows the last `up` of former pods for five minutes.
        let up = format!("up{{namespace=\"{NAMESPACE}\",service=\"shopfront-svc\",pod=\"{}\"}}", ready.ready[0]);
        let prometheus = self.prometheus().await;
        patiently("both Prometheus replicas scrape the pod", Duration::from_mins(4), async || {
            let replicas = prometheus.ask(&up).await;
            (replicas.len() > 1 && replicas.iter().all(|up| up.is_some_and(|up| up > 0.0))).then_some(())
        })
        .await;
        let scraped = Instant::now();
        let known =
            observer.until("the HPA has a value", Duration::from_mins(2), |sample| sample.value.is_some()).await;
        FirstValue { ready: ready.at, scraped, known: known.at }
    }

    pub fn the_metric_came_in_time(&self, first: &FirstValue) {
        self.transcript.step("2. the HPA has a value");
        let bound = match self.settings.scaler {
            Scaler::Adapter => 2 * SCRAPE + RELIST + HPA_PERIOD,
            Scaler::Keda => 2 * SCRAPE + HPA_PERIOD,
        };
        let took = first.known.saturating_duration_since(first.scraped);
        self.transcript.say(format_args!(
            "the first value came {:.1} s after both Prometheus replicas had the pod's series, {:.1} s after the pod was \
             ready\n(two scrapes, one relist of the adapter where there is one, and one HPA period: {:.0} s; before that \
             the kubelet hands Prometheus its new targets, which is not the workload's)",
            took.as_secs_f64(),
            (first.known - first.ready).as_secs_f64(),
            bound.as_secs_f64(),
        ));
        assert!(took <= bound + SLACK, "the first value was late");
    }

    pub async fn the_apis_answer(&self) {
        self.transcript.step("1. the metrics APIs");
        let kubectl = &self.workload.kubectl;
        // Until Prometheus and the adapter have found the new series.
        let soon = Duration::from_mins(5);
        let available = |service: &str| {
            format!("get apiservice {service} -o jsonpath={{.status.conditions[?(@.type==\"Available\")].status}}")
        };
        let (mine, list, values) = match self.settings.scaler {
            Scaler::Adapter => (
                "v1beta1.custom.metrics.k8s.io",
                "/apis/custom.metrics.k8s.io/v1beta1/",
                vec![
                    format!(
                        "/apis/custom.metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/pods/*/http_requests_per_second"
                    ),
                    format!(
                        "/apis/custom.metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/pods/*/http_requests_per_second\
                         ?labelSelector=app%3Dshopfront"
                    ),
                ],
            ),
            Scaler::Keda => {
                let of = "labelSelector=scaledobject.keda.sh%2Fname%3Dshopfront-scaledobject";
                let path = format!("/apis/external.metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/s0-prometheus?{of}");
                ("v1beta1.external.metrics.k8s.io", "/apis/external.metrics.k8s.io/v1beta1", vec![path])
            }
        };
        for service in [mine, "v1beta1.metrics.k8s.io"] {
            kubectl.eventually(soon, &available(service), |output| output == "True").await;
        }
        let resources: &[_] = match self.settings.scaler {
            Scaler::Adapter => &["\"namespaces/http_requests_per_second\"", "\"pods/http_requests_per_second\""],
            Scaler::Keda => &["\"externalmetrics\""],
        };
        let listed = |output: &str| resources.iter().all(|resource| output.contains(resource));
        kubectl.eventually(soon, &format!("get --raw {list}"), listed).await;
        for path in values {
            let values =
                kubectl.eventually(soon, &format!("get --raw {path}"), |output| output.contains("\"items\":[{")).await;
            let values: serde_json::Value = serde_json::from_str(&values).expect("the API speaks JSON");
            assert!(
                ["MetricValueList", "ExternalMetricValueList"].contains(&values["kind"].as_str().unwrap_or_default())
            );
            assert_eq!(values["items"].as_array().map(Vec::len), Some(1), "one item a pod");
            assert_eq!(values["items"][0]["value"], "0", "nobody has asked for anything");
        }
        kubectl.eventually(Duration::from_mins(2), "top nodes", |output| output.contains('%')).await;
    }

    pub async fn an_idle_pod_reads_zero(&self, observer: &Observer) {
        self.transcript.step("2. idle is exactly 0");
        let pod = observer.now().ready.first().expect("a pod is ready").clone();
        let first = self.first_value(observer);
        let long = |sample: &Sample| sample.at > first + 2 * HPA_PERIOD;
        observer.until("two periods of the HPA pass", 3 * HPA_PERIOD, long).await;
        let counts = patiently("scrapes and probes show in a rate", Duration::from_mins(1), async || {
            let text = self.workload.metrics_of(&pod).await?;
            let of = |path| sum_of(&text, &format!("http_requests_count{{method=\"GET\",path=\"{path}\""));
            let counts = [of("metrics"), of("readyz"), of("healthz")];
            counts.iter().all(|count| *count >= 3.0).then_some(counts)
        })
        .await;
        let rate = format!("sum(rate(http_requests_total{{namespace=\"{NAMESPACE}\",pod=\"{pod}\"}}[2m]))");
        let prometheus = self.prometheus().await;
        let rates = patiently("each Prometheus replica has a rate", Duration::from_mins(1), async || {
            prometheus.ask(&rate).await.into_iter().collect::<Option<Vec<_>>>()
        })
        .await;
        let samples = observer.since(first);
        let highest = samples.iter().filter_map(|sample| sample.value).fold(0.0, f64::max);
        self.transcript.say(format_args!(
            "after {} scrapes, {} readiness probes and {} liveness probes: the highest value in {} samples is {highest}; \
             the Prometheus replicas have {rates:?}",
            counts[0],
            counts[1],
            counts[2],
            samples.len()
        ));
        assert!(highest.abs() < f64::EPSILON && rates.len() > 1 && rates.iter().all(|rate| rate.abs() < f64::EPSILON));
    }

    /// When the HPA first had a value.
    fn first_value(&self, observer: &Observer) -> Instant {
        let samples = observer.since(self.transcript.started());
        samples.iter().find(|sample| sample.value.is_some()).expect("there was a value").at
    }

    pub fn crowd(entrance: &Entrance, path: &'static str) -> [(&'static str, Clients); 2] {
        [("16 keep-alive clients", KEEPING), ("one connection each", COMING_AND_GOING)]
            .map(|(name, crowd)| (name, Clients::start(&entrance.host, entrance.port, path, crowd)))
    }

    async fn nothing_was_lost(&self, crowds: [(&'static str, Clients); 2], least: [u64; 2]) {
        let mut tallies: Vec<(_, Tally)> = Vec::new();
        for (name, clients) in crowds {
            let tally = clients.stop().await;
            self.transcript.say(format_args!("{name}: {tally}"));
            tallies.push((name, tally));
        }
        for ((name, tally), least) in tallies.iter().zip(least) {
            assert!(tally.lost == 0 && tally.answered >= least, "{name}: {tally}");
        }
    }

    /// How long the Job sends a trickle and watches after its load, in seconds: until one pod is left.
    pub fn trickle(&self) -> u32 {
        if self.settings.quick { 210 } else { 540 }
    }

    /// Load that the autoscaler does not see goes on all the while: `/activity` is not counted.
    pub async fn one_pod_is_left(&self, observer: &Observer, entrance: Option<&Entrance>, ramp: Ramp) {
        self.transcript.step("5 and 6. scale-in to the last pod");
        ramp.load.is_over().await;
        let ended = Instant::now();
        let crowds = entrance.map(|entrance| Self::crowd(entrance, "/activity"));
        let trickle = Duration::from_secs(self.trickle().into());
        observer.until("one pod is left", trickle, |sample| sample.pods.len() == 1 && sample.ready.len() == 1).await;
        self.transcript.say(format_args!("one pod is left {:.0} s after the load", ended.elapsed().as_secs_f64()));
        if let Some(crowds) = crowds {
            self.nothing_was_lost(crowds, [5_000, 1_000]).await;
        }
        observer.until("the HPA has seen it", 2 * HPA_PERIOD, |sample| sample.current == 1).await;
        observer.show(&self.transcript, ramp.load.start);
        ramp.load.has_ended(trickle).await;
        self.the_report_says_so().await;
    }

    /// The crowds are load as well: they bring three pods, which are then replaced.
    pub async fn a_rolling_restart_loses_nothing(&self, observer: &Observer, entrance: Option<&Entrance>) {
        self.transcript.step("5. a rolling restart");
        let Some(entrance) = entrance else {
            self.transcript.say("left out: without a load balancer there is no way in that outlives a pod");
            return;
        };
        let crowds = Self::crowd(entrance, "/");
        let old =
            observer.until("three pods are ready", Duration::from_mins(2), |sample| sample.ready.len() == 3).await.pods;
        self.workload.kubectl.run(&format!("-n {NAMESPACE} rollout restart deployment shopfront-deploy")).await;
        self.workload
            .kubectl
            .run(&format!("-n {NAMESPACE} rollout status deployment shopfront-deploy --timeout 3m"))
            .await;
        let gone = |sample: &Sample| !sample.pods.iter().any(|pod| old.contains(pod));
        observer.until("the old pods are gone", Duration::from_mins(2), gone).await;
        crowds[0].1.have_answers(KEEP_ALIVE_ANSWERS, Duration::from_mins(3)).await;
        crowds[1].1.have_answers(2_000, Duration::from_mins(3)).await;
        self.nothing_was_lost(crowds, [KEEP_ALIVE_ANSWERS, 2_000]).await;
    }

    pub fn the_hpa_always_had_a_value(&self, observer: &Observer) {
        let first = self.first_value(observer);
        let unknown = observer.unknown_since(first);
        self.transcript.say(format_args!(
            "since its first value, {:.0} s ago, the HPA was without one for {:.1} s, looked at every {:.1} s or sooner; lines of \
             its watch with <unknown>: {}",
            first.elapsed().as_secs_f64(),
            unknown.lasted.as_secs_f64(),
            unknown.gap.as_secs_f64(),
            unknown.lines
        ));
        assert!(unknown.lasted.is_zero() && unknown.lines == 0, "the HPA showed <unknown>");
    }
}
