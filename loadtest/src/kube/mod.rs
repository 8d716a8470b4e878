//! The one way out of the tool: how a cluster is reached, and how much of an answer is read.
//!
//! [`client`] builds the client of the API server. Each of its answers passes [`bounded`], so that no call can forget the
//! bounds: time, bytes, and what [`weight`] counts. [`value`] makes a JSON tree within a budget of memory, and
//! [`prometheus`] reads Prometheus' answers into types. [`proxy`] and [`plugin`] read proxies and credential plugins as
//! kubectl does, and [`words`] keeps credentials out of every message.

pub mod access;
pub mod bounded;
pub mod client;
pub mod cluster;
pub mod forward;
pub mod kubeconfig;
pub mod list;
pub mod plugin;
pub mod pod_http;
pub mod prometheus;
pub mod proxy;
pub mod read;
pub mod reader;
pub mod rights;
pub mod value;
pub mod weight;
pub mod words;

pub use words::one_line;

use std::error::Error;
use std::time::Duration;

/// Why an answer was not read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Failure {
    /// It did not come in time.
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
    /// It is more than is read: says in which way.
    #[error("the answer {0}; it was not read")]
    Excess(String),
    /// Anything else, in one line.
    #[error("{0}")]
    Other(String),
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self::Other(why)
    }
}

impl Failure {
    /// What an error of the client was caused by, where it was one of the bounds.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(one) = cause {
            if let Some(failure) = one.downcast_ref::<Self>() {
                return failure.clone();
            }
            cause = one.source();
        }
        Self::Other(one_line(error))
    }

    /// Whether there is more of the answer than is read, of which a part may be asked for.
    pub const fn is_excess(&self) -> bool {
        matches!(self, Self::Excess(_))
    }
}
