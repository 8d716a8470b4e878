//! `--threshold`: of the whole load and of its stages; and the summary for CI systems.

use loadtest::journal::{Entry, Expectations, Threshold};
use loadtest::report::{Outcome, Report, terminal};

use super::{held, journals};

/// The good run without an autoscaler: 1 a second for a minute, 1.8 for two, 15 for three and 1 for seven.
fn with(thresholds: &[&str], change: impl Fn(&mut Entry)) -> Report {
    let mut entries = journals::alone();
    for entry in &mut entries {
        if let Entry::Start(start) = entry {
            let thresholds: Vec<Threshold> = thresholds.iter().map(|text| text.parse().unwrap()).collect();
            start.expectations = Expectations { thresholds, ..Expectations::default() };
        }
        change(entry);
    }
    Report::from_entries(&entries, Vec::new())
}

/// In the third stage, all requests of ten seconds fail.
fn trouble(entry: &mut Entry) {
    if let Entry::Second(second) = entry
        && (200.0..210.0).contains(&second.at)
    {
        second.statuses = [(503, second.due)].into();
    }
}

#[test]
fn each_threshold_is_a_check_of_the_load_or_of_its_stage() {
    for (text, expected, observed) in [
        ("p(99)<1s", Some(true), "s"),
        ("p(50)<1us", Some(false), "s"),
        ("med>1us", Some(true), "s"),
        ("avg<1s", Some(true), "s"),
        ("max<1us", Some(false), "s"),
        ("min>1us", Some(true), "s"),
        ("failed<1%", Some(false), "150 of 3,396 (4.42 %)"),
        ("failed<=150", Some(true), "150 of 3,396 (4.42 %)"),
        ("failed{stage:1}<=0", Some(true), "0 of 60 (0.00 %)"),
        ("failed{stage:3}<5%", Some(false), "150 of 2,700 (5.56 %)"),
        ("dropped<1%", Some(true), "0 of 3,396"),
        ("rate>4", Some(true), "per second"),
        ("rate{stage:3}>=15", Some(false), "14.2 per second"),
        ("rate{stage:2}>=1.7", Some(true), "1.8 per second"),
        ("p(99){stage:3}<1s", Some(true), "s"),
        ("p(99){stage:1}<1s", None, "too few: it takes 500"),
        ("p(99.99)<1s", None, "too few: it takes 50,000"),
        ("p(99){stage:5}<1s", None, "no such stage"),
    ] {
        let report = with(&[text], trouble);
        let name = format!("Threshold {}", text.parse::<Threshold>().unwrap());
        let check = report.verdict.checks.iter().find(|check| check.name == name).unwrap();
        assert_eq!(check.held, expected, "{check:?}");
        assert!(check.observed.contains(observed), "{check:?}");
        let outcome = match expected {
            Some(true) => Outcome::Passed,
            Some(false) => Outcome::Failed,
            None => Outcome::Undecided,
        };
        assert_eq!(report.verdict.outcome, outcome, "{text}");
        assert!(terminal::summary(&report, 120).contains(&name), "{text}");
    }
}

#[test]
fn a_run_that_was_cut_short_decides_only_what_cannot_change() {
    let cut = |entry: &mut Entry| {
        trouble(entry);
        if let Entry::End(end) = entry {
            end.interrupted = true;
        }
    };
    let report = with(&["failed<1%", "failed<=10", "p(99)<1s", "p(50)<1us", "rate>=1"], cut);
    let held = ["failed<1%", "failed<=10", "p(99)<1s", "p(50)<1us", "rate>=1"]
        .map(|text| held(&report, &format!("Threshold {text}")));
    assert_eq!(held, [None, Some(false), None, None, None]);
}

#[test]
fn junit_has_a_case_for_each_expectation() {
    let report = with(&["p(99)<1s", "failed<1%", "p(99.99)<1s"], trouble);
    let xml = report.junit();
    assert!(xml.contains("<testsuite name=\"loadtest\" tests=\"3\" failures=\"1\" errors=\"1\""), "{xml}");
    for part in [
        "<testcase classname=\"loadtest\" name=\"Threshold p(99)&lt;1s\"/>",
        "<failure message=\"expected less than 1 %, observed 150 of 3,396 (4.42 %)\"/>",
        "<error message=\"expected less than 1 s, observed ",
        "</testsuites>",
    ] {
        assert!(xml.contains(part), "{part}: {xml}");
    }
    let none = with(&[], |_| {}).junit();
    assert!(none.contains("tests=\"0\" failures=\"0\" errors=\"0\""), "{none}");
}
