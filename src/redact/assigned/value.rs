//! The value after a name: the sign that joins the two, and where the value starts and ends.

/// What joins a name and its value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sign {
    /// `=`, `=>`, `:=`, or a label's operator.
    Equals,
    /// `:`.
    Colon,
    /// The `>` of an XML tag, or the `(` of a constructor.
    Opens,
    /// The space after a flag.
    Flag,
    /// "is" or "was".
    Is,
    /// A space.
    Space,
}

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
    /// Whether there are spaces between the sign and the value.
    pub spaced: bool,
}

/// The longest first.
const SIGNS: [(&str, Sign); 10] = [
    (":=", Sign::Equals),
    ("=>", Sign::Equals),
    ("==", Sign::Equals),
    ("=~", Sign::Equals),
    ("=", Sign::Equals),
    (":", Sign::Colon),
    ("：", Sign::Colon),
    ("is:", Sign::Colon),
    ("is ", Sign::Is),
    ("was ", Sign::Is),
];

/// Indicators of a YAML block.
const BLOCKS: [&str; 6] = ["|", ">", "|-", ">-", "|+", ">+"];

/// What a value ends at.
pub enum Until {
    /// The first character that does not belong to it.
    Sign,
    /// The end of the line.
    Line,
    /// This quote, which is open before the name.
    Quote(char),
}

impl<'a> Value<'a> {
    /// The value after the name that ends at `end`.
    pub fn after(text: &'a str, end: usize, is_flag: bool, until: &Until) -> Option<Self> {
        let closed = quote(&text[end..]).map_or(0, str::len);
        let (sign, mut at) = sign(text, end, closed).unwrap_or_else(|| {
            let opens =
                text[end..].starts_with('>') || text[end..].strip_prefix('(').is_some_and(|rest| quote(rest).is_some());
            match (opens, is_flag) {
                (true, _) => (Sign::Opens, end + 1),
                (false, true) => (Sign::Flag, end + closed),
                (false, false) => (Sign::Space, end + closed),
            }
        });
        let mut spaced = spaces(text, at);
        // In a list: `"--password", "hidden"`.
        if sign == Sign::Flag && text[at..].starts_with(',') {
            spaced = 1 + spaces(text, at + 1);
        }
        at += spaced;
        match sign {
            Sign::Flag | Sign::Space if spaced == 0 => return None,
            Sign::Flag if text[at..].starts_with('-') => return None,
            _ => {}
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
        (length > 0).then(|| Self {
            start,
            end: start + length,
            text: &text[start..start + length],
            sign,
            named: closed > 0,
            quoted: opened > 0,
            spaced: spaced > 0,
        })
    }

    /// Whether there is no secret: a word that says so, or a structure with fields of its own.
    pub fn is_harmless(&self) -> bool {
        const WORDS: [&str; 12] =
            ["true", "false", "null", "nil", "none", "undefined", "yes", "no", "on", "off", "<nil>", "<none>"];
        let lower = self.text.trim_end_matches([',', ':', '.']).to_ascii_lowercase();
        let has_fields = || self.text.contains([':', '=']) || self.text.len() <= 2;
        WORDS.contains(&lower.as_str()) || !self.quoted && self.text.starts_with(['{', '[']) && has_fields()
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

    /// Whether it mixes letters and digits, as words do not.
    pub fn looks_random(&self) -> bool {
        let has = |fits: fn(&char) -> bool| self.text.chars().any(|c| fits(&c));
        let mixed = has(char::is_ascii_digit) && has(char::is_ascii_alphabetic);
        self.text.len() >= 6 && mixed && !self.text.contains(['/', ':', '.'])
    }
}

/// The sign after a name and its closing quote, and where the sign ends.
fn sign(text: &str, end: usize, closed: usize) -> Option<(Sign, usize)> {
    let gap = spaces(text, end + closed);
    let at = end + closed + gap;
    let (written, sign) = SIGNS.iter().find(|(written, _)| text[at..].starts_with(written))?;
    // A word is a sign only if a space precedes it.
    let is_word = written.starts_with(char::is_alphabetic);
    (!is_word || gap > 0).then_some((*sign, at + written.len()))
}

fn spaces(text: &str, at: usize) -> usize {
    text[at..].find(|c: char| c != ' ' && c != '\t').unwrap_or(text.len() - at)
}

/// The quote at the start of a text, with its escapes.
fn quote(text: &str) -> Option<&str> {
    let escapes = text.find(|c| c != '\\')?;
    let sign = text[escapes..].chars().next().filter(|c| "\"'`".contains(*c))?;
    Some(&text[..escapes + sign.len_utf8()])
}

/// The YAML block that is the value of a name: the following lines, which are indented deeper.
fn block(text: &str, name: usize, at: usize) -> Option<(usize, usize)> {
    let soon = &text[at..text.floor_char_boundary(at + 8)];
    let line = &soon[..soon.find('\n')?];
    let is_block = BLOCKS.contains(&line.trim_end());
    if !line.trim_end().is_empty() && !is_block {
        return None;
    }
    let start = at + line.len() + 1;
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t', '-']).len();
    let own = indent(super::near(text, name).rsplit('\n').next().unwrap_or_default());
    let deeper = text[start..].split_inclusive('\n').take_while(|line| line.trim().is_empty() || indent(line) > own);
    let length = deeper.map(str::len).sum::<usize>();
    let lines = text[start..start + length].trim_end();
    let first = lines.len() - lines.trim_start().len();
    // A mapping's fields are examined one by one.
    let has_fields = !is_block && lines.contains(": ");
    (!has_fields && first < lines.len()).then_some((start + first, lines.len() - first))
}

/// The length of the value at the start of a text.
fn length(text: &str, quote: &str, sign: Sign, until: &Until) -> usize {
    let line = || text.find(['\n', '\r']).unwrap_or(text.len());
    if !quote.is_empty() {
        let mut from = 0;
        // A quote with one more escape belongs to the value.
        while let Some(found) = text[from..].find(quote).map(|found| from + found) {
            if !text[..found].ends_with('\\') {
                return found;
            }
            from = found + quote.len();
        }
        return text.len();
    }
    match until {
        Until::Line => return line(),
        Until::Quote(quote) => return text.find(['\n', '\r', *quote]).unwrap_or(text.len()),
        Until::Sign => {}
    }
    if sign == Sign::Opens {
        return text.find('<').unwrap_or_else(line);
    }
    if let Some(closing) = [('[', ']'), ('{', '}'), ('<', '>')].iter().find(|(opening, _)| text.starts_with(*opening)) {
        return text[..line()].find(closing.1).map_or_else(line, |at| at + 1);
    }
    let first = word(text);
    let is_scheme = super::SCHEMES.iter().any(|scheme| text[..first].eq_ignore_ascii_case(scheme));
    let next = first + spaces(text, first);
    if is_scheme && next > first { next + word(&text[next..]) } else { first }
}

/// The length of the word at the start of a text, without the brackets that close what surrounds it.
fn word(text: &str) -> usize {
    let end = text.find(|c: char| c.is_whitespace() || "\"'`;&<".contains(c)).unwrap_or(text.len());
    let word = &text[..end];
    unclosed(word, fields(word))
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
fn unclosed(word: &str, mut length: usize) -> usize {
    let is_foreign = |word: &str| {
        let pairs = [(')', '('), ('}', '{'), (']', '[')];
        pairs.iter().any(|(closing, opening)| word.ends_with(*closing) && !word.contains(*opening))
    };
    while is_foreign(&word[..length]) {
        length -= 1;
    }
    length
}
