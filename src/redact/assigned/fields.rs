//! Names and values in fields of their own: `name: API_KEY`, `value: …`, in either order, in JSON, YAML and XML.

use super::super::names::secret;
use super::is_of_name;
use super::joint::{Sign, joint};
use super::value::{Until, Value};

/// Fields that hold the name of something.
const NAMES: [&str; 14] = [
    "attribute",
    "env",
    "envvar",
    "field",
    "header",
    "id",
    "key",
    "name",
    "option",
    "param",
    "parameter",
    "property",
    "setting",
    "variable",
];

/// Fields that hold its value.
const VALUES: [&str; 16] = [
    "content",
    "contents",
    "current",
    "data",
    "default",
    "defaultvalue",
    "literal",
    "newvalue",
    "plain",
    "plaintext",
    "raw",
    "string",
    "text",
    "val",
    "value",
    "values",
];

/// How far a name may be behind its value.
const NEAR: usize = 300;

/// Whether a field of this name holds a value.
pub fn is_value(name: &str) -> bool {
    VALUES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether the value of a field such as `name` or `key` starts here.
pub fn is_value_of_name(text: &str, start: usize) -> bool {
    let before = super::near(text, start).trim_end_matches(['"', '\'', '\\', ' ']);
    let field = before.strip_suffix(['=', ':', '>']).map(|field| field.trim_end_matches(['"', '\'', '\\', ' ']));
    let word = field.map(|field| field.rsplit(|c| !is_of_name(c)).next().unwrap_or_default());
    word.is_some_and(|word| NAMES.iter().any(|known| word.eq_ignore_ascii_case(known)))
}

/// Whether a field with the value follows.
pub fn has_value(text: &str, end: usize) -> bool {
    let near = &text[end..text.floor_char_boundary(end + super::NEAR)];
    words(near).any(|(start, word)| is_value(&near[start..start + word]))
}

/// The value of the field whose name is `text[start..end]`: only with a sign, since the words occur in sentences.
pub fn value_of(text: &str, start: usize, end: usize) -> Option<Value<'_>> {
    let is_joined =
        matches!(joint(text, start, end, false).sign, Sign::Equals | Sign::Colon | Sign::Opens | Sign::Arrow);
    if is_joined { Value::after(text, start, end, false, &Until::Sign) } else { None }
}

/// Whether the structure that the value ends in goes on with a name that belongs to a secret.
pub fn is_named_later(text: &str, end: usize) -> bool {
    let near = &text[end..text.floor_char_boundary(end + NEAR)];
    let near = ["}", "/>", "\n\n", "\n- "].iter().fold(near, |near, ends| near.split(ends).next().unwrap_or_default());
    words(near).any(|(start, length)| {
        let place = end + start;
        is_value_of_name(text, place) && secret(&text[place..place + length]).is_some()
    })
}

/// Where each word starts, and its length.
fn words(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].find(is_of_name)?;
        let length = text[start..].find(|c| !is_of_name(c)).unwrap_or(text.len() - start);
        at = start + length;
        Some((start, length))
    })
}
