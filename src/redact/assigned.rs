//! What follows a secret's name: `name=value`, `name: value`, `"name":"value"`, `--flag value`, a header, a prose word.

use super::names::{Secret, secret};

mod value;

use value::Value;

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
    while let Some(start) = text[at..].find(is_of_name).map(|found| at + found) {
        let end = text[start..].find(|c| !is_of_name(c)).map_or(text.len(), |found| start + found);
        let found = value_after(text, start, end).or_else(|| credential_after(text, start, end));
        match found.filter(|value| !text[value.start..].starts_with(mark)) {
            Some(value) if value.end > value.start => {
                kept.push_str(&text[from..value.start]);
                kept.push_str(mark);
                (from, at) = (value.end, value.end);
            }
            _ => at = end,
        }
    }
    kept.push_str(&text[from..]);
    kept
}

/// Where a value is in the text.
pub struct Place {
    start: usize,
    end: usize,
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
    let value = Value::after(text, end, word.starts_with('-'), before.is_header())?;
    before.takes(&value).then_some(Place { start: value.start, end: value.end })
}

impl Before<'_> {
    /// Whether what follows the colon goes to the end of the line.
    fn is_header(&self) -> bool {
        let header = |name: &&&str| self.name.eq_ignore_ascii_case(name);
        ["authorization", "proxy-authorization", "cookie", "set-cookie"].iter().any(|name| header(&name))
    }

    /// Whether a value is one, and no sentence that goes on.
    fn takes(&self, value: &Value) -> bool {
        if value.is_harmless() || self.counts_objects(value) {
            return false;
        }
        match value.sign {
            "=" | "=>" | ":=" | "==" | "=~" => self.sure == Secret::Surely || !self.is_matcher(value),
            ":" if value.named => true,
            ":" => self.follows_colon(value),
            // A flag, an element of XML.
            "-" | ">" => true,
            // "password hunter2", "the password is hunter2".
            _ => self.sure == Secret::Surely && self.is_password() && value.looks_random(),
        }
    }

    /// In a quota: `requested: secrets=1`.
    fn counts_objects(&self, value: &Value) -> bool {
        self.name == "secrets" && value.text.chars().all(|c| c.is_ascii_digit())
    }

    /// A label of a query: `http_requests_total{session="a"}`.
    fn is_matcher(&self, value: &Value) -> bool {
        let Some((head, labels)) = self.text.rsplit_once('{') else { return false };
        let is_series = head.ends_with(|c: char| c.is_ascii_alphanumeric() || "_:>".contains(c)) || head.ends_with(' ');
        value.quoted && is_series && !labels.contains('}') && self.text.ends_with(['{', ',', ' '])
    }

    /// "the password: hidden", "token: 7hidden", and not "anonymous token: unexpected status".
    fn follows_colon(&self, value: &Value) -> bool {
        let is_identifier = self.name.contains(['_', '-']) || self.name.chars().all(|c| c.is_ascii_uppercase());
        if self.is_password() || is_identifier && !value.is_word() {
            return true;
        }
        let line = self.text.rsplit('\n').next().unwrap_or_default().trim_end_matches([' ', '\t']);
        let alone = line.is_empty() || line.ends_with([',', ';', '(', '{', '[', '"', '\'', '-']);
        match (value.spaced, is_identifier) {
            (true, true) => alone || !value.is_word(),
            (true, false) => alone && !self.text.ends_with(['.', ']']) || !value.is_word(),
            // What an image's tag follows has no space after its colon.
            (false, _) => !self.text.ends_with('/') && !value.is_version() && (is_identifier || !value.is_word()),
        }
    }

    fn is_password(&self) -> bool {
        let name = self.name.to_ascii_lowercase();
        ["password", "passwd", "passphrase", "pwd", "apikey", "api-key", "api_key"]
            .iter()
            .any(|word| name.contains(word))
    }
}

/// `mysql -phidden`, `redis-cli -a hidden`, `curl -u user:hidden`: of the programs that take it so; `-u a:b` of any.
fn of_client(text: &str, start: usize, end: usize) -> Option<Place> {
    let word = &text[start..end];
    let flag = ["-p", "-a", "-w", "-u", "-U"].into_iter().find(|flag| word.starts_with(flag))?;
    let command = near(text, start).rsplit(['|', ';', '&', '\n']).next().unwrap_or_default();
    let mut words = command.split(|c: char| c.is_whitespace() || "\"'[],/".contains(c));
    let known = words.any(|word| CLIENTS.contains(&word));
    let value = if word.len() > flag.len() {
        let begin = start + flag.len();
        let rest = &text[begin..];
        let length = rest.find(|c: char| c.is_whitespace() || "\"'|;".contains(c)).unwrap_or(rest.len());
        Place { start: begin, end: begin + length }
    } else {
        let value = Value::after(text, end, true, false)?;
        Place { start: value.start, end: value.end }
    };
    let user = &text[value.start..value.end];
    let is_pair = user.split_once(':').is_some_and(|(_, password)| password.contains(|c: char| !c.is_ascii_digit()));
    match flag {
        "-u" | "-U" => (is_pair && word.len() == flag.len()).then_some(value),
        _ => known.then_some(value),
    }
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
