//! Go's regular expressions, by those of the `regex` crate, whose syntax differs in a few places.
//!
//! Source: `regexp` and `regexp/syntax` of Go 1.22. What neither knows, or Go alone and rarely, is refused.

use std::cell::Cell;

use regex::{Regex, RegexBuilder};

use super::Error;

/// The longest expression, in bytes.
const LONGEST: usize = 4096;

/// The maximum of a compiled expression, in bytes. A repetition within a repetition is short, and takes the time and the
/// memory of what it stands for.
const LARGEST: usize = 256 * 1024;

/// The limits that are tried, so that a small expression is not counted as a large one.
const SIZES: [usize; 3] = [LARGEST / 16, LARGEST / 4, LARGEST];

/// What all expressions of a configuration may take together once compiled, in bytes: all are kept.
const ALL: usize = 16 << 20;

/// What is left for the expressions of a configuration.
#[derive(Debug)]
pub(super) struct Budget(Cell<usize>);

impl Budget {
    /// For all expressions of a configuration.
    pub const fn of_all() -> Self {
        Self(Cell::new(ALL))
    }
}

/// A regular expression as Go takes it.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles it; what Go refuses is refused, and what is too large is not known.
    pub fn new(expression: &str) -> Result<Self, Error> {
        Self::within(expression, &Budget(Cell::new(LARGEST)))
    }

    /// The same for one of several, which share a budget.
    pub(super) fn within(expression: &str, budget: &Budget) -> Result<Self, Error> {
        let refused = |why: String| Error::Refused(format!("error parsing regexp: {why}: `{expression}`"));
        let large =
            || Error::NotKnown(format!("a regular expression beyond {LONGEST} bytes, or {LARGEST} once compiled"));
        if expression.len() > LONGEST {
            return Err(large());
        }
        let text = translated(expression).map_err(|error| refused(error.to_string()))?;
        for size in SIZES {
            let Some(left) = budget.0.get().checked_sub(size) else {
                return Err(Error::NotKnown(format!("regular expressions beyond {} MiB once compiled", ALL >> 20)));
            };
            match compiled(&text, size) {
                Ok(regex) => {
                    budget.0.set(left);
                    return Ok(Self(regex));
                }
                Err(regex::Error::CompiledTooBig(_)) => {}
                // The last line of several says what it is, after a picture of where.
                Err(error) => {
                    let lines = error.to_string();
                    let why = lines.lines().last().unwrap_or_default().trim_start_matches("error: ");
                    return Err(refused(why.to_owned()));
                }
            }
        }
        Err(large())
    }

    /// A pattern of Prometheus, in a query or a relabelling, which is anchored at both ends.
    pub fn whole(expression: &str) -> Result<Self, Error> {
        Self::new(&anchored(expression))
    }

    /// The same for one of several, which share a budget.
    pub(super) fn whole_within(expression: &str, budget: &Budget) -> Result<Self, Error> {
        Self::within(&anchored(expression), budget)
    }

    /// Whether it matches anywhere in a text: nothing anchors it but itself.
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// In the syntax of the `regex` crate.
    pub(super) fn translated(&self) -> &str {
        self.0.as_str()
    }

    /// How many groups it captures.
    pub fn groups(&self) -> usize {
        self.0.captures_len() - 1
    }

    /// Whether it has a group of this name.
    pub fn has_group(&self, name: &str) -> bool {
        self.group(name).is_some()
    }

    /// The number of a group that a template calls by its number or its name.
    pub(super) fn group(&self, name: &str) -> Option<usize> {
        match number(name) {
            Some(number) => Some(number).filter(|number| *number <= self.groups()),
            None => self.0.capture_names().position(|known| known == Some(name)),
        }
    }

    /// What a named group captures of a text that the pattern matches.
    pub fn named<'a>(&self, name: &str, text: &'a str) -> Option<&'a str> {
        Some(self.0.captures(text)?.name(name)?.as_str())
    }

    /// What each of its groups captures of a text that the pattern matches, the first group first.
    pub(super) fn captured(&self, text: &str) -> Option<Vec<String>> {
        let captures = self.0.captures(text)?;
        Some(captures.iter().skip(1).map(|group| group.map_or("", |group| group.as_str()).to_owned()).collect())
    }

    /// What the first match makes of a template with `$1`, `${1}` or `${name}`; a group that there is not is nothing.
    ///
    /// A name without braces is as long as it can be: `$1_per_second` asks for a group `1_per_second`.
    ///
    /// Source: `expand` and `extract` in `regexp/regexp.go`.
    pub fn expand(&self, template: &str, text: &str) -> Option<String> {
        let captures = self.0.captures(text)?;
        let part = |part| match part {
            Part::Text(text) => text,
            Part::Group(name) => {
                self.group(name).and_then(|group| captures.get(group)).map_or("", |group| group.as_str())
            }
        };
        Some(parts(template).into_iter().map(part).collect())
    }
}

