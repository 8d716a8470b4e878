//! What is true of the evidence: each fact is computed here once, for the links, for what is collected, and for `run`.

pub mod adapter;
pub mod arithmetic;
pub mod autoscaler;
pub mod decision;
pub mod early;
pub mod entrance;
pub mod intervals;
pub mod monitors;
pub mod pages;
pub mod pod_state;
pub mod pods;
pub mod ports;
pub mod prometheus;
pub mod proposals;
pub mod requests;
pub mod resource;
pub mod resource_requests;
pub mod scaling_metric;
pub mod server;
pub mod subjects;
pub mod targets;
pub mod trust;
pub mod values;
pub mod version;
