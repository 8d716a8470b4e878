//! The value after a name: where it starts and ends.

use super::joint::{Sign, joint, quote, spaces};
use super::prose;

/// What follows a name.
pub struct Value<'a> {
    /// Where it starts in the text.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// The value itself, without its quotes.
    pub text: &'a str,
    /// What joins the two.
    pub sign: Sign,
    /// Whether the name was in quotes, as in JSON.
    pub named: bool,
    /// Whether the value is in quotes.
    pub quoted: bool,
    /// How many spaces are between the sign and the value.
    pub spaces: usize,
    /// Whether it is the last of its line.
    pub is_last: bool,
}

/// Brackets, of which the second closes what the first opens.
const BRACKETS: [(char, char); 4] = [('[', ']'), ('{', '}'), ('<', '>'), ('(', ')')];

/// The longest structure that is one value.
const LONGEST: usize = 2 << 10;

/// How much of a structure is searched for fields, which limits the time.
const SEARCHED: usize = 512;

/// How far behind a name is read to tell whether a value follows, which limits the time.
const READ: usize = LONGEST + SEARCHED;

/// The longest text of an element that has several lines.
const ELEMENT: usize = 64 << 10;

/// What a value ends at.
pub enum Until {
    /// The first character that does not belong to it.
    Sign,
    /// The next field, or the end of the line: "Password: correct horse".
    Field,
    /// The end of the line.
    Line,
    /// This quote, which is open before the name.
    Quote(char),
}

impl<'a> Value<'a> {
    /// The value after the name from `name` to `end`, as far as it is read.
    pub fn after(text: &'a str, name: usize, end: usize, is_flag: bool, until: &Until) -> Option<Self> {
        Self::within(&text[..text.floor_char_boundary(end + READ)], name, end, is_flag, until)
    }

    /// Where the value ends, however long it is. Only a value that is replaced is read in whole: no other name is looked for
    /// in it, so it is read once.
    pub fn whole_end(&self, text: &'a str, name: usize, end: usize, is_flag: bool, until: &Until) -> usize {
        let read = &text[..text.floor_char_boundary(end + READ)];
        let is_cut = read.len() < text.len() && read[self.end..].trim().is_empty();
        let whole = if is_cut { Self::within(text, name, end, is_flag, until) } else { None };
        whole.map_or(self.end, |whole| whole.end)
    }

    /// Where the last of several values ends, of which this one ends at `end`: `"a", "b"`.
    pub fn last_end(&self, text: &str, mut end: usize) -> usize {
        let mut is_quoted = self.quoted;
        while let Some(next) = self.next_end(text, end, is_quoted) {
            (end, is_quoted) = (next, true);
        }
        end
    }

    /// Where the quoted value after another one ends, unless it is the name of a next field.
    fn next_end(&self, text: &str, end: usize, is_quoted: bool) -> Option<usize> {
        let closed = if is_quoted { quote(&text[end..])?.len() } else { 0 };
        let near = &text[end + closed..text.floor_char_boundary(end + closed + READ)];
        let gap = near.find(['"', '\'', '`', '\\', '\n'])?;
        let opening = quote(&near[gap..])?;
        let is_joined = match near[..gap].trim_matches([' ', '\t']) {
            "" => is_quoted && gap > 0,
            "or" | "+" | "||" | "??" => is_quoted || self.sign == Sign::Equals,
            "," | ";" | "|" | "/" | "and" => is_quoted && self.sign != Sign::Flag,
            _ => false,
        };
        let start = gap + opening.len();
        let length = near[start..].find(opening)?;
        let (value, after) = (&near[start..start + length], near[start + length + opening.len()..].trim_start());
        let is_value = !value.is_empty() && !value.starts_with('-') && !value.contains('\n');
        (is_joined && is_value && !after.starts_with([':', '='])).then_some(end + closed + start + length)
    }

    fn within(text: &'a str, name: usize, end: usize, is_flag: bool, until: &Until) -> Option<Self> {
        let joint = joint(text, name, end, is_flag);
        let (sign, mut at) = (joint.sign, joint.at);
        let mut spaced = if sign == Sign::Flag { of_list(text, at) } else { 0 };
        if spaced == 0 {
            spaced = spaces(text, at);
        }
        at += spaced;
        match sign {
            Sign::Flag | Sign::Space if spaced == 0 => return None,
            Sign::Flag if text[at..].starts_with('-') => return None,
            Sign::Opens => at += text[at..].strip_prefix("<![CDATA[").map_or(0, |_| "<![CDATA[".len()),
            _ => {}
        }
        if matches!(sign, Sign::Colon) {
            at += of_tags(&text[at..]);
        }
        let block = if sign == Sign::Colon { block(text, end, at) } else { None };
        let (start, length, opened) = block.map_or_else(
            || {
                let quote = quote(&text[at..]).unwrap_or_default();
                let start = at + quote.len();
                (start, length(&text[start..], quote, sign, until), quote.len())
            },
            |(start, length)| (start, length, 0),
        );
        let rest = text[start + length..].trim_start_matches(['.', ',', ';', ')', '"', '\'', ' ', '\t', '\r']);
        (length > 0).then(|| Self {
            start,
            end: start + length,
            text: &text[start..start + length],
            sign,
            named: joint.named,
            quoted: opened > 0,
            spaces: spaced,
            is_last: rest.is_empty() || rest.starts_with(['\n', '-', '|', '&', '#', '}']),
        })
    }

