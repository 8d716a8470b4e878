//! A bundle has no secrets, and everything that the links are judged by.

use super::diagnose;
use crate::changed::targets;
use loadtest::doctor::bundle;
use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::redact::redacted;
use loadtest::kube::read::Read;
use serde_json::{Value, json};

use super::healthy;
use super::seen;

/// The redacted evidence as JSON.
fn kept(evidence: &Evidence) -> String {
    serde_json::to_string(&redacted(evidence)).unwrap()
}

/// A healthy chain whose first pod and adapter have these arguments.
fn started_with(arguments: &Value) -> Evidence {
    let mut evidence = healthy::adapter();
    seen(&mut evidence.pods)[0]["spec"]["containers"][0]["args"] = arguments.clone();
    seen(&mut evidence.server.deployment)["spec"]["template"]["spec"]["containers"][0]["args"] = arguments.clone();
    evidence
}

#[test]
fn redacted_evidence_gets_the_same_diagnosis() {
    for evidence in [healthy::adapter(), healthy::keda()] {
        assert_eq!(diagnose(&redacted(&evidence)), diagnose(&evidence));
        assert_eq!(redacted(&redacted(&evidence)), redacted(&evidence));
    }
}

#[test]
fn no_secret_is_left_in_arguments() {
    for arguments in [
        json!(["--prometheus-header=Authorization=Bearer hidden"]),
        json!(["sh", "-c", "exec app --port=1 --password=hidden"]),
        json!(["sh", "-c", "exec app --password hidden"]),
        json!(["--db-pass=hidden"]),
        json!(["--db-pass", "hidden"]),
        json!(["curl", "-H", "Authorization: Basic hidden"]),
        json!(["--db=shop:hidden@tcp(db:3306)/shop"]),
        json!(["--db", "shop:hid/hidden@db"]),
        json!(["--connection-string=Server=db;Pwd=hidden"]),
        json!(["--store", "postgres://shop:hidden@db/shop?sslkey=hidden"]),
    ] {
        let text = kept(&started_with(&arguments));
        assert!(!text.contains("hidden"), "{arguments} is kept");
        let once = redacted(&started_with(&arguments));
        assert_eq!(redacted(&once), once);
    }
}

#[test]
fn known_arguments_keep_their_index() {
    let arguments = json!(["--v=hidden", "-prometheus-url", "http://kept/base", "hidden", "--secure-port=1"]);
    let evidence = redacted(&started_with(&arguments));
    let of = |object: &Value| object.pointer("/spec/template/spec/containers/0/args").cloned();
    let expected = json!(["(left out)", "-prometheus-url", "http://kept/base", "(left out)", "--secure-port=1"]);
    assert_eq!(evidence.server.deployment.seen().and_then(of), Some(expected));
    assert!(evidence.pods.items().iter().all(|pod| pod["spec"]["containers"][0]["args"].is_null()), "a pod's own");
}

#[test]
fn unescaped_password_is_removed_from_a_url() {
    for (url, expected) in [
        ("http://shop:hid/hidden@kept:9090/base", "http://kept:9090/base"),
        ("http://shop:hid?hidden@kept/base?token=hidden", "http://kept/base"),
        ("http://shop:hid#hid,hidden@kept", "http://kept"),
        ("http://shop:hidden@kept/base", "http://kept/base"),
        // Nothing shows where the password ends if it may also be a port or a query, or if there are several `@`.
        ("http://shop:12/hidden@hidden", "http://(left out)"),
        ("http://hidden:9090/?query=a@hidden", "http://(left out)"),
        ("http://[fd00::1]/?query=a@hidden", "http://(left out)"),
        ("http://shop:hid/hidden@kept/?key=a@hidden", "http://(left out)"),
        ("http://shop:hid@hid/hidden@hidden", "http://(left out)"),
        ("http://kept:9090/base", "http://kept:9090/base"),
        ("https://kept/@base", "https://kept/@base"),
        ("docker://kept:5000/shop@sha256:0123", "docker://kept:5000/shop@sha256:0123"),
    ] {
        let mut evidence = healthy::adapter();
        evidence.prometheus.url = Read::Seen(url.to_owned());
        let once = redacted(&evidence);
        assert_eq!(once.prometheus.url, Read::Seen(expected.to_owned()));
        assert_eq!(redacted(&once), once);
        let arguments = json!([format!("--prometheus-url={url}"), "--prometheus-url", url]);
        let text = serde_json::to_string(&redacted(&started_with(&arguments)).server.deployment).unwrap();
        // A URL without its user would end up in a printed command, so the whole argument is left out.
        let count = if expected == url { 2 } else { 0 };
        assert!(!text.contains("hidden") && text.matches(url).count() == count, "{url} is kept: {text}");
    }
}

