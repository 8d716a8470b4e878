//! The lab: it breaks the chain, runs the doctor, applies its fix, and runs it again.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use loadtest::doctor::catalogue::Cause;
use loadtest::doctor::diagnosis::Finding;
use serde_json::Value;

use crate::asking::{Answer, ask, title};
use crate::case::Case;
use crate::cluster::observer::{HPA, NAMESPACE};
use crate::cluster::settings::Settings;
use crate::cluster::transcript::Transcript;
use crate::cluster::workload::Workload;
use crate::table::{Phase, Row, Table};

/// The doctor names a cause within this time. The slowest cause needs a pod that has been ready for a minute.
const NAMED: Duration = Duration::from_mins(3);

/// A fixed chain is healthy within this time: a pod's start, its scrapes, a relist of the adapter, and an HPA sync.
const HEALTHY: Duration = Duration::from_mins(4);

/// The longest that a line of bash may take.
const PATIENCE: Duration = Duration::from_mins(4);

/// The HPA's stabilisation window in the lab, in seconds.
pub const STABILISATION: u32 = 15;

/// Objects that the lab changes and the manifests do not contain, and the file for a copy of each.
const COPIES: [(&str, &str); 4] = [
    ("adapter.bak", "-n monitoring get deployment prometheus-adapter"),
    ("adapter-service.bak", "-n monitoring get service prometheus-adapter"),
    ("prometheus.bak", "-n monitoring get prometheus k8s"),
    ("controller.bak", "get clusterrole system:controller:horizontal-pod-autoscaler"),
];

/// The paths of the same objects, and the fields that the lab changes.
const CHANGED: [(&str, &[&str]); 4] = [
    (
        "/apis/apps/v1/namespaces/monitoring/deployments/prometheus-adapter",
        &["/spec/replicas", "/spec/strategy", "/spec/template/spec/containers"],
    ),
    ("/api/v1/namespaces/monitoring/services/prometheus-adapter", &["/spec/ports"]),
    (
        "/apis/monitoring.coreos.com/v1/namespaces/monitoring/prometheuses/k8s",
        &["/spec/image", "/spec/serviceMonitorSelector"],
    ),
    ("/apis/rbac.authorization.k8s.io/v1/clusterroles/system:controller:horizontal-pod-autoscaler", &["/rules"]),
];

/// Objects that the lab or a fix creates. They must not exist before.
const OWN: [&str; 2] = ["namespace shopfront-elsewhere", "clusterrole hpa-reads-custom"];

pub struct Lab {
    pub settings: Settings,
    pub workload: Workload,
    pub transcript: Transcript,
    pub table: RefCell<Table>,
    /// Cases that were made and not fixed yet.
    broken: RefCell<Vec<Case>>,
    /// Whether the last answer was healthy, and nothing has changed since.
    steady: Cell<bool>,
    /// The folder for the evidence of wrong answers.
    kept: PathBuf,
    folder: tempfile::TempDir,
    /// The fields of [`CHANGED`] before any change.
    before: Vec<Value>,
}

impl Lab {
    pub async fn new(settings: Settings, workload: Workload) -> Self {
        let (transcript, folder) = (workload.transcript.clone(), tempfile::tempdir().expect("a folder can be made"));
        let kept = settings.transcript.with_file_name("doctor-lab");
        let lab = Self {
            settings,
            workload,
            transcript,
            table: RefCell::default(),
            broken: RefCell::default(),
            steady: Cell::new(false),
            kept,
            folder,
            before: Vec::new(),
        };
        for object in OWN {
            let existing = lab.workload.kubectl.quietly(&format!("get {object} --ignore-not-found")).await;
            assert!(existing.is_empty(), "the lab would overwrite and delete these:\n{existing}");
        }
        let before = lab.changed_fields().await;
        for (file, object) in COPIES {
            // `kubectl replace` refuses an old resourceVersion.
            let line = format!("kubectl {object} -o yaml | sed '/^  resourceVersion:/d' > {file}");
            lab.bash(&line).await.unwrap_or_else(|error| panic!("{error}"));
        }
        Self { before, ..lab }
    }

    /// The present values of the fields of [`CHANGED`].
    async fn changed_fields(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for (path, fields) in CHANGED {
            let object = self.workload.api.json(path).await.unwrap_or_else(|| panic!("{path} can be read"));
            all.extend(fields.iter().map(|field| object.pointer(field).cloned().unwrap_or_default()));
        }
        all
    }

    /// Fails if a field of [`CHANGED`] differs from its value before the lab.
    pub async fn check_restored(&self) -> Result<(), String> {
        let now = self.changed_fields().await;
        if now == self.before { Ok(()) } else { Err(format!("before {:?}, now {now:?}", self.before)) }
    }

