//! Validates entries. A journal is read as if a stranger had written it: a number out of its bounds or an overlong text
//! is refused at its line, before anything is calculated from it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;

use super::{
    Bytes, Clients, End, Entry, Event, Expectations, FORMAT, MaxFailed, Measure, ObjectEvent, ObservedEvent, Scaling,
    Second, Start, Target, Threshold,
};
use crate::autoscaling::hpa::{Of, Rules};
use crate::autoscaling::{Autoscaler, Measured};
use crate::bounds::{
    self, DAY, GENERATORS, IN_FLIGHT, LOAD, MIX, OutOfBounds, PERIOD, RATE, REPLICAS, SPEED, STAGES, TARGET,
};
use crate::profile::Stage;

/// The longest name, in bytes.
const NAME: usize = 1024;

/// The longest text, in bytes.
const TEXT: usize = 16 * 1024;

/// The maximum number of names in one entry.
const NAMES: usize = 10_000;

/// The maximum number of buckets of a histogram: three digits of each time up to twenty minutes.
const BUCKETS: usize = 30_000;

/// The maximum number of an HPA's conditions, a behavior's policies, and latency limits.
const FEW: usize = 100;

/// The counts in a second: everything in flight may be answered in one.
const COUNT: RangeInclusive<u64> = 0..=100_000_000;

/// The bytes in a second: a terabyte.
const BYTES: RangeInclusive<u64> = 0..=1_000_000_000_000;

/// A moment, in seconds since the load's start. Entries may be from before it, the last answers may come a day after
/// the last request, and a generator may start later than the first.
const MOMENT: RangeInclusive<f64> = -DAY..=2.0 * (LOAD + DAY);

/// Unix time in seconds, up to the year 9999.
const DATE: RangeInclusive<f64> = 0.0..=253_402_300_799.0;

/// A value of a metric.
const VALUE: RangeInclusive<f64> = -1e18..=1e18;

/// What is wrong with an entry.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Invalid {
    /// A number is out of its bounds.
    #[error(transparent)]
    OutOfBounds(#[from] OutOfBounds),
    /// A text is too long.
    #[error("{name} has {bytes} bytes, and may have {max}")]
    TooLong {
        /// The field.
        name: String,
        /// Its length.
        bytes: usize,
        /// The maximum length.
        max: usize,
    },
    /// Another version wrote it.
    #[error(
        "loadtest {version} wrote this journal in format {format}, and this version reads format {FORMAT}: make the \
         report with that version"
    )]
    Format {
        /// The version that wrote it.
        version: String,
        /// Its format.
        format: u32,
    },
}

impl Entry {
    /// Checks that all fields are within their bounds; an error names the field.
    pub fn check(&self) -> Result<(), Invalid> {
        match self {
            Self::Start(start) => start.check(),
            Self::Second(second) => second.check(),
            Self::Scaling(scaling) => scaling.check(),
            Self::Event(Event { at, what }) => {
                within("at", *at, &MOMENT)?;
                what.check()
            }
            Self::End(End { at, .. }) => within("at", *at, &MOMENT),
        }
    }

    /// Shortens texts from the cluster that are too long, so that the entry can be read again.
    pub fn clip(&mut self) {
        match self {
            Self::Event(Event { what, .. }) => what.clip(),
            Self::Scaling(scaling) => {
                scaling.conditions.truncate(FEW);
                scaling.conditions.iter_mut().for_each(|condition| cut(condition, TEXT));
            }
            Self::Start(_) | Self::Second(_) | Self::End(_) => {}
        }
    }
}

