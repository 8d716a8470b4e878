//! The target: the real binary, as its users have it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::cores::Cores;

/// What a small pod's process has.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("HOME", "/"),
    ("HOSTNAME", "shopfront-7d94b56f44-fblvd"),
    ("KUBERNETES_PORT", "tcp://172.20.0.1:443"),
    ("KUBERNETES_SERVICE_HOST", "172.20.0.1"),
    ("KUBERNETES_SERVICE_PORT", "443"),
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
];

/// A server's process. Ends with its owner.
pub struct Server {
    child: Child,
    /// Open as long as the server may write to it.
    log: BufReader<ChildStderr>,
    pub url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The release binary, built unless it is there.
pub fn build(target: &Path) -> PathBuf {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--release", "--bin", "shopfront", "--manifest-path", manifest, "--target-dir"])
        .arg(target)
        .status();
    assert!(built.is_ok_and(|status| status.success()), "shopfront is built");
    target.join("release/shopfront")
}

impl Server {
    /// Starts it on the server's core.
    pub fn start(cores: &Cores, binary: &Path) -> Self {
        let mut command = Command::new(binary);
        command.args(["--address", "127.0.0.1:0"]).env_clear().envs(ENVIRONMENT).stderr(Stdio::piped());
        // A process inherits the core of the thread that starts it.
        let spawn = || {
            cores.move_to_server();
            command.spawn().expect("the server starts")
        };
        let mut child = std::thread::scope(|scope| scope.spawn(spawn).join()).expect("the server starts on its core");
        let log = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let mut server = Self { child, log, url: String::new() };
        server.url = format!("http://{}/", server.logged_address());
        server
    }

    fn logged_address(&mut self) -> String {
        let mut line = String::new();
        while self.log.read_line(&mut line).expect("the log is UTF-8") > 0 {
            if let Some((_, address)) = line.trim_end().rsplit_once("address=") {
                return address.to_owned();
            }
        }
        panic!("the server ended without telling its address: {line}")
    }
}

/// The directory that cargo builds in: this program lies in its `release/deps`.
pub fn target_directory() -> PathBuf {
    let program = std::env::current_exe().expect("this program has a path");
    program.ancestors().nth(3).expect("cargo has put this program three levels deep").to_owned()
}
