//! What is sent, where its connections go, and which answers are a success.

use std::path::PathBuf;

use clap::Args;

use crate::journal::Statuses;

/// What a run sends. A placeholder in a URL's path, a header or a body is filled in for each request: `{{counter}}` or
/// `{{random}}`.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Requests")]
pub struct Requests {
    /// The method of the requests. By default, GET
    #[arg(long, value_name = "METHOD")]
    pub method: Option<String>,

    /// A header of each request. Can be repeated. @FILE reads headers from a file, a line each: secrets then do not show in
    /// the list of processes. Values are never recorded
    #[arg(long = "header", value_name = "NAME: VALUE|@FILE")]
    pub headers: Vec<String>,

    /// The body of each request, or @FILE with it
    #[arg(long, value_name = "TEXT|@FILE", allow_hyphen_values = true)]
    pub body: Option<String>,

    /// A file of requests, a line each: WEIGHT METHOD URL, and @BODYFILE if it has a body. A URL may be a path on the target. Bodies are looked
    /// for beside the file. In paths, headers and bodies, {{counter}} and {{random}} are new numbers for each request
    #[arg(long, value_name = "FILE", conflicts_with_all = ["method", "body"])]
    pub targets: Option<PathBuf>,

    /// Connect to this host and port instead of the URL's, which stay in the header Host and in TLS: an ingress, or one
    /// address of a load balancer
    #[arg(long, value_name = "HOST:PORT")]
    pub connect_to: Option<String>,

    /// Trust the certificates of this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,

    /// Do not verify the target's certificate
    #[arg(long, conflicts_with = "cacert")]
    pub insecure: bool,

    /// The statuses and classes that are a success, such as 200,204 or 2xx,304. By default, 2xx
    #[arg(long, value_name = "STATUS,...")]
    pub expect_status: Option<Statuses>,

    /// A regular expression that bodies must match; the first 100 of each second are checked, 64 KiB of each
    #[arg(long, value_name = "REGEX")]
    pub expect_body: Option<String>,

    /// The header of an answer that names its pod. By default, shopfront's or podinfo's document does
    #[arg(long, value_name = "NAME")]
    pub pod_header: Option<String>,
}
