//! A closed loop: it is marked wherever its figures are shown, and nothing is concluded from a rate that it does not have.

use loadtest::journal::{Clients, Entry, Reader, UNLIMITED};
use loadtest::output::live::{Lines, Live};
use loadtest::profile::Profile;
use loadtest::report::warnings::About;
use loadtest::report::{Outcome, Report, html, terminal};
use serde_json::{Value, json};

use super::{abouts, held, journals};

/// The good run, as if sixteen clients had sent it.
fn closed() -> Vec<Entry> {
    let mut entries = journals::good();
    let Entry::Start(start) = &mut entries[0] else { unreachable!("it is the first") };
    start.profile = Profile::silence(780.0).stages;
    start.clients = Some(Clients { count: 16, think_time: 0.1 });
    (start.target.requests_per_connection, start.target.max_in_flight) = (UNLIMITED, 16);
    start.expectations.scaled_within = None;
    for entry in &mut entries {
        if let Entry::Second(second) = entry {
            second.lateness.clear();
        }
    }
    entries
}

#[test]
fn reports_say_that_latency_is_the_service_time_only() {
    let report = Report::from_entries(&closed(), Vec::new());
    assert_eq!(abouts(&report), [About::ClosedLoop], "{:?}", report.warnings);
    let text = terminal::summary(&report, 120);
    for part in [
        "Requests   3,396 sent, 3,396 answered",
        "Clients    closed loop of 16 clients with a think time of 100ms; latency is the service time only",
        "coordinated omission",
    ] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    assert!(!text.contains("offered") && !text.contains("Send delay"), "{text}");
    let page = html::render(&report);
    for part in [
        "Closed-loop load test of ",
        "p99 service time (closed loop)",
        "Service time in milliseconds (log scale): a closed loop",
        "closed loop: 16 clients with a think time of 100ms, for 13 min",
        "one a client, HTTP/1.1",
    ] {
        assert!(page.contains(part), "no {part}");
    }
    let summary: Value = serde_json::from_str(&report.summary()).unwrap();
    assert_eq!(summary["clients"], json!({"count": 16, "thinkTime": 0.1}));
    assert_eq!(summary["lateness"], Value::Null);
}

#[test]
fn live_view_and_lines_are_marked() {
    let (mut view, mut lines) = (Live::default(), Lines::default());
    let entries = closed();
    let printed: String = entries.iter().take(60).filter_map(|entry| lines.take(entry)).collect();
    assert!(
        printed.starts_with("# closed loop of 16 clients with a think time of 100ms: OFFERED is what"),
        "{printed}"
    );
    entries.iter().take(60).for_each(|entry| view.take(entry));
    let frame = view.frame(140);
    for part in [", closed loop of 16 clients", "rate       sent ", "service time only"] {
        assert!(frame.contains(part), "no {part} in\n{frame}");
    }
    assert!(!frame.contains("offered") && !frame.contains("0rps"), "{frame}");
}

#[test]
fn what_was_observed_decides_where_no_rate_is_known() {
    let judged = |replicas: u32| {
        let mut entries = closed();
        let Entry::Start(start) = &mut entries[0] else { unreachable!("it is the first") };
        start.expectations.replicas = Some(replicas);
        Report::from_entries(&entries, Vec::new())
    };
    let report = judged(3);
    assert_eq!((report.verdict.outcome, held(&report, "Replicas reached")), (Outcome::Passed, Some(true)));
    let sent = report.verdict.checks.iter().find(|check| check.name == "Requests sent").unwrap();
    assert_eq!(sent.expected, None, "a closed loop sends all that it offers");
    assert!(report.lag.is_none() && report.prediction.is_empty());
    let report = judged(4);
    assert_eq!((report.verdict.outcome, held(&report, "Replicas reached")), (Outcome::Failed, Some(false)));
}

#[test]
fn a_journal_keeps_the_clients_and_refuses_too_many() {
    let entries = closed();
    let read = |text: &str| Reader::default().read_from(&mut text.as_bytes(), "journal");
    let text = journals::text(&entries[..1]);
    assert_eq!(read(&text).unwrap(), entries[..1]);
    let error = read(&text.replace("\"count\":16", "\"count\":50001")).unwrap_err().to_string();
    assert!(error.contains("clients.count is 50001, and must be from 1 to 50000"), "{error}");
}
