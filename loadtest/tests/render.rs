//! The doctor's output, its bundle, and the page of its causes.

#[path = "support/kept.rs"]
mod kept;

use std::path::Path;
use std::process::Command;

use clap::CommandFactory;
use loadtest::cli::Cli;
use loadtest::doctor::catalogue::{CATALOGUE, Cause, LAST, SYMPTOMS, address, troubleshooting};
use loadtest::doctor::diagnosis::{Diagnosis, Figures, Finding, Input, Outcome, Status, diagnosis};
use loadtest::doctor::evidence::{Evidence, Page};
use loadtest::doctor::fixes::Command as Fix;
use loadtest::doctor::link::Link;
use loadtest::doctor::redact::redacted;
use loadtest::doctor::{bundle, render};
use loadtest::kube::read::{Read, Unread};
use serde_json::json;

const COMMAND: &str =
    "printf '%s\\n' 'kind: ServiceMonitor\n  a: line that is wider than the terminal' | kubectl apply -f -";

fn made(check: impl Fn(Link) -> Status) -> Diagnosis {
    let figures = Figures { idle: Some(0.0), value: Some(1.2), target: 2.0, scrape: 5.0, ..Figures::default() };
    diagnosis("shop/hpa".to_owned(), 1_800_000_000.0, Link::ALL.map(|link| (link, check(link))).into(), Some(figures))
}

fn healthy() -> Diagnosis {
    made(|link| match link {
        Link::Replicas => Status::Explains(Finding::new(Cause::AtMaximum, "3 of 3", "Raise it.", Vec::new())),
        Link::Series => Status::NotApplicable("it needs no series".to_owned()),
        Link::Traffic => Status::missing(Input::Pages, "one pod alone"),
        _ => Status::Ok(format!("{} is as it should be", link.label())),
    })
}

fn broken() -> Diagnosis {
    made(|link| match link {
        Link::Metrics => Status::Unread(Unread {
            what: "/metrics".to_owned(),
            why: "forbidden\x1b[2J".to_owned(),
            right: Some("get pods/proxy in namespace shop".to_owned()),
        }),
        Link::Monitor => {
            Status::Broken(Finding::new(Cause::AnnotationsOnly, "no monitor", "Apply one.", vec![Fix::new(COMMAND)]))
        }
        Link::Target => Status::NotApplicable("it comes from elsewhere".to_owned()),
        Link::Series => Status::pending(20.0, "it is too early"),
        Link::Rule => Status::missing(Input::Rules, "there are no rules"),
        link if link > Link::Rule => Status::blocked(Link::Rule, "the rule decides"),
        _ => Status::Ok("it is there, and this line is longer than the terminal is wide".to_owned()),
    })
}

#[test]
fn diagnoses_keep_to_the_schema() {
    assert_eq!((healthy().outcome, broken().outcome), (Outcome::Healthy, Outcome::Broken));
    kept::keep_to(&render::schema(), &[healthy(), broken()], render::json, "broken");
}

#[test]
fn a_line_a_link_then_the_first_broken_one_and_its_fix() {
    let text = render::render(&broken(), 40, false);
    let lines: Vec<&str> = text.lines().collect();
    let results = &lines[2..14];
    let marks: String = results.iter().filter_map(|result| result.chars().next()).collect();
    assert_eq!(marks, "✓?✗-········", "{text}");
    assert!(text.contains("BROKEN at monitor (link 3 of 12)") && text.contains("annotations-only"), "{text}");
    assert!(text.contains(&format!("\n{COMMAND}\n")), "a command is whole, and begins at the first column: {text}");
    assert!(text.contains("get pods/proxy in namespace shop"), "{text}");
    assert!(
        text.contains(&format!("\nPage      {}\n", address(Cause::AnnotationsOnly))),
        "an address is whole: {text}"
    );
    let of_a_command = |line: &&str| COMMAND.contains(*line) || line.starts_with("Page ");
    assert!(lines.iter().filter(|line| !of_a_command(line)).all(|line| line.chars().count() <= 40), "{text}");
    assert!(!text.contains('\x1b'), "no colour where it is no terminal, and nobody else's either: {text}");
    assert!(render::render(&broken(), 40, true).contains("\x1b[31m✗\x1b[0m"));
    assert_eq!(render::broken(&broken(), 40, false).lines().take_while(|line| !line.is_empty()).count(), 3);
}