impl ObservedEvent {
    fn check(&self) -> Result<(), Invalid> {
        match self {
            Self::Object(ObjectEvent { object, reason, message, warning: _, pid: _ }) => {
                text("object", object, NAME)?;
                text("reason", reason, NAME)?;
                text("message", message, TEXT)
            }
            Self::WatchInterrupted { feed: _, why }
            | Self::Unread { feed: _, why }
            | Self::LoadFailed { why }
            | Self::RehearsalFailed { why } => text("why", why, TEXT),
            Self::Assumed { assumption } => text("assumption", assumption, TEXT),
            Self::HostUnresolved { host, why, keeps_addresses: _ } => {
                text("host", host, NAME)?;
                text("why", why, TEXT)
            }
            Self::HostResolved { host } => text("host", host, NAME),
            Self::FirstFailure { failure: _, cause, example } => {
                text("cause", cause, NAME)?;
                text("example", example, TEXT)
            }
            Self::FirstStatus { status, request, location } => {
                within("status", *status, &(0..=999))?;
                text("request", request, TEXT)?;
                location.as_ref().map_or(Ok(()), |location| text("location", location, TEXT))
            }
            Self::FirstMismatch { request, body } => {
                text("request", request, TEXT)?;
                text("body", body, TEXT)
            }
            Self::Truncated { recorded } => within("recorded", *recorded, &COUNT),
            Self::StartedLate { generator, seconds } => {
                within("generator", *generator, &(0..=GENERATORS - 1))?;
                within("seconds", *seconds, &(0.0..=LOAD))
            }
            Self::WatchResumed { feed: _ } => Ok(()),
        }
    }

    fn clip(&mut self) {
        if let Some(message) = self.message_mut() {
            cut(message, TEXT);
        }
        match self {
            Self::Object(ObjectEvent { object, reason, .. }) => {
                cut(object, NAME);
                cut(reason, NAME);
            }
            Self::HostUnresolved { host, .. } | Self::HostResolved { host } => cut(host, NAME),
            Self::FirstStatus { location: Some(location), .. } => cut(location, TEXT),
            Self::FirstMismatch { request, .. } => cut(request, TEXT),
            _ => {}
        }
    }
}

impl Start {
    /// Checks that a journal with it can be read again; an error names the field.
    pub fn check(&self) -> Result<(), Invalid> {
        let Self { version, started, speed, target, profile, generator, generators, autoscaler, expectations, .. } =
            self;
        text("version", version, NAME)?;
        if self.format != FORMAT {
            return Err(Invalid::Format { version: version.clone(), format: self.format });
        }
        within("started", *started, &DATE)?;
        within("speed", *speed, &SPEED)?;
        target.check()?;
        self.clients.as_ref().map_or(Ok(()), Clients::check)?;
        within("the number of stages", profile.len(), &(0..=STAGES))?;
        profile.iter().try_for_each(Stage::check)?;
        within("the length of all stages", profile.iter().map(|stage| stage.seconds).sum(), &(0.0..=LOAD))?;
        within("generators", *generators, &(1..=GENERATORS))?;
        within("generator", *generator, &(0..=generators - 1))?;
        autoscaler.as_ref().map_or(Ok(()), Autoscaler::check)?;
        expectations.check()
    }
}

impl Clients {
    fn check(&self) -> Result<(), Invalid> {
        within("clients.count", u64::from(self.count), &(1..=IN_FLIGHT))?;
        within("clients.thinkTime", self.think_time, &(0.0..=DAY))
    }
}

impl Target {
    fn check(&self) -> Result<(), Invalid> {
        text("target.url", &self.url, TEXT)?;
        within("target.requestsPerConnection", self.requests_per_connection, &(1..=u64::MAX))?;
        within("target.maxInFlight", self.max_in_flight, &(1..=IN_FLIGHT))?;
        let optional = [
            ("target.connectTo", &self.connect_to),
            ("target.method", &self.method),
            ("target.expectBody", &self.expect_body),
            ("target.podHeader", &self.pod_header),
        ];
        for (name, value) in optional {
            value.as_ref().map_or(Ok(()), |value| text(name, value, NAME))?;
        }
        within("the number of target.headers", self.headers.len(), &(0..=FEW))?;
        self.headers.iter().try_for_each(|header| text("a name in target.headers", header, NAME))?;
        within("the number of target.mix", self.mix.len(), &(0..=MIX))?;
        self.mix.iter().try_for_each(|part| {
            text("target.mix.method", &part.method, NAME)?;
            text("target.mix.url", &part.url, TEXT)
        })?;
        let statuses = self.expect_status.iter().flat_map(|statuses| &statuses.0);
        within("the number of target.expectStatus", statuses.clone().count(), &(0..=FEW))?;
        let mut bounds = statuses.flat_map(|(first, last)| [first, last]);
        bounds.try_for_each(|status| within("target.expectStatus", *status, &(0..=999)))
    }
}

