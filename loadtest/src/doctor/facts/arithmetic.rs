//! The HPA's arithmetic in words: what each metric asks for, why the replicas stay, and what load would change them.

use super::decision::{Decision, Direction, Held, ScalesToZero};
use super::proposals::{Asked, Measure};
use crate::autoscaling::hpa::calculator::{By, Groups, Proposal, still};
use crate::autoscaling::hpa::{Behavior, Rules, Select, Unit};
use crate::autoscaling::timing::SYNC_PERIOD;
use crate::output::text::rounded;

/// A value of a metric, in the unit that a manifest has it in.
pub fn written(metric: &Asked<'_>, value: f64) -> String {
    let is_memory = metric.kind.ends_with("Resource") && metric.name == "memory";
    match metric.measure {
        Measure::Utilization => format!("{} %", rounded(value, 1)),
        _ if is_memory => format!("{} Mi", rounded(value / 1_048_576.0, 1)),
        _ => rounded(value, 3),
    }
}

/// The value beside the target, such as `270 % of 50 %`.
pub fn compared(metric: &Asked<'_>) -> String {
    let per = if metric.measure == Measure::Average { " per pod" } else { "" };
    let target = written(metric, metric.target);
    let Some(value) = metric.value else { return format!("no value, with a target of {target}{per}") };
    format!("{} of {target}{per}", written(metric, value))
}

/// What a metric asks for, with its arithmetic.
pub fn asks(metric: &Asked<'_>, behavior: &Behavior) -> String {
    let Some(proposal) = metric.proposal else { return compared(metric) };
    let Proposal { replicas, by, .. } = proposal;
    let how = match by {
        By::Ratio => product(metric, proposal),
        By::Tolerance => format!("within the tolerance of {} %", tolerance(behavior, proposal.ratio)),
        By::Damping => format!("{}, but {}", product(metric, proposal), uncounted(&metric.groups, proposal.ratio)),
    };
    format!("{} asks for {replicas}: {how}", compared(metric))
}

/// The ratio's product, such as `ceil(4 × 0.8) = 4`.
fn product(metric: &Asked<'_>, Proposal { plain, ratio, .. }: Proposal) -> String {
    format!("ceil({} × {}) = {plain}", metric.groups.counted.pods.max(1), rounded(ratio, 3))
}

/// The tolerance on this side of the target, in per cent.
pub fn tolerance(behavior: &Behavior, ratio: f64) -> String {
    let rules = if ratio > 1.0 { &behavior.up } else { &behavior.down };
    rounded(rules.tolerance * 100.0, 1)
}

/// The pods that are not counted, and how the controller takes them.
pub fn uncounted(groups: &Groups, ratio: f64) -> String {
    let pods = |count: u32, one: &str, several: &str| format!("{count} {}", if count == 1 { one } else { several });
    let missing = (groups.missing.pods > 0).then(|| {
        let taken = if ratio < 1.0 { "busy" } else { "idle" };
        format!("{} as {taken}", pods(groups.missing.pods, "pod without a value counts", "pods without a value count"))
    });
    let unready = (groups.unready.pods > 0 && ratio > 1.0).then(|| {
        format!(
            "{} as idle",
            pods(
                groups.unready.pods,
                "pod that is not ready or just started counts",
                "pods that are not ready or just started count"
            )
        )
    });
    missing.into_iter().chain(unready).collect::<Vec<_>>().join(", and ")
}

