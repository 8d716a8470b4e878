//! What a JSON document will cost once it is parsed, counted while it arrives: a document of 4 MiB may be a million empty
//! objects, each of which becomes a hundred times as large in memory.

use super::Failure;

/// The most objects of one answer: twice what a page of 500 ordinary pods has.
const OBJECTS: usize = 100_000;

/// The most values of any kind.
const VALUES: usize = 400_000;

/// The most items of a list: elements of an array right below the document's root. An item becomes a Kubernetes type of
/// some kilobytes, however little of it is there. The metrics API has one for each pod, and no pages.
const ITEMS: usize = 10_000;

/// The state of a document that is read piece by piece.
#[derive(Debug, Default)]
pub struct Weight {
    depth: usize,
    objects: usize,
    values: usize,
    items: usize,
    /// Whether the array right below the root is open.
    in_list: bool,
    in_string: bool,
    escaped: bool,
    /// None until the first byte that is no space.
    is_json: Option<bool>,
}

impl Weight {
    /// Counts the next piece; a document that is none of JSON weighs nothing.
    pub fn add(&mut self, piece: &[u8]) -> Result<(), Failure> {
        for &byte in piece {
            match (self.is_json, byte) {
                (None, b' ' | b'\t' | b'\r' | b'\n') => continue,
                (None, _) => self.is_json = Some(byte == b'{' || byte == b'['),
                _ => {}
            }
            if self.is_json == Some(false) {
                return Ok(());
            }
            self.byte(byte);
        }
        let bounds = [
            (self.objects, OBJECTS, "objects"),
            (self.values, VALUES, "values"),
            (self.items, ITEMS, "items in its list"),
        ];
        match bounds.into_iter().find(|(count, most, _)| count > most) {
            Some((_, most, what)) => Err(Failure::Excess(format!("has more than {most} {what}"))),
            None => Ok(()),
        }
    }

    fn byte(&mut self, byte: u8) {
        if self.in_string {
            let was_escaped = std::mem::take(&mut self.escaped);
            match byte {
                b'\\' => self.escaped = !was_escaped,
                b'"' => self.in_string = was_escaped,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => {
                self.depth += 1;
                self.values += 1;
                self.objects += usize::from(byte == b'{');
                self.in_list = self.in_list || (self.depth == 2 && byte == b'[');
                self.items += usize::from(self.in_list && self.depth == 2);
            }
            b'}' | b']' => {
                self.in_list = self.in_list && self.depth != 2;
                self.depth = self.depth.saturating_sub(1);
            }
            b',' => {
                self.values += 1;
                self.items += usize::from(self.in_list && self.depth == 2);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weighed(text: &str) -> Result<(), String> {
        // Piece by piece, as it comes from a socket.
        let mut weight = Weight::default();
        text.as_bytes().chunks(7).try_for_each(|piece| weight.add(piece)).map_err(|failure| failure.to_string())
    }

    #[test]
    fn what_becomes_large_in_memory_is_refused_while_it_arrives() {
        let many = |one: &str, count: usize| format!("[{}1]", one.repeat(count));
        for (text, what) in [
            (many("{\"a\":{}},", 60_000), "objects"),
            (many("1,", 500_000), "values"),
            (many("[],", 500_000), "items in its list"),
            (format!("{{\"a\": {{\"b\": {}}}}}", many("[],", 500_000)), "values"),
            (format!("{{\"items\": {}}}", many("{},", 20_000)), "items in its list"),
        ] {
            assert!(weighed(&text).is_err_and(|why| why.contains(what)), "{what}");
        }
    }

    #[test]
    fn what_only_looks_like_it_is_not_refused() {
        let string = format!("{{\"a\": \"{}\\\"{}\"}}", "{,[".repeat(300_000), "\\\\{".repeat(200_000));
        assert_eq!(weighed(&string), Ok(()));
        let page = "hits_total{path=\"/\",code=\"200\"} 1\n".repeat(200_000);
        assert_eq!(weighed(&page), Ok(()), "an exposition is no JSON");
        let two = "{\"errors\": [1, 2], \"items\": [3]}";
        let mut weight = Weight::default();
        weight.add(two.as_bytes()).unwrap();
        assert_eq!((weight.items, weight.depth, weight.in_list), (3, 0, false));
    }
}
