//! The route table, and the layers around it.

use std::any::Any;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, any, on};
use bytes::Bytes;
use http::{Response, StatusCode};
use tokio::runtime::{Handle, RuntimeMetrics};
use tower::Layer;
use tower::util::MapResponse;
use tower_http::catch_panic::CatchPanicLayer;

use crate::activity::Activity;
use crate::config::{LabSettings, Limits};
use crate::document::{Document, RenderedDocument};
pub use crate::endpoints::{Endpoint, Methods};
use crate::error::{ErrorBodies, Rejection};
use crate::format::Format;
use crate::held::HeldBytes;
use crate::http_rules::{Hosts, HttpRules};
use crate::lab::{self, Lab};
use crate::lifecycle::{Lifecycle, Phase};
use crate::limits::RequestLimits;
use crate::metrics::{Metrics, RequestMetrics};
use crate::readiness::Readiness;
use crate::routes::{
    activity, delay, echo, env, fault, headers, health, info, load, metrics, openapi, root, status, token, version,
    ws_echo,
};
use crate::security_headers;
use crate::server::{self, Pressure};
use crate::url_prefix::UrlPrefix;

/// The routes for clients. Without `public_metrics`, `/metrics` refers to the ops address.
pub fn routes(app: Arc<App>, public_metrics: bool) -> Router {
    let mut router = Router::new().fallback(async || Rejection::NotFound);
    for endpoint in Endpoint::ALL {
        let is_allowed = app.lab.is_enabled() || !endpoint.needs_lab();
        let route = match endpoint {
            Endpoint::Metrics if !public_metrics => any(async || Rejection::OpsOnly),
            _ if !is_allowed => any(async || Rejection::LabOff),
            _ => route(endpoint),
        };
        router = router.route(endpoint.path(), route);
    }
    if app.lab.may_interfere() {
        router = router.layer(from_fn_with_state(Arc::clone(&app), lab::interfere));
    }
    router.with_state(app)
}

/// The route of an endpoint.
fn route(endpoint: Endpoint) -> MethodRouter<Arc<App>> {
    let methods = endpoint.methods();
    match endpoint {
        Endpoint::Root => only(methods, root::show),
        Endpoint::Activity => only(methods, activity::show),
        Endpoint::Metrics => only(methods, metrics::show),
        Endpoint::Healthz => only(methods, health::live),
        Endpoint::Readyz => only(methods, health::ready),
        Endpoint::Version => only(methods, version::show),
        Endpoint::ApiInfo => only(methods, info::show),
        Endpoint::Env => only(methods, env::show),
        Endpoint::Headers => only(methods, headers::show),
        Endpoint::Echo | Endpoint::ApiEcho => only(methods, echo::show),
        Endpoint::Status => only(methods, status::show),
        Endpoint::Delay => only(methods, delay::show),
        Endpoint::Chunked => only(methods, delay::stream),
        Endpoint::WsEcho => only(methods, ws_echo::upgrade),
        Endpoint::Token => only(methods, token::create),
        Endpoint::TokenValidate => only(methods, token::validate),
        Endpoint::OpenApi => only(methods, openapi::show),
        Endpoint::ReadyzEnable => only(methods, health::enable),
        Endpoint::ReadyzDisable => only(methods, health::disable),
        Endpoint::FaultEnable => only(methods, fault::enable),
        Endpoint::FaultDisable => only(methods, fault::disable),
        Endpoint::FaultStatus => only(methods, fault::status),
        Endpoint::Fault => only(methods, fault::set),
        Endpoint::Burn => only(methods, load::burn),
        Endpoint::Allocate => only(methods, load::allocate),
        Endpoint::Panic => only(methods, load::end_process),
    }
}

/// The routes of the ops address, for the kubelet and Prometheus.
pub fn ops_routes(app: Arc<App>) -> Router {
    Router::new()
        .route(Endpoint::Metrics.path(), only(Methods::Get, metrics::show_now))
        .route(Endpoint::Healthz.path(), only(Methods::Get, health::live))
        .route(Endpoint::Readyz.path(), only(Methods::Get, health::ready))
        .fallback(async || Rejection::NotFoundOnOps)
        .with_state(app)
}

/// Routes these methods to a handler; others get a 405.
fn only<H, T>(methods: Methods, handler: H) -> MethodRouter<Arc<App>>
where
    H: Handler<T, Arc<App>>,
    T: 'static,
{
    on(methods.filter(), handler).fallback(async move || Rejection::MethodNotAllowed(methods))
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
    pub(crate) readiness: Readiness,
    pub(crate) lab: Lab,
    pub(crate) held: HeldBytes,
    pub(crate) websockets: ws_echo::WebSockets,
    /// The description of the endpoints, once somebody has asked for it.
    pub(crate) openapi: OnceLock<Bytes>,
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
            readiness: Readiness::after(Duration::ZERO),
            lab: Lab::default(),
            held: HeldBytes::default(),
            websockets: ws_echo::WebSockets::default(),
            openapi: OnceLock::new(),
            tasks: Handle::current().metrics(),
        }
    }

    /// The same with faults and load as in these settings.
    #[must_use]
    pub fn with_lab(self, settings: LabSettings, limits: Limits) -> Self {
        Self {
            readiness: Readiness::after(settings.ready_after),
            lab: Lab::new(settings, limits.request_timeout),
            websockets: ws_echo::WebSockets::new(limits.idle_timeout),
            ..self
        }
    }

    /// Whether the service accepts new clients: why not, if it does not.
    pub fn check_ready(&self) -> Result<(), Rejection> {
        if self.lifecycle.phase() != Phase::Ready || !self.readiness.has_begun() {
            Err(Rejection::NotReady)
        } else if self.readiness.is_disabled() {
            Err(Rejection::ReadinessDisabled)
        } else {
            Ok(())
        }
    }

    /// The environment variables that the document shows.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.document.environment
    }

    /// The prefix of every path for clients.
    pub fn url_prefix(&self) -> Option<&UrlPrefix> {
        self.document.url_prefix.as_ref()
    }

    /// The machine's logical processors.
    pub fn num_cpu(&self) -> &str {
        &self.document.runtime.num_cpu
    }

    /// Live tasks of the runtime.
    pub fn num_tasks(&self) -> usize {
        self.tasks.num_alive_tasks()
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
        rendered.body(format, self.num_tasks())
    }
}
