//! gRPC on an address of its own: health checks (`grpc.health.v1`) and reflection, for the kubelet, load balancers and grpcurl.
//!
//! It only runs if `--grpc-address` is set. It has a thread of its own, so a probe never waits behind clients.

mod connections;
mod health;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service;

use crate::app::App;
use crate::config::Limits;
use connections::Connections;
use connections::MAX_CONNECTIONS;
use health::{HealthServer, HealthService};

/// The log message with a gRPC address.
pub const SERVING_GRPC: &str = "gRPC health checks are served";

/// The maximum message. A health check is the name of a service, and a reflection request that of a file or a symbol.
const MAX_MESSAGE_BYTES: usize = 4096;

/// The descriptors that it may have open: its connections, its listeners, and its runtime's.
pub const DESCRIPTORS: u64 = 8 + MAX_CONNECTIONS as u64;

/// How long the process waits at its end for the last streams to be told.
const END_TIMEOUT: Duration = Duration::from_millis(500);

/// The running gRPC server.
pub struct Grpc(oneshot::Receiver<()>);

impl Grpc {
    /// Serves these addresses on a thread of its own, until the service stops.
    pub fn serve(listeners: Vec<TcpListener>, app: Arc<App>, limits: Limits) -> io::Result<Self> {
        for listener in &listeners {
            tracing::info!(address = %listener.local_addr()?, "{SERVING_GRPC}");
        }
        let listeners = listeners.into_iter().map(TcpListener::into_std).collect::<io::Result<Vec<_>>>()?;
        let (ended, has_ended) = oneshot::channel();
        let serving = async move {
            let listeners = listeners.into_iter().map(TcpListener::from_std).collect::<io::Result<Vec<_>>>();
            let listeners = listeners.expect("the listeners were tokio's before");
            let service = GrpcService { routes: routes(Arc::clone(&app)), timeout: limits.request_timeout };
            Connections::new(service, limits).serve(listeners, &app.lifecycle).await;
            // The process may have ended its wait.
            let _ = ended.send(());
        };
        let thread = std::thread::Builder::new().name("grpc".to_owned());
        let run = move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(serving),
            Err(error) => tracing::error!(%error, "cannot serve the gRPC address"),
        };
        thread.spawn(run)?;
        Ok(Self(has_ended))
    }

    /// Waits until the streams have ended, but not for a client that does not read.
    pub async fn ended(self) {
        let _ = tokio::time::timeout(END_TIMEOUT, self.0).await;
    }
}

/// The gRPC services.
fn routes(app: Arc<App>) -> Routes {
    let reflection =
        || tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(health::DESCRIPTORS);
    let is_valid = "the crate's own descriptors are valid";
    Routes::new(HealthServer::new(HealthService::new(app)).max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(reflection().build_v1().expect(is_valid).max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(reflection().build_v1alpha().expect(is_valid).max_decoding_message_size(MAX_MESSAGE_BYTES))
        .prepare()
}

/// The service of all connections. A response begins within the timeout: a client may send a head, and never its message.
#[derive(Clone)]
struct GrpcService {
    routes: Routes,
    timeout: Duration,
}

impl hyper::service::Service<Request<Incoming>> for GrpcService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let response = self.routes.clone().call(request);
        let timeout = self.timeout;
        Box::pin(async move {
            tokio::time::timeout(timeout, response)
                .await
                .unwrap_or_else(|_| Ok(Status::deadline_exceeded("the request did not arrive in time").into_http()))
        })
    }
}
