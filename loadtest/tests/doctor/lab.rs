//! Breaks, asks, mends, and asks again.

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
use crate::table::{Row, Spell, Table};

/// What is broken is named within this time: what takes longest is a pod that has to be ready for a minute.
const NAMED: Duration = Duration::from_mins(3);

/// And what is mended is healthy within this: a pod, its scrapes, a relist of the adapter, a look of the HPA.
const HEALTHY: Duration = Duration::from_mins(4);

/// No line of bash takes longer.
const PATIENCE: Duration = Duration::from_mins(4);

/// The HPA's stabilisation in the lab, in seconds.
pub const STABILISATION: u32 = 15;

/// What the lab changes that the manifests did not bring, as it was.
const COPIES: [(&str, &str); 4] = [
    ("adapter.bak", "-n monitoring get deployment prometheus-adapter"),
    ("adapter-service.bak", "-n monitoring get service prometheus-adapter"),
    ("prometheus.bak", "-n monitoring get prometheus k8s"),
    ("controller.bak", "get clusterrole system:controller:horizontal-pod-autoscaler"),
];

/// The same by their paths, and their fields that are changed.
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

/// What the lab, or a fix, makes beside the manifests: must be absent before.
const OWN: [&str; 2] = ["namespace shopfront-elsewhere", "clusterrole hpa-reads-custom"];

