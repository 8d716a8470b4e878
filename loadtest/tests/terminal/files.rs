//! Journals, bundles and manifests that somebody else wrote, and their names.

use std::path::Path;

use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::{diagnose, render};
use loadtest::output::is_hidden;
use loadtest::report::Report;
use serde_json::{Value, json};

use super::{HOSTILE, healthy, is_clean, journals, manifests, poison, prints_clean, texts};

/// Words that an entry needs to be one.
const WORDS: [&str; 10] = ["entry", "event", "feed", "kind", "spacing", "source", "select", "unit", "version", "url"];

fn hostile_journal() -> String {
    let entries = journals::broken();
    let lines = entries.iter().map(|entry| {
        let mut line = serde_json::to_value(entry).expect("an entry is JSON");
        poison(&mut line, &|name, _| WORDS.contains(&name));
        if let Some(pods) = line["pods"].as_object_mut() {
            *pods = pods.iter().map(|(name, count)| (format!("{name}{HOSTILE}"), count.clone())).collect();
        }
        if line["entry"] == "second" {
            line["failures"][HOSTILE] = json!(1);
        }
        // As a program writes it that escapes no more than it has to.
        line.to_string() + "\n"
    });
    lines.collect()
}

#[tokio::test]
async fn a_merged_journal_is_shown_without_terminal_escapes() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let journal = folder.path().join(format!("journal{HOSTILE}"));
    let text = hostile_journal();
    assert!(text.contains('\u{9b}') && text.contains('\u{202e}'), "they are there as they are");
    std::fs::write(&journal, &text).expect("it can be written");
    let out = folder.path().join(format!("out{HOSTILE}"));
    prints_clean(&["merge", path(&journal), "--out", path(&out)], None).await;
    for name in ["report.html", "report.json", "journal.jsonl"] {
        is_clean(&std::fs::read(out.join(name)).expect("it is there"), name);
    }
    // JSON keeps the strings.
    let report: Value = serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).expect("it is JSON");
    let scaled = report["start"]["autoscaler"]["scaled"].as_str().expect("a text");
    assert!(scaled.ends_with(HOSTILE), "{scaled:?}");
    serde_json::from_value::<Report>(report).expect("it is a report");

    // In a terminal the same goes through the live view.
    let mut live = loadtest::output::live::Live::default();
    let mut lines = loadtest::output::live::Lines::default();
    for line in text.lines() {
        let entry = serde_json::from_str(line).expect("it is an entry");
        live.take(&entry);
        is_clean(live.frame(100).as_bytes(), "the live view");
        is_clean(lines.take(&entry).unwrap_or_default().as_bytes(), "kubectl's lines");
    }
}

#[tokio::test]
async fn an_invalid_entry_is_reported_without_terminal_escapes() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let start = serde_json::to_value(&journals::good()[0]).expect("an entry is JSON");
    for field in ["entry", "kind", "spacing", "autoscaler/pipeline/source", "autoscaler/behavior/up/select"] {
        let mut line = start.clone();
        *line.pointer_mut(&format!("/{field}")).expect("it is there") = json!(HOSTILE);
        let journal = folder.path().join("journal");
        std::fs::write(&journal, format!("{line}\n")).expect("it can be written");
        let out = folder.path().join("out");
        let ran = prints_clean(&["merge", path(&journal), "--out", path(&out)], None).await;
        let error = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(2), "{field}: {error}");
        assert!(error.contains("line 1: ") && error.lines().count() == 1, "{field}: {error}");
    }
}

/// Names that bundles are refused for.
fn is_name(name: &str) -> bool {
    matches!(name, "name" | "namespace" | "pod" | "version")
}

