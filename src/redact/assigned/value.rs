//! A value after a name: the sign between the two, where the value begins, and where it ends.

/// What follows a name.
pub struct Value<'a> {
    /// Where it begins in the text.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// The value itself, without its quotes.
    pub text: &'a str,
    /// What joins the two: `=`, `:` and the like; `-` after a flag, `>` after an element of XML, else nothing.
    pub sign: &'static str,
    /// Whether the name was in quotes, as in JSON.
    pub named: bool,
    /// Whether the value is in quotes.
    pub quoted: bool,
    /// Whether there are spaces between the sign and the value.
    pub spaced: bool,
}

/// The longest first.
const SIGNS: [&str; 6] = [":=", "=>", "==", "=~", "=", ":"];

impl<'a> Value<'a> {
    /// The value behind the name that ends at `end`. A header's goes to the end of its line.
    pub fn after(text: &'a str, end: usize, flag: bool, header: bool) -> Option<Self> {
        let rest = &text[end..];
        let closed = quote(rest).map_or(0, |(quote, _)| quote);
        let spaces = |at: usize| text[at..].find(|c: char| c != ' ' && c != '\t').unwrap_or(text.len() - at);
        let mut at = end + closed;
        let gap = spaces(at);
        let sign = if text[..end].ends_with(is_word) && rest.starts_with('>') {
            ">"
        } else {
            let sign = SIGNS.into_iter().find(|sign| text[at + gap..].starts_with(sign));
            sign.unwrap_or(if flag { "-" } else { "" })
        };
        at += match sign {
            ">" => 1,
            "-" | "" => 0,
            sign => gap + sign.len(),
        };
        let mut spaced = spaces(at);
        at += spaced;
        // Between the words of a list: `"--password", "hidden"`.
        if sign == "-" && text[at..].starts_with(',') {
            spaced = 1 + spaces(at + 1);
            at += spaced;
        }
        if matches!(sign, "" | "-") {
            if spaced == 0 {
                return None;
            }
            if sign.is_empty() {
                let verbs = ["is ", "was "].into_iter().find(|verb| text[at..].starts_with(verb));
                at += verbs.map_or(0, str::len);
            } else if text[at..].starts_with('-') && !text[at..].starts_with("-----") {
                return None;
            }
        }
        let (opened, mark) = quote(&text[at..]).unwrap_or((0, ""));
        let start = at + opened;
        let length = length(&text[start..], mark, sign, header);
        let end = start + length;
        (end > start).then(|| Self {
            start,
            end,
            text: &text[start..end],
            sign,
            named: closed > 0,
            quoted: opened > 0,
            spaced: spaced > 0,
        })
    }

    /// Words that say that there is no secret, or that its own fields follow.
    pub fn is_harmless(&self) -> bool {
        let words =
            ["true", "false", "null", "nil", "none", "undefined", "yes", "no", "on", "off", "<nil>", "|", ">", "|-"];
        let lower = self.text.trim_end_matches([',', ':', '.']).to_ascii_lowercase();
        words.contains(&lower.as_str()) || !self.quoted && self.text.starts_with(['{', '[', '<'])
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

    /// Whether letters and digits are mixed, or the value is in quotes: no word of a sentence.
    pub fn looks_random(&self) -> bool {
        let has = |fits: fn(&char) -> bool| self.text.chars().any(|c| fits(&c));
        let mixed = has(char::is_ascii_digit) && has(char::is_ascii_alphabetic) && !self.text.contains(['/', ':']);
        self.text.len() >= 6 && mixed && !self.text.contains('.')
    }
}

fn is_word(one: char) -> bool {
    one.is_alphanumeric()
}

/// The quote that stands here, with what escapes it: its length, and itself.
fn quote(text: &str) -> Option<(usize, &str)> {
    let escapes = text.find(|c| c != '\\')?;
    let sign = text[escapes..].chars().next().filter(|c| "\"'`".contains(*c))?;
    Some((escapes + sign.len_utf8(), &text[..escapes + sign.len_utf8()]))
}

/// How long the value is that begins here.
fn length(text: &str, quote: &str, sign: &str, header: bool) -> usize {
    let line = text.find(['\n', '\r']).unwrap_or(text.len());
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
    if header {
        return text.find(['\n', '\r', '"', '\'']).unwrap_or(text.len());
    }
    if sign == ">" {
        return text.find('<').unwrap_or(line);
    }
    let end = text.find(|c: char| c.is_whitespace() || "\"'`;&<".contains(c)).unwrap_or(text.len());
    let word = &text[..end];
    let scheme = super::SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme));
    if let (true, Some(next)) = (scheme, text[end..].find(|c: char| c != ' ').filter(|spaces| *spaces > 0)) {
        return end + next + length(&text[end + next..], "", sign, false);
    }
    // A comma ends it where another field follows; else it may be a part.
    let field = |at: usize| {
        let rest = text[at + 1..end].trim_start_matches(['"', '\'']);
        rest.is_empty()
            || rest.find(|c: char| !super::is_of_name(c)).is_some_and(|at| rest[at..].starts_with(['=', ':']))
    };
    let comma = word.match_indices(',').map(|(at, _)| at).find(|at| field(*at)).unwrap_or(end);
    let open = |closing: char, opening: char| word[..comma].ends_with(closing) && !word[..comma].contains(opening);
    let brackets = [(')', '('), ('}', '{'), (']', '[')];
    let mut length = comma;
    while brackets.iter().any(|(closing, opening)| word[..length].ends_with(*closing) && open(*closing, *opening)) {
        length -= 1;
    }
    length
}
