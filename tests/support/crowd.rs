//! Thousands of clients at once, and a watch on how the others fare meanwhile.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Semaphore};

use super::{PATIENCE, Server, raise_descriptors, read_to_end};

/// How many clients come at once.
pub const CROWD: usize = 5000;

/// One crowd at a time: both of its ends are descriptors of this machine.
pub static CROWDED: Mutex<()> = Mutex::const_new(());

/// A member of a crowd, after the service has closed its connection.
pub struct Member {
    pub answer: String,
    /// From its last word, drops aside, to the end of the connection.
    pub kept_for: Duration,
}

/// Connects a crowd, whose members take turns in what they say, then wait for the service to hang up; one in ten also
/// drips on meanwhile, where there is a drop to send.
pub async fn crowd(server: &Server, words: &[&[u8]], drop: Option<&[u8]>) -> Vec<Member> {
    raise_descriptors(CROWD);
    let door = Semaphore::new(100);
    join_all((0..CROWD).map(|turn| {
        let door = &door;
        async move {
            let entering = door.acquire().await.expect("the door stays open");
            let mut stream = TcpStream::connect(server.address).await.expect("the service accepts");
            stream.write_all(words[turn % words.len()]).await.expect("the service listens");
            std::mem::drop(entering);
            let said = Instant::now();
            if let Some(drop) = drop.filter(|_| turn % 10 == 0) {
                let mut drops = tokio::time::interval(Duration::from_millis(500));
                while stream.write_all(drop).await.is_ok() && said.elapsed() < PATIENCE {
                    drops.tick().await;
                }
            }
            Member { answer: read_to_end(&mut stream).await, kept_for: said.elapsed() }
        }
    }))
    .await
}

/// The longest that one of a crowd was kept.
pub fn longest(crowd: &[Member]) -> Duration {
    crowd.iter().map(|member| member.kept_for).max().unwrap_or_default()
}

/// Waits for `work`, while new clients ask ten times a second and are each answered within `soon`. Returns also the most
/// connections that were open at once: on a busy machine the first of a crowd are sent away before the last have come.
///
/// They ask from a thread of their own: it is the service's time that is taken, not that of the crowd's runtime. Time
/// for which the service had work and the machine had no CPU for it, as builds beside the tests may have it, is no
/// fault of the service, and is let off.
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

/// How long the process's threads have been ready to run and had to wait: of the one that waited most. None where the
/// kernel does not count that.
fn starved_for(pid: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("Linux has /proc");
    let waited = threads.filter_map(|thread| {
        let counts = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        counts.split_whitespace().nth(1)?.parse().ok()
    });
    Duration::from_nanos(waited.max().unwrap_or_default())
}

/// Reads the service's own numbers, without a runtime.
fn scrape(address: SocketAddr) -> io::Result<String> {
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