#[test]
fn no_secret_is_left_in_urls_and_monitors() {
    let mut evidence = healthy::adapter();
    let endpoint = &mut seen(&mut evidence.monitors)[0]["spec"]["endpoints"][0];
    endpoint["params"] = json!({"token": ["hidden"], "key": ["hidden"]});
    endpoint["oauth2"] = json!({"endpointParams": {"x": "hidden"}});
    seen(&mut evidence.prometheuses)[0]["spec"]["remoteWrite"] =
        json!([{"url": "https://hidden/write?key=hidden", "headers": {"X-Scope": "hidden"}, "cookie": "hidden"}]);
    for target in targets(&mut evidence).flatten() {
        let url = target["scrapeUrl"].as_str().unwrap().to_owned() + "?token=hidden";
        (target["scrapeUrl"], target["globalUrl"]) = (json!(url), json!(url));
        target["discoveredLabels"]["__param_key"] = json!("hidden");
    }
    evidence.server.log = Read::Seen(
        "a line that nobody reads, with hidden in it\nunable to update list of all metrics: \
         Get \"http://shop:hidden@kept/api?token=hidden\": no such host: Authorization: Bearer hidden-and-long\n"
            .to_owned(),
    );
    let text = kept(&evidence);
    assert!(!text.contains("hidden"), "{text}");
    assert!(text.contains(":9898/metrics") && text.contains("http://kept/api"), "{text}");
}

#[test]
fn no_secret_is_left_in_messages_of_events_and_containers() {
    let with = |message: &str| {
        let mut evidence = healthy::adapter();
        seen(&mut evidence.events).push(json!({"reason": "Unhealthy", "message": message}));
        seen(&mut evidence.events).push(json!({"reason": "Pulled", "message": "hidden"}));
        seen(&mut evidence.pods)[0]["status"]["containerStatuses"][0]["lastState"] =
            json!({"terminated": {"reason": "Error", "message": "hidden"}, "waiting": {"message": message}});
        evidence
    };
    for message in [
        "cannot log in: user: shop, password: hidden",
        "the password: hidden was refused",
        "DB_PASS=hidden, DB_PASS: hidden2",
        "pass: hidden",
        "a line\ntoken: hidden\nanother",
        "{user: shop, secret: hidden}",
        "the old token: 7hidden has expired",
        "PASSWORD:hidden",
    ] {
        let once = redacted(&with(message));
        let text = serde_json::to_string(&once).unwrap();
        assert!(!text.contains("hidden") && text.contains("(left out)"), "{message} is kept: {text}");
        assert_eq!(redacted(&once), once);
    }
    for message in [
        "MountVolume.SetUp failed for volume \"x\" : secret \"x\" not found",
        "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized",
        "couldn't find key password in Secret shop/db",
        "references non-existent secret key: password",
        "spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type",
        "failed to get secret: secrets \"x\" not found",
        "Back-off pulling image \"shop/token:1.2\"",
        "probe did not pass: status 503",
    ] {
        let evidence = redacted(&with(message));
        assert_eq!(evidence.events.items()[0]["message"], message);
    }
}

#[test]
fn path_of_an_external_url_is_left_out() {
    let mut evidence = healthy::keda();
    let url = "https://metrics.example.com/hidden/push";
    evidence.prometheus.url = Read::Seen(url.to_owned());
    seen(&mut evidence.scaled_object)["spec"]["triggers"][0]["metadata"]["serverAddress"] = json!(url);
    let arguments = json!([format!("--prometheus-url={url}")]);
    seen(&mut evidence.server.deployment)["spec"]["template"]["spec"]["containers"][0]["args"] = arguments;
    let once = redacted(&evidence);
    assert!(!kept(&evidence).contains("hidden"), "{}", kept(&evidence));
    assert_eq!(once.prometheus.url, Read::Seen("https://metrics.example.com/(left out)".to_owned()));
    assert_eq!(redacted(&once), once);
}

