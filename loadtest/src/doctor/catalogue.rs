//! The causes that are known: what each looks like, how it is told from the others, and what mends it.
//!
//! `docs/TROUBLESHOOTING.md` is this list, written out by [`troubleshooting`].

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::doctor::link::Link;

/// A cause, by its number in the catalogue.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "Written", into = "Written")]
#[repr(u8)]
pub enum Cause {
    /// The counter is absent until the first request.
    CounterAbsent = 1,
    /// The metric’s name misses the rule’s pattern.
    NameMissesRule = 2,
    /// Scrapes and probes are counted.
    ProbesCounted = 3,
    /// Nothing but `prometheus.io/scrape` annotations.
    AnnotationsOnly = 4,
    /// The monitor is not selected, or selects nothing.
    MonitorSelectsNothing = 5,
    /// Prometheus may not look into the namespace.
    PrometheusForbidden = 6,
    /// The target is down.
    TargetDown = 7,
    /// The window of the rate is shorter than two scrapes.
    WindowTooShort = 8,
    /// The adapter does not reach Prometheus.
    PrometheusUnreachable = 9,
    /// The labels `pod` and `namespace` are missing or renamed.
    LabelsMissing = 10,
    /// There is no rule for the metric, or the adapter has not read it.
    RuleAbsent = 11,
    /// Another rule’s query fails.
    AnotherRuleFails = 12,
    /// The query drops the group-by, or the relist is shorter than the scrape’s interval.
    GroupByDropped = 13,
    /// The `APIService` is missing.
    ApiServiceMissing = 14,
    /// The `APIService` is not available.
    ApiServiceUnavailable = 15,
    /// Another server owns the API.
    AnotherServer = 16,
    /// The HPA’s controller may not read the metric.
    ControllerForbidden = 17,
    /// The HPA is in another namespace than its target.
    TargetElsewhere = 18,
    /// The manifest says autoscaling/v2beta2.
    OldApiVersion = 19,
    /// Two HPAs, or two with overlapping selectors.
    SeveralHpas = 20,
    /// The workload has 0 replicas.
    ReplicasZero = 21,
    /// Pods are not ready, or ready and not scraped yet.
    PodsNotCounted = 22,
    /// The value is within the tolerance.
    WithinTolerance = 23,
    /// The HPA is at its maximum.
    AtMaximum = 24,
    /// Another metric of the HPA is invalid.
    OtherMetricInvalid = 25,
    /// Something else sets the replicas.
    ReplicasSetElsewhere = 26,
    /// New pods are pending.
    PodsPending = 27,
    /// Clients keep their connections to old pods.
    ClientsPinned = 28,
    /// The load falls short of what was asked for.
    LoadShort = 29,
    /// KEDA reads an empty answer as 0.
    EmptyReadAsZero = 30,
    /// KEDA’s query returns several series, or an average.
    SeveralSeries = 31,
    /// KEDA is blocked: by a `NetworkPolicy`, or by its webhook.
    KedaBlocked = 32,
    /// The image cannot be pulled, or the container crashes.
    PodFails = 33,
    /// The load balancer has no address.
    NoLoadBalancer = 34,
    /// Prometheus is not ready, or its replicas disagree.
    PrometheusNotReady = 35,
}

/// One cause's entry.
#[derive(Debug)]
pub struct Entry {
    /// The cause.
    pub cause: Cause,
    /// A name for scripts.
    pub name: &'static str,
    /// The link that it breaks.
    pub link: Link,
    /// What it is.
    pub title: &'static str,
    /// What is seen of it.
    pub symptom: &'static str,
    /// What tells it from the others.
    pub check: &'static str,
    /// What mends it.
    pub fix: &'static str,
    /// Public issues that show it.
    pub shown_by: &'static [&'static str],
}

/// A cause as reports have it.
#[derive(Deserialize, Serialize)]
struct Written {
    number: u8,
    name: String,
}

impl From<Cause> for Written {
    fn from(cause: Cause) -> Self {
        Self { number: cause.number(), name: cause.entry().name.to_owned() }
    }
}

