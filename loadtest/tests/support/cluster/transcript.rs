//! The transcript of a run, printed and kept in a file.

use std::fmt::Display;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::kubectl::Kubectl;

/// The number of lines that are kept of an output.
const SHOWN: usize = 30;

#[derive(Clone)]
pub struct Transcript {
    file: Arc<Mutex<File>>,
    started: Instant,
}

impl Transcript {
    pub fn create(path: &Path) -> Self {
        std::fs::create_dir_all(path.parent().expect("a file has a folder"))
            .expect("the transcript's folder can be made");
        let file = File::create(path).expect("the transcript can be written");
        Self { file: Arc::new(Mutex::new(file)), started: Instant::now() }
    }

    pub fn started(&self) -> Instant {
        self.started
    }

    /// Writes one line, or several.
    pub fn say(&self, text: impl Display) {
        println!("{text}");
        writeln!(self.file.lock().expect("no writer panics"), "{text}").expect("the transcript can be written");
    }

    /// Writes a heading with the time since the start.
    pub fn step(&self, title: &str) {
        self.say(format_args!("\n== {title} ({} s)", self.started.elapsed().as_secs()));
    }

    /// Writes a command and its output.
    pub fn command(&self, command: &str, output: &str) {
        self.say(format_args!("$ {command}"));
        let lines: Vec<_> = output.trim_end().lines().collect();
        for line in lines.iter().take(SHOWN) {
            self.say(line);
        }
        if lines.len() > SHOWN {
            self.say(format_args!("… and {} more lines", lines.len() - SHOWN));
        }
    }

    /// Writes what kubectl says to these questions about a namespace, after a failed step.
    pub async fn state(&self, kubectl: &Kubectl, namespace: &str, questions: &[&str]) {
        self.step("the state after a failure");
        for question in questions {
            let question = format!("-n {namespace} {question}");
            let answer = kubectl.attempt(&question, "").await.unwrap_or_else(|error| error);
            self.command(&format!("kubectl {question}"), &answer);
        }
    }
}