#[test]
fn only_the_annotations_that_judges_read_are_kept() {
    let mut evidence = healthy::adapter();
    let whole = format!("{{\"spec\":\"{}\"}}", "hidden".repeat(50));
    let annotations =
        json!({"kapp.k14s.io/original": whole, "kubernetes.io/change-cause": "hidden", "prometheus.io/scrape": "kept"});
    seen(&mut evidence.pods)[0]["metadata"]["annotations"] = annotations;
    targets(&mut evidence).for_each(|targets| {
        targets[0]["discoveredLabels"]["__meta_kubernetes_pod_annotation_kapp_k14s_io_original"] = json!(whole);
    });
    let text = kept(&evidence);
    assert!(!text.contains("hidden") && text.contains("kept"), "{text}");
}

#[test]
fn a_query_and_its_labels_are_redacted_alike() {
    let mut evidence = healthy::keda();
    let query = "sum(rate(http_requests_total{token=\"hidden\"}[2m]))";
    seen(&mut evidence.scaled_object)["spec"]["triggers"][0]["metadata"]["query"] = json!(query);
    evidence.prometheus.replicas.iter_mut().for_each(|replica| replica.queries.clear());
    healthy::answer(&mut evidence, &[healthy::COUNTER, r#"http_requests_total{token="hidden"}"#, query]);
    for replica in &mut evidence.prometheus.replicas {
        for samples in replica.queries.values_mut() {
            for sample in seen(samples) {
                sample["metric"]["token"] = json!("hidden");
            }
        }
    }
    let redacted = redacted(&evidence);
    assert!(!kept(&evidence).contains("hidden"));
    let outcome = |evidence: &Evidence| loadtest::doctor::diagnose(evidence).outcome;
    assert_eq!(outcome(&redacted), outcome(&evidence));
}

#[test]
fn no_command_contains_a_redacted_value() {
    let mut evidence = healthy::keda();
    evidence.workload = Read::Absent;
    (evidence.scale, evidence.pods) = (Read::Absent, Read::NotAsked);
    evidence.elsewhere = vec!["shop".to_owned()];
    let commands = |evidence: &Evidence| loadtest::doctor::diagnose(evidence).broken.unwrap().fix.commands;
    assert_eq!(commands(&redacted(&evidence)).len(), 2);
    seen(&mut evidence.scaled_object)["spec"]["triggers"][0]["metadata"]["customHeaders"] = json!("X-Key=hidden");
    assert_eq!(commands(&redacted(&evidence)), Vec::<String>::new());
}

#[test]
fn only_the_counter_of_a_page_and_the_rules_of_a_config_map_are_kept() {
    let mut evidence = healthy::adapter();
    for page in &mut evidence.pages {
        seen(&mut page.first).push_str("# HELP users Hidden.\nusers{mail=\"hidden\"} 1\n");
    }
    seen(&mut evidence.server.config)["data"]["else.yaml"] = json!("hidden");
    let text = kept(&evidence);
    assert!(!text.contains("idden"), "{text}");
    assert!(text.contains("# TYPE http_requests_total counter"), "{text}");
    // Nothing is kept of a ConfigMap without rules.
    seen(&mut evidence.server.config)["data"] = json!({"app.conf": "hidden"});
    assert!(!kept(&evidence).contains("hidden"));
}

#[test]
fn bundle_with_an_invalid_object_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bundle.json");
    let judged = |evidence: &Evidence| {
        std::fs::write(&file, serde_json::to_string(evidence).unwrap()).unwrap();
        bundle::read(&file).map_err(|fault| fault.to_string())
    };
    assert!(judged(&healthy::adapter()).is_ok() && judged(&healthy::keda()).is_ok());
    let strange = "a; touch b";
    let mut namespace = healthy::adapter();
    namespace.namespace = strange.to_owned();
    let mut pod = healthy::adapter();
    seen(&mut pod.pods)[0]["metadata"]["name"] = json!(strange);
    let mut container = healthy::adapter();
    seen(&mut container.pods)[0]["spec"]["containers"][0]["name"] = json!(strange);
    for evidence in [namespace, pod, container] {
        assert!(judged(&evidence).unwrap_err().contains("is no name that an object may have"));
    }
}
