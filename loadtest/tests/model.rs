//! The prediction, the profile that is derived from an HPA, and the manifests that both are made of.

use std::time::{Duration, Instant};

use loadtest::journal::Autoscaler;
use loadtest::model::derive::hpa_profile;
use loadtest::model::hpa::{Behavior, Policy, Select, Unit};
use loadtest::model::predict::{Band, Pipeline, Predicted, Source, band, predict};
use loadtest::profile::Profile;

/// shopfront's own.
fn shopfront(source: Source) -> Autoscaler {
    let window = if source == Source::Pods { 120.0 } else { 60.0 };
    Autoscaler {
        name: "miztiik-automation-ns/shopfront-hpa".into(),
        scaled: "Deployment/shopfront-deploy".into(),
        metric: "http_requests_per_second".into(),
        target: 2.0,
        min: 1,
        max: 3,
        behavior: Behavior::default(),
        pipeline: Pipeline { scrape: 5.0, window, relist: 60.0, sync: 15.0, startup: 1.0, source },
    }
}

fn profile(stages: &[&str]) -> Profile {
    Profile { stages: stages.iter().map(|stage| stage.parse().unwrap()).collect() }
}

/// When this many replicas are wanted for the first time.
fn first(moments: &[Predicted], replicas: u32) -> f64 {
    moments.iter().find(|moment| moment.wanted >= replicas).expect("it is wanted").at
}

/// When the band's earliest and latest case want this many.
fn between(band: &[Band], replicas: u32) -> (f64, f64) {
    let find = |wanted: fn(&Band) -> u32| band.iter().find(|band| wanted(band) >= replicas).unwrap().at;
    (find(|band| band.most), find(|band| band.least))
}

#[test]
fn ten_requests_a_second_want_a_second_pod_and_a_third() {
    let autoscaler = shopfront(Source::Pods);
    let load = profile(&["10rps:3m", "0:12m"]);
    let moments = predict(&load, &autoscaler, 1, 900.0);
    for moment in moments.iter().take(20) {
        println!("{moment:?}");
    }
    // The window has 2.2 on average after 26.4 s; a scrape and a look come on top.
    let (second, third) = (first(&moments, 2), first(&moments, 3));
    assert!((26.4..=46.4).contains(&second), "{second}");
    assert!((52.8..=72.8).contains(&third), "{third}");
    let back = moments.iter().rfind(|moment| moment.wanted > 1).unwrap().at;
    // The window has less than two pods' worth 120 s after the load at the latest, and 300 s of stabilisation follow.
    assert!((180.0 + 300.0..=180.0 + 120.0 + 300.0 + 15.0).contains(&back), "{back}");
    assert_eq!(moments.last().map(|moment| (moment.wanted, moment.ready, moment.value)), Some((1, 1, Some(0.0))));
    assert_eq!(moments.len(), 60);

    let band = band(&load, &autoscaler, 1, 900.0);
    let (earliest, latest) = between(&band, 2);
    println!("second {earliest} to {latest}, third {:?}", between(&band, 3));
    assert!((24.0..=second).contains(&earliest) && (second..=47.0).contains(&latest), "{earliest} {latest}");
    let (earliest, latest) = between(&band, 3);
    assert!((50.0..=third).contains(&earliest) && (third..=80.0).contains(&latest), "{earliest} {latest}");
}

#[test]
fn keda_s_sum_still_has_the_pods_that_went() {
    let moments = predict(&profile(&["10rps:3m", "0:12m"]), &shopfront(Source::External), 1, 900.0);
    // A window of a minute: 4.4 is there after 26.4 s.
    assert!((26.4..=46.4).contains(&first(&moments, 3)), "{moments:?}");
    assert_eq!(moments.last().map(|moment| moment.wanted), Some(1));
}

#[test]
fn load_within_the_tolerance_changes_nothing() {
    let moments = predict(&profile(&["2.19rps:20m"]), &shopfront(Source::Pods), 1, 1200.0);
    assert!(moments.iter().all(|moment| moment.wanted == 1), "{moments:?}");
    let value = moments.last().unwrap().value.unwrap();
    assert!((value - 2.19).abs() < 0.002, "{value}");
}

#[test]
fn a_prediction_is_instant_whatever_the_rate() {
    for rate in ["10rps:20m", "1000000rps:20m", "0..1000000rps:20m"] {
        let load = profile(&[rate]);
        let autoscaler = Autoscaler { max: 10, ..shopfront(Source::Pods) };
        // The best of some: the machine may be busy with other things.
        let best = (0..10)
            .map(|_| {
                let start = Instant::now();
                assert_eq!(predict(&load, &autoscaler, 1, 1200.0).len(), 80);
                start.elapsed()
            })
            .min()
            .unwrap();
        println!("{rate}: {best:?}");
        assert!(best < Duration::from_millis(50), "{rate}: {best:?}");
    }
}

#[test]
fn the_derived_profile_asks_an_hpa_for_all_that_it_does() {
    let mut slow = Autoscaler { min: 2, max: 8, target: 100.0, ..shopfront(Source::External) };
    slow.behavior.written = true;
    slow.behavior.up.policies = vec![Policy { unit: Unit::Pods, value: 1, period_seconds: 60 }];
    slow.behavior.down.policies = vec![Policy { unit: Unit::Pods, value: 1, period_seconds: 60 }];
    slow.behavior.up.tolerance = 0.4;
    for autoscaler in [shopfront(Source::Pods), shopfront(Source::External), slow] {
        let profile = hpa_profile(&autoscaler);
        let stages: Vec<_> = profile.stages.iter().map(ToString::to_string).collect();
        println!("{stages:?}");
        assert_eq!(stages.len(), 5);
        let ends: Vec<_> = profile
            .stages
            .iter()
            .scan(0.0, |end, stage| {
                *end += stage.seconds;
                Some(*end)
            })
            .collect();
        let band = band(&profile, &autoscaler, autoscaler.min, profile.seconds());
        let at = |end: f64| band.iter().rfind(|band| band.at < end).unwrap();
        let (min, max) = (autoscaler.min, autoscaler.max);
        assert!(band.iter().filter(|band| band.at < ends[1]).all(|band| band.most == min), "just under must not scale");
        assert!(at(ends[2]).least > min, "just over scales: {:?}", at(ends[2]));
        assert_eq!(at(ends[3]).least, max, "enough for the maximum");
        assert_eq!(at(ends[4]).most, min, "and back");
    }
}

#[test]
fn an_hpa_that_cannot_scale_has_a_profile_as_well() {
    let fixed = Autoscaler { max: 1, ..shopfront(Source::Pods) };
    assert_eq!(hpa_profile(&fixed).stages.len(), 3);
    let mut up_only = shopfront(Source::Pods);
    up_only.behavior.written = true;
    up_only.behavior.down.select = Select::Disabled;
    let stages = hpa_profile(&up_only).stages;
    assert_eq!((stages.len(), stages[4].seconds), (5, 450.0));
}
