//! The autoscaler and its pods in a cluster, with no more than the right to read.

mod adapter;
mod chain;
pub mod cluster;
pub mod forward;
mod metric;
mod pods;
mod scaled;
mod scraped;
mod service;
mod settings;
mod told;
mod watch;

pub use chain::{COUNTERS, METRICS_API, PROMETHEUS};
pub use cluster::{Cluster, Watched};
pub use forward::Forward;
pub use pods::Happening;
pub use settings::settings;
pub use watch::watch;
