//! Bytes of HTTP in both directions.

use std::ops::AddAssign;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bytes of requests that were answered, and of their answers: with HTTP/1.1 the heads and the bodies, without what TLS adds,
/// and with HTTP/2 the bodies alone, since its heads are compressed for a whole connection.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bytes {
    /// Sent.
    pub sent: u64,
    /// Received.
    pub received: u64,
}

impl Bytes {
    /// Whether there are none.
    pub const fn is_zero(&self) -> bool {
        self.sent == 0 && self.received == 0
    }
}

impl AddAssign for Bytes {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.received += other.received;
    }
}
