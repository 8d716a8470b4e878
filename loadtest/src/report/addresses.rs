//! The target's addresses, and which share of the requests each got.

use maud::{Markup, html};

use crate::journal::Second;
use crate::output::text::{clock, count};
use crate::report::counted::{Counted, counted};
use crate::report::figures::{Address, Report};
use crate::report::tables::{heads, table};

/// How many are named in the summary of a run.
const NAMED: usize = 4;

/// The addresses, the one with the most requests first.
pub(crate) fn addresses(seconds: &[Second]) -> Vec<Address> {
    let counted = counted(seconds.iter().map(|second| (second.at, &second.addresses)));
    let address = |Counted { name, count: requests, share, first, last }| Address {
        address: name.to_owned(),
        requests,
        share,
        first,
        last,
    };
    counted.into_iter().map(address).collect()
}

/// The line of a terminal; none without a connection.
pub(crate) fn line(report: &Report) -> Option<String> {
    let named = report.addresses.iter().take(NAMED);
    let named = named.map(|one| {
        let (first, last) = (clock(one.first), clock(one.last + 1.0));
        format!("{} {} ({:.1} %) from {first} to {last}", one.address, count(one.requests), 100.0 * one.share)
    });
    let mut parts: Vec<String> = named.collect();
    if report.addresses.len() > NAMED {
        parts.push(format!("and {} more", report.addresses.len() - NAMED));
    }
    (!parts.is_empty()).then(|| format!("Addresses  {}", parts.join(", ")))
}

/// The table of the page; none without a connection.
pub(crate) fn rows(report: &Report) -> Option<Markup> {
    if report.addresses.is_empty() {
        return None;
    }
    let head = heads(&[("", "Address"), ("figure", "requests"), ("figure", "share"), ("figure", "first–last")]);
    Some(table(&head, &report.addresses, |_, one: &Address| {
        html! {
            tr {
                th scope="row" { (one.address) }
                td.figure { (count(one.requests)) }
                td.figure { (format!("{:.1} %", 100.0 * one.share)) }
                td.figure { (clock(one.first)) "–" (clock(one.last + 1.0)) }
            }
        }
    }))
}
