//! A run that began without a pod: how long no request succeeded.

use crate::journal::Scaling;
use crate::report::figures::{FromZero, Load};

/// The wait of the first request, of a run whose first request found no pod.
pub(crate) fn wait(seconds: &[Load], scaling: &[Scaling]) -> Option<FromZero> {
    let offered = seconds.iter().find(|second| second.offered > 0)?.at;
    // Before the first observation, there is what that shows.
    let seen = scaling.iter().rfind(|seen| seen.at <= offered).or(scaling.first())?;
    // Pods that cannot be read are counted as none throughout.
    if seen.pods > 0 || scaling.iter().all(|seen| seen.pods == 0) {
        return None;
    }
    let succeeded = seconds.iter().find(|second| second.achieved > 0).map(|second| second.at);
    let before = seconds.iter().take_while(|second| succeeded.is_none_or(|succeeded| second.at < succeeded));
    Some(FromZero {
        offered,
        waited: succeeded.map(|succeeded| succeeded - offered),
        lost: before.map(|second| second.failed + second.dropped).sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(at: f64, achieved: u64) -> Load {
        Load { at, offered: 10, achieved, p50: None, p99: None, failed: 10 - achieved, dropped: 0 }
    }

    fn seen(at: f64, pods: u32) -> Scaling {
        let conditions = Vec::new();
        Scaling {
            at,
            value: None,
            counted: None,
            prometheus: None,
            api: None,
            desired: 0,
            pods,
            ready: pods,
            conditions,
        }
    }

    #[test]
    fn the_first_request_waits_for_the_first_pod() {
        let seconds = [second(0.0, 0), second(1.0, 0), second(2.0, 4), second(3.0, 10)];
        let scaling = [seen(-3.0, 0), seen(1.5, 1)];
        assert_eq!(wait(&seconds, &scaling), Some(FromZero { offered: 0.0, waited: Some(2.0), lost: 20 }));
    }

    #[test]
    fn without_any_answer_it_still_waits() {
        let wait = wait(&[second(0.0, 0), second(1.0, 0)], &[seen(0.5, 0), seen(0.9, 1)]);
        assert_eq!(wait, Some(FromZero { offered: 0.0, waited: None, lost: 20 }));
    }

    #[test]
    fn a_pod_that_is_there_is_waited_for_by_nobody() {
        assert_eq!(wait(&[second(0.0, 10)], &[seen(-1.0, 1)]), None);
        assert_eq!(wait(&[second(0.0, 0), second(1.0, 1)], &[seen(-1.0, 0)]), None, "no pod was ever seen");
        assert_eq!(wait(&[], &[seen(-1.0, 0)]), None, "no request");
        assert_eq!(wait(&[second(0.0, 0)], &[]), None, "nothing was watched");
    }
}
