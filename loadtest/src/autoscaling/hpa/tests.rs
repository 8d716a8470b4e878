//! The algorithm's edge cases; that it is the real controller's is compared with one in `tests/controller`.

use super::*;
use crate::autoscaling::Autoscaler;
use crate::autoscaling::predict::{Pipeline, Source};
use crate::autoscaling::rate::Function;

fn autoscaler(max: u32) -> Autoscaler {
    let pipeline = Pipeline {
        scrape: 5.0,
        window: 120.0,
        function: Function::Rate,
        relist: 60.0,
        sync: 15.0,
        startup: 2.0,
        source: Source::Pods,
    };
    Autoscaler {
        name: "shop/hpa".into(),
        scaled: "Deployment/shop".into(),
        metric: "requests".into(),
        target: 2.0,
        min: 1,
        max,
        behavior: Behavior::default(),
        pipeline,
        created: None,
        metrics: Vec::new(),
        kubernetes: Version::default(),
    }
}

fn pods(phases: &[Phase]) -> Vec<Pod> {
    let pod = |(number, phase): (usize, &Phase)| Pod { name: number.to_string(), phase: *phase, leaving: false };
    phases.iter().enumerate().map(pod).collect()
}

fn running(count: usize) -> Vec<Pod> {
    pods(&vec![Phase::Running; count])
}

/// The values of the first pods, in thousandths.
fn values(values: &[i64]) -> Reading {
    Reading::Pods(values.iter().enumerate().map(|(number, value)| (number.to_string(), *value)).collect())
}

/// What a first look at this wants.
fn wanted(max: u32, pods: &[Pod], reading: &Reading) -> u32 {
    let current = pods.iter().filter(|pod| !pod.leaving).count().try_into().unwrap();
    let mut behavior = Behavior { written: true, ..Behavior::default() };
    behavior.down.stabilization_seconds = 0.0;
    Controller::new(&Autoscaler { behavior, ..autoscaler(max) }).decide(0.0, current, pods, Ok(reading)).desired
}

#[test]
fn the_tolerance_has_both_its_borders() {
    assert_eq!([2200, 2201].map(|value| wanted(9, &running(1), &values(&[value]))), [1, 2]);
    assert_eq!([1800, 1799].map(|value| wanted(30, &running(10), &values(&[value; 10]))), [10, 9]);
}

#[test]
fn the_average_of_pods_is_cut_to_a_whole_thousandth() {
    // 4403 / 2 is 2201.5: without the cut it would be the same; 4401 / 2 is 2200.5, and within.
    assert_eq!([4401, 4402].map(|sum| wanted(9, &running(2), &values(&[sum, 0]))), [2, 3]);
}

#[test]
fn a_pod_without_a_value_holds_the_change_back() {
    // Up: (6000 + 0) / 2 is half more than the target. Without the missing pod it would be 3 of 1.
    assert_eq!(wanted(9, &running(2), &values(&[6000])), 3);
    // Up, but with it within the tolerance, or turned.
    assert_eq!(wanted(9, &running(2), &values(&[4200])), 2);
    assert_eq!(wanted(9, &running(2), &values(&[3000])), 2);
    // Down: (0 + 0 + 2000) / 3.
    assert_eq!(wanted(9, &running(3), &values(&[0, 0])), 1);
    assert_eq!(wanted(9, &running(4), &values(&[1000, 1000])), 3);
}

#[test]
fn a_pending_pod_counts_as_idle_upwards_and_not_at_all_downwards() {
    use Phase::{Pending, Running};
    assert_eq!(wanted(9, &pods(&[Running, Pending]), &values(&[6000])), 3);
    assert_eq!(wanted(9, &pods(&[Running, Running, Pending]), &values(&[100, 100])), 1);
    // Its own value is not looked at.
    assert_eq!(wanted(9, &pods(&[Running, Pending]), &values(&[6000, 90_000])), 3);
}

#[test]
fn pods_that_failed_or_leave_do_not_count() {
    let mut some = pods(&[Phase::Running, Phase::Failed, Phase::Running]);
    some[2].leaving = true;
    let decision = Controller::new(&autoscaler(9)).decide(0.0, 1, &some, Ok(&values(&[3000, 9000, 9000])));
    assert_eq!((decision.desired, decision.value), (2, Some(3.0)));
}

