//! Where clients reach the pods.

use std::net::Ipv6Addr;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;

use super::ports;
use crate::doctor::evidence::Evidence;
use crate::doctor::facts::pods::{in_front, labels};
use crate::doctor::objects::{Hpa, Service, name, text};
use crate::error::Error;

/// Where a load goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Entrance {
    /// To this address.
    Url(String),
    /// To this port of each pod, which nothing outside the cluster reaches.
    Pods(IntOrString),
}

/// Where the pods are served: by the load balancer of their Service, by its name inside of the cluster, or else by nothing
/// but the pods themselves.
pub fn entrance(evidence: &Evidence, inside: bool) -> Result<Entrance, Error> {
    let namespace = evidence.namespace.as_str();
    if let Some(unread) = evidence.services.unread() {
        let why = unread.reason();
        return Err(Error::Environment(format!(
            "the Services of namespace {namespace} cannot be listed: {why}; give --url"
        )));
    }
    let service = service(evidence)?;
    let port = Service(service).ports().first();
    let port = port.and_then(|port| Some((port["port"].as_u64()?, ports::target(port)?)));
    let Some((number, target)) = port else {
        return Err(Error::Usage(format!("the Service {} has no port: give --url", name(service))));
    };
    if inside {
        return Ok(Entrance::Url(url(&format!("{}.{namespace}.svc", name(service)), number)));
    }
    let balancer = ["hostname", "ip"].map(|field| text(service, &format!("/status/loadBalancer/ingress/0/{field}")));
    let balancer = balancer.into_iter().find(|host| !host.is_empty());
    Ok(balancer.map_or(Entrance::Pods(target), |host| Entrance::Url(url(host, number))))
}

/// The Service that is meant to be called from outside, where there is one: load that goes elsewhere than the user
/// thinks is worse than a question.
fn service(evidence: &Evidence) -> Result<&Value, Error> {
    let found: Vec<_> = in_front(evidence, labels(evidence)).collect();
    let of = |is_it: &dyn Fn(&Value) -> bool| found.iter().copied().filter(|one| is_it(one)).collect::<Vec<_>>();
    let balanced = of(&|service| service["spec"]["type"] == "LoadBalancer");
    // One without an address, beside one that has one, is for scrapes, or for clients that choose their pods.
    let addressed = of(&|service| service["spec"]["clusterIP"] != "None");
    let meant = [balanced, addressed, found].into_iter().find(|services| !services.is_empty()).unwrap_or_default();
    let scaled = Hpa(evidence.hpa.seen().unwrap_or(&Value::Null)).scaled();
    let namespace = &evidence.namespace;
    match meant[..] {
        [one] => Ok(one),
        [] => {
            Err(Error::Usage(format!("no Service in namespace {namespace} selects the pods of {scaled}: give --url")))
        }
        ref several => {
            let names: Vec<_> = several.iter().map(|service| name(service)).collect();
            let names = names.join(", ");
            Err(Error::Usage(format!(
                "several Services in namespace {namespace} select the pods of {scaled}: {names}: say with --url which one is meant"
            )))
        }
    }
}

fn url(host: &str, port: u64) -> String {
    // The colons of an address of version 6 are not the port's.
    let host = if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() };
    format!("http://{host}:{port}/")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kube::read::{Read, Unread};

    fn service(name: &str, kind: &str, selector: &Value) -> Value {
        let spec = json!({"type": kind, "selector": selector, "ports": [{"port": 80}]});
        json!({"metadata": {"name": name}, "spec": spec})
    }

    fn evidence(services: &[Value]) -> Evidence {
        let labels = json!({"app": "shop", "tier": "front"});
        Evidence {
            namespace: "shops".to_owned(),
            hpa: Read::Seen(json!({"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "shop"}}})),
            workload: Read::Seen(json!({"spec": {"template": {"metadata": {"labels": labels}}}})),
            services: Read::Seen(services.to_vec()),
            ..Evidence::default()
        }
    }

    fn choice(services: &[Value]) -> Result<String, String> {
        let evidence = evidence(services);
        super::service(&evidence).map(|service| name(service).to_owned()).map_err(|fault| fault.to_string())
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
        scraped["spec"]["clusterIP"] = json!("None");
        let only = service("only", "ClusterIP", &ours);
        assert_eq!(choice(&[scraped.clone(), only]).unwrap(), "only");
        assert_eq!(choice(&[scraped]).unwrap(), "scraped", "where there is no other");
        let second = service("second", "LoadBalancer", &ours);
        let error = choice(&[balanced, second]).unwrap_err();
        assert!(error.contains("balanced, second"), "{error}");
        let error = choice(&others).unwrap_err();
        assert!(error.contains("no Service") && error.contains("Deployment/shop"), "{error}");
    }

    #[test]
    fn an_address_of_version_6_stands_in_brackets() {
        for (host, expected) in [
            ("2001:db8::7", "http://[2001:db8::7]:80/"),
            ("192.0.2.7", "http://192.0.2.7:80/"),
            ("elb.test", "http://elb.test:80/"),
        ] {
            let url = url(host, 80);
            assert_eq!(url, expected);
            assert_eq!(url.parse::<http::Uri>().unwrap().port_u16(), Some(80));
        }
    }

    #[test]
    fn a_load_goes_to_the_balancer_else_to_the_service_inside_else_to_the_pods() {
        let mut ours = service("shop", "LoadBalancer", &json!({"app": "shop"}));
        let to_pods = Entrance::Pods(IntOrString::Int(80));
        assert_eq!(entrance(&evidence(&[ours.clone()]), false).unwrap(), to_pods);
        let inside = Entrance::Url("http://shop.shops.svc:80/".to_owned());
        assert_eq!(entrance(&evidence(&[ours.clone()]), true).unwrap(), inside);
        ours["status"] = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}});
        let balanced = Entrance::Url("http://192.0.2.7:80/".to_owned());
        assert_eq!(entrance(&evidence(&[ours]), false).unwrap(), balanced);
    }

    #[test]
    fn services_that_may_not_be_listed_name_the_right() {
        let mut evidence = evidence(&[]);
        let right = Some("list services in namespace shops".to_owned());
        evidence.services = Read::Unread(Unread { right, ..Unread::default() });
        let error = entrance(&evidence, false).unwrap_err().to_string();
        assert!(error.contains("the right to list services in namespace shops is missing; give --url"), "{error}");
    }
}