#[test]
fn what_is_undecided_has_its_reason_and_what_to_do_however_narrow_the_terminal() {
    let path = "/apis/custom.metrics.k8s.io/v1beta1/namespaces/shop/pods/*/orders";
    let open = |right: Option<&str>| {
        made(|link| match (link, right) {
            (Link::Answer, None) => Status::pending(51.2, format!("{path}: 404, its rule is 9 s old")),
            (Link::Answer, Some(right)) => {
                Status::Unread(Unread { what: path.to_owned(), why: "403".to_owned(), right: Some(right.to_owned()) })
            }
            // Prometheus has read the page that we have not.
            (Link::Metrics, _) => Status::missing(Input::Pages, "no page was read"),
            (Link::Condition, _) => Status::pending(15.0, "it has not synced yet"),
            _ => Status::Ok("it is there".to_owned()),
        })
    };
    for (right, expected) in [
        (None, ["NOT YET at answer (link 8 of 12)", "404, its rule is 9 s old", "Ask again in 52 s."]),
        (Some("get pods.custom"), ["NO ACCESS at answer (link 8 of 12)", "403", "Grant the rights below"]),
    ] {
        let text = render::render(&open(right), 60, false);
        for told in expected {
            assert!(text.contains(told), "{told}: {text}");
        }
        let whole: String = text.split_whitespace().collect();
        assert!(whole.contains(path), "a path is broken, not cut: {text}");
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
    }
}

/// Each way to be undecided, with its heading and the next step.
#[test]
fn each_undecided_state_has_its_own_heading_and_next_step() {
    let open = |status: &Status| {
        made(|link| match link {
            Link::Rule => status.clone(),
            link if link < Link::Rule => Status::Ok(String::new()),
            Link::Condition => Status::pending(15.0, "no sync yet"),
            _ => Status::blocked(Link::Rule, "the rule decides"),
        })
    };
    let unread = Unread { what: "a".to_owned(), why: "refused".to_owned(), right: None };
    for (status, head, next) in [
        (Status::pending(90.0, "a"), "NOT YET at rule (link 6 of 12)", "Ask again in 1 min 30 s."),
        (Status::Unread(unread), "NO ANSWER at rule (link 6 of 12)", "Find out why there is no answer"),
        (Status::missing(Input::Rules, "a"), "MISSING INPUT at rule (link 6 of 12)", "Mount the adapter's rules"),
        // What decides comes first, though it is later in the chain.
        (Status::blocked(Link::Condition, "a"), "NOT YET at HPA (link 9 of 12)", "Ask again in 15 s."),
    ] {
        let text = render::render(&open(&status), 120, false);
        assert!(text.contains(head) && text.contains(next), "{status:?}: {text}");
        assert_eq!(text.contains("NOT YET"), head.starts_with("NOT YET"), "{text}");
    }
    let blocked = made(|link| match link {
        Link::Condition => Status::NotApplicable(String::new()),
        Link::Rule => Status::blocked(Link::ApiService, "a"),
        _ => Status::Ok(String::new()),
    });
    let text = render::render(&Diagnosis { links: blocked.links[..7].to_vec(), ..blocked }, 120, false);
    assert!(text.contains("BLOCKED at rule") && text.contains("Check APIService (link 7 of 12) first"), "{text}");
}

/// `loadtest/doctor.schema.json` is written again by `WRITE_SCHEMA=1 cargo test -p loadtest --test render schema`.
#[test]
fn the_schema_file_is_that_of_the_types() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("doctor.schema.json");
    if std::env::var_os("WRITE_SCHEMA").is_some() {
        std::fs::write(&file, render::schema()).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap();
    let first = written.lines().zip(render::schema().lines().map(str::to_owned)).find(|(one, other)| one != other);
    assert!(
        written == render::schema(),
        "loadtest/doctor.schema.json is not that of the types (first difference: {first:?}): \
         WRITE_SCHEMA=1 cargo test -p loadtest --test render schema writes it again"
    );
}

#[test]
fn the_schema_has_the_bounds_of_the_catalogue() {
    let schema: serde_json::Value = serde_json::from_str(&render::schema()).unwrap();
    let number = &schema["$defs"]["Cause"]["properties"]["number"];
    assert_eq!((number["minimum"].as_u64(), number["maximum"].as_u64()), (Some(1), Some(u64::from(LAST))));
    let links = &schema["properties"]["rungs"];
    assert_eq!((links["minItems"].as_u64(), links["maxItems"].as_u64()), (Some(12), Some(Link::ALL.len() as u64)));
}

