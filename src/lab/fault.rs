//! Faults: what happens to a share of the client requests, for some time.

use std::sync::RwLock;
use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::error::Rejection;

/// The time of a fault that does not say for how long.
const DEFAULT_TIME: Duration = Duration::from_mins(1);

/// The maximum of that time.
const MAX_TIME: Duration = Duration::from_hours(24);

/// What happens to client requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fault {
    /// The share of requests, from 0 to 1.
    share: f64,
    /// Their status; without one, they are answered as usual.
    status: Option<StatusCode>,
    /// How long they wait first.
    delay: Duration,
    /// By how much that varies, up and down.
    spread: Duration,
    /// For how long there is a fault. Without one, until another request ends it.
    time: Option<Duration>,
}

/// The body of a request for a fault, and of its response.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FaultDocument {
    #[serde(default = "all")]
    share: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default)]
    delay: String,
    #[serde(default)]
    spread: String,
    #[serde(default, rename = "for")]
    time: String,
}

fn all() -> f64 {
    1.0
}

/// A duration, or nothing.
fn duration(text: &str) -> Result<Option<Duration>, Rejection> {
    if text.is_empty() {
        return Ok(None);
    }
    let invalid = |_| Rejection::Invalid("delay, spread and for must be durations, such as 500ms, 5s or 2m");
    humantime::parse_duration(text).map(Some).map_err(invalid)
}

impl Fault {
    /// Every request gets 500, until another request ends it.
    pub const EVERY_REQUEST: Self = Self {
        share: 1.0,
        status: Some(StatusCode::INTERNAL_SERVER_ERROR),
        delay: Duration::ZERO,
        spread: Duration::ZERO,
        time: None,
    };

    /// Reads a JSON object with `share`, `status`, `delay`, `spread` and `for`. No request is delayed by more than `max_delay`.
    pub fn from_json(
        bytes: &[u8],
        max_delay: impl Fn(Duration) -> Result<Duration, Rejection>,
    ) -> Result<Self, Rejection> {
        let form = "expected a JSON object with status or delay, and if necessary share, spread and for";
        let FaultDocument { share, status, delay, spread, time } =
            serde_json::from_slice(bytes).map_err(|_| Rejection::Invalid(form))?;
        if !(share > 0.0 && share <= 1.0) {
            return Err(Rejection::Invalid("share must be greater than 0, and at most 1"));
        }
        let status = match status {
            None => None,
            Some(400..=599) => status.and_then(|status| StatusCode::from_u16(status).ok()),
            Some(_) => return Err(Rejection::Invalid("status must be from 400 to 599")),
        };
        let (delay, spread) = (duration(&delay)?.unwrap_or_default(), duration(&spread)?.unwrap_or_default());
        if spread > delay {
            return Err(Rejection::Invalid("spread must be at most delay"));
        }
        max_delay(delay.saturating_add(spread))?;
        if status.is_none() && delay.is_zero() {
            return Err(Rejection::Invalid(form));
        }
        let time = duration(&time)?.unwrap_or(DEFAULT_TIME);
        if time.is_zero() || time > MAX_TIME {
            return Err(Rejection::Invalid("for must be greater than 0, and at most 24h"));
        }
        Ok(Self { share, status, delay, spread, time: Some(time) })
    }

    /// The document that [`Self::from_json`] reads.
    pub fn to_document(self) -> impl Serialize {
        let text = |time: Duration| humantime::format_duration(time).to_string();
        FaultDocument {
            share: self.share,
            status: self.status.map(|status| status.as_u16()),
            delay: text(self.delay),
            spread: text(self.spread),
            time: self.time.map(text).unwrap_or_default(),
        }
    }

    /// What happens to the next request: how long it waits, and with which status it then ends. Nothing if it is spared.
    pub fn next(self) -> Option<(Duration, Option<StatusCode>)> {
        if fastrand::f64() >= self.share {
            return None;
        }
        // Between delay - spread and delay + spread.
        Some((self.delay.saturating_sub(self.spread) + self.spread.mul_f64(2.0 * fastrand::f64()), self.status))
    }
}

/// The current fault.
#[derive(Default)]
pub struct Faults(RwLock<Option<(Fault, Option<Instant>)>>);

impl Faults {
    /// Replaces the fault, which begins `now`.
    pub fn set(&self, fault: Fault, now: Instant) {
        let end = fault.time.map(|time| now + time);
        *self.0.write().expect("no holder panics") = Some((fault, end));
    }

    /// Ends the fault.
    pub fn clear(&self) {
        *self.0.write().expect("no holder panics") = None;
    }

    /// The fault, if there is one `now`.
    pub fn current(&self, now: Instant) -> Option<Fault> {
        let (fault, end) = (*self.0.read().expect("no holder panics"))?;
        end.is_none_or(|end| now < end).then_some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(json: &str) -> Result<Fault, Rejection> {
        let at_most = |time| if time <= Duration::from_secs(10) { Ok(time) } else { Err(Rejection::Busy) };
        Fault::from_json(json.as_bytes(), at_most)
    }

    #[test]
    fn invalid_fault_gets_a_message() {
        for json in [
            "",
            "{}",
            "[]",
            "null",
            "{\"status\":503,\"other\":1}",
            "{\"status\":200}",
            "{\"status\":\"503\"}",
            "{\"status\":503,\"share\":0}",
            "{\"status\":503,\"share\":1.1}",
            "{\"status\":503,\"share\":-1}",
            "{\"delay\":\"soon\"}",
            "{\"delay\":\"1s\",\"spread\":\"2s\"}",
            "{\"status\":503,\"for\":\"0s\"}",
            "{\"status\":503,\"for\":\"25h\"}",
        ] {
            assert!(matches!(fault(json), Err(Rejection::Invalid(_))), "{json}");
        }
        assert_eq!(fault("{\"delay\":\"6s\",\"spread\":\"5s\"}"), Err(Rejection::Busy));
    }

    #[test]
    fn share_and_spread_apply_to_each_request() {
        let half = fault("{\"share\":0.5,\"delay\":\"3s\",\"spread\":\"1s\",\"status\":429}").unwrap();
        let hit: Vec<_> = (0..1000).filter_map(|_| half.next()).collect();
        assert!((300..700).contains(&hit.len()), "{}", hit.len());
        for (delay, status) in hit {
            assert!((2.0..=4.0).contains(&delay.as_secs_f64()), "{delay:?}");
            assert_eq!(status, Some(StatusCode::TOO_MANY_REQUESTS));
        }
    }

    #[test]
    fn fault_ends_by_itself() {
        let (faults, now) = (Faults::default(), Instant::now());
        faults.set(fault("{\"status\":503,\"for\":\"2s\"}").unwrap(), now);
        assert!(faults.current(now + Duration::from_secs(1)).is_some());
        assert_eq!(faults.current(now + Duration::from_secs(2)), None);
        faults.set(Fault::EVERY_REQUEST, now);
        assert!(faults.current(now + Duration::from_hours(48)).is_some());
        faults.clear();
        assert_eq!(faults.current(now), None);
    }
}
