//! From the words of the command line to the requests of a load. All files are read and all words are checked before
//! anything is sent.

use std::collections::{BTreeMap, btree_map};
use std::fmt::Display;
use std::path::{Path, PathBuf};

use http::header::HOST;
use http::{HeaderName, Method};

use crate::bounds::MIX;
use crate::cli::{Requests, Sending};
use crate::error::Error;
use crate::generator::{Endpoint, Header, Line, LineError, Place, Request, Success, Template, Trust, method_of};
use crate::input;
use crate::journal::{Clients, Part, Target};
use crate::output::{Clean, say};

/// The longest body, and the longest file of certificates, in bytes.
const BODY: u64 = 16 << 20;
/// The length of all bodies of `--targets` together.
const BODIES: usize = 64 << 20;
/// The longest file of headers or targets.
const LINES: u64 = 1 << 20;
/// The maximum number of headers.
const HEADERS: usize = 100;
/// The maximum size of a compiled regular expression.
const REGEX: usize = 1 << 20;

/// What the command line says of the requests, but for their target, which may have to be found.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    method: Method,
    headers: Vec<Header>,
    body: Option<Template>,
    body_bytes: Option<u64>,
    /// The lines of `--targets`, each with its body.
    lines: Vec<(Line, Option<Template>)>,
    connect_to: Option<Place>,
    trust: Trust,
    success: Success,
    pod_header: Option<HeaderName>,
}

fn usage(what: &dyn Display, why: &dyn Display) -> Error {
    Error::Usage(format!("{what}: {why}"))
}

impl Plan {
    /// Reads it, and checks the URL of the target if one is given.
    pub fn read(options: &Requests, url: Option<&str>) -> Result<Self, Error> {
        url.map(str::parse::<Endpoint>).transpose()?;
        let method = options.method.as_deref().map(method_of).transpose();
        let body = options.body.as_deref().map(body_of).transpose()?;
        let plan = Self {
            method: method.map_err(|error| usage(&"--method", &error))?.unwrap_or_default(),
            headers: headers(&options.headers)?,
            body_bytes: body.as_ref().map(|body| body.len() as u64),
            body: body.as_deref().map(Template::new),
            lines: options.targets.as_deref().map(lines).transpose()?.unwrap_or_default(),
            connect_to: options
                .connect_to
                .as_deref()
                .map(str::parse)
                .transpose()
                .map_err(|error| usage(&"--connect-to", &error))?,
            trust: trust(options)?,
            success: Success {
                statuses: options.expect_status.clone(),
                body: options.expect_body.as_deref().map(regex).transpose()?,
            },
            pod_header: options
                .pod_header
                .as_deref()
                .map(str::parse)
                .transpose()
                .map_err(|_| Error::Usage("--pod-header takes the name of a header, such as X-Pod".to_owned()))?,
        };
        if url.is_some() && plan.own_url().is_some() {
            let what = "--url is not used, because each line of --targets has a whole URL: leave it out, or give paths";
            return Err(Error::Usage(what.to_owned()));
        }
        let lines = plan.lines.iter().filter(|(_, body)| body.is_some()).map(|(line, _)| &line.method);
        let with_body = plan.body.iter().map(|_| &plan.method).chain(lines);
        if let Some(method) = with_body.into_iter().find(|method| [Method::GET, Method::HEAD].contains(method)) {
            let text = format!(
                "loadtest: {method} requests are sent with a body, which servers may ignore or refuse; the method POST sends \
                 it with POST\n"
            );
            say(Clean::of(&text));
        }
        Ok(plan)
    }

    /// The first of the targets' URLs, if all of them name their host.
    pub fn own_url(&self) -> Option<&str> {
        let whole = self.lines.iter().all(|(line, _)| !line.url.starts_with('/'));
        self.lines.first().filter(|_| whole).map(|(line, _)| line.url.as_str())
    }

    /// Whether the targets need a host, because some have only a path.
    pub fn has_paths(&self) -> bool {
        self.lines.iter().any(|(line, _)| line.url.starts_with('/'))
    }

    /// The requests to a target.
    pub(super) fn requests(&self, target: &Endpoint) -> Result<Vec<Request>, Error> {
        let request = |endpoint, method: &Method, body: &Option<Template>, weight| Request {
            endpoint,
            method: method.clone(),
            headers: self.headers.clone(),
            body: body.clone(),
            weight,
        };
        if self.lines.is_empty() {
            return Ok(vec![request(target.clone(), &self.method, &self.body, 1)]);
        }
        let of_line = |(line, body): &(Line, Option<Template>)| {
            let endpoint = if line.url.starts_with('/') { target.with_path(&line.url) } else { line.url.parse() };
            Ok(request(endpoint?, &line.method, body, line.weight))
        };
        self.lines.iter().map(of_line).collect()
    }

    /// How a generator sends them.
    pub(super) fn apply(self, settings: crate::generator::Settings) -> Result<crate::generator::Settings, Error> {
        let requests = match settings.requests.as_slice() {
            [request] => self.requests(&request.endpoint)?,
            _ => settings.requests,
        };
        let Self { connect_to, trust, success, pod_header, .. } = self;
        Ok(crate::generator::Settings { requests, connect_to, trust, success, pod_header, ..settings })
    }