#[test]
fn a_value_of_no_pod_counts_into_the_average_alone() {
    // (3000 + 9000) / 2 is three times the target, of one pod.
    assert_eq!(wanted(9, &running(1), &values(&[3000, 9000])), 3);
}

#[test]
fn without_values_nothing_is_done_and_the_hpa_says_why() {
    let mut controller = Controller::new(&autoscaler(9));
    let says = |decision: &Decision| decision.conditions.iter().map(ToString::to_string).collect::<Vec<_>>();
    let decision = controller.decide(0.0, 3, &running(3), Err("no metrics returned from custom metrics API"));
    assert_eq!((decision.desired, decision.value, &decision.rescaled), (3, None, &None));
    assert_eq!(
        says(&decision),
        [
            "AbleToScale=True SucceededGetScale: the HPA controller was able to get the target's current scale",
            "ScalingActive=False FailedGetPodsMetric: the HPA was unable to compute the replica count: \
             unable to get metric requests: no metrics returned from custom metrics API",
        ]
    );
    let unready = controller.decide(15.0, 3, &pods(&[Phase::Pending]), Ok(&values(&[5000])));
    assert!(says(&unready)[1].ends_with("did not receive metrics for targeted pods (pods might be unready)"));
    let nobody = controller.decide(30.0, 3, &[], Ok(&values(&[5000])));
    assert!(says(&nobody)[1].ends_with("no pods returned by selector while calculating replica count"));
}

#[test]
fn one_value_for_all_is_divided_by_the_replicas() {
    let total = |count, total| wanted(9, &running(count), &Reading::Total(total));
    assert_eq!([total(1, 2200), total(1, 2201), total(2, 4401), total(3, 5999), total(3, 5000)], [1, 2, 3, 3, 3]);
    let mut controller = Controller::new(&autoscaler(9));
    // The status shows the share of a pod, rounded up.
    assert_eq!(controller.decide(0.0, 3, &running(3), Ok(&Reading::Total(5000))).value, Some(1.667));
}

#[test]
fn minimum_and_maximum_come_before_the_metric() {
    let mut narrow = Autoscaler { min: 2, ..autoscaler(3) };
    let decide = |narrow: &Autoscaler, current: u32| {
        Controller::new(narrow).decide(0.0, current, &running(current as usize), Err("gone")).desired
    };
    assert_eq!([0, 1, 2, 3, 5].map(|current| decide(&narrow, current)), [0, 2, 2, 3, 3]);
    narrow.min = 0;
    assert_eq!(decide(&narrow, 0), 0);
    let limited = Controller::new(&autoscaler(3)).decide(0.0, 2, &running(2), Ok(&values(&[8000, 8000])));
    assert_eq!(limited.rescaled.as_deref(), Some("New size: 3; reason: pods metric requests above target"));
    assert_eq!(limited.conditions[0].reason, "SucceededRescale");
    assert_eq!((limited.conditions[2].status, limited.conditions[2].reason.as_str()), (true, "TooManyReplicas"));
}

/// The replicas after each look, at a moment and with one value for all.
fn story(autoscaler: &Autoscaler, looks: &[(f64, i64)]) -> Vec<u32> {
    let mut controller = Controller::new(autoscaler);
    let mut replicas = 1;
    looks
        .iter()
        .map(|&(at, total)| {
            replicas = controller.decide(at, replicas, &running(replicas as usize), Ok(&Reading::Total(total))).desired;
            replicas
        })
        .collect()
}

#[test]
fn without_behavior_it_doubles_or_makes_four_and_waits_five_minutes() {
    let looks = [(0.0, 90_000), (15.0, 90_000), (30.0, 90_000), (45.0, 0), (329.0, 0), (330.0, 0), (331.0, 0)];
    assert_eq!(story(&autoscaler(30), &looks), [4, 8, 16, 30, 30, 30, 1]);
}

#[test]
fn the_replicas_found_at_first_are_a_recommendation() {
    let mut controller = Controller::new(&autoscaler(9));
    let idle = values(&[0, 0, 0]);
    let looks = [0.0, 15.0, 300.0, 300.1].map(|at| controller.decide(at, 3, &running(3), Ok(&idle)).desired);
    assert_eq!(looks, [3, 3, 3, 1]);
}

