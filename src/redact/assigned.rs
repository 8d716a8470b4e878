//! Values that follow a secret's name, whatever joins the two: `name=value`, `name: value`, `name -> value`, `"name":"value"`,
//! `--flag value`, headers, elements, prose.

mod fields;
mod joint;
pub mod prose;
mod value;

use super::names::{Secret, is_identifier, is_password, secret};
use joint::{Sign, is_of_element};
use value::{Until, Value};

/// Authentication schemes, which precede a credential: `Authorization: Bearer …`.
const SCHEMES: [&str; 8] = ["apikey", "basic", "bearer", "digest", "negotiate", "ntlm", "splunk", "token"];

/// Words before others that leave no doubt together, even without a sign: "API key hunter2", "PIN code is 123456".
const KINDS: [(&[&str], &[&str]); 3] = [
    (
        &["key", "token"],
        &[
            "access",
            "account",
            "admin",
            "api",
            "auth",
            "bearer",
            "bot",
            "encryption",
            "license",
            "master",
            "private",
            "refresh",
            "root",
            "secret",
            "session",
            "signing",
        ],
    ),
    (&["code"], &["access", "backup", "otp", "pin", "recovery", "security", "time", "verification", "your"]),
    (&["id"], &["session"]),
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
        if fields::is_value(&text[start..end])
            && let Some(value) = fields::value_of(text, start, end)
            && (is_named || fields::is_named_later(text, value.end))
        {
            is_named = false;
            let is_hidden = text[value.start..].starts_with(mark);
            let place = (!is_hidden)
                .then(|| Place { start: value.start, end: value.whole_end(text, start, end, false, &Until::Sign) });
            at = hide(text, &mut kept, &mut from, mark, place, end);
            continue;
        }
        if fields::is_value_of_name(text, start) {
            is_named = secret(&text[start..end]).is_some();
            if is_named && fields::has_value(text, end) {
                at = end;
                continue;
            }
        }
        // `<password value="…"/>`
        if is_of_element(text, start) && secret(&text[start..end]).is_some() {
            is_named = true;
            if joint::joint(text, start, end, false).sign != Sign::Opens {
                at = end;
                continue;
            }
        }
        let found = value_after(text, mark, start, end).or_else(|| credential_after(text, start, end));
        at = hide(text, &mut kept, &mut from, mark, found, end);
    }
    kept.push_str(&text[from..]);
    kept
}

/// Replaces a value that was found, and returns where to continue.
fn hide(text: &str, kept: &mut String, from: &mut usize, mark: &str, found: Option<Place>, end: usize) -> usize {
    let Some(value) = found.filter(|value| value.end > value.start) else { return end };
    kept.push_str(&text[*from..value.start]);
    kept.push_str(mark);
    *from = value.end;
    value.end
}

/// Where a value is in the text.
struct Place {
    start: usize,
    end: usize,
}

/// The text right before a position.
fn near(text: &str, end: usize) -> &str {
    &text[text.floor_char_boundary(end.saturating_sub(NEAR))..end]
}

fn is_of_name(one: char) -> bool {
    one.is_alphanumeric() || "_-.".contains(one)
}

/// The value that follows the word, if the word is a secret's name.
fn value_after(text: &str, mark: &str, start: usize, end: usize) -> Option<Place> {
    let word = &text[start..end];
    let name = word.trim_matches('.').trim_end_matches('-');
    let mut before = Before { text: near(text, start), name, sure: Secret::Surely };
    if !before.is_kind() {
        before.sure = secret(name)?;
    }
    // What is trimmed off may be a part of the sign: `password->x`.
    let end = if word.ends_with('-') { start + word.trim_end_matches('-').len() } else { end };
    let (is_flag, until) = (word.starts_with('-'), before.until());
    let Some(value) = Value::after(text, start, end, is_flag, &until) else {
        return if is_password(name) { prompted(text, end) } else { None };
    };
    // `key="ApiKey" value="…"`
    let is_element = text[value.end..].trim_start_matches(['"', '\'']).starts_with('>');
    let is_a_name = name.eq_ignore_ascii_case("key")
        && secret(value.text).is_some()
        && (is_element || fields::has_value(text, value.end));
    if !before.takes(&value) || is_a_name {
        return None;
    }
    // Of several values the first may be replaced already.
    let is_marked = text[value.start..].starts_with(mark);
    let whole = if is_marked { value.end } else { value.whole_end(text, start, end, is_flag, &until) };
    let last = if is_marked && value.text != mark { whole } else { value.last_end(text, whole) };
    (!is_marked || last > whole).then_some(Place { start: value.start, end: last })
}

