//! The Service in front of the pods, and the way to it.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use kube::api::{Api, ListParams};

use crate::error::Error;
use crate::kube::cluster::{Cluster, Watched, why};
use crate::kube::forward::Forward;
use crate::kube::list;

impl Cluster {
    /// Where the pods are served: the load balancer of their Service, its name inside of the cluster, or else a
    /// port-forward that gives each connection to the next ready pod.
    pub async fn target(&self, watched: &Watched) -> Result<(String, Option<Forward>), Error> {
        let Watched { namespace, .. } = watched;
        let services = Api::<Service>::namespaced(self.client.clone(), namespace);
        let services = list::all(&services, &ListParams::default()).await;
        let services = services.map_err(|error| {
            let why = why(&error, &format!("list services in namespace {namespace}"));
            Error::Environment(format!("the Services of namespace {namespace} cannot be listed: {why}; give --url"))
        })?;
        let service = chosen(&services, watched)?;
        let Some(port) = ports(service).first() else {
            return Err(Error::Usage(format!("the Service {} has no port: give --url", service.name_any())));
        };
        if self.inside {
            return Ok((url(&format!("{}.{namespace}.svc", service.name_any()), port), None));
        }
        if let Some(host) = balancer(service) {
            return Ok((url(&host, port), None));
        }
        let forward = Forward::start(self.client.clone(), watched, target_port(port)).await?;
        Ok((format!("http://{}/", forward.address), Some(forward)))
    }
}

/// The Service that is meant to be called from outside, where there is one: load that goes elsewhere than the user
/// thinks is worse than a question.
fn chosen<'a>(services: &'a [Service], watched: &Watched) -> Result<&'a Service, Error> {
    let found: Vec<_> = services.iter().filter(|service| selects(service, &watched.labels)).collect();
    let outside =
        |service: &&&Service| service.spec.as_ref().is_some_and(|spec| spec.type_.as_deref() == Some("LoadBalancer"));
    let balanced: Vec<_> = found.iter().filter(outside).copied().collect();
    // One without an address, beside one that has one, is for scrapes, or for clients that choose their pods.
    let headless =
        |service: &&&Service| service.spec.as_ref().is_some_and(|spec| spec.cluster_ip.as_deref() == Some("None"));
    let addressed: Vec<_> = found.iter().filter(|service| !headless(service)).copied().collect();
    let meant = [balanced, addressed, found].into_iter().find(|services| !services.is_empty()).unwrap_or_default();
    let Watched { namespace, scaled, .. } = watched;
    match meant[..] {
        [one] => Ok(one),
        [] => {
            Err(Error::Usage(format!("no Service in namespace {namespace} selects the pods of {scaled}: give --url")))
        }
        ref several => {
            let names: Vec<_> = several.iter().map(|service| service.name_any()).collect();
            let names = names.join(", ");
            Err(Error::Usage(format!(
                "several Services in namespace {namespace} select the pods of {scaled}: {names}: say with --url which one is meant"
            )))
        }
    }
}

/// Whether a Service sends to pods with these labels. One without a selector has its addresses from elsewhere.
pub fn selects(service: &Service, labels: &BTreeMap<String, String>) -> bool {
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref()).filter(|all| !all.is_empty());
    selector.is_some_and(|all| all.iter().all(|(name, value)| labels.get(name) == Some(value)))
}

/// A Service's ports.
pub fn ports(service: &Service) -> &[ServicePort] {
    service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default()
}

/// The port of the pods behind a Service's: a number or a name, and the Service's own number where it says nothing.
pub fn target_port(port: &ServicePort) -> IntOrString {
    port.target_port.clone().unwrap_or(IntOrString::Int(port.port))
}

/// The address of a Service's load balancer: its host name, or its IP.
fn balancer(service: &Service) -> Option<String> {
    let ingress = service.status.as_ref()?.load_balancer.as_ref()?.ingress.as_ref()?.first()?;
    ingress.hostname.clone().or_else(|| ingress.ip.clone())
}

fn url(host: &str, port: &ServicePort) -> String {
    // The colons of an address of version 6 are not the port's.
    let host = if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() };
    format!("http://{host}:{}/", port.port)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(name: &str, kind: &str, selector: &serde_json::Value) -> Service {
        let spec = json!({"type": kind, "selector": selector, "ports": [{"port": 80}]});
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap()
    }

    fn choice(services: &[Service]) -> Result<String, String> {
        let labels = BTreeMap::from([("app".to_owned(), "shop".to_owned()), ("tier".to_owned(), "front".to_owned())]);
        let watched = Watched {
            namespace: "shops".to_owned(),
            scaled: "Deployment/shop".to_owned(),
            labels,
            ..Watched::default()
        };
        chosen(services, &watched).map(ResourceExt::name_any).map_err(|fault| fault.to_string())
    }

    #[test]
    fn one_of_several_services_is_not_picked_silently() {
        let ours = json!({"app": "shop"});
        let (inner, headless) = (service("inner", "ClusterIP", &ours), service("headless", "ClusterIP", &ours));
        let balanced = service("balanced", "LoadBalancer", &ours);
        let others =
            [service("other", "LoadBalancer", &json!({"app": "other"})), service("bare", "LoadBalancer", &json!({}))];
        let several = [inner.clone(), balanced.clone(), headless.clone()];
        assert_eq!(choice(&[&several[..], &others].concat()).unwrap(), "balanced");
        assert_eq!(choice(&[&[inner.clone()][..], &others].concat()).unwrap(), "inner");
        let error = choice(&[inner, headless]).unwrap_err();
        assert!(error.contains("inner, headless") && error.contains("--url"), "{error}");
        let mut scraped = service("scraped", "ClusterIP", &ours);
        scraped.spec.as_mut().unwrap().cluster_ip = Some("None".to_owned());
        let only = service("only", "ClusterIP", &ours);
        assert_eq!(choice(&[scraped.clone(), only]).unwrap(), "only");
        assert_eq!(choice(&[scraped]).unwrap(), "scraped", "where there is no other");
        let second = service("second", "LoadBalancer", &ours);
        let error = choice(&[balanced, second]).unwrap_err();
        assert!(error.contains("balanced, second"), "{error}");
        assert!(choice(&others).unwrap_err().contains("no Service"));
    }

    #[test]
    fn an_address_of_version_6_stands_in_brackets() {
        let port = ServicePort { port: 80, ..ServicePort::default() };
        for (host, expected) in [
            ("2001:db8::7", "http://[2001:db8::7]:80/"),
            ("192.0.2.7", "http://192.0.2.7:80/"),
            ("elb.test", "http://elb.test:80/"),
        ] {
            let url = url(host, &port);
            assert_eq!(url, expected);
            assert_eq!(url.parse::<http::Uri>().unwrap().port_u16(), Some(80));
        }
    }
}
