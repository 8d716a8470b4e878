//! A connection that a handler takes over after its response has switched protocols (RFC 9110, section 15.2.2).

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use super::stream::ClientStream;

type Protocol = Box<dyn FnOnce(ClientStream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// What runs on the connection after a 101: an extension of that response.
#[derive(Clone)]
pub struct Takeover(Arc<Mutex<Option<Protocol>>>);

impl Takeover {
    /// Runs `protocol`. It keeps the connection's slot, and must end when the service stops.
    pub fn new(
        protocol: impl FnOnce(ClientStream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + 'static,
    ) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(protocol)))))
    }

    /// Runs it to its end, once.
    pub(super) async fn run(self, stream: ClientStream) {
        let protocol = self.0.lock().expect("no holder panics").take();
        if let Some(protocol) = protocol {
            protocol(stream).await;
        }
    }
}
