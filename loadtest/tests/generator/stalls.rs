//! Targets that stall, and timeouts that a busy machine keeps up with.

use std::time::Duration;

use loadtest::generator::Settings;
use loadtest::journal::ObservedEvent;

use crate::target::{Reply, Target, document};
use crate::{Outcome, run, settings};

/// Runs a load whose requests time out while they wait. On a busy machine, what comes before may take longer than a short
/// timeout, so it grows until the machine keeps up. The last outcome counts, whatever it is.
pub async fn that_keeps_up(
    load: &mut impl AsyncFnMut(Duration) -> Outcome,
    keeps_up: impl Fn(&Outcome) -> bool,
) -> (Outcome, Duration) {
    for millis in [1_500, 6_000] {
        let timeout = Duration::from_millis(millis);
        let outcome = load(timeout).await;
        if keeps_up(&outcome) {
            return (outcome, timeout);
        }
    }
    let longest = Duration::from_secs(30);
    (load(longest).await, longest)
}

/// A timeout as the causes of failures have it.
pub fn text(timeout: Duration) -> String {
    humantime::format_duration(timeout).to_string()
}

#[tokio::test]
async fn a_stalled_target_does_not_slow_the_schedule() {
    let target = Target::start(|_| Reply::Stall).await;
    let mut before = 0;
    let mut load = async |timeout| {
        before = target.heads().len();
        run(Settings { timeout, ..settings(&target.url(), "200rps:2s") }).await
    };
    let (outcome, timeout) = that_keeps_up(&mut load, |outcome| outcome.failures().len() == 1).await;
    outcome.assert_adds_up();
    for second in &outcome.seconds[..2] {
        assert_eq!((second.due, second.sent), (200, 200), "second {}", second.at);
    }
    assert_eq!(outcome.failures(), [(format!("no answer in {}", text(timeout)).as_str(), 400)]);
    assert_eq!(target.heads()[before..].iter().filter(|heads| heads.len() == 1).count(), 400);
    assert!(outcome.end.at >= 1.9 + timeout.as_secs_f64() && !outcome.end.interrupted, "{:?}", outcome.end);
}

#[tokio::test]
async fn an_answer_that_stalls_midway_is_told_from_none() {
    let mut load = async |timeout| {
        let whole = document(200, "web-1");
        let target = Target::start(move |before| match before % 2 {
            0 => Reply::Half(whole[..whole.len() - 3].to_owned()),
            _ => Reply::Stall,
        })
        .await;
        run(Settings { timeout, ..settings(&target.url(), "50rps:200ms") }).await
    };
    let even = |outcome: &Outcome| outcome.failures().iter().all(|(_, count)| *count == 5);
    let (outcome, timeout) = that_keeps_up(&mut load, even).await;
    outcome.assert_adds_up();
    let causes = ["answer not complete in", "no answer in"].map(|cause| format!("{cause} {}", text(timeout)));
    assert_eq!(outcome.failures(), [(causes[0].as_str(), 5), (causes[1].as_str(), 5)]);
    let examples = outcome.events.iter().filter(|event| matches!(event.what, ObservedEvent::FirstFailure { .. }));
    assert_eq!(examples.count(), 2, "one of each: {:?}", outcome.events);
}
