//! The known causes, as data: their names, the links that may raise them, and what people read about them.
//!
//! The table is in `causes.rs`. The enum, `docs/TROUBLESHOOTING.md`, the bounds of the JSON schema and
//! `loadtest doctor --explain` come from it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::doctor::link::Link;

/// Makes the enum and the catalogue from the table.
macro_rules! causes {
    ($($number:literal $cause:ident $name:literal at [$($link:ident),+] {
        title: $title:literal,
        symptom: $symptom:literal,
        check: $check:literal,
        command: $command:literal,
        fix: $fix:literal,
        references: [$($reference:literal),*],
    })+) => {
        /// A cause, by its number in the catalogue.
        #[derive(Clone, Copy, Debug, serde::Deserialize, Eq, schemars::JsonSchema, Ord, PartialEq, PartialOrd, serde::Serialize)]
        #[serde(try_from = "super::CauseRef", into = "super::CauseRef")]
        #[repr(u8)]
        pub enum Cause {
            $(#[doc = $title] $cause = $number,)+
        }

        /// All causes, in the order of their numbers.
        pub const CATALOGUE: &[Entry] = &[$(Entry {
            cause: Cause::$cause,
            name: $name,
            links: &[$(Link::$link),+],
            title: $title,
            symptom: $symptom,
            check: $check,
            command: $command,
            fix: $fix,
            references: &[$($reference),*],
        },)+];
    };
}

mod causes;
mod page;

pub use causes::{CATALOGUE, Cause};
pub use page::{SYMPTOMS, address, troubleshooting};

/// The entry of one cause.
#[derive(Debug)]
pub struct Entry {
    /// The cause.
    pub cause: Cause,
    /// Its name for scripts.
    pub name: &'static str,
    /// The links that may raise it. The first is the one that it breaks most often.
    pub links: &'static [Link],
    /// The title.
    pub title: &'static str,
    /// What people see.
    pub symptom: &'static str,
    /// How to tell it from the other causes.
    pub check: &'static str,
    /// A kubectl command that shows it and changes nothing, with words in capitals for what is the reader's own.
    pub command: &'static str,
    /// How to fix it.
    pub fix: &'static str,
    /// Public issues that show it, as `owner/repository#number`.
    pub references: &'static [&'static str],
}

/// The highest number.
pub const LAST: u8 = CATALOGUE[CATALOGUE.len() - 1].cause.number();

const _: () = {
    let mut index = 1;
    while index < CATALOGUE.len() {
        let [before, after] = [CATALOGUE[index - 1].cause.number(), CATALOGUE[index].cause.number()];
        assert!(before < after, "the causes are not in the order of their numbers");
        index += 1;
    }
};

/// A cause as the JSON output has it.
#[derive(Deserialize, JsonSchema, Serialize)]
#[schemars(deny_unknown_fields, rename = "Cause")]
struct CauseRef {
    /// Its number in docs/TROUBLESHOOTING.md.
    #[schemars(range(min = 1, max = LAST))]
    number: u8,
    /// Its name.
    #[schemars(regex(pattern = r"^[a-z]+(-[a-z]+)*$"))]
    name: String,
    /// The address of its page.
    #[serde(default)]
    page: String,
}

impl From<Cause> for CauseRef {
    fn from(cause: Cause) -> Self {
        Self { number: cause.number(), name: cause.entry().name.to_owned(), page: address(cause) }
    }
}

impl TryFrom<CauseRef> for Cause {
    type Error = String;

    fn try_from(written: CauseRef) -> Result<Self, String> {
        let known = CATALOGUE.iter().find(|entry| entry.cause.number() == written.number);
        known.map(|entry| entry.cause).ok_or_else(|| format!("there is no cause {}", written.number))
    }
}

impl Cause {
    /// Its number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Its entry.
    pub fn entry(self) -> &'static Entry {
        CATALOGUE.iter().find(|entry| entry.cause == self).expect("each cause comes from the table")
    }

    /// The cause with this number or name.
    pub fn find(asked: &str) -> Option<Self> {
        let asked = asked.trim();
        let known = CATALOGUE.iter().find(|entry| entry.name == asked || entry.cause.number().to_string() == asked);
        known.map(|entry| entry.cause)
    }

    /// Causes whose names resemble this one, the most similar first.
    pub fn close(asked: &str) -> Vec<Self> {
        let asked = asked.trim().to_lowercase();
        let words = |name: &str| name.split('-').map(str::to_owned).collect::<Vec<_>>();
        let is_close = |entry: &&Entry| {
            let shares = |word: &String| words(entry.name).iter().any(|other| strsim::jaro_winkler(word, other) > 0.9);
            strsim::jaro_winkler(&asked, entry.name) > 0.9 || words(&asked).iter().any(shares)
        };
        let mut close: Vec<_> = CATALOGUE
            .iter()
            .filter(is_close)
            .map(|entry| (strsim::normalized_damerau_levenshtein(&asked, entry.name), entry.cause))
            .collect();
        close.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        close.into_iter().map(|(_, cause)| cause).take(3).collect()
    }
}
