//! What the load tool saw from inside the cluster, held against what was seen from outside.

use loadtest::journal::Entry;
use loadtest::report::{Outcome, terminal};
use loadtest::session::judged;

use crate::observer::HPA_PERIOD;
use crate::steps::{Run, SLACK};

/// Columns of the transcript.
const WIDTH: usize = 120;

impl Run {
    /// The load tool's verdict, and its prediction: replicas are wanted within one look of the HPA of the predicted time.
    pub fn the_report_says_so(&self, journal: &[Entry]) {
        self.transcript.step("the load tool's report");
        let report = judged(journal);
        self.transcript.say(terminal::summary(&report, WIDTH));
        for replicas in [2, 3] {
            let seen = report.scaling.iter().find(|moment| moment.wanted >= replicas).map(|moment| moment.at);
            let predicted = report.prediction.iter().find(|look| look.wanted >= replicas).map(|look| look.at);
            let (Some(seen), Some(predicted)) = (seen, predicted) else {
                panic!("{replicas} replicas: seen {seen:?}, predicted {predicted:?}");
            };
            self.transcript
                .say(format_args!("{replicas} replicas wanted after {seen:.1} s, predicted after {predicted:.1} s"));
            let apart = (seen - predicted).abs();
            assert!(apart <= (HPA_PERIOD + SLACK).as_secs_f64(), "the prediction is {apart:.1} s away");
        }
        assert_eq!(report.verdict.outcome, Outcome::Passed, "{:?}", report.verdict);
    }
}