impl Stage {
    /// Checks that the command line would accept it.
    pub fn check(&self) -> Result<(), Invalid> {
        within("a stage's from", self.from, &RATE)?;
        within("a stage's to", self.to, &RATE)?;
        // A stage without a duration is none.
        within("a stage's seconds", self.seconds, &(f64::MIN_POSITIVE..=DAY))
    }
}

impl Autoscaler {
    /// Checks that the model can calculate with all settings; an error names the field.
    pub fn check(&self) -> Result<(), Invalid> {
        let Self { name, scaled, metric, target, min, max, behavior, pipeline, created, metrics, kubernetes: _ } = self;
        text("autoscaler.name", name, NAME)?;
        text("autoscaler.scaled", scaled, NAME)?;
        text("autoscaler.metric", metric, NAME)?;
        within("autoscaler.target", *target, &TARGET)?;
        within("autoscaler.max", *max, &(1..=REPLICAS))?;
        within("autoscaler.min", *min, &(0..=*max))?;
        behavior.up.check("autoscaler.behavior.up")?;
        behavior.down.check("autoscaler.behavior.down")?;
        within("autoscaler.pipeline.scrape", pipeline.scrape, &PERIOD)?;
        within("autoscaler.pipeline.window", pipeline.window, &PERIOD)?;
        within("autoscaler.pipeline.relist", pipeline.relist, &(0.0..=DAY))?;
        within("autoscaler.pipeline.sync", pipeline.sync, &PERIOD)?;
        within("autoscaler.pipeline.startup", pipeline.startup, &(0.0..=DAY))?;
        within("the number of autoscaler.metrics", metrics.len(), &(0..=FEW))?;
        metrics.iter().try_for_each(Measured::check)?;
        created.map_or(Ok(()), |created| within("autoscaler.created", created, &DATE))
    }
}

impl Measured {
    fn check(&self) -> Result<(), Invalid> {
        text("autoscaler.metrics.name", &self.metric.name, NAME)?;
        if let Of::Object { kind, object } = &self.metric.of {
            text("autoscaler.metrics.kind", kind, NAME)?;
            text("autoscaler.metrics.object", object, NAME)?;
        }
        within("autoscaler.metrics.target", self.metric.target.value(), &TARGET)?;
        within("autoscaler.metrics.window", self.window, &PERIOD)
    }
}

impl Rules {
    fn check(&self, of: &str) -> Result<(), Invalid> {
        within(&format!("{of}.stabilizationSeconds"), self.stabilization_seconds, &(0.0..=DAY))?;
        within(&format!("{of}.tolerance"), self.tolerance, &(0.0..=1e6))?;
        within(&format!("the number of {of}.policies"), self.policies.len(), &(0..=FEW))?;
        self.policies.iter().try_for_each(|policy| {
            within(&format!("{of}.policies.value"), policy.value, &(1..=i32::MAX.unsigned_abs()))?;
            within(&format!("{of}.policies.periodSeconds"), policy.period_seconds, &(1..=86_400))
        })
    }
}

impl Expectations {
    fn check(&self) -> Result<(), Invalid> {
        self.replicas.map_or(Ok(()), |replicas| within("expectations.replicas", replicas, &(0..=REPLICAS)))?;
        self.scaled_within.map_or(Ok(()), |limit| within("expectations.scaledWithin", limit, &(0.0..=DAY)))?;
        if let Some(MaxFailed::Share { percent }) = self.max_failed {
            within("expectations.maxFailed.percent", percent, &(0.0..=100.0))?;
        }
        within("the number of expectations.thresholds", self.thresholds.len(), &(0..=FEW))?;
        self.thresholds.iter().try_for_each(Threshold::check)?;
        within("the number of expectations.latency", self.latency.len(), &(0..=FEW))?;
        self.latency.iter().try_for_each(|(percentile, limit)| {
            within("a percentile of expectations.latency", *percentile, &(0.0..=100.0))?;
            within("a bound of expectations.latency", *limit, &(0.0..=DAY))
        })
    }
}

