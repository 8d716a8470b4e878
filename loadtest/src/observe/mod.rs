//! Watches the autoscaler and its pods in a cluster over time, with no more than the right to read. What the chain is, the
//! [`Plan`] says: nothing of it is looked for here.

mod chain;
mod plan;
mod pods;
mod told;
mod watch;

pub use plan::{Counter, Metric, Plan, Query};
pub use watch::watch;