impl TryFrom<Written> for Cause {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let known = CATALOGUE.iter().find(|entry| entry.cause.number() == written.number);
        known.map(|entry| entry.cause).ok_or_else(|| format!("there is no cause {}", written.number))
    }
}

impl Cause {
    /// Its number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Its entry.
    pub fn entry(self) -> &'static Entry {
        &CATALOGUE[usize::from(self.number()) - 1]
    }
}

/// The page for people who look for their symptom.
pub fn troubleshooting() -> String {
    let mut page = HEAD.to_owned();
    for (seen, causes) in SYMPTOMS {
        let links = causes.iter().map(|number| {
            let Entry { cause, name, title, .. } = &CATALOGUE[usize::from(*number) - 1];
            format!("[{} {name}](#{})", cause.number(), anchor(&format!("{}. {title}", cause.number())))
        });
        // A String takes any write.
        let _ = writeln!(page, "- {seen}: {}", links.collect::<Vec<_>>().join(", "));
    }
    for entry in CATALOGUE {
        let Entry { cause, name, link, title, symptom, check, fix, shown_by } = entry;
        let _ = write!(
            page,
            "\n## {}. {title}\n\n`{name}`, at the link *{}*.\n\n- **Seen:** {symptom}\n- **Told by:** {check}\n- **Mended by:** {fix}\n",
            cause.number(),
            link.label()
        );
        if !shown_by.is_empty() {
            let links = shown_by.iter().map(|issue| {
                let (repository, number) = issue.split_once('#').unwrap_or((issue, ""));
                format!("[{issue}](https://github.com/{repository}/issues/{number})")
            });
            let _ = writeln!(page, "- **Shown by:** {}", links.collect::<Vec<_>>().join(", "));
        }
    }
    page
}

/// What a heading is linked to by.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|one| one.is_alphanumeric() || "-_ ".contains(*one));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

const HEAD: &str = "\
# Why the HPA does not scale

The causes that `loadtest doctor` tells apart, in the order of their numbers. It walks the chain from the pod to the
traffic, names the first link that is broken, and prints, where there is one, the command that mends it. In a clone of
this repository, with the kubeconfig that kubectl uses, or with what `--bundle FILE` kept elsewhere:

    cargo run --release --package loadtest -- doctor shop/hpa
    cargo run --release --package loadtest -- doctor --from FILE

This page is written from the same list that the tool holds (`loadtest/src/doctor/catalogue.rs`).

## By what is seen

";

/// What people look for, and the numbers of the causes that show so.
pub const SYMPTOMS: &[(&str, &[u8])] = &[
    (
        "`<unknown>`, `FailedGetPodsMetric`, “could not find the metric” (404), or the API lists `resources: []`",
        &[1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 16],
    ),
    ("`<unknown>`, `FailedGetPodsMetric`, “no metrics returned”, or “did not receive metrics”", &[7, 8, 13, 22]),
    ("`<unknown>`, “no custom metrics API registered”", &[14]),
    ("`<unknown>`, “unable to handle the request” (503), `FailedDiscoveryCheck`", &[15]),
    ("“forbidden”, in the HPA’s conditions", &[17]),
    ("`FailedGetExternalMetric`, or a ScaledObject that is not Ready", &[9, 16, 30, 31, 32]),
    ("`FailedGetScale`", &[17, 18]),
    ("`ScalingDisabled`", &[21]),
    ("`AmbiguousSelector`", &[20]),
    ("There is no HPA, or `kubectl apply` refuses it", &[19, 32]),
    ("Prometheus has no target", &[4, 5, 6]),
    ("Prometheus’ target is down", &[7]),
    ("The value comes and goes, or jumps", &[8, 13, 35]),
    ("The value is not the pods’ own, or too low", &[10, 20, 22, 29, 31]),
    ("The value of an idle pod is not 0", &[3]),
    ("Under load it does not scale out", &[22, 23, 24, 27, 29, 31]),
    ("Without load it does not scale in", &[3, 23, 25]),
    ("Replicas go under load, or go up and down", &[26, 30]),
    ("More pods are wanted than are ready", &[22, 27, 33]),
    ("One pod is hot, and the others idle", &[28]),
    ("Nothing reaches the Service from outside", &[34]),
];