impl Threshold {
    fn check(&self) -> Result<(), Invalid> {
        self.stage.map_or(Ok(()), |stage| within("a stage of expectations.thresholds", stage, &(1..=STAGES)))?;
        if let Measure::Latency { percentile } = self.measure {
            within("a percentile of expectations.thresholds", percentile, &(0.0..=100.0))?;
        }
        within("a limit of expectations.thresholds", self.limit.number(), &(0.0..=1e12))
    }
}

impl Second {
    fn check(&self) -> Result<(), Invalid> {
        within("at", self.at, &MOMENT)?;
        for (name, count) in [("due", self.due), ("sent", self.sent), ("dropped", self.dropped)] {
            within(name, count, &COUNT)?;
        }
        within("inFlight", self.in_flight, &COUNT)?;
        let known = |status: &u16| within("a status", *status, &(0..=999));
        self.statuses.keys().try_for_each(known)?;
        counts("statuses", &self.statuses)?;
        counts("failures", &self.failures)?;
        counts("pods", &self.pods)?;
        self.failures.keys().try_for_each(|name| text("a name in failures", name, NAME))?;
        self.pods.keys().try_for_each(|name| text("a name in pods", name, NAME))?;
        counts("addresses", &self.addresses)?;
        self.addresses.keys().try_for_each(|name| text("a name in addresses", name, NAME))?;
        self.status_bytes.keys().try_for_each(known)?;
        bytes("statusBytes", &self.status_bytes)?;
        bytes("podBytes", &self.pod_bytes)?;
        self.pod_bytes.keys().try_for_each(|name| text("a name in podBytes", name, NAME))?;
        self.succeeded.map_or(Ok(()), |succeeded| within("succeeded", succeeded, &COUNT))?;
        within("connections", self.connections, &COUNT)?;
        for (name, bytes) in [("bytesOut", self.bytes_out), ("bytesIn", self.bytes_in)] {
            within(name, bytes, &BYTES)?;
        }
        let times = [("latency", &self.latency), ("lateness", &self.lateness), ("handshakes", &self.handshakes)];
        for (name, buckets) in times {
            within(&format!("the number of {name}"), buckets.len(), &(0..=BUCKETS))?;
            buckets.iter().try_for_each(|(_, count)| within(&format!("a count of {name}"), *count, &COUNT))?;
        }
        Ok(())
    }
}

impl Scaling {
    fn check(&self) -> Result<(), Invalid> {
        within("at", self.at, &MOMENT)?;
        let values =
            [("value", self.value), ("counted", self.counted), ("prometheus", self.prometheus), ("api", self.api)];
        for (name, value) in values {
            value.map_or(Ok(()), |value| within(name, value, &VALUE))?;
        }
        for (name, count) in [("wanted", self.desired), ("pods", self.pods), ("ready", self.ready)] {
            within(name, count, &(0..=REPLICAS))?;
        }
        within("the number of says", self.conditions.len(), &(0..=FEW))?;
        self.conditions.iter().try_for_each(|condition| text("an item of says", condition, TEXT))
    }
}

fn within<T: Copy + PartialOrd + Display>(name: &str, value: T, range: &RangeInclusive<T>) -> Result<(), Invalid> {
    Ok(bounds::within(name, value, range)?)
}

fn bytes<K>(name: &str, bytes: &BTreeMap<K, Bytes>) -> Result<(), Invalid> {
    within(&format!("the number of {name}"), bytes.len(), &(0..=NAMES))?;
    let mut all = bytes.values().flat_map(|bytes| [bytes.sent, bytes.received]);
    all.try_for_each(|bytes| within(&format!("a count of {name}"), bytes, &BYTES))
}

fn counts<K>(name: &str, counts: &BTreeMap<K, u64>) -> Result<(), Invalid> {
    within(&format!("the number of {name}"), counts.len(), &(0..=NAMES))?;
    counts.values().try_for_each(|count| within(&format!("a count of {name}"), *count, &COUNT))
}

fn text(name: &str, text: &str, max: usize) -> Result<(), Invalid> {
    if text.len() <= max {
        return Ok(());
    }
    Err(Invalid::TooLong { name: name.to_owned(), bytes: text.len(), max })
}

fn cut(text: &mut String, max: usize) {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max - '…'.len_utf8()));
        text.push('…');
    }
}
