//! The endpoints: one table that the router, the labels of the metrics, `/openapi.json`, the documentation and the tests
//! come from.

use std::sync::LazyLock;

use axum::routing::MethodFilter;

use crate::format::Format;

/// The endpoints, in the order of the table.
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
    /// The runtime, with podinfo's keys.
    ApiInfo,
    /// The environment, with podinfo's form.
    Env,
    /// The request's headers.
    Headers,
    /// The request's body.
    Echo,
    /// The same.
    ApiEcho,
    /// A response with the requested status.
    Status,
    /// A response after the requested time.
    Delay,
    /// The same, after its headers.
    Chunked,
    /// A WebSocket that echoes.
    WsEcho,
    /// A signed token.
    Token,
    /// Whether a token is valid.
    TokenValidate,
    /// The description of all endpoints.
    OpenApi,
    /// Makes `/readyz` succeed.
    ReadyzEnable,
    /// Makes `/readyz` fail.
    ReadyzDisable,
    /// Makes every client request fail.
    FaultEnable,
    /// Ends faults.
    FaultDisable,
    /// Whether there are faults.
    FaultStatus,
    /// Sets a fault of any kind.
    Fault,
    /// Uses CPU time.
    Burn,
    /// Uses memory.
    Allocate,
    /// Ends the process.
    Panic,
}

/// The methods of an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Methods {
    /// GET, and with it HEAD.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// GET, HEAD and POST.
    GetPost,
    /// GET, HEAD, POST and PUT.
    GetPostPut,
}

/// Who sends requests to an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Audience {
    /// Clients. The autoscaler scales for them, and faults apply to them.
    Clients,
    /// Probes, scrapes, the page's polling, and operators.
    Others,
}

/// What an endpoint reads of a request, besides its path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reads {
    /// Nothing that a client can make large.
    Nothing,
    /// The headers.
    Headers,
    /// The body.
    Body,
}

/// A row of the table.
struct Row {
    endpoint: Endpoint,
    path: &'static str,
    name: &'static str,
    methods: Methods,
    audience: Audience,
    reads: Reads,
    summary: &'static str,
}

const fn row(
    endpoint: Endpoint,
    path: &'static str,
    name: &'static str,
    methods: Methods,
    audience: Audience,
    reads: Reads,
    summary: &'static str,
) -> Row {
    Row { endpoint, path, name, methods, audience, reads, summary }
}

const COUNT: usize = Endpoint::Panic as usize + 1;

#[rustfmt::skip]
static TABLE: [Row; COUNT] = {
    use Audience::{Clients, Others};
    use Endpoint as E;
    use Methods::{Get, GetPost, GetPostPut, Post, Put};
    use Reads::{Body, Headers, Nothing};
    [
        row(E::Root, "/", "root", Get, Clients, Nothing, "The runtime and the environment; a live page for browsers"),
        row(E::Activity, "/activity", "activity", Get, Others, Nothing, "This pod's requests in each of the last 60 seconds"),
        row(E::Metrics, "/metrics", "metrics", Get, Others, Nothing, "Metrics in Prometheus' text format"),
        row(E::Healthz, "/healthz", "healthz", Get, Others, Nothing, "200 while the process is alive"),
        row(E::Readyz, "/readyz", "readyz", Get, Others, Nothing, "200 while the service accepts new clients, else 503"),
        row(E::Version, "/version", "version", Get, Clients, Nothing, "The versions of the service and its compiler"),
        row(E::ApiInfo, "/api/info", "api_info", Get, Clients, Nothing, "The runtime, with podinfo's keys"),
        row(E::Env, "/env", "env", GetPost, Clients, Nothing, "The environment as NAME=VALUE, redacted as / is"),
        row(E::Headers, "/headers", "headers", GetPost, Clients, Headers, "The request's headers, without credentials"),
        row(E::Echo, "/echo", "echo", GetPostPut, Clients, Body, "202 with the request's body"),
        row(E::ApiEcho, "/api/echo", "api_echo", GetPostPut, Clients, Body, "202 with the request's body"),
        row(E::Status, "/status/{code}", "status", GetPostPut, Clients, Nothing, "A response with this status, 200 to 599"),
        row(E::Delay, "/delay/{seconds}", "delay", Get, Clients, Nothing, "A response after this time, such as 2 or 250ms"),
        row(E::Chunked, "/chunked/{seconds}", "chunked", Get, Clients, Nothing, "The headers at once, and the body after this time"),
        row(E::WsEcho, "/ws/echo", "ws_echo", Get, Clients, Headers, "A WebSocket that returns each message"),
        row(E::Token, "/token", "token", Post, Clients, Body, "A token for the name in the body, valid for a minute"),
        row(E::TokenValidate, "/token/validate", "token_validate", Get, Clients, Headers, "200 if the bearer token is valid, else 401"),
        row(E::OpenApi, "/openapi.json", "openapi", Get, Clients, Nothing, "This description (OpenAPI 3.1)"),
        row(E::ReadyzEnable, "/readyz/enable", "readyz_enable", Post, Others, Nothing, "Makes /readyz succeed"),
        row(E::ReadyzDisable, "/readyz/disable", "readyz_disable", Post, Others, Nothing, "Makes /readyz fail"),
        row(E::FaultEnable, "/fault_injection/enable", "fault_injection_enable", Post, Others, Nothing, "Every client request gets 500"),
        row(E::FaultDisable, "/fault_injection/disable", "fault_injection_disable", Post, Others, Nothing, "Ends faults"),
        row(E::FaultStatus, "/fault_injection/status", "fault_injection_status", Get, Others, Nothing, "Whether there are faults: enabled or disabled"),
        row(E::Fault, "/fault", "fault", Put, Others, Body, "Sets a fault: a share of client requests gets a delay, a status or both"),
        row(E::Burn, "/burn/{ms}", "burn", Get, Clients, Nothing, "A response after this many milliseconds of CPU time"),
        row(E::Allocate, "/allocate/{MiB}", "allocate", Get, Clients, Nothing, "Holds this much memory, for 30s or ?for=DURATION"),
        row(E::Panic, "/panic", "panic", Get, Others, Nothing, "Ends the process with exit code 255"),
    ]
};

