//! The service as one piece: its socket, its routes, its lifecycle, until a signal ends it.

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::activity::Activity;
use crate::app::{self, App};
use crate::config::{Config, ExternalIp, Shutdown};
use crate::facts::Facts;
use crate::lifecycle::{Lifecycle, Signals};
use crate::metrics::Metrics;
use crate::{imds, server};

/// Serves until SIGTERM or SIGINT, and drains. Fails where it cannot listen.
pub async fn run(config: Config) -> std::io::Result<()> {
    let signals = Signals::listen()?;
    let lifecycle = Lifecycle::new();
    let metrics = Arc::new(Metrics::new());
    let activity = Arc::new(Activity::default());
    let facts = Facts::gather(config.environment, Handle::current().metrics().num_workers());
    let facts = facts.showing(&config.environment_show);
    let app = Arc::new(App::new(facts, Arc::clone(&metrics), Arc::clone(&activity), lifecycle.clone()));
    let service = app::layered(app::routes(Arc::clone(&app)), Arc::clone(&metrics), config.limits);
    let listener = server::bind(config.address)?;

    tokio::spawn(activity.record(Arc::clone(&metrics)));
    match config.external_ip {
        Some(ExternalIp::Address(address)) => app.publish_external_ip(address),
        // Beside the service's work: no request waits for the answer.
        Some(ExternalIp::Imds) => drop(tokio::spawn(imds::find_external_ip(config.imds_endpoint, app))),
        None => {}
    }
    let Shutdown { drain_delay, shutdown_timeout } = config.shutdown;
    tokio::spawn(lifecycle.clone().drain_on_signal(signals, drain_delay));
    server::serve(listener, service, config.limits, shutdown_timeout, lifecycle, metrics).await
}
