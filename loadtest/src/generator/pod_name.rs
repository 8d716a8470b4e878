//! Which pod answered: by its document (`environment: HOSTNAME`, or else `runtime: hostname`, or podinfo's `"hostname"`), or
//! by a header.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::journal::Bytes;

/// How many bytes of a document are scanned for the name.
const SCANNED: usize = 16 * 1024;
/// How many names are counted separately. No run has more pods, and a target that invents names costs no more memory.
const NAMES: usize = 1_000;
/// A Kubernetes name has no more bytes.
const NAME_BYTES: usize = 253;
/// The name under which all others are counted.
const OTHERS: &str = "(others)";

/// Lines of the document, which is YAML with the variables and the facts two spaces deep.
static VARIABLE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\n  HOSTNAME: "));
static FACT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\n  hostname: "));
/// podinfo's document is JSON.
static PODINFO: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\n  \"hostname\": \""));

/// The name in a document, or in its start if `whole` is false: then none means that more is needed.
fn name(document: &[u8], whole: bool) -> Option<&[u8]> {
    let variable = value(&VARIABLE, document, whole);
    if variable.is_some() || !whole {
        return variable;
    }
    value(&FACT, document, true).or_else(|| json_value(document))
}

fn json_value(document: &[u8]) -> Option<&[u8]> {
    let value = &document[PODINFO.find(document)? + PODINFO.needle().len()..];
    plain(&value[..memchr::memchr(b'"', value)?])
}

/// A name, if it is one.
fn plain(name: &[u8]) -> Option<&[u8]> {
    let known = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    ((1..=NAME_BYTES).contains(&name.len()) && name.iter().all(known)).then_some(name)
}

fn value<'a>(line: &Finder<'_>, document: &'a [u8], whole: bool) -> Option<&'a [u8]> {
    let value = &document[line.find(document)? + line.needle().len()..];
    let end = match memchr::memchr(b'\n', value) {
        Some(end) => end,
        None if whole => value.len(),
        None => return None,
    };
    let value = value[..end].trim_ascii();
    let quoted = |quote: &[u8]| value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
    plain(quoted(b"\"").or_else(|| quoted(b"'")).unwrap_or(value))
}

/// Answers, and the bytes of them and their requests.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    answers: u64,
    bytes: Bytes,
}

/// Answers by pod.
#[derive(Debug, Default)]
pub(super) struct Pods {
    /// So few that a linear search is fastest. Pods that answered before stay, with a count of 0.
    counts: Vec<(String, Count)>,
    others: Count,
}

/// A pod that [`Pods`] knows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pod {
    /// By its index.
    Known(usize),
    /// One beyond [`NAMES`].
    Other,
}

impl Pods {
    /// The pod with this name. Allocates only for a new one.
    pub fn find(&mut self, name: &[u8]) -> Pod {
        if let Some(place) = self.counts.iter().position(|(known, _)| known.as_bytes() == name) {
            return Pod::Known(place);
        }
        if self.counts.len() == NAMES {
            return Pod::Other;
        }
        self.counts.push((String::from_utf8_lossy(name).into_owned(), Count::default()));
        Pod::Known(self.counts.len() - 1)
    }

    /// The pod that a header names, if its value is a name.
    pub fn of_header(&mut self, value: &[u8]) -> Option<Pod> {
        plain(value.trim_ascii()).map(|name| self.find(name))
    }

    /// Counts an answer.
    pub fn count(&mut self, pod: Pod, bytes: Bytes) {
        let count = match pod {
            Pod::Known(place) => &mut self.counts[place].1,
            Pod::Other => &mut self.others,
        };
        count.answers += 1;
        count.bytes += bytes;
    }

    /// The counts since the last call: answers and bytes.
    pub fn take(&mut self) -> impl Iterator<Item = (String, u64, Bytes)> + '_ {
        let others = (OTHERS.to_owned(), std::mem::take(&mut self.others));
        let counts = self.counts.iter_mut().map(|(name, count)| (name.clone(), std::mem::take(count)));
        let counts = counts.chain([others]).filter(|(_, count)| count.answers > 0);
        counts.map(|(name, count)| (name, count.answers, count.bytes))
    }
}

