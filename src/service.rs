//! Puts the parts together, and runs them until a signal arrives.

use std::io::{Error, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};

use crate::activity::Activity;
use crate::app::{self, App};
use crate::config::{Config, ExternalIp, OPS_PORT, Shutdown};
use crate::document::Document;
use crate::http_rules::Hosts;
use crate::imds;
use crate::lifecycle::{Lifecycle, Signals};
use crate::metrics::Metrics;
use crate::server::{self, Budget, Pressure, ServerConfig, Tls, TlsEndpoint};
use crate::url_prefix::{StripPrefix, UrlPrefix};

/// Runs the service on a runtime with a worker for each processor. This is in the library, because a binary that starts the
/// runtime contains a second copy of the whole server.
pub fn run_to_completion(config: Config) -> std::io::Result<()> {
    Builder::new_multi_thread().enable_all().build()?.block_on(run(config))
}

/// Serves until SIGTERM or SIGINT, and drains. Fails if it cannot listen.
pub async fn run(config: Config) -> std::io::Result<()> {
    let signals = Signals::listen()?;
    let lifecycle = Lifecycle::new();
    let metrics = Arc::new(Metrics::new().with_probes(config.probe_user_agents.clone()));
    let activity = Arc::new(Activity::default());
    let workers = Handle::current().metrics().num_workers();
    let gathered = Document::gather(config.environment, &config.environment_show, workers);
    let document = Document { target: config.target, url_prefix: config.url_prefix.clone(), ..gathered };
    let app = App::new(document, Arc::clone(&metrics), Arc::clone(&activity), lifecycle.clone());
    let app = Arc::new(app.with_lab(config.lab, config.limits));
    let (limits, pressure) = (config.limits, Pressure::default());
    let routes = app::routes(Arc::clone(&app), config.public_metrics);
    let ops_routes = app::ops_routes(Arc::clone(&app));
    let ops_addresses = config.ops_addresses();
    let layered = |hosts| {
        let service = app::layered(routes.clone(), Arc::clone(&metrics), limits, pressure.clone(), hosts);
        StripPrefix::new(config.url_prefix.clone(), service)
    };
    let service = layered(Hosts::of(&config.address));
    let tls = config.tls.files().map_err(|message| Error::new(ErrorKind::InvalidInput, message))?.map(Tls::start);
    let tls_addresses = config.tls.addresses(&config.address);
    // A crowd of clients does not shorten the timeouts of the kubelet and Prometheus.
    let (ops_pressure, ops_hosts) = (Pressure::default(), Hosts::of(&ops_addresses));
    let ops_service = app::layered(ops_routes, Arc::clone(&metrics), limits, ops_pressure, ops_hosts);
    let listeners = server::bind(&config.address, "--address or SHOPFRONT_ADDRESS")?;
    let tls = match tls.transpose()? {
        Some(tls) => Some(TlsEndpoint {
            listeners: server::bind(&tls_addresses, "--tls-address or SHOPFRONT_TLS_ADDRESS")?,
            service: layered(Hosts::of(&tls_addresses)),
            tls,
        }),
        None => None,
    };
    let ops_listeners = bind_ops(&config, &ops_addresses)?;
    let budget = Budget::for_this_process(&limits, app.max_response_bytes())?;
    let tls_listeners = tls.as_ref().map_or(&[][..], |tls| &tls.listeners);
    server::log_addresses(&listeners, tls_listeners, &ops_listeners)?;
    budget.log(tls.is_some());
    log_url(&listeners, config.url_prefix.as_ref())?;

    tokio::spawn(activity.record(Arc::clone(&metrics)));
    match config.external_ip {
        Some(ExternalIp::Address(address)) => app.publish_external_ip(address),
        // In a task of its own: no request waits for the metadata service.
        Some(ExternalIp::Imds) => drop(tokio::spawn(imds::find_external_ip(config.imds_endpoint, app))),
        None => {}
    }
    let Shutdown { drain_delay, shutdown_timeout } = config.shutdown;
    tokio::spawn(lifecycle.clone().drain_on_signal(signals, drain_delay));
    server::serve_ops(ops_listeners, ops_service, limits, lifecycle.clone(), Arc::clone(&metrics))?;
    let server = ServerConfig { listeners, service, tls, limits, budget, pressure };
    server::serve(server, shutdown_timeout, lifecycle, metrics).await
}

/// Logs where a browser on this machine finds the service, and how to stop it: a person reads the log of a service that
/// listens only on loopback.
fn log_url(listeners: &[TcpListener], prefix: Option<&UrlPrefix>) -> std::io::Result<()> {
    let prefix = prefix.map(ToString::to_string).unwrap_or_default();
    let addresses = listeners.iter().map(TcpListener::local_addr).collect::<std::io::Result<Vec<_>>>()?;
    for address in &addresses {
        // It is `localhost`, too.
        let is_known = address.is_ipv6() && addresses.contains(&(Ipv4Addr::LOCALHOST, address.port()).into());
        if address.ip().is_loopback() && !is_known {
            let host =
                if address.ip() == Ipv4Addr::LOCALHOST { "localhost".to_owned() } else { bracketed(address.ip()) };
            tracing::info!("open http://{host}:{}{prefix} in a browser; Ctrl-C stops the service", address.port());
        }
    }
    Ok(())
}

fn bracketed(ip: IpAddr) -> String {
    if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }
}

/// Binds the ops addresses. A second service on a developer's machine has another `--address`, but the same default ops
/// port. If the port is taken, not set by the user, and only for loopback, a free port is used instead.
fn bind_ops(config: &Config, addresses: &[SocketAddr]) -> std::io::Result<Vec<TcpListener>> {
    const SETTING: &str = "--ops-address or SHOPFRONT_OPS_ADDRESS";
    let is_default = config.ops_address.is_empty() && addresses.iter().all(|address| address.ip().is_loopback());
    match server::bind(addresses, SETTING) {
        Err(error) if is_default && error.kind() == ErrorKind::AddrInUse => {
            tracing::info!("port {OPS_PORT} is in use; using a free port for probes and scrapes");
            let free: Vec<_> = addresses.iter().map(|address| (address.ip(), 0).into()).collect();
            server::bind(&free, SETTING)
        }
        bound => bound,
    }
}
