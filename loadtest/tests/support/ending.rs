//! Lets a test on a cluster clean up after a failure or a signal.

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinError, LocalSet};

/// Runs a test until it ends, or until SIGTERM or Ctrl-C. Returns a panic as an error, so that the caller can restore
/// the cluster.
pub async fn run(test: impl Future<Output = ()> + 'static) -> Result<(), JoinError> {
    let tasks = LocalSet::new();
    let mut test = tasks.spawn_local(test);
    let until = async {
        tokio::select! {
            outcome = &mut test => outcome,
            () = interrupted() => {
                test.abort();
                test.await
            }
        }
    };
    tasks.run_until(until).await
}

/// Fails with the test's panic.
pub fn fail(error: JoinError) -> ! {
    if error.is_panic() {
        std::panic::resume_unwind(error.into_panic());
    }
    panic!("interrupted");
}

/// Waits for Ctrl-C or SIGTERM.
async fn interrupted() {
    let mut end = signal(SignalKind::terminate()).expect("SIGTERM can be waited for");
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt.expect("Ctrl-C can be waited for"),
        _ = end.recv() => {}
    }
}
