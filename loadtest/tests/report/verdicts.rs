//! The verdict: what a run without trouble, and each kind of trouble, is judged to be.

use loadtest::journal::{End, Entry, Expectations, MaxFailed, Scaling, Second, Start};
use loadtest::report::{Outcome, Report, html, terminal};

use super::{held, journals};

/// The good run without an autoscaler, with changed seconds and a changed start.
fn run(second: impl Fn(&mut Second), start: impl Fn(&mut Start)) -> Report {
    let mut entries = journals::alone();
    for entry in &mut entries {
        match entry {
            Entry::Second(each) => second(each),
            Entry::Start(each) => start(each),
            _ => {}
        }
    }
    Report::from_entries(&entries, Vec::new())
}

fn expect(expectations: Expectations) -> impl Fn(&mut Start) {
    move |start| start.expectations = expectations.clone()
}

fn defaults() -> Expectations {
    Expectations { defaults: true, ..Expectations::default() }
}

/// Fails each hundredth second's requests, about 1 % of them.
fn some_fail(second: &mut Second) {
    if second.at % 100.0 < 1.0 {
        second.statuses = [(503, second.due)].into();
    }
}

fn judged(report: &Report) -> (Outcome, u8, &str) {
    let verdict = &report.verdict;
    (verdict.outcome, verdict.outcome.exit_code(), &verdict.sentence)
}

#[test]
fn load_that_was_not_sent_is_undecided_and_in_the_headline() {
    let report = run(
        |second| {
            second.sent = second.due / 2;
            second.statuses = [(200, second.sent)].into();
        },
        expect(defaults()),
    );
    let (outcome, code, sentence) = judged(&report);
    assert_eq!((outcome, code), (Outcome::Undecided, 3), "{sentence}");
    assert!(report.totals.dropped > 1000 && sentence.contains("dropped"), "{sentence}");
    assert!(sentence.contains("at least 99 % of those offered"), "{sentence}");
}

#[test]
fn failed_requests_fail_a_run_unless_a_number_or_a_share_is_allowed() {
    let limited = |max_failed| run(some_fail, expect(Expectations { max_failed, ..defaults() }));
    let strict = limited(None);
    let (outcome, code, sentence) = judged(&strict);
    assert_eq!((outcome, code), (Outcome::Failed, 1), "{sentence}");
    assert!(sentence.starts_with("Requests failed: "), "{sentence}");
    let few = strict.totals.failed;
    for (limit, outcome) in [
        (MaxFailed::Count(few), Outcome::Passed),
        (MaxFailed::Count(few - 1), Outcome::Failed),
        (MaxFailed::Share { percent: 5.0 }, Outcome::Passed),
        (MaxFailed::Share { percent: 0.01 }, Outcome::Failed),
    ] {
        assert_eq!(limited(Some(limit)).verdict.outcome, outcome, "{limit:?}");
    }
}

#[test]
fn redirects_are_not_successes() {
    let report = run(|second| second.statuses = [(302, second.due)].into(), expect(defaults()));
    assert_eq!((report.verdict.outcome, report.totals.failed), (Outcome::Failed, report.totals.sent));
}

#[test]
fn interrupted_run_is_undecided() {
    let limits = Expectations { max_failed: Some(MaxFailed::Count(0)), latency: vec![(99.0, 0.05)], ..defaults() };
    for interrupted in [true, false] {
        let mut entries = journals::alone();
        entries.retain(|entry| match entry {
            Entry::Second(second) => second.at < 300.0,
            Entry::End(_) => false,
            _ => true,
        });
        // Without an end, the tool was killed.
        if interrupted {
            entries.push(Entry::End(End { at: 300.0, interrupted }));
        }
        let Entry::Start(start) = &mut entries[0] else { unreachable!("it is the first") };
        start.expectations = limits.clone();
        let report = Report::from_entries(&entries, Vec::new());
        let (outcome, code, sentence) = judged(&report);
        assert_eq!((outcome, code), (Outcome::Undecided, 3), "{sentence}");
        let words = if interrupted { "The run was interrupted at 5:00 of " } else { "The journal stops at 5:00 of " };
        assert!(sentence.starts_with(words), "{sentence}");
    }
}

