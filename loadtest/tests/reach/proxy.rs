//! Proxies of the test's own, which lead to one place whatever they are asked for.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub struct Proxy {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// One that is asked with CONNECT; without a place it refuses.
    pub async fn start(place: Option<String>) -> Self {
        Self::serving(move |stream, asked| connect(stream, asked, place.clone())).await
    }

    /// One of SOCKS 5.
    pub async fn start_socks(place: String) -> Self {
        Self::serving(move |stream, asked| socks(stream, asked, place.clone())).await
    }

    async fn serving<F>(serve: impl Fn(TcpStream, Arc<Mutex<Vec<String>>>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let served = serve(stream, Arc::clone(&noted));
                connections.spawn(async move { drop(served.await) });
            }
        });
        Self { address, asked, _tasks: tasks }
    }

    /// What each connection has asked for.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn connect(mut stream: TcpStream, asked: Arc<Mutex<Vec<String>>>, place: Option<String>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    asked.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
    let Some(place) = place else {
        return stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").await;
    };
    let mut upstream = TcpStream::connect(place).await?;
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    copy_bidirectional(&mut stream, &mut upstream).await.map(drop)
}

/// RFC 1928, without a password and with the name of a host.
async fn socks(mut stream: TcpStream, asked: Arc<Mutex<Vec<String>>>, place: String) -> std::io::Result<()> {
    let mut greeting = [0; 2];
    stream.read_exact(&mut greeting).await?;
    stream.read_exact(&mut vec![0; usize::from(greeting[1])]).await?;
    stream.write_all(&[5, 0]).await?;
    let mut request = [0; 5];
    stream.read_exact(&mut request).await?;
    assert_eq!(request[..4], [5, 1, 0, 3], "it connects to a name");
    let mut host = vec![0; usize::from(request[4])];
    stream.read_exact(&mut host).await?;
    stream.read_u16().await?;
    asked.lock().unwrap().push(String::from_utf8_lossy(&host).into_owned());
    let mut upstream = TcpStream::connect(place).await?;
    stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    copy_bidirectional(&mut stream, &mut upstream).await.map(drop)
}
