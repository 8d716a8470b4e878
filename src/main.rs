//! Reads the settings, sets up logging, and runs the service until a signal arrives.

use std::io::ErrorKind;
use std::process::ExitCode;

use shopfront::config::Config;
use shopfront::{service, telemetry};

fn main() -> ExitCode {
    let config = match Config::from_args(std::env::args_os()) {
        Ok(config) => config,
        Err(code) => return code,
    };
    telemetry::init(config.log_level, config.log_format);
    match service::run_to_completion(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            // As for other settings that cannot be used.
            if error.kind() == ErrorKind::InvalidInput { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}
