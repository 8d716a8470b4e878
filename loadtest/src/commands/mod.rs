//! One file per subcommand, each of which reads as its story.

mod compare;
mod complete;
mod doctor;
mod merge;
mod predict;
mod rehearse;
mod run;
mod watch_plan;

pub use compare::compare;
pub use complete::complete;
pub use doctor::doctor;
pub use merge::merge;
pub use predict::predict;
pub use rehearse::rehearse;
pub use run::run;
pub use watch_plan::watch_plan;

use std::process::ExitCode;

use crate::error::Error;
use crate::output::{Clean, say};

/// Prints the message of a panic as other messages are: it may contain others' data.
pub fn guard_panics(program: &'static str) {
    std::panic::set_hook(Box::new(move |panic| say(Clean::of(&format!("{program}: {panic}\n")))));
}

/// Runs an asynchronous command.
pub fn block_on(command: impl Future<Output = Result<ExitCode, Error>>) -> Result<ExitCode, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Error::Environment(format!("no runtime: {error}")))?;
    let done = runtime.block_on(command);
    // Without waiting for a lookup that hangs.
    runtime.shutdown_background();
    done
}
