//! Whether the counter includes the health checks of a load balancer: of an AWS one, as an `Ingress` of class `alb` makes it.

use serde_json::Value;

use super::probe_traffic::{Share, route};
use crate::doctor::catalogue::Cause;
use crate::doctor::evidence::{Evidence, Page};
use crate::doctor::facts::monitors::Served;
use crate::doctor::facts::ports;
use crate::doctor::facts::scaling_metric::ScalingMetric;
use crate::doctor::facts::targets::taken;
use crate::doctor::fixes::Command;
use crate::doctor::fixes::kubectl::about;
use crate::doctor::objects::{Pod, Service, list, name, text, titled};
use crate::doctor::status::Finding;

/// What the controller's annotations begin with.
const ALB: &str = "alb.ingress.kubernetes.io/";

/// Names that programs give the route of `/`.
const ROOTS: [&str; 4] = ["", "root", "index", "home"];

/// Seconds between two checks, by default; and the zones that check, if the subnets are not named: most regions have three.
const INTERVAL: f64 = 15.0;
const ZONES: u32 = 3;

/// Whether the checks are counted, and are so many that they matter to the HPA.
pub fn checks(
    evidence: &Evidence,
    scaling: &ScalingMetric,
    series: &str,
    pages: &[(&Page, &String)],
) -> Option<Finding> {
    let share = Share::of(scaling)?;
    let routes = |text: &String| -> Vec<String> {
        let all = taken(text, series, &scaling.matchers).into_iter();
        all.filter(|(_, value)| *value > 0.0).filter_map(|(labels, _)| Some(route(labels)?.1)).collect()
    };
    let counted: Vec<String> = pages.iter().flat_map(|(_, text)| routes(text)).collect();
    let is_counted = |path: &str| counted.iter().any(|route| is_same(path, route));
    let served = Served::workload(evidence).services;
    evidence.ingresses.items().iter().filter(|ingress| is_alb(ingress)).find_map(|ingress| {
        let service = served.iter().find(|service| backends(ingress).any(|backend| backend == name(service)))?;
        let set = |field: &str| annotation(service, field).or_else(|| annotation(ingress, field));
        // Another port may be one that serves no clients; gRPC has another path.
        if set("healthcheck-port").is_some_and(|port| port != "traffic-port")
            || set("backend-protocol-version").is_some_and(|version| version == "GRPC")
        {
            return None;
        }
        let path = set("healthcheck-path").unwrap_or("/");
        let seconds = set("healthcheck-interval-seconds").and_then(|seconds| seconds.parse().ok());
        let seconds = seconds.filter(|seconds| *seconds >= 1.0).unwrap_or(INTERVAL);
        let named = set("subnets").and_then(|all| u32::try_from(all.split(',').count()).ok());
        let (zones, assumed) = named.map_or((ZONES, " (assumed)"), |zones| (zones, ""));
        let rate = f64::from(zones) / seconds;
        if !is_counted(path) || !share.harms(rate) {
            return None;
        }
        let seen = format!(
            "{}: its load balancer checks {path} of each pod from {zones} zones{assumed} every {seconds} s, and {series} counts that: \
             {rate:.2} a second, with a target of {}",
            titled(ingress),
            share.target
        );
        let other = probed(evidence, service).filter(|path| !is_counted(path));
        let advice = match &other {
            Some(path) => format!("Have the load balancer check {path}, which is not counted."),
            None => "Have the load balancer check a path that is not counted.".to_owned(),
        };
        let advice = format!("{advice} An annotation of the Service counts before one of the Ingress.");
        let command = other.map(|path| checking(service, &path));
        Some(Finding::new(Cause::BalancerChecksCounted, seen, advice, command))
    })
}

fn is_alb(ingress: &Value) -> bool {
    let annotations = ingress["metadata"]["annotations"].as_object().into_iter().flatten();
    let mut annotations = annotations.map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()));
    text(ingress, "/spec/ingressClassName") == "alb"
        || annotations
            .any(|(key, value)| key.starts_with(ALB) || (key == "kubernetes.io/ingress.class" && value == "alb"))
}

/// The Services that an Ingress sends to.
fn backends(ingress: &Value) -> impl Iterator<Item = &str> {
    let paths = list(ingress, "/spec/rules").iter().flat_map(|rule| list(rule, "/http/paths"));
    let named = paths.map(|path| text(path, "/backend/service/name"));
    named.chain([text(ingress, "/spec/defaultBackend/service/name")])
}

fn annotation<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    object["metadata"]["annotations"][format!("{ALB}{field}")].as_str()
}

fn is_same(path: &str, route: &str) -> bool {
    let plain = |text: &str| text.trim_matches('/').to_lowercase();
    let (path, route) = (plain(path), plain(route));
    path == route || (path.is_empty() && ROOTS.contains(&route.as_str()))
}

/// The path of the pods' readiness probe, if it asks the port that the Service leads to.
fn probed(evidence: &Evidence, service: &Value) -> Option<String> {
    let pod = evidence.pods.items().first()?;
    let led_to: Vec<u16> = Service(service).ports().iter().filter_map(|port| ports::of_service(pod, port)).collect();
    let probes = Pod(pod).containers().iter().map(|container| &container["readinessProbe"]["httpGet"]);
    let mut asked = probes.filter(|get| ports::of_pod(pod, &get["port"]).is_some_and(|port| led_to.contains(&port)));
    asked.find_map(|get| get["path"].as_str().map(str::to_owned))
}

/// The command that sets the path.
fn checking(service: &Value, path: &str) -> Command {
    about(service, "annotate").argument(&format!("{ALB}healthcheck-path={path}")).words("--overwrite")
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn route_of_the_root_has_several_names() {
        assert!(is_same("/", "/") && is_same("/", "root") && is_same("/healthz", "healthz"));
        assert!(!is_same("/", "/version") && !is_same("/healthz", "root"));
    }
}
