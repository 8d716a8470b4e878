//! Tells a value from a sentence that goes on.

/// Words that say something of a secret instead of being one.
#[rustfmt::skip]
const SAID: [&str; 243] = [
    "a", "above", "absent", "accepted", "access", "accessible", "after", "again", "all", "allowed", "already", "also",
    "an", "and", "anonymous", "any", "are", "argument", "at", "attempt", "attempts", "auth", "authentication",
    "authorization", "available", "based", "be", "because", "been", "before", "being", "below", "bucket", "buckets",
    "but", "by", "can", "canceled", "cancelled", "cannot", "change", "changed", "changes", "check", "closed", "code",
    "combination", "complexity", "config", "configuration", "configured", "contains", "could", "couldn", "created",
    "credential", "credentials", "data", "deleted", "denied", "deprecated", "did", "didn", "disabled", "does", "doesn",
    "empty", "enabled", "encrypted", "entered", "env", "environment", "eof", "error", "exceeded", "exists", "expire",
    "expired", "expires", "expiry", "failed", "failure", "field", "file", "files", "first", "for", "forbidden",
    "format", "found", "from", "generated", "generator", "given", "had", "has", "hash", "hashed", "hashing", "have",
    "header", "here", "if", "in", "incorrect", "input", "instead", "into", "invalid", "is", "isn", "issued", "it",
    "its", "key", "keys", "leaked", "length", "let", "link", "login", "logon", "long", "malformed", "manager", "may",
    "mechanism", "method", "mismatch", "missing", "mount", "mounted", "must", "name", "needed", "needs", "new", "no",
    "not", "null", "of", "off", "old", "on", "only", "optional", "or", "our", "out", "over", "parameter", "password",
    "passwords", "per", "plugin", "policy", "prompt", "protected", "provided", "provider", "read", "ready", "realm",
    "received", "refresh", "refreshed", "refused", "rejected", "removed", "renewed", "request", "required", "requires",
    "reset", "revoked", "rotated", "rotation", "rule", "rules", "scheme", "second", "secret", "server", "service",
    "set", "short", "should", "skipped", "soon", "specified", "still", "store", "stored", "strength", "string",
    "strong", "supported", "than", "that", "the", "then", "there", "this", "timed", "timeout", "to", "token", "tokens",
    "too", "type", "unauthorized", "unavailable", "unchanged", "undefined", "under", "unexpected", "unknown", "unset",
    "unsupported", "updated", "use", "used", "user", "username", "valid", "value", "variable", "via", "volume", "was",
    "weak", "were", "when", "which", "whose", "will", "with", "within", "without", "wrong", "yet", "you", "your",
];

/// Pages and files that have `password` before them in their path, and what else prose joins to it.
#[rustfmt::skip]
const PAGES: [&str; 20] = [
    "account", "certificate", "confirm", "confirmation", "database", "db", "edit", "email", "forgot", "forgotten", "group",
    "host", "index", "recover", "recovery", "shadow", "ssh", "submit", "update", "verify",
];

/// Whether it is a page rather than a password where it follows `password/`.
pub fn is_page(part: &str) -> bool {
    PAGES.contains(&part.trim_end_matches([':', ',', ';', ')']).to_ascii_lowercase().as_str())
}

/// Whether it is a word that a sentence about a secret goes on with.
pub fn is_said(value: &str) -> bool {
    let word = value.split(['\'', '’']).next().unwrap_or_default().trim_end_matches(['.', ',', ':', ';', '!', ')']);
    let is_word = word.chars().all(|c| c.is_ascii_alphabetic());
    is_word && SAID.binary_search(&word.to_ascii_lowercase().as_str()).is_ok()
}

/// How much of a value is compared with words, which limits the time.
const READ: usize = 200;

/// Whether it has what words do not have: a digit, a sign, or a capital within.
pub fn is_like_a_value(value: &str) -> bool {
    let value = value[..value.floor_char_boundary(READ)].trim_end_matches(['.', ',', ':', ';', ')']);
    let is_sign = |c: char| c.is_ascii_digit() || "!@#$%^&*+=~?".contains(c);
    let has_capital = value.chars().skip(1).any(|c| c.is_ascii_uppercase()) && value.contains(char::is_lowercase);
    let is_place = value.starts_with(['/', '.', '<']) || value.contains("://");
    !is_place && (value.contains(is_sign) || has_capital)
}

/// Whether a text has at most as many words as a name and what it is of.
pub fn is_short(text: &str) -> bool {
    text.split_whitespace().count() <= 4
}

#[cfg(test)]
mod tests {
    use super::{SAID, is_like_a_value, is_said};

    #[test]
    fn words_of_a_sentence_are_no_values() {
        assert!(SAID.is_sorted());
        for word in ["expired", "Missing", "not", "isn't", "unauthorized,"] {
            assert!(is_said(word) && !is_like_a_value(word), "{word}");
        }
        for value in ["hunter2", "x!y", "hunterTwo", "123456"] {
            assert!(!is_said(value) && is_like_a_value(value), "{value}");
        }
        assert!(!is_like_a_value("/etc/tls/1") && !is_like_a_value("http://x:1"));
    }
}
