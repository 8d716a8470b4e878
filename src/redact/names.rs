//! Which names of variables, fields, flags and headers belong to secrets.

/// How certain a name is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Secret {
    /// Only secrets have such a name.
    Surely,
    /// Metric labels and plain sentences use the word too.
    Maybe,
}

/// Parts of a name, with the separators between its words removed, that mean nothing else even in a sentence. The last ones
/// are "password" in other languages.
const PASSWORDS: [&str; 23] = [
    "apikey",
    "contrasena",
    "heslo",
    "hasło",
    "jelszó",
    "lösenord",
    "motdepasse",
    "passphrase",
    "passwd",
    "password",
    "pswd",
    "salasana",
    "şifre",
    "contraseña",
    "kennwort",
    "passwort",
    "wachtwoord",
    "пароль",
    "口令",
    "密码",
    "密碼",
    "パスワード",
    "비밀번호",
];

/// Parts of a name that leave no doubt, except for "token" and "secret" in a sentence.
const SURE: [&str; 18] = [
    "accesskey",
    "accountkey",
    "appkey",
    "backupcode",
    "authorization",
    "clientkey",
    "connectionstring",
    "credential",
    "encryptionkey",
    "licensekey",
    "masterkey",
    "mnemonic",
    "privatekey",
    "recoverycode",
    "secret",
    "sharedkey",
    "signingkey",
    "token",
];

/// Whole words of a name that are less certain.
const WORDS: [&str; 55] = [
    "assertion",
    "auth",
    "auths",
    "bearer",
    "clave",
    "conn",
    "connection",
    "cookie",
    "cookies",
    "cred",
    "creds",
    "csrf",
    "dockerconfigjson",
    "dsn",
    "headers",
    "hmac",
    "identified",
    "jwt",
    "key",
    "keys",
    "kubeconfig",
    "licence",
    "license",
    "literal",
    "mfa",
    "netrc",
    "otp",
    "parola",
    "pass",
    "passcode",
    "passe",
    "passkey",
    "pat",
    "pepper",
    "phrase",
    "pin",
    "private",
    "psk",
    "psw",
    "pw",
    "pwd",
    "refresh",
    "salt",
    "sas",
    "seed",
    "senha",
    "session",
    "sid",
    "sig",
    "signature",
    "totp",
    "verifier",
    "webhook",
    "webhooks",
    "xsrf",
];

/// Endings of compound words: `dbpass`, `PHPSESSID`, `basicauth`.
const ENDS: [&str; 14] = [
    "auth",
    "authtok",
    "cookie",
    "creds",
    "jwt",
    "pass",
    "passw",
    "psw",
    "pw",
    "pwd",
    "pword",
    "sessid",
    "sessionid",
    "webhook",
];

/// Words with such an ending that do not name a secret.
const HARMLESS: [&str; 4] = ["bypass", "compass", "encompass", "trespass"];

/// Words that end in `key` and do not name a secret; others, such as `querykey`, may.
const NO_KEYS: [&str; 26] = [
    "annotationkey",
    "cachekey",
    "dockey",
    "donkey",
    "flunkey",
    "foreignkey",
    "hashkey",
    "hockey",
    "hotkey",
    "jockey",
    "labelkey",
    "lackey",
    "matchlabelkeys",
    "mismatchlabelkeys",
    "monkey",
    "partitionkey",
    "primarykey",
    "pubkey",
    "publickey",
    "rowkey",
    "shardkey",
    "sortkey",
    "sourcekey",
    "topologykey",
    "turkey",
    "whiskey",
];

/// Last words of names that describe a secret rather than hold it: its file, its lifetime, its count.
const ABOUT: [&str; 41] = [
    "algorithm",
    "bucket",
    "bytes",
    "class",
    "count",
    "dir",
    "enabled",
    "expires",
    "expiry",
    "file",
    "host",
    "interval",
    "length",
    "limit",
    "max",
    "min",
    "minute",
    "mode",
    "name",
    "namespace",
    "path",
    "policy",
    "port",
    "rate",
    "ratio",
    "reason",
    "ref",
    "second",
    "seconds",
    "selector",
    "size",
    "sock",
    "state",
    "status",
    "sum",
    "timeout",
    "total",
    "ttl",
    "type",
    "version",
    "window",
];

/// Whether a name may belong to a secret.
pub fn is_secret_name(name: &str) -> bool {
    secret(name).is_some()
}

