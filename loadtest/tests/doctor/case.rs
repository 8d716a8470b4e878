//! A case of the lab: a cause, how to make it, and how to undo it.

use loadtest::doctor::catalogue::Cause;

use crate::cluster::observer::{HPA, NAMESPACE};

/// A way to make a cause. All lines are bash, as a user would type them in the folder that has `k8s/`.
#[derive(Clone)]
pub struct Case {
    pub cause: Cause,
    /// What is broken, in a few words.
    pub what: &'static str,
    /// Lines that make the cause.
    pub breaks: Vec<String>,
    /// Lines that undo it if the doctor's commands did not. They can be run at any time.
    pub undo: Vec<String>,
    /// Lines that restore the manifests after the doctor's commands, which fix the link in their own way.
    pub tidy: Vec<String>,
    /// `namespace/name` of the HPA that the doctor examines.
    pub hpa: String,
    /// Why the doctor prints no command for it, if it does not. The lab then undoes it.
    pub by_hand: Option<&'static str>,
    /// No link is broken, and the cause explains why nothing scales.
    pub explains: bool,
    /// Part of the quick selection.
    pub quick: bool,
}

/// Two causes at once: the one nearer to the pod is `near`.
pub struct Pair {
    pub near: Case,
    pub far: Case,
    pub quick: bool,
}

impl Case {
    pub fn new(cause: Cause, what: &'static str, breaks: impl Into<String>, undo: impl Into<String>) -> Self {
        Self {
            cause,
            what,
            breaks: vec![breaks.into()],
            undo: vec![undo.into()],
            tidy: Vec::new(),
            hpa: format!("{NAMESPACE}/{HPA}"),
            by_hand: None,
            explains: false,
            quick: false,
        }
    }

    pub fn then(mut self, line: impl Into<String>) -> Self {
        self.breaks.push(line.into());
        self
    }

    /// Runs the lines of `undo` after the doctor's commands too.
    pub fn tidied(mut self) -> Self {
        self.tidy.clone_from(&self.undo);
        self
    }

    pub fn for_hpa(mut self, hpa: &str) -> Self {
        hpa.clone_into(&mut self.hpa);
        self
    }

    pub fn by_hand(mut self, why: &'static str) -> Self {
        self.by_hand = Some(why);
        self
    }

    pub fn explains(mut self) -> Self {
        self.explains = true;
        self
    }

    pub fn quick(mut self) -> Self {
        self.quick = true;
        self
    }

    pub fn with(self, far: Self) -> Pair {
        Pair { near: self, far, quick: false }
    }
}

impl Pair {
    pub fn quick(mut self) -> Self {
        self.quick = true;
        self
    }
}
