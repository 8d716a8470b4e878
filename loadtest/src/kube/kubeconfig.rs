//! Which cluster is meant: that of a kubeconfig, or the one that this process runs in.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::Uri;
use http::uri::Scheme;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use super::plugin;
use crate::error::Error;
use crate::kube::client::client;
use crate::kube::plugin::Plugin;
use crate::kube::proxy::Variables;
use crate::kube::words::one_line;

/// Which kubeconfig and which of its contexts the user chose; else kubectl's own choice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choice<'a> {
    /// The context's name.
    pub context: Option<&'a str>,
    /// The file.
    pub kubeconfig: Option<&'a Path>,
}

/// What a cluster is asked with.
pub struct Reached {
    /// Requests to its API.
    pub client: Client,
    /// Whether this process runs in it.
    pub inside: bool,
    /// Its address, without a user.
    pub address: String,
}

const ADVICE: &str = "set KUBECONFIG or --context (run --url URL, rehearse and doctor --from FILE need no cluster)";

/// The cluster of the kubeconfig (`KUBECONFIG`, `~/.kube/config`), or the one that this process runs in. A context is one of
/// a kubeconfig, in a pod as well.
pub async fn reach(choice: Choice<'_>) -> Result<Reached, Error> {
    let has = |variable: &str| std::env::var_os(variable).is_some();
    let is_chosen = choice.context.is_some() || choice.kubeconfig.is_some();
    let inside = !is_chosen && has("KUBERNETES_SERVICE_HOST") && !has("KUBECONFIG");
    let (mut config, proxy_url) = if inside {
        let config = Config::incluster().map_err(|error| Error::Usage(format!("in this pod: {}", one_line(&error))))?;
        (config, None)
    } else {
        of_kubeconfig(choice).await?
    };
    // An API server that is busy or going is to be told, not waited for out of sight.
    config.default_retry = false;
    let variables = Variables { get: &|name| std::env::var(name).ok() };
    let proxy =
        variables.proxy(proxy_url.as_deref(), &config.cluster_url).map_err(|error| Error::Usage(error.to_string()))?;
    let plugin = plugin(&mut config.auth_info, proxy_url, plugin::PATIENCE)
        .await
        .map_err(|error| unusable(&error.to_string()))?;
    let address = without_user(&config.cluster_url);
    let client = client(&config, proxy, plugin).map_err(|error| unusable(&one_line(&error)))?;
    Ok(Reached { client, inside, address })
}

fn unusable(why: &str) -> Error {
    Error::Usage(format!("the kubeconfig cannot be used: {why}"))
}

/// The kubeconfig in this file, or else kubectl's own choice.
pub fn read(file: Option<&Path>) -> Result<Kubeconfig, KubeconfigError> {
    file.map_or_else(Kubeconfig::read, Kubeconfig::read_from)
}

/// What the kubeconfig says, and its `proxy-url`.
async fn of_kubeconfig(choice: Choice<'_>) -> Result<(Config, Option<String>), Error> {
    let Choice { context, kubeconfig } = choice;
    let mut kubeconfig =
        read(kubeconfig).map_err(|error| Error::Usage(format!("no kubeconfig: {}; {ADVICE}", told(&error))))?;
    if let Some(context) = context.filter(|context| kubeconfig.contexts.iter().all(|one| one.name != *context)) {
        let none = format!("the kubeconfig has no context {context}; kubectl config get-contexts lists all");
        return Err(Error::Usage(none));
    }
    let chosen = context.map(str::to_owned).or_else(|| kubeconfig.current_context.clone());
    let of_context = kubeconfig.contexts.iter().find(|one| Some(&one.name) == chosen.as_ref());
    let cluster = of_context.and_then(|one| Some(one.context.as_ref()?.cluster.clone()));
    let mut proxy_url = None;
    for one in &mut kubeconfig.clusters {
        if let Some(settings) = &mut one.cluster {
            // kube reads the variables wherever it finds no proxy-url, and ends with what it cannot read of them.
            let of_cluster = settings.proxy_url.replace("http://read.elsewhere.invalid".to_owned());
            if Some(&one.name) == cluster.as_ref() {
                proxy_url = of_cluster;
            }
        }
    }
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..Default::default() };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let config =
        config.map_err(|error| Error::Usage(format!("the kubeconfig cannot be used: {}; {ADVICE}", told(&error))))?;
    Ok((config, proxy_url))
}

/// Where a kubeconfig cannot be parsed, the reason may show a part of it.
fn told(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::Parse(error) => {
            let place = error.location().map(|at| format!(", line {}", at.line())).unwrap_or_default();
            format!("it is no YAML, or not what kubectl writes{place}")
        }
        KubeconfigError::ReadConfig(why, file) if why.kind() == ErrorKind::NotFound => {
            format!("{} does not exist", file.display())
        }
        error => one_line(error),
    }
}

/// Takes the plugin out of what kube would run itself: without a bound on its time, and telling what it was given.
async fn plugin(
    user: &mut AuthInfo,
    proxy_url: Option<String>,
    patience: Duration,
) -> Result<Option<Plugin>, plugin::Error> {
    if let Some(provider) = user.auth_provider.as_ref().filter(|provider| provider.name != "oidc") {
        // As with kubectl since 1.26. kube would run its command, without a bound.
        return Err(plugin::Error::AuthProvider(provider.name.clone()));
    }
    // What is more special counts, as it does for kubectl.
    let other = user.token.is_some() || user.token_file.is_some() || user.username.is_some();
    let Some(mut exec) = user.exec.take().filter(|_| !other && user.auth_provider.is_none()) else { return Ok(None) };
    if let Some(cluster) = &mut exec.cluster {
        cluster.proxy_url = proxy_url;
    }
    let (plugin, certificate) = Plugin::start(exec, patience).await?;
    if let Some((certificate, key)) = certificate {
        user.client_certificate_data = Some(BASE64_STANDARD.encode(certificate));
        user.client_key_data = Some(BASE64_STANDARD.encode(key).into());
    }
    Ok(Some(plugin))
}

fn without_user(url: &Uri) -> String {
    let scheme = url.scheme().unwrap_or(&Scheme::HTTPS);
    let port = url.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}://{}{port}{}", url.host().unwrap_or_default(), url.path())
}
