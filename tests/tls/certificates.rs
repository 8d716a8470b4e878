//! The certificate: read at the start, and again when it changes; what is wrong with it is said in a line.

use std::os::unix::fs::symlink;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::client::{Pair, TlsServer, connect};
use super::support::eventually;

/// Makes `..data` lead to another folder, as the kubelet does: the files change at once.
fn swap(mount: &Path, version: &str, pair: &Pair) {
    pair.write(&mount.join(version));
    symlink(version, mount.join("..data_tmp")).unwrap();
    std::fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
}

#[tokio::test]
async fn changed_certificate_is_served_and_a_broken_one_is_not() {
    let (first, mount) = (Pair::new(), tempdir().unwrap());
    swap(mount.path(), "..1", &first);
    for name in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{name}"), mount.path().join(name)).unwrap();
    }
    let mut server = TlsServer::start_in(first, mount, Path::new(""), &[]).await;
    let mut kept = server.connect(&["http/1.1"]).await;
    assert_eq!(status(&mut kept).await, "HTTP/1.1 200 OK");

    let second = Pair::new();
    swap(server.files.path(), "..2", &second);
    server.server.logged("the certificate has changed").await;
    connect(server.address, &second, &[]).await.unwrap();
    connect(server.address, &server.pair, &[]).await.unwrap_err();
    assert_eq!(status(&mut kept).await, "HTTP/1.1 200 OK", "a connection outlives its certificate");

    let mut broken = Pair::new();
    broken.key = Pair::new().key;
    swap(server.files.path(), "..3", &broken);
    let line = server.server.logged("still serving the previous certificate: ").await;
    let message = line["message"].as_str().unwrap();
    assert!(message.contains("is not that of the first certificate"), "{message}");
    connect(server.address, &second, &[]).await.unwrap();
    connect(server.address, &broken, &[]).await.unwrap_err();

    let third = Pair::new();
    swap(server.files.path(), "..4", &third);
    server.server.logged("the certificate has changed").await;
    connect(server.address, &third, &[]).await.unwrap();
    assert_eq!(server.server.passed("still serving"), 0, "one line a problem");
}

