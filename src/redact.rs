//! Which environment variables look like secrets.
//!
//! The service is made to be reached from the internet, so it errs on the side of hiding: a harmless variable shown
//! as `[redacted]` costs a look at `--help`, a published password costs more.

/// What stands in the place of a hidden value.
pub const REDACTED: &str = "[redacted]";

/// A variable whose name contains one of these is hidden, in any spelling of upper and lower case.
const SECRET_NAMES: [&str; 21] = [
    "APIKEY",
    "AUTH",
    "BEARER",
    "CONNECTION_STRING",
    "CONN_STR",
    "COOKIE",
    "CREDENTIAL",
    "CREDS",
    "DSN",
    "HEADERS",
    "JWT",
    "KEY",
    "PASS",
    "PRIVATE",
    "PWD",
    "SALT",
    "SECRET",
    "SESSION",
    "SIGNATURE",
    "TOKEN",
    "WEBHOOK",
];

/// Names that contain one of [`SECRET_NAMES`] and are known to hold a path, not a secret.
const HARMLESS_NAMES: [&str; 2] = ["PWD", "OLDPWD"];

/// A value in which one of these words is followed by `=` or `:`, as in a query, a connection string or JSON, carries a
/// secret under whatever name.
const SECRET_WORDS: [&str; 12] = [
    "accesskey",
    "accountkey",
    "api-key",
    "api_key",
    "apikey",
    "authorization",
    "passwd",
    "password",
    "pwd",
    "secret",
    "sig",
    "token",
];

/// A value that contains one of these, in any spelling, carries a secret under whatever name.
const SECRET_PHRASES: [&str; 4] = ["-----begin", "basic ", "bearer ", "hooks.slack.com/"];

/// A value that starts with one of these is a credential by its issuer's own prefix.
const SECRET_PREFIXES: [&str; 21] = [
    "AIza",
    "AKIA",
    "ASIA",
    "SG.",
    "dckr_pat_",
    "eyJ",
    "gho_",
    "ghp_",
    "ghr_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "hf_",
    "hvs.",
    "npm_",
    "rk_",
    "sk-",
    "sk_",
    "whsec_",
    "xox",
];

/// Whether a variable's value is to be hidden, by its name or by its value.
pub fn is_secret(name: &str, value: &str) -> bool {
    is_secret_name(name) || is_secret_value(value)
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    !HARMLESS_NAMES.contains(&name.as_str()) && SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

fn is_secret_value(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    has_user_info(value)
        || SECRET_PREFIXES.iter().any(|prefix| value.starts_with(prefix))
        || SECRET_PHRASES.iter().any(|phrase| lower.contains(phrase))
        || SECRET_WORDS.iter().any(|word| is_assigned(&lower, word))
}

/// Whether a word is followed by `=` or `:`, with nothing but quotes and spaces between.
fn is_assigned(text: &str, word: &str) -> bool {
    let is_sign = |rest: &str| rest.trim_start_matches(['"', '\'', ' ', '\\']).starts_with(['=', ':']);
    text.match_indices(word).any(|(at, _)| is_sign(&text[at + word.len()..]))
}

/// `scheme://user:password@host`, and the Go driver's `user:password@tcp(host)`. Looks for the `@` beyond the first
/// `/` too: a password that nobody escaped may contain one.
fn has_user_info(value: &str) -> bool {
    let rest = value.split_once("://").map_or(value, |(_scheme, rest)| rest);
    match rest.rsplit_once('@') {
        Some((user_info, _host)) => rest.len() < value.len() || user_info.contains(':'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_name() {
        for name in [
            "AWS_SECRET_ACCESS_KEY",
            "api_key",
            "ApiKey",
            "GITHUB_TOKEN",
            "DB_PASSWORD",
            "MYSQL_PWD",
            "PGPASSFILE",
            "SENTRY_DSN",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "TLS_PRIVATE",
            "HTTP_COOKIE",
            "BASIC_AUTH",
        ] {
            assert!(is_secret(name, "x"), "{name}");
        }
    }

    #[test]
    fn secrets_are_known_by_value() {
        for value in [
            "postgres://app:hunter2@db:5432/shop",
            "https://0a1b2c@sentry.example/1",
            "amqp://u:p/w@mq/",
            "app:hunter2@tcp(db:3306)/shop",
            "Server=db;User=sa;Password=hunter2",
            "https://x.example/?token=abc",
            "api-key=abc",
            r#"{"password":"hunter2"}"#,
            r#"{"client_secret": "x"}"#,
            "Authorization: Basic eDp5",
            "https://hooks.slack.com/services/T0/B0/x",
            "sk_live_x",
            "AIzaSyA",
            "https://x.example/?sv=1&sig=abc",
            "-----BEGIN RSA PRIVATE KEY-----",
            "eyJhbGciOiJIUzI1NiJ9.e30.abc",
            "AKIAIOSFODNN7EXAMPLE",
        ] {
            assert!(is_secret("SETTING", value), "{value}");
        }
    }

    #[test]
    fn what_a_pod_really_has_is_shown() {
        for (name, value) in [
            ("HOME", "/root"),
            ("PATH", "/usr/local/bin:/usr/bin"),
            ("PWD", "/srv/app"),
            ("OLDPWD", "/"),
            ("HOSTNAME", "shopfront-deploy-7d94b56f44-fblvd"),
            ("KUBERNETES_PORT", "tcp://172.20.0.1:443"),
            ("KUBERNETES_PORT_443_TCP_PORT", "443"),
            ("SHOPFRONT_SVC_SERVICE_HOST", "172.20.4.7"),
            ("MAIL_FROM", "shop@example.com"),
            ("EMPTY", ""),
        ] {
            assert!(!is_secret(name, value), "{name}={value}");
        }
    }
}
