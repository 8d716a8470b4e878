//! Taking an address to listen on.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use rustix::io::Errno;
use rustix::net::sockopt::set_ipv6_v6only;
use tokio::net::{TcpListener, TcpSocket};

/// Connections that the kernel holds ready until they are accepted. The usual 128 overflow in a burst of clients, each
/// of which then waits a second for its next try; the kernel's own limit (`net.core.somaxconn`) holds all the same.
const BACKLOG: u32 = 4096;

/// What is asked of the kernel for each direction of a connection. It grants twice as much, its own overhead included,
/// and would otherwise let an unread answer or an unread request grow to megabytes.
const ASKED_BYTES: u32 = 8 * 1024;

/// What the kernel may hold of a connection: unread requests and untaken answers.
pub(super) const KERNEL_BUFFER_BYTES: usize = 2 * 2 * ASKED_BYTES as usize;

/// Takes every one of these addresses. `setting` is the flag and the variable that an error names.
///
/// A wildcard IPv6 address beside others is passed over where the machine has no IPv6.
pub fn bind(addresses: &[SocketAddr], setting: &str) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for address in addresses {
        let shares_port = addresses.iter().any(|other| other.is_ipv4() && other.port() == address.port());
        match listen(*address, shares_port) {
            Ok(listener) => listeners.push(listener),
            Err(error) if addresses.len() > 1 && address.ip().is_unspecified() && has_no_ipv6(&error) => {
                tracing::info!(%address, "not listening there: this machine has no IPv6");
            }
            Err(error) => return Err(explained(*address, &error, setting)),
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
        // Where both wildcards are asked for, the IPv4 one is not to be taken twice.
        set_ipv6_v6only(&socket, true)?;
    }
    // A restart need not wait for the last run's connections to be forgotten.
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit both.
    socket.set_recv_buffer_size(ASKED_BYTES)?;
    socket.set_send_buffer_size(ASKED_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn has_no_ipv6(error: &io::Error) -> bool {
    [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn explained(address: SocketAddr, error: &io::Error, setting: &str) -> io::Error {
    let advice = match error.kind() {
        ErrorKind::AddrInUse => "the port is in use",
        ErrorKind::PermissionDenied => "ports below 1024 need a privilege",
        ErrorKind::AddrNotAvailable => "this machine has no such address",
        _ => "choose another address",
    };
    let message = format!("cannot listen on {address}: {advice} ({error}); set {setting}");
    io::Error::new(error.kind(), message)
}
