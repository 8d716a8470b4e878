//! Binds the addresses to listen on.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use rustix::io::Errno;
use rustix::net::sockopt::set_ipv6_v6only;
use tokio::net::{TcpListener, TcpSocket};

/// Connections that the kernel queues until they are accepted. A burst of clients overflows the usual 128, and each of the
/// rest waits a second before it tries again. The kernel's own limit (`net.core.somaxconn`) still applies.
const BACKLOG: u32 = 4096;

/// The buffer size that is requested for each direction of a connection. The kernel grants twice as much, including its own
/// overhead. By default, a buffer could grow to megabytes.
const REQUESTED_BUFFER_BYTES: u32 = 8 * 1024;

/// What the kernel may buffer for a connection, both directions together.
pub(super) const KERNEL_BUFFER_BYTES: usize = 2 * 2 * REQUESTED_BUFFER_BYTES as usize;

/// Binds all addresses. `setting` is the flag and the variable that an error names.
///
/// Skips `::` and `::1` beside other addresses if the machine has no IPv6.
pub fn bind(addresses: &[SocketAddr], setting: &str) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for address in addresses {
        let shares_port = addresses.iter().any(|other| other.is_ipv4() && other.port() == address.port());
        match listen(*address, shares_port) {
            Ok(listener) => listeners.push(listener),
            Err(error) if addresses.len() > 1 && is_of_any_ipv6(*address) && has_no_ipv6(&error) => {
                tracing::info!(%address, "not listening on this address: this machine has no IPv6");
            }
            Err(error) => return Err(with_advice(*address, &error, setting)),
        }
    }
    if listeners.is_empty() {
        return Err(io::Error::other(format!("this machine has no IPv6; set {setting}")));
    }
    Ok(listeners)
}

fn listen(address: SocketAddr, shares_port: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if address.is_ipv6() && shares_port {
        // With both wildcards, the IPv6 one must not bind the IPv4 one as well.
        set_ipv6_v6only(&socket, true)?;
    }
    // A restart does not wait until the last run's connections have left TIME_WAIT.
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit both sizes.
    socket.set_recv_buffer_size(REQUESTED_BUFFER_BYTES)?;
    socket.set_send_buffer_size(REQUESTED_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Whether every machine with IPv6 has this address.
fn is_of_any_ipv6(address: SocketAddr) -> bool {
    address.is_ipv6() && (address.ip().is_unspecified() || address.ip().is_loopback())
}

fn has_no_ipv6(error: &io::Error) -> bool {
    [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn with_advice(address: SocketAddr, error: &io::Error, setting: &str) -> io::Error {
    let advice = match error.kind() {
        ErrorKind::AddrInUse => "the port is in use",
        ErrorKind::PermissionDenied => "ports below 1024 need a privilege",
        ErrorKind::AddrNotAvailable => "no interface of this machine has this address",
        _ => "choose another address",
    };
    let message = format!("cannot listen on {address}: {advice} ({error}); set {setting}");
    io::Error::new(error.kind(), message)
}
