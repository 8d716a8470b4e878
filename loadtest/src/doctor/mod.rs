//! The doctor: which link between a request and a replica is broken.

pub mod rule;
