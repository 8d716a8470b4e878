//! What the real controller is asked to judge.

mod more;

use loadtest::autoscaling::hpa::Phase;
use serde_json::{Value, json};

/// One HPA with its Deployment and pods. Nothing but its metrics changes while it is watched, and perhaps its spec.
#[derive(Clone)]
pub struct Situation {
    pub name: &'static str,
    /// The Deployment's `spec.replicas` at first.
    pub replicas: u32,
    pub min: u32,
    pub max: u32,
    pub behavior: Option<Value>,
    /// One letter a pod: Running, Pending, Failed, Succeeded; Deleted is a running one with a deletionTimestamp.
    pub pods: &'static str,
    /// The Deployment makes its own pods, which nobody schedules: its `status.replicas` count, and nothing else of them.
    /// Those of another Deployment stay 0.
    pub has_status: bool,
    pub metrics: Vec<Scripted>,
    /// After this many syncs, the HPA's spec is changed.
    pub change: Option<(usize, Value)>,
}

/// A metric, and what the metrics API answers to the first sync, to the second, and so on; the last to all further ones.
#[derive(Clone)]
pub struct Scripted {
    pub kind: Kind,
    pub target: &'static str,
    pub answers: Vec<Answer>,
}

/// A metric's type, and its target's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Pods,
    External,
    /// With a target of the type `Value`.
    ExternalValue,
    /// Of a Service.
    Object,
    /// With a target of the type `Value`.
    ObjectValue,
}

impl Kind {
    /// The type, and the field that has its settings.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Pods => ("Pods", "pods"),
            Self::External | Self::ExternalValue => ("External", "external"),
            Self::Object | Self::ObjectValue => ("Object", "object"),
        }
    }

    /// The target's type, and its field.
    pub fn target(self) -> (&'static str, &'static str) {
        match self {
            Self::ExternalValue | Self::ObjectValue => ("Value", "value"),
            Self::Pods | Self::External | Self::Object => ("AverageValue", "averageValue"),
        }
    }
}

/// What the metrics API answers.
#[derive(Clone)]
pub enum Answer {
    /// The pods' values in thousandths, in their order. One more than there are pods belongs to a pod that nobody
    /// knows.
    Values(Vec<Option<i64>>),
    /// One value in thousandths, of an External or an Object metric.
    Total(i64),
    /// 404, as for a metric that the adapter does not know.
    Missing,
}

/// A pod's phase, and whether it is being deleted.
pub fn pod(letter: char) -> (Phase, bool) {
    match letter {
        'R' => (Phase::Running, false),
        'D' => (Phase::Running, true),
        'P' => (Phase::Pending, false),
        'F' => (Phase::Failed, false),
        'S' => (Phase::Succeeded, false),
        other => panic!("no pod is {other}"),
    }
}

impl Situation {
    /// How often the controller asks for metrics while the situation is watched.
    pub fn syncs(&self) -> usize {
        self.metrics[0].answers.len()
    }

    /// Whether the API server takes its HPA only from Kubernetes 1.37 on.
    pub fn needs_scaling_to_zero(&self) -> bool {
        self.min == 0
    }

    fn max(self, max: u32) -> Self {
        Self { max, ..self }
    }

    fn min(self, min: u32) -> Self {
        Self { min, ..self }
    }

    fn replicas(self, replicas: u32) -> Self {
        Self { replicas, ..self }
    }

    fn target(mut self, target: &'static str) -> Self {
        self.metrics[0].target = target;
        self
    }

    /// With metrics of another kind.
    fn of(mut self, kind: Kind) -> Self {
        self.metrics[0].kind = kind;
        self
    }

    /// With these pods, and no `status.replicas`.
    fn pods(self, pods: &'static str) -> Self {
        Self { pods, has_status: false, ..self }
    }

    fn and(mut self, kind: Kind, answers: Vec<Answer>) -> Self {
        self.metrics.push(Scripted { kind, target: "2", answers });
        self
    }

    /// Changes the HPA's spec after the answers so far.
    fn changed(self, spec: Value) -> Self {
        Self { change: Some((self.syncs(), spec)), ..self }
    }

    fn behavior(self, behavior: Value) -> Self {
        Self { behavior: Some(behavior), ..self }
    }

    fn up(self, rules: &Value) -> Self {
        self.behavior(json!({"scaleUp": rules}))
    }

    /// Downwards without stabilisation, and with these rules.
    fn down(self, rules: &Value) -> Self {
        let mut all = json!({"stabilizationWindowSeconds": 0});
        all.as_object_mut().unwrap().extend(rules.as_object().unwrap().clone());
        self.behavior(json!({"scaleDown": all}))
    }