#[test]
fn a_chain_that_holds_has_figures_and_a_reason_for_its_rest() {
    let text = render::render(&healthy(), 100, false);
    for told in ["HEALTHY", "1.2 per pod, with a target of 2", "every 5 s", "The replicas do not change", "cause 24"] {
        assert!(text.contains(told), "{told}: {text}");
    }
    assert!(!text.contains("BROKEN") && !text.contains("rights"), "{text}");
}

/// Everything that must not be kept holds the word `hidden`, and everything that must be the word `kept`.
fn with_secrets() -> Evidence {
    let applied = format!("{{\"spec\":{{\"replicas\":30007,\"template\":\"{}\"}}}}", "hidden".repeat(100));
    let pod = json!({
        "kind": "Pod",
        "metadata": {"name": "kept-1", "labels": {"app": "kept-2", "api-key": "hidden"}, "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": applied,
            "vault/api-key": "hidden",
            "prometheus.io/scrape": "kept-3",
        }},
        "spec": {
            "volumes": [{"name": "hidden"}],
            "containers": [{
                "name": "kept-4",
                "env": [{"name": "hidden", "value": "hidden"}],
                "args": ["hidden"],
                "ports": [{"name": "kept-5"}],
                "livenessProbe": {"httpGet": {"path": "/kept-6?a=hidden", "httpHeaders": [{"name": "a", "value": "hidden"}]}},
            }],
        },
    });
    let server = json!({"spec": {"template": {"spec": {"containers": [{
        "args": ["--prometheus-url=https://kept-7:9090/kept-8", "--bearer-token", "hidden", "--auth=hidden"],
    }]}}}});
    let scaled = json!({"spec": {"triggers": [
        {"type": "prometheus", "metadata": {"query": "kept-9", "customHeaders": "Authorization=hidden"}},
        {"type": "kept-13", "metadata": {"queryKey": "hidden"}},
    ]}});
    let target = json!({
        "discoveredLabels": {
            "__meta_kubernetes_service_annotation_kubectl_kubernetes_io_last_applied_configuration": "hidden",
            "__meta_kubernetes_pod_annotation_my_password": "hidden",
            "__meta_kubernetes_pod_name": "kept-10",
        },
        "globalUrl": "hidden",
    });
    let mut evidence = Evidence {
        version: "1".to_owned(),
        name: "hpa".to_owned(),
        namespace: "shop".to_owned(),
        pods: Read::Seen(vec![pod]),
        scaled_object: Read::Seen(scaled),
        pages: vec![Page { first: Read::Seen("hidden 1\n# TYPE kept-11 counter\n".to_owned()), ..Page::default() }],
        ..Evidence::default()
    };
    evidence.server.deployment = Read::Seen(server);
    evidence.prometheus.url = Read::Seen("http://hidden:hidden@kept-12.monitoring.svc:9090".to_owned());
    evidence
        .prometheus
        .replicas
        .push(loadtest::doctor::evidence::Replica { targets: Read::Seen(vec![target]), ..Default::default() });
    evidence
}

#[test]
fn no_secret_is_kept_and_no_field_that_is_read_is_lost() {
    let text = serde_json::to_string(&redacted(&with_secrets())).unwrap();
    assert!(!text.contains("hidden"), "{text}");
    for number in 1..=13 {
        assert!(text.contains(&format!("kept-{number}")), "kept-{number}: {text}");
    }
    assert!(text.contains("30007"), "{text}");
    let once = redacted(&with_secrets());
    assert_eq!(redacted(&once), once);
}

#[test]
fn a_bundle_is_written_once_and_judged_without_a_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chain.json");
    let evidence = redacted(&with_secrets());
    bundle::write(&file, &evidence).unwrap();
    assert_eq!(bundle::read(&file).unwrap(), evidence);
    let refused = bundle::write(&file, &Evidence::default()).unwrap_err().to_string();
    assert!(refused.contains("choose another file"), "{refused}");
    assert_eq!(bundle::read(&file).unwrap(), evidence, "what is there stays");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "and nothing is left beside it");
    std::fs::write(folder.path().join("else.json"), "{}").unwrap();
    assert!(bundle::read(&folder.path().join("else.json")).unwrap_err().to_string().contains("is no bundle"));

    let ran = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(["doctor", "--json", "--from"])
        .arg(&file)
        .env("KUBECONFIG", "/nonexistent/kubeconfig")
        .output()
        .unwrap();
    let told: Diagnosis = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(told, loadtest::doctor::diagnose(&evidence));
    assert_eq!(ran.status.code(), Some(i32::from(told.outcome.exit_code())));
}

