//! `grpc.health.v1.Health`: what `/readyz` says, for gRPC clients.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::watch;
use tonic::{Request, Response, Status};
pub(super) use tonic_health::pb::FILE_DESCRIPTOR_SET as DESCRIPTORS;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
pub(super) use tonic_health::pb::health_server::HealthServer;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::app::App;
use crate::lifecycle::Phase;
use crate::readiness::Toggle;

/// The names of the service: the whole server, this service, and podinfo's name, which its clients ask for.
const NAMES: [&str; 3] = ["", "shopfront", "podinfo"];

/// The health of the service.
pub(super) struct HealthService {
    app: Arc<App>,
}

impl HealthService {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

fn status(app: &App) -> ServingStatus {
    if app.check_ready().is_ok() { ServingStatus::Serving } else { ServingStatus::NotServing }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl Health for HealthService {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        if !NAMES.contains(&request.get_ref().service.as_str()) {
            return Err(Status::not_found("unknown service: ask for an empty name, shopfront or podinfo"));
        }
        Ok(Response::new(response(status(&self.app))))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let watch = Watch {
            is_known: NAMES.contains(&request.get_ref().service.as_str()),
            phases: self.app.lifecycle.subscribe(),
            toggles: self.app.readiness.subscribe(),
            app: Arc::clone(&self.app),
            sent: None,
            has_ended: false,
        };
        Ok(Response::new(Box::pin(unfold(watch, |mut watch| async {
            let next = watch.next().await?;
            Some((next, watch))
        }))))
    }
}

/// A client's `Watch`: the status now, and each change until the service stops.
struct Watch {
    app: Arc<App>,
    /// Whether the service has the name. The protocol does not end the stream of an unknown one.
    is_known: bool,
    phases: watch::Receiver<Phase>,
    toggles: watch::Receiver<Toggle>,
    sent: Option<ServingStatus>,
    has_ended: bool,
}

impl Watch {
    async fn next(&mut self) -> Option<Result<HealthCheckResponse, Status>> {
        while !self.has_ended {
            // Marked as seen before the status is read, so that no change in between is missed.
            let phase = *self.phases.borrow_and_update();
            self.toggles.mark_unchanged();
            let status = if self.is_known { status(&self.app) } else { ServingStatus::ServiceUnknown };
            if self.sent != Some(status) {
                self.sent = Some(status);
                return Some(Ok(response(status)));
            }
            if phase >= Phase::Stopping {
                self.has_ended = true;
                return Some(Err(Status::unavailable("the service is stopping")));
            }
            let readiness = &self.app.readiness;
            tokio::select! {
                _ = self.phases.changed() => {}
                _ = self.toggles.changed() => {}
                () = readiness.begun(), if !readiness.has_begun() => {}
            }
        }
        None
    }
}
