//! The report: from journals as runs leave them to figures, a verdict, and a page in a real headless Chromium.

#[path = "report/browser.rs"]
mod browser;
#[path = "report/journals.rs"]
mod journals;

use browser::Browser;
use loadtest::journal::{Entry, Scaling};
use loadtest::live::{self, Lines, Live};
use loadtest::report::figures::LinkName;
use loadtest::report::warnings::About;
use loadtest::report::{self, Outcome, Report, html, json, terminal};
use serde_json::{Value, json};

fn good() -> Report {
    Report::from_entries(&journals::good(), journals::prediction())
}

fn broken() -> Report {
    Report::from_entries(&journals::broken(), journals::prediction())
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
fn a_run_that_goes_well_passes() {
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
        replicas.reached.iter().map(|at| (at.replicas, at.wanted.unwrap(), at.ready.unwrap())).collect();
    assert_eq!(reached, [(1, -10.0, -10.0), (2, 199.0, 204.0), (3, 214.0, 219.5)]);
    assert_eq!((replicas.initial, replicas.wanted, replicas.ready, replicas.relieved), (1, 3, 3, Some(360.0)));
    let scale_in = replicas.scale_in.unwrap();
    assert_eq!((scale_in.from, scale_in.until, scale_in.failed, scale_in.sent), (694.0, Some(694.0), 0, 1));

    assert_eq!(report.pods.len(), 3);
    assert_eq!(report.pods[0].name, journals::PODS[0]);
    assert!((report.pods.iter().map(|pod| pod.share).sum::<f64>() - 1.0).abs() < 1e-9);
    assert_eq!(abouts(&report), [About::FewAnswers], "{:?}", report.warnings);
}

#[test]
fn the_lag_budget_follows_the_load_from_link_to_link() {
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
fn each_expectation_that_does_not_hold_is_named() {
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
fn a_broken_run_fails_and_says_where_it_is_to_be_doubted() {
    let report = broken();
    assert_eq!(report.verdict.outcome, Outcome::Failed);
    assert_eq!(report.totals.failures["status 500"], 150);
    assert_eq!(report.totals.failures["connection refused"], 120);
    assert_eq!((report.totals.failed, report.totals.dropped), (270, 30));
    // It was cut short: what was not seen until then is not known to fail.
    assert_eq!(held(&report, "Came back"), None);
    assert_eq!(held(&report, "Failed or dropped"), Some(false));
    let doubts = [About::Interrupted, About::Schedule, About::Dropped, About::FewAnswers, About::Watch, About::Unknown];
    assert_eq!(abouts(&report), doubts, "{:#?}", report.warnings);
}

#[test]
fn a_load_that_asks_for_too_little_decides_nothing() {
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
fn a_pod_that_answers_nearly_all_is_hot() {
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
fn a_journal_that_a_crash_cut_short_makes_a_report() {
    let text = journals::text(&journals::good());
    let torn = &text[..text.len() * 2 / 3];
    assert!(!torn.ends_with('\n'), "the last line is torn");
    let entries = report::entries(torn);
    assert_eq!(entries.len(), torn.lines().count() - 1);
    let report = Report::from_entries(&entries, Vec::new());
    assert_eq!(report.end, None);
    assert_eq!(abouts(&report)[0], About::Journal);
    assert_eq!(held(&report, "Replicas reached"), Some(true));
    assert_eq!((held(&report, "Came back"), report.verdict.outcome), (None, Outcome::Undecided));
}

#[test]
fn the_order_of_entries_does_not_matter_and_parts_add_up() {
    let mut entries = journals::good();
    let (whole, starts) = (Report::from_entries(&entries, Vec::new()), entries.remove(0));
    entries.reverse();
    entries.push(starts);
    assert_eq!(Report::from_entries(&entries, Vec::new()), whole);
    let seconds: Vec<Entry> = entries.iter().filter(|entry| matches!(entry, Entry::Second(_))).cloned().collect();
    entries.extend(seconds);
    let twice = Report::from_entries(&entries, Vec::new());
    assert_eq!((twice.totals.due, twice.latency.unwrap().count), (2 * whole.totals.due, 2 * whole.totals.due));
    assert_eq!(twice.latency.unwrap().p99, whole.latency.unwrap().p99);
}

#[test]
fn without_an_autoscaler_the_load_alone_is_judged() {
    let report = alone();
    assert_eq!(report.verdict.outcome, Outcome::Passed, "{:#?}", report.verdict);
    assert!(report.replicas.is_none() && report.lag.is_none() && report.pods.is_empty());
    let page = html::render(&report);
    for panel in ["value", "replicas", "pods"] {
        assert!(page.contains(&format!("id=\"absent-{panel}\"")), "{panel} is left out, with a word why");
    }
}

#[test]
fn nothing_decides_nothing() {
    let report = empty();
    assert_eq!((report.verdict.outcome, report.verdict.outcome.exit_code()), (Outcome::Undecided, 3));
    assert_eq!(abouts(&report), [About::Journal]);
    assert!(html::render(&report).contains("nothing to judge"));
    assert!(terminal::summary(&report, 80).starts_with("UNDECIDED"));
}

#[test]
fn reports_keep_to_the_schema() {
    let schema: Value = serde_json::from_str(json::SCHEMA).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    let validator = jsonschema::validator_for(&schema).unwrap();
    for report in [good(), broken(), alone(), empty()] {
        let text = json::render(&report);
        let value: Value = serde_json::from_str(&text).unwrap();
        let faults: Vec<String> =
            validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(faults.is_empty(), "{faults:#?}");
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report, "it can be read again");
    }
    let mut more = serde_json::to_value(good()).unwrap();
    more["totals"]["else"] = json!(1);
    assert!(!validator.is_valid(&more), "nothing is written that the schema does not tell of");
}

#[test]
fn files_are_written_whole_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/out");
    empty().write(&out).unwrap();
    good().write(&out).unwrap();
    let mut names: Vec<_> = std::fs::read_dir(&out).unwrap().map(|file| file.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["report.html", "report.json"]);
    assert_eq!(std::fs::read_to_string(out.join("report.json")).unwrap(), json::render(&good()));
}

#[test]
fn the_summary_fits_a_terminal() {
    for report in [good(), broken(), alone(), empty()] {
        for width in [40, 80, 120] {
            let summary = terminal::summary(&report, width);
            assert!(summary.lines().count() <= 30, "{summary}");
            assert!(summary.lines().all(|line| line.chars().count() <= width), "{summary}");
        }
    }
    let summary = terminal::summary(&good(), 120);
    for text in ["PASSED", "✓ Replicas reached", "p99.9", "HPA wants more replicas", "! 3,396 answers are too few"] {
        assert!(summary.contains(text), "no {text} in\n{summary}");
    }
}

#[test]
fn the_live_view_tells_where_a_run_is() {
    let mut view = Live::new();
    let mut entries = journals::good();
    entries.retain(|entry| match entry {
        Entry::Second(second) => second.at < 218.0,
        Entry::Scaling(seen) => seen.at < 218.0,
        Entry::Event(event) => event.at < 218.0,
        _ => true,
    });
    for entry in entries.iter().filter(|entry| !matches!(entry, Entry::End(_))) {
        for width in [20, 80, 200] {
            let frame = view.frame(width);
            assert!(frame.lines().count() <= live::LINES, "{frame}");
            assert!(frame.lines().all(|line| line.chars().count() <= width), "{frame}");
        }
        view.take(entry);
    }
    let frame = view.frame(110);
    for text in [
        "3:38 of 13:00, 9:22 left, stage 15rps:3m",
        "offered 15/s, answered 15/s",
        "■■□ 2 ready of 3, 3 wanted, 1 to 3 allowed",
        "of a target of 2 a pod",
        "hpa        AbleToScale=True",
        "7d94b56f44-x7qzm",
        "peak 15/s",
    ] {
        assert!(frame.contains(text), "no {text} in\n{frame}");
    }
    assert_eq!(Live::redraw("a\nb\n", 0), "a\x1b[K\nb\x1b[K\n\x1b[J");
    assert!(Live::redraw("a\n", 2).starts_with("\x1b[2F"), "it goes back to where it began");
}

#[test]
fn without_a_terminal_the_lines_are_kubectl_s() {
    let mut lines = Lines::new(Some(300.0));
    let mut entries = vec![Entry::Start(Box::new(journals::start()))];
    entries.extend(journals::good().into_iter().filter(|entry| matches!(entry, Entry::Second(s) if s.at < 3.0)));
    let seen = |at, value| Scaling { at, value, wanted: 1, pods: 1, ready: 1, ..Scaling::default() };
    entries.extend([Entry::Scaling(seen(3.0, None)), Entry::Scaling(seen(8.0, Some(2.078)))]);
    let printed: String = entries.iter().filter_map(|entry| lines.take(entry)).collect();
    let printed: Vec<&str> = printed.lines().collect();
    let head = "NAME            REFERENCE                     TARGETS       MINPODS   MAXPODS   REPLICAS   AGE    ";
    assert_eq!(printed.len(), 3, "{printed:#?}");
    assert!(printed[0].starts_with(head), "{printed:#?}");
    let first = "shopfront-hpa   Deployment/shopfront-deploy   <unknown>/2   1         3         1          5m3s   1/s";
    assert!(printed[1].starts_with(first), "{printed:#?}");
    let second = "shopfront-hpa   Deployment/shopfront-deploy   2078m/2       1         3         1          5m8s   -";
    assert!(printed[2].starts_with(second), "{printed:#?}");
}

/// Opens a report, sees that it is alone with itself, and leaves a picture beside it.
async fn opened(report: &Report, name: &str, size: (u32, u32), dark: bool) -> Browser {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    report.write(&folder).unwrap();
    let browser = Browser::open(&folder.join("report.html"), size, dark).await;
    let complaints = browser.log("browser").await;
    assert!(complaints.is_empty(), "the page complains: {complaints:#?}");
    // The browser's own first page is none of ours.
    let entries = browser.log("performance").await;
    let entries = entries.iter().filter_map(|entry| serde_json::from_str::<Value>(entry["message"].as_str()?).ok());
    let requests = entries.filter(|entry| entry["message"]["method"] == "Network.requestWillBeSent");
    let requests = requests.map(|entry| entry["message"]["params"].clone());
    let ours = requests.filter(|request| request["documentURL"].as_str().is_some_and(|url| url.starts_with("file:")));
    let urls: Vec<String> = ours.map(|request| request["request"]["url"].to_string()).collect();
    let foreign = urls.iter().find(|url| !url.starts_with("\"file:") && !url.starts_with("\"data:"));
    assert!(!urls.is_empty() && foreign.is_none(), "it asks for {urls:?}");

    let height = browser.script("return document.documentElement.scrollHeight").await.as_u64().unwrap();
    browser.page.set_window_size(size.0, u32::try_from(height).unwrap() + 150).await.unwrap();
    let wide = browser.script("return document.documentElement.scrollWidth > innerWidth").await;
    assert_eq!(wide, json!(false), "nothing is beside the window");
    let picture = browser.page.screenshot().await.unwrap();
    std::fs::write(folder.join("report.png"), picture).unwrap();
    browser
}

const COUNT: &str = "return document.querySelectorAll(arguments[0]).length";

async fn marks(browser: &Browser, css: &str) -> u64 {
    browser.page.execute(COUNT, vec![json!(css)]).await.unwrap().as_u64().unwrap()
}

#[tokio::test]
async fn the_page_shows_the_run_and_tells_its_figures() {
    let report = good();
    let browser = opened(&report, "light-1280", (1280, 900), false).await;
    let sentence = browser.script("return document.querySelector('#sentence').textContent").await;
    assert_eq!(sentence.as_str().unwrap().replace('\u{a0}', " "), report.verdict.sentence);
    for (css, expected) in [
        (".panel", 5),
        (".panel svg[role=img][aria-label]", 5),
        ("#panel-rate path", 3),
        ("#panel-latency path", 2),
        ("#panel-value path", 2),
        ("#panel-replicas path", 5),
        ("#panel-pods path.pod", 3),
        (".waterfall rect[class^=bar]", 7),
        (".absent", 0),
        (".stage", 4),
    ] {
        assert_eq!(marks(&browser, css).await, expected, "{css}");
    }
    assert_eq!(marks(&browser, ".events .mark").await, 2);
    let lines = marks(&browser, "#panel-rate .event").await;
    assert!(lines == 3 && marks(&browser, ".panel .event").await == 5 * lines);

    // The moment 5:00 of 13:10 in all, of which the first ten seconds lie before the load.
    let hover = "const box = document.querySelector('#panel-value .plot').getBoundingClientRect();
        const x = box.left + box.width * 310 / 790, y = box.top + 20;
        document.elementFromPoint(x, y)
            .dispatchEvent(new PointerEvent('pointermove', { clientX: x, clientY: y, bubbles: true }));
        return document.querySelector('#tip').innerText";
    let told = browser.script(hover).await;
    let told = told.as_str().unwrap();
    for text in ["5:00", "offered", "15/s", "wanted · ready", "3 · 3", "fblvd"] {
        assert!(told.contains(text), "no {text} in {told}");
    }
    let mark = "document.querySelector('.mark').focus();
        return [...document.querySelectorAll('#tip p')].map(line => line.textContent)";
    let told = browser.script(mark).await;
    assert_eq!(told.as_array().unwrap().len(), 7, "six of eight events, and that there are more: {told}");
    assert!(told[0].as_str().unwrap().contains("New size: 2"), "{told}");
    let keyboard = "const stack = document.querySelector('#stack');
        stack.focus();
        stack.dispatchEvent(new KeyboardEvent('keydown', { key: 'Home', bubbles: true }));
        const home = document.querySelector('#tip b').textContent;
        stack.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }));
        return [home, document.querySelector('#tip').hidden]";
    assert_eq!(browser.script(keyboard).await, json!(["−0:10", true]));
    browser.close().await;
}

