//! The cluster: how it is reached, which HPA is meant, and where its pods are served.

use std::collections::BTreeMap;
use std::fmt::Display;

use http::Request;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::Service;
use kube::api::{Api, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, ResourceExt};
use serde_json::Value;

use crate::fault::Fault;
use crate::observe::forward::Forward;

/// A cluster that answers.
#[derive(Clone)]
pub struct Cluster {
    /// Requests to its API.
    pub client: Client,
    inside: bool,
}

/// An HPA with what it scales.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The namespace of both.
    pub namespace: String,
    /// The HPA as it was at the start.
    pub hpa: HorizontalPodAutoscaler,
    /// Kind and name of what it scales, such as `Deployment/shopfront-deploy`.
    pub scaled: String,
    /// The label selector of the pods.
    pub selector: String,
    /// The labels that new pods get.
    pub labels: BTreeMap<String, String>,
}

impl Cluster {
    /// The cluster of the kubeconfig (`KUBECONFIG`, `~/.kube/config`), or the one that this process runs in.
    pub async fn connect(context: Option<&str>) -> Result<Self, Fault> {
        let inside = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() && std::env::var_os("KUBECONFIG").is_none();
        let mut config = if inside {
            Config::incluster().map_err(|error| Fault::Use(format!("in this pod: {}", one_line(&error))))?
        } else {
            let advice = "set KUBECONFIG (a load without a cluster takes --url with --hpa none)";
            let kubeconfig = Kubeconfig::read()
                .map_err(|error| Fault::Use(format!("no kubeconfig: {}; {advice}", one_line(&error))))?;
            let options = KubeConfigOptions { context: context.map(str::to_owned), ..Default::default() };
            Config::from_custom_kubeconfig(kubeconfig, &options)
                .await
                .map_err(|error| Fault::Use(format!("the kubeconfig cannot be used: {}; {advice}", one_line(&error))))?
        };
        // An API server that is busy or going is to be told, not waited for out of sight.
        config.default_retry = false;
        let address = config.cluster_url.to_string();
        let client = Client::try_from(config)
            .map_err(|error| Fault::Use(format!("the kubeconfig cannot be used: {}", one_line(&error))))?;
        client
            .apiserver_version()
            .await
            .map_err(|error| Fault::World(format!("the cluster at {address} does not answer: {}", one_line(&error))))?;
        Ok(Self { client, inside })
    }

    /// The HPA that is meant: `NAMESPACE/NAME`, a name in the kubeconfig's namespace, or the only one there is.
    pub async fn find(&self, hpa: Option<&str>) -> Result<Watched, Fault> {
        let hpa = match hpa {
            Some(named) => self.named(named).await?,
            None => self.only().await?,
        };
        let namespace = hpa.namespace().unwrap_or_default();
        let target = hpa.spec.clone().unwrap_or_default().scale_target_ref;
        let scaled = format!("{}/{}", target.kind, target.name);
        if target.kind != "Deployment" {
            return Err(Fault::Use(format!(
                "{namespace}/{} scales {scaled}: only Deployments are watched",
                hpa.name_any()
            )));
        }
        let deployment = Api::<Deployment>::namespaced(self.client.clone(), &namespace).get(&target.name).await;
        let deployment = deployment
            .map_err(|error| Fault::World(format!("{scaled} in namespace {namespace}: {}", one_line(&error))))?;
        let spec = deployment.spec.unwrap_or_default();
        let selector = spec.selector.match_labels.unwrap_or_default();
        let selector = selector_of(&selector);
        let labels = spec.template.metadata.and_then(|metadata| metadata.labels).unwrap_or_default();
        Ok(Watched { namespace, hpa, scaled, selector, labels })
    }

    async fn named(&self, named: &str) -> Result<HorizontalPodAutoscaler, Fault> {
        let (namespace, name) = named.split_once('/').unwrap_or((self.client.default_namespace(), named));
        let hpas = Api::<HorizontalPodAutoscaler>::namespaced(self.client.clone(), namespace);
        match hpas.get_opt(name).await {
            Ok(Some(hpa)) => Ok(hpa),
            Ok(None) => {
                let there = hpas.list(&ListParams::default()).await.map(|list| list.items).unwrap_or_default();
                let there: Vec<_> = there.iter().map(ResourceExt::name_any).collect();
                let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
                Err(Fault::Use(format!(
                    "no HPA {name} in namespace {namespace} (there: {there}); kubectl get hpa -A lists all"
                )))
            }
            Err(error) => Err(Fault::World(format!("the HPA {namespace}/{name} cannot be read: {}", one_line(&error)))),
        }
    }

