//! Watches the autoscaler and its pods in a cluster over time, and needs only the right to read. The [`Plan`] says what
//! the chain is.

mod chain;
mod events;
mod plan;
mod pods;
mod watch;

pub use plan::{Counter, Metric, Plan, Query};
pub use watch::watch;
