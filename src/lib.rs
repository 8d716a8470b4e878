//! shopfront: a small HTTP service whose only product is its own facts and its own request rate, made so that an
//! autoscaler on a Prometheus metric can be learnt, taught and validated with it.
//!
//! The map, from the outside in:
//!
//! - [`config`]: every setting. [`telemetry`]: log lines.
//! - [`service`]: the whole of it, put together.
//! - [`server`]: sockets and connections, with their bounds. [`lifecycle`]: Starting → Ready → Draining → Stopping.
//! - [`app`]: the route table and the layers around it. [`limits`]: the bounds on a request. [`routes`]: one file an
//!   endpoint.
//! - [`metrics`]: every instrument. [`activity`]: the last minute's request rate, for the page.
//! - [`facts`]: what `/` tells. [`redact`]: what it, and the load tool's bundle, keep back. [`imds`]: the machine's public address.
//! - [`mod@format`]: YAML, JSON or HTML. [`error`]: what a client is told when it gets no document.

pub mod activity;
pub mod app;
pub mod config;
pub mod error;
pub mod facts;
pub mod format;
pub mod imds;
pub mod lifecycle;
pub mod limits;
pub mod metrics;
pub mod redact;
pub mod routes;
pub mod server;
pub mod service;
pub mod telemetry;
