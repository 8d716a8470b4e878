//! The report: from journals as runs leave them to figures, a verdict, and a page in a real headless Chromium.

mod addresses;
mod browser;
mod closed;
#[path = "../support/journals.rs"]
mod journals;
#[path = "../support/kept.rs"]
mod kept;
mod merging;
mod page;
mod terminals;
mod thresholds;
mod verdicts;

use std::path::Path;

use loadtest::journal::{Entry, Reader};
use loadtest::report::figures::LinkName;
use loadtest::report::warnings::About;
use loadtest::report::{Outcome, Report, html, json, terminal};

fn good() -> Report {
    Report::from_entries(&journals::good(), journals::prediction()).with_band(&journals::band())
}

fn broken() -> Report {
    Report::from_entries(&journals::broken(), journals::prediction()).with_band(&journals::band())
}

fn alone() -> Report {
    Report::from_entries(&journals::alone(), Vec::new())
}

fn empty() -> Report {
    Report::from_entries(&[], Vec::new())
}

fn held(report: &Report, name: &str) -> Option<bool> {
    let check = report.verdict.checks.iter().find(|check| check.name == name);
    check.unwrap_or_else(|| panic!("no {name} in {:?}", report.verdict)).held
}

fn abouts(report: &Report) -> Vec<About> {
    report.warnings.iter().map(|warning| warning.about).collect()
}

#[test]
fn a_good_run_passes() {
    let report = good();
    assert_eq!(report.verdict.outcome, Outcome::Passed, "{:#?}", report.verdict);
    assert_eq!(report.verdict.outcome.exit_code(), 0);
    let totals = &report.totals;
    assert_eq!((totals.due, totals.sent, totals.answered, totals.failed), (3396, 3396, 3396, 0));
    let latency = report.latency.unwrap();
    assert!(latency.count == 3396 && latency.p50 < latency.p90 && latency.p90 < latency.p99, "{latency:?}");
    assert!(latency.p99 <= latency.p999 && latency.p999 <= latency.max && latency.max < 0.05, "{latency:?}");

    let replicas = report.replicas.as_ref().unwrap();
    let reached: Vec<_> =
        replicas.reached.iter().map(|at| (at.replicas, at.desired.unwrap(), at.ready.unwrap())).collect();
    assert_eq!(reached, [(1, -10.0, -10.0), (2, 199.0, 204.0), (3, 214.0, 219.5)]);
    assert_eq!((replicas.initial, replicas.desired, replicas.ready, replicas.relieved), (1, 3, 3, Some(360.0)));
    let scale_in = replicas.scale_in.unwrap();
    assert_eq!((scale_in.from, scale_in.until, scale_in.failed, scale_in.sent), (694.0, Some(697.0), 0, 4));

    assert_eq!(report.pods.len(), 3);
    assert_eq!(report.pods[0].name, journals::PODS[0]);
    assert!((report.pods.iter().map(|pod| pod.share).sum::<f64>() - 1.0).abs() < 1e-9);
    assert_eq!(abouts(&report), [], "{:?}", report.warnings);
}

#[test]
fn the_reaction_time_follows_the_load_from_link_to_link() {
    let lag = good().lag.unwrap();
    assert_eq!((lag.step, lag.replicas), (journals::STEP, 1));
    assert!((lag.threshold - 2.2).abs() < 1e-9);
    let times: Vec<_> = lag.links.iter().map(|link| (link.name, link.at.unwrap())).collect();
    let expected = [
        (LinkName::Counter, 185.0),
        (LinkName::Prometheus, 190.0),
        (LinkName::Api, 190.0),
        (LinkName::Value, 199.0),
        (LinkName::Decision, 199.0),
        (LinkName::Ready, 204.0),
        (LinkName::Answer, 205.0),
    ];
    assert_eq!(times, expected);
    let took: f64 = lag.links.iter().filter_map(|link| link.took).sum();
    assert!((took - 25.0).abs() < 1e-9, "what each took makes up the whole: {took}");
}

