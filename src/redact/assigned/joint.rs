//! What joins a name and its value.

use super::prose;

/// What joins a name and its value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sign {
    /// `=`, `=>`, `:=`, or a label's operator.
    Equals,
    /// `:`.
    Colon,
    /// `->`, or the edge of a table's cell.
    Arrow,
    /// The `>` of an XML tag.
    Opens,
    /// The `(` of a constructor, or of a remark.
    Calls,
    /// The space after a flag.
    Flag,
    /// "is", "was", "set to", a dash, or "for user x:".
    Is,
    /// The `/` of a path.
    Part,
    /// A space.
    Space,
}

/// Where a name ends, and what follows it.
pub struct Joint {
    /// What joins the two.
    pub sign: Sign,
    /// Where the sign ends.
    pub at: usize,
    /// Whether the name was in quotes, as in JSON.
    pub named: bool,
}

/// The longest first.
const SIGNS: [(&str, Sign); 13] = [
    (":=", Sign::Equals),
    ("=>", Sign::Equals),
    ("==", Sign::Equals),
    ("=~", Sign::Equals),
    ("=", Sign::Equals),
    ("≔", Sign::Equals),
    (":", Sign::Colon),
    ("：", Sign::Colon),
    ("is:", Sign::Colon),
    ("|", Sign::Arrow),
    ("│", Sign::Arrow),
    ("/", Sign::Is),
    (".", Sign::Is),
];

/// Those that join only with a space on both sides: else they are part of a path, or of a regular expression.
const LOOSE: [&str; 4] = ["|", "│", "/", "."];

/// Words between a name and its value: "password was changed to …", "identified with … by …", "API key provided: …".
const FILLERS: [&str; 27] = [
    "are", "were", "as", "be", "been", "by", "changed", "entered", "equals", "given", "has", "is", "now", "password",
    "provided", "received", "reset", "sent", "set", "supplied", "to", "used", "using", "value", "values", "was",
    "will",
];

/// Words between a password and whose it is.
const OF: [&str; 4] = [" for ", " of ", " from ", " on "];

/// How far a sign may be from its name.
const NEAR: usize = 60;

/// What joins the name from `start` to `end` with what follows it.
pub fn joint(text: &str, start: usize, end: usize, is_flag: bool) -> Joint {
    let closed = quote(&text[end..]).map_or(0, str::len);
    let at = end + closed;
    let is_plain = !is_flag && closed == 0;
    let found = if is_plain { typed(text, at) } else { None }
        .or_else(|| arrow(text, at))
        .or_else(|| written(text, start, at))
        .or_else(|| after_brackets(text, start, at))
        .or_else(|| after_markup(text, start, at))
        .or_else(|| opened(text, start, end))
        .or_else(|| next_of_list(text, start, at, closed))
        .or_else(|| if is_flag { None } else { filled(text, at).or_else(|| after_owner(text, at)) });
    let (sign, at) = found.unwrap_or((if is_flag { Sign::Flag } else { Sign::Space }, at));
    Joint { sign, at, named: closed > 0 }
}

pub fn spaces(text: &str, at: usize) -> usize {
    text[at..].find(|c: char| c != ' ' && c != '\t').unwrap_or(text.len() - at)
}

/// The quote at the start of a text, with its escapes.
pub fn quote(text: &str) -> Option<&str> {
    let escapes = text.find(|c| c != '\\')?;
    let sign = text[escapes..].chars().next().filter(|c| "\"'`".contains(*c))?;
    Some(&text[..escapes + sign.len_utf8()])
}

/// A sign that is written right after the name, and where it ends.
fn written(text: &str, start: usize, at: usize) -> Option<(Sign, usize)> {
    let gap = spaces(text, at);
    let (written, sign) = SIGNS.iter().find(|(written, _)| text[at + gap..].starts_with(written))?;
    let end = at + gap + written.len();
    let is_loose = || {
        let is_of_table = *sign == Sign::Arrow && line_before(text, start).trim_start().starts_with(['|', '│']);
        gap > 0 && text[end..].starts_with([' ', '\t']) || is_of_table
    };
    let joins = match *written {
        "is:" => gap > 0,
        "/" if gap == 0 => {
            let is_path = text[..at].ends_with(char::is_alphanumeric) && text[end..].starts_with(char::is_alphanumeric);
            return is_path.then_some((Sign::Part, end));
        }
        loose if LOOSE.contains(&loose) => is_loose(),
        _ => true,
    };
    joins.then_some((*sign, end))
}

