//! Go's text templates with the delimiters `<<` and `>>`, as far as rules use them: fields, fields of those, strings,
//! numbers and `index`. Other features of Go templates are reported as not known.
//!
//! Source: `text/template` of Go 1.22, in `pkg/naming/metrics_query.go` and `resource_converter.go`.

use std::collections::BTreeMap;

use super::Error;

/// The most parts, each of which may stand for the names of all pods.
const PARTS: usize = 1_000;

/// The longest text that is made, in bytes.
const LONGEST: usize = 1 << 20;

/// What a template can be given.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A string, or a number as written.
    Text(String),
    /// A slice.
    List(Vec<String>),
    /// A map.
    Map(BTreeMap<String, String>),
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Action(Command),
}

#[derive(Clone, Debug)]
enum Command {
    Of(Operand),
    Index(Vec<Operand>),
    /// Go may well know it.
    NotKnown(String),
}

#[derive(Clone, Debug)]
enum Operand {
    Field(Vec<String>),
    Text(String),
    Number(String),
}

/// A parsed template.
#[derive(Clone, Debug)]
pub(super) struct Template(Vec<Part>);

/// Go's own functions and keywords.
const WORDS: [&str; 32] = [
    "and", "block", "break", "call", "continue", "define", "else", "end", "eq", "false", "ge", "gt", "html", "if",
    "index", "js", "le", "len", "lt", "ne", "nil", "not", "or", "print", "printf", "println", "range", "slice",
    "template", "true", "urlquery", "with",
];

/// Why Go refuses a template, in Go's own words.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Syntax {
    #[error("unclosed comment")]
    OpenComment,
    #[error("comment ends before closing delimiter")]
    AfterComment,
    #[error("unterminated quoted string")]
    OpenString,
    #[error("unclosed action")]
    OpenAction,
    #[error("missing value for command")]
    NoValue,
    #[error("function {0:?} not defined")]
    NotDefined(String),
}

impl Template {
    /// Fails where Go does.
    pub fn parse(text: &str) -> Result<Self, Syntax> {
        let (mut parts, mut rest, mut trim) = (Vec::new(), text, false);
        loop {
            let (before, after) = rest.split_once("<<").map_or((rest, None), |(before, after)| (before, Some(after)));
            let mut literal = if trim { before.trim_start_matches(BLANK) } else { before };
            let Some(mut inside) = after else {
                parts.push(Part::Text(literal.to_owned()));
                return Ok(Self(parts));
            };
            if let Some(trimmed) = inside.strip_prefix('-').filter(|rest| rest.starts_with(BLANK)) {
                literal = literal.trim_end_matches(BLANK);
                inside = trimmed;
            }
            parts.push(Part::Text(literal.to_owned()));
            let end = action_end(inside)?;
            let action = &inside[..end];
            rest = &inside[end + 2..];
            let trimmed = action.strip_suffix('-').filter(|action| action.ends_with(BLANK));
            trim = trimmed.is_some();
            let action = trimmed.unwrap_or(action).trim_matches(BLANK);
            if !action.starts_with("/*") {
                parts.push(Part::Action(command(action)?));
            }
        }
    }

    /// The text for these fields of an object of Go's type.
    pub fn render(&self, kind: &str, fields: &[(&str, Value)]) -> Result<String, Error> {
        if self.0.len() > PARTS {
            return Err(Error::NotKnown(format!("a template of {} parts, of which {PARTS} are read", self.0.len())));
        }
        self.0.iter().try_fold(String::new(), |mut text, part| {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Action(command) => text.push_str(&printed(command.value(kind, fields)?)),
            }
            let long = || Error::NotKnown(format!("a template that makes more than {LONGEST} bytes"));
            if text.len() > LONGEST { Err(long()) } else { Ok(text) }
        })
    }
}

const BLANK: [char; 4] = [' ', '\t', '\r', '\n'];