/// Sends a request whose response has no body, and returns the beginning of that.
async fn status(stream: &mut TlsStream<TcpStream>) -> String {
    stream.write_all(b"HEAD /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap().lines().next().unwrap_or_default().to_owned()
}

/// A Secret's volume that loses its files for a while is no reason to stop.
#[tokio::test]
async fn missing_files_keep_the_certificate() {
    let mut server = TlsServer::start(&[]).await;
    std::fs::remove_file(server.files.path().join("tls.key")).unwrap();
    let line = server.server.logged("still serving the previous certificate: ").await;
    assert!(line["message"].as_str().unwrap().contains("tls.key does not exist"), "{line}");
    server.connect(&[]).await;
    std::fs::write(server.files.path().join("tls.key"), &server.pair.key).unwrap();
    let handshake = async || connect(server.address, &server.pair, &[]).await.ok();
    eventually("the certificate is served", handshake).await;
}

/// Runs the service until it exits, with the content of both files. Returns its exit code and its last line.
fn refused(certificate: Option<&[u8]>, key: Option<&[u8]>) -> (Option<i32>, String) {
    let files = tempdir().unwrap();
    let [certificate, key] = [("tls.crt", certificate), ("tls.key", key)].map(|(name, content)| {
        let path = files.path().join(name);
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        path.to_str().unwrap().to_owned()
    });
    run(&["--tls-cert", &certificate, "--tls-key", &key], &[])
}

fn run(flags: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_shopfront"));
    command.args(["--address", "127.0.0.1:0", "--log-level", "error"]).args(flags);
    let output = command.env_clear().envs(variables.iter().copied()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn each_mistake_in_the_files_is_a_line_that_says_what_to_change() {
    let (pair, other) = (Pair::new(), Pair::new());
    let (certificate, key) = (pair.certificate.as_bytes(), pair.key.as_bytes());
    let text = |pem: &str| Some(pem.as_bytes().to_vec());
    let cut = pair.certificate.lines().take(3).collect::<Vec<_>>().join("\n");
    let not_base64 = pair.certificate.replacen("MII", "M~I", 1).replacen("\nMI", "\n~I", 1);
    let another_der = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let small_key = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let encrypted_by_openssl = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMAA=\n\
                                -----END RSA PRIVATE KEY-----\n";
    let chain_reversed = other.certificate.clone() + &pair.certificate;
    for (certificate, key, expected) in [
        (None, text(&pair.key), "tls.crt does not exist; set --tls-cert or SHOPFRONT_TLS_CERT"),
        (text(&pair.certificate), None, "tls.key does not exist; set --tls-key or SHOPFRONT_TLS_KEY"),
        (Some(Vec::new()), text(&pair.key), "tls.crt has no certificate in PEM form"),
        (Some(vec![0x30, 0x82, 0xff]), text(&pair.key), "tls.crt has no certificate in PEM form"),
        (text(&pair.key), text(&pair.certificate), "tls.crt has no certificate in PEM form"),
        (text(&cut), text(&pair.key), "a line that begins with -----END is missing"),
        (text(&not_base64), text(&pair.key), "tls.crt cannot be read as PEM: it is not in base64"),
        (text(another_der), text(&pair.key), "tls.crt cannot be used: "),
        (text(&pair.certificate), text(&pair.certificate), "tls.key has no private key in PEM form"),
        (text(&pair.certificate), text(encrypted), "tls.key has a password; store it without one"),
        (text(&pair.certificate), text(encrypted_by_openssl), "tls.key has a password; store it without one"),
        (text(&pair.certificate), text(small_key), "tls.key is of a kind that is not supported"),
        (text(&pair.certificate), text(&other.key), "tls.key is not that of the first certificate in "),
        (text(&chain_reversed), text(&pair.key), "put the server's certificate first"),
        (Some(vec![b'x'; (1 << 20) + 1]), text(&pair.key), "tls.crt is longer than 1 MiB"),
    ] {
        let (code, message) = refused(certificate.as_deref(), key.as_deref());
        assert_eq!((code, message.lines().count()), (Some(2), 1), "{expected}: {message}");
        assert!(message.contains(expected), "{expected}: {message}");
        assert!(message.contains("--tls-cert") || message.contains("--tls-key"), "{message}");
    }
    assert!(pair.key.lines().nth(1).is_some_and(|line| !refused(Some(key), Some(certificate)).1.contains(line)));
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let files = tempdir().unwrap();
    let pair = Pair::new();
    pair.write(files.path());
    let key = files.path().join("tls.key").to_str().unwrap().to_owned();
    for path in ["/dev/zero", "/", "/dev/tty"] {
        let (code, message) = run(&["--tls-cert", path, "--tls-key", &key], &[]);
        assert_eq!((code, message.lines().count()), (Some(2), 1), "{message}");
        assert!(message.contains("is not a file; set --tls-cert"), "{message}");
    }
}

#[test]
fn one_setting_of_two_is_refused() {
    let pair = Pair::new();
    for (flags, variables, expected) in [
        (&["--tls-cert", "x"][..], &[][..], "set --tls-key (or SHOPFRONT_TLS_KEY)"),
        (&["--tls-key", "x"], &[], "set --tls-cert (or SHOPFRONT_TLS_CERT)"),
        (&[], &[("SHOPFRONT_TLS_CERT", "x")], "set --tls-key (or SHOPFRONT_TLS_KEY)"),
        (&[], &[("SHOPFRONT_TLS_CERT", "x"), ("SHOPFRONT_TLS_KEY", "")], "set --tls-key"),
        (&["--tls-address", "127.0.0.1:0"], &[], "set --tls-cert and --tls-key"),
        (&["--tls-cert", "x"], &[("SHOPFRONT_TLS_KEY", &pair.key)], "must be the paths of files"),
        (
            &["--tls-cert", "x"],
            &[("SHOPFRONT_TLS_KEY", &BASE64_STANDARD.encode(&pair.key))],
            "must be the paths of files",
        ),
        (&["--tls-address", "9899", "--tls-cert", "x", "--tls-key", "x"], &[], "SHOPFRONT_TLS_ADDRESS"),
    ] {
        let (code, message) = run(flags, variables);
        assert_eq!((code, message.lines().count()), (Some(2), 1), "{message}");
        assert!(message.contains(expected), "{expected}: {message}");
        assert!(!message.contains("PRIVATE KEY"), "the key is repeated");
    }
}
