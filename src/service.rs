//! The service as one piece: its socket, its routes, its lifecycle, until a signal ends it.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};

use crate::activity::Activity;
use crate::app::{self, App};
use crate::config::{Config, ExternalIp, OPS_PORT, Shutdown};
use crate::facts::Facts;
use crate::http_rules::Hosts;
use crate::imds;
use crate::lifecycle::{Lifecycle, Signals};
use crate::metrics::Metrics;
use crate::server::{self, Budget, Entrance, Pressure};

/// Runs the service on a runtime with a worker for each processor. The library does this, and not the binary: a binary that
/// hands the service to a runtime gets a second copy of the whole server.
pub fn run_to_completion(config: Config) -> std::io::Result<()> {
    Builder::new_multi_thread().enable_all().build()?.block_on(run(config))
}

/// Serves until SIGTERM or SIGINT, and drains. Fails where it cannot listen.
pub async fn run(config: Config) -> std::io::Result<()> {
    let signals = Signals::listen()?;
    let lifecycle = Lifecycle::new();
    let metrics = Arc::new(Metrics::new());
    let activity = Arc::new(Activity::default());
    let facts = Facts::gather(config.environment, Handle::current().metrics().num_workers());
    let facts = facts.showing(&config.environment_show);
    let app = Arc::new(App::new(facts, Arc::clone(&metrics), Arc::clone(&activity), lifecycle.clone()));
    let (limits, pressure) = (config.limits, Pressure::default());
    let routes = app::routes(Arc::clone(&app), config.public_metrics);
    let ops_routes = app::ops_routes(Arc::clone(&app));
    let ops_addresses = config.ops_addresses();
    let service = app::layered(routes, Arc::clone(&metrics), limits, pressure.clone(), Hosts::of(&config.address));
    // A crowd of clients does not press on the kubelet and Prometheus.
    let (calm, hosts) = (Pressure::default(), Hosts::of(&ops_addresses));
    let ops = app::layered(ops_routes, Arc::clone(&metrics), limits, calm, hosts);
    let listeners = server::bind(&config.address, "--address or SHOPFRONT_ADDRESS")?;
    let ops_listeners = bind_ops(&config, &ops_addresses)?;
    let budget = Budget::of_this_process(&limits, app.bytes_for_each_answer())?;
    server::announce(&listeners, &ops_listeners)?;
    budget.announce();

    tokio::spawn(activity.record(Arc::clone(&metrics)));
    match config.external_ip {
        Some(ExternalIp::Address(address)) => app.publish_external_ip(address),
        // Beside the service's work: no request waits for the answer.
        Some(ExternalIp::Imds) => drop(tokio::spawn(imds::find_external_ip(config.imds_endpoint, app))),
        None => {}
    }
    let Shutdown { drain_delay, shutdown_timeout } = config.shutdown;
    tokio::spawn(lifecycle.clone().drain_on_signal(signals, drain_delay));
    server::serve_ops(ops_listeners, ops, limits, lifecycle.clone(), Arc::clone(&metrics))?;
    let entrance = Entrance { listeners, service, limits, budget, pressure };
    server::serve(entrance, shutdown_timeout, lifecycle, metrics).await
}

/// Takes the ops addresses. A second service on a developer's machine has another `--address`, and gets by without thinking
/// of this one: where nobody chose the port and only this machine is served, a free one does as well.
fn bind_ops(config: &Config, addresses: &[SocketAddr]) -> std::io::Result<Vec<TcpListener>> {
    let bound = server::bind(addresses, "--ops-address or SHOPFRONT_OPS_ADDRESS");
    let is_by_default = config.ops_address.is_empty() && addresses.iter().all(|address| address.ip().is_loopback());
    match bound {
        Err(error) if is_by_default && error.kind() == ErrorKind::AddrInUse => {
            tracing::info!("port {OPS_PORT} is in use: probes and scrapes are served on a free one");
            let free: Vec<_> = addresses.iter().map(|address| (address.ip(), 0).into()).collect();
            server::bind(&free, "--ops-address or SHOPFRONT_OPS_ADDRESS")
        }
        bound => bound,
    }
}