#[test]
fn each_step_is_compared_with_the_band() {
    let seen = |report: &Report| report.steps.iter().map(|step| (step.from, step.to, step.at)).collect::<Vec<_>>();
    let inside = |report: &Report| report.steps.iter().map(|step| step.inside).collect::<Vec<_>>();
    let has_sentence = |report: &Report| html::render(report).contains("class=\"beside\"");
    let report = good();
    assert_eq!(seen(&report), [(1, 2, 199.0), (2, 3, 214.0), (3, 1, 694.0)]);
    assert_eq!(inside(&report), [Some(true); 3]);
    // The moments at which it changes, and its end.
    assert_eq!(
        report.band.iter().map(|moment| moment.at).collect::<Vec<_>>(),
        [0.0, 185.0, 200.0, 203.0, 215.0, 682.0, 699.0, 780.0]
    );
    assert!(html::render(&report).contains("1 → 2 at 3:19, within the expected 3:01–3:26; 2 → 3 at 3:34"));

    let mut early = journals::band();
    for moment in &mut early {
        moment.at -= 30.0;
    }
    let report = good().with_band(&early);
    assert_eq!(inside(&report), [Some(false); 3], "{:?}", report.steps);
    assert!(html::render(&report).contains("1 → 2 at 3:19, outside the expected 2:31–2:56"), "{:?}", report.steps);

    let never = good().with_band(&journals::band()[..1]);
    assert_eq!((inside(&never), never.steps[0].earliest), (vec![Some(false); 3], None));
    let mut fresh = journals::good();
    for entry in &mut fresh {
        if let Entry::Scaling(scaling) = entry
            && scaling.at < -5.0
        {
            scaling.desired = 0;
        }
    }
    let fresh = Report::from_entries(&fresh, Vec::new()).with_band(&journals::band());
    assert_eq!(seen(&fresh), seen(&good()), "an HPA that has not looked yet has not stepped");
    let unknown = good().with_band(&[]);
    assert_eq!((inside(&unknown), has_sentence(&unknown), has_sentence(&never)), (vec![None; 3], false, true));
}

#[test]
fn the_verdict_names_each_failed_expectation() {
    let mut entries = journals::good();
    let Entry::Start(start) = &mut entries[0] else { unreachable!("it is the first") };
    start.expectations.scaled_within = Some(20.0);
    start.expectations.latency = vec![(50.0, 0.001), (99.0, 1.0)];
    let report = Report::from_entries(&entries, Vec::new());
    assert_eq!((report.verdict.outcome, report.verdict.outcome.exit_code()), (Outcome::Failed, 1));
    assert_eq!(held(&report, "Scaled out"), Some(false));
    assert_eq!(held(&report, "Latency p50"), Some(false));
    assert_eq!(held(&report, "Latency p99"), Some(true));
    for name in ["Scaled out", "Latency p50"] {
        assert!(report.verdict.sentence.contains(name), "{}", report.verdict.sentence);
    }
}

#[test]
fn a_broken_run_fails_with_warnings() {
    let report = broken();
    assert_eq!(report.verdict.outcome, Outcome::Failed);
    assert_eq!(report.totals.failures["status 500"], 150);
    assert_eq!(report.totals.failures["connection refused"], 120);
    assert_eq!((report.totals.failed, report.totals.dropped), (270, 30));
    // It was cut short: what was not seen until then is not known to fail.
    assert_eq!(held(&report, "Scaled in"), None);
    assert_eq!(held(&report, "Requests failed"), Some(false));
    let warnings = [About::Interrupted, About::Schedule, About::Dropped, About::Watch, About::Unknown];
    assert_eq!(abouts(&report), warnings, "{:#?}", report.warnings);
}

#[test]
fn failed_requests_fail_a_run_with_a_limit_and_warn_without_one() {
    let mut entries = journals::good();
    for entry in &mut entries {
        match entry {
            Entry::Second(second) if (694.0..698.0).contains(&second.at) => {
                second.statuses = [(500, second.due)].into();
            }
            Entry::Second(second) if (220.0..223.0).contains(&second.at) => second.dropped = second.due,
            _ => {}
        }
    }
    let mut judged = |defaults| {
        let Entry::Start(start) = &mut entries[0] else { unreachable!("it is the first") };
        (start.expectations.max_failed, start.expectations.defaults) = (None, defaults);
        Report::from_entries(&entries, Vec::new())
    };
    let bounded = judged(true);
    assert_eq!(bounded.verdict.outcome, Outcome::Failed);
    assert_eq!(held(&bounded, "Failed during scale-in"), Some(false));
    assert!(!abouts(&bounded).contains(&About::Failed), "{:?}", bounded.warnings);

    let free = judged(false);
    assert_eq!(free.verdict.outcome, Outcome::Passed, "{:#?}", free.verdict);
    let check = free.verdict.checks.iter().find(|check| check.name == "Failed during scale-in").unwrap();
    assert_eq!((check.expected.as_deref(), check.observed.as_str()), (None, "4 of 4 requests"));
    let warning = free.warnings.iter().find(|warning| warning.about == About::Failed).expect("there is a warning");
    assert!(warning.message.contains("49 of 3,396 requests"), "{}", warning.message);
    assert!(warning.message.contains("--max-failed"), "{}", warning.message);
}

#[test]
fn a_load_that_is_too_low_is_undecided() {
    let mut entries = journals::good();
    let low = "1.8rps:3m".parse().unwrap();
    entries.retain_mut(|entry| match entry {
        Entry::Start(start) => {
            start.profile = vec![low];
            start.expectations.latency.clear();
            true
        }
        Entry::Scaling(seen) => seen.at < 180.0,
        Entry::Second(second) => second.at < 180.0,
        Entry::Event(_) => false,
        Entry::End(_) => true,
    });
    let report = Report::from_entries(&entries, Vec::new());
    assert_eq!((report.verdict.outcome, report.verdict.outcome.exit_code()), (Outcome::Undecided, 3));
    assert!(abouts(&report).contains(&About::LowLoad), "{:?}", report.warnings);
    assert!(report.lag.is_none());
}