/// Why the replicas are what they are, in one line.
pub fn why(decision: &Decision<'_>) -> String {
    let Decision { current, desired, min, max, behavior, .. } = decision;
    let replicas = if *current == 1 { "1 replica".to_owned() } else { format!("{current} replicas") };
    let metric = decision.decisive().map(|metric| {
        let of = if decision.metrics.len() > 1 { ", which asks for the most," } else { "" };
        format!("{}{of} is {}", metric.title(), asks(metric, behavior).replacen(" asks", ", and asks", 1))
    });
    let held = match decision.held {
        Held::Unknown | Held::AtTarget | Held::Damping => "so nothing changes".to_owned(),
        Held::Changes if current != desired => format!("the HPA goes to {desired}"),
        Held::Changes => format!("the HPA syncs every {SYNC_PERIOD} s"),
        Held::Zero(by) => return format!("{replicas}: {} scaled the workload to 0", by.name()),
        Held::Maximum => format!("the maximum is {max}"),
        Held::Minimum => format!("the minimum is {min}"),
        Held::Tolerance => "the HPA ignores so small a difference".to_owned(),
        Held::Rounding => rounding(decision),
        Held::Disabled(direction) => format!("spec.behavior.{}.selectPolicy is Disabled", direction.field()),
        Held::Stabilized(direction) => {
            let seconds = rules(behavior, direction).stabilization_seconds;
            format!("{} waits for its stabilisation window of {seconds:.0} s", direction.noun())
        }
        Held::Limited(direction) => format!("{} is limited to {}", direction.noun(), limit(behavior, direction)),
    };
    metric.map_or_else(
        || format!("{replicas}: what the metrics ask for is not known"),
        |metric| format!("{replicas}: {metric}; {held}"),
    )
}

/// Why a pod fewer would be one too few.
pub fn rounding(decision: &Decision<'_>) -> String {
    let metric = decision.decisive();
    let with_fewer = metric.and_then(|metric| {
        let pods = f64::from(metric.groups.counted.pods);
        let value = metric.value.filter(|_| pods > 1.0)? * pods / (pods - 1.0);
        Some(format!("with a pod fewer it would be {}", written(metric, value)))
    });
    with_fewer.unwrap_or_else(|| "the result is rounded up".to_owned())
}

/// The rules of a direction.
pub const fn rules(behavior: &Behavior, direction: Direction) -> &Rules {
    match direction {
        Direction::Out => &behavior.up,
        Direction::In => &behavior.down,
    }
}

/// What a direction's policies allow.
pub fn limit(behavior: &Behavior, direction: Direction) -> String {
    if !behavior.written {
        return "twice the replicas, or to 4".to_owned();
    }
    let rules = rules(behavior, direction);
    let policies = rules.policies.iter().map(|policy| {
        let unit = match policy.unit {
            Unit::Percent => " %",
            Unit::Pods if policy.value == 1 => " pod",
            Unit::Pods => " pods",
        };
        format!("{}{unit} in {} s", policy.value, policy.period_seconds)
    });
    let policies: Vec<_> = policies.collect();
    let which = match rules.select {
        _ if policies.len() < 2 => "",
        Select::Min => ", whichever is less",
        _ => ", whichever is more",
    };
    format!("{}{which}", policies.join(" or "))
}

/// The values of a metric between which nothing changes: at or below the first the HPA scales in, as far as this metric is
/// concerned, and above the second it scales out.
pub fn bounds(metric: &Asked<'_>, decision: &Decision<'_>) -> (Option<f64>, Option<f64>) {
    match decision.held {
        Held::Zero(ScalesToZero::Hpa) => return (None, Some(0.0)),
        // It does not look at the target, but at each trigger's activation threshold.
        Held::Zero(ScalesToZero::Keda) => return (None, None),
        _ => {}
    }
    let (fewer, more) = still(&decision.behavior, metric.groups.counted.pods);
    let can_shrink = decision.current > decision.min && decision.behavior.down.select != Select::Disabled;
    let can_grow = decision.current < decision.max && decision.behavior.up.select != Select::Disabled;
    let of = |ratio: f64| ratio * metric.target;
    (fewer.filter(|_| can_shrink).map(of), Some(of(more)).filter(|_| can_grow))
}

/// The same in words; none where no load changes anything.
pub fn changes(metric: &Asked<'_>, decision: &Decision<'_>) -> Option<String> {
    if decision.held == Held::Zero(ScalesToZero::Keda) {
        return Some("KEDA starts the first pod when a trigger is active".to_owned());
    }
    let (fewer, more) = bounds(metric, decision);
    let all = if decision.metrics.len() > 1 { " if no other metric needs them" } else { "" };
    let out = more.map(|above| format!("scales out above {}", written(metric, above)));
    let within = fewer.map(|below| format!("in at {} or below{all}", written(metric, below)));
    match (out, within) {
        (Some(out), Some(within)) => Some(format!("{out}, {within}")),
        (None, Some(within)) => Some(format!("scales {within}")),
        (out, None) => out,
    }
}
