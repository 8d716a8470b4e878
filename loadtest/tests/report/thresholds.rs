//! `--threshold`: of the whole load and of its stages; and the summary for CI systems.

use std::path::Path;

use loadtest::journal::{End, Entry, Expectations, Second, Threshold};
use loadtest::report::{Outcome, Report, summary, terminal};

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

/// A check of a load of these stages and these seconds: sent, succeeded and failed.
fn check(text: &str, stages: &[&str], seconds: &[(u64, u64, u64)], interrupted: bool) -> (Option<bool>, String) {
    let mut start = journals::start();
    start.autoscaler = None;
    start.profile = stages.iter().map(|stage| stage.parse().unwrap()).collect();
    start.expectations = Expectations { thresholds: vec![text.parse().unwrap()], ..Expectations::default() };
    let mut entries = vec![Entry::Start(Box::new(start))];
    for (at, (sent, succeeded, failed)) in (0u32..).zip(seconds) {
        entries.push(Entry::Second(Second {
            at: at.into(),
            due: *sent,
            sent: *sent,
            statuses: [(200, *succeeded)].into_iter().filter(|(_, count)| *count > 0).collect(),
            failures: [("no answer in 3s".to_owned(), *failed)].into_iter().filter(|(_, count)| *count > 0).collect(),
            latency: vec![(9_550, *succeeded)],
            ..Second::default()
        }));
    }
    entries.push(Entry::End(End { at: f64::from(u32::try_from(seconds.len()).unwrap()), interrupted }));
    let report = Report::from_entries(&entries, Vec::new());
    let name = format!("Threshold {}", text.parse::<Threshold>().unwrap());
    let check = report.verdict.checks.into_iter().find(|check| check.name == name).unwrap();
    (check.held, check.observed)
}

#[test]
fn a_failure_counts_in_the_stage_that_sent_its_request() {
    let two = ["5rps:1s", "5rps:1s"];
    // A target that never answers, with a timeout of three seconds.
    let hang = [(5, 0, 0), (5, 0, 0), (0, 0, 0), (0, 0, 5), (0, 0, 5)];
    for stage in [1, 2] {
        let (held, observed) = check(&format!("failed{{stage:{stage}}}<1%"), &two, &hang, false);
        assert_eq!((held, observed.as_str()), (Some(false), "5 of 5 (100.00 %)"), "{stage}");
    }
    let silent = ["5rps:1s", "0:3s"];
    let hang = [(5, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 5)];
    assert_eq!(check("failed{stage:1}<1%", &silent, &hang, false).0, Some(false));
    assert_eq!(check("failed{stage:2}<1%", &silent, &hang, false), (None, "0 of 0 (0.00 %)".to_owned()));
    // Some are answered in the next second, and none fails.
    let late = [(5, 3, 0), (5, 5, 0), (0, 2, 0)];
    for stage in [1, 2] {
        assert_eq!(check(&format!("failed{{stage:{stage}}}<1%"), &two, &late, false).0, Some(true), "{stage}");
    }
    // Of the two that were open after the first stage, one may have failed.
    let mixed = [(5, 3, 0), (5, 5, 1), (0, 1, 0)];
    let (held, observed) = check("failed{stage:1}<1%", &two, &mixed, false);
    assert_eq!(held, None, "{observed}");
    assert!(observed.starts_with("from 0 of 5 (0.00 %) to 1 of 5 (20.00 %)"), "{observed}");
    assert_eq!(check("failed{stage:1}<=1", &two, &mixed, false).0, Some(true));
}

#[test]
fn what_cannot_change_is_decided_in_a_run_that_was_cut_short() {
    let (two, seconds) = (["5rps:1s", "5rps:10s"], [(5, 5, 0), (5, 5, 0)]);
    for (text, held) in [
        ("max<1us", Some(false)),
        ("max<1s", None),
        ("min>1s", Some(false)),
        ("min>1us", None),
        ("failed{stage:1}<1%", Some(true)),
        ("rate{stage:1}>=5", Some(true)),
        ("max{stage:1}<1s", Some(true)),
        ("failed{stage:2}<1%", None),
    ] {
        assert_eq!(check(text, &two, &seconds, true).0, held, "{text}");
    }
}

#[test]
fn junit_has_an_error_for_a_run_that_was_cut_short() {
    let cut = |entry: &mut Entry| {
        if let Entry::End(end) = entry {
            end.interrupted = true;
        }
    };
    let xml = with(&["failed{stage:1}<1%"], cut).junit();
    assert!(xml.contains("tests=\"2\" failures=\"0\" errors=\"1\""), "{xml}");
    assert!(xml.contains("name=\"Run complete\">") && xml.contains("The run was interrupted at "), "{xml}");
    let xml = with(&["failed<1%"], cut).junit();
    assert!(xml.contains("tests=\"1\" failures=\"0\" errors=\"1\""), "an open check is an error already: {xml}");
}

#[test]
fn an_export_keeps_links_and_devices() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    std::fs::write(path("file"), "old, and longer").unwrap();
    std::os::unix::fs::symlink("file", path("link")).unwrap();
    std::os::unix::fs::symlink("made", path("broken")).unwrap();
    for (name, file) in [("link", "file"), ("broken", "made")] {
        summary::write(&path(name), "new").unwrap();
        assert!(path(name).is_symlink(), "{name}");
        assert_eq!(text(file), "new");
    }
    summary::write(&path("fresh"), "new").unwrap();
    assert_eq!(text("fresh"), "new");

    let pipe = path("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    assert!(summary::write(&pipe, "new").is_err(), "nobody reads");
    // More than a pipe holds.
    let long = "x".repeat(1 << 20);
    let reader = {
        let pipe = pipe.clone();
        std::thread::spawn(move || std::fs::read_to_string(pipe).unwrap())
    };
    let written = std::iter::repeat_with(|| summary::write(&pipe, &long)).find(Result::is_ok);
    assert!(written.is_some());
    assert_eq!(reader.join().unwrap(), long);
    summary::write(Path::new("/dev/null"), "new").unwrap();
    assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
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
