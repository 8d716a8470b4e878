//! The route table on one screen, and the layers around it on the next.

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
use crate::error::{Documented, Refusal};
use crate::facts::{Document, Facts};
use crate::format::Format;
use crate::http_rules::{Hosts, Lawful};
use crate::lifecycle::Lifecycle;
use crate::limits::Limited;
use crate::metrics::{Counted, Metrics};
use crate::routes::{activity, health, metrics, root, version};
use crate::secured::Secured;
use crate::server::{self, Pressure};

/// What is served, and under which names: the one place that the router, the metrics' labels and the tests read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// The runtime and the environment.
    Root,
    /// The last minute's request rate.
    Activity,
    /// The series, for Prometheus.
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

    /// The value of the `path` label: the route's name, as the reference writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            other => &other.path()[1..],
        }
    }

    /// Whether its requests are a client's, to be scaled for. Scrapes, probes and the page's own polling are not: two
    /// Prometheus replicas at 5 s alone would put a fifth of the autoscaler's target on an idle pod.
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
        ENDPOINTS.at(path).ok().map(|matched| *matched.value)
    }
}

/// What clients are served. Without `public_metrics`, scrapes are sent to the ops address.
pub fn routes(app: Arc<App>, public_metrics: bool) -> Router {
    let metrics = if public_metrics { only_get(metrics::show) } else { any(async || Refusal::OnOpsAddress) };
    Router::new()
        .route(Endpoint::Root.path(), only_get(root::show))
        .route(Endpoint::Activity.path(), only_get(activity::show))
        .route(Endpoint::Metrics.path(), metrics)
        .route(Endpoint::Healthz.path(), only_get(health::live))
        .route(Endpoint::Readyz.path(), only_get(health::ready))
        .route(Endpoint::Version.path(), only_get(version::show))
        .fallback(async || Refusal::NotFound)
        .with_state(app)
}

/// What the kubelet and Prometheus are served, at the ops address.
pub fn ops_routes(app: Arc<App>) -> Router {
    Router::new()
        .route(Endpoint::Metrics.path(), only_get(metrics::show_now))
        .route(Endpoint::Healthz.path(), only_get(health::live))
        .route(Endpoint::Readyz.path(), only_get(health::ready))
        .fallback(async || Refusal::NotForOps)
        .with_state(app)
}

/// GET, and with it HEAD; anything else is told so.
fn only_get<H, T>(handler: H) -> MethodRouter<Arc<App>>
where
    H: Handler<T, Arc<App>>,
    T: 'static,
{
    get(handler).fallback(async || Refusal::MethodNotAllowed)
}

/// The layers around the routes, from the outside in:
///
/// 1. [`Counted`] sees everything that follows, panics, timeouts and clients that leave included.
/// 2. [`Secured`] tells browsers and caches what they may do with an answer.
/// 3. [`Documented`] gives each error below it a body in the client's format.
/// 4. [`Lawful`] refuses what breaks HTTP's rules or is for other hosts, and closes after a request with a body.
/// 5. [`CatchPanicLayer`] turns a panic into an error; the connection and the service live on.
/// 6. [`Limited`] refuses what is too long, too big or too slow before a route sees it.
pub fn layered(
    routes: Router,
    metrics: Arc<Metrics>,
    limits: Limits,
    pressure: Pressure,
    hosts: Hosts,
) -> impl server::HttpService {
    let limited = Limited::new(limits, pressure, routes);
    let caught =
        MapResponse::new(CatchPanicLayer::custom(panicked).layer(limited), |answer: Response<_>| answer.map(Body::new));
    Counted::new(metrics, Secured::new(Documented::new(Lawful::new(hosts, caught))))
}

#[expect(clippy::needless_pass_by_value, reason = "CatchPanicLayer hands the panic over")]
fn panicked(panic: Box<dyn Any + Send>) -> Response<Body> {
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

/// What the handlers share.
pub struct App {
    facts: Facts,
    document: RwLock<Document>,
    pub(crate) hostname: String,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) activity: Arc<Activity>,
    pub(crate) lifecycle: Lifecycle,
    tasks: RuntimeMetrics,
}

impl App {
    /// Renders the facts for the first time. To be called inside a tokio runtime, whose tasks the document counts.
    pub fn new(facts: Facts, metrics: Arc<Metrics>, activity: Arc<Activity>, lifecycle: Lifecycle) -> Self {
        Self {
            document: RwLock::new(Document::new(&facts)),
            hostname: facts.runtime.hostname.clone(),
            facts,
            metrics,
            activity,
            lifecycle,
            tasks: Handle::current().metrics(),
        }
    }

    /// Renders the facts anew, now that the machine's public address is known.
    pub fn publish_external_ip(&self, address: IpAddr) {
        let mut facts = self.facts.clone();
        facts.runtime.external_ip = Some(address.to_string());
        *self.document.write().expect("no holder panics") = Document::new(&facts);
    }

    /// The most bytes that one answer makes anew.
    pub fn bytes_for_each_answer(&self) -> usize {
        self.document.read().expect("no holder panics").bytes_for_each_answer()
    }

    /// The document of `/`, as of now.
    pub fn document(&self, format: Format) -> Body {
        let document = self.document.read().expect("no holder panics");
        document.body(format, self.tasks.num_alive_tasks())
    }
}
