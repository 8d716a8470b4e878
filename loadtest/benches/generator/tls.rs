//! The target with TLS: nginx with one worker on the server's core. No session is resumed, so that each connection costs every
//! generator a full handshake.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::authority::{Authority, Pair};
use crate::cores::Cores;

/// How long nginx may take to start.
const PATIENCE: u32 = 500;

/// nginx. Ends with its owner.
pub struct Tls {
    child: Child,
    _folder: tempfile::TempDir,
    _authority: Authority,
    pub url: String,
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Tls {
    /// Starts it on the server's core; none without nginx.
    pub fn start(cores: &Cores) -> Option<Self> {
        let paths = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let there = Command::new("nginx").env("PATH", &paths).arg("-v").stderr(Stdio::null()).status();
        if there.is_err() {
            eprintln!("without TLS, for which nginx is missing (Debian: apt-get install nginx)");
            return None;
        }
        let authority = Authority::new();
        let Pair { key, certificate } = authority.issue("nginx", "IP:127.0.0.1", 2);
        let folder = tempfile::tempdir().expect("a folder");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        drop(listener);
        let (path, key, certificate) = (folder.path().display(), key.display(), certificate.display());
        let body = "x".repeat(600);
        let config = format!(
            "daemon off; master_process off; pid {path}/pid; error_log {path}/error.log crit;
             events {{ worker_connections 8192; }}
             http {{
               access_log off; keepalive_requests 1000000000;
               ssl_session_cache off; ssl_session_tickets off;
               client_body_temp_path {path}/body; proxy_temp_path {path}/proxy; fastcgi_temp_path {path}/fastcgi;
               uwsgi_temp_path {path}/uwsgi; scgi_temp_path {path}/scgi;
               server {{
                 listen {address} ssl backlog=8192; ssl_certificate {certificate}; ssl_certificate_key {key};
                 location / {{ return 200 \"{body}\"; }}
               }}
             }}"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, config).expect("a file can be written");
        let mut command = Command::new("nginx");
        command.env("PATH", paths).arg("-p").arg(folder.path()).arg("-c").arg(file);
        let spawn = || {
            cores.move_to_server();
            command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("nginx starts")
        };
        let child = std::thread::scope(|scope| scope.spawn(spawn).join()).expect("nginx starts on its core");
        let url = format!("https://{address}/");
        let tls = Self { child, _folder: folder, _authority: authority, url };
        for _ in 0..PATIENCE {
            if TcpStream::connect(address).is_ok() {
                return Some(tls);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("nginx does not listen at {address}")
    }
}
