//! What follows a secret's name: `name=value`, `name: value`, `"name":"value"`, `--flag value`, a header, a prose word.

mod value;

use super::names::{Secret, is_password, secret};
use value::{Sign, Until, Value};

/// Words before a credential in a header: `Authorization: Bearer …`.
const SCHEMES: [&str; 8] = ["apikey", "basic", "bearer", "digest", "negotiate", "ntlm", "splunk", "token"];

/// Programs that take a password as `-p…`, `-a …` or `-w …`, where others have a port or a path.
const CLIENTS: [&str; 13] = [
    "keydb-cli",
    "ldapsearch",
    "login",
    "mariadb",
    "mongo",
    "mongosh",
    "mysql",
    "mysqladmin",
    "mysqldump",
    "redis-cli",
    "smbclient",
    "sshpass",
    "valkey-cli",
];

/// As far back, in bytes, as is looked for what a name belongs to.
const NEAR: usize = 1000;

/// What stands before a value.
struct Before<'a> {
    /// The text right before the name.
    text: &'a str,
    /// The name.
    name: &'a str,
    /// How surely it is a secret's.
    sure: Secret,
}

/// The text with `mark` in the place of each value of a secret's name.
pub fn without_values(text: &str, mark: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let (mut from, mut at) = (0, 0);
    // In a list of variables the name is a value itself: `name: API_KEY`, and what follows `value:` is its.
    let mut is_named = false;
    while let Some(start) = text[at..].find(is_of_name).map(|found| at + found) {
        let end = text[start..].find(|c| !is_of_name(c)).map_or(text.len(), |found| start + found);
        if is_named && text[start..end].eq_ignore_ascii_case("value") {
            is_named = false;
            at = hide(
                text,
                mark,
                &mut kept,
                &mut from,
                Value::after(text, end, false, &Until::Sign).as_ref().map(Place::of),
                end,
            );
            continue;
        }
        if is_value_of_name(text, start) {
            is_named = secret(&text[start..end]).is_some();
            if is_named && has_value(text, end) {
                at = end;
                continue;
            }
        }
        let found = value_after(text, start, end).or_else(|| credential_after(text, start, end));
        at = hide(text, mark, &mut kept, &mut from, found, end);
    }
    kept.push_str(&text[from..]);
    kept
}

/// Puts the mark where a value was found, and tells where to look on.
fn hide(text: &str, mark: &str, kept: &mut String, from: &mut usize, found: Option<Place>, end: usize) -> usize {
    let Some(value) = found.filter(|value| value.end > value.start && !text[value.start..].starts_with(mark)) else {
        return end;
    };
    kept.push_str(&text[*from..value.start]);
    kept.push_str(mark);
    *from = value.end;
    value.end
}

/// Whether what begins here is the value of a field `name` or `key`.
fn is_value_of_name(text: &str, start: usize) -> bool {
    let before = near(text, start).trim_end_matches(['"', '\'', '\\', ' ']);
    let field = before.strip_suffix(['=', ':']).map(|field| field.trim_end_matches(['"', '\'', '\\', ' ']));
    let word = field.map(|field| field.rsplit(|c| !is_of_name(c)).next().unwrap_or_default());
    word.is_some_and(|word| word.eq_ignore_ascii_case("name") || word.eq_ignore_ascii_case("key"))
}

/// Where a value is in the text.
struct Place {
    start: usize,
    end: usize,
}

impl Place {
    fn of(value: &Value) -> Self {
        Self { start: value.start, end: value.end }
    }
}

/// What stands right before a place.
fn near(text: &str, end: usize) -> &str {
    &text[text.floor_char_boundary(end.saturating_sub(NEAR))..end]
}

fn is_of_name(one: char) -> bool {
    one.is_alphanumeric() || "_-.".contains(one)
}

/// The value of a secret's name; none where the word is no such name, or where no value follows it.
fn value_after(text: &str, start: usize, end: usize) -> Option<Place> {
    let word = &text[start..end];
    let name = word.trim_matches('.').trim_end_matches('-');
    let Some(sure) = secret(name) else { return of_client(text, start, end) };
    let before = Before { text: near(text, start), name, sure };
    let value = Value::after(text, end, word.starts_with('-'), &before.until())?;
    // `key="ApiKey" value="…"`
    let is_a_name = name.eq_ignore_ascii_case("key") && secret(value.text).is_some() && has_value(text, value.end);
    (before.takes(&value) && !is_a_name).then_some(Place::of(&value))
}

/// Whether a field `value` follows soon.
fn has_value(text: &str, end: usize) -> bool {
    text[end..text.floor_char_boundary(end + NEAR)].to_ascii_lowercase().contains("value")
}

