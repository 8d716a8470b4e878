//! Ways to a port of a pod: a port-forward, which network policies do not stop, and the API server's own proxy.

use bytes::Bytes;
use http::header::HOST;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::SendRequest;

use super::reader::{MOST, PATIENCE, Reader, late};
use super::rights::right;
use crate::doctor::evidence::{Read, Unread};
use crate::observe::cluster::one_line;
use crate::observe::forward::connect;

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

impl Place {
    fn proxy(&self, path: &str) -> String {
        let Self { namespace, pod, port, tls } = self;
        let scheme = if *tls { "https:" } else { "" };
        format!("/api/v1/namespaces/{namespace}/pods/{scheme}{pod}:{port}/proxy{path}")
    }

    /// Through the proxy, where it lets us and reaches the pod; else by a port-forward. A network policy has the proxy
    /// wait rather than fail.
    pub async fn read(&self, reader: &Reader, path: &str, what: &str) -> Read<String> {
        let proxied = reader.text(&self.proxy(path), what).await;
        let closed = proxied
            .unread()
            .is_some_and(|Unread { right, why, .. }| right.is_some() || why.contains(UNREACHED) || *why == late());
        if !closed || self.tls {
            return proxied;
        }
        match Forward::open(reader, self).await {
            Ok(mut forward) => match forward.get(path).await {
                Ok((StatusCode::OK, text)) => Read::Seen(text),
                Ok((status, text)) => unread(what, &super::reader::told(status, &text)),
                Err(_) => proxied,
            },
            Err(_) => proxied,
        }
    }
}

fn unread<T>(what: &str, why: &str) -> Read<T> {
    Read::Unread(Unread { what: what.to_owned(), why: why.to_owned(), right: None })
}

/// A connection through a port-forward.
pub struct Forward(SendRequest<Empty<Bytes>>);

impl Forward {
    /// Connects.
    pub async fn open(reader: &Reader, place: &Place) -> Result<Self, String> {
        let opened = connect(reader.client.clone(), &place.namespace, &place.pod, place.port);
        let opened = tokio::time::timeout(PATIENCE, opened).await.map_err(|_| late())??;
        Ok(Self(opened))
    }

    /// What is answered at a path.
    pub async fn get(&mut self, path: &str) -> Result<(StatusCode, String), String> {
        let request = Request::get(path).header(HOST, "localhost").body(Empty::new());
        let request = request.map_err(|error| one_line(&error))?;
        let asked = async {
            self.0.ready().await.map_err(|error| one_line(&error))?;
            let answer = self.0.send_request(request).await.map_err(|error| one_line(&error))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MOST).collect().await;
            let body = body.map_err(|error| one_line(&*error))?.to_bytes();
            Ok((status, String::from_utf8_lossy(&body).into_owned()))
        };
        tokio::time::timeout(PATIENCE, asked).await.map_err(|_| late())?
    }
}

/// A pod that is asked again and again: by one port-forward, else through the proxy.
pub struct Way {
    reader: Reader,
    place: Place,
    forward: Result<Forward, String>,
    /// Why neither way leads to the pod: it is not tried again, as each try may take its time.
    closed: Option<Unread>,
    /// Answers one after another that did not come in time.
    late: u8,
}

/// So many answers that do not come in time are enough.
const LATE: u8 = 3;

/// Why the way is not tried again, after what came of the last try: a single answer that is late tells nothing of it.
fn closed(lately: &mut u8, failed: Option<&Unread>) -> Option<Unread> {
    let was_late = failed.is_some_and(|unread| unread.why == late());
    *lately = if was_late { *lately + 1 } else { 0 };
    failed.filter(|_| !was_late || *lately >= LATE).cloned()
}

impl Way {
    /// Opens the port-forward.
    pub async fn open(reader: &Reader, place: Place) -> Self {
        let forward = if place.tls {
            Err("a port-forward speaks no TLS".to_owned())
        } else {
            Forward::open(reader, &place).await
        };
        Self { reader: reader.clone(), place, forward, closed: None, late: 0 }
    }

    /// What is answered at a path, with any status that the pod itself gives.
    pub async fn get(&mut self, path: &str, what: &str) -> Result<(StatusCode, String), Unread> {
        if let Some(closed) = &self.closed {
            return Err(Unread { what: what.to_owned(), ..closed.clone() });
        }
        let answer = self.ask(path, what).await;
        self.closed = closed(&mut self.late, answer.as_ref().err());
        answer
    }

    async fn ask(&mut self, path: &str, what: &str) -> Result<(StatusCode, String), Unread> {
        if let Ok(forward) = &mut self.forward {
            match forward.get(path).await {
                Ok(answer) => return Ok(answer),
                // The rest is asked through the proxy.
                Err(why) => self.forward = Err(why),
            }
        }
        let proxied = self.reader.whole(&self.place.proxy(path)).await;
        let refused = |why: String, right| Unread { what: what.to_owned(), why, right };
        let forward = self.forward.as_ref().err().cloned().unwrap_or_default();
        match proxied {
            Ok((status, text)) if super::reader::is_of_the_api(&text) => {
                let forbidden = status == StatusCode::FORBIDDEN;
                let place = format!("/api/v1/namespaces/{}/pods/{}/portforward", self.place.namespace, self.place.pod);
                let told = super::reader::told(status, &text);
                let why = if forward.is_empty() { told } else { format!("{told}; port-forward: {forward}") };
                Err(refused(why, forbidden.then(|| right("create", &place))))
            }
            Ok(answer) => Ok(answer),
            Err(why) => Err(refused(why, None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_are_late_one_after_another_close_the_way() {
        let told = |why: String| Unread { what: "it".to_owned(), why, right: None };
        let (slow, gone) = (told(late()), told("502: connection refused".to_owned()));
        let mut count = 0;
        let tries = [Some(&slow), Some(&slow), None, Some(&slow), Some(&slow), Some(&slow)];
        let closed_by = tries.map(|failed| closed(&mut count, failed));
        assert_eq!(closed_by.each_ref().map(Option::is_some), [false, false, false, false, false, true]);
        // What is no matter of time closes it at once.
        assert_eq!(closed(&mut 0, Some(&gone)), Some(gone.clone()));
    }
}
