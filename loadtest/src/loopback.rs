//! A listener on the loopback address, whose connections are forwarded.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::error::Error;

/// The pause after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(10);

/// Listens on a free port.
pub async fn listen() -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |error: std::io::Error| Error::Environment(format!("cannot listen on the loopback address: {error}"));
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// The next connection. It outlasts a shortage of descriptors.
pub async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
