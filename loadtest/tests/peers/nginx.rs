//! A real nginx: plain HTTP, TLS with HTTP/2, and what it logged.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::authority::{Authority, Pair, text};

/// How often a port that was free may be taken by another process before nginx has it.
const TRIES: u32 = 5;

/// A server in front of nothing. Ends with its test.
pub struct Nginx {
    child: Child,
    folder: tempfile::TempDir,
    pub http: SocketAddr,
    pub https: SocketAddr,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(folder: &str, http: SocketAddr, https: SocketAddr, Pair { key, certificate }: &Pair) -> String {
    let (key, certificate) = (key.display(), certificate.display());
    format!(
        "daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
         events {{ worker_connections 4096; }}
         http {{
           client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
           uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
           log_format plain '$request_method $host$request_uri $server_protocol $status $request_length $bytes_sent '
                            '[$http_x_id] [$http_authorization] $ssl_server_name $connection';
           access_log {folder}/access.log plain;
           keepalive_requests 1000000; client_body_buffer_size 64k;
           server {{
             listen {http};
             listen {https} ssl http2;
             ssl_certificate {certificate}; ssl_certificate_key {key};
             location / {{ add_header X-Pod nginx-1; return 200 \"hello\\n\"; }}
             location /moved {{ return 308 https://shop.example/new?token=secret; }}
             location /echo {{ return 200 \"you sent $http_authorization\\n\"; }}
             location /empty {{ return 204; }}
             location /busy {{ return 503 \"busy\\n\"; }}
           }}
         }}"
    )
}

pub fn free() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

impl Nginx {
    pub async fn start(authority: &Authority) -> Self {
        let pair = authority.issue("nginx", "DNS:shop.example,IP:127.0.0.1", 2);
        for _ in 0..TRIES {
            if let Some(nginx) = Self::try_start(&pair).await {
                return nginx;
            }
        }
        panic!("nginx did not start {TRIES} times");
    }

    async fn try_start(pair: &Pair) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        let (http, https) = (free(), free());
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, config(&path, http, https, pair)).unwrap();
        // Debian has it where only root's PATH looks.
        let paths = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("nginx");
        command.env("PATH", paths).args(["-p", &path, "-e"]).arg(folder.path().join("error.log")).arg("-c").arg(file);
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.expect("this test needs `nginx`: on Debian, apt-get install nginx");
        let mut nginx = Self { child, folder, http, https };
        let mut turns = tokio::time::interval(Duration::from_millis(20));
        loop {
            turns.tick().await;
            if nginx.child.try_wait().unwrap().is_some() {
                println!("nginx ended: {}", text(&nginx.path("error.log")));
                return None;
            }
            if tokio::net::TcpStream::connect(https).await.is_ok() {
                return Some(nginx);
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The requests that it has logged, once there are so many. It logs a request after its answer was sent.
    pub async fn logged(&self, least: usize) -> Vec<String> {
        let mut turns = tokio::time::interval(Duration::from_millis(20));
        let all = async {
            loop {
                turns.tick().await;
                let log = text(&self.path("access.log"));
                if log.lines().count() >= least {
                    return log.lines().map(str::to_owned).collect();
                }
            }
        };
        tokio::time::timeout(crate::PATIENCE, all)
            .await
            .unwrap_or_else(|_| panic!("nginx logged fewer than {least} requests: {}", text(&self.path("error.log"))))
    }
}
