//! The replicas that one metric asks for, from what is known of the pods from outside: how many there are of each kind, and
//! the metric's ratio to its target. The controller needs each pod's own value only for its sum.
//!
//! Source: `replica_calculator.go`, as in Kubernetes 1.34 and 1.37.

use super::Behavior;

/// Pods that the controller treats alike.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    /// How many there are.
    pub pods: u32,
    /// Their part of the target: the sum of their requests for a utilization, or else their number.
    pub weight: f64,
}

/// How the controller groups a workload's pods: `groupPods`. Those that leave or have failed are in none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Groups {
    /// Those whose value counts.
    pub counted: Share,
    /// Those that are pending or, for CPU, not ready or too young for their sample.
    pub unready: Share,
    /// Those without a value.
    pub missing: Share,
}

/// What a metric asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proposal {
    /// The replicas.
    pub replicas: u32,
    /// What the ratio alone would come to, without the tolerance and without pods that are not counted.
    pub plain: u32,
    /// The value, as a share of the target.
    pub ratio: f64,
    /// What decided.
    pub by: By,
}

/// What decided about a proposal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum By {
    /// The ratio.
    Ratio,
    /// The tolerance.
    Tolerance,
    /// Pods that have no value, or whose value does not count.
    Damping,
}

impl Proposal {
    fn new(replicas: u32, plain: u32, ratio: f64, by: By) -> Self {
        Self { replicas, plain, ratio, by }
    }
}

/// Whether a share of the target counts as the target.
fn within(behavior: &Behavior, ratio: f64) -> bool {
    1.0 - behavior.down.tolerance <= ratio && ratio <= 1.0 + behavior.up.tolerance
}

/// Pods for this many targets. A float slightly above a whole number counts as that number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of pods")]
pub fn ceil(targets: f64) -> u32 {
    (targets - 1e-9).ceil().max(0.0) as u32
}

/// A metric that is averaged over the pods: `GetResourceReplicas` with the target of a utilization in per cent, and
/// `calcPlainMetricReplicas` without one. None if no pod's value counts.
pub fn of_pods(
    behavior: &Behavior,
    current: u32,
    ratio: f64,
    utilization: Option<f64>,
    groups: &Groups,
) -> Option<Proposal> {
    let Groups { counted, unready, missing } = *groups;
    if counted.pods == 0 {
        return None;
    }
    let plain = ceil(ratio * f64::from(counted.pods));
    let damps = unready.pods > 0 && ratio > 1.0;
    if !damps && missing.pods == 0 {
        let near = within(behavior, ratio);
        let (replicas, by) = if near { (current, By::Tolerance) } else { (plain, By::Ratio) };
        return Some(Proposal::new(replicas, plain, ratio, by));
    }
    // What is not known is taken to be what holds the change back.
    let (mut sum, mut weight, mut pods) = (ratio * counted.weight, counted.weight, counted.pods);
    if missing.pods > 0 && (ratio - 1.0).abs() > f64::EPSILON {
        // A pod without a value is taken to use its whole request, or the target if that is more.
        let full = utilization.map_or(1.0, |target| target.max(100.0) / target);
        sum += if ratio < 1.0 { full * missing.weight } else { 0.0 };
        (weight, pods) = (weight + missing.weight, pods + missing.pods);
    }
    if damps {
        (weight, pods) = (weight + unready.weight, pods + unready.pods);
    }
    let again = sum / weight;
    // A utilization is a whole number there.
    let again = utilization.map_or(again, |target| (again * target + 1e-9).floor() / target);
    let kept = Some(Proposal::new(current, plain, ratio, By::Damping));
    if within(behavior, again) || (ratio < 1.0 && again > 1.0) || (ratio > 1.0 && again < 1.0) {
        return kept;
    }
    let replicas = ceil(again * f64::from(pods));
    let turned = (again < 1.0 && replicas > current) || (again > 1.0 && replicas < current);
    let by = if replicas == plain { By::Ratio } else { By::Damping };
    if turned { kept } else { Some(Proposal::new(replicas, plain, ratio, by)) }
}

/// A total that is divided by the replicas: `GetExternalPerPodMetricReplicas` and `GetObjectPerPodMetricReplicas`.
pub fn of_average(behavior: &Behavior, replicas: u32, total: f64, target: f64) -> Proposal {
    // From no pod, the total alone counts.
    let (ratio, plain) = (total / (target * f64::from(replicas.max(1))), ceil(total / target));
    if replicas > 0 && within(behavior, ratio) {
        return Proposal::new(replicas, plain, ratio, By::Tolerance);
    }
    Proposal::new(plain, plain, ratio, By::Ratio)
}

