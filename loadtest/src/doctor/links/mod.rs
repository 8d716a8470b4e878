//! One file a link: what tells that it holds, or by which cause it is broken.

mod answer;
mod api_service;
mod condition;
mod metrics;
mod monitor;
mod pod;
mod ready;
mod replicas;
mod rule;
mod series;
mod target;
mod traffic;

use crate::doctor::diagnosis::Judgement;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::scaling_metric::Subject;
use crate::doctor::link::Link;

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