#[test]
fn a_pod_with_nearly_all_answers_is_hot() {
    let mut entries = journals::good();
    for entry in &mut entries {
        if let Entry::Second(second) = entry {
            second.pods = [(journals::PODS[0].to_owned(), second.due)].into();
        }
    }
    let report = Report::from_entries(&entries, Vec::new());
    assert!(abouts(&report).contains(&About::HotPod), "{:?}", report.warnings);
}

#[test]
fn a_truncated_journal_makes_a_report() {
    let text = journals::text(&journals::good());
    let torn = &text[..text.len() * 2 / 3];
    assert!(!torn.ends_with('\n'), "the last line is torn");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), torn).unwrap();
    let entries = Reader::default().read(file.path()).unwrap();
    assert_eq!(entries.len(), torn.lines().count() - 1);
    let report = Report::from_entries(&entries, Vec::new());
    assert_eq!(report.end, None);
    assert_eq!(abouts(&report)[0], About::Journal);
    assert_eq!(held(&report, "Replicas reached"), Some(true));
    assert_eq!((held(&report, "Scaled in"), report.verdict.outcome), (None, Outcome::Undecided));
}

#[test]
fn entries_may_come_in_any_order_and_parts_add_up() {
    let mut entries = journals::good();
    let (whole, starts) = (Report::from_entries(&entries, Vec::new()), entries.remove(0));
    entries.reverse();
    entries.push(starts);
    assert_eq!(Report::from_entries(&entries, Vec::new()), whole);
    let seconds: Vec<Entry> = entries.iter().filter(|entry| matches!(entry, Entry::Second(_))).cloned().collect();
    entries.extend(seconds);
    let twice = Report::from_entries(&entries, Vec::new());
    assert_eq!((twice.totals.due, twice.latency.unwrap().count), (2 * whole.totals.due, 2 * whole.totals.due));
    assert!((twice.latency.unwrap().p99 - whole.latency.unwrap().p99).abs() < 1e-9);
}

#[test]
fn without_an_autoscaler_only_the_load_is_judged() {
    let report = alone();
    assert_eq!(report.verdict.outcome, Outcome::Passed, "{:#?}", report.verdict);
    assert!(report.replicas.is_none() && report.lag.is_none() && report.pods.is_empty());
    let page = html::render(&report);
    for panel in ["value", "replicas", "pods"] {
        assert!(!page.contains(&format!("id=\"panel-{panel}\"")), "{panel} has nothing to show");
    }
}

#[test]
fn an_empty_journal_is_undecided() {
    let report = empty();
    assert_eq!((report.verdict.outcome, report.verdict.outcome.exit_code()), (Outcome::Undecided, 3));
    assert_eq!(abouts(&report), [About::Journal]);
    assert!(html::render(&report).contains("nothing to judge"));
    assert!(terminal::summary(&report, 80).starts_with("UNDECIDED"));
}

/// `loadtest/report.schema.json` and `summary.schema.json` are written anew by
/// `WRITE_SCHEMA=1 cargo test -p loadtest --test report schema`.
#[test]
fn schema_files_are_those_of_the_types() {
    for (name, schema) in [("report.schema.json", json::schema()), ("summary.schema.json", json::summary_schema())] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        if std::env::var_os("WRITE_SCHEMA").is_some() {
            std::fs::write(&file, &schema).unwrap();
        }
        let written = std::fs::read_to_string(&file).unwrap();
        let first = written.lines().zip(schema.lines().map(str::to_owned)).find(|(one, other)| one != other);
        assert!(
            written == schema,
            "loadtest/{name} is not that of the types (first difference: {first:?}): \
             WRITE_SCHEMA=1 cargo test -p loadtest --test report schema writes it anew"
        );
    }
}

#[test]
fn summaries_conform_to_their_schema() {
    let validator = jsonschema::validator_for(&serde_json::from_str(&json::summary_schema()).unwrap()).unwrap();
    for report in [broken(), alone(), empty(), good()] {
        let mut summary: serde_json::Value = serde_json::from_str(&report.summary()).unwrap();
        assert!(validator.is_valid(&summary), "{summary:#}");
        assert_eq!(summary["verdict"]["checks"].as_array().unwrap().len(), report.verdict.checks.len());
        summary["else"] = 1.into();
        assert!(!validator.is_valid(&summary), "the schema allows a field that is never written");
    }
}

#[test]
fn reports_conform_to_the_schema() {
    let reports = [broken(), alone(), empty(), good()];
    kept::keep_to(&json::schema(), &reports, json::render, "totals");
}

#[test]
fn files_are_written_completely_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/out");
    empty().write(&out).unwrap();
    good().write(&out).unwrap();
    let mut names: Vec<_> = std::fs::read_dir(&out).unwrap().map(|file| file.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["report.html", "report.json"]);
    assert_eq!(std::fs::read_to_string(out.join("report.json")).unwrap(), json::render(&good()));
}