    /// The same for the journal: no value of a header, and no user and password.
    pub(super) fn target(
        &self,
        endpoint: &Endpoint,
        sending: &Sending,
        clients: Option<Clients>,
    ) -> Result<Target, Error> {
        let mut headers: Vec<String> = self.headers.iter().map(|header| header.name.to_string()).collect();
        headers.dedup();
        let mix = if self.lines.is_empty() { Vec::new() } else { self.requests(endpoint)? };
        let part = |request: &Request| Part {
            weight: request.weight,
            method: request.method.to_string(),
            url: request.endpoint.to_string(),
        };
        Ok(Target {
            url: endpoint.to_string(),
            requests_per_connection: sending.requests_per_connection(clients.is_some()),
            http2: sending.http2,
            // A client waits for one answer at a time.
            max_in_flight: clients.map_or(sending.max_in_flight, |clients| clients.count.into()),
            connect_to: self.connect_to.as_ref().map(ToString::to_string),
            insecure: matches!(self.trust, Trust::Anybody),
            method: (self.method != Method::GET).then(|| self.method.to_string()),
            headers,
            body_bytes: self.body_bytes,
            mix: mix.iter().map(part).collect(),
            expect_status: self.success.statuses.clone(),
            expect_body: self.success.body.as_ref().map(ToString::to_string),
            pod_header: self.pod_header.as_ref().map(ToString::to_string),
        })
    }
}

/// The content of a file that a flag names.
fn read(flag: &str, path: &Path, max: u64) -> Result<Vec<u8>, Error> {
    input::read(path, max).map_err(|error| Error::Usage(format!("{flag} {}: {error}", path.display())))
}

fn text(flag: &str, path: &Path) -> Result<String, Error> {
    let bytes = read(flag, path, LINES)?;
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| Error::Usage(format!("{flag} {}: it is not text in UTF-8", path.display())))?;
    // Some editors begin a file with this mark.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn body_of(body: &str) -> Result<Vec<u8>, Error> {
    match body.strip_prefix('@') {
        Some(file) => read("--body", Path::new(file), BODY),
        None => Ok(body.as_bytes().to_vec()),
    }
}

/// What a line has, unless it is empty or a comment; with its number.
fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn headers(given: &[String]) -> Result<Vec<Header>, Error> {
    let mut headers = Vec::new();
    for one in given {
        match one.strip_prefix('@') {
            None => headers.push(one.parse().map_err(|error| usage(&"--header", &error))?),
            Some(file) => {
                let before = headers.len();
                for (number, line) in numbered(&text("--header", Path::new(file))?) {
                    let header = line.parse();
                    headers.push(header.map_err(|error| usage(&format!("--header {file}, line {number}"), &error))?);
                }
                if headers.len() == before {
                    return Err(Error::Usage(format!(
                        "--header {file}: it has no header, which is a line NAME: VALUE"
                    )));
                }
            }
        }
    }
    if headers.iter().filter(|header: &&Header| header.name == HOST).count() > 1 {
        return Err(Error::Usage("--header: a request has one header Host, and these are more: give one".to_owned()));
    }
    if headers.len() > HEADERS {
        return Err(Error::Usage(format!("there are {} headers, and at most {HEADERS} are possible", headers.len())));
    }
    Ok(headers)
}

fn lines(path: &Path) -> Result<Vec<(Line, Option<Template>)>, Error> {
    let name = path.display();
    let text = text("--targets", path)?;
    let mut lines = Vec::new();
    // Each file is read and held once.
    let mut bodies = BTreeMap::<PathBuf, Template>::new();
    let mut bytes = 0;
    for (number, line) in numbered(&text) {
        let wrong = |why: &dyn Display| usage(&format!("--targets {name}, line {number}"), why);
        let line: Line = line.parse().map_err(|error| wrong(&error))?;
        // A path is checked with any target.
        let base: Endpoint = "http://host".parse()?;
        let known = if line.url.starts_with('/') { base.with_path(&line.url) } else { line.url.parse() };
        known.map_err(|error| wrong(&LineError::Url(error)))?;
        let file = line.body.as_ref().map(|file| path.parent().unwrap_or(Path::new("")).join(file));
        let body = file.map(|file| match bodies.entry(file) {
            btree_map::Entry::Occupied(known) => Ok(known.get().clone()),
            btree_map::Entry::Vacant(new) => {
                let name = new.key().display().to_string();
                let body = input::read(new.key(), BODY).map_err(|error| wrong(&format!("{name}: {error}")))?;
                bytes += body.len();
                if bytes > BODIES {
                    return Err(wrong(&format!("{name}: all bodies together are longer than {} MiB", BODIES >> 20)));
                }
                Ok(new.insert(Template::new(&body)).clone())
            }
        });
        lines.push((line, body.transpose()?));
    }
    if lines.is_empty() || lines.len() > MIX {
        let many = lines.len();
        return Err(Error::Usage(format!("--targets {name} has {many} requests, and must have from 1 to {MIX}")));
    }
    Ok(lines)
}

fn trust(options: &Requests) -> Result<Trust, Error> {
    match &options.cacert {
        _ if options.insecure => Ok(Trust::Anybody),
        None => Ok(Trust::System),
        Some(path) => {
            let pem = read("--cacert", path, BODY)?;
            Trust::of_pem(&pem).map_err(|error| usage(&format!("--cacert {}", path.display()), &error))
        }
    }
}

fn regex(pattern: &str) -> Result<regex::bytes::Regex, Error> {
    let built = regex::bytes::RegexBuilder::new(pattern).size_limit(REGEX).build();
    built.map_err(|error| {
        // The lines before the last one draw where it is.
        let error = error.to_string();
        let why = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
        Error::Usage(format!("--expect-body {pattern:?} is not a regular expression: {why}"))
    })
}
