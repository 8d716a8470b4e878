//! shopfront: a small HTTP service whose only product is its own facts and its own request rate, made so that an
//! autoscaler on a Prometheus metric can be learnt, taught and validated with it.
//!
//! The map, from the outside in:
//!
//! - [`config`]: every setting. [`telemetry`]: log lines.
//! - [`service`]: the whole of it, put together.
//! - [`server`]: sockets and connections, with their bounds. [`cgroup`]: the memory limit that the bounds come from.
//!   [`allocator`]: memory that is given back. [`lifecycle`]: Starting → Ready → Draining → Stopping.
//! - [`app`]: the route table and the layers around it. [`http_rules`]: what the RFCs ask of a request. [`limits`]: the
//!   bounds on it. [`secured`]: the headers of every answer. [`routes`]: one file an endpoint.
//! - [`metrics`]: every instrument. [`activity`]: the last minute's request rate, for the page.
//! - [`facts`]: what `/` tells. [`redact`]: what it, and the load tool's bundle, keep back. [`imds`]: the machine's public
//!   address.
//! - [`mod@format`]: YAML, JSON or HTML, as [`accept`] reads what the client wants. [`pieces`]: a body of which the large
//!   part is shared. [`error`]: what a client is told when it gets no document.

pub mod accept;
pub mod activity;
pub mod allocator;
pub mod app;
pub mod cgroup;
pub mod config;
pub mod error;
pub mod facts;
pub mod format;
pub mod http_rules;
pub mod imds;
pub mod lifecycle;
pub mod limits;
pub mod metrics;
pub mod pieces;
pub mod redact;
pub mod routes;
pub mod secured;
pub mod server;
pub mod service;
pub mod telemetry;
