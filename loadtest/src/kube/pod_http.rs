//! Ways to a port of a pod: a port-forward, which network policies do not stop, and the API server's own proxy.

use bytes::Bytes;
use http::header::HOST;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http1::SendRequest;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Failure, one_line};
use crate::kube::bounded::{Interim, read};
use crate::kube::forward::connect;
use crate::kube::read::{Read, Unread};
use crate::kube::reader::{PATIENCE, Reader, UNASKABLE, is_of_the_api, text, told};
use crate::kube::rights::right;

/// What the API server's proxy says where it got no answer of the pod.
pub const UNREACHED: &str = "error trying to reach service";

/// A port of a pod.
#[derive(Clone, Debug)]
pub struct Place {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The port's number.
    pub port: u16,
    /// Whether TLS is spoken there, which the proxy alone can.
    pub tls: bool,
}

/// Where each of several pods serves something: a port by its number or its name, a path, and whether TLS is spoken there.
#[derive(Clone, Debug, PartialEq)]
pub struct PodPage {
    /// The port.
    pub port: IntOrString,
    /// The path.
    pub path: String,
    /// Whether TLS is spoken there.
    pub tls: bool,
}

/// The pods of one Prometheus, and how each is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct PrometheusPods {
    /// Their namespace.
    pub namespace: String,
    /// Their label selector.
    pub selector: String,
    /// The port where they answer.
    pub port: IntOrString,
    /// What stands before each path.
    pub prefix: String,
    /// Whether TLS is spoken there.
    pub tls: bool,
}

impl Place {
    /// The path at which the API server's proxy passes a path on.
    pub fn proxy(&self, path: &str) -> String {
        let Self { namespace, pod, port, tls } = self;
        let scheme = if *tls { "https:" } else { "" };
        format!("/api/v1/namespaces/{namespace}/pods/{scheme}{pod}:{port}/proxy{path}")
    }

    /// Through the proxy, where it lets us and reaches the pod; else by a port-forward. A network policy has the proxy
    /// wait rather than fail.
    pub async fn read(&self, reader: &Reader, path: &str, what: &str) -> Read<String> {
        let proxied = reader.text(&self.proxy(path), what).await;
        let closed = proxied.unread().is_some_and(|Unread { right, why, .. }| {
            right.is_some() || why.contains(UNREACHED) || *why == Failure::Late(PATIENCE).to_string()
        });
        if !closed || self.tls {
            return proxied;
        }
        match Forward::open(reader, self).await {
            Ok(mut forward) => match forward.get(path).await {
                Ok((StatusCode::OK, text)) => Read::Seen(text),
                Ok((status, text)) => Read::failed(what, &told(status, &text)),
                // There is a page, and it is too long whichever way it comes.
                Err(failure) if failure.is_excess() => Read::failed(what, &failure),
                Err(_) => proxied,
            },
            Err(_) => proxied,
        }
    }
}

/// A connection through a port-forward.
pub struct Forward(SendRequest<Empty<Bytes>>);

impl Forward {
    /// Connects.
    pub async fn open(reader: &Reader, place: &Place) -> Result<Self, Failure> {
        let opened = connect(reader.client.clone(), &place.namespace, &place.pod, place.port);
        let opened = tokio::time::timeout(PATIENCE, opened).await.map_err(|_| Failure::Late(PATIENCE))?;
        opened.map(Self)
    }

    /// What is answered at a path.
    pub async fn get(&mut self, path: &str) -> Result<(StatusCode, String), Failure> {
        let other = |error: &dyn std::error::Error| Failure::Other(one_line(error));
        let request = Request::get(path).header(HOST, "localhost").body(Empty::new());
        let mut request = request.map_err(|_| Failure::Excess(UNASKABLE.to_owned()))?;
        let interim = Interim::of(&mut request);
        let asked = async {
            self.0.ready().await.map_err(|error| other(&error))?;
            let answer = async { self.0.send_request(request).await.map_err(|error| other(&error)) };
            let answer = interim.before(answer).await?;
            Ok((answer.status(), text(read(answer.into_body()).await?.into())))
        };
        tokio::time::timeout(PATIENCE, asked).await.map_err(|_| Failure::Late(PATIENCE))?
    }
}