/// A part of a template: a text, or a group by its number or name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Part<'a> {
    Text(&'a str),
    Group(&'a str),
}

/// The parts of a template.
pub(super) fn parts(template: &str) -> Vec<Part<'_>> {
    let (mut parts, mut rest) = (Vec::new(), template);
    while let Some((before, after)) = rest.split_once('$') {
        parts.push(Part::Text(before));
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            parts.push(Part::Text("$"));
            rest = after;
        } else if let Some((name, after)) = group_name(rest) {
            parts.push(Part::Group(name));
            rest = after;
        } else {
            parts.push(Part::Text("$"));
        }
    }
    parts.push(Part::Text(rest));
    parts
}

fn anchored(expression: &str) -> String {
    format!("^(?s:{expression})$")
}

fn compiled(text: &str, size: usize) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).size_limit(size).dfa_size_limit(size).build()
}

/// The name that follows a `$`, and what follows the name.
fn group_name(text: &str) -> Option<(&str, &str)> {
    let braced = text.strip_prefix('{');
    let text = braced.unwrap_or(text);
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    let after = if braced.is_some() { after.strip_prefix('}')? } else { after };
    (!name.is_empty()).then_some((name, after))
}

fn number(name: &str) -> Option<usize> {
    let digits = name.bytes().all(|byte| byte.is_ascii_digit());
    if digits && (name == "0" || !name.starts_with('0')) { name.parse().ok() } else { None }
}

/// Why Go refuses what the other syntax would take, in Go's own words.
#[derive(Debug, thiserror::Error)]
enum Syntax {
    #[error("invalid nested repetition operator: `{0}`")]
    NestedRepetition(String),
    #[error("invalid or unsupported Perl syntax: `(?{0}`")]
    Perl(String),
    #[error("invalid repeat count: `{{{0}}}`")]
    RepeatCount(String),
    #[error("trailing backslash at end of expression: ``")]
    TrailingBackslash,
    #[error("invalid escape sequence: `\\{0}`")]
    Escape(char),
    #[error("missing closing ]: `{0}`")]
    OpenClass(String),
}

/// Go's expression in the other syntax.
fn translated(expression: &str) -> Result<String, Syntax> {
    let (mut out, mut rest) = (String::new(), expression);
    // Whether what stands just before is a repetition already.
    let mut repeated = false;
    while let Some(c) = rest.chars().next() {
        let repeats = if matches!(c, '*' | '+' | '?') { Some(1) } else { repetition(rest)? };
        if let Some(length) = repeats {
            if repeated {
                return Err(Syntax::NestedRepetition(rest[..length].to_owned()));
            }
            let length = length + usize::from(rest[length..].starts_with('?'));
            out.push_str(&rest[..length]);
            rest = &rest[length..];
            repeated = true;
            continue;
        }
        repeated = false;
        rest = match c {
            '\\' if rest.starts_with("\\Q") => {
                let (literal, after) = rest[2..].split_once("\\E").unwrap_or((&rest[2..], ""));
                out.push_str(&regex::escape(literal));
                after
            }
            '\\' => escape(&mut out, rest)?,
            '[' => class(&mut out, rest)?,
            '{' | '}' => {
                out.extend(['\\', c]);
                &rest[1..]
            }
            '(' if rest.starts_with("(?") => {
                let inner = &rest[2..];
                let named = inner.starts_with("P<") || inner.starts_with('<');
                let end = inner.find(if named { &['>'][..] } else { &[')', ':'] }).unwrap_or(inner.len());
                if !named && inner[..end].contains(|flag| !matches!(flag, 'i' | 'm' | 's' | 'U' | '-')) {
                    return Err(Syntax::Perl(inner[..end].to_owned()));
                }
                out.push_str(&rest[..2 + end]);
                &rest[2 + end..]
            }
            _ => {
                out.push(c);
                &rest[c.len_utf8()..]
            }
        };
    }
    Ok(out)
}