/// The answer to a prompt, on a line of its own: `Enter password:` and the next line.
fn prompted(text: &str, end: usize) -> Option<Place> {
    let answer = text[end..].strip_prefix(':')?.trim_start_matches([' ', '\t', '\r']).strip_prefix('\n')?;
    let line = answer.lines().next().unwrap_or_default().trim_end();
    let is_word = !line.contains([' ', '\t']) && !line.ends_with(':') && !prose::is_said(line);
    let start = text.len() - answer.len();
    is_word.then_some(Place { start, end: start + line.len() })
}

impl Before<'_> {
    /// What ends the value: those of headers and phrases contain spaces.
    fn until(&self) -> Until {
        let is_header = self.is_header();
        let lower = self.name.to_ascii_lowercase();
        let is_phrase =
            ["phrase", "mnemonic", "seed"].iter().any(|word| lower.ends_with(word)) && !lower.starts_with('-');
        match self.text.chars().next_back() {
            Some(quote @ ('"' | '\'')) if is_header => Until::Quote(quote),
            _ if is_header || is_phrase || self.is_command() => Until::Line,
            _ if (is_password(self.name) || lower.contains("credential")) && self.line().is_empty() => Until::Field,
            _ => Until::Sign,
        }
    }

    /// Whether this is a value rather than a sentence that continues.
    fn takes(&self, value: &Value) -> bool {
        if value.is_harmless() || self.counts_objects(value) {
            return false;
        }
        let is_password = is_password(self.name);
        let is_sure = self.sure == Secret::Surely || is_password;
        if value.is_structure() && !is_sure && value.text.contains([':', '=']) {
            return value.has_value();
        }
        match value.sign {
            Sign::Equals => self.sure == Secret::Surely || !self.is_matcher(value),
            Sign::Colon => self.takes_after_colon(value, is_password),
            Sign::Arrow => value.quoted || !value.is_said(),
            Sign::Flag => true,
            Sign::Opens => !value.is_said(),
            Sign::Calls => is_sure && (value.quoted || self.is_like(value)),
            Sign::Is => {
                let is_one = is_password && !value.is_said() && (value.is_last || self.name == "IDENTIFIED");
                is_sure && (value.quoted || self.is_like(value)) || is_one
            }
            Sign::Part => self.is_part_of_path(value),
            Sign::Space => self.takes_after_space(value, is_password),
        }
    }

    fn takes_after_colon(&self, value: &Value, is_password: bool) -> bool {
        let is_sentence = value.is_apart() && value.is_said();
        let is_end = self.sure == Secret::Surely && value.is_apart() && value.is_last && !value.text.contains(' ');
        // The name of an object, and a status.
        let is_of_path = self.name == "key" && value.is_apart() && self.text.ends_with('/');
        let is_status = self.sure == Secret::Surely && !is_password && value.is_status() && !self.line().is_empty();
        if is_of_path || is_status {
            return false;
        }
        let is_value = self.is_quoted(value) || is_password || is_end || self.follows_colon(value);
        !is_sentence && is_value || value.is_structure() && self.sure == Secret::Surely
    }

    /// "password hunter2"; `machine a login b password c`; `requirepass c`; `AUTH c`.
    fn takes_after_space(&self, value: &Value, is_password: bool) -> bool {
        if self.is_header() && value.quoted || self.is_command() && !value.is_said() {
            return true;
        }
        // `type="password" name="x"`
        if value.named && value.text.contains('=') {
            return false;
        }
        let is_like = self.is_like(value);
        if is_password {
            return value.quoted || is_like || self.text.contains("login ") || value.is_last && !value.is_said();
        }
        let is_setting = is_identifier(self.name) && (value.quoted || is_like || value.is_last && !value.is_said());
        // Names of objects have hyphens and no capitals.
        let is_object = value.text.contains('-') && !value.text.contains(char::is_uppercase);
        let is_random = value.looks_random() && !is_object && !value.quoted;
        is_setting && !value.text.contains('/')
            || is_random
            || self.is_refused_token() && value.quoted && value.text.len() >= 6
            || (self.is_kind() || self.is_of_pairs()) && is_like
    }

    /// `shop/password/hunter2`, not the page `password/reset` nor "user/password/email".
    fn is_part_of_path(&self, value: &Value) -> bool {
        const USERS: [&str; 5] = ["account", "email", "login", "user", "username"];
        let list = self.text.strip_suffix('/').map(|list| list.rsplit(|c| !is_of_name(c)).next().unwrap_or_default());
        let part = value.text.split(['/', '?', '#']).next().unwrap_or_default();
        let is_word = secret(part).is_some() || fields::is_value(part) || prose::is_said(part) || prose::is_page(part);
        let is_part = is_password(self.name) && self.name.chars().all(char::is_alphabetic);
        is_part && !list.is_some_and(|word| USERS.contains(&word)) && !part.contains('.') && !is_word
    }

    /// Whether the value has what words do not have. Credentials are pairs.
    fn is_like(&self, value: &Value) -> bool {
        self.is_of_pairs() && value.text.contains([':', '/'])
            || prose::is_like_a_value(value.text) && (is_password(self.name) || !value.text.contains('/'))
    }

    fn is_of_pairs(&self) -> bool {
        self.name.to_ascii_lowercase().contains("cred")
    }

    /// "invalid token", which is quoted next.
    fn is_refused_token(&self) -> bool {
        let before = self.text.trim_end().rsplit(' ').next().unwrap_or_default();
        let is_refused = ["bad", "expired", "incorrect", "invalid", "revoked", "unknown", "wrong"].contains(&before);
        self.name.eq_ignore_ascii_case("token") && is_refused
    }

    /// The line up to the name, without its indentation.
    fn line(&self) -> &str {
        let line = self.text.rsplit('\n').next().unwrap_or_default();
        line.trim_matches(|c: char| c.is_whitespace() || "\"'`-#>$+".contains(c))
    }

    /// Whether the line is a command of a protocol, such as Redis' and SMTP's `AUTH`, or FTP's `PASS`.
    fn is_command(&self) -> bool {
        matches!(self.name, "AUTH" | "PASS") && !self.text.ends_with(['_', '-', '.', '='])
    }

    /// Whether the word before the name leaves no doubt: "API key", "access token".
    fn is_kind(&self) -> bool {
        let word = self.text.trim_end_matches([' ', '-', '_']).rsplit(|c| !is_of_name(c)).next().unwrap_or_default();
        let word = word.rsplit('-').next().unwrap_or_default();
        let is = |known: &&str, word: &str| known.eq_ignore_ascii_case(word);
        KINDS.iter().any(|(names, kinds)| {
            names.iter().any(|known| is(known, self.name)) && kinds.iter().any(|known| is(known, word))
        })
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
        if value.is_apart() {
            return is_alone || is_certain || !value.is_word();
        }
        // `/pass:hunter2`
        if self.text.ends_with(" /") {
            return true;
        }
        // An image's tag follows its colon without a space.
        let is_flag_or_field = is_inside || self.name.starts_with('-');
        let is_tag = self.text.ends_with('/') && !self.text.ends_with(" /")
            || value.is_version() && (!is_flag_or_field || value.text.contains('.'));
        !is_tag && (is_inside || is_identifier || !value.is_word())
    }
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
    let is_last = text[start + length..].is_empty() || text[start + length..].starts_with(['"', '\'', '\n', '\\', ']']);
    let least = match (is_word, word.as_str()) {
        (true, "bearer") if !prose::is_said(value) => {
            if is_last {
                1
            } else {
                6
            }
        }
        (true, _) => 20,
        _ if value.contains(|c: char| c.is_ascii_digit()) => 4,
        _ => 8,
    };
    (value.len() >= least && !value.contains("://")).then_some(Place { start, end: start + value.len() })
}

#[cfg(test)]
mod tests;
