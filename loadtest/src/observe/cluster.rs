//! The cluster: how it is reached, and which HPA is meant.

use std::collections::BTreeMap;
use std::fmt::Display;

use http::{Request, StatusCode};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::{Api, ListParams};
use kube::client::UpgradeConnectionError;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, ResourceExt};
use serde_json::Value;

use crate::fault::Fault;
use crate::observe::scaled::Scaled;

/// A cluster that answers.
#[derive(Clone)]
pub struct Cluster {
    /// Requests to its API.
    pub client: Client,
    /// Whether this process runs in it.
    pub inside: bool,
}

/// An HPA with what it scales.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// The namespace of both.
    pub namespace: String,
    /// The HPA as it was at the start.
    pub hpa: HorizontalPodAutoscaler,
    /// Kind and name of what it scales, such as `Deployment/shopfront-deploy`.
    pub scaled: String,
    /// That as it was at the start.
    pub object: Value,
    /// The label selector of the pods.
    pub selector: String,
    /// The labels that new pods get.
    pub labels: BTreeMap<String, String>,
}

impl Cluster {
    /// The cluster of the kubeconfig (`KUBECONFIG`, `~/.kube/config`), or the one that this process runs in. A context is
    /// one of a kubeconfig, in a pod as well.
    pub async fn connect(context: Option<&str>) -> Result<Self, Fault> {
        let has = |variable: &str| std::env::var_os(variable).is_some();
        let inside = context.is_none() && has("KUBERNETES_SERVICE_HOST") && !has("KUBECONFIG");
        let mut config = if inside {
            Config::incluster().map_err(|error| Fault::Use(format!("in this pod: {}", one_line(&error))))?
        } else {
            let advice =
                "set KUBECONFIG or --context (run --url URL --hpa none and doctor --from FILE need no cluster)";
            let kubeconfig = Kubeconfig::read()
                .map_err(|error| Fault::Use(format!("no kubeconfig: {}; {advice}", one_line(&error))))?;
            if let Some(context) = context.filter(|context| kubeconfig.contexts.iter().all(|one| one.name != *context))
            {
                let none = format!("the kubeconfig has no context {context}; kubectl config get-contexts lists all");
                return Err(Fault::Use(none));
            }
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
        client.apiserver_version().await.map_err(|error| {
            let why = one_line(&error);
            Fault::World(format!("the cluster at {address} does not answer: {why}; --context NAME asks another"))
        })?;
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
        let Scaled { object, selector, labels } = Scaled::read(&self.client, &namespace, &target).await?;
        Ok(Watched { namespace, hpa, scaled, object, selector, labels })
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

    /// What the API answers at a path, for the groups that have no types here.
    pub async fn raw(&self, path: &str) -> Result<Value, kube::Error> {
        let request = Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
        self.client.request(request).await
    }
}

/// A text as it may stand in a URL's query, whatever is in it: all but RFC 3986's unreserved characters is encoded.
pub fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |text, byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text + &char::from(byte).to_string(),
        _ => format!("{text}%{byte:02X}"),
    })
}

/// Why something could not be done; a right that is missing is named, as a role would have it.
pub fn why(error: &kube::Error, right: &str) -> String {
    let missing = format!("the right to {right} is missing");
    match error {
        kube::Error::Api(status) if status.code == 403 => missing,
        kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(StatusCode::FORBIDDEN)) => missing,
        error => one_line(error),
    }
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
    let text = error.to_string();
    // kube shows an answer of the API server a second time, as the type that it has in Rust.
    text.lines().next().and_then(|line| line.split(" (Status {").next()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn a_missing_right_is_named_and_anything_else_is_told_as_it_is() {
        let right = "get pods/proxy in namespace shops";
        let forbidden = kube::Error::Api(Box::new(Status::failure("no", "Forbidden").with_code(403)));
        let upgrade = UpgradeConnectionError::ProtocolSwitch(StatusCode::FORBIDDEN);
        for error in [forbidden, kube::Error::UpgradeConnection(upgrade)] {
            assert_eq!(why(&error, right), "the right to get pods/proxy in namespace shops is missing");
        }
        let other = kube::Error::Api(Box::new(Status::failure("no such pod", "NotFound").with_code(404)));
        assert_eq!(why(&other, right), "ApiError: no such pod: NotFound");
    }
}