    /// Applies the manifests, and waits until the chain is healthy. The doctor must not call it broken meanwhile.
    pub async fn install(&self) {
        self.transcript.step("the manifests");
        self.workload.apply().await;
        let hpa = format!("-n {NAMESPACE} get hpa {HPA}");
        self.workload.kubectl.eventually(Duration::from_secs(30), &hpa, |_| true).await;
        self.workload.stabilise_for(STABILISATION).await;
        self.transcript.step("a chain that starts");
        let begun = Instant::now();
        let (mut answers, mut wrong) = (0, Vec::new());
        let up = self
            .until(HEALTHY + NAMED, &Self::hpa(), |answer| {
                answers += 1;
                wrong.extend(answer.finding(false).map(|_| answer.line()));
                answer.is_all_ok(None).then_some(())
            })
            .await;
        self.keep_evidence_if(!wrong.is_empty(), "starting");
        self.table.borrow_mut().phases.push(Phase { what: "just installed", answers, wrong });
        assert!(up.is_ok(), "the chain is not called healthy {:?} after it was installed", begun.elapsed());
        self.steady.set(true);
    }

    fn hpa() -> String {
        format!("{NAMESPACE}/{HPA}")
    }

    /// Makes the kubelet update Prometheus' configuration whenever the operator has written a new one.
    pub async fn hand_scrape_configurations_on(&self) {
        let mut turns = tokio::time::interval(Duration::from_millis(500));
        let mut last = None;
        loop {
            turns.tick().await;
            let now = self.workload.scrape_configuration().await;
            if now.is_some() && now != last {
                self.workload.hand_the_scrape_configuration_on().await;
                last = now;
            }
        }
    }

    pub async fn run_case(&self, case: &Case) {
        self.transcript.step(&format!("{}: {}", title(case.cause), case.what));
        let mut row = Row {
            causes: vec![case.cause],
            what: case.what.to_owned(),
            named: Err("not tried".to_owned()),
            fix: String::new(),
            healthy: Err("not tried".to_owned()),
        };
        match self.make_and_name(case).await {
            Ok((finding, seconds)) => {
                row.named = Ok(seconds);
                (row.fix, row.healthy) = self.fix_and_wait(case, &finding).await;
            }
            Err(fault) => {
                row.named = Err(fault);
                self.undo(case).await;
            }
        }
        self.note(row);
    }

    /// Prints a row, and adds it to the table.
    pub fn note(&self, row: Row) {
        let shown = |outcome: &Result<f64, String>| match outcome {
            Ok(seconds) => format!("{seconds:.1} s"),
            Err(fault) => format!("NO: {fault}"),
        };
        self.transcript.say(format_args!(
            "=> named {}; {}; healthy {}",
            shown(&row.named),
            row.fix,
            shown(&row.healthy)
        ));
        self.table.borrow_mut().rows.push(row);
    }

    /// Makes the case from a healthy start, and waits until the doctor names its cause.
    async fn make_and_name(&self, case: &Case) -> Result<(Finding, f64), String> {
        if !self.steady.get() {
            self.healthy(None, &Self::hpa()).await.map_err(|fault| format!("no healthy start: {fault}"))?;
        }
        self.make(case).await?;
        self.wait_for_name(case, None).await
    }

    pub async fn make(&self, case: &Case) -> Result<(), String> {
        self.steady.set(false);
        self.broken.borrow_mut().push(case.clone());
        for line in &case.breaks {
            self.bash(line).await?;
        }
        Ok(())
    }

    /// Waits until the doctor names the case's cause. It may find `other` broken before, and nothing else; what explains a
    /// healthy chain may change on the way.
    pub async fn wait_for_name(&self, case: &Case, other: Option<Cause>) -> Result<(Finding, f64), String> {
        let begun = Instant::now();
        let named = self
            .until(NAMED, &case.hpa, |answer| {
                let finding = answer.finding(case.explains)?;
                if finding.cause == case.cause {
                    Some(Ok((finding.clone(), (answer.at - begun).as_secs_f64())))
                } else {
                    (answer.is_broken() && Some(finding.cause) != other).then(|| Err(answer.line()))
                }
            })
            .await
            .unwrap_or_else(|last| Err(format!("not named in {NAMED:?}; the last answer was: {last}")));
        self.keep_evidence_if(
            named.is_err(),
            &format!("{}-{}", case.cause.number(), case.what.replace([' ', '/'], "-")),
        );
        named
    }

    /// Fixes the case, and waits for a healthy chain.
    async fn fix_and_wait(&self, case: &Case, finding: &Finding) -> (String, Result<f64, String>) {
        let (fix, applied) = self.fix(case, finding).await;
        let healthy = match applied {
            Ok(()) => {
                let healthy = self.healthy(case.explains.then_some(case.cause), &Self::hpa()).await;
                if healthy.is_err() {
                    self.undo(case).await;
                }
                healthy
            }
            Err(fault) => {
                self.undo(case).await;
                Err(fault)
            }
        };
        self.tidy(case).await;
        (fix, healthy)
    }