/// A pod that is asked again and again: by one port-forward, else through the proxy.
pub struct Way {
    reader: Reader,
    place: Place,
    forward: Result<Forward, Failure>,
    /// Why neither way leads to the pod: it is not tried again, as each try may take its time.
    closed: Option<(Failure, Unread)>,
    /// Answers one after another that did not come in time.
    late: u8,
}

/// So many answers that do not come in time are enough.
const LATE: u8 = 3;

/// Whether the way is not tried again after this failure: a single answer that is late tells nothing of it, and one that is
/// too long came all the way.
fn closes(lately: &mut u8, failed: Option<&Failure>) -> bool {
    let was_late = matches!(failed, Some(Failure::Late(_)));
    *lately = if was_late { *lately + 1 } else { 0 };
    match failed {
        None | Some(Failure::Excess(_)) => false,
        Some(Failure::Late(_)) => *lately >= LATE,
        Some(Failure::Other(_)) => true,
    }
}

impl Way {
    /// Opens the port-forward.
    pub async fn open(reader: &Reader, place: Place) -> Self {
        let forward = if place.tls {
            Err(Failure::Other("a port-forward speaks no TLS".to_owned()))
        } else {
            Forward::open(reader, &place).await
        };
        Self { reader: reader.clone(), place, forward, closed: None, late: 0 }
    }

    /// What is answered at a path, with any status that the pod itself gives.
    pub async fn get(&mut self, path: &str, what: &str) -> Result<(StatusCode, String), (Failure, Unread)> {
        if let Some((failure, closed)) = &self.closed {
            return Err((failure.clone(), Unread { what: what.to_owned(), ..closed.clone() }));
        }
        let answer = self.ask(path).await;
        let failed = answer.as_ref().err().map(|(failure, _)| failure);
        let closes = closes(&mut self.late, failed);
        answer.map_err(|(failure, right)| {
            let unread = Unread { what: what.to_owned(), why: failure.to_string(), right };
            if closes {
                self.closed = Some((failure.clone(), unread.clone()));
            }
            (failure, unread)
        })
    }

    /// The answer, or why there is none and the right that is missing.
    async fn ask(&mut self, path: &str) -> Result<(StatusCode, String), (Failure, Option<String>)> {
        if let Ok(forward) = &mut self.forward {
            match forward.get(path).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => {
                    let is_excess = failure.is_excess();
                    // What is left of the answer stands in the way of the next. The rest is asked through the proxy.
                    self.forward = Err(failure.clone());
                    if is_excess {
                        return Err((failure, None));
                    }
                }
            }
        }
        let (status, text) = self.reader.whole(&self.place.proxy(path)).await.map_err(|failure| (failure, None))?;
        if !is_of_the_api(&text) {
            return Ok((status, text));
        }
        let forbidden = status == StatusCode::FORBIDDEN;
        let place = format!("/api/v1/namespaces/{}/pods/{}/portforward", self.place.namespace, self.place.pod);
        let told = told(status, &text);
        let why = match &self.forward {
            Err(failure) => format!("{told}; port-forward: {failure}"),
            Ok(_) => told,
        };
        Err((Failure::Other(why), forbidden.then(|| right("create", &place))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_are_late_one_after_another_close_the_way() {
        let (slow, gone) = (Failure::Late(PATIENCE), Failure::Other("502: connection refused".to_owned()));
        let long = Failure::Excess("is longer than 4 MiB".to_owned());
        let mut count = 0;
        let tries = [Some(&slow), Some(&slow), None, Some(&slow), Some(&slow), Some(&long), Some(&slow), Some(&slow)];
        let closed = tries.map(|failed| closes(&mut count, failed));
        assert_eq!(closed, [false; 8]);
        assert!(closes(&mut count, Some(&slow)), "the third in a row");
        assert!(closes(&mut 0, Some(&gone)), "what is no matter of time closes it at once");
    }
}
