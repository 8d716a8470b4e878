//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

use crate::bounds::{DAY, GENERATORS, IN_FLIGHT, REPLICAS, SPEED};
use crate::error::Error;
use crate::journal::Expectations;
use crate::output::{Clean, print, say, visible};
use crate::profile::{Profile, Spacing, Stage};
use crate::schedule::Share;

const EXAMPLES: &str = "\
Examples:
  loadtest rehearse                   the whole loop on this machine, no cluster
  loadtest run                        the cluster's only HPA, with its profile
  loadtest run --hpa shop/hpa --stage 10rps:3m --stage 0rps:8m --out report
  loadtest run --url http://localhost:9898 --stage 1rps..100rps:1m --p99 50ms
  loadtest predict --stage 10rps:3m   the same as arithmetic
  loadtest doctor                     why the HPA does not scale

Exit codes: 0 every expectation holds, 1 one does not, 2 bad use, 3 nothing could be decided: also where the doctor \
finds the chain broken, and so nothing is sent. The doctor's own: loadtest doctor --help.";

const DOCTOR: &str = "\
Examples:
  loadtest doctor                               the cluster's only HPA
  loadtest doctor shop/hpa --bundle shop.json   and keep what was read
  loadtest doctor --from shop.json              the same, without a cluster
  loadtest doctor --explain rule-absent         what a cause means, and how to fix it

It prints one line per link, then the cause, the evidence and the fix. The marks: ✓ ok, ✗ broken, ? no access, \
· not checked (another link decides, or it is too early to tell), - not applicable to this kind of metric.
It changes nothing. It queries Prometheus through a port-forward or the API server's proxy, and names missing rights.

Exit codes: 0 healthy, 1 a link is broken, 2 bad usage, 3 undecided: nothing is known to be broken, but the HPA does not \
report that it reads its metric, or the cluster does not answer.";

/// Honest load for an autoscaled service: sends it, watches the autoscaler, and judges both.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Send load, watch the autoscaler, report
    Run(Run),
    /// The same on this machine: real servers, a real scraper, the HPA's algorithm, settings from the manifests
    Rehearse(Rehearse),
    /// The replicas that a profile brings about, as arithmetic
    Predict(Predict),
    /// Make one report of the journals of several generators, or of one that was cut short
    Merge(Merge),
    /// Find out why an HPA does not scale: the first broken link, the evidence, and a fix; changes nothing
    Doctor(Doctor),
    /// Print a shell's completions
    Completions {
        /// The shell
        shell: Shell,
    },
    /// A server of a rehearsal; takes shopfront's own flags
    #[command(hide = true, disable_help_flag = true)]
    Replica {
        /// shopfront's flags
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<std::ffi::OsString>,
    },
}

/// `loadtest run`.
#[derive(Args, Debug)]
pub struct Run {
    /// Where the load goes; without it, the load balancer of the Service in front of the HPA's pods, else a port-forward
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,

    /// The HPA to watch; without it, the only one in the kubeconfig's namespace, or else in the cluster. `none` watches
    /// nothing
    #[arg(long, value_name = "NAMESPACE/NAME")]
    pub hpa: Option<String>,

    /// The kubeconfig's context
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,

    /// Do not ask the doctor first, which takes some seconds and refuses, with exit code 3, a load that cannot scale
    /// anything
    #[arg(long)]
    pub skip_doctor: bool,

    /// Also ask a Prometheus that a `ScaledObject` names in the HPA's own namespace. By default it is not asked, because any
    /// pod in that namespace could answer as Prometheus
    #[arg(long)]
    pub trust_prometheus: bool,

    /// What a run and a rehearsal have in common
    #[command(flatten)]
    pub common: Common,
}

/// `loadtest rehearse`.
#[derive(Args, Debug)]
pub struct Rehearse {
    /// Folder of manifests: the HPA, the `ServiceMonitor` and the adapter's rule, or a `ScaledObject`
    #[arg(long, value_name = "DIR", default_value = "k8s")]
    pub manifests: PathBuf,

    /// Rehearsed seconds in each second
    #[arg(long, value_name = "FACTOR", default_value = "20", value_parser = speed)]
    pub speed: f64,

    /// What a run and a rehearsal have in common
    #[command(flatten)]
    pub common: Common,
}

/// What a run and a rehearsal have in common.
#[derive(Args, Debug)]
pub struct Common {
    /// The load
    #[command(flatten)]
    pub load: Load,

    /// How it is sent
    #[command(flatten)]
    pub sending: Sending,

