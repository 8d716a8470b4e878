//! The autoscaler and its pods in a cluster, with no more than the right to read.

mod chain;
pub mod cluster;
pub mod forward;
mod settings;
mod watch;

pub use cluster::{Cluster, Watched};
pub use forward::Forward;
pub use settings::settings;
pub use watch::watch;
