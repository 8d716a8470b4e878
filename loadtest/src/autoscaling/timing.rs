//! Every period and grace period of the model and of the doctor, in seconds unless the type says otherwise. Each has its
//! source, or what was measured, and its reason.
//!
//! A flag or a field that was read comes first. What is here is what holds without it.

use std::time::Duration;

// The HPA's controller.

/// Between two syncs of the HPA. `--horizontal-pod-autoscaler-sync-period` of kube-controller-manager, by default.
pub const SYNC_PERIOD: f64 = 15.0;

/// How long the highest recommendation holds off a scale-in. `--horizontal-pod-autoscaler-downscale-stabilization` of
/// kube-controller-manager, by default.
pub const DOWNSCALE_STABILIZATION: f64 = 300.0;

/// The controller counts a younger pod's CPU only if the sample's whole window is later than the pod's becoming ready.
/// `--horizontal-pod-autoscaler-cpu-initialization-period` of kube-controller-manager, by default.
pub const CPU_INITIALISATION: f64 = 300.0;

/// A pod that was last unready within this time of its start has never been ready, and its CPU does not count.
/// `--horizontal-pod-autoscaler-initial-readiness-delay` of kube-controller-manager, by default.
pub const INITIAL_READINESS: f64 = 30.0;

/// The period of the policies of an HPA without `behavior`. `pkg/apis/autoscaling/v2/defaults.go` of Kubernetes.
pub const POLICY_PERIOD: u32 = 15;

// Prometheus, its operator, and the window of a query.

/// Between two scrapes where the monitor names no interval. `spec.scrapeInterval` of the operator's `Prometheus`, by default.
pub const SCRAPE_INTERVAL: f64 = 30.0;

/// The window of a rate where the query's own is not known: four scrapes of the operator's default, as most rules have it.
pub const RATE_WINDOW: f64 = 120.0;

/// From a pod's becoming ready to the start of its scrape loop, on average. Discovery hands on what it found after a second
/// or so, and the scrape manager takes it over at its next tick of five; the pod had its address half a second before it
/// was ready. `discovery/manager.go` and `scrape/manager.go` of Prometheus 3.
pub const DISCOVERY: f64 = 3.0;

/// The same at the longest: a whole second of discovery, and a whole tick.
pub const DISCOVERY_AT_MOST: f64 = 2.0 * DISCOVERY;

/// What a first rate takes beyond discovery and two intervals: the scrapes and the query themselves take time. The first
/// scrape comes within an interval, at an offset that Prometheus derives from the target (`scrape/target.go`).
pub const FIRST_RATE_SLACK: f64 = 5.0;

/// Within this time a new pod is discovered and scraped for the first time, besides two intervals of its target: discovery,
/// with time for an API server that is slow to send the endpoints.
pub const FIRST_SCRAPE: f64 = 30.0;

/// From a change of a monitor until Prometheus scrapes by it: the operator writes a Secret, the kubelet updates the mounted
/// copy within a minute or two (`syncFrequency`, and its cache), and the config reloader then reloads Prometheus.
pub const MONITOR_RELOAD: f64 = 180.0;

/// From a Deployment's change until its controller has made the pods: two controllers' queues, where the API server is slow.
pub const POD_CREATED: f64 = 30.0;

/// From a namespace's creation until its controllers have made what it needs, such as its default service account.
pub const NAMESPACE_SETTLES: f64 = 120.0;

/// A replica of Prometheus starts within this time while another one serves: it replays its write-ahead log.
pub const PROMETHEUS_START: f64 = 300.0;

/// The same where it is the only replica: nothing else answers, so the wait is worth reporting early.
pub const PROMETHEUS_START_ALONE: f64 = 60.0;

/// Two replicas of Prometheus may know a pod that is younger than this differently. They discover and scrape at their own
/// times, and a query finds a series for five minutes after its last scrape (`--query.lookback-delta`, by default).
pub const REPLICAS_AGREE: f64 = 300.0;

// prometheus-adapter, KEDA, and the API server's aggregation.