    /// The only HPA there is: in the kubeconfig's namespace, or else in the cluster.
    pub async fn only(&self) -> Result<HorizontalPodAutoscaler, Fault> {
        let here = self.client.default_namespace();
        let own = Api::<HorizontalPodAutoscaler>::namespaced(self.client.clone(), here);
        let mut hpas = own.list(&ListParams::default()).await.map(|list| list.items).unwrap_or_default();
        if hpas.is_empty() {
            let all = Api::<HorizontalPodAutoscaler>::all(self.client.clone()).list(&ListParams::default()).await;
            let all = all.map_err(|error| {
                Fault::World(format!("the HPAs cannot be listed: {}; name one as NAMESPACE/NAME", one_line(&error)))
            })?;
            hpas = all.items;
        }
        if hpas.len() > 1 {
            let name =
                |hpa: &HorizontalPodAutoscaler| format!("{}/{}", hpa.namespace().unwrap_or_default(), hpa.name_any());
            let names = hpas.iter().map(name).collect::<Vec<_>>().join(", ");
            return Err(Fault::Use(format!("several HPAs: name one of them: {names}")));
        }
        hpas.pop().ok_or_else(|| {
            Fault::Use(
                "the cluster has no HPA: apply one (README.md, \"On Kubernetes\"); a load without one takes --hpa none with --url"
                    .to_owned(),
            )
        })
    }

    /// Where the pods are served: the load balancer of their Service, its name inside of the cluster, or else a
    /// port-forward that gives each connection to the next ready pod.
    pub async fn target(&self, watched: &Watched) -> Result<(String, Option<Forward>), Fault> {
        let services = Api::<Service>::namespaced(self.client.clone(), &watched.namespace);
        let services = services.list(&ListParams::default()).await.map_err(|error| {
            Fault::World(format!(
                "the Services of namespace {} cannot be listed: {}; give --url",
                watched.namespace,
                one_line(&error)
            ))
        })?;
        let selects = |service: &&Service| {
            let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
            selector.is_some_and(|all| {
                !all.is_empty() && all.iter().all(|(name, value)| watched.labels.get(name) == Some(value))
            })
        };
        let found = services.items.iter().filter(selects).max_by_key(|service| balancer(service).is_some());
        let Some(service) = found else {
            return Err(Fault::Use(format!(
                "no Service in namespace {} selects the pods of {}: give --url",
                watched.namespace, watched.scaled
            )));
        };
        let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_ref());
        let Some(port) = ports.and_then(|ports| ports.first()) else {
            return Err(Fault::Use(format!("the Service {} has no port: give --url", service.name_any())));
        };
        if self.inside {
            let url = format!("http://{}.{}.svc:{}/", service.name_any(), watched.namespace, port.port);
            return Ok((url, None));
        }
        if let Some(host) = balancer(service) {
            return Ok((format!("http://{host}:{}/", port.port), None));
        }
        let forward = Forward::start(self.client.clone(), watched, port.target_port.clone()).await?;
        Ok((format!("http://{}/", forward.address), Some(forward)))
    }

    /// What the API answers at a path, for the groups that have no types here.
    pub async fn raw(&self, path: &str) -> Result<Value, kube::Error> {
        let request = Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
        self.client.request(request).await
    }
}

/// The address of a Service's load balancer: its host name, or its IP.
fn balancer(service: &Service) -> Option<String> {
    let ingress = service.status.as_ref()?.load_balancer.as_ref()?.ingress.as_ref()?.first()?;
    ingress.hostname.clone().or_else(|| ingress.ip.clone())
}

/// Labels as the API takes them for a selector.
pub fn selector_of(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}

/// A text as it may stand in a URL's query, whatever is in it.
pub fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"))
}

/// An error with its causes, on one line.
pub fn one_line(error: &(impl std::error::Error + ?Sized)) -> String {
    let mut text = first_line(error);
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = first_line(cause);
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn first_line(error: &(impl Display + ?Sized)) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
