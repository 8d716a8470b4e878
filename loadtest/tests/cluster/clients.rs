//! Clients from outside the cluster: none tries a request again, and each loss is kept.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// An answer that takes longer is lost: more than any load balancer or drain takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// What clients of one kind saw.
#[derive(Default)]
pub struct Tally {
    pub answered: u64,
    pub lost: u64,
    /// How they were lost, and how often.
    causes: BTreeMap<String, u64>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered, {} lost", self.answered, self.lost)?;
        self.causes.iter().try_for_each(|(cause, count)| write!(f, "; {count} × {cause}"))
    }
}

/// How many clients there are, and how often each asks.
#[derive(Clone, Copy)]
pub struct Crowd {
    pub clients: u32,
    pub every: Duration,
    /// Uses a connection until it is told to leave, instead of one for each request.
    pub keep_alive: bool,
}

/// Clients at work, until they are stopped or dropped.
pub struct Clients {
    tasks: JoinSet<Tally>,
    done: watch::Sender<bool>,
    answered: watch::Receiver<u64>,
}

impl Clients {
    pub fn start(host: &str, port: u16, path: &'static str, crowd: Crowd) -> Self {
        let (done, finished) = watch::channel(false);
        let (count, answered) = watch::channel(0);
        let tasks = (0..crowd.clients)
            .map(|_| client((host.to_owned(), port), path, crowd, finished.clone(), count.clone()))
            .collect();
        Self { tasks, done, answered }
    }

    /// Waits until so many requests have been answered.
    pub async fn have_answers(&self, count: u64, bound: Duration) {
        let mut answered = self.answered.clone();
        let waited = tokio::time::timeout(bound, answered.wait_for(|answered| *answered >= count)).await;
        assert!(waited.is_ok(), "{} answers after {bound:?}, instead of {count}", *self.answered.borrow());
    }

    pub async fn stop(self) -> Tally {
        self.done.send_replace(true);
        let mut sum = Tally::default();
        for tally in self.tasks.join_all().await {
            sum.answered += tally.answered;
            sum.lost += tally.lost;
            for (cause, count) in tally.causes {
                *sum.causes.entry(cause).or_default() += count;
            }
        }
        sum
    }
}

async fn client(
    target: (String, u16),
    path: &'static str,
    crowd: Crowd,
    done: watch::Receiver<bool>,
    count: watch::Sender<u64>,
) -> Tally {
    let mut tally = Tally::default();
    let mut turns = tokio::time::interval(crowd.every);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut connection = None;
    while !*done.borrow() {
        turns.tick().await;
        let asked = tokio::time::timeout(PATIENCE, ask(&target, path, connection.take(), crowd.keep_alive)).await;
        match asked.unwrap_or_else(|_| Err("no answer in time".into())) {
            Ok(kept) => {
                connection = kept;
                tally.answered += 1;
                count.send_modify(|count| *count += 1);
            }
            Err(error) => {
                tally.lost += 1;
                let cause = error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
                *tally.causes.entry(cause).or_default() += 1;
            }
        }
    }
    tally
}

type Connection = SendRequest<Empty<Bytes>>;

/// One request; the connection comes back if it may be used again.
///
/// A connection that the server closed after an answer, and before this request was begun, is no loss: the client sees
/// that and opens another, as any client does.
async fn ask(
    target: &(String, u16),
    path: &str,
    kept: Option<Connection>,
    keep_alive: bool,
) -> Result<Option<Connection>, Box<dyn Error + Send + Sync>> {
    let mut connection = match kept {
        Some(kept) if !kept.is_closed() => kept,
        _ => {
            let stream = TcpStream::connect((target.0.as_str(), target.1)).await;
            let stream = stream.map_err(|error| format!("connecting: {error}"))?;
            stream.set_nodelay(true)?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            sender
        }
    };
    let request = Request::get(path).header(HOST, &target.0);
    let request = if keep_alive { request } else { request.header(CONNECTION, "close") };
    connection.ready().await?;
    let response = connection.send_request(request.body(Empty::new())?).await?;
    if response.status() != StatusCode::OK {
        return Err(format!("answered {}", response.status()).into());
    }
    let stays = keep_alive && response.headers().get(CONNECTION).is_none_or(|value| value != "close");
    response.into_body().collect().await?;
    Ok(stays.then_some(connection))
}