/// Between two listings of the adapter that has no `--metrics-relist-interval`: its own default
/// (`cmd/adapter/adapter.go`).
pub const RELIST_INTERVAL: f64 = 600.0;

/// The same as kube-prometheus sets the flag. It is assumed for manifests without an adapter, and it is the shortest
/// interval that a fix advises.
pub const RELIST_INTERVAL_OF_KUBE_PROMETHEUS: f64 = 60.0;

/// How long a query of Prometheus answers with a series' last sample (`--query.lookback-delta`, by default), in seconds.
pub const LOOKBACK: f64 = 300.0;

/// How much later than its interval the newest sample may be without a sign that scraping has stopped: a scrape may take a
/// few seconds, and clocks differ.
pub const SAMPLE_SLACK: f64 = 5.0;

/// How far back the doctor looks for series where the adapter's flags do not say how far the adapter does: as far as a query
/// of Prometheus looks (`--query.lookback-delta`, by default).
pub const SERIES_LOOKBACK: Duration = Duration::from_mins(5);

/// A restart of the adapter, from the new pod to its first listing, on a node that has the image.
pub const ADAPTER_RESTART: f64 = 45.0;

/// An error in the adapter's log is current if it is not older: the adapter logs nothing when a listing succeeds, so it must
/// cover two listings of kube-prometheus' interval, and some seconds for the query's own timeout.
pub const ADAPTER_LOG_IS_CURRENT: f64 = 150.0;

/// A metrics server that just started or moved may be unavailable for this time: after a failure the API server waits up to
/// 30 s before it tries again, and up to 5 s for an answer (`kube-aggregator`, `available_controller.go`), however long
/// the condition has been False for another reason.
pub const API_SERVICE_RETRY: f64 = 45.0;

/// A pod's CPU and memory have a value within this time, and so has a metrics server that just started: metrics-server
/// scrapes every minute by default (`--metric-resolution`) and needs two scrapes.
pub const RESOURCE_METRICS: f64 = 120.0;

/// A trigger whose oldest ready pod is younger may not have had an answer yet: KEDA asks every 30 s by default
/// (`pollingInterval`), and Prometheus has to have scraped the pod.
pub const TRIGGER_FIRST_ANSWER: f64 = 60.0;

/// What a trigger's first value takes beyond two scrapes: discovery at its longest, and the query.
pub const TRIGGER_SLACK: f64 = 10.0;

// Pods and nodes.

/// From a desired replica to a started container, where the node has the image: measured in a real cluster.
pub const CONTAINER_START: f64 = 1.0;

/// A pod that has a node runs within this time, besides what its probes allow it: an image is pulled, a volume is mounted.
pub const POD_RUNS: f64 = 300.0;

/// The same while its last event says that the image is being pulled: the largest images take this long.
pub const IMAGE_PULL: f64 = 900.0;

/// A pod that runs is ready within this time, besides what its probes allow it: as long as the HPA's controller expects
/// (`--horizontal-pod-autoscaler-cpu-initialization-period`, by default).
pub const POD_READY: f64 = 300.0;

/// A container that ran for longer than this did not fail at its start: the kubelet resets its restart back-off after ten
/// minutes (`MaxContainerBackOff`, doubled, in `pkg/kubelet/kubelet.go`).
pub const BACK_OFF_RESET: f64 = 600.0;

/// A container that ran for a shorter time than this failed at its start.
pub const START_FAILURE: f64 = 60.0;

/// The kubelet waits for this time before it starts a container again that has ended twice, and doubles it each time.
/// `backOffPeriod` in `pkg/kubelet/kubelet.go`.
pub const RESTART_BACK_OFF: f64 = 10.0;

/// The longest such wait: `MaxContainerBackOff` there. A rehearsal leaves out that the kubelet resets it.
pub const RESTART_BACK_OFF_AT_MOST: f64 = 300.0;

