//! Thousands of concurrent clients, and a check on the response times of other clients meanwhile.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Semaphore};

use super::{PATIENCE, Server, raise_descriptors, read_to_end};

/// The number of concurrent clients.
pub const CROWD: usize = 5000;

/// One crowd at a time: this machine has the descriptors of both ends.
pub static CROWDED: Mutex<()> = Mutex::const_new(());

/// A client of a crowd, after the service has closed its connection.
pub struct CrowdClient {
    pub answer: String,
    /// From the end of its request, without later bytes, to the end of the connection.
    pub connected_for: Duration,
}

/// Connects a crowd. Its clients send these requests in turn, and wait for the service to close. One in ten goes on to send
/// `more`.
pub async fn crowd(server: &Server, requests: &[&[u8]], more: Option<&[u8]>) -> Vec<CrowdClient> {
    raise_descriptors(CROWD);
    let connecting = Semaphore::new(100);
    join_all((0..CROWD).map(|turn| {
        let connecting = &connecting;
        async move {
            let permit = connecting.acquire().await.expect("the semaphore stays open");
            let mut stream = TcpStream::connect(server.address).await.expect("the service accepts");
            stream.write_all(requests[turn % requests.len()]).await.expect("the service listens");
            std::mem::drop(permit);
            let sent = Instant::now();
            if let Some(more) = more.filter(|_| turn % 10 == 0) {
                let mut interval = tokio::time::interval(Duration::from_millis(500));
                while stream.write_all(more).await.is_ok() && sent.elapsed() < PATIENCE {
                    interval.tick().await;
                }
            }
            CrowdClient { answer: read_to_end(&mut stream).await, connected_for: sent.elapsed() }
        }
    }))
    .await
}

/// The longest time that a client of the crowd was connected.
pub fn longest(crowd: &[CrowdClient]) -> Duration {
    crowd.iter().map(|client| client.connected_for).max().unwrap_or_default()
}

/// Waits for `work`, while ten new clients a second send a request, which must get a response within `soon`. Also returns the
/// maximum of open connections: on a busy machine, the first of a crowd are closed before the last have connected.
///
/// They run on a thread of their own, so the crowd's runtime does not delay them. Time in which the service was ready to run
/// and got no CPU, because of a build beside the tests, does not count.
pub async fn while_others_are_served<T>(server: &Server, soon: Duration, work: impl Future<Output = T>) -> (T, usize) {
    let (address, pid) = (server.address, server.pid());
    let (done, is_done) = mpsc::channel::<()>();
    let asking = std::thread::spawn(move || {
        let mut most_open = 0;
        while is_done.recv_timeout(Duration::from_millis(100)) == Err(RecvTimeoutError::Timeout) {
            let (asked, starved_before) = (Instant::now(), starved_for(pid));
            let answer = scrape(address).expect("a new client is answered");
            let (waited, starved) = (asked.elapsed(), starved_for(pid).saturating_sub(starved_before));
            assert!(waited < soon + starved, "a new client waited for {waited:?}; there was no CPU for {starved:?}");
            let open = answer.lines().find_map(|line| line.strip_prefix("http_open_connections ")?.parse().ok());
            most_open = most_open.max(open.unwrap_or_else(|| panic!("{answer}")));
        }
        most_open
    });
    let worked = work.await;
    drop(done);
    let most_open = tokio::task::spawn_blocking(|| asking.join()).await.expect("joining is no work");
    (worked, most_open.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

/// How long the thread of the process that waited longest was ready to run and got no CPU. None if the kernel does not record
/// it.
pub fn starved_for(pid: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("Linux has /proc");
    let waited = threads.filter_map(|thread| {
        let counts = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        counts.split_whitespace().nth(1)?.parse().ok()
    });
    Duration::from_nanos(waited.max().unwrap_or_default())
}

/// Reads the service's metrics, without a runtime.
fn scrape(address: SocketAddr) -> io::Result<String> {
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
