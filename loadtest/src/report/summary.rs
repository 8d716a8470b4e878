//! The end of a run for programs: `--summary-export` and `--junit`.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use schemars::JsonSchema;
use serde::Serialize;

use super::json;
use crate::journal::Clients;
use crate::output::{json_pretty, visible};
use crate::report::figures::{Address, Pod, Quantiles, Report, Totals};
use crate::report::verdict::{Check, Outcome, Verdict};

const NONBLOCK: i32 = OFlags::NONBLOCK.bits().cast_signed();

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
    /// The clients of a closed loop, whose latency is the service time only; null if the profile's rates were sent.
    clients: Option<Clients>,
    /// Counts of requests.
    totals: &'a Totals,
    /// The pods that answered; last, as `(unknown)`, the answers that name none.
    pods: &'a [Pod],
    /// The addresses that requests were sent to.
    addresses: &'a [Address],
    /// Latency, from when a request was due to its answer, or in a closed loop from when it was sent; null without answers.
    latency: Option<Quantiles>,
    /// How long TLS handshakes took, which the latency includes; null without any.
    handshakes: Option<Quantiles>,
    /// Send delay of the generator itself, from when a request was due to when it was sent; null in a closed loop.
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
            clients: self.clients(),
            totals: &self.totals,
            pods: &self.pods,
            addresses: &self.addresses,
            latency: self.latency,
            handshakes: self.handshakes,
            lateness: self.lateness,
            warnings: self.warnings.iter().map(|warning| warning.message.as_str()).collect(),
        })
    }

    /// A check that the run is complete, which is open; none if it is.
    fn cut_short(&self) -> Option<Check> {
        let Verdict { outcome, sentence, .. } = &self.verdict;
        let expected = Some("a run up to its planned end".to_owned());
        (*outcome == Outcome::Undecided).then(|| Check::new("Run complete", expected, sentence.clone(), None))
    }

    /// The checks in the form of `JUnit`, which CI systems show: a test case for each expectation. One that could not be
    /// decided is an error.
    pub fn junit(&self) -> String {
        let mut judged: Vec<&Check> = self.verdict.checks.iter().filter(|check| check.expected.is_some()).collect();
        // A run that was cut short is undecided, even if each check holds until then.
        let is_open = judged.iter().any(|check| check.held.is_none());
        let cut_short = self.cut_short().filter(|_| !is_open);
        judged.extend(&cut_short);
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

/// Whether a text is written into what is there, because it is no regular file: a pipe, a device, or a name of standard
/// output.
pub fn is_written_in_place(path: &Path) -> bool {
    // The names of standard output are links into /proc.
    let of_process = |path: &Path| path.starts_with("/proc") || path.starts_with("/dev/fd");
    let is_descriptor = of_process(path) || std::fs::read_link(path).is_ok_and(|to| of_process(&to));
    std::fs::metadata(path).map_or(path.is_symlink(), |file| is_descriptor || !file.is_file())
}

/// Writes a text into a file. At any time, a reader finds the old file or the complete new one. Links stay, and what is no
/// regular file is written to.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    if is_written_in_place(path) {
        return write_in_place(path, text);
    }
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidInput)?;
    json::write(folder, name, text)
}

fn write_in_place(path: &Path, text: &str) -> io::Result<()> {
    // Of a link to nothing, the file is made. A pipe without a reader would block.
    let made = OpenOptions::new().append(true).create(path.is_symlink()).custom_flags(NONBLOCK).open(path);
    let mut file = made?;
    // A reader that is slower than the writing is waited for.
    rustix::fs::fcntl_setfl(&file, OFlags::APPEND)?;
    file.write_all(text.as_bytes())
}
