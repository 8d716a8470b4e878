//! A listener on this machine alone, whose connections are carried elsewhere.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::error::Error;

/// After a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(10);

/// Listens on a free port.
pub async fn listen() -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |error: std::io::Error| Error::Environment(format!("cannot listen on the loopback: {error}"));
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// The next connection. A shortage of descriptors passes.
pub async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