#[tokio::test]
async fn a_bundle_is_shown_without_terminal_escapes() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for evidence in [healthy::adapter(), healthy::keda()] {
        let whole = serde_json::to_value(&evidence).expect("evidence is JSON");
        let mut poisoned = whole.clone();
        poison(&mut poisoned, &|name, text| is_name(name) || matches!(text, "absent" | "notAsked"));
        let bundle = folder.path().join(format!("bundle{HOSTILE}"));
        std::fs::write(&bundle, poisoned.to_string()).expect("it can be written");
        for arguments in [&["doctor", "--from", path(&bundle)][..], &["doctor", "--json", "--from", path(&bundle)]] {
            let ran = prints_clean(arguments, None).await;
            assert!(!ran.stdout.is_empty(), "{}", String::from_utf8_lossy(&ran.stderr));
        }
        let mut named = whole.clone();
        named["name"] = json!(HOSTILE);
        std::fs::write(&bundle, named.to_string()).expect("it can be written");
        prints_clean(&["doctor", "--from", path(&bundle)], None).await;
        every_text_by_itself(&whole);
    }
}

/// A chain in which one text is hostile may be another diagnosis each time.
fn every_text_by_itself(whole: &Value) {
    let mut shown = 0;
    // Each third of them: a diagnosis takes its time, and both chains have most of their texts in common.
    for pointer in texts(whole).into_iter().step_by(3) {
        let mut one = whole.clone();
        let text = one.pointer_mut(&pointer).expect("it is there");
        *text = json!(format!("{}{HOSTILE}", text.as_str().unwrap_or_default()));
        let Ok(evidence) = serde_json::from_value::<Evidence>(one) else { continue };
        let diagnosis = diagnose(&evidence);
        let json = render::json(&diagnosis);
        is_clean(json.as_bytes(), &pointer);
        is_clean(render::render(&diagnosis, 100, false).as_bytes(), &pointer);
        is_clean(render::broken(&diagnosis, 100, false).as_bytes(), &pointer);
        shown += usize::from(json.contains("FORGED"));
        for command in diagnosis.broken.iter().flat_map(|finding| &finding.fix.commands) {
            assert!(!command.contains(|one| one != '\n' && is_hidden(one)), "{pointer}: {command:?}");
        }
    }
    assert!(shown > 0, "none of the texts is shown anywhere");
}

#[tokio::test]
async fn manifests_are_reported_without_terminal_escapes() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let good = std::fs::read_to_string(manifests().join("shopfront.yml")).expect("it is there");
    let rules = std::fs::read_to_string(manifests().join("custom-metrics-config.yaml")).expect("it is there");
    // YAML takes these characters as escapes alone.
    let escapes: Vec<String> = HOSTILE.chars().map(|one| format!("\\U{:08X}", u32::from(one))).collect();
    let hostile = format!("\"{}\"", escapes.concat());
    let file = folder.path().join(format!("m{HOSTILE}.yml"));
    std::fs::write(folder.path().join("rules.yaml"), rules).expect("it can be written");
    for (from, to) in [
        ("name: shopfront-hpa", format!("name: {hostile}")),
        ("kind: HorizontalPodAutoscaler", format!("kind: {hostile}")),
        ("averageValue: \"2\"", format!("averageValue: {hostile}")),
        ("interval: 5s", format!("interval: {hostile}")),
        ("maxReplicas: 3", format!("maxReplicas: {hostile}")),
        ("name: http_requests_per_second", format!("name: {hostile}")),
        ("apiVersion: autoscaling/v2", format!("apiVersion: {hostile}")),
        ("kind: HorizontalPodAutoscaler", format!("{HOSTILE}: [")),
    ] {
        assert!(good.contains(from), "{from}");
        std::fs::write(&file, good.replace(from, &to)).expect("it can be written");
        let folder = path(folder.path());
        prints_clean(&["predict", "--manifests", folder, "--stage", "5rps:1m"], None).await;
        prints_clean(&["predict", "--json", "--manifests", folder, "--stage", "5rps:1m"], None).await;
    }
    // The events of a rehearsal.
    std::fs::write(&file, good.replace("name: shopfront-hpa", &format!("name: {hostile}"))).expect("it can be written");
    let load = ["--stage", "5rps:20s", "--speed", "60"];
    let mut arguments = vec!["rehearse", "--manifests", path(folder.path())];
    arguments.extend(load);
    prints_clean(&arguments, None).await;
    arguments.push("--json");
    let ran = prints_clean(&arguments, None).await;
    assert!(String::from_utf8_lossy(&ran.stdout).contains("FORGED"), "the HPA's name is printed");
}

fn path(path: &Path) -> &str {
    path.to_str().expect("it is text")
}
