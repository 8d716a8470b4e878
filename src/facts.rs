//! What `/` tells: the runtime and the environment, rendered once for each change of the facts.

use std::collections::BTreeMap;
use std::fmt::Write;

use axum::body::Body;
use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;

use crate::config::EnvironmentMode;
use crate::format::Format;
use crate::pieces::Pieces;
use crate::redact::REDACTED;
use crate::redact::environment::{Shown, shown};
use crate::routes::page;

/// The compiler that built the service, such as `rustc 1.95.0`.
pub const COMPILER: &str = env!("SHOPFRONT_RUSTC");

/// The document of `/`. All values are strings; keys come out in alphabetical order.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    /// What runs, and on what.
    pub runtime: Runtime,
    /// The process's variables, as far as the mode shows them.
    pub environment: BTreeMap<String, String>,
}

/// The `runtime` part of the document.
#[derive(Clone, Debug, Serialize)]
pub struct Runtime {
    /// The processor, in the spelling of Go and OCI images: amd64, arm64.
    pub arch: String,
    /// The machine's public address, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_ip: Option<String>,
    /// The host's name: in a cluster, the pod's.
    pub hostname: String,
    /// The runtime's worker threads, after the cgroup's CPU quota.
    pub max_procs: String,
    /// The machine's logical processors.
    pub num_cpu: String,
    /// Live tokio tasks.
    pub num_tasks: String,
    /// The operating system, in Go's spelling: linux, darwin.
    pub os: String,
    /// The compiler's version.
    pub version: String,
}

impl Facts {
    /// Reads what does not change while the process lives: all but the external IP.
    pub fn gather(mode: EnvironmentMode, workers: usize) -> Self {
        let processors = sysinfo::RefreshKind::nothing().with_cpu(sysinfo::CpuRefreshKind::nothing());
        let num_cpu = sysinfo::System::new_with_specifics(processors).map_or(workers, |system| system.cpus().len());
        Self {
            runtime: Runtime {
                arch: go_arch(std::env::consts::ARCH).to_owned(),
                external_ip: None,
                hostname: hostname::get().map_or_else(|_| "unknown".to_owned(), |name| name.to_string_lossy().into()),
                max_procs: workers.to_string(),
                num_cpu: num_cpu.to_string(),
                num_tasks: NUM_TASKS_MARK.to_owned(),
                os: go_os(std::env::consts::OS).to_owned(),
                version: COMPILER.to_owned(),
            },
            environment: environment(
                mode,
                std::env::vars_os()
                    .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())),
            ),
        }
    }

    /// The same facts with the values that the operator wants shown.
    #[must_use]
    pub fn showing(mut self, by_operator: &[Shown]) -> Self {
        for (name, value) in self.environment.iter_mut().filter(|(_, value)| *value == REDACTED) {
            if let Some(hidden) = std::env::var_os(name) {
                *value = shown(name, hidden.to_string_lossy().into_owned(), by_operator);
            }
        }
        self
    }
}

fn go_arch(rust: &str) -> &str {
    match rust {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        same => same,
    }
}

fn go_os(rust: &str) -> &str {
    if rust == "macos" { "darwin" } else { rust }
}

fn environment(mode: EnvironmentMode, variables: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
    match mode {
        EnvironmentMode::None => BTreeMap::new(),
        EnvironmentMode::All => variables.collect(),
        EnvironmentMode::Redacted => variables
            .map(|(name, value)| {
                let value = shown(&name, value, &[]);
                (name, value)
            })
            .collect(),
    }
}

/// Stands for the number of tasks in a rendered document: the one fact that changes with every connection. A number
/// that cannot occur, so that each form quotes it as it quotes the real one.
const NUM_TASKS_MARK: &str = "18446744073709551615";

/// The document in its three forms, each cut where the number of tasks goes.
#[derive(Clone, Debug)]
pub struct Document {
    yaml: (Bytes, Bytes),
    json: (Bytes, Bytes),
    html: (Bytes, Bytes),
}

impl Document {
    /// Renders the facts.
    pub fn new(facts: &Facts) -> Self {
        Self { yaml: cut(&to_yaml(facts)), json: cut(&(to_json(facts) + "\n")), html: cut(&page::render(facts)) }
    }

    /// The document with the number of tasks alive now. YAML and JSON are short, and cheapest in one piece; the page is
    /// not.
    pub fn body(&self, format: Format, num_tasks: usize) -> Body {
        let (before, after) = match format {
            Format::Yaml => &self.yaml,
            Format::Json => &self.json,
            Format::Html => {
                let (before, after) = self.html.clone();
                return Body::new(Pieces::from([before, Bytes::from(num_tasks.to_string()), after]));
            }
        };
        let mut whole = BytesMut::with_capacity(before.len() + NUM_TASKS_MARK.len() + after.len());
        whole.put_slice(before);
        whole.put_slice(itoa::Buffer::new().format(num_tasks).as_bytes());
        whole.put_slice(after);
        Body::from(whole.freeze())
    }

    /// The most bytes that one answer makes anew.
    pub fn bytes_for_each_answer(&self) -> usize {
        let sizes = [&self.yaml, &self.json].map(|(before, after)| before.len() + NUM_TASKS_MARK.len() + after.len());
        sizes[0].max(sizes[1])
    }
}

fn cut(rendered: &str) -> (Bytes, Bytes) {
    let (before, after) = rendered.split_once(NUM_TASKS_MARK).expect("the facts carry the mark");
    (Bytes::copy_from_slice(before.as_bytes()), Bytes::copy_from_slice(after.as_bytes()))
}

