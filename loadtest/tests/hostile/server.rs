//! An API server on bare sockets, some of whose answers are made to hurt.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::chain::Api;

/// In which way an answer hurts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hurt {
    /// 31 MB of objects that are a hundred times as large in memory, and an end.
    Flood,
    /// The same without an end, and without a length.
    Endless,
    /// A byte now and then.
    Drip,
    /// Nothing at all.
    Silent,
    /// A million arrays, each within the one before.
    Deep,
    /// One text of 31 MB.
    Text,
    /// One object with as many names as fit.
    Names,
    /// What says that it is packed, and is not.
    Packed,
    /// A chunk whose extension has no end.
    Chunk,
    /// A head that has no end.
    Head,
    /// The same place once more.
    Redirect,
    /// Pages of a list, each of which says that there is another.
    Pages,
}

const LENGTH: usize = 31_000_000;

pub struct Server {
    pub kubeconfig: PathBuf,
    hurt: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Serves this, and hurts at the paths that have one of these parts.
    pub async fn start(folder: &Path, api: Api, hurt: Hurt, places: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback");
        let kubeconfig = folder.join("kubeconfig");
        let server = format!("http://{}", listener.local_addr().expect("it has an address"));
        let config = json!({"clusters": [{"name": "test", "cluster": {"server": server}}], "users": [],
                            "contexts": [{"name": "test", "context": {"cluster": "test"}}], "current-context": "test"});
        // JSON is YAML.
        std::fs::write(&kubeconfig, config.to_string()).expect("it can be written");
        let count = Arc::new(AtomicUsize::new(0));
        let (api, counted) = (Arc::new(api), Arc::clone(&count));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (api, count) = (Arc::clone(&api), Arc::clone(&counted));
                connections.spawn(async move { drop(serve(stream, &api, hurt, places, &count).await) });
            }
        });
        Self { kubeconfig, hurt: count, _tasks: tasks }
    }

    /// How many answers have hurt.
    pub fn hurt(&self) -> usize {
        self.hurt.load(Ordering::Relaxed)
    }
}

/// Whether an answer hurts: a place that ends with its resource is the whole list.
fn is_one(places: &[&str], path: &str) -> bool {
    let bare = path.split('?').next().unwrap_or_default();
    places.iter().any(|place| match place.strip_suffix('?') {
        Some(list) => bare == list,
        None if place.ends_with('/') => path.contains(place),
        None => bare.ends_with(place),
    })
}

async fn serve(
    mut stream: TcpStream,
    api: &Api,
    hurt: Hurt,
    places: &[&str],
    count: &AtomicUsize,
) -> std::io::Result<()> {
    while let Some((method, path)) = request(&mut stream).await? {
        if is_one(places, &path) && !path.contains("watch=true") {
            count.fetch_add(1, Ordering::Relaxed);
            answer(&mut stream, hurt, &path).await?;
            if !matches!(hurt, Hurt::Pages | Hurt::Redirect) {
                return Ok(());
            }
            continue;
        }
        let (status, text) = api.respond(&method, &path);
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", text.len());
        stream.write_all((head + &text).as_bytes()).await?;
    }
    Ok(())
}

/// Method and path of the next request, whose body is passed over.
async fn request(stream: &mut TcpStream) -> std::io::Result<Option<(String, String)>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return Ok(None),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    let mut words = head.split(' ').map(str::to_owned);
    Ok(words.next().zip(words.next()))
}

/// What stands before the many of an answer, so that it is not over at once.
fn opening(path: &str) -> &'static str {
    if path.contains("/targets") {
        r#"{"status":"success","data":{"activeTargets":["#
    } else if path.contains("/query") {
        r#"{"status":"success","data":{"resultType":"vector","result":["#
    } else if path.contains("/series") {
        r#"{"status":"success","data":["#
    } else if path.ends_with("/counts") || path.ends_with("/metrics") {
        "# TYPE hits_total counter\n"
    } else {
        r#"{"kind":"AnyList","apiVersion":"v1","metadata":{},"items":["#
    }
}

async fn answer(stream: &mut TcpStream, hurt: Hurt, path: &str) -> std::io::Result<()> {
    let page = path.ends_with("/counts") || path.ends_with("/metrics");
    let (opening, one) = (opening(path), if page { "hits_total{a=\"b\"} 1\n" } else { "{\"a\":{}}," });
    let many = one.repeat(16_384 / one.len());
    let sized = |length: usize| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let write = async |stream: &mut TcpStream, text: String| stream.write_all(text.as_bytes()).await;
    match hurt {
        Hurt::Flood => {
            write(stream, sized(LENGTH) + opening).await?;
            for _ in 0..(LENGTH - opening.len()) / many.len() {
                stream.write_all(many.as_bytes()).await?;
            }
        }
        Hurt::Endless => {
            write(stream, format!("HTTP/1.1 200 OK\r\n\r\n{opening}")).await?;
            loop {
                stream.write_all(many.as_bytes()).await?;
            }
        }
        Hurt::Drip => {
            write(stream, format!("HTTP/1.1 200 OK\r\n\r\n{opening}")).await?;
            let mut drops = tokio::time::interval(Duration::from_millis(300));
            loop {
                drops.tick().await;
                stream.write_all(b" ").await?;
            }
        }
        // Until the client has gone.
        Hurt::Silent => drop(stream.read_u8().await),
        Hurt::Deep => write(stream, sized(1_000_000) + &"[".repeat(1_000_000)).await?,
        Hurt::Text => {
            write(stream, sized(LENGTH) + "{\"kind\":\"").await?;
            stream.write_all("x".repeat(LENGTH - 9).as_bytes()).await?;
        }
        Hurt::Names => {
            let names: Vec<String> = (0..300_000).map(|number| format!("\"{number}\":0")).collect();
            let text = format!("{{{}}}", names.join(","));
            write(stream, sized(text.len()) + &text).await?;
        }
        Hurt::Packed => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {LENGTH}\r\n\r\n");
            write(stream, head).await?;
            stream.write_all(&vec![0x1f; LENGTH]).await?;
        }
        Hurt::Chunk => {
            write(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5".to_owned()).await?;
            loop {
                stream.write_all(";a=b".repeat(1000).as_bytes()).await?;
            }
        }
        Hurt::Head => {
            write(stream, "HTTP/1.1 200 OK\r\nX: ".to_owned()).await?;
            loop {
                stream.write_all("x".repeat(10_000).as_bytes()).await?;
            }
        }
        Hurt::Redirect => {
            write(stream, format!("HTTP/1.1 302 Found\r\nLocation: {path}\r\nContent-Length: 0\r\n\r\n")).await?;
        }
        Hurt::Pages => {
            let items: Vec<String> = (0..400)
                .map(|number| format!(r#"{{"metadata":{{"name":"n{number}","labels":{{"a":"b"}}}}}}"#))
                .collect();
            let next = path.rsplit("continue=").next().map_or(0, str::len);
            let metadata = format!(r#"{{"continue":"{}"}}"#, "n".repeat(next % 50 + 1));
            let text = format!(r#"{{"kind":"AnyList","metadata":{metadata},"items":[{}]}}"#, items.join(","));
            write(stream, sized(text.len()) + &text).await?;
        }
    }
    Ok(())
}
