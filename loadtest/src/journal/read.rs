//! Reads journals, which anybody may have written.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::Entry;
use crate::error::Error;
use crate::input;

/// The longest line, in bytes: a second in which a thousand pods answer has some 300 KB.
const LINE: u64 = 2 << 20;

/// The longest journal, in bytes: a day at a high rate has some 800 MB.
const FILE: u64 = 1 << 30;

/// The maximum number of entries: a week has 600,000 seconds.
const ENTRIES: usize = 2_000_000;

/// The maximum number of states of the autoscaler and of events: a week has 120,000 states.
const STATES: usize = 200_000;

/// The maximum number of names of pods, of addresses, and of causes of failures, in all journals of a load.
const NAMES: usize = 20_000;

/// Reads the journals of a load, and counts what they have in common.
#[derive(Default)]
pub struct Reader {
    pods: BTreeSet<String>,
    failures: BTreeSet<String>,
    addresses: BTreeSet<String>,
}

/// More than a report can be made of.
#[derive(Debug, thiserror::Error)]
enum Excess {
    #[error("the journal has more than {ENTRIES} entries, or {STATES} of the autoscaler")]
    Entries,
    #[error("more than {NAMES} different names in {field}")]
    Names { field: &'static str },
}

/// How much one journal has.
#[derive(Default)]
struct Size {
    bytes: u64,
    entries: usize,
    states: usize,
}

impl Reader {
    /// Reads one more journal. A last line that a crash cut off is skipped, and so are lines that are not JSON objects:
    /// a container's log also has messages for people. An object that is not an entry, or not one that a run writes, is
    /// an error that names the line.
    pub fn read(&mut self, path: &Path) -> Result<Vec<Entry>, Error> {
        let name = path.display().to_string();
        let file = input::open(path).map_err(|error| Error::Usage(format!("{name}: {error}")))?;
        self.read_from(&mut BufReader::new(file), &name)
    }

    /// The same from an open reader.
    pub fn read_from(&mut self, journal: &mut impl BufRead, name: &str) -> Result<Vec<Entry>, Error> {
        let (mut entries, mut line, mut size) = (Vec::new(), Vec::new(), Size::default());
        for number in 1_u64.. {
            let wrong = |why: &dyn Display| Error::Usage(format!("{name}, line {number}: {why}"));
            line.clear();
            let read = journal.take(LINE + 1).read_until(b'\n', &mut line);
            read.map_err(|error| Error::Usage(format!("{name}: {error}")))?;
            if line.len() as u64 > LINE {
                return Err(wrong(&format!("it is longer than {LINE} bytes")));
            }
            if line.pop() != Some(b'\n') {
                break;
            }
            size.bytes += line.len() as u64 + 1;
            if size.bytes > FILE {
                return Err(wrong(&format!("the journal is longer than {} MiB", FILE >> 20)));
            }
            if !line.starts_with(b"{") {
                continue;
            }
            let entry: Entry = serde_json::from_str(&String::from_utf8_lossy(&line))
                .map_err(|error| wrong(&format!("not an entry of a journal: {error}")))?;
            entry.check().map_err(|why| wrong(&why))?;
            self.count(&entry, &mut size).map_err(|excess| wrong(&excess))?;
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Counts what would be a row of a report.
    fn count(&mut self, entry: &Entry, size: &mut Size) -> Result<(), Excess> {
        size.entries += 1;
        size.states += usize::from(matches!(entry, Entry::Scaling(_) | Entry::Event(_)));
        if size.entries > ENTRIES || size.states > STATES {
            return Err(Excess::Entries);
        }
        let Entry::Second(second) = entry else { return Ok(()) };
        add(&mut self.pods, "pods", second.pods.keys().chain(second.pod_bytes.keys()))?;
        add(&mut self.addresses, "addresses", second.addresses.keys())?;
        add(&mut self.failures, "failures", second.failures.keys())
    }
}

fn add<'a>(
    known: &mut BTreeSet<String>,
    field: &'static str,
    names: impl Iterator<Item = &'a String>,
) -> Result<(), Excess> {
    for name in names {
        if !known.contains(name) {
            known.insert(name.clone());
        }
    }
    if known.len() > NAMES { Err(Excess::Names { field }) } else { Ok(()) }
}
