//! Two causes at once: the doctor names the one nearer to the pod first, and the other after its fix.

use crate::asking::title;
use crate::case::Pair;
use crate::lab::Lab;
use crate::table::Row;

impl Lab {
    pub async fn run_pair(&self, pair: &Pair) {
        let Pair { near, far, .. } = pair;
        self.transcript.step(&format!("{} before {}", title(near.cause), title(far.cause)));
        let mut row = Row {
            causes: vec![near.cause, far.cause],
            what: format!("{}; {}", near.what, far.what),
            named: Err("not tried".to_owned()),
            fix: String::new(),
            healthy: Err("not tried".to_owned()),
        };
        match self.make_and_fix_both(pair).await {
            Ok((seconds, fix)) => {
                (row.named, row.fix) = (Ok(seconds), fix);
                row.healthy = self.healthy(None, &near.hpa).await;
            }
            Err(fault) => row.named = Err(fault),
        }
        if row.named.is_err() || row.healthy.is_err() {
            self.undo_all().await;
        }
        for case in [near, far] {
            self.tidy(case).await;
        }
        self.note(row);
    }

    /// Makes the farther cause first and waits until the doctor names it. So both exist when it names the nearer one.
    async fn make_and_fix_both(&self, pair: &Pair) -> Result<(f64, String), String> {
        let Pair { near, far, .. } = pair;
        self.healthy(None, &near.hpa).await.map_err(|fault| format!("no healthy start: {fault}"))?;
        self.make(far).await?;
        self.wait_for_name(far, None).await?;
        self.make(near).await?;
        let (finding, seconds) = self.wait_for_name(near, Some(far.cause)).await?;
        let (first, applied) = self.fix(near, &finding).await;
        applied?;
        // The doctor names the nearer cause until its link is ok again.
        let (finding, _) = self.wait_for_name(far, Some(near.cause)).await?;
        let (second, applied) = self.fix(far, &finding).await;
        applied?;
        Ok((seconds, format!("{first}; {second}")))
    }
}