/// Where the `>>` is that ends an action; one in a string or comment ends nothing.
fn action_end(text: &str) -> Result<usize, Syntax> {
    let blank = text.len() - text.trim_start_matches(BLANK).len();
    if text[blank..].starts_with("/*") {
        let end = text.find("*/").ok_or(Syntax::OpenComment)? + 2;
        let close = end + text[end..].find(">>").ok_or(Syntax::AfterComment)?;
        return Ok(close);
    }
    let (mut quote, mut escaped) = (None, false);
    for (at, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            None if text[at..].starts_with(">>") => return Ok(at),
            None if matches!(c, '"' | '`') => quote = Some(c),
            _ => {}
        }
    }
    Err(if quote.is_some() { Syntax::OpenString } else { Syntax::OpenAction })
}

fn command(action: &str) -> Result<Command, Syntax> {
    let mut words = words(action);
    let first = words.first().copied().ok_or(Syntax::NoValue)?;
    let name = first.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
    let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
    if is_name && !WORDS.contains(&name) {
        return Err(Syntax::NotDefined(name.to_owned()));
    }
    let index = first == "index";
    if index {
        words.remove(0);
    }
    let operands: Option<Vec<Operand>> = words.into_iter().map(operand).collect();
    Ok(match operands {
        Some(operands) if index && !operands.is_empty() => Command::Index(operands),
        Some(operands) if !index && operands.len() == 1 => Command::Of(operands.into_iter().next().expect("one")),
        _ => Command::NotKnown(action.to_owned()),
    })
}

/// An action's words; a blank in a string parts none.
fn words(action: &str) -> Vec<&str> {
    let (mut words, mut rest) = (Vec::new(), action.trim_start_matches(BLANK));
    while let Some(first) = rest.chars().next() {
        let end = if matches!(first, '"' | '`') {
            let mut escaped = false;
            let close = rest.char_indices().skip(1).find(|(_, c)| {
                let closes = *c == first && !escaped;
                escaped = first == '"' && *c == '\\' && !escaped;
                closes
            });
            close.map_or(rest.len(), |(at, _)| at + 1)
        } else {
            rest.find(BLANK).unwrap_or(rest.len())
        };
        words.push(&rest[..end]);
        rest = rest[end..].trim_start_matches(BLANK);
    }
    words
}

fn operand(word: &str) -> Option<Operand> {
    if let Some(text) = word.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
        return Some(Operand::Text(text.to_owned()));
    }
    if let Some(text) = word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return (!text.contains('\\')).then(|| Operand::Text(text.to_owned()));
    }
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Operand::Number(word.to_owned()));
    }
    let names: Vec<_> = word.strip_prefix('.')?.split('.').map(str::to_owned).collect();
    let plain = |name: &String| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    names.iter().all(plain).then_some(Operand::Field(names))
}

impl Command {
    fn value(&self, kind: &str, fields: &[(&str, Value)]) -> Result<Value, Error> {
        match self {
            Self::Of(operand) => operand.value(kind, fields),
            Self::Index(operands) => {
                let mut values = operands.iter().map(|operand| operand.value(kind, fields));
                let first = values.next().expect("index has an operand")?;
                values.try_fold(first, |value, index| indexed(value, &printed(index?)))
            }
            Self::NotKnown(action) => Err(Error::NotKnown(format!("<<{action}>> in a template"))),
        }
    }
}

impl Operand {
    fn value(&self, kind: &str, fields: &[(&str, Value)]) -> Result<Value, Error> {
        let names = match self {
            Self::Text(text) | Self::Number(text) => return Ok(Value::Text(text.clone())),
            Self::Field(names) => names,
        };
        let missing = |name: &str, kind: &str| Error::Refused(format!("can't evaluate field {name} in type {kind}"));
        let found = fields.iter().find(|(field, _)| *field == names[0]);
        let (_, value) = found.ok_or_else(|| missing(&names[0], kind))?;
        names[1..].iter().try_fold(value.clone(), |value, name| match value {
            // A map's key may be asked for as a field, and one that is not there is not an error.
            Value::Map(map) => Ok(Value::Text(map.get(name).map_or("<no value>", String::as_str).to_owned())),
            Value::Text(_) => Err(missing(name, "string")),
            Value::List(_) => Err(missing(name, "[]string")),
        })
    }
}

