//! What an answer repeats of its request must not reach a journal: headers, credentials and bodies may be secrets.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use memchr::memmem;

use crate::generator::request::Request;
use crate::journal::without_credentials;

/// What stands for a secret.
const HIDDEN: &str = "...";
/// A shorter text is too common to be one.
const SHORTEST: usize = 4;
/// How much of an answer is looked at: far more than an example has, so that no secret is cut off at its end.
const LOOKED_AT: usize = 4 * 1024;

/// The start of an answer to a request, without what it repeats of the request's headers, credentials and body. Each word of
/// it that occurs there is hidden, too: an answer may repeat a token alone, or a body in another form.
pub(super) fn hidden(request: &Request, answer: &[u8]) -> String {
    let mut secrets: Vec<Cow<'_, [u8]>> = request.secrets().map(Cow::Borrowed).collect();
    let decoded: Vec<Vec<u8>> = secrets.iter().filter_map(|secret| credentials(secret)).flatten().collect();
    secrets.extend(decoded.into_iter().map(Cow::Owned));
    let text = String::from_utf8_lossy(&answer[..answer.len().min(LOOKED_AT)]);
    // The longest first: one may be a part of another.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let whole = secrets.iter().filter(|secret| (SHORTEST..=LOOKED_AT).contains(&secret.len()));
    let text = whole.filter_map(|secret| std::str::from_utf8(secret).ok()).fold(text.into_owned(), |text, secret| {
        // Most do not occur.
        if text.contains(secret) { text.replace(secret, HIDDEN) } else { text }
    });
    let is_secret = |word: &str| {
        word.len() >= SHORTEST && secrets.iter().any(|secret| memmem::find(secret, word.as_bytes()).is_some())
    };
    let mut shown = String::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let end = rest.find(|one: char| !one.is_alphanumeric()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        shown += if is_secret(word) { HIDDEN } else { word };
        let begin = after.find(char::is_alphanumeric).unwrap_or(after.len());
        shown += &after[..begin];
        rest = &after[begin..];
    }
    shown
}

/// User and password of a header's value, if it is `Basic`: together, and the password alone.
fn credentials(value: &[u8]) -> Option<[Vec<u8>; 2]> {
    let (_, encoded) = value.split_at_checked(6).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"basic "))?;
    let both = BASE64_STANDARD.decode(encoded.trim_ascii()).ok()?;
    let password = both.splitn(2, |byte| *byte == b':').nth(1).unwrap_or_default().to_vec();
    Some([both, password])
}

/// Where a redirect points, without a user and a password, and without query and fragment, which may have a token.
pub(super) fn place(location: &str) -> String {
    let start = if location.starts_with("//") { 2 } else { location.find("://").map_or(0, |at| at + 3) };
    let of = |text: &str, ends: &[char]| text.find(ends).unwrap_or(text.len());
    let rest = &location[start..];
    let authority = &rest[..of(rest, &['/', '?', '#'])];
    // A password may have a slash or a question mark that should have been encoded.
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    let is_cut = !authority.contains('@')
        && port.is_some_and(|port| !port.contains(']') && !port.bytes().all(|byte| byte.is_ascii_digit()));
    let whole = if is_cut { location } else { &location[..start + of(rest, &['?', '#'])] };
    let has_credentials = authority.contains('@') || port.is_some();
    let shown = if has_credentials { without_credentials(whole) } else { whole.to_owned() };
    shown[..of(&shown, &['?', '#'])].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator::template::Template;

    fn request() -> Request {
        Request {
            headers: vec![
                "Authorization: Bearer S3CRETTOK".parse().unwrap(),
                "X-Key: k3y-{{counter}}".parse().unwrap(),
            ],
            body: Some(Template::new(b"{\"pw\": \"hush-hush\", \"n\": {{counter}}}")),
            ..Request::get("http://user:pa%24%24w0rd@a/".parse().unwrap())
        }
    }

    #[test]
    fn what_an_answer_repeats_of_its_request_is_hidden() {
        for (answer, shown) in [
            ("hello\n", "hello\n"),
            ("authorization: Bearer S3CRETTOK", "authorization: ..."),
            ("{\"token\":\"S3CRETTOK\"}", "{\"token\":\"...\"}"),
            ("no access for user:pa$$w0rd!", "no access for ...!"),
            ("not pa$$w0rd", "not ..."),
            ("Basic dXNlcjpwYSQkdzByZA== is wrong", "... is wrong"),
            ("{\"pw\":\"hush-hush\"}", "{\"pw\":\"...-...\"}"),
            ("x-key: k3y-17", "x-key: ...17"),
        ] {
            assert_eq!(hidden(&request(), answer.as_bytes()), shown);
        }
        let long = format!("{}S3CRETTOK", "x".repeat(LOOKED_AT - 5));
        assert!(hidden(&request(), long.as_bytes()).len() <= LOOKED_AT);
    }

    #[test]
    fn a_redirect_is_shown_without_secrets() {
        for (location, shown) in [
            ("https://shop.example/new?token=secret", "https://shop.example/new"),
            ("https://idp/cb#access_token=TOPSECRET", "https://idp/cb"),
            ("https://user:pwSECRET?x@idp/", "https://idp/"),
            ("https://user:pw/SECRET#x@idp/a", "https://idp/a"),
            ("https://user:12/SECRET@idp/", "https://idp/"),
            ("https://user:SECRET@idp:8080/?a@b", "https://idp:8080/"),
            ("//user:SECRET@idp/", "//idp/"),
            ("/login?next=a@b", "/login"),
            ("http://[::1]:8080/login?user=a@b", "http://[::1]:8080/login"),
            ("https://shop.example/@me", "https://shop.example/@me"),
        ] {
            assert_eq!(place(location), shown);
        }
    }
}