#[test]
fn policies_count_what_was_changed_in_their_period() {
    let mut behavior = Behavior { written: true, ..Behavior::default() };
    behavior.up.policies = vec![Policy { unit: Unit::Pods, value: 2, period_seconds: 60 }];
    behavior.down.policies = vec![Policy { unit: Unit::Percent, value: 50, period_seconds: 30 }];
    behavior.down.stabilization_seconds = 0.0;
    let looks = [(0.0, 90_000), (15.0, 90_000), (59.0, 90_000), (60.0, 90_000), (95.0, 0), (110.0, 0), (126.0, 0)];
    // At 95 the half of five, rounded down; at 110 half of the five that there were thirty seconds ago is two still.
    assert_eq!(story(&Autoscaler { behavior, ..autoscaler(30) }, &looks), [3, 3, 3, 5, 2, 2, 1]);
}

#[test]
fn the_smaller_of_two_policies_and_none_at_all() {
    let policies = vec![
        Policy { unit: Unit::Pods, value: 1, period_seconds: 15 },
        Policy { unit: Unit::Percent, value: 300, period_seconds: 15 },
    ];
    let up = |select| {
        let mut behavior = Behavior { written: true, ..Behavior::default() };
        (behavior.up.policies, behavior.up.select) = (policies.clone(), select);
        story(&Autoscaler { behavior, ..autoscaler(30) }, &[(0.0, 90_000)])[0]
    };
    assert_eq!([Select::Max, Select::Min, Select::Disabled].map(up), [4, 2, 1]);
}

#[test]
fn stabilisation_upwards_takes_the_lowest_recommendation_of_its_window() {
    let mut behavior = Behavior { written: true, ..Behavior::default() };
    behavior.up.stabilization_seconds = 30.0;
    let looks = [(0.0, 8000), (15.0, 8000), (30.0, 6000), (45.0, 8000)];
    // The first look's own recommendation, of 1, is in the window until 30.
    assert_eq!(story(&Autoscaler { behavior, ..autoscaler(30) }, &looks), [1, 1, 3, 3]);
}