/// Scans one document for its pod's name, piece by piece.
#[derive(Debug, Default)]
pub(super) struct PodNameScanner {
    found: Option<Pod>,
    over: bool,
    /// The document's start, if the first piece was not enough, and how much of it was scanned.
    start: Vec<u8>,
    scanned: usize,
}

impl PodNameScanner {
    /// The pod, if a name was found.
    pub fn found(&self) -> Option<Pod> {
        self.found
    }

    /// Scans the next piece. The last one may be empty.
    pub fn scan(&mut self, piece: &[u8], last: bool, pods: &mut Pods) {
        if self.over {
            return;
        }
        if self.start.is_empty() {
            self.found = name(piece, last || piece.len() >= SCANNED).map(|name| pods.find(name));
            self.over = last || self.found.is_some();
            self.scanned = piece.len();
            if self.over {
                return;
            }
        }
        self.start.extend_from_slice(&piece[..piece.len().min(SCANNED - self.start.len())]);
        let whole = last || self.start.len() == SCANNED;
        // Not again for each of a thousand small pieces.
        if whole || self.start.len() >= 2 * self.scanned {
            self.found = name(&self.start, whole).map(|name| pods.find(name));
            self.over = whole || self.found.is_some();
            self.scanned = self.start.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str =
        "runtime:\n  arch: amd64\n  hostname: node-1\nenvironment:\n  HOME: /\n  HOSTNAME: web-7d9-x2\n  PATH: /\n";

    #[test]
    fn the_variable_wins_over_the_fact() {
        assert_eq!(name(DOCUMENT.as_bytes(), true), Some(&b"web-7d9-x2"[..]));
        let without = DOCUMENT.replace("  HOSTNAME: web-7d9-x2\n", "");
        assert_eq!(name(without.as_bytes(), true), Some(&b"node-1"[..]));
    }

    #[test]
    fn podinfo_names_its_pod_in_json() {
        let document = b"{\n  \"hostname\": \"podinfo-59489db7b5-7cdbz\",\n  \"version\": \"6.9.2\"\n}";
        assert_eq!(name(document, true), Some(&b"podinfo-59489db7b5-7cdbz"[..]));
        assert_eq!(name(document, false), None, "a later part may have the variable");
        assert_eq!(name(b"{\n  \"hostname\": \"a b\"}", true), None);
        assert_eq!(name(b"{\n  \"hostname\": \"a", true), None);
    }

    #[test]
    fn a_partial_document_needs_the_whole_line() {
        let end = DOCUMENT.find("-x2").unwrap();
        for cut in 0..DOCUMENT.len() {
            let found = name(&DOCUMENT.as_bytes()[..cut], false);
            assert_eq!(found.is_some(), cut > end + "-x2".len(), "{cut} bytes");
        }
        assert_eq!(name(b"environment:\n  HOSTNAME: a", true), Some(&b"a"[..]));
    }

    #[test]
    fn quotes_are_removed_and_other_text_is_no_name() {
        assert_eq!(name(b"\n  HOSTNAME: \"12\"\n", true), Some(&b"12"[..]));
        assert_eq!(name(b"\n  HOSTNAME: '1e3'\n", true), Some(&b"1e3"[..]));
        let long = format!("\n  HOSTNAME: {}\n", "a".repeat(254));
        for none in [
            "",
            "HOSTNAME: a\n",
            "\n    HOSTNAME: a\n",
            "\n  HOSTNAME: \n",
            "\n  HOSTNAME: a b\n",
            "\n  HOSTNAME: \u{e9}\n",
            &long,
        ] {
            assert_eq!(name(none.as_bytes(), true), None, "{none:?}");
        }
    }

    #[test]
    fn names_are_bounded() {
        let mut pods = Pods::default();
        for i in 0..NAMES + 5 {
            let pod = pods.find(format!("pod-{i}").as_bytes());
            pods.count(pod, Bytes { sent: 1, received: 2 });
        }
        let counts: Vec<_> = pods.take().collect();
        assert_eq!(
            (counts.len(), counts.last().unwrap()),
            (NAMES + 1, &(OTHERS.to_owned(), 5, Bytes { sent: 5, received: 10 }))
        );
        assert_eq!(pods.take().count(), 0);
    }
}
