//! What is true of the evidence: each fact is computed here once, for the links, for what is collected, and for `run`.

pub mod adapter;
pub mod autoscaler;
pub mod early;
pub mod entrance;
pub mod freshness;
pub mod intervals;
pub mod monitors;
pub mod nearness;
pub mod origin;
pub mod owners;
pub mod pages;
pub mod pod_state;
pub mod pods;
pub mod ports;
pub mod prometheus;
pub mod proof;
pub mod requests;
pub mod scaled_object;
pub mod scaling_metric;
pub mod server;
pub mod targets;
pub mod trust;
pub mod values;
