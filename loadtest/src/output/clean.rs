//! Text for terminals, and JSON, in which every character is visible ([`crate::visible`] says what is replaced).

use std::fmt::{self, Write as _};
use std::ops::Deref;

use regex::Captures;
use serde::Serialize;

use crate::visible::{HIDDEN, lines, visible};

/// Data as a line of JSON, without the line's end.
pub fn json(data: &impl Serialize) -> String {
    escaped(&serde_json::to_string(data).expect("plain data has a form in JSON"))
}

/// Data as JSON for people, with the last line's end.
pub fn json_pretty(data: &impl Serialize) -> String {
    escaped(&serde_json::to_string_pretty(data).expect("plain data has a form in JSON")) + "\n"
}

/// Data as YAML.
pub fn yaml(data: &impl Serialize) -> String {
    serde_saphyr::to_string(data).expect("plain data has a form in YAML")
}

/// JSON in which every character is visible. Only its strings can have hidden ones, and its own line breaks stay.
fn escaped(json: &str) -> String {
    let escape = |found: &Captures| {
        let character = found[0].chars().next().unwrap_or_default();
        if character == '\n' {
            return found[0].to_owned();
        }
        let units = character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>();
        units.concat()
    };
    HIDDEN.replace_all(json, escape).into_owned()
}

/// Text for a terminal, in which characters that a terminal interprets are replaced. The tool's own escapes, for
/// colours and the live view, are added here and nowhere else.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Clean(String);

impl Clean {
    /// These lines. Line breaks in names must be replaced before: see [`visible`].
    pub fn of(text: &str) -> Self {
        Self(lines(text).into_owned())
    }

    /// Adds lines.
    pub fn push(&mut self, text: &str) {
        self.0.push_str(&lines(text));
    }

    /// Adds a mark in a colour, given by its number in a terminal.
    pub fn push_painted(&mut self, mark: char, colour: u8) {
        let mut buffer = [0; 4];
        let mark = visible(mark.encode_utf8(&mut buffer));
        // Writing to a String never fails.
        let _ = write!(self.0, "\x1b[{colour}m{mark}\x1b[0m");
    }

    /// Lines that are drawn over this many lines before them.
    pub fn redrawn(frame: &str, lines_before: usize) -> Self {
        let up = if lines_before == 0 { String::new() } else { format!("\x1b[{lines_before}F") };
        // The rest of each line is erased after its new text: nothing flickers.
        Self(format!("{up}{}\x1b[J", lines(frame).replace('\n', "\x1b[K\n")))
    }
}

impl Deref for Clean {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Clean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visible::is_hidden;
    use crate::visible::tests::HOSTILE;

    #[test]
    fn escaped_json_has_the_same_strings() {
        let data = serde_json::json!({"a": HOSTILE, HOSTILE: ["é 北"]});
        for text in [json(&data), json_pretty(&data)] {
            assert!(!text.chars().any(|one| one != '\n' && is_hidden(one)) && text.contains("é 北"), "{text:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), data);
        }
        assert_eq!(json(&"\u{9b}\u{e0001}\n"), r#""\u009b\udb40\udc01\n""#);
    }

    #[test]
    fn only_the_tools_own_escapes_reach_a_terminal() {
        let mut text = Clean::of("one\x1b[31m\n\ttwo\u{202e}\n");
        text.push("three\u{9b}\n");
        text.push_painted('✗', 31);
        assert_eq!(&*text, "one^[[31m\n\ttwo<U+202E>\nthree<U+009B>\n\x1b[31m✗\x1b[0m");
        assert_eq!(&*Clean::redrawn("\x1b[5F\n", 2), "\x1b[2F^[[5F\x1b[K\n\x1b[J");
    }
}