/// The length of `{n}`, `{n,}` or `{n,m}`; anything else in braces stands for itself.
fn repetition(text: &str) -> Result<Option<usize>, Syntax> {
    let Some((inner, _)) = text.strip_prefix('{').and_then(|rest| rest.split_once('}')) else { return Ok(None) };
    let (least, most) = inner.split_once(',').unwrap_or((inner, inner));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(least) || !(most.is_empty() || digits(most)) {
        return Ok(None);
    }
    let count = |text: &str| text.parse::<u16>().ok().filter(|count| *count <= 1000);
    let most = if most.is_empty() { Some(1000) } else { count(most) };
    match count(least).zip(most) {
        Some((least, most)) if least <= most => Ok(Some(inner.len() + 2)),
        _ => Err(Syntax::RepeatCount(inner.to_owned())),
    }
}

/// What follows a backslash, which in Go is ASCII alone; the rest of the text comes back.
fn escape<'a>(out: &mut String, text: &'a str) -> Result<&'a str, Syntax> {
    let c = text[1..].chars().next().ok_or(Syntax::TrailingBackslash)?;
    match c {
        'd' => out.push_str("[0-9]"),
        'D' => out.push_str("[^0-9]"),
        's' => out.push_str(r"[\t\n\f\r ]"),
        'S' => out.push_str(r"[^\t\n\f\r ]"),
        'w' => out.push_str("[0-9A-Za-z_]"),
        'W' => out.push_str("[^0-9A-Za-z_]"),
        'b' => out.push_str(r"(?-u:\b)"),
        '<' | '>' => out.push(c),
        'u' | 'U' => return Err(Syntax::Escape(c)),
        'p' | 'P' | 'x' if text[2..].starts_with('{') => {
            let end = text.find('}').map_or(text.len(), |end| end + 1);
            out.push_str(&text[..end]);
            return Ok(&text[end..]);
        }
        _ => out.extend(['\\', c]),
    }
    Ok(&text[1 + c.len_utf8()..])
}