    fn at_once(self) -> Self {
        self.down(&json!({}))
    }

    fn then(mut self, values: &[i64]) -> Self {
        self.metrics[0].answers.push(answer(values));
        self
    }

    fn then_total(mut self, total: i64) -> Self {
        self.metrics[0].answers.push(Answer::Total(total));
        self
    }

    fn then_missing(mut self) -> Self {
        self.metrics[0].answers.push(Answer::Missing);
        self
    }
}

/// A pod without a value.
const NONE: i64 = i64::MIN;

fn answer(values: &[i64]) -> Answer {
    Answer::Values(values.iter().map(|value| (*value != NONE).then_some(*value)).collect())
}

fn situation(name: &'static str, pods: &'static str, values: &[i64]) -> Situation {
    let replicas = u32::try_from(pods.len()).unwrap();
    let metrics = vec![Scripted { kind: Kind::Pods, target: "2", answers: vec![answer(values)] }];
    Situation { name, replicas, min: 1, max: 30, behavior: None, pods, has_status: false, metrics, change: None }
}

fn policy(kind: &str, value: u32, seconds: u32) -> Value {
    json!({"type": kind, "value": value, "periodSeconds": seconds})
}

fn total(name: &'static str, replicas: u32, total: i64) -> Situation {
    let metrics = vec![Scripted { kind: Kind::External, target: "2", answers: vec![Answer::Total(total)] }];
    Situation { metrics, has_status: true, replicas, ..situation(name, "", &[]) }
}

/// The metrics API does not know the metric at all.
fn missing(mut situation: Situation) -> Situation {
    situation.metrics[0].answers = vec![Answer::Missing];
    situation
}

pub fn situations() -> Vec<Situation> {
    [at_one_look(), over_several_looks(), with_one_value_for_all(), more::situations()].concat()
}

fn at_one_look() -> Vec<Situation> {
    vec![
        situation("on target", "RR", &[2000, 2000]),
        situation("at the upper tolerance", "R", &[2200]),
        situation("above the upper tolerance", "R", &[2201]),
        situation("at the lower tolerance", "RRRRRRRRRR", &[1800; 10]).at_once(),
        situation("below the lower tolerance", "RRRRRRRRRR", &[1799; 10]).at_once(),
        situation("an average that is cut", "RR", &[4401, 0]),
        situation("an average that is not", "RR", &[4402, 0]),
        situation("a small target", "RR", &[750, 500]).target("500m"),
        situation("a large target", "RR", &[2_600_000, 1_400_000]).target("1k"),
        situation("four at once", "R", &[90_000]),
        situation("twice as many", "RRR", &[90_000; 3]),
        situation("twice as many, with a behavior", "RRR", &[90_000; 3]).behavior(json!({"scaleUp": {}})),
        situation("the maximum", "RR", &[8000, 8000]).max(3),
        situation("the minimum", "RRR", &[0, 0, 0]).min(2).at_once(),
        situation("stabilised", "RRR", &[0, 0, 0]),
        situation("stabilised, with a behavior", "RRR", &[0, 0, 0]).behavior(json!({"scaleUp": {}})),
        situation("idle to the minimum", "RRR", &[0, 0, 0]).at_once(),
        situation("one without a value, up", "RR", &[6000, NONE]),
        situation("one without a value, up within the tolerance", "RR", &[4200, NONE]),
        situation("one without a value, up and turned", "RR", &[3000, NONE]),
        situation("one without a value, down", "RRR", &[0, 0, NONE]).at_once(),
        situation("one without a value, down within the tolerance", "RRRR", &[1700, NONE, NONE, NONE]).at_once(),
        situation("two without a value, down", "RRRR", &[1000, 1000, NONE, NONE]).at_once(),
        situation("one without a value, on target", "RR", &[2000, NONE]),
        situation("one pending, up", "RP", &[6000]),
        situation("one pending, up within the tolerance", "RP", &[4300]),
        situation("one pending, down", "RRP", &[100, 100]).at_once(),
        situation("one pending, with a value of its own", "RP", &[6000, 90_000]),
        situation("one pending and one without a value", "RRP", &[9000, NONE]),
        situation("all pending", "PP", &[5000, 5000]),
        situation("one failed", "RFR", &[3000, 9000, 3000]),
        situation("one leaving", "RDR", &[3000, 9000, 3000]),
        situation("one leaving, without a value", "RD", &[3000, NONE]),
        situation("one that ended well", "RS", &[6000, NONE]),
        situation("a value of an unknown pod", "R", &[3000, 9000]),
        situation("no pods", "", &[3000]).replicas(2),
        situation("no values", "RR", &[]),
        missing(situation("no such metric", "RR", &[])),
        situation("no replicas", "", &[]).replicas(0),
        situation("above the maximum", "RRR", &[2000; 3]).replicas(5).max(3),
        situation("below the minimum", "RR", &[2000; 2]).replicas(1).min(2),
        situation("more replicas than pods", "RR", &[3000, 3000]).replicas(5).at_once(),
        situation("fewer replicas than pods", "RRR", &[2600; 3]).replicas(1),
        situation("no way up", "R", &[9000]).up(&json!({"selectPolicy": "Disabled"})),
        situation("no way down", "RRR", &[0; 3]).down(&json!({"selectPolicy": "Disabled"})),
        situation("tolerances of its own", "RR", &[2100, 2100])
            .behavior(json!({"scaleUp": {"tolerance": "0"}, "scaleDown": {"tolerance": "500m"}})),
        situation("the smaller policy up", "RRR", &[90_000; 3])
            .up(&json!({"selectPolicy": "Min", "policies": [policy("Pods", 1, 15), policy("Percent", 300, 15)]})),
        situation("the smaller policy down", "RRRRR", &[0; 5])
            .down(&json!({"selectPolicy": "Min", "policies": [policy("Pods", 1, 15), policy("Percent", 80, 15)]})),
        situation("the larger policy down", "RRRRR", &[0; 5])
            .down(&json!({"policies": [policy("Pods", 1, 15), policy("Percent", 50, 15)]})),
    ]
}

