//! Joins the journals of several generators of one load, exactly: counts are added, histograms bucket by bucket.

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::journal::{End, Entry, Second, Start};
use crate::stats::join_seconds;

/// One journal of several. The first that watched an autoscaler gives what was seen of it.
pub fn joined(journals: Vec<Vec<Entry>>) -> Result<Vec<Entry>, Fault> {
    let mut start: Option<Start> = None;
    let mut seconds: BTreeMap<i64, Vec<Second>> = BTreeMap::new();
    let mut others = Vec::new();
    let mut watched = false;
    let mut ends: Vec<Option<End>> = Vec::new();
    for journal in journals {
        let mut entries = journal.into_iter();
        let Some(Entry::Start(own)) = entries.next() else {
            return Err(Fault::Use("a journal does not begin with its start: was its first line lost?".to_owned()));
        };
        let first = start.get_or_insert_with(|| (*own).clone());
        if (&own.profile, &own.target.url, own.spacing) != (&first.profile, &first.target.url, first.spacing) {
            return Err(Fault::Use(
                "the journals are of different loads: their targets, stages or spacing differ".to_owned(),
            ));
        }
        // Their clocks: those of the first.
        let shift = (own.started - first.started) * first.speed;
        let (mut end, mut saw) = (None, false);
        for entry in entries {
            match entry {
                Entry::Second(mut second) => {
                    second.at += shift.round();
                    seconds.entry(whole(second.at)).or_default().push(second);
                }
                Entry::Scaling(mut scaling) if !watched => {
                    saw = true;
                    scaling.at += shift;
                    others.push((scaling.at, Entry::Scaling(scaling)));
                }
                Entry::Event(mut event) if !watched || event.object == "load" => {
                    event.at += shift;
                    others.push((event.at, Entry::Event(event)));
                }
                Entry::End(mut one) => {
                    one.at += shift;
                    end = Some(one);
                }
                Entry::Start(_) => {
                    return Err(Fault::Use("a journal has two starts: give each run's journal by itself".to_owned()));
                }
                Entry::Scaling(_) | Entry::Event(_) => {}
            }
        }
        watched |= saw;
        if saw {
            let first = start.as_mut().expect("it was set above");
            first.autoscaler = own.autoscaler;
        }
        ends.push(end);
    }
    let mut all = others;
    all.extend(seconds.into_values().map(|parts| {
        let second = join_seconds(&parts);
        (second.at, Entry::Second(second))
    }));
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut entries: Vec<_> = start.map(|start| Entry::Start(Box::new(start))).into_iter().collect();
    entries.extend(all.into_iter().map(|(_, entry)| entry));
    // Without an end of each, it is not known to be whole.
    if let Some(ends) = ends.into_iter().collect::<Option<Vec<_>>>().filter(|ends| !ends.is_empty()) {
        let at = ends.iter().map(|end| end.at).fold(0.0, f64::max);
        entries.push(Entry::End(End { at, interrupted: ends.iter().any(|end| end.interrupted) }));
    }
    Ok(entries)
}

#[expect(clippy::cast_possible_truncation, reason = "seconds of a load")]
fn whole(at: f64) -> i64 {
    at.round() as i64
}
