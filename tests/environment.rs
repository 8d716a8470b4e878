//! What `/` shows of the environment, by corpora of secrets and of harmless variables.

mod support;

use serde_json::Value;
use support::Server;

const HIDDEN: &str = "[redacted]";

/// The names and values of a corpus.
fn corpus(name: &str) -> Vec<(String, String)> {
    let path = format!("{}/tests/corpora/environment-{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the corpus is there");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split_once('=').expect("a line is NAME=VALUE"))
        .map(|(name, value)| (name.to_owned(), value.replace("\\n", "\n")))
        .collect()
}

/// The `environment` of a service with these flags and variables.
async fn environment(flags: &[&str], variables: &[(String, String)]) -> Value {
    let borrowed: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    let server = Server::start_with(flags, &borrowed).await;
    let request = reqwest::Client::new().get(server.url("/")).header("accept", "application/json");
    let mut document: Value = request.send().await.unwrap().json().await.unwrap();
    document["environment"].take()
}

#[tokio::test]
async fn secrets_are_redacted_and_every_name_is_shown() {
    let secrets = corpus("secrets");
    assert_eq!(secrets.len(), 164);
    let environment = environment(&[], &secrets).await;
    let shown: Vec<_> = secrets.iter().filter(|(name, _)| environment[name] != HIDDEN).collect();
    assert!(shown.is_empty(), "{} of {} are shown: {shown:?}", shown.len(), secrets.len());
}

#[tokio::test]
async fn variables_of_the_platform_are_shown() {
    let platform = corpus("platform");
    let environment = environment(&[], &platform).await;
    let wrong: Vec<_> = platform.iter().filter(|(name, value)| environment[name] != **value).collect();
    assert!(wrong.is_empty(), "hidden: {wrong:?}");
}

#[tokio::test]
async fn environment_show_shows_the_named_values() {
    let harmless = corpus("harmless");
    let hidden = environment(&[], &harmless).await;
    let named = harmless.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(",");
    let shown = environment(&["--environment-show", &named], &harmless).await;
    for (name, value) in &harmless {
        assert_eq!((&hidden[name], &shown[name]), (&HIDDEN.into(), &Value::from(value.as_str())), "{name}");
    }
}

#[test]
fn shared_redactor_removes_every_secret_from_a_text() {
    for (name, value) in corpus("secrets") {
        let text = format!("before {name}={value}\nafter");
        let once = shopfront::redact::text(&text, HIDDEN);
        assert!(!once.contains("hidden"), "{text}: {once}");
        assert_eq!(shopfront::redact::text(&once, HIDDEN), once, "{text}");
        assert!(once.starts_with("before "), "{once}");
    }
}

#[tokio::test]
async fn transcript_of_the_reference_is_unchanged() {
    let variables = [
        ("HOME", "/root"),
        ("HOSTNAME", "shopfront-deploy-7d94b56f44-fblvd"),
        ("KUBERNETES_PORT", "tcp://172.20.0.1:443"),
        ("KUBERNETES_PORT_443_TCP_PORT", "443"),
    ];
    let text = Server::start_with(&[], &variables).await.get("/").await;
    let expected = "\
environment:
  HOME: /root
  HOSTNAME: shopfront-deploy-7d94b56f44-fblvd
  KUBERNETES_PORT: tcp://172.20.0.1:443
  KUBERNETES_PORT_443_TCP_PORT: \"443\"
";
    assert!(text.ends_with(expected), "{text}");
}