/// All of them, in the order of their numbers.
pub const CATALOGUE: &[Entry] = &[
    Entry {
        cause: Cause::CounterAbsent,
        name: "counter-absent",
        link: Link::Metrics,
        title: "The counter is absent until the first request",
        symptom: "`<unknown>` until there is traffic, and after each restart.",
        check: "The page of metrics of an idle pod has no series that the rule or the query asks for.",
        fix: "Make the series at the start of the program, at 0; until then, one request brings it about.",
        shown_by: &[],
    },
    Entry {
        cause: Cause::NameMissesRule,
        name: "name-misses-rule",
        link: Link::Rule,
        title: "The metric’s name misses the rule’s pattern",
        symptom: "404 from the custom metrics API, though Prometheus has the series.",
        check: "The rule’s `name.matches` and `name.as`, applied to the series’ name, do not give the HPA’s metric.",
        fix: "Make `name.matches` fit the series’ name, or name the HPA’s metric as the rule does; then restart the adapter.",
        shown_by: &["kubernetes-sigs/prometheus-adapter#390"],
    },
    Entry {
        cause: Cause::ProbesCounted,
        name: "probes-counted",
        link: Link::Metrics,
        title: "Scrapes and probes are counted",
        symptom: "The value of an idle pod is high, and the last replicas never go.",
        check: "The series of the scrape’s and the probes’ paths grow; the idle rate beside the target.",
        fix: "Count client requests alone, or leave those paths out of the rule’s query.",
        shown_by: &[],
    },
    Entry {
        cause: Cause::AnnotationsOnly,
        name: "annotations-only",
        link: Link::Monitor,
        title: "Nothing but `prometheus.io/scrape` annotations",
        symptom: "Prometheus has no target.",
        check: "No ServiceMonitor or PodMonitor selects the pods or their Service; prometheus-operator does not read the annotations.",
        fix: "Apply a ServiceMonitor for the Service’s named port.",
        shown_by: &["prometheus-operator/prometheus-operator#1547"],
    },
    Entry {
        cause: Cause::MonitorSelectsNothing,
        name: "monitor-selects-nothing",
        link: Link::Monitor,
        title: "The monitor is not selected, or selects nothing",
        symptom: "No scrape job, or a job without targets.",
        check: "Each selector is resolved: Prometheus’ for monitors and their namespaces; the monitor’s for namespaces, labels and the port’s name.",
        fix: "Change the selector that is empty.",
        shown_by: &["prometheus-operator/kube-prometheus#1392", "prometheus-operator/prometheus-operator#996"],
    },
    Entry {
        cause: Cause::PrometheusForbidden,
        name: "prometheus-forbidden",
        link: Link::Target,
        title: "Prometheus may not look into the namespace",
        symptom: "A job without targets; Prometheus’ log says `forbidden`.",
        check: "A SubjectAccessReview for its service account: services, pods, endpoints, and endpointslices.",
        fix: "Give its service account a Role in the namespace that lists and watches them.",
        shown_by: &["prometheus-operator/kube-prometheus#2300"],
    },
    Entry {
        cause: Cause::TargetDown,
        name: "target-down",
        link: Link::Target,
        title: "The target is down",
        symptom: "`up` is 0.",
        check: "`health` and `lastError` of the target in `/api/v1/targets`.",
        fix: "Mend what `lastError` says: the path, the port, TLS, a policy.",
        shown_by: &[],
    },
    Entry {
        cause: Cause::WindowTooShort,
        name: "window-too-short",
        link: Link::Rule,
        title: "The window of the rate is shorter than two scrapes",
        symptom: "The rate is empty, or comes and goes.",
        check: "The window of the rule’s or the trigger’s query beside the interval of the scrapes: four of them are safe.",
        fix: "Widen the window, or scrape more often.",
        shown_by: &["prometheus/prometheus#8001"],
    },
    Entry {
        cause: Cause::PrometheusUnreachable,
        name: "prometheus-unreachable",
        link: Link::Rule,
        title: "The adapter does not reach Prometheus",
        symptom: "`resources: []` from the custom metrics API, or errors in the adapter’s log.",
        check: "Its `--prometheus-url`: the Service that it names, its port, and the log.",
        fix: "Set the URL to Prometheus’ Service and port.",
        shown_by: &["kubernetes-sigs/prometheus-adapter#154"],
    },
    Entry {
        cause: Cause::LabelsMissing,
        name: "labels-missing",
        link: Link::Series,
        title: "The labels `pod` and `namespace` are missing or renamed",
        symptom: "404, or another pod’s value.",
        check: "The labels of the series: `exported_pod`, `kubernetes_pod_name`, or none.",
        fix: "Have the monitor keep Prometheus’ own labels, or name those that there are in the rule’s `resources.overrides`.",
        shown_by: &["kubernetes-sigs/prometheus-adapter#112"],
    },
    Entry {
        cause: Cause::RuleAbsent,
        name: "rule-absent",
        link: Link::Rule,
        title: "There is no rule for the metric, or the adapter has not read it",
        symptom: "404 from the custom metrics API.",
        check: "The rules of the adapter’s ConfigMap, and whether its pod started before the ConfigMap’s last change.",
        fix: "Add the rule; restart the adapter, which reads its rules at the start alone.",
        shown_by: &["kubernetes-sigs/prometheus-adapter#678"],
    },
    Entry {
        cause: Cause::AnotherRuleFails,
        name: "another-rule-fails",
        link: Link::Rule,
        title: "Another rule’s query fails",
        symptom: "All custom metrics are gone.",
        check: "Each rule’s `seriesQuery` is put to Prometheus: one that fails ends the listing.",
        fix: "Mend or remove that rule; restart the adapter.",
        shown_by: &["kubernetes-sigs/prometheus-adapter#225"],
    },
    Entry {
        cause: Cause::GroupByDropped,
        name: "group-by-dropped",
        link: Link::Rule,
        title: "The query drops the group-by, or the relist is shorter than the scrape’s interval",
        symptom: "The answer is empty, or comes and goes.",
        check: "The rendered query’s result has no label of the resource; the adapter’s `--metrics-relist-interval` beside the interval of the scrapes.",
        fix: "Aggregate by `<<.GroupBy>>`; have the adapter list no more often than Prometheus scrapes.",
        shown_by: &["kubernetes-sigs/prometheus-adapter#150", "kubernetes-sigs/prometheus-adapter#325"],
    },
    Entry {
        cause: Cause::ApiServiceMissing,
        name: "api-service-missing",
        link: Link::ApiService,
        title: "The APIService is missing",
        symptom: "“no custom metrics API registered”.",
        check: "The list of APIServices.",
        fix: "Register `v1beta1.custom.metrics.k8s.io` for the adapter’s Service.",
        shown_by: &["prometheus-operator/kube-prometheus#423"],
    },
    Entry {
        cause: Cause::ApiServiceUnavailable,
        name: "api-service-unavailable",
        link: Link::ApiService,
        title: "The APIService is not available",
        symptom: "FailedDiscoveryCheck, or the Service has no endpoints.",
        check: "Its condition `Available`: the reason and the message.",
        fix: "Have the adapter run, its Service lead to its port, and the control plane reach it; on EKS the nodes’ security group has to admit port 6443.",
        shown_by: &["kubernetes-sigs/prometheus-adapter#534"],
    },
    Entry {
        cause: Cause::AnotherServer,
        name: "another-server",
        link: Link::ApiService,
        title: "Another server owns the API",
        symptom: "404 for a metric that the adapter has.",
        check: "The APIService’s `spec.service`.",
        fix: "One cluster has one server of each metrics API: point the APIService to the one that has the metric.",
        shown_by: &["kedacore/keda#470"],
    },
    Entry {
        cause: Cause::ControllerForbidden,
        name: "controller-forbidden",
        link: Link::Answer,
        title: "The HPA’s controller may not read the metric, or what it scales",
        symptom: "“forbidden” in the HPA’s condition `ScalingActive`, or `AbleToScale`.",
        check: "A SubjectAccessReview for `horizontal-pod-autoscaler` in `kube-system`.",
        fix: "Bind a role that reads the metrics API, or the target’s scale, to the controller’s service account.",
        shown_by: &["kubernetes-sigs/prometheus-adapter#100"],
    },
    Entry {
        cause: Cause::TargetElsewhere,
        name: "target-elsewhere",
        link: Link::Pod,
        title: "The HPA is in another namespace than its target",
        symptom: "FailedGetScale.",
        check: "The target’s name in the HPA’s namespace and in the others.",
        fix: "Move the HPA to the namespace of what it scales.",
        shown_by: &[],
    },
    Entry {
        cause: Cause::OldApiVersion,
        name: "old-api-version",
        link: Link::Pod,
        title: "The manifest says autoscaling/v2beta2",
        symptom: "`kubectl apply` fails, and there is no HPA: that version is gone since Kubernetes 1.26.",
        check: "The versions of `autoscaling` that the API server serves.",
        fix: "Change the manifest’s `apiVersion` to autoscaling/v2, and apply it again; of v2beta1 the metrics are written anew, too.",
        shown_by: &[],
    },
    Entry {
        cause: Cause::SeveralHpas,
        name: "several-hpas",
        link: Link::Condition,
        title: "Two HPAs, or two with overlapping selectors",
        symptom: "AmbiguousSelector, or an average over other pods.",
        check: "The namespace’s HPAs, and the pods that each of their targets selects.",
        fix: "Keep one HPA for a workload; give each workload labels of its own.",
        shown_by: &["kubernetes/kubernetes#124307"],
    },
    Entry {
        cause: Cause::ReplicasZero,
        name: "replicas-zero",
        link: Link::Pod,
        title: "The workload has 0 replicas",
        symptom: "ScalingDisabled.",
        check: "`spec.replicas` of the scale subresource.",
        fix: "Scale it to 1: from 0 an HPA does not scale.",
        shown_by: &[],
    },
    Entry {
        cause: Cause::PodsNotCounted,
        name: "pods-not-counted",
        link: Link::Answer,
        title: "Pods are not ready, or ready and not scraped yet",
        symptom: "The value is damped.",
        check: "The pods that are ready beside those that the metrics API has a value of.",
        fix: "Wait for their first scrape; if it does not come, look at their target. Where pods do not become ready since a change, take it back.",
        shown_by: &[],
    },
    Entry {
        cause: Cause::WithinTolerance,
        name: "within-tolerance",
        link: Link::Replicas,
        title: "The value is within the tolerance",
        symptom: "Nothing changes, though the value is not the target.",
        check: "The value divided by the target is within 10 % of 1.",
        fix: "None is needed: the HPA leaves small differences alone. For more, lower the target.",
        shown_by: &["kubernetes/kubernetes#116984"],
    },
    Entry {
        cause: Cause::AtMaximum,
        name: "at-maximum",
        link: Link::Replicas,
        title: "The HPA is at its maximum",
        symptom: "ScalingLimited, TooManyReplicas.",
        check: "The condition, and `spec.maxReplicas`.",
        fix: "Raise `maxReplicas`, or have each pod serve more.",
        shown_by: &[],
    },
    Entry {
        cause: Cause::OtherMetricInvalid,
        name: "other-metric-invalid",
        link: Link::Condition,
        title: "Another metric of the HPA is invalid",
        symptom: "It scales out, and never in.",
        check: "Each of the HPA’s metrics is asked for.",
        fix: "Mend that metric, or remove it from the HPA.",
        shown_by: &["kubernetes/kubernetes#119788"],
    },
    Entry {
        cause: Cause::ReplicasSetElsewhere,
        name: "replicas-set-elsewhere",
        link: Link::Replicas,
        title: "Something else sets the replicas",
        symptom: "Replicas go up and down.",
        check: "Who wrote `spec.replicas` last: the object’s managedFields.",
        fix: "Take `replicas` out of the manifest, and have the deploying tool ignore it.",
        shown_by: &["argoproj/argo-cd#5105"],
    },
    Entry {
        cause: Cause::PodsPending,
        name: "pods-pending",
        link: Link::Ready,
        title: "New pods are pending",
        symptom: "More are wanted than are ready.",
        check: "The pods’ condition `PodScheduled`, for half a minute (two minutes where the events may not be read) and with no node to come; or a quota, in the events.",
        fix: "Make room: nodes, requests, quota. Until then keep to the pods that have a place, by the HPA’s maximum; or take the change back that asks for more.",
        shown_by: &["kubernetes/kubernetes#82285"],
    },
    Entry {
        cause: Cause::ClientsPinned,
        name: "clients-pinned",
        link: Link::Traffic,
        title: "Clients keep their connections to old pods",
        symptom: "One pod is hot, and the others idle.",
        check: "Each ready pod’s share of the requests.",
        fix: "Close connections after a while, or balance requests instead of connections.",
        shown_by: &["kubernetes/kubernetes#101887"],
    },
    Entry {
        cause: Cause::LoadShort,
        name: "load-short",
        link: Link::Traffic,
        title: "The load falls short of what was asked for",
        symptom: "The value is low.",
        check: "What the load tool offered beside what was answered.",
        fix: "Look at the load tool’s report: a bound on requests in flight, failures, its own processor.",
        shown_by: &[],
    },
    Entry {
        cause: Cause::EmptyReadAsZero,
        name: "empty-read-as-zero",
        link: Link::Rule,
        title: "KEDA reads an empty answer as 0",
        symptom: "Replicas go, without an error.",
        check: "The length of the result of the trigger’s query, and whether it is NaN.",
        fix: "Have the query answer, or set `ignoreNullValues: \"false\"`, so that it is an error.",
        shown_by: &["kedacore/keda#3065"],
    },
    Entry {
        cause: Cause::SeveralSeries,
        name: "several-series",
        link: Link::Rule,
        title: "KEDA’s query returns several series, or an average",
        symptom: "An error, or too few pods.",
        check: "The result of the trigger’s query: one series, summed.",
        fix: "Make the query one sum over all pods: the HPA divides it by their number.",
        shown_by: &["kedacore/keda#5781"],
    },
    Entry {
        cause: Cause::KedaBlocked,
        name: "keda-blocked",
        link: Link::Rule,
        title: "KEDA is blocked: by a NetworkPolicy, or by its webhook",
        symptom: "The ScaledObject is not Ready, or there is no HPA.",
        check: "Its condition, the policies at Prometheus, and whether there is a second HPA for the workload.",
        fix: "Admit KEDA’s operator to Prometheus’ port; keep one autoscaler for a workload.",
        shown_by: &[],
    },
    Entry {
        cause: Cause::PodFails,
        name: "pod-fails",
        link: Link::Pod,
        title: "The image cannot be pulled, or the container crashes",
        symptom: "No pod is ready.",
        check: "The container’s waiting reason, and how it last ended.",
        fix: "Take back the change that brought it; else mend what the reason says: the image’s name, its pull secret, the program, its memory limit.",
        shown_by: &[],
    },
    Entry {
        cause: Cause::NoLoadBalancer,
        name: "no-load-balancer",
        link: Link::Traffic,
        title: "The load balancer has no address",
        symptom: "Nothing reaches the Service from outside.",
        check: "`status.loadBalancer` of the Service.",
        fix: "Install a controller for load balancers, or use a port-forward.",
        shown_by: &[],
    },
    Entry {
        cause: Cause::PrometheusNotReady,
        name: "prometheus-not-ready",
        link: Link::Target,
        title: "Prometheus is not ready, or its replicas disagree",
        symptom: "Gaps; the value jumps.",
        check: "Each replica’s own answer to the same question.",
        fix: "Have each replica ready: its image, its room on a node, its log. Look at the one that differs: its configuration, its disk, its network.",
        shown_by: &[],
    },
];
