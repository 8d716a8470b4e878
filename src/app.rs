//! The route table, and the layers around it.

use std::any::Any;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, RwLock};

use axum::Router;
use axum::body::Body;
use axum::handler::Handler;
use axum::routing::{MethodRouter, any, get};
use http::{Response, StatusCode};
use tokio::runtime::{Handle, RuntimeMetrics};
use tower::Layer;
use tower::util::MapResponse;
use tower_http::catch_panic::CatchPanicLayer;

use crate::activity::Activity;
use crate::config::Limits;
use crate::document::{Document, RenderedDocument};
use crate::error::{ErrorBodies, Rejection};
use crate::format::Format;
use crate::http_rules::{Hosts, HttpRules};
use crate::lifecycle::Lifecycle;
use crate::limits::RequestLimits;
use crate::metrics::{Metrics, RequestMetrics};
use crate::routes::{activity, health, metrics, root, version};
use crate::security_headers;
use crate::server::{self, Pressure};

/// The endpoints. The router, the labels of the metrics and the tests read their paths and names here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// The runtime and the environment.
    Root,
    /// The request rate of the last minute.
    Activity,
    /// The metrics, for Prometheus.
    Metrics,
    /// Liveness, for the kubelet.
    Healthz,
    /// Readiness, for the kubelet and load balancers.
    Readyz,
    /// The service's version.
    Version,
}

impl Endpoint {
    /// Every endpoint, in the order of their discriminants.
    pub const ALL: [Self; 6] = [Self::Root, Self::Activity, Self::Metrics, Self::Healthz, Self::Readyz, Self::Version];

    /// The route's path, in axum's syntax: a parameter is written `{name}`.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Root => "/",
            Self::Activity => "/activity",
            Self::Metrics => "/metrics",
            Self::Healthz => "/healthz",
            Self::Readyz => "/readyz",
            Self::Version => "/version",
        }
    }

    /// The value of the `path` label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            other => &other.path()[1..],
        }
    }

    /// Whether its requests are client requests, which the autoscaler scales for. Scrapes, probes and the page's polling are
    /// not: two Prometheus replicas at 5 s alone would put a fifth of the autoscaler's target on an idle pod.
    pub const fn is_for_clients(self) -> bool {
        matches!(self, Self::Root | Self::Version)
    }

    /// The endpoint that serves a request's path, if any. The matcher is the one inside axum's router, so the label of a
    /// request is always that of the route that answers it.
    pub fn of_path(path: &str) -> Option<Self> {
        static ENDPOINTS: LazyLock<matchit::Router<Endpoint>> = LazyLock::new(|| {
            let mut endpoints = matchit::Router::new();
            for endpoint in Endpoint::ALL {
                endpoints.insert(endpoint.path(), endpoint).expect("the paths do not overlap");
            }
            endpoints
        });
        // A path without parameters takes precedence over one with parameters, and comparing it is cheaper.
        let is_exact = |endpoint: &Self| endpoint.path() == path;
        Self::ALL.into_iter().find(is_exact).or_else(|| ENDPOINTS.at(path).ok().map(|matched| *matched.value))
    }
}

/// The routes for clients. Without `public_metrics`, `/metrics` refers to the ops address.
pub fn routes(app: Arc<App>, public_metrics: bool) -> Router {
    let metrics = if public_metrics { only_get(metrics::show) } else { any(async || Rejection::OpsOnly) };
    Router::new()
        .route(Endpoint::Root.path(), only_get(root::show))
        .route(Endpoint::Activity.path(), only_get(activity::show))
        .route(Endpoint::Metrics.path(), metrics)
        .route(Endpoint::Healthz.path(), only_get(health::live))
        .route(Endpoint::Readyz.path(), only_get(health::ready))
        .route(Endpoint::Version.path(), only_get(version::show))
        .fallback(async || Rejection::NotFound)
        .with_state(app)
}

/// The routes of the ops address, for the kubelet and Prometheus.
pub fn ops_routes(app: Arc<App>) -> Router {
    Router::new()
        .route(Endpoint::Metrics.path(), only_get(metrics::show_now))
        .route(Endpoint::Healthz.path(), only_get(health::live))
        .route(Endpoint::Readyz.path(), only_get(health::ready))
        .fallback(async || Rejection::NotFoundOnOps)
        .with_state(app)
}

/// Routes GET and HEAD to a handler; other methods get a 405.
fn only_get<H, T>(handler: H) -> MethodRouter<Arc<App>>
where
    H: Handler<T, Arc<App>>,
    T: 'static,
{
    get(handler).fallback(async || Rejection::MethodNotAllowed)
}

/// The layers around the routes, from the outside in:
///
/// 1. [`RequestMetrics`] counts every request, including panics, timeouts and clients that leave.
/// 2. [`security_headers::add`] sets the security headers of every response.
/// 3. [`ErrorBodies`] writes the body of every error from the layers below it, in the client's format.
/// 4. [`HttpRules`] rejects requests that break HTTP's rules or are for other hosts. It closes the connection after a
///    request with a body.
/// 5. [`CatchPanicLayer`] turns a panic into a 500. The connection stays open.
/// 6. [`RequestLimits`] rejects a request that is too long, too large or too slow before a route sees it.
pub fn layered(
    routes: Router,
    metrics: Arc<Metrics>,
    limits: Limits,
    pressure: Pressure,
    hosts: Hosts,
) -> impl server::HttpService {
    let limited = RequestLimits::new(limits, pressure, routes);
    let caught = CatchPanicLayer::custom(panic_response).layer(limited);
    let caught = MapResponse::new(caught, |response: Response<_>| response.map(Body::new));
    let with_error_bodies = ErrorBodies::new(HttpRules::new(hosts, caught));
    RequestMetrics::new(metrics, MapResponse::new(with_error_bodies, security_headers::add))
}

#[expect(clippy::needless_pass_by_value, reason = "CatchPanicLayer passes the panic by value")]
fn panic_response(panic: Box<dyn Any + Send>) -> Response<Body> {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(panic = message, "a handler panicked");
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// The state that the handlers share.
pub struct App {
    document: Document,
    rendered: RwLock<RenderedDocument>,
    pub(crate) hostname: String,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) activity: Arc<Activity>,
    pub(crate) lifecycle: Lifecycle,
    tasks: RuntimeMetrics,
}

impl App {
    /// Renders the document. Must be called inside the tokio runtime whose tasks the document counts.
    pub fn new(document: Document, metrics: Arc<Metrics>, activity: Arc<Activity>, lifecycle: Lifecycle) -> Self {
        Self {
            rendered: RwLock::new(RenderedDocument::new(&document)),
            hostname: document.runtime.hostname.clone(),
            document,
            metrics,
            activity,
            lifecycle,
            tasks: Handle::current().metrics(),
        }
    }

    /// Renders the document again, with the machine's public address.
    pub fn publish_external_ip(&self, address: IpAddr) {
        let mut document = self.document.clone();
        document.runtime.external_ip = Some(address.to_string());
        *self.rendered.write().expect("no holder panics") = RenderedDocument::new(&document);
    }

    /// The maximum number of bytes that a response does not share with others.
    pub fn max_response_bytes(&self) -> usize {
        self.rendered.read().expect("no holder panics").max_response_bytes()
    }

    /// The document of `/`, with the number of tasks as it is now.
    pub fn document(&self, format: Format) -> Body {
        let rendered = self.rendered.read().expect("no holder panics");
        rendered.body(format, self.tasks.num_alive_tasks())
    }
}
