//! shopfront: a small HTTP service that reports its own runtime, environment and request rate. It is made to learn, teach
//! and validate autoscaling on a Prometheus metric.
//!
//! The modules, from the outside in:
//!
//! - [`config`]: every setting. [`telemetry`]: logging.
//! - [`service`]: puts the parts together.
//! - [`server`]: sockets and connections, with their limits. [`cgroup`]: the memory limit. [`allocator`]: returns memory to
//!   the system. [`lifecycle`]: Starting → Ready → Draining → Stopping.
//! - [`endpoints`]: the one table of endpoints. [`app`]: the routes and the layers around them. [`url_prefix`]: their
//!   prefix. [`http_rules`]: validates requests by the RFCs. [`limits`]: the
//!   limits on a request. [`security_headers`]: the headers of every response. [`routes`]: a file for each endpoint.
//! - [`metrics`]: every instrument. [`activity`]: the request rate of the last minute, for the page.
//! - [`document`]: the document of `/`. [`redact`]: hides secrets in it, and in the load tool's bundle. [`imds`]: the
//!   machine's public address.
//! - [`lab`]: faults and load on demand. [`readiness`]: whether `/readyz` succeeds. [`held`]: the limit on what clients send and
//!   get back.
//! - [`mod@format`]: YAML, JSON or HTML, as negotiated by [`accept`]. [`error`]: the responses to rejected requests.

pub mod accept;
pub mod activity;
pub mod allocator;
pub mod app;
pub mod cgroup;
pub mod config;
pub mod document;
pub mod endpoints;
pub mod error;
pub mod format;
pub mod held;
pub mod http_rules;
pub mod imds;
pub mod lab;
pub mod lifecycle;
pub mod limits;
pub mod metrics;
pub mod readiness;
pub mod redact;
pub mod routes;
pub mod security_headers;
pub mod server;
pub mod service;
pub mod telemetry;
pub mod url_prefix;