/// Whether a name belongs to a password or an API key, for which prose has no other use.
pub fn is_password(name: &str) -> bool {
    let words = words(name);
    let (joined, last) = (words.concat(), words.last().map_or("", String::as_str));
    let ends = ["passw", "pass", "psw", "pw", "pwd", "pword"].iter().any(|end| last.ends_with(end));
    let is_one = ends && last != "pass" && !HARMLESS.contains(&last) || joined == "identified";
    is_one || PASSWORDS.iter().any(|part| joined.contains(part))
}

/// Whether a name is an identifier, as no word of a sentence is: `DB_PASSWORD`, `apiKey`, `requirepass`, `AUTH`.
pub fn is_identifier(name: &str) -> bool {
    let words = words(name);
    let is_compound = |word: &String| {
        let ends = ENDS.iter().any(|end| word.ends_with(end) && word != end);
        (ends || word.ends_with("key") && word != "key") && !HARMLESS.contains(&word.as_str())
    };
    let is_kebab = name.contains('-') && !name.starts_with('-') && !name.contains(char::is_uppercase);
    let is_capital = name.len() > 2 && !name.contains(char::is_lowercase) && name.contains(char::is_alphabetic);
    !is_kebab && (words.len() > 1 || is_capital || words.iter().any(is_compound))
}

/// Whether a name belongs to a secret, and how certain that is.
pub fn secret(name: &str) -> Option<Secret> {
    let words = words(name);
    if words.last().is_none_or(|last| ABOUT.contains(&last.as_str())) {
        return None;
    }
    let joined = words.concat();
    if NO_KEYS.contains(&joined.as_str()) {
        return None;
    }
    if PASSWORDS.iter().chain(&SURE).any(|part| joined.contains(part)) {
        return Some(Secret::Surely);
    }
    words.iter().any(|word| is_secret_word(word)).then_some(Secret::Maybe)
}

fn is_secret_word(word: &str) -> bool {
    let ends = || ENDS.iter().any(|end| word.ends_with(end)) && !HARMLESS.contains(&word);
    let is_key = || word.ends_with("key") && !NO_KEYS.contains(&word);
    WORDS.contains(&word) || ends() || is_key()
}

/// The words of a name in lower case, without trailing digits: `API_KEY2` and `apiKey` are both `api`, `key`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let chars: Vec<char> = name.chars().collect();
    for (at, one) in chars.iter().enumerate() {
        let before = at.checked_sub(1).map_or('_', |before| chars[before]);
        let next_is_lower = chars.get(at + 1).is_some_and(char::is_ascii_lowercase);
        let begins = one.is_ascii_uppercase() && (!before.is_ascii_uppercase() || next_is_lower);
        if begins || !one.is_alphanumeric() {
            words.push(String::new());
        }
        if one.is_alphanumeric() {
            words.last_mut().expect("there is one at least").extend(one.to_lowercase());
        }
    }
    let trimmed = words.iter().map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned());
    trimmed.filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Secret, secret, words};

    #[test]
    fn words_end_at_separators_and_at_capitals() {
        for (name, expected) in [
            ("API_KEY2", vec!["api", "key"]),
            ("apiKey", vec!["api", "key"]),
            ("X-Amz-Signature", vec!["x", "amz", "signature"]),
            ("HTTPAuthToken", vec!["http", "auth", "token"]),
            ("connect.sid", vec!["connect", "sid"]),
            ("--", vec![]),
        ] {
            assert_eq!(words(name), expected, "{name}");
        }
    }

    #[test]
    fn whole_words_decide_whether_a_name_belongs_to_a_secret() {
        for name in ["DB_PASSWORD", "apiKey", "GITHUB_TOKEN", "PGPASSWORD", "appkey", "ConnectionStrings__Default"] {
            assert!(secret(name).is_some(), "{name}");
        }
        assert_eq!(secret("client_secret"), Some(Secret::Surely));
        for name in ["DB_PW", "USER_PIN", "dbpass", "PHPSESSID", "queryKey", "BASIC_AUTH", "SLACK_WEBHOOK_URL", "SEED"]
        {
            assert_eq!(secret(name), Some(Secret::Maybe), "{name}");
        }
        for name in [
            "AUTHOR",
            "KEYBOARD",
            "MONKEY",
            "turkey",
            "COMPASS_URL",
            "BYPASS_CACHE",
            "tls_private_key_file",
            "secretName",
            "session_requests_total",
            "PASSENGER_MAX_POOL_SIZE",
            "",
        ] {
            assert_eq!(secret(name), None, "{name}");
        }
    }
}
