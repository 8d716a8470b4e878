//! What may be secret within a text: of an argument, a URL, or a line of a log.

use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

use super::LEFT_OUT;

/// Parts of names whose values are secrets, without what separates words.
const SECRET: [&str; 20] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "basicauth",
    "accountkey",
    "encryptionkey",
    "licensekey",
    "signingkey",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "authorization",
    "header",
    "cookie",
    "queryparameters",
    "connectionstring",
];

/// What stands behind a secret's name, as a pattern.
const VALUE: &str = r#"["']?[^\s"',;&(][^\s"',;&]*"#;

/// Whether a name is one that secrets have; a file or an object that holds one is none itself.
pub fn is_secret(name: &str) -> bool {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).map(|one| one.to_ascii_lowercase()).collect();
    let holds = name.ends_with("file") || name.ends_with("name");
    let ends = ["dsn", "pass"].iter().any(|end| name.ends_with(end));
    let is_one = name.starts_with("connection") || ends || name == "endpointparams";
    !holds && (is_one || SECRET.iter().any(|secret| name.contains(secret)))
}

/// `--token=x`, `--token` with `x` after it, and a command for a shell that has either.
pub fn arguments(arguments: &mut [Value]) {
    let mut after_a_secret = false;
    for argument in arguments {
        let Some(text) = argument.as_str() else { continue };
        let (name, value) = named(text);
        let flag = name.starts_with('-');
        // Where a shell's words end is the shell's to tell.
        let command =
            text.contains(char::is_whitespace) && text.split_whitespace().any(|word| is_secret(named(word).0));
        let replaced = match value {
            Some(_) if is_secret(name) => format!("{name}={LEFT_OUT}"),
            _ if command => LEFT_OUT.to_owned(),
            None if after_a_secret && !flag => LEFT_OUT.to_owned(),
            _ => without_passwords(text),
        };
        after_a_secret = flag && is_secret(name) && value.is_none();
        *argument = replaced.into();
    }
}

fn named(word: &str) -> (&str, Option<&str>) {
    word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)))
}

/// URLs without their users and their queries.
pub fn without_users(text: &str) -> String {
    let ends = |one: char| one.is_whitespace() || "\"`<>\\".contains(one);
    let mut parts = text.split("://");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let whole = &part[..part.find(ends).unwrap_or(part.len())];
        // A password may hold one that ends other URLs.
        let end = if whole.contains('@') { None } else { whole.find('\'') };
        let (url, after) = part.split_at(end.unwrap_or(whole.len()));
        kept.push_str("://");
        kept.push_str(without_user(url));
        kept.push_str(after);
    }
    kept
}

/// What follows a URL's user, up to its query; nothing of it where it cannot be told where the user ends.
fn without_user(url: &str) -> &str {
    let (first, later) = url.split_at(url.find(['/', '?', '#', ',']).unwrap_or(url.len()));
    // An image's digest is no host.
    let hosts = later.matches('@').count() - later.matches("@sha256:").count();
    let is_port = |text: &str| text.chars().all(|one| one.is_ascii_digit());
    let start = match (first.rfind('@'), first.rsplit_once(':'), hosts) {
        (Some(at), _, 0) => at + 1,
        (None, None, _) | (None, _, 0) => 0,
        // A password that is written as it is may hold what ends a host, and that of an address stands in brackets.
        (None, Some((_, rest)), 1) if !is_port(rest) && !first.starts_with('[') => {
            url.rfind('@').map_or(0, |at| at + 1)
        }
        _ => return LEFT_OUT,
    };
    url[start..].split_once('?').map_or(&url[start..], |(kept, _)| kept)
}

/// The same, and `user:password@` before any host, and what follows a secret's name: for texts that are no queries.
pub fn without_passwords(text: &str) -> String {
    static USER: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(^|[\s"'=,(])[^\s:/@"'=,(]+:[^\s@"'/][^\s@"']*@([^\s"']*)"#).expect("it is a pattern")
    });
    static NAMED: LazyLock<Regex> = LazyLock::new(|| {
        let name = r"[\w-]*(?:(?:password|passwd|token|secret|api-?key)[\w-]*|pass)";
        Regex::new(&format!(
            r#"(?i)({name}(?:["']?\s*=\s*|["']\s*:\s*)){VALUE}|((?:bearer|basic)\s+)[\w+/=.~-]{{12,}}"#
        ))
        .expect("it is a pattern")
    });
    // What an image's tag follows has no space after its colon.
    static SAID: LazyLock<Regex> = LazyLock::new(|| {
        let name = r"[\w-]*(?:(?P<password>password|passwd)[ \t]*:[ \t]*|(?:pass|secret|token)[ \t]*:[ \t]+)";
        Regex::new(&format!(r"(?im)(?P<before>(?P<alone>(?:^|[,;({{\[])[ \t]*)?{name})(?P<value>{VALUE})"))
            .expect("it is a pattern")
    });
    let text = without_users(text);
    // An image's digest is no host.
    let text = USER.replace_all(&text, |found: &Captures| {
        if found[2].starts_with("sha256:") { found[0].to_owned() } else { format!("{}{}", &found[1], &found[2]) }
    });
    let text = NAMED.replace_all(&text, format!("${{1}}${{2}}{LEFT_OUT}"));
    let text = SAID.replace_all(&text, |found: &Captures| {
        // "failed to fetch anonymous token: unexpected status": a word that goes on with what is told.
        let is_word = found["value"].trim_end_matches(':').chars().all(char::is_alphabetic);
        let is_value = found.name("password").or(found.name("alone")).is_some() || !is_word;
        if is_value { format!("{}{LEFT_OUT}", &found["before"]) } else { found[0].to_owned() }
    });
    text.into_owned()
}
