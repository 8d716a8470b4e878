//! The story: settings, log, runtime, socket, service, until a signal ends it.

use std::process::ExitCode;
use std::sync::Arc;

use shopfront::activity::Activity;
use shopfront::app::{self, App};
use shopfront::config::{Config, ExternalIp, Shutdown};
use shopfront::facts::Facts;
use shopfront::lifecycle::{Lifecycle, Signals};
use shopfront::metrics::Metrics;
use shopfront::{imds, server, telemetry};
use tokio::runtime::Handle;

fn main() -> ExitCode {
    let config = match Config::from_args() {
        Ok(config) => config,
        Err(code) => return code,
    };
    telemetry::init(config.log_level, config.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(run(config))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> std::io::Result<()> {
    let signals = Signals::listen()?;
    let lifecycle = Lifecycle::new();
    let metrics = Arc::new(Metrics::new());
    let activity = Arc::new(Activity::default());
    let facts = Facts::gather(config.environment, Handle::current().metrics().num_workers());
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