/// A value as a whole, which is multiplied by the ready pods: `getUsageRatioReplicaCount`.
pub fn of_value(behavior: &Behavior, current: u32, ready: u32, ratio: f64) -> Proposal {
    if current == 0 {
        return Proposal::new(ceil(ratio), ceil(ratio), ratio, By::Ratio);
    }
    let plain = ceil(ratio * f64::from(ready));
    if within(behavior, ratio) {
        return Proposal::new(current, plain, ratio, By::Tolerance);
    }
    Proposal::new(plain, plain, ratio, By::Ratio)
}

/// The ratios between which the controller changes nothing, with this many pods that all count: it scales out above the
/// second, and in at or below the first. There is no first with one pod.
pub fn still(behavior: &Behavior, pods: u32) -> (Option<f64>, f64) {
    let fewer = (pods > 1).then(|| (f64::from(pods) - 1.0) / f64::from(pods));
    let fewer = fewer.map(|fewer| fewer.min(1.0 - behavior.down.tolerance));
    // Just above the target, a pod more is needed at once.
    (fewer, 1.0 + behavior.up.tolerance)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods(pods: u32) -> Share {
        Share { pods, weight: f64::from(pods) }
    }

    fn asked(current: u32, ratio: f64, utilization: Option<f64>, [counted, unready, missing]: [u32; 3]) -> (u32, By) {
        let groups = Groups { counted: pods(counted), unready: pods(unready), missing: pods(missing) };
        let proposal = of_pods(&Behavior::default(), current, ratio, utilization, &groups).unwrap();
        (proposal.replicas, proposal.by)
    }

    #[test]
    fn the_ratio_is_multiplied_by_the_pods_and_rounded_up() {
        assert_eq!(asked(4, 0.8, None, [4, 0, 0]), (4, By::Ratio));
        assert_eq!(asked(4, 0.75, None, [4, 0, 0]), (3, By::Ratio));
        assert_eq!(asked(2, 5.4, Some(50.0), [2, 0, 0]), (11, By::Ratio));
        assert_eq!(asked(3, 1.1, None, [3, 0, 0]), (3, By::Tolerance));
        assert_eq!(asked(3, 1.11, None, [3, 0, 0]), (4, By::Ratio));
        assert_eq!(asked(3, 0.0, None, [3, 0, 0]), (0, By::Ratio));
        assert_eq!(of_pods(&Behavior::default(), 3, 1.0, None, &Groups::default()), None);
    }

    /// Cases of `replica_calculator_test.go`.
    #[test]
    fn pods_that_are_not_counted_damp_the_change() {
        // TestReplicaCalcMissingMetricsUnreadyScaleUp, as a ratio: one counted at twice its target, one missing, one unready.
        assert_eq!(asked(3, 2.0, None, [1, 1, 1]), (3, By::Damping));
        // Scale-out of three counted at 3/1 with one unready: 9/4 = 2.25, times four.
        assert_eq!(asked(4, 3.0, None, [3, 1, 0]), (9, By::Ratio));
        // Unready pods do not hold a scale-in back; missing ones are taken to be at the target.
        assert_eq!(asked(4, 0.25, None, [3, 1, 0]), (1, By::Ratio));
        assert_eq!(asked(4, 0.25, None, [2, 0, 2]), (3, By::Damping));
        // At a utilization target of 50 % they are taken to be at 100 %: twice the target.
        assert_eq!(asked(4, 0.25, Some(50.0), [2, 0, 2]), (4, By::Damping));
    }

    #[test]
    fn totals_are_divided_by_the_replicas_or_multiplied_by_the_ready_pods() {
        let behavior = Behavior::default();
        assert_eq!(of_average(&behavior, 2, 9.0, 2.0).replicas, 5);
        assert_eq!(of_average(&behavior, 2, 4.4, 2.0).by, By::Tolerance);
        assert_eq!(of_average(&behavior, 0, 5.0, 2.0).replicas, 3);
        assert_eq!(of_value(&behavior, 3, 2, 1.5).replicas, 3);
        assert_eq!(of_value(&behavior, 0, 0, 1.5).replicas, 2);
    }

    #[test]
    fn nothing_changes_between_two_ratios() {
        assert_eq!(still(&Behavior::default(), 4), (Some(0.75), 1.1));
        assert_eq!(still(&Behavior::default(), 20), (Some(0.9), 1.1));
        assert_eq!(still(&Behavior::default(), 1), (None, 1.1));
    }
}
