//! `docs/TROUBLESHOOTING.md`, and the address of a cause on it.

use std::fmt::Write as _;

use super::{CATALOGUE, Cause, Entry};

/// The public repository's address. `Cargo.toml` has it, once.
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

const HEAD: &str = "\
# Why the HPA does not scale

`loadtest doctor` tells these causes apart. It checks each link between a pod and its replicas, stops at the first broken
one, and prints the cause, the evidence, and a fix. In a clone of this repository, with the kubeconfig that kubectl uses,
or with a file that `--bundle FILE` wrote elsewhere:

    cargo run --release --package loadtest -- doctor shop/hpa
    cargo run --release --package loadtest -- doctor --from FILE

It also prints an entry of this page, by number or by name:

    cargo run --release --package loadtest -- doctor --explain rule-absent

The commands under \"How to check\" only read. Replace the words in capitals with your own names: MONITORING is the namespace of
Prometheus and its adapter, PROMETHEUS is Prometheus' Service, ADAPTER is the adapter's Deployment or ConfigMap, and WORKLOAD
is the target with its kind, such as `deployment/shop`.

This page is generated from the table in `loadtest/src/doctor/catalogue/causes.rs`.

## By symptom

";

/// The symptoms that people look for, and their causes.
pub const SYMPTOMS: &[(&str, &[Cause])] = &[
    (
        "`<unknown>`, `FailedGetPodsMetric`, “could not find the metric” (404), or the API lists `resources: []`",
        &[
            Cause::CounterAbsent,
            Cause::NameMissesRule,
            Cause::AnnotationsOnly,
            Cause::MonitorSelectsNothing,
            Cause::PrometheusForbidden,
            Cause::TargetDown,
            Cause::PrometheusUnreachable,
            Cause::LabelsMissing,
            Cause::RuleAbsent,
            Cause::AnotherRuleFails,
            Cause::AnotherServer,
            Cause::PrefixWrong,
            Cause::MonitorLost,
        ],
    ),
    (
        "`<unknown>`, `FailedGetPodsMetric`, “no metrics returned”, or “did not receive metrics”",
        &[Cause::TargetDown, Cause::WindowTooShort, Cause::GroupByDropped, Cause::PodsNotCounted, Cause::QueryRefused],
    ),
    (
        "`<unknown>` for CPU or memory, `FailedGetResourceMetric`, `FailedGetContainerResourceMetric`",
        &[
            Cause::RequestMissing,
            Cause::ContainerUnknown,
            Cause::PodMetricsMissing,
            Cause::ApiServiceMissing,
            Cause::ApiServiceUnavailable,
        ],
    ),
    ("`<unknown>`, “no custom metrics API registered”", &[Cause::ApiServiceMissing]),
    ("`<unknown>`, “unable to handle the request” (503), `FailedDiscoveryCheck`", &[Cause::ApiServiceUnavailable]),
    ("“forbidden” in the HPA's conditions", &[Cause::ControllerForbidden]),
    (
        "`FailedGetExternalMetric`, or a ScaledObject that is not Ready",
        &[
            Cause::PrometheusUnreachable,
            Cause::AnotherServer,
            Cause::EmptyReadAsZero,
            Cause::SeveralSeries,
            Cause::KedaBlocked,
            Cause::QueryRefused,
            Cause::FallbackActive,
            Cause::PrefixWrong,
        ],
    ),
    ("`FailedGetScale`", &[Cause::ControllerForbidden, Cause::TargetElsewhere, Cause::ScaleTargetVersion]),
    ("`ScalingDisabled`, or 0 replicas", &[Cause::ReplicasZero, Cause::ScaledToZero]),
    ("`AmbiguousSelector`", &[Cause::SeveralHpas]),
    (
        "There is no HPA, or `kubectl apply` rejects it",
        &[Cause::OldApiVersion, Cause::KedaBlocked, Cause::ScalerPaused],
    ),
    (
        "Prometheus has no target",
        &[Cause::AnnotationsOnly, Cause::MonitorSelectsNothing, Cause::PrometheusForbidden, Cause::MonitorLost],
    ),
    ("Prometheus' target is down", &[Cause::TargetDown]),
    (
        "The value appears and disappears, or jumps",
        &[Cause::WindowTooShort, Cause::GroupByDropped, Cause::PrometheusNotReady],
    ),
    (
        "The value is too low, or not the pods' own",
        &[
            Cause::LabelsMissing,
            Cause::SeveralHpas,
            Cause::PodsNotCounted,
            Cause::LoadShort,
            Cause::SeveralSeries,
            Cause::SelectorTakesOthers,
        ],
    ),
    ("The value of an idle pod is not 0", &[Cause::ProbesCounted, Cause::BalancerChecksCounted]),
    ("The value is too high", &[Cause::ScrapedTwice, Cause::ProbesCounted, Cause::BalancerChecksCounted]),
    (
        "The HPA adds no replicas under load",
        &[
            Cause::PodsNotCounted,
            Cause::WithinTolerance,
            Cause::AtMaximum,
            Cause::DirectionDisabled,
            Cause::Stabilised,
            Cause::RateLimited,
            Cause::PodsDamp,
            Cause::PodsPending,
            Cause::LoadShort,
            Cause::SeveralSeries,
        ],
    ),
    (
        "The HPA removes no replicas without load",
        &[
            Cause::ProbesCounted,
            Cause::WithinTolerance,
            Cause::OtherMetricInvalid,
            Cause::ScalerPaused,
            Cause::DirectionDisabled,
            Cause::Stabilised,
            Cause::RateLimited,
            Cause::RoundedUp,
            Cause::PodsDamp,
            Cause::AtMinimum,
        ],
    ),
    (
        "Replicas disappear under load, or go up and down",
        &[Cause::ReplicasSetElsewhere, Cause::EmptyReadAsZero, Cause::IdleReplicas],
    ),
    ("The replicas never change", &[Cause::FallbackActive, Cause::ScalerPaused, Cause::SelectorTakesOthers]),
    ("The HPA desires more pods than are ready", &[Cause::PodsNotCounted, Cause::PodsPending, Cause::PodFails]),
    ("One pod is busy, and the others are idle", &[Cause::ClientsPinned]),
    ("Nothing outside the cluster reaches the Service", &[Cause::NoLoadBalancer]),
];

