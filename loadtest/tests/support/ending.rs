//! A test of a cluster ends as it is to end, also after a failure and when it is told to end.

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinError, LocalSet};

/// Tells a story to its end, or until whoever started this says that it shall end. A panic in it stays in it, so that the
/// cluster can be left as it was found.
pub async fn told(story: impl Future<Output = ()> + 'static) -> Result<(), JoinError> {
    let tasks = LocalSet::new();
    let mut story = tasks.spawn_local(story);
    let until = async {
        tokio::select! {
            told = &mut story => told,
            () = interrupted() => {
                story.abort();
                story.await
            }
        }
    };
    tasks.run_until(until).await
}

/// Fails as the story did.
pub fn fail(error: JoinError) -> ! {
    if error.is_panic() {
        std::panic::resume_unwind(error.into_panic());
    }
    panic!("interrupted");
}

/// Ctrl-C, or the word of whoever started this that it shall end.
async fn interrupted() {
    let mut end = signal(SignalKind::terminate()).expect("SIGTERM can be waited for");
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt.expect("Ctrl-C can be waited for"),
        _ = end.recv() => {}
    }
}
