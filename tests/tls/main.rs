//! The TLS address: what it answers, its certificate, and what clients may do to it.

mod answers;
mod certificates;
mod client;
mod drain;
mod hostile;
#[path = "../support/mod.rs"]
mod support;
