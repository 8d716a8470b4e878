//! One file a link: what tells that it holds, or by which cause it is broken.

mod adapter;
mod answer;
mod api_service;
mod change;
mod condition;
mod counted;
mod down;
mod failing;
mod fields;
mod figures;
mod metrics;
mod monitor;
pub(crate) mod objects;
pub(super) mod pace;
mod pod;
pub(crate) mod ports;
pub mod promql;
mod reading;
mod ready;
mod replicas;
mod replicas_of_prometheus;
mod rule;
mod selection;
mod series;
pub(super) mod server;
pub mod subject;
mod target;
mod targets;
mod traffic;
mod trigger;

pub use figures::figures;

use super::diagnosis::{Judgement, Link};
use super::evidence::Evidence;
use subject::Subject;

/// Every link's judgement, in their order.
pub fn judge(evidence: &Evidence) -> Vec<(Link, Judgement)> {
    let subject = Subject::of(evidence);
    let judge = |link| match link {
        Link::Pod => pod::judge(evidence, &subject),
        Link::Metrics => metrics::judge(evidence, &subject),
        Link::Monitor => monitor::judge(evidence, &subject),
        Link::Target => target::judge(evidence, &subject),
        Link::Series => series::judge(evidence, &subject),
        Link::Rule => rule::judge(evidence, &subject),
        Link::ApiService => api_service::judge(evidence, &subject),
        Link::Answer => answer::judge(evidence, &subject),
        Link::Condition => condition::judge(evidence, &subject),
        Link::Replicas => replicas::judge(evidence, &subject),
        Link::Ready => ready::judge(evidence, &subject),
        Link::Traffic => traffic::judge(evidence, &subject),
    };
    Link::ALL.map(|link| (link, judge(link))).into()
}
