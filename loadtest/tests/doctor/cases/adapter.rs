//! Causes at prometheus-adapter: its rules and its flags.

use loadtest::doctor::catalogue::Cause;

use super::{MANIFEST, monitoring};
use crate::case::Case;

/// The manifest with the adapter's rules.
pub const RULES: &str = "custom-metrics-config.yaml";

pub const RESTART: &str = "kubectl -n monitoring rollout restart deployment prometheus-adapter && \
                           kubectl -n monitoring rollout status deployment prometheus-adapter --timeout 2m";

/// Restores the manifest's rules, and restarts the adapter if they were different.
pub const RULES_BACK: &str = "kubectl apply -f k8s/custom-metrics-config.yaml | tee /dev/stderr | grep unchanged >/dev/null || \
                              { kubectl -n monitoring rollout restart deployment prometheus-adapter && \
                              kubectl -n monitoring rollout status deployment prometheus-adapter --timeout 2m; }";

/// Restores the adapter's Deployment.
pub const DEPLOYMENT_BACK: &str = "kubectl replace -f adapter.bak && \
                               kubectl -n monitoring rollout status deployment prometheus-adapter --timeout 2m";

pub fn cases() -> Vec<Case> {
    vec![
        name(),
        no_rule(),
        not_restarted(),
        broken_neighbour(),
        not_grouped(),
        short_window(),
        short_relist(),
        wrong_port(),
        wrong_name(),
        wrong_path(),
    ]
}

/// Applies the rules with this change, and restarts the adapter.
pub fn rules(change: &str) -> String {
    format!("sed '{change}' k8s/{RULES} | kubectl apply -f - && {RESTART}")
}

/// Changes the adapter's arguments.
fn arguments(change: &str) -> String {
    let get = monitoring("get deployment prometheus-adapter -o yaml");
    let status = monitoring("rollout status deployment prometheus-adapter --timeout 1m");
    format!("{get} | sed '{change}' | kubectl replace -f - && {status}")
}

pub fn name() -> Case {
    let line = rules(r"s/as: .*/as: ${1}_per_minute/");
    let undo = format!("{RULES_BACK} && {MANIFEST}");
    Case::new(Cause::NameMissesRule, "a rule that gives another name", line, undo).tidied().quick()
}

fn no_rule() -> Case {
    let line = rules(r"/^    rules:/,/GroupBy/d");
    Case::new(Cause::RuleAbsent, "no rules", line, RULES_BACK).tidied()
}

/// Timestamps are whole seconds, so the change waits for a second after the adapter's start.
fn not_restarted() -> Case {
    let later = "now=$(date +%s); until [ \"$(date +%s)\" -gt $((now + 1)) ]; do :; done";
    let undo = format!("kubectl apply -f k8s/{RULES} && {RESTART}");
    Case::new(Cause::RuleAbsent, "a rule that the adapter has not read", rules(r"/^    rules:/,/GroupBy/d"), undo)
        .then(format!("{later}; kubectl apply -f k8s/{RULES}"))
}

pub fn broken_neighbour() -> Case {
    let lines = [
        "      - seriesQuery: >-",
        r#"          {__name__=~".*"}"#,
        "        resources: {template: <<.Resource>>}",
        "        metricsQuery: sum(<<.Series>>{<<.LabelMatchers>>}) by (<<.GroupBy>>)",
    ];
    let line = rules(&format!(r"s/^    rules:/&\n{}/", lines.join(r"\n")));
    Case::new(Cause::AnotherRuleFails, "another rule that Prometheus refuses", line, RULES_BACK).tidied()
}

pub fn not_grouped() -> Case {
    let line = rules(r"s/ by (<<.GroupBy>>)$//");
    Case::new(Cause::GroupByDropped, "a query without its group-by", line, RULES_BACK).tidied()
}

pub fn short_window() -> Case {
    let line = rules(r"s/\[2m\]/[5s]/");
    Case::new(Cause::WindowTooShort, "a window of one scrape", line, RULES_BACK).tidied()
}

fn short_relist() -> Case {
    let line = arguments(r"s/--metrics-relist-interval=.*/--metrics-relist-interval=2s/");
    Case::new(Cause::GroupByDropped, "a relist shorter than the scrapes' interval", line, DEPLOYMENT_BACK)
        .by_hand("the adapter's owner sets its flags")
}

pub fn wrong_port() -> Case {
    let line = arguments(r"s|\(--prometheus-url=.*\):9090|\1:9091|");
    Case::new(Cause::PrometheusUnreachable, "a URL with a port that the Service does not have", line, DEPLOYMENT_BACK)
        .by_hand("the adapter's owner sets its flags")
}

fn wrong_path() -> Case {
    let line = arguments(r"s|\(--prometheus-url=.*\):9090/*$|\1:9090/prom|");
    Case::new(Cause::PrefixWrong, "a URL with a path that Prometheus does not have", line, DEPLOYMENT_BACK)
        .by_hand("the adapter's owner sets its flags")
}

fn wrong_name() -> Case {
    let line = arguments(r"s|\(--prometheus-url=.*\)prometheus-k8s|\1prometheus-server|");
    Case::new(Cause::PrometheusUnreachable, "a URL with a Service that does not exist", line, DEPLOYMENT_BACK)
        .by_hand("the adapter's owner sets its flags")
}
