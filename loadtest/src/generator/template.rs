//! Texts with places that are filled in for each request, so that caches are not what is measured.

use bytes::Bytes;

/// The place of the request's number: it counts from 0, and is unique among all generators of a load.
const COUNTER: &str = "{{counter}}";
/// The place of a random number of 64 bits.
const RANDOM: &str = "{{random}}";

/// The numbers of one request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    pub counter: u64,
    pub random: u64,
}

/// A text, or bytes, with such places.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    /// Shared by all copies: a body may have megabytes.
    Fixed(Bytes),
    Counter,
    Random,
}

impl Template {
    /// Finds the places in a text.
    pub fn new(text: &[u8]) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let next = |place: &str| memchr::memmem::find(rest, place.as_bytes());
            let found = [(next(COUNTER), Part::Counter, COUNTER), (next(RANDOM), Part::Random, RANDOM)];
            let found = found.into_iter().filter_map(|(at, part, place)| Some((at?, part, place)));
            let Some((at, part, place)) = found.min_by_key(|(at, ..)| *at) else {
                parts.push(Part::Fixed(Bytes::copy_from_slice(rest)));
                break;
            };
            if at > 0 {
                parts.push(Part::Fixed(Bytes::copy_from_slice(&rest[..at])));
            }
            parts.push(part);
            rest = &rest[at + place.len()..];
        }
        Self(parts)
    }

    /// The same with other fixed parts.
    pub(super) fn map(mut self, change: impl Fn(&[u8]) -> Vec<u8>) -> Self {
        for part in &mut self.0 {
            if let Part::Fixed(text) = part {
                *text = change(text).into();
            }
        }
        self
    }

    /// This text, followed by another.
    pub(super) fn push(&mut self, text: impl Into<Vec<u8>>) {
        self.0.push(Part::Fixed(text.into().into()));
    }

    /// This text, followed by another template.
    pub(super) fn append(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }

    /// The parts that are the same for each request.
    pub(super) fn fixed(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().filter_map(|part| if let Part::Fixed(text) = part { Some(text.as_ref()) } else { None })
    }

    /// The length of its fixed parts.
    pub(super) fn fixed_bytes(&self) -> usize {
        self.fixed().map(<[u8]>::len).sum()
    }

    /// Whether it is the same for each request.
    pub fn is_fixed(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Fixed(_)))
    }

    /// The text of one request; one that is always the same is not copied.
    pub(super) fn filled(&self, numbers: Numbers) -> Bytes {
        match self.0.as_slice() {
            [Part::Fixed(text)] => text.clone(),
            _ => self.fill(numbers).into(),
        }
    }

    /// The text of one request.
    pub(super) fn fill(&self, numbers: Numbers) -> Vec<u8> {
        let mut text = Vec::new();
        for part in &self.0 {
            match part {
                Part::Fixed(fixed) => text.extend_from_slice(fixed),
                Part::Counter => text.extend_from_slice(numbers.counter.to_string().as_bytes()),
                Part::Random => text.extend_from_slice(numbers.random.to_string().as_bytes()),
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_and_other_braces_stay() {
        for (text, filled) in [
            ("", ""),
            ("plain", "plain"),
            ("{{counter}}", "7"),
            ("/a?n={{counter}}&r={{random}}&n={{counter}}", "/a?n=7&r=18446744073709551615&n=7"),
            ("{\"a\": {\"b\": {{random}}}}", "{\"a\": {\"b\": 18446744073709551615}}"),
            ("{{other}} {counter} {{counter", "{{other}} {counter} {{counter"),
        ] {
            let template = Template::new(text.as_bytes());
            let numbers = Numbers { counter: 7, random: u64::MAX };
            assert_eq!(String::from_utf8(template.fill(numbers)).unwrap(), filled);
            assert_eq!(template.is_fixed(), text == filled, "{text}");
        }
    }
}
