//! Words that look like secrets, whatever precedes them.

use super::issuers;

/// How key material starts in base64: a PEM block, bare PKCS#8 and PKCS#1, an `OpenSSH` key.
const KEYS: [&str; 6] = ["LS0tLS1CRUdJTi", "LS0tLSBCRUdJTi", "MIIE", "MIIC", "MC4CAQAwBQYDK2V", "b3BlbnNzaC1rZXktdj"];

/// Names do not have this many random letters and digits.
const RANDOM: usize = 20;

/// The minimum length of a password's hash and its parameters.
const HASH: usize = 12;

/// Only the start of a longer word is examined, which limits the time.
const LONGEST: usize = 512;

/// This many hexadecimal digits, 128 bits, are a key too.
const HEXADECIMAL: usize = 32;

/// Replaces each such word with `mark`.
pub fn without_tokens(text: &str, mark: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(one) = text[at..].chars().next() {
        if let Some(length) = token(text, at) {
            kept.push_str(mark);
            // The full stop of a sentence is not part of it.
            at += text[at..at + length].trim_end_matches('.').len();
        } else {
            kept.push(one);
            at += one.len_utf8();
        }
    }
    kept
}

/// The length of the secret that starts at this position, if one does.
fn token(text: &str, at: usize) -> Option<usize> {
    let hash = || hash(text, at).or_else(|| of_a_bot(text, at));
    issuers::credential(text, at).or_else(hash).or_else(|| random(text, at))
}

/// A password's hash as `crypt` writes it, `$2b$12$…`, or as LDAP does, `{SSHA}…`.
fn hash(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    let (scheme, closing) = match rest.chars().next()? {
        '$' => (part(&rest[1..], |c| c.is_ascii_alphanumeric() || c == '-'), '$'),
        '{' => (part(&rest[1..], |c| c.is_ascii_uppercase() || c.is_ascii_digit()), '}'),
        _ => return None,
    };
    let value = rest[1 + scheme.len()..].strip_prefix(closing).filter(|_| !scheme.is_empty())?;
    let value = part(value, |c| c.is_ascii_alphanumeric() || "./$=,+-".contains(c));
    let value = value.trim_end_matches([',', '.']);
    (value.len() >= HASH).then_some(2 + scheme.len() + value.len())
}

/// Telegram's `123456789:AAE…`: a bot's number and its token.
fn of_a_bot(text: &str, at: usize) -> Option<usize> {
    // Only where the number starts: else a long one would be read once for each of its digits.
    if text[..at].ends_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let rest = &text[at..];
    let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|digits| *digits >= 6)?;
    let token = rest[digits..].strip_prefix(':')?;
    let length = token.find(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c)).unwrap_or(token.len());
    (length >= 20 && token[..length].contains(|c: char| c.is_ascii_alphabetic())).then_some(digits + 1 + length)
}

/// A random word of letters and digits, or of base64. Names consist of words, and digests say what they are.
fn random(text: &str, at: usize) -> Option<usize> {
    let before = text[..at].chars().next_back();
    if before.is_some_and(|c| c.is_ascii_alphanumeric()) || text[..at].ends_with("sha256:") {
        return None;
    }
    let rest = &text[at..];
    let start = &rest[..rest.floor_char_boundary(LONGEST)];
    if !before.is_some_and(is_of_base64) && !start.starts_with('/') {
        let word = part(start, is_of_base64);
        let is_key = KEYS.iter().any(|key| word.starts_with(key)) && word.len() >= 2 * RANDOM;
        if is_key || is_random(word) {
            let length = part(rest, is_of_base64).len();
            return Some(length + part(&rest[length..], |c| c == '=').len());
        }
    }
    let is_letter = |c: char| c.is_ascii_alphanumeric();
    let word = part(start, is_letter);
    (is_random(word) || is_hexadecimal(word)).then(|| part(rest, is_letter).len())
}

fn is_of_base64(one: char) -> bool {
    one.is_ascii_alphanumeric() || "_-+/".contains(one)
}

/// The longest prefix of a text whose characters all fit.
fn part(text: &str, fits: impl Fn(char) -> bool) -> &str {
    &text[..text.find(|c| !fits(c)).unwrap_or(text.len())]
}

/// Whether capitals, small letters and digits alternate as often as in random text.
fn is_random(word: &str) -> bool {
    let class = |c: char| match c {
        'A'..='Z' => 0,
        'a'..='z' => 1,
        '0'..='9' => 2,
        _ => 3,
    };
    let mut counts = [0_usize; 4];
    let mut changes = 0;
    let mut last = None;
    for class in word.chars().map(class) {
        counts[class] += 1;
        changes += usize::from(last.is_some_and(|last| last != class));
        last = Some(class);
    }
    word.len() >= RANDOM && counts[..3].iter().all(|count| *count >= 2) && changes * 5 >= word.len() * 2
}

fn is_hexadecimal(word: &str) -> bool {
    let word = word.strip_prefix("0x").unwrap_or(word);
    let digits = word.chars().filter(char::is_ascii_digit).count();
    word.len() >= HEXADECIMAL && word.chars().all(|c| c.is_ascii_hexdigit()) && (1..word.len()).contains(&digits)
}

#[cfg(test)]
mod tests {
    use super::without_tokens;

    #[test]
    fn random_words_are_replaced_and_names_are_not() {
        for text in [
            "wJalrXUtnFEMIk7MDENGbPxRfiCYzz0k",
            "q7/Kx9+Lm2Pz4Rt6Vw8Yb1Nd3Gh5Jk0=",
            "0123456789abcdef0123456789abcdef",
            "123456789:AAEhBP0av28bVd1hLkPzX",
            "$2b$12$abcdefghijklmnopqrstuu",
            "{SSHA}abcdefghijkl==",
        ] {
            assert_eq!(without_tokens(&format!("x {text}, y"), "#"), "x #, y");
        }
        for text in [
            "shopfront-deploy-7d94b56f44-fblvd",
            "system:serviceaccount:kube-system:horizontal-pod-autoscaler",
            "registry.example:5000/shop@sha256:0123456789abcdef0123456789abcdef",
            "8f0a2b3c-1d4e-4f5a-9b8c-7d6e5f4a3b2c",
            "/apis/custom.metrics.k8s.io/v1beta1/namespaces/shop/pods/*/http_requests_per_second",
            "FailedGetPodsMetric HorizontalPodAutoscalerV2Beta2 2026-11-27T04:49:41Z",
            "^(.*)_total$ as $1_per_second, ${1}_sum",
            "E1125 07:26:11.123456       1 provider.go:230] unable to update list",
        ] {
            assert_eq!(without_tokens(text, "#"), text);
        }
    }
}
