//! The Service: gives each new connection to the next ready replica.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::loopback;

/// A listener on the loopback with a changing set of replicas behind it.
pub struct Balancer {
    /// Where it listens.
    pub address: SocketAddr,
    endpoints: Arc<Mutex<Vec<SocketAddr>>>,
    accepting: JoinHandle<()>,
}

impl Balancer {
    /// Listens on a free port, with no replica yet.
    pub async fn start() -> Result<Self, Error> {
        let (listener, address) = loopback::listen().await?;
        let endpoints = Arc::new(Mutex::new(Vec::<SocketAddr>::new()));
        let accepting = tokio::spawn({
            let endpoints = Arc::clone(&endpoints);
            async move {
                let mut turn = 0_usize;
                loop {
                    let client = loopback::accept(&listener).await;
                    turn = turn.wrapping_add(1);
                    let endpoint = {
                        let all = endpoints.lock().expect("no holder panics");
                        // Without one, the connection is closed: a Service without endpoints refuses it.
                        all.get(turn % all.len().max(1)).copied()
                    };
                    tokio::spawn(carry(client, endpoint));
                }
            }
        });
        Ok(Self { address, endpoints, accepting })
    }

    /// From now on new connections go to these.
    pub fn route_to(&self, endpoints: Vec<SocketAddr>) {
        *self.endpoints.lock().expect("no holder panics") = endpoints;
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn carry(mut client: TcpStream, endpoint: Option<SocketAddr>) -> Option<()> {
    let mut server = TcpStream::connect(endpoint?).await.ok()?;
    client.set_nodelay(true).ok()?;
    server.set_nodelay(true).ok()?;
    copy_bidirectional(&mut client, &mut server).await.ok()?;
    Some(())
}
