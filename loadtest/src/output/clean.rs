//! Text without a character that a terminal obeys or that a reader cannot see.
//!
//! What is replaced: control characters (C0, DEL, C1), line and paragraph separators, and all characters that Unicode
//! calls format characters or default ignorable: bidirectional controls, zero-width characters, byte order marks, soft
//! hyphens, variation selectors, tags, Hangul fillers. All of these change how other characters look, or look like
//! nothing, so that two names which look alike would differ. No name that Kubernetes or Prometheus requires has one.
//!
//! By what: a control character by the two signs that kubectl and `cat -v` write for it (`^[` for ESC), any other by
//! its number (`<U+202E>`), as `less` does. Nothing is left out, so that what was replaced can be told. JSON keeps the
//! same strings for a parser: there the characters become `\u` escapes.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::ops::Deref;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde::Serialize;

static HIDDEN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]").expect("it is a pattern")
});

/// Whether a character is one that a terminal obeys or that a reader cannot see; line breaks and tabs are among them.
pub fn is_hidden(character: char) -> bool {
    !(' '..='~').contains(&character) && HIDDEN.is_match(character.encode_utf8(&mut [0; 4]))
}

/// A text as one line in which every character can be seen. A line break or a tab becomes a space.
pub fn visible(text: &str) -> Cow<'_, str> {
    replaced(text, |character| if matches!(character, '\n' | '\t') { Some(' ') } else { None })
}

/// The same for lines: line breaks and tabs stay.
fn lines(text: &str) -> Cow<'_, str> {
    replaced(text, |character| Some(character).filter(|character| matches!(character, '\n' | '\t')))
}

fn replaced(text: &str, plain: impl Fn(char) -> Option<char>) -> Cow<'_, str> {
    HIDDEN.replace_all(text, |found: &Captures| {
        let character = found[0].chars().next().unwrap_or_default();
        plain(character).map_or_else(|| mark(character), String::from)
    })
}

/// What stands for a character that cannot be seen.
fn mark(character: char) -> String {
    match u8::try_from(character) {
        // `^@` to `^_`, and `^?` for DEL.
        Ok(byte @ (..0x20 | 0x7f)) => format!("^{}", char::from(byte ^ 0x40)),
        _ => format!("<U+{:04X}>", u32::from(character)),
    }
}

/// Data as a line of JSON, without the line's end.
pub fn json(data: &impl Serialize) -> String {
    escaped(&serde_json::to_string(data).expect("plain data has a form in JSON"))
}

/// Data as JSON for people, with the last line's end.
pub fn json_pretty(data: &impl Serialize) -> String {
    escaped(&serde_json::to_string_pretty(data).expect("plain data has a form in JSON")) + "\n"
}

/// JSON in which every character can be seen. Only its strings can have one that cannot, and its own line breaks stay.
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

/// Text for a terminal: every character of others is replaced that a terminal obeys. What this tool itself has a
/// terminal do, colours and the live view, is added here and nowhere else.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Clean(String);

impl Clean {
    /// These lines. A line break within a name has to be gone by now: see [`visible`].
    pub fn of(text: &str) -> Self {
        Self(lines(text).into_owned())
    }

    /// Adds lines.
    pub fn push(&mut self, text: &str) {
        self.0.push_str(&lines(text));
    }

    /// Adds a mark in a colour, as the number that a terminal has for it.
    pub fn push_painted(&mut self, mark: char, colour: u8) {
        let mut buffer = [0; 4];
        let mark = visible(mark.encode_utf8(&mut buffer));
        // A String takes any write.
        let _ = write!(self.0, "\x1b[{colour}m{mark}\x1b[0m");
    }

    /// Lines that are drawn over those before them, of which there were so many.
    pub fn redrawn(frame: &str, lines_before: usize) -> Self {
        let up = if lines_before == 0 { String::new() } else { format!("\x1b[{lines_before}F") };
        // The rest of each line goes only once its new text is there: nothing flickers.
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

    /// One of each kind: C0, DEL, C1, separators, bidirectional, zero-width, fillers, selectors, tags.
    const HOSTILE: &str = "\0\x07\x08\r\x1b[2J\x7f\u{85}\u{9b}2J\u{ad}\u{61c}\u{115f}\u{180e}\u{200b}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\
                           \u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{3164}\u{fe0f}\u{feff}\u{fff9}\u{e0001}\u{e0041}\u{e0100}";

    #[test]
    fn hidden_characters_become_marks_and_others_stay() {
        assert_eq!(visible("\x1b]0;x\x07\x7f\u{9b}\u{202e}\u{e0041}"), "^[]0;x^G^?<U+009B><U+202E><U+E0041>");
        assert_eq!(visible("a\r\n\tb"), "a^M  b");
        for kept in ["shop/hpa", "→ é ß 北京 ½ µs ✓ █ …", "Pod’s “x”", " \u{a0}"] {
            assert_eq!(visible(kept), kept);
        }
        assert!(!visible(HOSTILE).chars().any(is_hidden), "{:?}", visible(HOSTILE));
        assert_eq!(visible(&visible(HOSTILE)), visible(HOSTILE), "marks are text themselves");
    }

    #[test]
    fn json_has_escapes_and_the_same_strings() {
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