/// An arrow of any form, such as `->`, `==>` or `→`, and a dash between spaces.
fn arrow(text: &str, at: usize) -> Option<(Sign, usize)> {
    let start = at + spaces(text, at);
    let is_drawn =
        |c: char| ('\u{2190}'..='\u{2bff}').contains(&c) && !('\u{2500}'..='\u{257f}').contains(&c) || "»›".contains(c);
    let length = text[start..].find(|c: char| !"-=~.<>–— ".contains(c) && !is_drawn(c)).unwrap_or(text.len() - start);
    let written = text[start..start + length].trim_end();
    let end = start + written.len();
    let is_apart = start > at && text[end..].starts_with([' ', '\t']);
    let is_dash = !written.is_empty() && written.chars().all(|c| "-–—".contains(c));
    if is_dash {
        return is_apart.then_some((Sign::Is, end));
    }
    // A single `>` closes a tag, and `<` opens one.
    let is_arrow = written.contains(is_drawn)
        || written.chars().count() >= 2 && written.ends_with('>') && !written.starts_with('>')
        || matches!(written, "<-" | "<=" | "<--" | "<==" | ">>" | ">" | "<") && is_apart;
    (is_arrow && written != "=>").then_some((Sign::Arrow, end))
}

/// `**password**: …`, `<b>password</b>: …`.
fn after_markup(text: &str, start: usize, at: usize) -> Option<(Sign, usize)> {
    let rest = text[at..].trim_start_matches(['*', '~', '_', '`']);
    let tag = rest.strip_prefix("</").and_then(|tag| tag[..tag.floor_char_boundary(NEAR)].find('>'));
    let end = text.len() - rest.len() + tag.map_or(0, |tag| tag + 3);
    written(text, start, end).filter(|(sign, _)| end > at && matches!(sign, Sign::Equals | Sign::Colon))
}

/// `config["password"] = …`, `password[0]: …`, `password (root): …`.
fn after_brackets(text: &str, start: usize, at: usize) -> Option<(Sign, usize)> {
    let rest = text[at..].strip_prefix(' ').unwrap_or(&text[at..]);
    let closing = rest.find(|c| c != ']' && c != ')').unwrap_or(rest.len());
    let length = if closing > 0 {
        closing
    } else {
        let close = [('(', ')'), ('[', ']')].into_iter().find(|(open, _)| rest.starts_with(*open))?.1;
        let near = &rest[..rest.floor_char_boundary(NEAR)];
        near[..near.find('\n').unwrap_or(near.len())].find(close)? + 1
    };
    let end = text.len() - rest.len() + length;
    written(text, start, end).filter(|(sign, _)| matches!(sign, Sign::Equals | Sign::Colon | Sign::Arrow))
}

/// `<password>…`, `<password type="x">…`, `<key>password</key><string>…`, `Secret("…")`.
fn opened(text: &str, start: usize, end: usize) -> Option<(Sign, usize)> {
    let rest = &text[end..];
    // `<password>`, and the last attribute of `<x name="password">`.
    let closed = quote(rest).map_or(0, str::len);
    if rest[closed..].starts_with('>') {
        return Some((Sign::Opens, end + closed + 1));
    }
    let inner = rest.strip_prefix(" (").or_else(|| rest.strip_prefix('('));
    if let Some(inner) = inner.or_else(|| rest.strip_prefix('{').filter(|inner| inner.starts_with('"'))) {
        return Some((Sign::Calls, text.len() - inner.len()));
    }
    let near = &rest[..rest.floor_char_boundary(4 * NEAR)];
    if near.starts_with("</") {
        // The next element has the value.
        let after = near.find('>')? + 1;
        let next = near[after..].trim_start();
        if !next.starts_with('<') || next.starts_with("</") {
            return None;
        }
        return Some((Sign::Opens, end + near.len() - next.len() + next.find('>')? + 1));
    }
    let attributes = near.find(['<', '>']).filter(|at| near[*at..].starts_with('>'))?;
    let is_element = is_of_element(text, start) && near.starts_with([' ', '\n', '\t']);
    (is_element && !near[..attributes].ends_with('/')).then_some((Sign::Opens, end + attributes + 1))
}

/// Whether the name at `start` is an element's: `<password`, `<x:password`.
pub fn is_of_element(text: &str, start: usize) -> bool {
    let before = &text[text.floor_char_boundary(start.saturating_sub(NEAR))..start];
    let space = before.strip_suffix(':').map_or(before, |before| before.trim_end_matches(super::is_of_name));
    space.ends_with('<')
}

