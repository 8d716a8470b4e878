//! The end of a run for programs: `--summary-export` and `--junit`.

use std::io;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use super::json;
use crate::output::{json_pretty, visible};
use crate::report::figures::{Quantiles, Report, Totals};
use crate::report::verdict::{Check, Verdict};

/// The summary of a load test (`--summary-export`): the report without what happened when. All times are seconds.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary<'a> {
    /// The verdict, with each check.
    verdict: &'a Verdict,
    /// The exit code of the verdict.
    exit_code: u8,
    /// The target's URL; null if the journal has no start.
    url: Option<&'a str>,
    /// Counts of requests.
    totals: &'a Totals,
    /// Latency, from when a request was due to its answer; null without answers.
    latency: Option<Quantiles>,
    /// How long TLS handshakes took, which the latency includes; null without any.
    handshakes: Option<Quantiles>,
    /// Send delay of the generator itself, from when a request was due to when it was sent.
    lateness: Option<Quantiles>,
    /// Why the result may be wrong or incomplete.
    warnings: Vec<&'a str>,
}

impl Report {
    /// The summary as JSON.
    pub fn summary(&self) -> String {
        json_pretty(&Summary {
            verdict: &self.verdict,
            exit_code: self.verdict.outcome.exit_code(),
            url: self.start.as_ref().map(|start| start.target.url.as_str()),
            totals: &self.totals,
            latency: self.latency,
            handshakes: self.handshakes,
            lateness: self.lateness,
            warnings: self.warnings.iter().map(|warning| warning.message.as_str()).collect(),
        })
    }

    /// The checks in the form of `JUnit`, which CI systems show: a test case for each expectation. One that could not be
    /// decided is an error.
    pub fn junit(&self) -> String {
        let judged: Vec<&Check> = self.verdict.checks.iter().filter(|check| check.expected.is_some()).collect();
        let number = |held: Option<bool>| judged.iter().filter(|check| check.held == held).count();
        let seconds = self.end.as_ref().map_or(0.0, |end| end.at);
        let counts = format!(
            "tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{seconds:.3}\"",
            judged.len(),
            number(Some(false)),
            number(None)
        );
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n  <testsuite name=\"loadtest\" {counts}>\n"
        );
        for check in judged {
            let expected = check.expected.as_deref().unwrap_or_default();
            let (name, message) =
                (escaped(&check.name), escaped(&format!("expected {expected}, observed {}", check.observed)));
            let result = match check.held {
                Some(true) => "/>\n".to_owned(),
                Some(false) => format!(">\n      <failure message=\"{message}\"/>\n    </testcase>\n"),
                None => format!(">\n      <error message=\"{message}\"/>\n    </testcase>\n"),
            };
            xml += &["    <testcase classname=\"loadtest\" name=\"", &name, "\"", &result].concat();
        }
        let sentence = escaped(&self.verdict.sentence);
        xml += &["    <system-out>", &sentence, "</system-out>\n"].concat();
        xml += "  </testsuite>\n</testsuites>\n";
        xml
    }
}

/// A text in an attribute or an element: XML has no form for a control character.
fn escaped(text: &str) -> String {
    visible(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Writes a text into a file. At any time, a reader finds the old file or the complete new one.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidInput)?;
    json::write(folder, name, text)
}