    /// Whether there are spaces between the sign and the value.
    pub fn is_apart(&self) -> bool {
        self.spaces > 0
    }

    /// Whether there is no secret: a word that says so, or a structure that holds nothing, or names resources.
    pub fn is_harmless(&self) -> bool {
        const WORDS: [&str; 12] =
            ["true", "false", "null", "nil", "none", "undefined", "yes", "no", "on", "off", "<nil>", "<none>"];
        let lower = self.text.trim_end_matches([',', ':', '.']).to_ascii_lowercase();
        WORDS.contains(&lower.as_str()) || self.is_structure() && !holds_values(self.text)
    }

    /// Whether it has fields of its own, or items.
    pub fn is_structure(&self) -> bool {
        !self.quoted && (self.text.starts_with(['{', '[']) || self.text.contains(": "))
    }

    /// Whether a field of it is named as a value.
    pub fn has_value(&self) -> bool {
        names(self.text).any(super::fields::is_value)
    }

    /// Whether it is a word of a sentence, or another name in capitals.
    pub fn is_word(&self) -> bool {
        let word = self.text.trim_end_matches([':', '.', ',']);
        let is_name = |word: &str| word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        !self.quoted && (word.chars().all(char::is_alphabetic) || is_name(word))
    }

    /// Whether it is a version, such as an image's tag, or a port.
    pub fn is_version(&self) -> bool {
        let number = self.text.strip_prefix('v').unwrap_or(self.text);
        number.chars().all(|c| c.is_ascii_digit() || c == '.')
    }

    /// Whether it is a status of HTTP: "token: 401 Unauthorized".
    pub fn is_status(&self) -> bool {
        let is_number = self.text.len() == 3 && self.text.starts_with(['1', '2', '3', '4', '5']);
        is_number && self.is_apart() && !self.quoted && self.text.chars().all(|c| c.is_ascii_digit())
    }

    /// Whether it mixes letters and digits, as words do not.
    pub fn looks_random(&self) -> bool {
        let has = |fits: fn(&char) -> bool| self.text.chars().any(|c| fits(&c));
        let mixed = has(char::is_ascii_digit) && has(char::is_ascii_alphabetic);
        self.text.len() >= 6 && mixed && !self.text.contains(['/', ':', '.'])
    }

    /// Whether it begins with a word that a sentence goes on with.
    pub fn is_said(&self) -> bool {
        let (first, rest) = self.text.split_once(char::is_whitespace).unwrap_or((self.text, ""));
        let is_scheme = !rest.is_empty() && super::SCHEMES.iter().any(|scheme| first.eq_ignore_ascii_case(scheme));
        !self.quoted && !is_scheme && !rest.starts_with(['=', ':', '"', '\'']) && prose::is_said(first)
    }
}

/// The words before a colon or an equals sign, as far as the text is searched.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let text = &text[..text.floor_char_boundary(SEARCHED)];
    let before = text.match_indices([':', '=']).map(|(at, _)| text[..at].trim_end_matches(['"', '\'', '\\', ' ']));
    before.map(|before| before.rsplit(|c| !super::is_of_name(c)).next().unwrap_or_default())
}

/// Whether a structure has a letter or a digit in anything but a resource that it names.
fn holds_values(text: &str) -> bool {
    let mut names = names(text).peekable();
    let is_of_resources =
        text.len() <= SEARCHED && names.peek().is_some() && names.all(|name| matches!(name, "resource" | "group"));
    let is_empty = text.len() <= 2 || text.ends_with("{}}") || text.ends_with("[]}");
    !is_of_resources && !is_empty
}

/// The gap before the next argument where arguments are a list, or end their line in a backslash.
fn of_list(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    let whole = |rest: &str| text.len() - at - rest.trim_start().len();
    if let Some(rest) = rest.strip_prefix(',').or_else(|| rest.trim_start_matches(' ').strip_prefix("\\\n")) {
        return whole(rest);
    }
    // `- --password`, and a line of its own for the value.
    let next = rest.trim_start_matches([' ', '\r']).strip_prefix('\n').map(str::trim_start);
    let item = next.and_then(|next| next.strip_prefix("- "));
    item.or(next.filter(|next| quote(next).is_some())).map_or(0, whole)
}