#[tokio::test]
async fn the_page_is_legible_in_the_dark_and_narrow() {
    let browser = opened(&good(), "dark-800", (800, 900), true).await;
    let dark = browser.script("return matchMedia('(prefers-color-scheme: dark)').matches").await;
    assert_eq!(dark, json!(true));
    browser.close().await;
}

#[tokio::test]
async fn the_page_of_a_broken_run_stays_a_page() {
    let browser = opened(&broken(), "broken-1600", (1600, 900), false).await;
    assert_eq!(marks(&browser, ".warnings li").await, 6);
    assert_eq!(marks(&browser, "#panel-rate path.failed").await, 1);
    let text = browser.script("return document.body.innerText").await;
    assert!(text.as_str().unwrap().contains("shopfront </script><b>&"), "what events say is text");
    browser.close().await;
}

#[tokio::test]
async fn the_page_does_without_what_was_not_seen() {
    let browser = opened(&alone(), "alone-1000", (1000, 900), true).await;
    assert_eq!((marks(&browser, ".panel").await, marks(&browser, ".absent").await), (2, 3));
    browser.close().await;
    let browser = opened(&empty(), "empty-1000", (1000, 900), false).await;
    assert_eq!((marks(&browser, ".panel").await, marks(&browser, ".absent").await), (0, 5));
    browser.close().await;
}