/// The page for people who look for their symptom.
pub fn troubleshooting() -> String {
    let mut page = HEAD.to_owned();
    for (symptom, causes) in SYMPTOMS {
        let links = causes.iter().map(|cause| {
            let entry = cause.entry();
            format!("[{} {}](#{})", cause.number(), entry.name, anchor(entry))
        });
        // A String takes any write.
        let _ = writeln!(page, "- {symptom}: {}", links.collect::<Vec<_>>().join(", "));
    }
    for entry in CATALOGUE {
        let Entry { name, symptom, check, command, fix, .. } = entry;
        let _ = write!(
            page,
            "\n## {}\n\n`{name}`, {}.\n\n- **Symptom:** {symptom}\n- **How to check:** {check}\n\n      {command}\n\n- **Fix:** {fix}\n",
            entry.heading(),
            entry.raised_by("*")
        );
        let links: Vec<_> =
            entry.references().map(|(reference, address)| format!("[{reference}]({address})")).collect();
        if !links.is_empty() {
            let _ = writeln!(page, "- **References:** {}", links.join(", "));
        }
    }
    page
}

/// The address of a cause on the public page.
pub fn address(cause: Cause) -> String {
    format!("{REPOSITORY}/blob/main/docs/TROUBLESHOOTING.md#{}", anchor(cause.entry()))
}

/// The anchor that GitHub gives an entry's heading.
fn anchor(entry: &Entry) -> String {
    let heading = entry.heading();
    let kept = heading.chars().filter(|one| one.is_alphanumeric() || "-_ ".contains(*one));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

impl Entry {
    /// Its heading: the number and the title.
    pub fn heading(&self) -> String {
        format!("{}. {}", self.cause.number(), self.title)
    }

    /// The links that may raise it, in words, with this mark around each.
    pub fn raised_by(&self, mark: &str) -> String {
        let labels: Vec<_> = self.links.iter().map(|link| format!("{mark}{}{mark}", link.label())).collect();
        match labels.as_slice() {
            [first] => format!("at the link {first}"),
            [first, others @ ..] => format!("at the link {first}, or at {}", others.join(", ")),
            [] => unreachable!("the table requires a link"),
        }
    }

    /// Its references, with their addresses.
    pub fn references(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.references.iter().map(|reference| {
            let (repository, number) = reference.split_once('#').unwrap_or((reference, ""));
            (*reference, format!("https://github.com/{repository}/issues/{number}"))
        })
    }
}