/// The tags and anchors before a YAML value: `!!str`, `&x`.
fn of_tags(text: &str) -> usize {
    let mut at = 0;
    while text[at..].starts_with(['!', '&']) {
        let Some(space) = text[at..].find(char::is_whitespace).filter(|space| text[at + space..].starts_with(' '))
        else {
            break;
        };
        let next = at + space + spaces(text, at + space);
        // `password: &str = x` and `password: &str) -> …` have types.
        if text[next..].starts_with('=') || text[at..at + space].ends_with([')', ',', '>']) {
            break;
        }
        at = next;
    }
    at
}

/// The YAML block that is the value of a name: the following lines, which are indented deeper.
fn block(text: &str, name: usize, at: usize) -> Option<(usize, usize)> {
    let soon = &text[at..text.floor_char_boundary(at + super::NEAR)];
    let line = &soon[..soon.find('\n')?];
    // An indicator of a block, such as `|-` or `>2`, or a remark.
    let written = line.split('#').next().unwrap_or_default().trim_end();
    let indicator = written.strip_prefix(['|', '>']);
    if !written.is_empty()
        && !indicator.is_some_and(|rest| rest.chars().all(|c| "+-".contains(c) || c.is_ascii_digit()))
    {
        return None;
    }
    let start = at + line.len() + 1;
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t', '-']).len();
    let own = indent(super::near(text, name).rsplit('\n').next().unwrap_or_default());
    let deeper = text[start..].split_inclusive('\n').take_while(|line| line.trim().is_empty() || indent(line) > own);
    let length = deeper.map(str::len).sum::<usize>();
    let lines = text[start..start + length].trim_end();
    let first = lines.len() - lines.trim_start().len();
    (first < lines.len()).then_some((start + first, lines.len() - first))
}

/// The length of the value at the start of a text.
fn length(text: &str, quote: &str, sign: Sign, until: &Until) -> usize {
    let line = || text.find(['\n', '\r']).unwrap_or(text.len());
    if !quote.is_empty() {
        return quoted(text, quote);
    }
    match until {
        Until::Line => return line(),
        Until::Quote(quote) => return text.find(['\n', '\r', *quote]).unwrap_or(text.len()),
        Until::Sign | Until::Field => {}
    }
    if sign == Sign::Opens {
        let near = &text[..text.floor_char_boundary(ELEMENT)];
        return near.find("]]>").or_else(|| near.find('<')).unwrap_or_else(line);
    }
    if BRACKETS.iter().any(|(opening, _)| text.starts_with(*opening)) {
        // What is not closed is examined field by field, beyond a limit on the time.
        let near = &text[..text.floor_char_boundary(LONGEST)];
        let Some(end) = closed(near) else { return near.find(['\n', '\r']).unwrap_or(near.len()) };
        // `{CLEARTEXT}hunter2`
        return if text[end..].starts_with(char::is_alphanumeric) { end + word(&text[end..]) } else { end };
    }
    let first = word(text);
    let next = first + spaces(text, first);
    if next == first {
        return first;
    }
    let is_scheme = super::SCHEMES.iter().any(|scheme| text[..first].eq_ignore_ascii_case(scheme));
    // `password: String = "…"`
    if matches!(sign, Sign::Colon | Sign::Space)
        && let Some(rest) = text[next..].strip_prefix("= ").or_else(|| text[next..].strip_prefix(":= "))
    {
        let start = text.len() - rest.trim_start_matches(' ').len();
        return start + joined(&text[start..]);
    }
    // `ConvertTo-SecureString "…"`
    let opening = super::joint::quote(&text[next..]).filter(|_| sign == Sign::Equals && text[..first].contains('-'));
    match (until, is_scheme, opening) {
        (_, true, _) => next + word(&text[next..]),
        (_, _, Some(opening)) => next + opening.len() + quoted(&text[next + opening.len()..], opening),
        (Until::Field, ..) if sign == Sign::Colon => fields_apart(text, first),
        _ => first,
    }
}

/// Where the next field begins on the first line, if there is one, otherwise its end.
fn fields_apart(text: &str, first: usize) -> usize {
    let mut at = first;
    if text[..at].ends_with([',', ';', '.', ')']) {
        return at;
    }
    loop {
        let next = at + spaces(text, at);
        let word = text[next..].find(char::is_whitespace).map_or(&text[next..], |end| &text[next..next + end]);
        let is_field = word.contains([':', '=']) || word.starts_with(['-', '#', '(', '|', '"', '\'', ',']);
        if word.is_empty() || is_field || prose::is_said(word) {
            return at;
        }
        at = next + word.len();
        if word.ends_with([',', ';', '.', ')']) {
            return at - 1;
        }
    }
}