#[test]
fn a_percentile_of_a_run_that_was_cut_short_is_undecided() {
    for (text, bound) in [("p(99)<1us", 1e-6), ("p(99)<10s", 10.0)] {
        for end in [Some(true), None] {
            let mut entries = journals::alone();
            entries.retain(|entry| {
                !matches!(entry, Entry::End(_)) && !matches!(entry, Entry::Second(second) if second.at >= 500.0)
            });
            entries.extend(end.map(|interrupted| Entry::End(End { at: 500.0, interrupted })));
            let Entry::Start(start) = &mut entries[0] else { unreachable!("it is the first") };
            start.expectations = Expectations {
                latency: vec![(99.0, bound)],
                thresholds: vec![text.parse().unwrap()],
                ..Expectations::default()
            };
            let report = Report::from_entries(&entries, Vec::new());
            assert_eq!((report.verdict.outcome, report.verdict.outcome.exit_code()), (Outcome::Undecided, 3), "{text}");
            for name in ["Latency p99".to_owned(), format!("Threshold {text}")] {
                assert_eq!(held(&report, &name), None, "{name}, {bound} s");
            }
        }
    }
}

#[test]
fn run_without_expectations_is_not_judged() {
    let report = run(some_fail, expect(Expectations::default()));
    let (outcome, code, sentence) = judged(&report);
    assert_eq!((outcome, code), (Outcome::NotJudged, 0), "{sentence}");
    assert!(sentence.starts_with("Nothing was expected. ") && sentence.contains("requests failed"), "{sentence}");
    assert!(terminal::summary(&report, 80).starts_with("NOT JUDGED  Nothing was expected."));
    assert!(html::render(&report).contains("data-state=\"not-judged\""));
}

#[test]
fn percentile_of_few_answers_is_decided_only_by_a_slow_median() {
    // 100 answers, of 20 ms each.
    let few = |bound: f64| {
        run(
            |second| {
                if second.at >= 100.0 {
                    *second = Second { at: second.at, ..Second::default() };
                } else {
                    (second.due, second.sent, second.statuses) = (1, 1, [(200, 1)].into());
                    (second.latency, second.lateness) = (vec![(20_000, 1)], vec![(10, 1)]);
                }
            },
            expect(Expectations { latency: vec![(99.0, bound)], ..defaults() }),
        )
    };
    let (fast, slow) = (few(0.05), few(0.01));
    assert_eq!((held(&fast, "Latency p99"), fast.verdict.outcome), (None, Outcome::Undecided));
    assert!(fast.verdict.sentence.contains("too few: it takes 500"), "{}", fast.verdict.sentence);
    assert_eq!((held(&slow, "Latency p99"), slow.verdict.outcome), (Some(false), Outcome::Failed));
}

#[test]
fn scale_in_without_a_request_is_not_tried() {
    let mut entries = journals::good();
    entries.retain(|entry| !matches!(entry, Entry::Second(second) if second.at >= 360.0));
    let report = Report::from_entries(&entries, Vec::new());
    let check = report.verdict.checks.iter().find(|check| check.name == "Failed during scale-in").unwrap();
    assert_eq!((check.expected.as_deref(), check.observed.as_str()), (None, "not tried: no request was sent then"));
}

/// KEDA ends the last pod, although the minimum of its HPA is 1.
#[test]
fn a_workload_without_a_pod_is_back_to_zero() {
    let mut entries = journals::good();
    let last = entries.iter().rev().find_map(|entry| match entry {
        Entry::Scaling(scaling) => Some(scaling.clone()),
        _ => None,
    });
    let last = last.expect("the journal has observations");
    entries.push(Entry::Scaling(Scaling { at: last.at + 1.0, desired: 0, pods: 0, ready: 0, ..last.clone() }));
    let replicas = Report::from_entries(&entries, Vec::new()).replicas.unwrap();
    assert_eq!((replicas.min, replicas.scale_in.unwrap().until), (0, Some(last.at + 1.0)));
}