    /// What is expected
    #[command(flatten)]
    pub expected: Expected,

    /// Where it is written down
    #[command(flatten)]
    pub output: Output,
}

/// `loadtest predict`.
#[derive(Args, Debug)]
pub struct Predict {
    /// Folder of manifests: the HPA, the `ServiceMonitor` and the adapter's rule, or a `ScaledObject`
    #[arg(long, value_name = "DIR", default_value = "k8s")]
    pub manifests: PathBuf,

    /// The load
    #[command(flatten)]
    pub load: Load,

    /// Print each look of the HPA as a line of JSON
    #[arg(long)]
    pub json: bool,
}

/// `loadtest doctor`.
#[derive(Args, Debug)]
#[command(
    after_help = DOCTOR,
    override_usage = "loadtest doctor [OPTIONS] [NAMESPACE/HPA]\n       loadtest doctor [--json] --from <FILE>\n       \
                      loadtest doctor --explain <CAUSE>"
)]
pub struct Doctor {
    /// The HPA; without it, the only one in the kubeconfig's namespace, or else in the cluster
    #[arg(value_name = "NAMESPACE/HPA", value_parser = hpa)]
    pub hpa: Option<String>,

    /// The kubeconfig's context
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,

    /// Also ask a Prometheus that a `ScaledObject` names in the HPA's own namespace. By default it is not asked, because any
    /// pod in that namespace could answer as Prometheus
    #[arg(long, conflicts_with = "from")]
    pub trust_prometheus: bool,

    /// Print the diagnosis as JSON (loadtest/doctor.schema.json)
    #[arg(long)]
    pub json: bool,

    /// Write the evidence to a new file, without secrets that can be recognised, and list what it contains
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,

    /// Diagnose the HPA of such a file, without a cluster
    #[arg(long, value_name = "FILE", conflicts_with_all = ["hpa", "context", "bundle"])]
    pub from: Option<PathBuf>,

    /// Explain a cause, by its number or name, and do nothing else
    #[arg(long, value_name = "CAUSE", exclusive = true)]
    pub explain: Option<String>,
}

/// `loadtest merge`.
#[derive(Args, Debug)]
pub struct Merge {
    /// Journals: `journal.jsonl` of a run's folder, or the lines of `--json`
    #[arg(required = true, value_name = "JOURNAL")]
    pub journals: Vec<PathBuf>,

    /// Folder for the report
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// The load.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Load")]
pub struct Load {
    /// A stage, such as 15rps:3m, 0:6m or 2rps..15rps:1m; may be given several times
    #[arg(long = "stage", value_name = "RATE:DURATION", allow_hyphen_values = true, conflicts_with = "profile")]
    stages: Vec<Stage>,

    /// A profile made from the HPA: idle, just under its target, just over its tolerance, enough for its maximum, and
    /// silence until its minimum. It is the default where an HPA is known
    #[arg(long, value_name = "NAME", value_parser = ["hpa"])]
    profile: Option<String>,
}

/// How load is sent.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Sending")]
pub struct Sending {
    /// The distances between requests
    #[arg(long, value_name = "SPACING", value_enum, default_value_t = Spacing::Even)]
    pub spacing: Spacing,

    /// Seed of random distances
    #[arg(long, value_name = "NUMBER", default_value = "1")]
    pub seed: u64,

    /// Requests on one connection before it is closed. More than one pins a client to a pod
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = clap::value_parser!(u64).range(1..))]
    pub requests_per_connection: u64,

    /// HTTP/2 with prior knowledge
    #[arg(long)]
    pub http2: bool,

    /// Requests in flight at most; what is due beyond that is dropped, and reported so
    #[arg(long, value_name = "COUNT", default_value = "1000", value_parser = clap::value_parser!(u64).range(1..=IN_FLIGHT))]
    pub max_in_flight: u64,

    /// How long an answer may take before it counts as failed
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub timeout: Duration,

    /// How many generators share the load, each with its own requests of the one schedule
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=i64::from(GENERATORS)))]
    pub generators: u32,

    /// Which of them this is, counted from 0; an Indexed Job says so by itself
    #[arg(long, value_name = "INDEX", env = "JOB_COMPLETION_INDEX", default_value = "0")]
    pub generator: u32,
}