/// The length up to the quote that closes a value, and of what is joined to it: `'it''s'`, `"a"'b'`.
fn quoted(text: &str, quote: &str) -> usize {
    let (length, goes_on) = quoted_part(text, quote);
    if goes_on { length + joined(&text[length..]) } else { length }
}

/// The length up to the quote that closes a part, or with it where something is joined to it.
fn quoted_part(text: &str, quote: &str) -> (usize, bool) {
    let mut from = 0;
    // A quote with one more escape belongs to the value.
    while let Some(found) = text[from..].find(quote).map(|found| from + found) {
        from = found + quote.len();
        if text[..found].ends_with('\\') {
            continue;
        }
        // A quote that opens something else, as in `"a":"b"`, is not joined.
        let near = &text[from..text.floor_char_boundary(from + 8)];
        if quote.len() > 1 || !near.trim_start_matches(['"', '\'']).starts_with(char::is_alphanumeric) {
            return (found, false);
        }
        if !text[from..].starts_with(quote) {
            return (from, true);
        }
        from += quote.len();
    }
    (text.len(), false)
}

/// The length of what is joined to a quoted part: other ones, and words.
fn joined(text: &str) -> usize {
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let (length, goes_on) = match quote(rest) {
            Some(opening) => {
                let (length, goes_on) = quoted_part(&rest[opening.len()..], opening);
                (opening.len() + length, goes_on)
            }
            None => word_part(rest),
        };
        at += length;
        if !goes_on {
            return at;
        }
    }
}

/// The length of the structure at the start of a text, with all that it holds.
fn closed(text: &str) -> Option<usize> {
    let text = &text[..text.floor_char_boundary(LONGEST)];
    let (mut open, mut inside) = (Vec::new(), None);
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        if is_escaped {
            is_escaped = false;
            continue;
        }
        match (c, inside) {
            ('\\', _) => is_escaped = true,
            (_, Some(quote)) if c == quote => inside = None,
            (_, Some(_)) => {}
            ('"', None) => inside = Some(c),
            _ => {
                if let Some((_, closing)) = BRACKETS.iter().find(|(opening, _)| *opening == c) {
                    open.push(*closing);
                } else if open.last() == Some(&c) {
                    open.pop();
                    if open.is_empty() {
                        return Some(at + c.len_utf8());
                    }
                }
            }
        }
    }
    None
}

/// The length of the word at the start of a text, without the brackets that close what surrounds it.
fn word(text: &str) -> usize {
    let (length, goes_on) = word_part(text);
    if goes_on { length + joined(&text[length..]) } else { length }
}

/// The length of a word, and whether a quoted part is joined to it.
fn word_part(text: &str) -> (usize, bool) {
    let mut end = 0;
    loop {
        let ends = |c: char| c.is_whitespace() || "\"'`;&<".contains(c);
        end += text[end..].find(ends).unwrap_or(text.len() - end);
        // `hunter\ two`
        if !(text[..end].ends_with('\\') && text[end..].starts_with(' ')) {
            break;
        }
        end += 1;
    }
    let word = &text[..end];
    // `N'…'` of SQL, `b"…"`, `@"…"`.
    let is_prefix = matches!(word, "N" | "n" | "b" | "B" | "r" | "u" | "U" | "E" | "e" | "f" | "x" | "X" | "@" | "$");
    if (is_prefix || word.ends_with('=')) && quote(&text[end..]).is_some() {
        return (end, true);
    }
    // `$(echo …)`, `encrypt("…")`.
    if let Some(open) = word.find('(').filter(|open| !word[*open..].contains(')') && *open > 0) {
        let line = text[open..].find('\n').unwrap_or(text.len() - open);
        return (open + closed(&text[open..open + line]).unwrap_or(line), false);
    }
    (unclosed(word, fields(word)), false)
}

/// Where a comma ends a word: before another field. Other commas may belong to the value.
fn fields(word: &str) -> usize {
    let is_field = |at: &usize| {
        let rest = word[at + 1..].trim_start_matches(['"', '\'']);
        let name = rest.find(|c: char| !super::is_of_name(c));
        rest.is_empty() || name.is_some_and(|end| rest[end..].starts_with(['=', ':']))
    };
    word.match_indices(',').map(|(at, _)| at).find(is_field).unwrap_or(word.len())
}

/// The length without trailing brackets that were opened before the word.
fn unclosed(word: &str, length: usize) -> usize {
    let word = &word[..length];
    let pairs = [(')', '('), ('}', '{'), (']', '[')].map(|(closing, opening)| (closing, word.contains(opening)));
    word.trim_end_matches(|c| pairs.contains(&(c, false))).len()
}
