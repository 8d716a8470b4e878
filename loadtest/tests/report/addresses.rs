//! Which address got which share, and the bytes of each status and pod.

use loadtest::journal::{Bytes, Entry, Reader};
use loadtest::report::{Report, html, terminal};
use serde_json::Value;

use super::journals;

/// A run whose load balancer has one address, then two, and then the second alone. Each answer has 400 bytes, and each request
/// 100; those of the last minute name no pod.
fn moved() -> Vec<Entry> {
    let mut entries = journals::good();
    for entry in &mut entries {
        let Entry::Second(second) = entry else { continue };
        let (first, both) = ("10.0.0.1:443".to_owned(), second.due / 2);
        let shares = match second.at {
            ..60.0 => vec![(first, second.due)],
            60.0..360.0 => vec![(first, both), ("[fd00::2]:443".to_owned(), second.due - both)],
            _ => vec![("[fd00::2]:443".to_owned(), second.due)],
        };
        second.addresses = shares.into_iter().collect();
        let bytes = |answers: u64| Bytes { sent: 100 * answers, received: 400 * answers };
        if second.at >= 720.0 {
            second.pods.clear();
        }
        second.status_bytes = second.statuses.iter().map(|(status, count)| (*status, bytes(*count))).collect();
        second.pod_bytes = second.pods.iter().map(|(pod, count)| (pod.clone(), bytes(*count))).collect();
    }
    entries
}

#[test]
fn each_address_has_its_requests_its_share_and_its_time() {
    let report = Report::from_entries(&moved(), Vec::new());
    let found: Vec<_> =
        report.addresses.iter().map(|one| (one.address.as_str(), one.requests, one.first, one.last)).collect();
    assert_eq!(found, [("[fd00::2]:443", 1_980, 60.0, 779.0), ("10.0.0.1:443", 1_416, 0.0, 359.0)]);
    assert!((report.addresses.iter().map(|one| one.share).sum::<f64>() - 1.0).abs() < 1e-9);
    let text = terminal::summary(&report, 120);
    for part in ["Addresses  [fd00::2]:443 1,980 (58.3 %) from 1:00 to 13:00, 10.0.0.1:443", "to 6:00"] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    let page = html::render(&report);
    assert!(page.contains("addresses-title") && page.contains("<td class=\"figure\">58.3 %</td>"), "{page}");
    let summary: Value = serde_json::from_str(&report.summary()).unwrap();
    assert_eq!(summary["addresses"][1]["requests"], 1_416);
}

#[test]
fn bytes_are_those_of_each_status_and_pod() {
    let report = Report::from_entries(&moved(), Vec::new());
    assert_eq!(report.totals.status_bytes[&200], Bytes { sent: 339_600, received: 1_358_400 });
    assert!(report.pods.iter().all(|pod| pod.bytes == Bytes { sent: 100 * pod.answers, received: 400 * pod.answers }));
    let unknown = report.pods.last().unwrap();
    assert_eq!((unknown.name.as_str(), unknown.bytes.received), ("(unknown)", 24_000));
    let page = html::render(&report);
    for part in ["Answers by status", "<td class=\"figure\">340 kB</td>", "<td class=\"figure\">1.36 MB</td>"] {
        assert!(page.contains(part), "no {part}");
    }
}

#[test]
fn journals_keep_them_and_those_without_them_are_read() {
    let entries = moved();
    let text = journals::text(&entries);
    let read = Reader::default().read_from(&mut text.as_bytes(), "journal").unwrap();
    assert!(read.iter().any(|entry| matches!(entry, Entry::Second(second) if second.addresses.len() == 2)));
    let bad = text.replacen("\"10.0.0.1:443\":1", &format!("\"{}\":1", "a".repeat(1_025)), 1);
    let error = Reader::default().read_from(&mut bad.as_bytes(), "journal").unwrap_err().to_string();
    assert!(error.contains("a name in addresses has 1025 bytes"), "{error}");
    let report = Report::from_entries(&journals::good(), Vec::new());
    assert!(report.addresses.is_empty() && !terminal::summary(&report, 120).contains("Addresses"));
}