#[test]
fn each_cause_is_found_by_what_is_seen_of_it() {
    let missing = CATALOGUE.iter().filter(|entry| !SYMPTOMS.iter().any(|(_, causes)| causes.contains(&entry.cause)));
    assert_eq!(missing.map(|entry| entry.name).collect::<Vec<_>>(), Vec::<&str>::new());
    let page = troubleshooting();
    // As GitHub makes an anchor of a heading: its letters, digits and hyphens alone.
    assert!(
        page.contains(
            "[4 annotations-only](#4-no-monitor-selects-the-pods-prometheusioscrape-annotations-do-not-count)"
        ),
        "{page}"
    );
    assert!(
        page.contains("\n## 4. No monitor selects the pods: `prometheus.io/scrape` annotations do not count\n"),
        "{page}"
    );
    let commands: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("    cargo run ")).collect();
    assert_eq!(commands.len(), 3, "{commands:?}");
    for command in commands {
        let (_, arguments) = command.split_once("-- ").unwrap();
        let words = ["loadtest"].into_iter().chain(arguments.split(' '));
        Cli::command().try_get_matches_from(words).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn the_address_of_each_cause_leads_to_its_heading() {
    let page = troubleshooting();
    for entry in CATALOGUE {
        let address = address(entry.cause);
        let (file, anchor) = address.split_once('#').unwrap();
        assert!(file.starts_with("https://") && file.ends_with("/docs/TROUBLESHOOTING.md"), "{address}");
        assert!(page.contains(&format!("[{} {}](#{anchor})", entry.cause.number(), entry.name)), "{address}");
        assert!(page.contains(&format!("\n## {}\n", entry.heading())), "{}", entry.name);
    }
}

#[test]
fn a_cause_is_found_by_its_number_and_by_its_name() {
    for entry in CATALOGUE {
        assert_eq!(Cause::find(entry.name), Some(entry.cause));
        assert_eq!(Cause::find(&entry.cause.number().to_string()), Some(entry.cause));
    }
    assert_eq!((Cause::find("0"), Cause::find("255"), Cause::find(""), Cause::find("rule")), (None, None, None, None));
    let close = |asked| Cause::close(asked).into_iter().map(|cause| cause.entry().name).collect::<Vec<_>>();
    assert_eq!(close("rule-absnt").first(), Some(&"rule-absent"));
    assert_eq!(close("Window too short").first(), Some(&"window-too-short"));
    assert_eq!(close("replicas"), ["replicas-zero", "idle-replicas", "replicas-set-elsewhere"]);
    assert_eq!((close("255"), close("")), (Vec::new(), Vec::new()));
}

#[test]
fn every_cause_has_a_command_of_kubectl_that_changes_nothing() {
    const READS: [&str; 6] =
        ["kubectl get ", "kubectl describe ", "kubectl logs ", "kubectl top ", "kubectl auth can-i ", "kubectl api-"];
    for entry in CATALOGUE {
        assert!(entry.command.starts_with("kubectl "), "{}: {}", entry.name, entry.command);
        for part in entry.command.split([';', '|']).map(str::trim).filter(|part| part.starts_with("kubectl ")) {
            let plain = part.replace("-n NAMESPACE ", "").replace("-n MONITORING ", "");
            assert!(READS.iter().any(|reads| plain.starts_with(reads)), "{}: {part}", entry.name);
        }
    }
}

/// `docs/TROUBLESHOOTING.md` is written again by `WRITE_TROUBLESHOOTING=1 cargo test -p loadtest --test render`.
#[test]
fn the_list_of_causes_is_the_catalogue() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/TROUBLESHOOTING.md");
    if std::env::var_os("WRITE_TROUBLESHOOTING").is_some() {
        std::fs::write(&page, troubleshooting()).unwrap();
    }
    let written = std::fs::read_to_string(&page).unwrap_or_default();
    let first = written.lines().zip(troubleshooting().lines().map(str::to_owned)).find(|(one, other)| one != other);
    assert!(
        written == troubleshooting(),
        "docs/TROUBLESHOOTING.md is not what the catalogue says (first difference: {first:?}): \
         WRITE_TROUBLESHOOTING=1 cargo test -p loadtest --test render writes it again"
    );
}