/// `index`: a map has nothing for a key that is not there.
fn indexed(value: Value, index: &str) -> Result<Value, Error> {
    let refused = |why: String| Error::Refused(format!("error calling index: {why}"));
    match value {
        Value::Map(map) => Ok(Value::Text(map.get(index).cloned().unwrap_or_default())),
        Value::List(list) => {
            let number: usize =
                index.parse().map_err(|_| refused("cannot index slice/array with type string".to_owned()))?;
            list.get(number).cloned().map(Value::Text).ok_or_else(|| refused(format!("index out of range: {number}")))
        }
        Value::Text(text) => Err(Error::NotKnown(format!("a byte of {text:?} by its index"))),
    }
}

/// As Go's `fmt` prints it.
fn printed(value: Value) -> String {
    match value {
        Value::Text(text) => text,
        Value::List(list) => format!("[{}]", list.join(" ")),
        Value::Map(map) => {
            let pairs: Vec<_> = map.iter().map(|(key, value)| format!("{key}:{value}")).collect();
            format!("map[{}]", pairs.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str) -> Result<String, Error> {
        let map = BTreeMap::from([("pod", "a|b"), ("namespace", "ns")].map(|(key, value)| (key.into(), value.into())));
        let fields = [
            ("Series", Value::Text("x".into())),
            ("LabelValuesByName", Value::Map(map)),
            ("GroupBySlice", Value::List(vec!["pod".into(), "extra".into()])),
        ];
        Template::parse(text)
            .map_err(|error| Error::Refused(error.to_string()))?
            .render("naming.queryTemplateArgs", &fields)
    }

    #[test]
    fn fields_keys_and_places() {
        for (template, expected) in [
            ("rate(<<.Series>>[2m])", "rate(x[2m])"),
            ("<< .Series >>{{.Series}}", "x{{.Series}}"),
            (r#"<<index .LabelValuesByName "pod">>"#, "a|b"),
            ("<<index .LabelValuesByName `none`>>!", "!"),
            ("<<.LabelValuesByName.namespace>>", "ns"),
            ("<<.LabelValuesByName.none>>", "<no value>"),
            ("<<index .GroupBySlice 1>>", "extra"),
            ("<<.GroupBySlice>> <<.LabelValuesByName>>", "[pod extra] map[namespace:ns pod:a|b]"),
            (r#"<<"a >> b">>"#, "a >> b"),
            ("a <<- /* no >> of it */ ->> b", "ab"),
            ("a\n  <<- .Series ->>\n b", "axb"),
        ] {
            assert_eq!(render(template).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn what_would_make_too_much_is_not_read() {
        for (template, why) in [
            ("<<.Series>>".repeat(PARTS), "parts, of which"),
            ("<<.Series>>".to_owned() + &"x".repeat(LONGEST), "more than"),
        ] {
            let error = render(&template).unwrap_err();
            assert!(matches!(&error, Error::NotKnown(what) if what.contains(why)), "{error}");
        }
    }

    #[test]
    fn what_go_refuses_when_it_parses() {
        for (template, why) in [
            ("<<.Series", "unclosed action"),
            ("<<>>", "missing value for command"),
            (r#"<<index .X "a>>"#, "unterminated quoted string"),
            ("<<Series>>", r#"function "Series" not defined"#),
            ("<</* a >>", "unclosed comment"),
        ] {
            assert_eq!(Template::parse(template).unwrap_err().to_string(), why, "{template}");
        }
    }

    #[test]
    fn what_go_refuses_when_it_executes() {
        for (template, why) in [
            ("<<.LabelMatcher>>", "can't evaluate field LabelMatcher in type naming.queryTemplateArgs"),
            ("<<.Series.Name>>", "can't evaluate field Name in type string"),
            ("<<index .GroupBySlice 2>>", "error calling index: index out of range: 2"),
        ] {
            assert_eq!(render(template), Err(Error::Refused(why.to_owned())), "{template}");
        }
    }

    #[test]
    fn what_is_not_known_is_told() {
        for template in
            ["<<if .Series>>", "<<.Series | printf \"%q\">>", "<<range .GroupBySlice>>", "<<.>>", "<<$>>", "<<-3>>"]
        {
            let error = render(template).unwrap_err().to_string();
            assert!(error.starts_with("not known here") && error.contains(template), "{error}");
        }
    }
}
