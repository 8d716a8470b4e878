//! The diagnoses of many HPAs, a line each, the worst first.

use serde::Serialize;

use crate::doctor::diagnosis::{Diagnosis, Outcome, State};
use crate::doctor::link::Link;
use crate::output::text::{fit, wrap};
use crate::output::{Clean, json_pretty};

/// The diagnoses of a cluster's HPAs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// The diagnoses, each as `loadtest doctor --json` prints it; the worst first.
    pub diagnoses: Vec<Diagnosis>,
    /// HPAs whose pods and Prometheus were not asked.
    #[serde(skip)]
    pub unasked: usize,
}

impl Overview {
    /// Of diagnoses in any order.
    pub fn new(mut diagnoses: Vec<Diagnosis>, unasked: usize) -> Self {
        worst_first(&mut diagnoses);
        Self { diagnoses, unasked }
    }

    /// The exit code of the worst.
    pub fn exit_code(&self) -> u8 {
        self.diagnoses.first().map_or(0, |worst| worst.outcome.exit_code())
    }

    /// All diagnoses as JSON.
    pub fn json(&self) -> String {
        json_pretty(self)
    }

    /// A line for each HPA, in at most this width.
    pub fn render(&self, width: usize) -> Clean {
        let longest = self.diagnoses.iter().map(|one| one.hpa.chars().count()).max().unwrap_or_default();
        let column = longest.clamp("HPA".len(), width / 2);
        let mut text = fit(&format!("  {:<column$}  {:<9}  {}", "HPA", "OUTCOME", "WHY"), width) + "\n";
        for one in &self.diagnoses {
            let (mark, outcome) = match one.outcome {
                Outcome::Broken => ('✗', "broken"),
                Outcome::CouldNotLook => ('?', "undecided"),
                Outcome::Healthy => ('✓', "healthy"),
            };
            text.push_str(&fit(&format!("{mark} {:<column$}  {outcome:<9}  {}", one.hpa, why(one)), width));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&(wrap(&self.total(), width, 0).join("\n") + "\n"));
        Clean::of(&text)
    }

    fn total(&self) -> String {
        let count = |outcome| self.diagnoses.iter().filter(|one| one.outcome == outcome).count();
        let (broken, undecided) = (count(Outcome::Broken), count(Outcome::CouldNotLook));
        let all = self.diagnoses.len();
        let unasked = match self.unasked {
            0 => String::new(),
            unasked => format!(
                " Neither the pods nor Prometheus were asked about {unasked} of them: only the API server's own answers \
                 were checked."
            ),
        };
        let hpas = if all == 1 { "HPA" } else { "HPAs" };
        format!(
            "{all} {hpas}: {broken} broken, {undecided} undecided, {} healthy.{unasked} loadtest doctor NAMESPACE/HPA prints \
             every link, the evidence and the fix.",
            all - broken - undecided
        )
    }
}

/// Sorts diagnoses: the worst first, and then by name.
pub fn worst_first(diagnoses: &mut [Diagnosis]) {
    diagnoses.sort_by(|one, other| (severity(one), &one.hpa).cmp(&(severity(other), &other.hpa)));
}

/// Broken first, then undecided, then healthy with something to say.
fn severity(diagnosis: &Diagnosis) -> u8 {
    match diagnosis.outcome {
        Outcome::Broken => 0,
        Outcome::CouldNotLook => 1,
        Outcome::Healthy if diagnosis.explains.is_some() => 2,
        Outcome::Healthy => 3,
    }
}

/// The cause, or the first link that is open, or the replicas.
fn why(diagnosis: &Diagnosis) -> String {
    let cause = diagnosis.broken.as_ref().or(diagnosis.explains.as_ref()).map(|finding| finding.cause);
    if let Some(cause) = cause {
        let entry = cause.entry();
        return format!("{} (cause {})", entry.title, cause.number());
    }
    let open = || diagnosis.links.iter().find(|result| !result.state.is_settled() && result.state != State::Blocked);
    let replicas = || diagnosis.links.iter().find(|result| result.link == Link::Replicas);
    let told = if diagnosis.outcome == Outcome::CouldNotLook { open() } else { replicas() };
    told.map(|result| format!("{}: {}", result.link.label(), result.evidence)).unwrap_or_default()
}
