//! Mutations of texts and of JSON: what a damaged disk does, and what somebody does on purpose.

use fastrand::Rng;
use serde_json::{Value, json};

/// Pieces that some reader somewhere means something by.
const PIECES: [&str; 48] = [
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\"",
    "'",
    "`",
    "\\",
    "\n",
    "\r",
    "\t",
    "\0",
    ":",
    ",",
    ";",
    "#",
    "$",
    "${1}",
    "<<",
    ">>",
    "<<.Series>>",
    "<<index .LabelValuesByName \"x\">>",
    "*",
    "+",
    "{1000}",
    "(?i)",
    "\\pL",
    "=~",
    "!~",
    "!=",
    "=",
    "-",
    "- ",
    "&a",
    "*a",
    "|",
    ">",
    "%",
    "é",
    "北",
    "\u{202e}",
    "\u{9b}",
    "\u{1b}[",
    "\u{feff}",
    "1e999",
    "[5m:1s]",
];

/// Numbers at which arithmetic ends.
const NUMBERS: [f64; 20] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.1,
    1e-9,
    1e-300,
    5e-324,
    1e9,
    -1e9,
    1e15,
    1e18,
    1e19,
    1e300,
    -1e300,
    253_402_300_799.0,
    253_402_300_800.0,
    4_294_967_295.0,
    86_400.0,
    10_000.0,
];

/// One case's source of chance.
pub struct Mutation(pub Rng);

impl Mutation {
    pub fn new(seed: u64) -> Self {
        Self(Rng::with_seed(seed))
    }

    /// One of several.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.0.usize(..of.len())]
    }

    /// A text with some of its characters changed, lost, doubled or put in.
    pub fn text(&mut self, text: &str) -> String {
        let mut letters: Vec<char> = text.chars().collect();
        for _ in 0..self.0.usize(1..6) {
            let at = self.0.usize(..=letters.len());
            let end = (at + self.0.usize(..20)).min(letters.len());
            match self.0.u8(..9) {
                0 => drop(letters.drain(at..end)),
                1 => {
                    let copy: Vec<char> = letters[at..end].to_vec();
                    letters.splice(at..at, copy);
                }
                2 => letters.truncate(at),
                3 => {
                    let number = self.number().to_string();
                    letters.splice(at..end.min(at + 3), number.chars());
                }
                4 => {
                    let piece = self.one(&PIECES).repeat(self.0.usize(1..200));
                    letters.splice(at..at, piece.chars());
                }
                5 if at < letters.len() => letters[at] = self.0.char(..),
                _ => {
                    let piece = *self.one(&PIECES);
                    letters.splice(at..at, piece.chars());
                }
            }
        }
        letters.into_iter().collect()
    }

    /// Bytes that need be no text.
    pub fn bytes(&mut self, text: &str) -> Vec<u8> {
        let mut bytes = self.text(text).into_bytes();
        for _ in 0..self.0.usize(..4) {
            if !bytes.is_empty() {
                let at = self.0.usize(..bytes.len());
                bytes[at] = self.0.u8(..);
            }
        }
        bytes
    }

    /// A document in which some values are others.
    pub fn json(&mut self, value: &mut Value) {
        for _ in 0..self.0.usize(1..4) {
            let place = self.place(value);
            if let Some(place) = value.pointer_mut(&place) {
                self.change(place);
            }
        }
    }

    /// The way to a value somewhere in a document.
    fn place(&mut self, value: &Value) -> String {
        let (mut place, mut value) = (String::new(), value);
        loop {
            let next = match value {
                Value::Array(items) if !items.is_empty() => {
                    let at = self.0.usize(..items.len());
                    (at.to_string(), &items[at])
                }
                Value::Object(fields) if !fields.is_empty() => {
                    let (name, value) = fields.iter().nth(self.0.usize(..fields.len())).expect("there are as many");
                    (name.replace('~', "~0").replace('/', "~1"), value)
                }
                _ => return place,
            };
            // Mostly down to a leaf.
            if !place.is_empty() && self.0.u8(..12) == 0 {
                return place;
            }
            place.push('/');
            place.push_str(&next.0);
            value = next.1;
        }
    }

    fn change(&mut self, value: &mut Value) {
        let changed = match (self.0.u8(..14), &*value) {
            (0, _) => Value::Null,
            (1, _) => json!([value.clone(), value.clone()]),
            (2, _) => json!({"x": value.clone()}),
            (3, _) => (0..self.0.usize(1..100)).fold(value.clone(), |deep, _| json!([deep])),
            (4, _) => json!(self.one(&PIECES).repeat(self.0.usize(..3_000))),
            (5, _) => json!(self.0.u64(..)),
            (6, _) => json!(self.0.bool()),
            (7, Value::Array(items)) => items.iter().cycle().take(items.len() * self.0.usize(..50)).cloned().collect(),
            (8, Value::Object(fields)) => {
                let mut fields = fields.clone();
                let name = fields.keys().nth(self.0.usize(..fields.len().max(1))).cloned().unwrap_or_default();
                let value = fields.remove(&name).unwrap_or_default();
                fields.insert(self.text(&name), value);
                Value::Object(fields)
            }
            (9, Value::Object(_) | Value::Array(_)) => json!({}),
            (_, Value::String(text)) => json!(self.text(text)),
            _ => json!(self.number()),
        };
        *value = changed;
    }

    pub fn number(&mut self) -> f64 {
        let number = *self.one(&NUMBERS);
        match self.0.u8(..4) {
            0 => number + self.0.f64(),
            1 => number * self.0.f64(),
            2 => self.0.i32(-100..100).into(),
            _ => number,
        }
    }
}
