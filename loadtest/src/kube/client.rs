//! The client of the API server: through its proxy, with its credentials, and with bounds on every answer.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Uri};
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connection, HttpConnector};
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ClientBuilder, ConfigExt};
use kube::{Client, Config};
use tower::{BoxError, Service, ServiceBuilder};

use crate::kube::bounded::Bounded;
use crate::kube::plugin::Plugin;
use crate::kube::proxy::{Kind, Proxy};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// A client for a cluster, by what its configuration says but for its proxy and its plugin, which are these.
pub fn client(config: &Config, proxy: Option<Proxy>, plugin: Option<Plugin>) -> kube::Result<Client> {
    let mut direct = HttpConnector::new();
    direct.enforce_http(false);
    direct.set_connect_timeout(Some(CONNECT));
    let plugin = plugin.map(Arc::new);
    match proxy {
        None => with(config, direct, plugin),
        Some(Proxy { kind: Kind::Socks, place, user }) => {
            let socks = SocksV5::new(place, direct);
            let socks = user.into_iter().fold(socks, |socks, (name, password)| socks.with_auth(name, password));
            with(config, socks, plugin)
        }
        Some(Proxy { kind: Kind::Http, place, user }) => with(config, tunnel(place, direct, user), plugin),
        Some(Proxy { kind: Kind::Https, place, user }) => {
            // The name that the API server's certificate has is not the proxy's.
            let mut of_proxy = config.clone();
            of_proxy.tls_server_name = None;
            let secure = of_proxy.rustls_https_connector_with_connector(direct)?;
            with(config, tunnel(place, secure, user), plugin)
        }
    }
}

fn tunnel<C>(place: Uri, connector: C, user: Option<(String, String)>) -> Tunnel<C> {
    let tunnel = Tunnel::new(place, connector);
    let Some((name, password)) = user else { return tunnel };
    let credentials = BASE64_STANDARD.encode(format!("{name}:{password}"));
    let header = HeaderValue::try_from(format!("Basic {credentials}")).expect("base64 is text");
    tunnel.with_auth(header)
}

/// kube's own layers, over a connector and below the bounds.
fn with<C>(config: &Config, connector: C, plugin: Option<Arc<Plugin>>) -> kube::Result<Client>
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Connection + Read + Write + Send + Unpin + 'static,
    C::Future: Send + 'static,
    C::Error: Into<BoxError> + std::error::Error + Send + Sync + 'static,
{
    let connector = config.rustls_https_connector_with_connector(connector)?;
    let http: Http<_, Body> = Http::builder(TokioExecutor::new()).build(connector);
    let asked = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    let identified = ServiceBuilder::new()
        .filter_async(move |mut request: Request<Body>| {
            let plugin = plugin.clone();
            async move {
                if let Some(plugin) = plugin
                    && let Some(token) = plugin.authorization().await?
                {
                    request.headers_mut().insert(AUTHORIZATION, token);
                }
                Ok::<_, BoxError>(request)
            }
        })
        .service(Bounded { inner: asked });
    Ok(ClientBuilder::new(identified, config.default_namespace.clone()).build())
}