/// What is expected of the run; what is not given is not judged.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Expectations")]
pub struct Expected {
    /// Ready replicas that have to be reached
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(..=i64::from(REPLICAS)))]
    expect_replicas: Option<u32>,

    /// The replicas have to come back to the least
    #[arg(long)]
    expect_scale_in: bool,

    /// Time from the step of load that needs them to the expected replicas being ready
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "expect_replicas")]
    scaled_within: Option<Duration>,

    /// Failed and dropped requests that are allowed, those during scale-in among them
    #[arg(long, value_name = "COUNT")]
    max_failed: Option<u64>,

    /// Bound on the median of the latency
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    p50: Option<Duration>,

    /// Bound on the 90th percentile of the latency
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    p90: Option<Duration>,

    /// Bound on the 99th percentile of the latency
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    p99: Option<Duration>,
}

/// Where it is written down.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Folder for report.html, report.json and journal.jsonl
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Print the journal's lines instead of a view for people
    #[arg(long)]
    pub json: bool,
}

impl Cli {
    /// Reads the command line, and variables. What cannot be used, and what asks for help, is told here; the process is
    /// to end with the code that comes back.
    pub fn read() -> Result<Self, ExitCode> {
        // A variable that is set to nothing, as templates leave behind, is a variable that is not set.
        let is_blank = |arg: &Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
        let command = Self::command().mut_subcommands(|command| {
            command.mut_args(|arg| if is_blank(&arg) { arg.env(None::<&str>) } else { arg })
        });
        let read = command.try_get_matches().and_then(|matches| Self::from_arg_matches(&matches));
        read.map_err(told)
    }
}

/// Prints what clap has to say, which repeats arguments, and returns the exit code.
fn told(mut error: clap::Error) -> ExitCode {
    let seen = |text: &String| visible(text).into_owned();
    let styled = |text: &StyledStr| StyledStr::from(visible(&text.to_string()).into_owned());
    let repeated = error.context().filter_map(|(kind, value)| {
        let value = match value {
            ContextValue::String(text) => ContextValue::String(seen(text)),
            ContextValue::Strings(texts) => ContextValue::Strings(texts.iter().map(seen).collect()),
            ContextValue::StyledStrs(texts) => ContextValue::StyledStrs(texts.iter().map(styled).collect()),
            _ => return None,
        };
        Some((kind, value))
    });
    let repeated: Vec<(ContextKind, ContextValue)> = repeated.collect();
    for (kind, value) in repeated {
        error.insert(kind, value);
    }
    let text = Clean::of(&error.render().to_string());
    if error.use_stderr() {
        say(text);
        ExitCode::from(2)
    } else {
        // A reader of the help that has gone away is no fault.
        print(&text).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
    }
}

impl Load {
    /// The stages that were given; none stands for the profile that is made from the HPA.
    pub fn stages(&self) -> Option<Profile> {
        (!self.stages.is_empty()).then(|| Profile { stages: self.stages.clone() })
    }
}

impl Sending {
    /// This generator's part of the schedule.
    pub fn share(&self) -> Result<Share, Error> {
        let Self { generator, generators, .. } = self;
        Share::new(generator.saturating_add(1), *generators).map_err(|_| {
            Error::Usage(format!(
                "--generator is {generator}, and must be less than --generators, which is {generators}"
            ))
        })
    }
}

impl Expected {
    /// As the journal has them.
    pub fn expectations(&self) -> Expectations {
        let seconds = |duration: Option<Duration>| duration.map(|duration| duration.as_secs_f64());
        let latency = [(50.0, self.p50), (90.0, self.p90), (99.0, self.p99)];
        Expectations {
            replicas: self.expect_replicas,
            max_failed: self.max_failed,
            latency: latency.into_iter().filter_map(|(per_cent, bound)| Some((per_cent, seconds(bound)?))).collect(),
            scaled_within: seconds(self.scaled_within),
            scale_in: self.expect_scale_in,
        }
    }
}

fn hpa(text: &str) -> Result<String, String> {
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|one| one.is_ascii_alphanumeric() || "-.".contains(one));
    let (namespace, name) = text.split_once('/').unwrap_or(("default", text));
    let known = is_name(namespace) && is_name(name);
    known
        .then(|| text.to_owned())
        .ok_or_else(|| "expected NAMESPACE/NAME, or the name alone; kubectl get hpa -A lists all".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if !duration.is_zero() && duration.as_secs_f64() <= DAY => Ok(duration),
        _ => Err("expected a duration longer than 0 and a day at most, such as 50ms, 10s or 2m".to_owned()),
    }
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.trim_end_matches('x').parse::<f64>().ok().filter(|speed| SPEED.contains(speed));
    speed.ok_or_else(|| "expected a factor from 1 to 60".to_owned())
}