#[test]
fn a_behavior_is_kubernetes_own_where_it_is_silent() {
    use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerBehavior as Written;
    let read = |json: &str| Behavior::of(Some(&serde_json::from_str::<Written>(json).unwrap()));
    assert_eq!(Behavior::of(None), Ok(Behavior::default()));
    assert_eq!(read("{}"), Ok(Behavior { written: true, ..Behavior::default() }));
    let some = r#"{"scaleDown": {"stabilizationWindowSeconds": 20, "tolerance": "50m", "selectPolicy": "Min",
                   "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}}"#;
    let expected = Rules {
        stabilization_seconds: 20.0,
        tolerance: 0.05,
        select: Select::Min,
        policies: vec![Policy { unit: Unit::Pods, value: 1, period_seconds: 60 }],
    };
    assert_eq!(read(some).unwrap().down, expected);
    let wrong = r#"{"scaleUp": {"selectPolicy": "max"}}"#;
    assert_eq!(read(wrong).unwrap_err().to_string(), r#"scaleUp.selectPolicy is "max": make it Max, Min or Disabled"#);
}

/// An HPA with one External metric and a minimum of 0, without stabilisation.
fn to_zero(kubernetes: Version) -> Autoscaler {
    let mut behavior = Behavior { written: true, ..Behavior::default() };
    behavior.down.stabilization_seconds = 0.0;
    let mut all = Autoscaler { behavior, min: 0, kubernetes, ..autoscaler(9) };
    all.pipeline.source = Source::External;
    all
}

/// The replicas, and what is said of zero, at syncs 15 s apart with these totals.
fn from(mut controller: Controller, mut replicas: u32, totals: &[i64]) -> Vec<(u32, String)> {
    let sync = |(number, total): (u32, &i64)| {
        let scale = Scale { replicas, status: replicas };
        let decision = controller.sync(f64::from(number) * 15.0, scale, &pods(&[]), &[Ok(&Reading::Total(*total))]);
        replicas = decision.desired;
        let said = decision.conditions.iter().find(|condition| condition.kind == "ScaledToZero");
        assert!(decision.value.is_none_or(f64::is_finite), "{decision:?}");
        (replicas, said.map(|condition| condition.reason.clone()).unwrap_or_default())
    };
    (0..).zip(totals).map(sync).collect()
}

#[test]
fn a_total_scales_to_zero_and_back() {
    let own = to_zero(Version::minor(37));
    let said = from(Controller::new(&own), 2, &[0, 0, 1, 0]);
    let (zero, not) = ("ScaledToZero".to_owned(), "NotScaledToZero".to_owned());
    assert_eq!(said, [(0, zero.clone()), (0, zero.clone()), (1, not), (0, zero)]);
    // Before 1.37 an HPA with a minimum of 0 has the feature gate of that time, and no condition.
    let old = from(Controller::new(&to_zero(Version::minor(34))), 2, &[0, 0, 1, 0]);
    assert_eq!(
        old.iter().map(|(replicas, said)| (*replicas, said.as_str())).collect::<Vec<_>>(),
        [(0, ""), (0, ""), (1, ""), (0, "")]
    );
}

#[test]
fn a_workload_at_zero_is_scaled_if_the_hpa_brought_it_there() {
    let own = to_zero(Version::minor(37));
    let replicas = |controller| from(controller, 0, &[9000])[0].0;
    assert_eq!((replicas(Controller::new(&own)), replicas(Controller::scaled_to_zero(&own))), (0, 4));
    // A minimum that is raised meanwhile counts at once.
    let mut controller = Controller::scaled_to_zero(&own);
    controller.change(&Autoscaler { min: 3, ..own });
    assert_eq!(from(controller, 0, &[0])[0].0, 3);
}

#[test]
fn the_tolerance_is_that_of_the_direction_and_may_be_0() {
    let desired = |up: f64, down: f64, values_: &[i64]| {
        let mut behavior = Behavior { written: true, ..Behavior::default() };
        (behavior.up.tolerance, behavior.down.tolerance) = (up, down);
        behavior.down.stabilization_seconds = 0.0;
        let count = values_.len();
        let current = u32::try_from(count).unwrap();
        let all = Autoscaler { behavior, ..autoscaler(30) };
        Controller::new(&all).decide(0.0, current, &running(count), Ok(&values(values_))).desired
    };
    assert_eq!([desired(0.0, 0.1, &[2001]), desired(0.1, 0.0, &[1799; 10]), desired(0.0, 0.0, &[2000])], [2, 9, 1]);
    assert_eq!([desired(0.5, 0.5, &[3000]), desired(0.5, 0.5, &[3001])], [1, 2]);
    assert_eq!([desired(0.5, 0.5, &[1000; 10]), desired(0.5, 0.5, &[999; 10])], [10, 5]);
}

#[test]
fn of_two_metrics_an_invalid_one_stops_a_scale_in_alone() {
    let metric = |name: &str, of| Metric { name: name.into(), of, target: Target::AverageValue(2.0) };
    let measured = |metric| crate::autoscaling::Measured { metric, window: 60.0, function: Function::Rate };
    let metrics = vec![measured(metric("requests", Of::Pods)), measured(metric("queue", Of::External))];
    let all = Autoscaler { metrics, ..to_zero(Version::default()) };
    let sync = |value: i64, second: Result<&Reading, &str>| {
        let scale = Scale { replicas: 2, status: 2 };
        let first = values(&[value, value]);
        Controller::new(&all).sync(0.0, scale, &running(2), &[Ok(&first), second])
    };
    assert_eq!((sync(4000, Err("gone")).desired, sync(4000, Err("gone")).by), (4, 0));
    let held = sync(0, Err("gone"));
    assert_eq!(
        (held.desired, held.values, held.conditions[1].reason.as_str()),
        (2, vec![Some(0.0), None], "FailedGetExternalMetric")
    );
    let second = sync(4000, Ok(&Reading::Total(12_000)));
    assert_eq!((second.desired, second.by, second.value), (6, 1, Some(6.0)));
    assert_eq!(second.rescaled.as_deref(), Some("New size: 6; reason: external metric queue above target"));
}

/// As of a journal that somebody made: it took half a minute for a tenth of these syncs.
#[test]
fn what_is_remembered_costs_the_same_however_much_it_is() {
    let mut behavior = Behavior { written: true, ..Behavior::default() };
    behavior.down.stabilization_seconds = 86_400.0;
    behavior.up.stabilization_seconds = 86_400.0;
    let all = Autoscaler { behavior, ..autoscaler(9) };
    let mut controller = Controller::new(&all);
    let (pods, start) = (running(2), std::time::Instant::now());
    for number in 0..100_000_i32 {
        let readings = values(&[2000 + i64::from(number % 7), 2000]);
        assert_eq!(controller.decide(f64::from(number) * 0.865, 2, &pods, Ok(&readings)).desired, 2);
    }
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}
