//! The autoscaler and its pods in a cluster, with no more than the right to read.

mod adapter;
mod chain;
mod metric;
mod pods;
mod scraped;
mod service;
mod settings;
mod told;
mod watch;

pub use settings::settings;
pub use watch::watch;
