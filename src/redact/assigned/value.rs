//! A value after a name: the sign between the two, where the value begins, and where it ends.

/// What joins a name and its value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sign {
    /// `=`, `=>`, `:=`, or the operator of a label.
    Equals,
    /// `:`.
    Colon,
    /// The end of an element of XML, or the bracket of a constructor.
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
    /// Where it begins in the text.
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

/// Signs that introduce a block of YAML.
const BLOCKS: [&str; 6] = ["|", ">", "|-", ">-", "|+", ">+"];

/// What a value ends at.
pub enum Until {
    /// The next sign that is none of it.
    Sign,
    /// The end of the line.
    Line,
    /// This quote, which stands before the name.
    Quote(char),
}

impl<'a> Value<'a> {
    /// The value behind the name that ends at `end`.
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
        // Between the words of a list: `"--password", "hidden"`.
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

    /// Words that say that there is no secret, or that its own fields follow.
    pub fn is_harmless(&self) -> bool {
        const WORDS: [&str; 12] =
            ["true", "false", "null", "nil", "none", "undefined", "yes", "no", "on", "off", "<nil>", "<none>"];
        let lower = self.text.trim_end_matches([',', ':', '.']).to_ascii_lowercase();
        let has_fields = || self.text.contains([':', '=']) || self.text.len() <= 2;
        WORDS.contains(&lower.as_str()) || !self.quoted && self.text.starts_with(['{', '[']) && has_fields()
    }

    /// A word, as sentences go on with, or another name in capitals.
    pub fn is_word(&self) -> bool {
        let word = self.text.trim_end_matches([':', '.', ',']);
        let is_name = |word: &str| word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        !self.quoted && (word.chars().all(char::is_alphabetic) || is_name(word))
    }

    /// A version, as an image's tag is one, or a port.
    pub fn is_version(&self) -> bool {
        let number = self.text.strip_prefix('v').unwrap_or(self.text);
        number.chars().all(|c| c.is_ascii_digit() || c == '.')
    }

    /// Whether letters and digits are mixed: no word of a sentence.
    pub fn looks_random(&self) -> bool {
        let has = |fits: fn(&char) -> bool| self.text.chars().any(|c| fits(&c));
        let mixed = has(char::is_ascii_digit) && has(char::is_ascii_alphabetic);
        self.text.len() >= 6 && mixed && !self.text.contains(['/', ':', '.'])
    }
}

/// The sign behind a name and its closing quote, and where it ends.
fn sign(text: &str, end: usize, closed: usize) -> Option<(Sign, usize)> {
    let gap = spaces(text, end + closed);
    let at = end + closed + gap;
    let (written, sign) = SIGNS.iter().find(|(written, _)| text[at..].starts_with(written))?;
    // A word is no sign where the name goes on with it.
    let is_word = written.starts_with(char::is_alphabetic);
    (!is_word || gap > 0).then_some((*sign, at + written.len()))
}

fn spaces(text: &str, at: usize) -> usize {
    text[at..].find(|c: char| c != ' ' && c != '\t').unwrap_or(text.len() - at)
}

/// The quote that stands here, with what escapes it.
fn quote(text: &str) -> Option<&str> {
    let escapes = text.find(|c| c != '\\')?;
    let sign = text[escapes..].chars().next().filter(|c| "\"'`".contains(*c))?;
    Some(&text[..escapes + sign.len_utf8()])
}

/// A block of YAML that a name at the start of its line has for its value: lines that are indented deeper.
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
    // Fields of its own are looked at one by one.
    let has_fields = !is_block && lines.contains(": ");
    (!has_fields && first < lines.len()).then_some((start + first, lines.len() - first))
}

/// How long the value is that begins here.
fn length(text: &str, quote: &str, sign: Sign, until: &Until) -> usize {
    let line = || text.find(['\n', '\r']).unwrap_or(text.len());
    if !quote.is_empty() {
        let mut from = 0;
        // One that is escaped once more than the first is the value's own.
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
    let end = text.find(|c: char| c.is_whitespace() || "\"'`;&<".contains(c)).unwrap_or(text.len());
    let word = &text[..end];
    let is_scheme = super::SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme));
    if let (true, Some(next)) = (is_scheme, text[end..].find(|c: char| c != ' ').filter(|spaces| *spaces > 0)) {
        return end + next + length(&text[end + next..], "", sign, until);
    }
    unclosed(word, fields(word))
}

/// Where a comma ends a word, because another field follows; else it may be a part of it.
fn fields(word: &str) -> usize {
    let is_field = |at: &usize| {
        let rest = word[at + 1..].trim_start_matches(['"', '\'']);
        let name = rest.find(|c: char| !super::is_of_name(c));
        rest.is_empty() || name.is_some_and(|end| rest[end..].starts_with(['=', ':']))
    };
    word.match_indices(',').map(|(at, _)| at).find(is_field).unwrap_or(word.len())
}

/// The word without the brackets at its end that were opened before it.
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
