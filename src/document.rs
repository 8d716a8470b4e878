//! The document of `/`: the runtime and the environment. It is rendered once for each change.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::fmt::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::{BufMut, Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use serde::Serialize;

use crate::config::EnvironmentMode;
use crate::format::Format;
use crate::redact::REDACTED;
use crate::redact::environment::{ShownVariable, is_shown_name, shown_value};
use crate::routes::page;
use crate::url_prefix::UrlPrefix;

/// The compiler that built the service, such as `rustc 1.95.0`.
pub const COMPILER: &str = env!("SHOPFRONT_RUSTC");

/// The document of `/`. All values are strings, and all keys are in alphabetical order.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    /// What the service runs on.
    pub runtime: Runtime,
    /// The environment variables that the mode shows.
    pub environment: BTreeMap<String, String>,
    /// The autoscaler's target, which only the page shows.
    #[serde(skip)]
    pub target: Option<f64>,
    /// The prefix of every path, which only the page and `/openapi.json` need.
    #[serde(skip)]
    pub url_prefix: Option<UrlPrefix>,
}

/// The `runtime` part of the document.
#[derive(Clone, Debug, Serialize)]
pub struct Runtime {
    /// The architecture, as Go and OCI images spell it: amd64, arm64.
    pub arch: String,
    /// The machine's public address, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_ip: Option<String>,
    /// The host name; in a cluster, the pod's name.
    pub hostname: String,
    /// The runtime's worker threads, after the cgroup's CPU quota.
    pub max_procs: String,
    /// The machine's logical processors.
    pub num_cpu: String,
    /// Live tokio tasks.
    pub num_tasks: String,
    /// The operating system, as Go spells it: linux, darwin.
    pub os: String,
    /// The compiler's version.
    pub version: String,
}

impl Document {
    /// Reads everything that does not change: all but the external IP and the number of tasks. The values of `shown` are
    /// shown as well.
    pub fn gather(mode: EnvironmentMode, shown: &[ShownVariable], workers: usize) -> Self {
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
                shown,
                std::env::vars_os()
                    .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())),
            ),
            target: None,
            url_prefix: None,
        }
    }
}

pub(crate) fn go_arch(rust: &str) -> &str {
    match rust {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        same => same,
    }
}

pub(crate) fn go_os(rust: &str) -> &str {
    if rust == "macos" { "darwin" } else { rust }
}

fn environment(
    mode: EnvironmentMode,
    shown: &[ShownVariable],
    variables: impl Iterator<Item = (String, String)>,
) -> BTreeMap<String, String> {
    match mode {
        EnvironmentMode::None => BTreeMap::new(),
        EnvironmentMode::All => variables.collect(),
        EnvironmentMode::Redacted => {
            let mut hidden = 0;
            let of = |(name, value): (String, String)| {
                if is_shown_name(&name, shown) {
                    let value = shown_value(&name, value, shown);
                    return (name, value);
                }
                // Numbered: each keeps its place in the document.
                hidden += 1;
                (format!("{REDACTED} {hidden}"), REDACTED.to_owned())
            };
            variables.map(of).collect()
        }
    }
}

/// The placeholder for the number of tasks, which changes with every connection. It is a number, so each format quotes it
/// like a real one, and one that cannot occur.
const NUM_TASKS_MARK: &str = "18446744073709551615";

/// The document in its three formats, each split at the number of tasks.
#[derive(Clone, Debug)]
pub struct RenderedDocument {
    yaml: (Bytes, Bytes),
    json: (Bytes, Bytes),
    html: (Bytes, Bytes),
}

impl RenderedDocument {
    /// Renders a document.
    pub fn new(document: &Document) -> Self {
        Self {
            yaml: split(&to_yaml(document)),
            json: split(&(to_json(document) + "\n")),
            html: split(&page::render(document)),
        }
    }

    /// The document with the number of live tasks. YAML and JSON are short, so a copy is cheapest. The page is long, so all
    /// responses share it.
    pub fn body(&self, format: Format, num_tasks: usize) -> Body {
        let (before, after) = match format {
            Format::Yaml => &self.yaml,
            Format::Json => &self.json,
            Format::Html => {
                let (before, after) = self.html.clone();
                return Body::new(SegmentedBody([before, num_tasks.to_string().into(), after].into()));
            }
        };
        let mut whole = BytesMut::with_capacity(before.len() + NUM_TASKS_MARK.len() + after.len());
        whole.put_slice(before);
        whole.put_slice(itoa::Buffer::new().format(num_tasks).as_bytes());
        whole.put_slice(after);
        Body::from(whole.freeze())
    }

    /// The maximum number of bytes that a response does not share with others.
    pub fn max_response_bytes(&self) -> usize {
        let sizes = [&self.yaml, &self.json].map(|(before, after)| before.len() + NUM_TASKS_MARK.len() + after.len());
        sizes[0].max(sizes[1])
    }
}

