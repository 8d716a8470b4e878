//! shopfront: a small HTTP service whose only product is its own facts and its own request rate, made so that an
//! autoscaler on a Prometheus metric can be learnt, taught and validated with it.
//!
//! The map, from the outside in:
//!
//! - [`config`]: every setting. [`telemetry`]: log lines.
//! - [`server`]: sockets and connections, with their bounds. [`lifecycle`]: Starting → Ready → Draining → Stopping.
//! - [`app`]: the route table and the layers around it. [`routes`]: one file an endpoint.
//! - [`limits`]: bounds on a request. [`format`]: YAML, JSON or HTML. [`error`]: what a client is told instead of a document.
//! - [`metrics`]: every instrument. [`activity`]: the last minute's request rate, for the page.
//! - [`facts`]: what `/` tells. [`redact`]: what it keeps to itself. [`imds`]: the machine's public address.

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
pub mod telemetry;
