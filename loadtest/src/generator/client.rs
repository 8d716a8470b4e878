//! Carries requests out.

use std::cell::{Cell, RefCell};

use super::Settings;
use crate::generator::addresses::Addresses;
use crate::generator::failure::Failure;
use crate::generator::http1::Http1;
use crate::generator::http2::Http2;
use crate::generator::window::{Answer, Window};

pub(super) const USER_AGENT: &str = concat!("loadtest/", env!("CARGO_PKG_VERSION"));
/// Asks for the format whose lines name the pod, if there is a choice.
pub(super) const ACCEPT: &str = "application/yaml, */*;q=0.5";

/// How far a request came.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    /// There is no connection yet.
    Connecting,
    /// There is one.
    Connected,
}

/// The target's addresses and the connections to it.
pub(super) struct Client {
    pub addresses: Addresses,
    connections: Connections,
}

enum Connections {
    Http1(Http1),
    Http2(Http2),
}

impl Client {
    pub fn new(settings: &Settings) -> Self {
        let Settings { endpoint, requests_per_connection, .. } = settings;
        let connections = if settings.http2 {
            Connections::Http2(Http2::new(endpoint, *requests_per_connection))
        } else {
            Connections::Http1(Http1::new(endpoint, *requests_per_connection))
        };
        Self { addresses: Addresses::new(endpoint.clone()), connections }
    }

    /// One request and its answer. If it is cancelled, the stage shows how far it came.
    pub async fn exchange(&self, stage: &Cell<Stage>, window: &RefCell<Window>) -> Result<Answer, Failure> {
        match &self.connections {
            Connections::Http1(http1) => http1.exchange(&self.addresses, stage, window).await,
            Connections::Http2(http2) => http2.exchange(&self.addresses, stage, window).await,
        }
    }
}