    /// Runs the printed commands as they are, or undoes the case. Says which, and whether it worked.
    pub async fn fix(&self, case: &Case, finding: &Finding) -> (String, Result<(), String>) {
        self.transcript.say(format_args!("advice: {}", finding.fix.advice));
        if let Some(why) = case.by_hand {
            self.undo(case).await;
            return (format!("undone: {why}"), Ok(()));
        }
        let commands = &finding.fix.commands;
        if commands.is_empty() {
            return ("none".to_owned(), Err(format!("no command is printed: {}", finding.fix.advice)));
        }
        for command in commands {
            if let Err(fault) = self.bash_with(&["-c"], command).await {
                return ("does not run".to_owned(), Err(fault));
            }
        }
        let count = if commands.len() == 1 { "a command".to_owned() } else { format!("{} commands", commands.len()) };
        (format!("{count}, as printed"), Ok(()))
    }

    /// Runs the lines that undo the case.
    async fn undo(&self, case: &Case) {
        self.steady.set(false);
        for line in &case.undo {
            if let Err(fault) = self.bash(line).await {
                self.transcript.say(format_args!("cannot undo it: {fault}"));
            }
        }
    }

    /// Restores the manifests after the doctor's commands.
    pub async fn tidy(&self, case: &Case) {
        for line in &case.tidy {
            self.steady.set(false);
            if let Err(fault) = self.bash(line).await {
                self.transcript.say(format_args!("cannot restore the manifests: {fault}"));
            }
        }
        let mut broken = self.broken.borrow_mut();
        if let Some(place) = broken.iter().position(|other| other.what == case.what) {
            broken.remove(place);
        }
    }

    /// Undoes all cases that are not fixed, the last one first.
    pub async fn undo_all(&self) {
        let broken = self.broken.take();
        for case in broken.iter().rev() {
            self.undo(case).await;
        }
    }

    /// Waits until each link is ok and this cause explains nothing any more. Returns the seconds it took.
    pub async fn healthy(&self, but: Option<Cause>, hpa: &str) -> Result<f64, String> {
        let begun = Instant::now();
        let healthy = self
            .until(HEALTHY, hpa, |answer| answer.is_all_ok(but).then(|| (answer.at - begun).as_secs_f64()))
            .await
            .map_err(|last| format!("not healthy after {HEALTHY:?}: {last}"));
        self.steady.set(healthy.is_ok());
        self.keep_evidence_if(healthy.is_err(), "not-healthy");
        healthy
    }

    /// Runs the doctor until `does` accepts the answer. Fails with the last answer's line.
    async fn until<T>(
        &self,
        bound: Duration,
        hpa: &str,
        mut does: impl FnMut(&Answer) -> Option<T>,
    ) -> Result<T, String> {
        let (begun, mut last) = (Instant::now(), String::new());
        loop {
            let answer = ask(&self.workload.kubectl, hpa, Some(&self.bundle())).await;
            let line = answer.line();
            if line != last {
                self.transcript.say(format_args!("{:>6.1} s  {line}", begun.elapsed().as_secs_f64()));
                last = line;
            }
            if let Some(done) = does(&answer) {
                return Ok(done);
            }
            if begun.elapsed() > bound {
                return Err(last);
            }
        }
    }

    fn bundle(&self) -> PathBuf {
        self.folder.path().join("bundle.json")
    }

    /// Keeps the last evidence, for `loadtest doctor --from`.
    fn keep_evidence_if(&self, condition: bool, name: &str) {
        if condition {
            let copy = self.kept.join(format!("{name}.json"));
            std::fs::create_dir_all(&self.kept).expect("the folder can be made");
            if std::fs::copy(self.bundle(), &copy).is_ok() {
                self.transcript.say(format_args!("the evidence is in {}", copy.display()));
            }
        }
    }

    /// Runs a line of the lab, of which every part must succeed.
    pub async fn bash(&self, line: &str) -> Result<String, String> {
        self.bash_with(&["-euo", "pipefail", "-c"], line).await
    }

    async fn bash_with(&self, flags: &[&str], line: &str) -> Result<String, String> {
        let mut command = self.workload.kubectl.program("bash");
        command.args(flags).arg(line).stdin(Stdio::null());
        let Ok(output) = tokio::time::timeout(PATIENCE, command.output()).await else {
            return Err(format!("not done after {PATIENCE:?}: {line}"));
        };
        let output = output.expect("bash is in the PATH");
        let [printed, complaint] =
            [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        self.transcript.command(line, &format!("{printed}{complaint}"));
        if output.status.success() { Ok(printed) } else { Err(format!("{line}: {}", complaint.trim())) }
    }
}
