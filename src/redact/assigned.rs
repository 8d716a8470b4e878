//! Values that follow a secret's name: `name=value`, `name: value`, `"name":"value"`, `--flag value`, headers, prose.

mod value;

use super::names::{Secret, is_password, secret};
use value::{Sign, Until, Value};

/// Authentication schemes, which precede a credential: `Authorization: Bearer …`.
const SCHEMES: [&str; 8] = ["apikey", "basic", "bearer", "digest", "negotiate", "ntlm", "splunk", "token"];

/// Programs whose flags `-p`, `-a` or `-w` take a password; with others they take a port or a path.
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

/// How many bytes before or after a name are examined, which limits the time.
const NEAR: usize = 1000;

/// The context of a value.
struct Before<'a> {
    /// The text right before the name.
    text: &'a str,
    /// The name.
    name: &'a str,
    /// How certain it is that the name belongs to a secret.
    sure: Secret,
}

/// Replaces each value that follows a secret's name with `mark`.
pub fn without_values(text: &str, mark: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let (mut from, mut at) = (0, 0);
    // In a list of variables the name is a field's value: `name: API_KEY`, followed by `value: …`.
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

/// Replaces a value that was found, and returns where to continue.
fn hide(text: &str, mark: &str, kept: &mut String, from: &mut usize, found: Option<Place>, end: usize) -> usize {
    let Some(value) = found.filter(|value| value.end > value.start && !text[value.start..].starts_with(mark)) else {
        return end;
    };
    kept.push_str(&text[*from..value.start]);
    kept.push_str(mark);
    *from = value.end;
    value.end
}

/// Whether the value of a field `name` or `key` starts here.
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

/// The text right before a position.
fn near(text: &str, end: usize) -> &str {
    &text[text.floor_char_boundary(end.saturating_sub(NEAR))..end]
}

fn is_of_name(one: char) -> bool {
    one.is_alphanumeric() || "_-.".contains(one)
}

/// The value that follows the word, if the word is a secret's name.
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

/// Whether a field `value` follows.
fn has_value(text: &str, end: usize) -> bool {
    text[end..text.floor_char_boundary(end + NEAR)].to_ascii_lowercase().contains("value")
}

impl Before<'_> {
    /// What ends the value: those of headers and phrases contain spaces.
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

    /// Whether this is a value rather than a sentence that continues.
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

    /// Whether the name is a header whose value has several words.
    fn is_header(&self) -> bool {
        let is = |name: &&str| self.name.eq_ignore_ascii_case(name);
        ["authorization", "proxy-authorization", "cookie", "set-cookie"].iter().any(is)
    }

    /// Whether the name is in quotes as in JSON, rather than the end of a quoted path.
    fn is_quoted(&self, value: &Value) -> bool {
        value.named && self.text.ends_with(['"', '\'', '`'])
    }

    /// Whether this is a quota's count of Secrets: `requested: secrets=1`.
    fn counts_objects(&self, value: &Value) -> bool {
        self.name == "secrets" && value.text.chars().all(|c| c.is_ascii_digit())
    }

    /// Whether this is a label in a query: `http_requests_total{session="a"}`.
    fn is_matcher(&self, value: &Value) -> bool {
        let Some((head, labels)) = self.text.rsplit_once('{') else { return false };
        let is_series = head.ends_with(|c: char| c.is_ascii_alphanumeric() || "_:> ".contains(c));
        value.quoted && is_series && !labels.contains('}') && self.text.ends_with(['{', ',', ' '])
    }

    /// Whether the value after a colon is one: in "token: 7hidden" and `{token:hidden}`, not in "anonymous token: unexpected
    /// status".
    fn follows_colon(&self, value: &Value) -> bool {
        let line = self.text.rsplit('\n').next().unwrap_or_default().trim_end_matches([' ', '\t']);
        let is_alone = line.is_empty() || line.ends_with([',', ';', '(', '{', '[', '"', '\'', '-', '=']);
        let is_inside = line.rfind(['{', '[']) > line.rfind(['}', ']']);
        let is_identifier = self.name.contains(['_', '-']) || self.name.chars().all(|c| c.is_ascii_uppercase());
        let is_certain = self.sure == Secret::Surely && self.name.contains(['_', '-']);
        if value.spaced {
            return is_alone || is_certain || !value.is_word();
        }
        // An image's tag follows its colon without a space.
        let is_tag = self.text.ends_with('/') || value.is_version();
        !is_tag && (is_inside || is_identifier || !value.is_word())
    }
}

/// Passwords in short flags: `mysql -phidden`, `redis-cli -a hidden`, and `-u user:hidden` of any program.
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

/// Whether this is a user and a password rather than the numeric ids of a user and a group.
fn is_pair(text: &str) -> bool {
    text.split_once(':').is_some_and(|(_, password)| password.contains(|c: char| !c.is_ascii_digit()))
}

/// Whether the command whose flag starts here is one of [`CLIENTS`].
fn is_of_known(text: &str, start: usize) -> bool {
    let command = near(text, start).rsplit(['|', ';', '&', '\n']).next().unwrap_or_default();
    command.split(|c: char| c.is_whitespace() || "\"'[],/=".contains(c)).any(|word| CLIENTS.contains(&word))
}

/// The credential that follows a word such as `Bearer`, unless a sentence continues there.
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
