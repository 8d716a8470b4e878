//! Certificates of an authority that only its test trusts, by openssl.

use std::path::{Path, PathBuf};
use std::process::Command;

/// An authority, and the certificates that it issued: each file is named after it.
pub struct Authority {
    folder: tempfile::TempDir,
}

/// A key and a certificate.
pub struct Pair {
    pub key: PathBuf,
    pub certificate: PathBuf,
}

const CONFIG: &str = "\
[req]
distinguished_name = name
prompt = no
[name]
CN = loadtest
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[own]
basicConstraints = critical,CA:TRUE
subjectAltName = IP:127.0.0.1
[leaf]
basicConstraints = critical,CA:FALSE
subjectAltName = ${ENV::NAMES}
";

impl Authority {
    pub fn new() -> Self {
        let authority = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(authority.path("config"), CONFIG).unwrap();
        authority.openssl("", &format!("req -x509 {KEY} -extensions authority -days 2 -keyout ca.key -out ca.pem"));
        authority
    }

    /// The authority's own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A certificate for these names, such as `DNS:shop.example`, that is valid for so many days from now on.
    pub fn issue(&self, file: &str, names: &str, days: i32) -> Pair {
        self.openssl(names, &format!("req {KEY} -keyout {file}.key -out {file}.csr"));
        self.openssl(
            names,
            &format!(
                "x509 -req -in {file}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile config -extensions leaf \
                 -days {days} -out {file}.pem"
            ),
        );
        Pair { key: self.path(&format!("{file}.key")), certificate: self.path(&format!("{file}.pem")) }
    }

    /// A certificate that `openssl req -x509` makes of its own accord: it is its own authority.
    pub fn self_signed(&self, file: &str) -> Pair {
        self.openssl("", &format!("req -x509 {KEY} -extensions own -days 2 -keyout {file}.key -out {file}.pem"));
        Pair { key: self.path(&format!("{file}.key")), certificate: self.path(&format!("{file}.pem")) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, names: &str, arguments: &str) {
        let mut command = Command::new("openssl");
        command.args(arguments.split_whitespace()).current_dir(self.folder.path()).env("NAMES", names);
        let ran = command.output().expect("this test needs `openssl`: on Debian, apt-get install openssl");
        assert!(ran.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -config config";

/// A file's text.
pub fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