/// `("password", "…")`, `['password', '…']`, `{password, "…"}`.
fn next_of_list(text: &str, start: usize, at: usize, closed: usize) -> Option<(Sign, usize)> {
    let before = text[..start].trim_end_matches(['"', '\'', '\\']);
    let is_first = before.ends_with(['(', '[', '{']) && (closed > 0 || before.len() == start);
    let after = text[at..].strip_prefix([',', ';'])?;
    let next = after.trim_start();
    if is_first && quote(next).is_some() {
        return Some((Sign::Equals, text.len() - next.len()));
    }
    // `password;hunter2`
    let is_close = next.len() == after.len() && next.starts_with(char::is_alphanumeric);
    is_close.then_some((Sign::Is, text.len() - next.len()))
}

/// "password is …", "password was set to …", "password now: …".
fn filled(text: &str, mut at: usize) -> Option<(Sign, usize)> {
    let begin = at;
    let mut last = "";
    for _ in 0..5 {
        let start = at + spaces(text, at);
        let word =
            &text[start..][..text[start..].find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len() - start)];
        // "provided by vault", "used to connect"
        let says_how = word == "by" && at > begin || word == "to" && last == "used";
        if start == at || says_how || !FILLERS.iter().any(|filler| word.eq_ignore_ascii_case(filler)) {
            break;
        }
        at = start + word.len();
        last = word;
    }
    let sign = text[at..].strip_prefix([':', '=']).map_or(0, |_| 1);
    (at > begin && text[at + sign..].starts_with([' ', '\t'])).then_some((Sign::Is, at + sign))
}

/// The string that a declaration assigns after a type: `password: &str = "…"`, `password: Option<String> = Some("…")`,
/// `Password { get; set; } = "…"`.
fn typed(text: &str, at: usize) -> Option<(Sign, usize)> {
    let near = &text[at..text.floor_char_boundary(at + 2 * NEAR)];
    let line = &near[..near.find('\n').unwrap_or(near.len())];
    let (kind, value) = line.split_once(" = ")?;
    let call = &value[..value.find(['"', '\'', '`'])?];
    let is_call = call.trim_start_matches("new ").chars().all(|c| c.is_alphanumeric() || "_:.<>&*!({[".contains(c));
    let kind = kind.strip_prefix(':').unwrap_or(kind).trim();
    let is_typed = is_type(kind) || kind.is_empty() && call.starts_with("new ");
    (is_call && is_typed).then_some((Sign::Equals, at + line.len() - value.len() + call.len()))
}

/// Whether this is a type of a programming language: one word, whatever its brackets hold, and what may be with it.
fn is_type(text: &str) -> bool {
    const WITH: [&str; 10] = ["", "*", "&", "As", "const", "dyn", "mut", "null", "undefined", "None"];
    let mut depth = 0_usize;
    let mut outer = String::new();
    for c in text.replace("::", ".").chars() {
        match c {
            '<' | '[' | '(' | '{' => depth += 1,
            '>' | ']' | ')' | '}' => depth = depth.saturating_sub(1),
            _ if depth == 0 => outer.push(c),
            _ if c.is_alphanumeric() || " ,;:|&*?_.'".contains(c) => {}
            _ => return false,
        }
    }
    let is_named =
        |word: &str| word.trim_matches(['&', '*', '?']).chars().all(|c| c.is_alphanumeric() || "_.".contains(c));
    // A lifetime, as in `&'static str`, is none of the words.
    let words = outer.split([' ', '|']).filter(|word| !WITH.contains(word) && !word.starts_with("&'"));
    let words: Vec<&str> = words.collect();
    !text.is_empty() && words.len() <= 1 && words.into_iter().all(is_named)
}

/// "password for user x: …", "password of 'x'@'y' = …", "password for x has been set to …".
fn after_owner(text: &str, at: usize) -> Option<(Sign, usize)> {
    let near = &text[at..text.floor_char_boundary(at + NEAR)];
    let line = &near[..near.find('\n').unwrap_or(near.len())];
    let is_of = |of: &&str| line.get(..of.len()).is_some_and(|start| start.eq_ignore_ascii_case(of));
    if !OF.iter().any(is_of) {
        return None;
    }
    let signs = [(": ", 1), (" = ", 2)].map(|(sign, length)| line.find(sign).map(|found| (found, at + found + length)));
    let spaces = line.match_indices(' ').skip(2).take(4);
    let said = spaces.filter_map(|(found, _)| Some((found, filled(text, at + found)?.1)));
    let (found, end) = signs.into_iter().flatten().chain(said).min()?;
    prose::is_short(&line[..found]).then_some((Sign::Is, end))
}

/// The line up to a position.
fn line_before(text: &str, end: usize) -> &str {
    super::near(text, end).rsplit('\n').next().unwrap_or_default()
}
