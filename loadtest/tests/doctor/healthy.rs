//! The doctor never calls a healthy chain broken: idle, under load, scaling out and in, or while its pods are replaced.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::asking::{Answer, ask};
use crate::cases::traffic::{load, no_load};
use crate::cluster::observer::{HPA, NAMESPACE};
use crate::lab::Lab;
use crate::table::Phase;

/// How many doctors run at once on an idle chain.
const SIDE_BY_SIDE: usize = 5;

/// A window of two minutes, the HPA's sync period and its stabilisation for each of two pods, and a margin.
const SCALED_IN: Duration = Duration::from_mins(6);

/// The load tool's own check of the chain, a rising rate, the HPA's sync period, the pods' start, and a margin.
const SCALED_OUT: Duration = Duration::from_mins(3);

impl Lab {
    pub async fn an_idle_chain_is_healthy(&self, answers: usize) {
        self.transcript.step("a healthy chain, idle");
        let mut all = Vec::new();
        while all.len() < answers {
            all.extend(join_all((0..SIDE_BY_SIDE.min(answers - all.len())).map(|_| self.ask())).await);
        }
        self.note_phase("idle", &all);
    }

    /// Sends five requests per second, for which the HPA adds two pods. A restart replaces all pods meanwhile.
    pub async fn a_loaded_chain_is_healthy(&self, answers: usize) {
        self.transcript.step("a healthy chain, under five requests a second");
        self.bash(&load("5rps", &[])).await.unwrap_or_else(|fault| panic!("{fault}"));
        let mut all = Vec::new();
        for answer in 0..answers {
            if answer == answers / 3 {
                let restart = format!("kubectl -n {NAMESPACE} rollout restart deployment shopfront-deploy");
                self.bash(&restart).await.unwrap_or_else(|fault| panic!("{fault}"));
            }
            all.push(self.ask().await);
        }
        self.note_phase("under load, scaling out, with a restart", &all);
        let replicas = format!("-n {NAMESPACE} get hpa {HPA} -o jsonpath={{.status.currentReplicas}}");
        self.workload.kubectl.eventually(SCALED_OUT, &replicas, |replicas| replicas == "3").await;
    }

    pub async fn a_chain_that_scales_in_is_healthy(&self) {
        self.transcript.step("a healthy chain, scaling in");
        self.bash(&no_load()).await.unwrap_or_else(|fault| panic!("{fault}"));
        let replicas = format!("-n {NAMESPACE} get hpa {HPA} -o jsonpath={{.status.currentReplicas}}");
        let (begun, mut all) = (Instant::now(), Vec::new());
        while self.workload.kubectl.quietly(&replicas).await != "1" {
            assert!(begun.elapsed() < SCALED_IN, "the pods are not removed");
            all.push(self.ask().await);
        }
        self.note_phase("scaling in", &all);
    }

    async fn ask(&self) -> Answer {
        ask(&self.workload.kubectl, &format!("{NAMESPACE}/{HPA}"), None).await
    }

    fn note_phase(&self, what: &'static str, answers: &[Answer]) {
        // While the only pod is replaced, the HPA may have no value: links may be pending, but not broken.
        let is_wrong = |answer: &&Answer| answer.diagnosis.is_err() || answer.finding(false).is_some();
        let wrong: Vec<_> = answers.iter().filter(is_wrong).map(Answer::line).collect();
        let healthy = answers.iter().filter(|answer| answer.is_healthy()).count();
        let (count, broken) = (answers.len(), wrong.len());
        self.transcript.say(format_args!("{count} answers: {healthy} call it healthy, {broken} broken"));
        for line in &wrong {
            self.transcript.say(line);
        }
        self.table.borrow_mut().phases.push(Phase { what, answers: answers.len(), wrong });
    }
}
