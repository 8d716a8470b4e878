//! How an autoscaler on a Prometheus metric behaves, as arithmetic: what a rehearsal runs and a prediction draws.

pub mod derive;
pub mod hpa;
pub mod manifests;
pub mod predict;
pub mod quantity;
pub mod rate;
