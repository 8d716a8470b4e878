//! A cause, how it is made, and how it is taken back.

use loadtest::doctor::catalogue::Cause;

use crate::cluster::observer::{HPA, NAMESPACE};

/// A way to bring a cause about. All lines are for bash, in the folder that has `k8s/`, as a user would type them.
#[derive(Clone)]
pub struct Case {
    pub cause: Cause,
    /// What is done, in a few words.
    pub what: &'static str,
    /// Make it.
    pub breaks: Vec<String>,
    /// Take it back, where the doctor's commands did not. Can be run at any time.
    pub undo: Vec<String>,
    /// What there is to tidy up after the doctor's commands: they mend the link, and need not bring back every word.
    pub tidy: Vec<String>,
    /// `namespace/name` of the HPA that is asked about.
    pub hpa: String,
    /// Why the doctor can print no command for it, where that is so: then it is taken back.
    pub by_hand: Option<&'static str>,
    /// The chain holds, and this is why nothing changes.
    pub explains: bool,
    /// Belongs to the short selection.
    pub quick: bool,
}

/// Two causes at once, the one nearer the pod first.
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

    /// What the doctor's commands leave is to be taken back as well.
    pub fn tidied(mut self) -> Self {
        self.tidy.clone_from(&self.undo);
        self
    }

    pub fn asked_for(mut self, hpa: &str) -> Self {
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