/// A body of several buffers, which it may share with other bodies. However many clients request it and do not read it, a
/// shared buffer is in memory once.
struct SegmentedBody(VecDeque<Bytes>);

impl HttpBody for SegmentedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|buffer| Ok(Frame::data(buffer))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|buffer| buffer.len() as u64).sum())
    }
}

fn split(rendered: &str) -> (Bytes, Bytes) {
    let (before, after) = rendered.split_once(NUM_TASKS_MARK).expect("the document contains the placeholder");
    (Bytes::copy_from_slice(before.as_bytes()), Bytes::copy_from_slice(after.as_bytes()))
}

/// A document as indented JSON.
pub fn to_json(document: &impl Serialize) -> String {
    serde_json::to_string_pretty(document).expect("documents are maps, lists, strings and numbers")
}

/// A document as YAML in the reference's style: a line for each value, and double quotes around whatever a YAML 1.1 or 1.2
/// reader would not read as a string.
///
/// The serializer also quotes IPv4 addresses, because YAML 1.1 could read them as floats. No reader in use does, and the
/// reference does not quote them, so this removes those quotes.
pub fn to_yaml(document: &impl Serialize) -> String {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let yaml = serde_saphyr::to_string_with_options(document, options)
        .expect("documents are maps, lists, strings and numbers");
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

    fn bytes(document: &RenderedDocument, format: Format, num_tasks: usize) -> Bytes {
        let collected = document.body(format, num_tasks).collect().now_or_never();
        collected.expect("the body is ready").unwrap().to_bytes()
    }

    fn reference() -> Document {
        let variables = [
            ("KUBERNETES_PORT_443_TCP_PORT", "443"),
            ("HOME", "/root"),
            ("KUBERNETES_PORT", "tcp://172.20.0.1:443"),
            ("HOSTNAME", "shopfront-deploy-7d94b56f44-fblvd"),
            ("KUBERNETES_SERVICE_HOST", "172.20.0.1"),
        ];
        Document {
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
                &[],
                variables.into_iter().map(|(name, value)| (name.into(), value.into())),
            ),
            target: None,
            url_prefix: None,
        }
    }

    #[test]
    fn yaml_has_the_format_of_the_reference() {
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
        assert_eq!(bytes(&RenderedDocument::new(&reference()), Format::Yaml, 10), expected);
    }

    #[test]
    fn unknown_external_ip_has_no_key() {
        let mut document = reference();
        document.runtime.external_ip = None;
        assert!(!to_yaml(&document).contains("external_ip"));
        assert!(!to_json(&document).contains("external_ip"));
    }

    #[test]
    fn value_stays_one_line_and_a_string() {
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
        let document: BTreeMap<String, &str> =
            awkward.iter().enumerate().map(|(i, value)| (format!("K{i:02}"), *value)).collect();
        let yaml = to_yaml(&document);
        assert_eq!(yaml.lines().count(), awkward.len(), "{yaml}");
        for (line, value) in yaml.lines().zip(awkward) {
            let scalar = line.split_once(": ").unwrap().1;
            if scalar.starts_with('"') {
                // Quoted values are escaped as in JSON, except for YAML's own \e.
                let json = scalar.replace("\\e", "\\u001b");
                assert_eq!(serde_json::from_str::<String>(&json).unwrap(), value);
            } else {
                assert_eq!(scalar, value);
            }
        }
    }

    #[test]
    fn each_environment_mode_shows_its_values() {
        let variables =
            || [("API_KEY", "hunter2"), ("HOME", "/root")].into_iter().map(|(n, v)| (n.to_owned(), v.to_owned()));
        let all = environment(EnvironmentMode::All, &[], variables());
        assert_eq!(all["API_KEY"], "hunter2");
        let redacted = environment(EnvironmentMode::Redacted, &[], variables());
        assert_eq!((redacted["API_KEY"].as_str(), redacted["HOME"].as_str()), (REDACTED, "/root"));
        assert!(environment(EnvironmentMode::None, &[], variables()).is_empty());
    }

    #[test]
    fn name_that_holds_a_token_is_replaced() {
        let variables = ["AKIAIOSFODNN7EXAMPLE", "a name", "HOME"].map(|name| (name.to_owned(), "/x".to_owned()));
        let shown = environment(EnvironmentMode::Redacted, &[], variables.into_iter());
        let expected = [("HOME", "/x"), ("[redacted] 1", REDACTED), ("[redacted] 2", REDACTED)];
        assert_eq!(shown, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn each_format_contains_the_number_of_tasks() {
        let document = RenderedDocument::new(&reference());
        for format in [Format::Yaml, Format::Json, Format::Html] {
            let text = String::from_utf8(bytes(&document, format, 4321).to_vec()).unwrap();
            assert!(text.contains("4321") && !text.contains(NUM_TASKS_MARK), "{text}");
        }
    }
}