/// Periods and windows are no multiples of the looks', so that a look's own delay decides nothing.
fn over_several_looks() -> Vec<Situation> {
    let up = |kind, value, seconds| json!({"policies": [policy(kind, value, seconds)]});
    vec![
        situation("two pods each 40 s", "R", &[90_000])
            .up(&up("Pods", 2, 40))
            .then(&[90_000])
            .then(&[90_000])
            .then(&[90_000]),
        situation("half as many more each 20 s", "RRR", &[90_000; 3])
            .up(&up("Percent", 50, 20))
            .then(&[90_000; 3])
            .then(&[90_000; 3])
            .then(&[90_000; 3]),
        situation("one pod fewer each 20 s", "RRRRR", &[0; 5])
            .down(&up("Pods", 1, 20))
            .then(&[0; 5])
            .then(&[0; 5])
            .then(&[0; 5]),
        situation("a third fewer each 40 s", "RRRRRRRRR", &[0; 9])
            .down(&up("Percent", 33, 40))
            .then(&[0; 9])
            .then(&[0; 9])
            .then(&[0; 9]),
        situation("stabilised up for 40 s", "R", &[8000])
            .up(&json!({"stabilizationWindowSeconds": 40}))
            .then(&[6000])
            .then(&[7000])
            .then(&[8000]),
        situation("stabilised down for 20 s", "RR", &[8000, 8000])
            .behavior(json!({"scaleDown": {"stabilizationWindowSeconds": 20}}))
            .then(&[0, 0])
            .then(&[0, 0])
            .then(&[0, 0]),
        situation("up and down without a behavior", "RR", &[8000, 8000])
            .then(&[0, 0])
            .then(&[9000, 9000])
            .then(&[0, 0]),
        situation("up, and then nothing is known", "R", &[8000]).then_missing().then(&[9000]).then_missing(),
        situation("doubled without a behavior", "R", &[90_000]).then(&[90_000]).then(&[90_000]).then(&[90_000]),
    ]
}

fn with_one_value_for_all() -> Vec<Situation> {
    vec![
        total("a sum at the upper tolerance", 2, 4400),
        total("a sum above the upper tolerance", 2, 4401),
        total("a sum at the lower tolerance", 10, 18_000).at_once(),
        total("a sum below the lower tolerance", 10, 17_999).at_once(),
        total("a share that is rounded up", 3, 5500),
        total("a sum of four at once", 1, 90_000),
        total("a sum above the maximum", 2, 9000).max(3),
        total("a sum of nothing", 3, 0).min(2).at_once(),
        total("a sum of nothing, stabilised", 3, 0),
        total("a sum that comes and goes", 1, 3000).then_missing().then_total(7000).then_missing(),
        total("a sum, and one pod fewer each 20 s", 4, 0)
            .down(&json!({"policies": [policy("Pods", 1, 20)]}))
            .then_total(0)
            .then_total(0)
            .then_total(0),
    ]
}
