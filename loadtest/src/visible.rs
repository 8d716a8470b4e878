//! Text without characters that a terminal interprets or that a reader cannot see.
//!
//! What is replaced: control characters (C0, DEL, C1), line and paragraph separators, and all characters that Unicode
//! calls format characters or default ignorable: bidirectional controls, zero-width characters, byte order marks, soft
//! hyphens, variation selectors, tags, Hangul fillers. All of these change how other characters look, or look like
//! nothing, so that two names which look alike would differ. No name that Kubernetes or Prometheus requires has one.
//!
//! Control characters are replaced by the two signs that kubectl and `cat -v` write for it (`^[` for ESC), any other
//! character by its number (`<U+202E>`), as in `less`. Nothing is removed, so that a reader can tell what was replaced.
//! JSON keeps the same strings for a parser: there, the characters become `\u` escapes.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

pub(crate) static HIDDEN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]").expect("it is a pattern")
});

/// Whether a terminal interprets a character, or a reader cannot see it; this includes line breaks and tabs.
pub fn is_hidden(character: char) -> bool {
    !(' '..='~').contains(&character) && HIDDEN.is_match(character.encode_utf8(&mut [0; 4]))
}

/// A text as one line in which every character is visible. A line break or a tab becomes a space.
pub fn visible(text: &str) -> Cow<'_, str> {
    replaced(text, |character| if matches!(character, '\n' | '\t') { " ".to_owned() } else { mark(character) })
}

/// The same for lines: line breaks and tabs stay.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    replaced(text, |character| if matches!(character, '\n' | '\t') { character.into() } else { mark(character) })
}

/// The same for HTML, in which a mark must not begin an element.
pub(crate) fn visible_html(html: &str) -> Cow<'_, str> {
    replaced(html, |character| match character {
        '\n' | '\t' => " ".to_owned(),
        _ => mark(character).replace('<', "&lt;").replace('>', "&gt;"),
    })
}

fn replaced(text: &str, replacement: impl Fn(char) -> String) -> Cow<'_, str> {
    HIDDEN.replace_all(text, |found: &Captures| replacement(found[0].chars().next().unwrap_or_default()))
}

/// The visible form of a hidden character.
fn mark(character: char) -> String {
    match u8::try_from(character) {
        // `^@` to `^_`, and `^?` for DEL.
        Ok(byte @ (..0x20 | 0x7f)) => format!("^{}", char::from(byte ^ 0x40)),
        _ => format!("<U+{:04X}>", u32::from(character)),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One of each kind: C0, DEL, C1, separators, bidirectional, zero-width, fillers, selectors, tags.
    pub(crate) const HOSTILE: &str = "\0\x07\x08\r\x1b[2J\x7f\u{85}\u{9b}2J\u{ad}\u{61c}\u{115f}\u{180e}\u{200b}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\
                           \u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{3164}\u{fe0f}\u{feff}\u{fff9}\u{e0001}\u{e0041}\u{e0100}";

    #[test]
    fn hidden_characters_become_marks_and_others_stay() {
        assert_eq!(visible("\x1b]0;x\x07\x7f\u{9b}\u{202e}\u{e0041}"), "^[]0;x^G^?<U+009B><U+202E><U+E0041>");
        assert_eq!(visible("a\r\n\tb"), "a^M  b");
        assert_eq!(visible_html("<b>\r\n\u{202e}</b>"), "<b>^M &lt;U+202E&gt;</b>");
        for kept in ["shop/hpa", "→ é ß 北京 ½ µs ✓ █ …", "Pod’s “x”", " \u{a0}"] {
            assert_eq!(visible(kept), kept);
        }
        assert!(!visible(HOSTILE).chars().any(is_hidden), "{:?}", visible(HOSTILE));
        assert_eq!(visible(&visible(HOSTILE)), visible(HOSTILE), "marks are text themselves");
    }
}