impl Endpoint {
    /// Every endpoint, in the order of their discriminants.
    pub const ALL: [Self; COUNT] = {
        let mut all = [Self::Root; COUNT];
        let mut index = 0;
        while index < COUNT {
            all[index] = TABLE[index].endpoint;
            index += 1;
        }
        all
    };

    const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The route's path, in axum's syntax: a parameter is written `{name}`.
    pub const fn path(self) -> &'static str {
        self.row().path
    }

    /// The value of the `path` label.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// Its methods.
    pub const fn methods(self) -> Methods {
        self.row().methods
    }

    /// What it does, in a line.
    pub const fn summary(self) -> &'static str {
        self.row().summary
    }

    /// What it reads of a request.
    pub const fn reads(self) -> Reads {
        self.row().reads
    }

    /// The name of the parameter in its path.
    pub fn parameter(self) -> Option<&'static str> {
        self.path().split_once('{').and_then(|(_, name)| name.strip_suffix('}'))
    }

    /// The status of a request that succeeds.
    pub const fn status(self) -> &'static str {
        match self {
            Self::WsEcho => "101",
            Self::Echo
            | Self::ApiEcho
            | Self::ReadyzEnable
            | Self::ReadyzDisable
            | Self::FaultEnable
            | Self::FaultDisable => "202",
            _ => "200",
        }
    }

    /// Whether its requests are client requests, which the autoscaler scales for. Scrapes, probes and the page's polling are
    /// not: two Prometheus replicas at 5 s alone would put a fifth of the autoscaler's target on an idle pod.
    pub const fn is_for_clients(self) -> bool {
        matches!(self.row().audience, Audience::Clients)
    }

    /// Whether it changes or loads the service, and therefore needs `--lab`.
    pub const fn needs_lab(self) -> bool {
        matches!(
            self,
            Self::ReadyzEnable
                | Self::ReadyzDisable
                | Self::FaultEnable
                | Self::FaultDisable
                | Self::Fault
                | Self::Burn
                | Self::Allocate
                | Self::Panic
        )
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

    /// The format for a client without a preference: YAML at `/`, as the reference has it, and JSON at the other endpoints, as
    /// podinfo has it.
    pub fn default_format(path: &str) -> Format {
        if path == Self::Root.path() || Self::of_path(path).is_none() { Format::Yaml } else { Format::Json }
    }
}

impl Methods {
    /// The value of `Allow`.
    pub const fn allow(self) -> &'static str {
        match self {
            Self::Get => "GET, HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::GetPost => "GET, HEAD, POST",
            Self::GetPostPut => "GET, HEAD, POST, PUT",
        }
    }

    /// The message of a 405.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Get => "this path supports GET and HEAD",
            Self::Post => "this path supports POST",
            Self::Put => "this path supports PUT",
            Self::GetPost => "this path supports GET, HEAD and POST",
            Self::GetPostPut => "this path supports GET, HEAD, POST and PUT",
        }
    }

    /// The same for the router, for which HEAD is part of GET.
    pub fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::GetPost => MethodFilter::GET.or(MethodFilter::POST),
            Self::GetPostPut => MethodFilter::GET.or(MethodFilter::POST).or(MethodFilter::PUT),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn rows_are_in_the_order_of_the_endpoints() {
        for (index, endpoint) in Endpoint::ALL.into_iter().enumerate() {
            assert_eq!(endpoint as usize, index, "{endpoint:?}");
        }
        let names: BTreeSet<_> = Endpoint::ALL.map(Endpoint::name).into();
        assert_eq!(names.len(), COUNT, "each has a label of its own");
    }

    #[test]
    fn path_with_a_parameter_is_found() {
        for (path, endpoint) in [
            ("/", Some(Endpoint::Root)),
            ("/status/503", Some(Endpoint::Status)),
            ("/readyz/enable", Some(Endpoint::ReadyzEnable)),
            ("/status/", None),
            ("/status/1/2", None),
            ("/readyz/", None),
        ] {
            assert_eq!(Endpoint::of_path(path), endpoint, "{path}");
        }
    }
}
