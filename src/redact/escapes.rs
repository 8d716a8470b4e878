//! A text as its reader sees it: `\u0061`, `\x3d`, `%3D`, `&quot;` and full-width letters are what they stand for, and what is
//! invisible is not there.

/// HTML's named characters that may surround a name or a value.
const NAMED: [(&str, char); 9] = [
    ("&amp;", '&'),
    ("&apos;", '\''),
    ("&colon;", ':'),
    ("&commat;", '@'),
    ("&equals;", '='),
    ("&gt;", '>'),
    ("&lt;", '<'),
    ("&nbsp;", ' '),
    ("&quot;", '"'),
];

/// Letters of other scripts that look like Latin ones.
#[rustfmt::skip]
const ALIKE: [(char, char); 18] = [
    ('а', 'a'), ('е', 'e'), ('о', 'o'), ('р', 'p'), ('с', 'c'), ('х', 'x'), ('у', 'y'), ('к', 'k'), ('ѕ', 's'), ('і', 'i'),
    ('ԁ', 'd'), ('ԝ', 'w'), ('ο', 'o'), ('α', 'a'), ('ρ', 'p'), ('κ', 'k'), ('ν', 'v'), ('τ', 't'),
];

/// The longest escape.
const LONGEST: usize = 12;

/// The text without its escapes; nothing where there are none.
pub fn resolved(text: &str) -> Option<String> {
    let mut kept = String::new();
    let (mut from, mut at) = (0, 0);
    while let Some(found) = text[at..].find(may_escape).map(|found| at + found) {
        let first = text[found..].chars().next().map_or(1, char::len_utf8);
        at = found + first;
        if let Some((length, meant)) = escape(&text[found..]) {
            kept.push_str(&text[from..found]);
            kept.extend(meant);
            from = found + length;
            at = from;
        }
    }
    kept.push_str(&text[from..]);
    let is_mixed = !text.is_ascii();
    let kept = if is_mixed { latin(&kept) } else { kept };
    (kept != text).then_some(kept)
}

fn may_escape(one: char) -> bool {
    "\\%&\u{1b}".contains(one) || is_wide(one) || is_invisible(one)
}

/// The text with Latin letters in the place of Cyrillic and Greek ones that look like them, within Latin words.
fn latin(text: &str) -> String {
    let all: Vec<char> = text.chars().collect();
    let is_latin = |at: Option<usize>| at.and_then(|at| all.get(at)).is_some_and(char::is_ascii_alphabetic);
    let of = |(at, c): (usize, &char)| match ALIKE.iter().find(|(alike, _)| alike == c) {
        Some((_, latin)) if is_latin(at.checked_sub(1)) || is_latin(Some(at + 1)) => *latin,
        _ => *c,
    };
    all.iter().enumerate().map(of).collect()
}

fn is_wide(one: char) -> bool {
    ('\u{ff01}'..='\u{ff5e}').contains(&one)
}

fn is_invisible(one: char) -> bool {
    matches!(one, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The escape at the start of a text: its length, and the character it stands for, if it is a visible one.
fn escape(text: &str) -> Option<(usize, Option<char>)> {
    let one = text.chars().next()?;
    if is_invisible(one) {
        return Some((one.len_utf8(), None));
    }
    // What is escaped in a text within a text has several.
    let more = text[..text.floor_char_boundary(LONGEST)].find(|c| c != '\\').unwrap_or(1).saturating_sub(1);
    if more > 0 {
        return escape(&text[more..])
            .filter(|(_, meant)| meant.is_some_and(char::is_alphanumeric))
            .map(|(length, meant)| (length + more, meant));
    }
    if is_wide(one) {
        return Some((one.len_utf8(), char::from_u32(u32::from(one) - 0xfee0)));
    }
    let near = &text[..text.floor_char_boundary(LONGEST)];
    // Colours of a terminal.
    if let Some(sequence) = near.strip_prefix("\u{1b}[") {
        return sequence.find(|c: char| c.is_ascii_alphabetic()).map(|end| (end + 3, None));
    }
    if let Some((name, meant)) = NAMED.iter().find(|(name, _)| near.starts_with(name)) {
        return Some((name.len(), Some(*meant)));
    }
    if let Some(space) =
        [("\\n", '\n'), ("\\t", '\t'), ("\\r", '\n')].iter().find(|(escape, _)| near.starts_with(escape))
    {
        return Some((2, Some(space.1)));
    }
    let number = |start: &str, digits: usize, radix: u32| {
        let digits = near.strip_prefix(start)?.get(..digits)?;
        let is_number = digits.chars().all(|c| c.is_digit(radix));
        Some((start.len() + digits.len(), u32::from_str_radix(digits, radix).ok().filter(|_| is_number)?))
    };
    let closed = |start: &str, end: char, radix: u32| {
        let rest = near.strip_prefix(start)?;
        number(start, rest.find(end)?, radix).map(|(length, number)| (length + 1, number))
    };
    let (length, number) = number("\\u", 4, 16)
        .or_else(|| number("\\U", 8, 16))
        .or_else(|| closed("\\u{", '}', 16))
        .or_else(|| number("\\x", 2, 16))
        .or_else(|| number("%", 2, 16))
        .or_else(|| number("\\", 3, 8))
        .or_else(|| closed("&#x", ';', 16))
        .or_else(|| closed("&#X", ';', 16))
        .or_else(|| closed("&#", ';', 10))?;
    let meant =
        char::from_u32(number).filter(|c| c.is_ascii_graphic() || *c == ' ' || number > 0xa0 && c.is_alphanumeric())?;
    Some((length, Some(meant)))
}

#[cfg(test)]
mod tests {
    use super::resolved;

    #[test]
    fn each_escape_becomes_its_character() {
        for text in [
            r"p\u0061ss=x",
            r"p\u{61}ss=x",
            r"p\x61ss\x3dx",
            "p%61ss%3Dx",
            "p&#97;ss&equals;x",
            "p&#x61;ss&#61;x",
            "ｐａｓｓ=x",
            "pa\u{200b}ss=x",
            "\u{1b}[31mpass\u{1b}[0m=x",
            r"p\141ss=x",
            r"p\\u0061ss=x",
            "pаss=x",
        ] {
            assert_eq!(resolved(text).as_deref(), Some("pass=x"), "{text}");
        }
        for text in ["100%", r"\d+\.", "a & b", "&x;", r"\u00", "%0a", "é"] {
            assert_eq!(resolved(text), None, "{text}");
        }
    }
}
