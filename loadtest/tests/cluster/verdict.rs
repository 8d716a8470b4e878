//! What the load tool saw from inside the cluster, held against its own prediction.

use std::process::Stdio;
use std::time::Duration;

use loadtest::report::{Outcome, Report};
use tokio::process::Command;

use crate::cluster::observer::{HPA_PERIOD, NAMESPACE};
use crate::load::JOB;
use crate::steps::Run;

/// Merging takes seconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the controller takes to ask and to write, and the watch to tell.
const REACTION: Duration = Duration::from_secs(2);

/// The way of the replicas that the HPA wants, out and back.
const WAY: [(&str, u32); 4] = [("2, out", 2), ("3, out", 3), ("2, back", 2), ("1, back", 1)];

impl Run {
    /// The report of the Job's log: its verdict, and its prediction. Replicas are wanted within one look of the HPA of
    /// the predicted time, both ways, or when some case of the model has them: on the way back one look decides on when
    /// the next can.
    pub async fn the_report_says_so(&self) {
        self.transcript.step("the load tool's report");
        let report = self.merged().await;
        let seen = times(report.scaling.iter().map(|moment| (moment.at, moment.desired)));
        let predicted = times(report.prediction.iter().map(|look| (look.at, look.wanted)));
        self.transcript.say("\n| wanted | seen after | predicted after |\n|---|---|---|");
        for (((what, _), seen), predicted) in WAY.iter().zip(&seen).zip(&predicted) {
            self.transcript.say(format_args!("| {what} | {} | {} |", told(*seen), told(*predicted)));
        }
        let outside: Vec<_> = report.steps.iter().filter(|step| step.inside == Some(false)).collect();
        for (((what, _), seen), predicted) in WAY.iter().zip(seen).zip(predicted) {
            let (Some(seen), Some(predicted)) = (seen, predicted) else {
                panic!("{what}: seen after {seen:?} s, predicted after {predicted:?} s");
            };
            let close = (seen - predicted).abs() <= (HPA_PERIOD + REACTION).as_secs_f64();
            let impossible = outside.iter().find(|step| step.at.total_cmp(&seen).is_eq());
            assert!(
                close || impossible.is_none(),
                "{what}: seen after {seen} s, predicted after {predicted} s: {impossible:?}"
            );
        }
        self.transcript
            .say(format_args!("{} steps, outside of what the model allows: {outside:?}", report.steps.len()));
        assert_eq!(report.verdict.outcome, Outcome::Passed, "{:?}", report.verdict);
    }

    /// As k8s/loadtest.yml says: the log is kept, and `merge` makes the report of it.
    async fn merged(&self) -> Report {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let log = self.workload.kubectl.quietly(&format!("-n {NAMESPACE} logs job/{JOB}")).await;
        std::fs::write(folder.path().join("part.jsonl"), log).expect("the log can be kept");
        let mut loadtest = Command::new(env!("CARGO_BIN_EXE_loadtest"));
        loadtest.args(["merge", "part.jsonl", "--out", "report"]).current_dir(folder.path()).stdin(Stdio::null());
        let merged = tokio::time::timeout(PATIENCE, loadtest.kill_on_drop(true).output()).await;
        let output = merged.expect("the report is made in time").expect("the tool can be run");
        self.transcript.say(format_args!("$ kubectl -n {NAMESPACE} logs job/{JOB} > part.jsonl"));
        self.transcript.say("$ loadtest merge part.jsonl --out report");
        self.transcript.say(String::from_utf8_lossy(&output.stdout));
        let report = std::fs::read(folder.path().join("report").join("report.json"));
        let report = report.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        serde_json::from_slice(&report).expect("the report is what the tool writes")
    }
}

/// When each part of the way was first wanted.
fn times(mut moments: impl Iterator<Item = (f64, u32)>) -> [Option<f64>; WAY.len()] {
    let mut last = None;
    WAY.map(|(what, replicas)| {
        let there = |wanted: u32| if what.ends_with("out") { wanted >= replicas } else { wanted <= replicas };
        // A step of two replicas is two parts of the way at once.
        let now = last.filter(|(_, wanted)| there(*wanted)).or_else(|| moments.find(|(_, wanted)| there(*wanted)));
        last = now;
        now.map(|(at, _)| at)
    })
}

fn told(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "never".to_owned(), |seconds| format!("{seconds:.1} s"))
}