pub struct Lab {
    pub settings: Settings,
    pub workload: Workload,
    pub transcript: Transcript,
    pub table: RefCell<Table>,
    /// What has been broken, and is not mended yet.
    broken: RefCell<Vec<Case>>,
    /// Whether the last answer was that the chain is healthy, and nothing was changed since.
    steady: Cell<bool>,
    /// Where what was read is kept, where a wrong cause was named.
    kept: PathBuf,
    folder: tempfile::TempDir,
    /// What is not the manifests', before anything was changed.
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
            let there = lab.workload.kubectl.quietly(&format!("get {object} --ignore-not-found")).await;
            assert!(there.is_empty(), "there already, and not this test's to delete:\n{there}");
        }
        let before = lab.not_the_manifests().await;
        for (file, object) in COPIES {
            // Without what belongs to the one moment, so that it can be put back at any other.
            let line = format!("kubectl {object} -o yaml | sed '/^  resourceVersion:/d' > {file}");
            lab.bash(&line).await.unwrap_or_else(|error| panic!("{error}"));
        }
        Self { before, ..lab }
    }

    /// What the lab changes beside the manifests' objects, in so far as it changes it.
    async fn not_the_manifests(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for (path, fields) in CHANGED {
            let object = self.workload.api.json(path).await.unwrap_or_else(|| panic!("{path} can be read"));
            all.extend(fields.iter().map(|field| object.pointer(field).cloned().unwrap_or_default()));
        }
        all
    }

    /// Fails where something that was there before the lab is not as it was.
    pub async fn all_else_is_as_it_was(&self) -> Result<(), String> {
        let now = self.not_the_manifests().await;
        if now == self.before { Ok(()) } else { Err(format!("there was {:?}, and there is {now:?}", self.before)) }
    }

    /// Puts the manifests on the cluster. While the chain comes up, no link of it is called broken.
    pub async fn install(&self) {
        self.transcript.step("the manifests");
        self.workload.apply().await;
        let hpa = format!("-n {NAMESPACE} get hpa {HPA}");
        self.workload.kubectl.eventually(Duration::from_secs(30), &hpa, |_| true).await;
        self.workload.stabilise_for(STABILISATION).await;
        self.transcript.step("a chain that comes up");
        let begun = Instant::now();
        let (mut answers, mut wrong) = (0, Vec::new());
        let up = self
            .until(HEALTHY + NAMED, &Self::hpa(), |answer| {
                answers += 1;
                wrong.extend(answer.finding(false).map(|_| answer.line()));
                answer.is_whole(None).then_some(())
            })
            .await;
        self.keep_where(!wrong.is_empty(), "coming-up");
        self.table.borrow_mut().spells.push(Spell { what: "just installed", answers, wrong });
        assert!(up.is_ok(), "the chain is not called healthy {:?} after it was installed", begun.elapsed());
        self.steady.set(true);
    }

    fn hpa() -> String {
        format!("{NAMESPACE}/{HPA}")
    }

    /// Hands on what the operator writes for Prometheus, as soon as it does so.
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

    pub async fn try_out(&self, case: &Case) {
        self.transcript.step(&format!("{}: {}", title(case.cause), case.what));
        let mut row = Row {
            causes: vec![case.cause],
            what: case.what.to_owned(),
            named: Err("not tried".to_owned()),
            fix: String::new(),
            healthy: Err("not tried".to_owned()),
        };
        match self.named(case).await {
            Ok((finding, seconds)) => {
                row.named = Ok(seconds);
                (row.fix, row.healthy) = self.mended(case, &finding).await;
            }
            Err(fault) => {
                row.named = Err(fault);
                self.take_back(case).await;
            }
        }
        self.note(row);
    }

    /// Keeps a row, and shows it.
    pub fn note(&self, row: Row) {
        let told = |outcome: &Result<f64, String>| match outcome {
            Ok(seconds) => format!("{seconds:.1} s"),
            Err(fault) => format!("NO: {fault}"),
        };
        self.transcript.say(format_args!("=> named {}; {}; healthy {}", told(&row.named), row.fix, told(&row.healthy)));
        self.table.borrow_mut().rows.push(row);
    }

    /// From a healthy start: makes it, and waits until it is named.
    async fn named(&self, case: &Case) -> Result<(Finding, f64), String> {
        if !self.steady.get() {
            self.healthy(None, &Self::hpa()).await.map_err(|fault| format!("no healthy start: {fault}"))?;
        }
        self.make(case).await?;
        self.names(case, None).await
    }

    pub async fn make(&self, case: &Case) -> Result<(), String> {
        self.steady.set(false);
        self.broken.borrow_mut().push(case.clone());
        for line in &case.breaks {
            self.bash(line).await?;
        }
        Ok(())
    }

    /// Waits until a cause is named, which has to be this one. The other one, where there is one, may be named before.
    pub async fn names(&self, case: &Case, other: Option<Cause>) -> Result<(Finding, f64), String> {
        let begun = Instant::now();
        let named = self
            .until(NAMED, &case.hpa, |answer| {
                let finding = answer.finding(case.explains)?;
                if finding.cause == case.cause {
                    Some(Ok((finding.clone(), (answer.at - begun).as_secs_f64())))
                } else {
                    (Some(finding.cause) != other).then(|| Err(answer.line()))
                }
            })
            .await
            .unwrap_or_else(|last| Err(format!("not named in {NAMED:?}; the last word was: {last}")));
        self.keep_where(named.is_err(), &format!("{}-{}", case.cause.number(), case.what.replace([' ', '/'], "-")));
        named
    }

    /// Runs the doctor's commands as they are printed, where it has any, and waits for a healthy chain.
    async fn mended(&self, case: &Case, finding: &Finding) -> (String, Result<f64, String>) {
        let (fix, applied) = self.mend(case, finding).await;
        let healthy = match applied {
            Ok(()) => {
                let healthy = self.healthy(case.explains.then_some(case.cause), &Self::hpa()).await;
                if healthy.is_err() {
                    self.take_back(case).await;
                }
                healthy
            }
            Err(fault) => {
                self.take_back(case).await;
                Err(fault)
            }
        };
        self.tidy(case).await;
        (fix, healthy)
    }

    /// What was done, and whether it could be.
    pub async fn mend(&self, case: &Case, finding: &Finding) -> (String, Result<(), String>) {
        self.transcript.say(format_args!("advice: {}", finding.fix.advice));
        if let Some(why) = case.by_hand {
            self.take_back(case).await;
            return (format!("taken back: {why}"), Ok(()));
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

    /// Takes back what the doctor's commands did not.
    async fn take_back(&self, case: &Case) {
        self.steady.set(false);
        for line in &case.undo {
            if let Err(fault) = self.bash(line).await {
                self.transcript.say(format_args!("cannot take it back: {fault}"));
            }
        }
    }

    /// Brings the manifests back to the letter.
    pub async fn tidy(&self, case: &Case) {
        for line in &case.tidy {
            self.steady.set(false);
            if let Err(fault) = self.bash(line).await {
                self.transcript.say(format_args!("cannot tidy up: {fault}"));
            }
        }
        let mut broken = self.broken.borrow_mut();
        if let Some(place) = broken.iter().position(|other| other.what == case.what) {
            broken.remove(place);
        }
    }

    /// At the end, however it came.
    pub async fn mend_what_is_broken(&self) {
        let broken = self.broken.take();
        for case in broken.iter().rev() {
            self.take_back(case).await;
        }
    }

    /// Waits until each link of the chain is seen to hold, and this cause is no longer why nothing changes: the seconds it took.
    pub async fn healthy(&self, but: Option<Cause>, hpa: &str) -> Result<f64, String> {
        let begun = Instant::now();
        let healthy = self
            .until(HEALTHY, hpa, |answer| answer.is_whole(but).then(|| (answer.at - begun).as_secs_f64()))
            .await
            .map_err(|last| format!("not healthy after {HEALTHY:?}: {last}"));
        self.steady.set(healthy.is_ok());
        self.keep_where(healthy.is_err(), "not-healthy");
        healthy
    }

    /// Asks until the answer will do: what it gave; or the last answer's line.
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

    /// Keeps what was last read, for `loadtest doctor --from`.
    fn keep_where(&self, wanted: bool, name: &str) {
        if wanted {
            let copy = self.kept.join(format!("{name}.json"));
            std::fs::create_dir_all(&self.kept).expect("the folder can be made");
            if std::fs::copy(self.bundle(), &copy).is_ok() {
                self.transcript.say(format_args!("what was read is in {}", copy.display()));
            }
        }
    }

    /// A line of the lab's own, which must succeed in all its parts.
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