impl Before<'_> {
    /// What ends the value: a header's and a phrase's has spaces in it.
    fn until(&self) -> Until {
        let is_header = self.is_header();
        let lower = self.name.to_ascii_lowercase();
        let is_phrase = ["phrase", "mnemonic"].iter().any(|word| lower.ends_with(word)) && !lower.starts_with('-');
        match self.text.chars().next_back() {
            Some(quote @ ('"' | '\'')) if is_header => Until::Quote(quote),
            _ if is_header || is_phrase => Until::Line,
            _ => Until::Sign,
        }
    }

    /// Whether a value is one, and no sentence that goes on.
    fn takes(&self, value: &Value) -> bool {
        if value.is_harmless() || self.counts_objects(value) {
            return false;
        }
        let is_password = is_password(self.name);
        match value.sign {
            Sign::Equals => self.sure == Secret::Surely || !self.is_matcher(value),
            Sign::Colon => self.is_quoted(value) || is_password || self.follows_colon(value),
            Sign::Flag => true,
            Sign::Opens => self.text.ends_with('<') || self.sure == Secret::Surely && value.quoted,
            Sign::Is => self.sure == Secret::Surely && value.looks_random(),
            // "password hunter2"; `machine a login b password c`.
            Sign::Space => {
                let is_one = value.quoted || value.looks_random() || self.text.contains("login ");
                is_password && is_one || self.is_header() && value.quoted
            }
        }
    }

    /// Whether it is a header whose value is more than a word.
    fn is_header(&self) -> bool {
        let is = |name: &&str| self.name.eq_ignore_ascii_case(name);
        ["authorization", "proxy-authorization", "cookie", "set-cookie"].iter().any(is)
    }

    /// `"name":` as JSON has it, and no path that ends so.
    fn is_quoted(&self, value: &Value) -> bool {
        value.named && self.text.ends_with(['"', '\'', '`'])
    }

    /// In a quota: `requested: secrets=1`.
    fn counts_objects(&self, value: &Value) -> bool {
        self.name == "secrets" && value.text.chars().all(|c| c.is_ascii_digit())
    }

    /// A label of a query: `http_requests_total{session="a"}`.
    fn is_matcher(&self, value: &Value) -> bool {
        let Some((head, labels)) = self.text.rsplit_once('{') else { return false };
        let is_series = head.ends_with(|c: char| c.is_ascii_alphanumeric() || "_:> ".contains(c));
        value.quoted && is_series && !labels.contains('}') && self.text.ends_with(['{', ',', ' '])
    }

    /// "token: 7hidden" and `{token:hidden}`, and not "anonymous token: unexpected status".
    fn follows_colon(&self, value: &Value) -> bool {
        let line = self.text.rsplit('\n').next().unwrap_or_default().trim_end_matches([' ', '\t']);
        let is_alone = line.is_empty() || line.ends_with([',', ';', '(', '{', '[', '"', '\'', '-', '=']);
        let is_inside = line.rfind(['{', '[']) > line.rfind(['}', ']']);
        let is_identifier = self.name.contains(['_', '-']) || self.name.chars().all(|c| c.is_ascii_uppercase());
        if value.spaced {
            return is_alone || !value.is_word();
        }
        // What an image's tag follows has no space after its colon.
        let is_tag = self.text.ends_with('/') || value.is_version();
        !is_tag && (is_inside || is_identifier || !value.is_word())
    }
}

/// `mysql -phidden`, `redis-cli -a hidden`: of the programs that take it so. `-u user:hidden` of any.
fn of_client(text: &str, start: usize, end: usize) -> Option<Place> {
    let word = &text[start..end];
    if matches!(word, "-u" | "-U" | "--user" | "--proxy-user") {
        let value = Value::after(text, end, true, &Until::Sign)?;
        return is_pair(value.text).then_some(Place::of(&value));
    }
    let flag = ["-p", "-a", "-w", "-u"].into_iter().find(|flag| word.starts_with(flag))?;
    if word.len() > flag.len() {
        let begin = start + flag.len();
        let rest = &text[begin..];
        let length = rest.find(|c: char| c.is_whitespace() || "\"'|;".contains(c)).unwrap_or(rest.len());
        let is_one = if flag == "-u" { is_pair(&rest[..length]) } else { is_of_known(text, start) };
        return is_one.then_some(Place { start: begin, end: begin + length });
    }
    let value = Value::after(text, end, true, &Until::Sign)?;
    is_of_known(text, start).then_some(Place::of(&value))
}

/// A user and a password, and not the numbers of a user and a group.
fn is_pair(text: &str) -> bool {
    text.split_once(':').is_some_and(|(_, password)| password.contains(|c: char| !c.is_ascii_digit()))
}

/// Whether the command whose flag begins here is one of [`CLIENTS`].
fn is_of_known(text: &str, start: usize) -> bool {
    let command = near(text, start).rsplit(['|', ';', '&', '\n']).next().unwrap_or_default();
    command.split(|c: char| c.is_whitespace() || "\"'[],/=".contains(c)).any(|word| CLIENTS.contains(&word))
}

/// What follows the word `Bearer` and its like, where it is no sentence that goes on.
fn credential_after(text: &str, start: usize, end: usize) -> Option<Place> {
    let word = text[start..end].to_ascii_lowercase();
    if !SCHEMES.contains(&word.as_str()) {
        return None;
    }
    let rest = &text[end..];
    let start = end + rest.find(|c: char| c != ' ').filter(|spaces| *spaces > 0)?;
    let is_of_credential = |c: char| c.is_ascii_alphanumeric() || "+/=._~-:".contains(c);
    let length = text[start..].find(|c| !is_of_credential(c)).unwrap_or(text.len() - start);
    let value = text[start..start + length].trim_end_matches(['.', ':']);
    let is_word = value.chars().enumerate().all(|(at, c)| c.is_ascii_lowercase() || c == '-' || at == 0);
    let least = if is_word { 20 } else { 8 };
    (value.len() >= least && !value.contains("://")).then_some(Place { start, end: start + value.len() })
}

#[cfg(test)]
mod tests;