/// Within this time an autoscaler of nodes reports in an event what it does, if there is one: cluster-autoscaler scans every
/// 10 s (`--scan-interval`), and Karpenter batches pods for at most 10 s (`BATCH_MAX_DURATION`). A pod that is being
/// preempted leaves as quickly (`terminationGracePeriodSeconds`, by default).
pub const NODE_DECISION: f64 = 30.0;

/// The same where the events cannot be read: a node may already be starting by then.
pub const NODE_DECISION_UNREAD: f64 = 120.0;

/// A cloud provides a node within this time: `--max-node-provision-time` of cluster-autoscaler, by default.
pub const NODE_PROVISION: f64 = 900.0;

/// A refusal to create pods of a Deployment is over if it is older: the Deployment keeps the last one in its condition
/// `ReplicaFailure`.
pub const REFUSAL_OF_DEPLOYMENT: f64 = 300.0;

/// The same for other kinds, which keep no such condition and retry ever more rarely, at most every 1,000 s (the default
/// rate limiter of client-go's workqueue).
pub const REFUSAL_OF_OTHER_KIND: f64 = 1200.0;

/// A change that is younger is rolled back without any other evidence: its author is probably still working on it.
pub const CHANGE_TO_UNDO: f64 = 3600.0;

/// The first pod of a change is created within this time.
pub const FIRST_POD_OF_CHANGE: f64 = 300.0;

/// By how much the times of two objects may differ: the API writes whole seconds, and controllers take some of their own.
pub const CLOCK_SLACK: f64 = 5.0;

/// Another writer of the replicas is still at work if its last change is not older: a tool that applies manifests does so every
/// 3 minutes (Argo CD) or, mostly, every 10 at the latest (Flux).
pub const REPLICAS_WRITER: f64 = 600.0;

// Load balancers.

/// A cloud provides a load balancer within this time.
pub const BALANCER_PROVISION: f64 = 300.0;

/// A pod that has been ready for longer is known to every balancer: kube-proxy takes a second or so, and a cloud's health
/// checks take several periods of 10 s.
pub const BALANCER_KNOWS_POD: f64 = 60.0;

// The doctor's own readings.

/// Between the two readings of a pod's page: some scrapes or probes are between them, and the doctor does not take long.
pub const PAGE_GAP: Duration = Duration::from_secs(6);

/// The longest prediction that the doctor makes: a reaction that takes more than an hour is reported as none.
pub const REACTION_AT_MOST: f64 = 3600.0;

/// What the HPA's reaction takes beyond two windows and the stabilisation: syncs, scrapes, and a pod's start.
pub const REACTION_SLACK: f64 = 120.0;

// A run that watches a cluster.

/// A state that does not change is written to the journal again after this time, so that a gap shows an interruption.
pub const HEARTBEAT: f64 = 5.0;

/// The API server answers a watch's request within this time, or it counts as stalled: less than a heartbeat.
pub const WATCH_ANSWER: Duration = Duration::from_secs(4);

/// Between two attempts to watch: an API server that restarts is not overrun.
pub const WATCH_RETRY: Duration = Duration::from_secs(1);

/// A link of the chain answers within this time: no link delays the others.
pub const READING_ANSWER: Duration = Duration::from_secs(3);

/// Between two attempts to read a link that failed.
pub const READING_RETRY: Duration = Duration::from_secs(10);

// A rehearsal.

/// The pods are scraped for this many intervals before the load begins, so that the HPA has a value from the start.
pub const WARM_UP_SCRAPES: f64 = 3.0;

/// Between two steps of a rehearsal: pods, probes and balancer are brought up to date.
pub const REHEARSAL_TICK: f64 = 1.0;

/// The longest that a scrape waits for its answer: `global.scrape_timeout` of Prometheus, by default. It is never longer than
/// the interval.
pub const SCRAPE_TIMEOUT: f64 = 10.0;

// A profile that is derived from the autoscaler.

/// The longest stage that waits for the autoscaler. Beyond two hours the autoscaler cannot do what the stage waits for.
pub const STAGE_AT_MOST: f64 = 2.0 * 3600.0;
