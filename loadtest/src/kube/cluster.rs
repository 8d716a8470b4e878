//! The cluster: how it is reached, and which HPA is meant.

use http::StatusCode;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::{Api, ListParams};
use kube::client::UpgradeConnectionError;
use kube::{Client, ResourceExt};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::one_line;
use crate::error::Error;
use crate::kube::kubeconfig::{Choice, Reached, reach};

/// The error if the user names no HPA, and the cluster has none.
pub const NO_HPA: &str =
    "the cluster has no HPA: apply one (README.md, \"On Kubernetes\"); a load without one takes --hpa none with --url";

/// A cluster that answers.
#[derive(Clone)]
pub struct Cluster {
    /// Requests to its API.
    pub client: Client,
    /// Whether this process runs in it.
    pub inside: bool,
    /// The namespace of what is named without one.
    pub namespace: String,
}

impl Cluster {
    /// The cluster of the kubeconfig, or the one that this process runs in.
    pub async fn connect(choice: Choice<'_>) -> Result<Self, Error> {
        let Reached { client, inside, address } = reach(choice).await?;
        client.apiserver_version().await.map_err(|error| {
            let why = one_line(&error);
            Error::Environment(format!("the cluster at {address} does not answer: {why}; --context NAME asks another"))
        })?;
        let namespace = client.default_namespace().to_owned();
        Ok(Self { client, inside, namespace })
    }

    /// The only HPA there is, if there is one: in the namespace of what is named without one, or else in the cluster.
    pub async fn only(&self) -> Result<Option<HorizontalPodAutoscaler>, Error> {
        let own = Api::<HorizontalPodAutoscaler>::namespaced(self.client.clone(), &self.namespace);
        let mut hpas = own.list(&few()).await.map(|list| list.items).unwrap_or_default();
        if hpas.is_empty() {
            let all = Api::<HorizontalPodAutoscaler>::all(self.client.clone()).list(&few()).await;
            let all = all.map_err(|error| {
                Error::Environment(format!(
                    "the HPAs cannot be listed: {}; name one as NAMESPACE/NAME",
                    one_line(&error)
                ))
            })?;
            hpas = all.items;
        }
        if hpas.len() > 1 {
            let name =
                |hpa: &HorizontalPodAutoscaler| format!("{}/{}", hpa.namespace().unwrap_or_default(), hpa.name_any());
            let names = hpas.iter().map(name).collect::<Vec<_>>().join(", ");
            return Err(Error::Usage(format!("several HPAs: name one of them: {names}")));
        }
        Ok(hpas.pop())
    }
}

/// As many of a list as anybody would read of it.
fn few() -> ListParams {
    ListParams::default().limit(100)
}

/// All but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as it may be in a URL's query, whatever is in it.
pub fn percent_encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
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
