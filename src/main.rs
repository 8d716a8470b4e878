//! The story: settings, log, runtime, socket, service, until a signal ends it.

use std::process::ExitCode;
use std::sync::Arc;

use shopfront::activity::Activity;
use shopfront::app::{self, App};
use shopfront::config::{Config, ExternalIp};
use shopfront::facts::Facts;
use shopfront::lifecycle::{Lifecycle, Signals};
use shopfront::metrics::Metrics;
use shopfront::{imds, server, telemetry};

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
    let known_ip = match config.external_ip {
        Some(ExternalIp::Address(address)) => Some(address),
        Some(ExternalIp::Imds) | None => None,
    };
    let workers = tokio::runtime::Handle::current().metrics().num_workers();
    let facts = Facts::gather(config.environment, known_ip, workers);
    let app = Arc::new(App::new(&facts, Arc::clone(&metrics), Arc::clone(&activity), lifecycle.clone()));
    let service = app::layered(app::routes(Arc::clone(&app)), Arc::clone(&metrics), config.limits);
    let listener = server::bind(config.address)?;

    tokio::spawn(activity.record(Arc::clone(&metrics)));
    tokio::spawn(find_external_ip(config.clone(), facts, app));
    tokio::spawn({
        let lifecycle = lifecycle.clone();
        async move { lifecycle.drain_on_signal(signals, config.shutdown.drain_delay).await }
    });
    server::serve(listener, service, config.limits, config.shutdown.shutdown_timeout, lifecycle, metrics).await
}

/// Asks the metadata service where it was told to, beside the service's work: no request waits for the answer.
async fn find_external_ip(config: Config, mut facts: Facts, app: Arc<App>) {
    if config.external_ip != Some(ExternalIp::Imds) {
        return;
    }
    match imds::public_ipv4(config.imds_endpoint).await {
        Ok(address) => {
            facts.runtime.external_ip = Some(address.to_string());
            app.publish(&facts);
            tracing::info!(%address, "the metadata service knows the external IP");
        }
        Err(error) => tracing::warn!(error, "no external IP: the metadata service did not tell"),
    }
}