/// A class of characters, in which the other syntax has sets of its own.
fn class<'a>(out: &mut String, text: &'a str) -> Result<&'a str, Syntax> {
    let mut rest = &text[1..];
    out.push('[');
    if let Some(after) = rest.strip_prefix('^') {
        out.push('^');
        rest = after;
    }
    if let Some(after) = rest.strip_prefix(']') {
        out.push_str(r"\]");
        rest = after;
    }
    while let Some(c) = rest.chars().next() {
        let posix = rest.starts_with("[:").then(|| rest.find(":]")).flatten();
        rest = match (c, posix) {
            (']', _) => {
                out.push(']');
                return Ok(&rest[1..]);
            }
            ('\\', _) => escape(out, rest)?,
            (_, Some(end)) => {
                out.push_str(&rest[..end + 2]);
                &rest[end + 2..]
            }
            ('[' | '&' | '~', None) => {
                out.extend(['\\', c]);
                &rest[1..]
            }
            _ => {
                out.push(c);
                &rest[c.len_utf8()..]
            }
        };
    }
    Err(Syntax::OpenClass(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(expression: &str, text: &str) -> bool {
        Pattern::new(expression).unwrap().matches(text)
    }

    #[test]
    fn nothing_anchors_a_pattern_but_itself() {
        assert!(matches("requests", "http_requests_total"));
        assert!(!matches("^requests", "http_requests_total"));
    }

    #[test]
    fn prometheus_anchors_both_ends() {
        let whole = |expression: &str, text: &str| Pattern::whole(expression).unwrap().matches(text);
        assert!(whole("a|b.*", "b\n") && whole("", "") && whole(r"\w+", "ab"));
        assert!(!whole("a|b", "ab") && !whole("a", "ba") && !whole(r"\w+", "é") && !whole("", "x"));
    }

    #[test]
    fn what_go_reads_otherwise() {
        assert!(matches("^a{b}$", "a{b}") && matches("^a{,2}$", "a{,2}"));
        assert!(matches(r"^\<a\>$", "<a>"));
        assert!(matches(r"^[[&&~]+$", "[&~") && matches("^[[:alpha:]_]+$", "a_b") && matches(r"^[]a]+$", "]a"));
        assert!(matches(r"^\Qa.b\E.$", "a.bc") && !matches(r"^\Qa.b\E$", "axb"));
        assert!(matches(r"^[\d_]+$", "1_2") && !matches(r"^\w$", "é") && !matches(r"^\d$", "٣"));
        assert!(matches(r"^\pL\p{Lu}\x{41}$", "aBA"));
        assert!(matches("^(?i:AB)c{2}?$", "abcc") && matches("^(?P<x>[[:alpha:]]{1})(?:b)$", "ab"));
    }

    #[test]
    fn what_go_refuses() {
        for expression in
            ["*a", "a**", "a++", "(a", "a)", "[a", "a{1001}", "a{2,1}", "(?x)a", "(?=a)", r"\u0041", "a\\", r"\1"]
        {
            let error = Pattern::new(expression).unwrap_err().to_string();
            assert!(error.starts_with("error parsing regexp: ") && !error.contains('\n'), "{expression}: {error}");
        }
    }

    #[test]
    fn what_would_take_long_to_compile_or_to_match_is_not_read() {
        let alternatives = "http_requests|".repeat(20_000);
        for long in [alternatives.as_str(), r"(a{1000}){1000}", r"(\pL{100}){100}", "((a{100}){100}){100}"] {
            let error = Pattern::new(long).unwrap_err();
            assert!(matches!(&error, Error::NotKnown(what) if what.contains("regular expression beyond")), "{error}");
        }
        assert!(Pattern::new(&"http_requests|".repeat(250)).is_ok());
    }

    #[test]
    fn expressions_of_a_configuration_share_a_budget() {
        let small = Budget::of_all();
        assert!((0..500).all(|_| Pattern::whole_within("^container_(.*)_seconds_total$", &small).is_ok()));
        let budget = Budget::of_all();
        let large = "http_requests|".repeat(250);
        let kept = (0..500).take_while(|_| Pattern::within(&large, &budget).is_ok()).count();
        assert!(kept * LARGEST <= ALL && kept > 10, "{kept}");
        let error = Pattern::within(&large, &budget).unwrap_err();
        assert!(matches!(&error, Error::NotKnown(what) if what.contains("beyond 16 MiB")), "{error}");
    }

    fn expand(expression: &str, template: &str, text: &str) -> String {
        Pattern::new(expression).unwrap().expand(template, text).unwrap()
    }

    #[test]
    fn a_name_without_braces_is_as_long_as_it_can_be() {
        assert_eq!(expand("^(.*)_total$", "${1}_per_second", "http_requests_total"), "http_requests_per_second");
        assert_eq!(expand("^(.*)_total$", "$1_per_second", "http_requests_total"), "");
        assert_eq!(expand("^(.*)_total$", "$1-per-second", "http_requests_total"), "http_requests-per-second");
        assert_eq!(expand("^(?P<what>.*)_total$", "a_${what}_$what", "x_total"), "a_x_x");
    }

    #[test]
    fn what_is_no_group_stays_or_is_nothing() {
        assert_eq!(expand("x", "$$1 $", "x"), "$1 $");
        assert_eq!(expand("x", "${1-x}", "x"), "${1-x}");
        assert_eq!(expand("x", "a${1}b$2", "x"), "ab");
        assert_eq!(expand("(x)", "${01}", "x"), "");
        assert_eq!(expand("(y)?x", "$0$1", "x"), "x");
    }
}
