//! A line to an API server that can be cut and mended.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How long a port may stay taken.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Line {
    /// The way through this line.
    pub kubeconfig: PathBuf,
    address: SocketAddr,
    server: String,
    carrying: Mutex<Arc<Mutex<JoinSet<()>>>>,
}

impl Line {
    /// Listens on the loopback, and writes a kubeconfig that goes through it.
    pub async fn to_the_server_of(kubeconfig: &Path, folder: &Path) -> Self {
        let text = std::fs::read_to_string(kubeconfig).expect("the kubeconfig can be read");
        let mut config: Value = serde_saphyr::from_str(&text).expect("the kubeconfig is YAML");
        let cluster = &mut config["clusters"][0]["cluster"];
        let url: http::Uri = cluster["server"].as_str().expect("a server").parse().expect("a URL");
        let server = format!("{}:{}", url.host().expect("a host"), url.port_u16().unwrap_or(443));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback");
        let address = listener.local_addr().expect("it has an address");
        cluster["server"] = json!(format!("https://{address}"));
        cluster["tls-server-name"] = json!(url.host());
        let path = folder.join("kubeconfig");
        // JSON is YAML.
        std::fs::write(&path, config.to_string()).expect("it can be written");
        let carrying = Mutex::new(carry(listener, server.clone()));
        Self { kubeconfig: path, address, server, carrying }
    }

    /// Ends every connection, and takes no other.
    pub fn cut(&self) {
        self.carrying.lock().expect("no holder panics").lock().expect("no holder panics").abort_all();
    }

    /// Takes connections again.
    pub async fn mend(&self) {
        // The task that had the port ends in its own time.
        let bound = async {
            let mut turns = tokio::time::interval(Duration::from_millis(20));
            loop {
                turns.tick().await;
                if let Ok(listener) = TcpListener::bind(self.address).await {
                    return listener;
                }
            }
        };
        let listener = tokio::time::timeout(PATIENCE, bound).await.expect("the port is free again");
        *self.carrying.lock().expect("no holder panics") = carry(listener, self.server.clone());
    }
}

/// Accepts in a task of the set, and carries each connection in another.
fn carry(listener: TcpListener, server: String) -> Arc<Mutex<JoinSet<()>>> {
    let tasks = Arc::new(Mutex::new(JoinSet::new()));
    let all = Arc::clone(&tasks);
    tasks.lock().expect("no holder panics").spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let server = server.clone();
            all.lock().expect("no holder panics").spawn(async move {
                if let Ok(mut upstream) = TcpStream::connect(server).await {
                    let _ = copy_bidirectional(&mut client, &mut upstream).await;
                }
            });
        }
    });
    tasks
}