/// A document as JSON, indented for people.
pub fn to_json(document: &impl Serialize) -> String {
    serde_json::to_string_pretty(document).expect("documents are maps of strings")
}

/// A document as YAML in the reference's style: one line a value, and double quotes around whatever a YAML 1.1 or 1.2
/// reader would take for something other than a string.
///
/// The serializer also quotes an IPv4 address, which the letter of YAML 1.1 lets pass for a float; no reader in use
/// takes it for one, and the reference shows it bare, so here its quotes come off.
pub fn to_yaml(document: &impl Serialize) -> String {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let yaml = serde_saphyr::to_string_with_options(document, options).expect("documents are maps of strings");
    let mut lines = String::with_capacity(yaml.len());
    for line in yaml.lines() {
        match line.split_once(": \"").and_then(|(key, value)| Some((key, value.strip_suffix('"')?))) {
            Some((key, value)) if value.parse::<std::net::Ipv4Addr>().is_ok() => {
                let _ = writeln!(lines, "{key}: {value}");
            }
            _ => {
                let _ = writeln!(lines, "{line}");
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use http_body_util::BodyExt;

    use super::*;

    fn bytes(document: &Document, format: Format, num_tasks: usize) -> Bytes {
        let collected = document.body(format, num_tasks).collect().now_or_never();
        collected.expect("nothing is waited for").unwrap().to_bytes()
    }

    fn reference() -> Facts {
        let variables = [
            ("KUBERNETES_PORT_443_TCP_PORT", "443"),
            ("HOME", "/root"),
            ("KUBERNETES_PORT", "tcp://172.20.0.1:443"),
            ("HOSTNAME", "shopfront-deploy-7d94b56f44-fblvd"),
            ("KUBERNETES_SERVICE_HOST", "172.20.0.1"),
        ];
        Facts {
            runtime: Runtime {
                arch: "amd64".into(),
                external_ip: Some("18.224.3.230".into()),
                hostname: "shopfront-1".into(),
                max_procs: "2".into(),
                num_cpu: "2".into(),
                num_tasks: NUM_TASKS_MARK.into(),
                os: "linux".into(),
                version: "rustc 1.95.0".into(),
            },
            environment: environment(
                EnvironmentMode::Redacted,
                variables.into_iter().map(|(name, value)| (name.into(), value.into())),
            ),
        }
    }

    #[test]
    fn yaml_is_the_reference_s_to_the_letter() {
        let expected = "\
runtime:
  arch: amd64
  external_ip: 18.224.3.230
  hostname: shopfront-1
  max_procs: \"2\"
  num_cpu: \"2\"
  num_tasks: \"10\"
  os: linux
  version: rustc 1.95.0
environment:
  HOME: /root
  HOSTNAME: shopfront-deploy-7d94b56f44-fblvd
  KUBERNETES_PORT: tcp://172.20.0.1:443
  KUBERNETES_PORT_443_TCP_PORT: \"443\"
  KUBERNETES_SERVICE_HOST: 172.20.0.1
";
        assert_eq!(bytes(&Document::new(&reference()), Format::Yaml, 10), expected);
    }

    #[test]
    fn an_unknown_external_ip_leaves_no_key() {
        let mut facts = reference();
        facts.runtime.external_ip = None;
        assert!(!to_yaml(&facts).contains("external_ip"));
        assert!(!to_json(&facts).contains("external_ip"));
    }

    #[test]
    fn a_value_never_breaks_its_line_or_its_type() {
        let awkward = [
            "",
            "yes",
            "null",
            "~",
            "1e3",
            "0x1f",
            "010",
            "1_000",
            ".inf",
            "a: b",
            "a #b",
            "*a",
            "it's \"q\"",
            "two\nlines",
            "tab\there",
            "\u{1b}[0m",
            "2024-01-01",
            "1:30",
            "- x",
            "a\nB: \"1.2.3.4\"",
            " lead ",
        ];
        let facts: BTreeMap<String, &str> =
            awkward.iter().enumerate().map(|(i, value)| (format!("K{i:02}"), *value)).collect();
        let yaml = to_yaml(&facts);
        assert_eq!(yaml.lines().count(), awkward.len(), "{yaml}");
        for (line, value) in yaml.lines().zip(awkward) {
            let scalar = line.split_once(": ").unwrap().1;
            if scalar.starts_with('"') {
                // What needs quotes is escaped as JSON does it, but for YAML's own short \e.
                let json = scalar.replace("\\e", "\\u001b");
                assert_eq!(serde_json::from_str::<String>(&json).unwrap(), value);
            } else {
                assert_eq!(scalar, value);
            }
        }
    }

    #[test]
    fn the_modes_show_all_some_or_nothing() {
        let variables =
            || [("API_KEY", "hunter2"), ("HOME", "/root")].into_iter().map(|(n, v)| (n.to_owned(), v.to_owned()));
        let all = environment(EnvironmentMode::All, variables());
        assert_eq!(all["API_KEY"], "hunter2");
        let redacted = environment(EnvironmentMode::Redacted, variables());
        assert_eq!((redacted["API_KEY"].as_str(), redacted["HOME"].as_str()), (REDACTED, "/root"));
        assert!(environment(EnvironmentMode::None, variables()).is_empty());
    }

    #[test]
    fn every_form_carries_the_number_of_tasks() {
        let document = Document::new(&reference());
        for format in [Format::Yaml, Format::Json, Format::Html] {
            let text = String::from_utf8(bytes(&document, format, 4321).to_vec()).unwrap();
            assert!(text.contains("4321") && !text.contains(NUM_TASKS_MARK), "{text}");
        }
    }
}
