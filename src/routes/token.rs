//! `POST /token` and `GET /token/validate`: a token as podinfo issues it, a JSON Web Token signed with HS256 (RFC 7515 and 7519).

use std::io::Read;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Response;
use http::header::{AUTHORIZATION, HeaderMap};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{ApiFormat, document};
use crate::error::Rejection;

/// The variable with the key that all replicas share. podinfo reads the same one. `/` does not show it.
const KEY_VARIABLE: &str = "PODINFO_JWT_SECRET";

const ISSUER: &str = "shopfront";

const VALID_FOR: Duration = Duration::from_mins(1);

/// A name that is longer is no name.
const MAX_NAME_BYTES: usize = 256;

/// A token with such a name is shorter.
const MAX_TOKEN_BYTES: usize = 4096;

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize, Serialize)]
struct Claims {
    name: String,
    iss: String,
    exp: u64,
}

#[derive(Serialize)]
struct Created {
    token: String,
    expires_at: String,
}

#[derive(Serialize)]
struct Validated {
    token_name: String,
    expires_at: String,
}

/// Issues a token for the name in the body, or for `anonymous`.
pub async fn create(format: ApiFormat, body: Bytes) -> Result<Response<Body>, Rejection> {
    let name = std::str::from_utf8(&body).ok().filter(|name| name.len() <= MAX_NAME_BYTES);
    let name = name.ok_or(Rejection::Invalid("expected a name of at most 256 bytes in UTF-8"))?;
    let name = if name.is_empty() { "anonymous" } else { name };
    let exp = seconds(SystemTime::now() + VALID_FOR);
    let token = sign(&Claims { name: name.to_owned(), iss: ISSUER.to_owned(), exp }, key()?);
    Ok(document(format, &Created { token, expires_at: date(exp) }))
}

/// Says whose token it is, if it is valid.
pub async fn validate(format: ApiFormat, headers: HeaderMap) -> Result<Response<Body>, Rejection> {
    let token = bearer(&headers).ok_or(Rejection::Unauthorized)?;
    let Claims { name, exp, .. } = verify(token, key()?, SystemTime::now()).ok_or(Rejection::Unauthorized)?;
    Ok(document(format, &Validated { token_name: name, expires_at: date(exp) }))
}

/// The token in `Authorization: Bearer`; the scheme is compared as RFC 9110, section 11.1, says.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim_start())
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn date(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

fn sign(claims: &Claims, key: &[u8]) -> String {
    let claims = serde_json::to_vec(claims).expect("strings and a number");
    let signed =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(hmac(key, signed.as_bytes()));
    signed + "." + &signature
}

/// The claims of a token with the right signature, issuer and time.
fn verify(token: &str, key: &[u8], now: SystemTime) -> Option<Claims> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let header: Header = serde_json::from_slice(&decode(header)?).ok()?;
    let is_signed = is_equal(&decode(signature)?, &hmac(key, signed.as_bytes()));
    if header.alg != "HS256" || !is_signed {
        return None;
    }
    let claims: Claims = serde_json::from_slice(&decode(claims)?).ok()?;
    (claims.iss == ISSUER && seconds(now) < claims.exp).then_some(claims)
}

/// Compares all bytes, whichever differ first.
fn is_equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |sum, (one, other)| sum | (one ^ other)) == 0
}

/// HMAC-SHA-256 (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    const BLOCK_BYTES: usize = 64;
    let mut block = [0; BLOCK_BYTES];
    if key.len() > BLOCK_BYTES {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

/// The key: that of the variable, or a random one that this process keeps for itself.
fn key() -> Result<&'static [u8], Rejection> {
    static KEY: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    let key = KEY.get_or_init(|| {
        let shared = std::env::var(KEY_VARIABLE).ok().filter(|key| !key.is_empty());
        shared.map(String::into_bytes).or_else(random_key)
    });
    key.as_deref().ok_or(Rejection::Busy)
}

fn random_key() -> Option<Vec<u8>> {
    let mut key = vec![0; 32];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut key));
    if let Err(error) = &read {
        tracing::error!(%error, "cannot read a key for tokens from /dev/urandom");
    }
    read.ok().map(|()| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_matches_rfc_4231() {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        assert_eq!(
            hex(&hmac(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(&hmac(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn only_an_unchanged_token_is_valid_until_it_expires() {
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        let claims = |exp, iss: &str| Claims { name: "test".into(), iss: iss.into(), exp };
        let token = sign(&claims(1060, ISSUER), b"key");
        assert_eq!(verify(&token, b"key", now).unwrap().name, "test");
        assert!(verify(&token, b"other", now).is_none());
        assert!(verify(&token, b"key", now + VALID_FOR).is_none());
        assert!(verify(&sign(&claims(1060, "podinfo"), b"key"), b"key", now).is_none());
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        let (_, rest) = token.split_once('.').unwrap();
        let (claims, _) = rest.split_once('.').unwrap();
        for forged in [format!("{none}.{rest}"), format!("{none}.{claims}."), "..".into(), String::new(), rest.into()] {
            assert!(verify(&forged, b"key", now).is_none(), "{forged}");
        }
    }
}
