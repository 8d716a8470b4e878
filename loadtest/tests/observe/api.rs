//! An API server of the test's own: an HPA, what it scales, and pods that change at the test's word. To all else the
//! test has no right.

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};

use futures_util::stream::{self, BoxStream, StreamExt};
use http::{Request, Response, StatusCode};
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame, Incoming};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::server::Server;

/// The HPA that is served.
pub const HPA: &str = "shops/shop-hpa";

type Body = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

/// How requests are answered.
#[derive(Clone, Copy, PartialEq)]
pub enum Mood {
    Well,
    /// With 503; what is watched is cut off.
    Busy,
    /// Never, also those that came before.
    Stalled,
}

pub struct Api {
    pub server: Server,
    world: Arc<World>,
}

struct World {
    mood: watch::Sender<Mood>,
    pods: Mutex<Vec<Value>>,
    /// None where they may not be read.
    events: Mutex<Option<Vec<Value>>>,
}

pub fn pod(name: &str, ready: bool) -> Value {
    let ready = json!({"type": "Ready", "status": if ready { "True" } else { "False" }});
    json!({"metadata": {"name": name, "namespace": "shops", "uid": name}, "status": {"conditions": [ready]}})
}

pub fn event(uid: &str, pod: &str, reason: &str) -> Value {
    json!({"metadata": {"name": uid, "namespace": "shops", "uid": uid}, "reason": reason, "message": "as it is",
           "involvedObject": {"kind": "Pod", "name": pod}, "type": "Normal", "count": 1})
}

impl Api {
    pub async fn start(folder: &Path) -> Self {
        let world = Arc::new(World {
            mood: watch::Sender::new(Mood::Well),
            pods: Mutex::default(),
            events: Mutex::new(Some(Vec::new())),
        });
        let all = Arc::clone(&world);
        let server = Server::start(folder, move |request| Arc::clone(&all).answer(request)).await;
        Self { server, world }
    }

    pub fn is(&self, mood: Mood) {
        self.world.mood.send_replace(mood);
    }

    /// What the server has from now on. Watchers get no event.
    pub fn has(&self, pods: Vec<Value>, events: Vec<Value>) {
        *self.world.pods.lock().expect("no holder panics") = pods;
        *self.world.events.lock().expect("no holder panics") = Some(events);
    }

    pub fn hides_its_events(&self) {
        *self.world.events.lock().expect("no holder panics") = None;
    }
}

impl World {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let mood = *self.mood.borrow();
        let query = request.uri().query().unwrap_or_default();
        let (status, body) = match mood {
            Mood::Stalled => std::future::pending().await,
            Mood::Busy => (StatusCode::SERVICE_UNAVAILABLE, whole(&failure(503, "ServiceUnavailable"))),
            Mood::Well if query.contains("watch=true") => (StatusCode::OK, self.silence()),
            Mood::Well => match self.object(request.uri().path()) {
                Some(object) => (StatusCode::OK, whole(&object)),
                None => (StatusCode::FORBIDDEN, whole(&failure(403, "Forbidden"))),
            },
        };
        let answer = Response::builder().status(status).header("content-type", "application/json").body(body);
        Ok(answer.expect("an answer"))
    }

    /// A watch that tells nothing, until the server is busy.
    fn silence(&self) -> Body {
        let mut mood = self.mood.subscribe();
        let end = async move { drop(mood.wait_for(|mood| *mood == Mood::Busy).await) };
        StreamBody::new(stream::once(end).filter_map(|()| async { None }).boxed())
    }

    fn object(&self, path: &str) -> Option<Value> {
        let list = |kind: &str, items: &[Value]| json!({"kind": kind, "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items});
        let target = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "shop"});
        let metric = json!({"metric": {"name": "rate"}, "target": {"type": "AverageValue", "averageValue": "2"}});
        let cpu = json!({"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}});
        let cpu = json!({"type": "Resource", "resource": cpu});
        let spec =
            json!({"scaleTargetRef": target, "maxReplicas": 2, "metrics": [cpu, {"type": "Pods", "pods": metric}]});
        let hpa = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "spec": spec,
                         "metadata": {"name": "shop-hpa", "namespace": "shops"}, "status": {"desiredReplicas": 1}});
        Some(match path {
            "/version" => json!({"major": "1", "minor": "34"}),
            "/apis/apps/v1" => {
                let sets = json!({"name": "statefulsets", "singularName": "", "kind": "StatefulSet", "namespaced": true,
                                  "verbs": ["get"]});
                json!({"kind": "APIResourceList", "groupVersion": "apps/v1", "resources": [sets]})
            }
            "/apis/apps/v1/namespaces/shops/statefulsets/shop" => {
                json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "shop", "namespace": "shops"},
                       "spec": {"template": {"metadata": {"labels": {"app": "shop"}}}}})
            }
            "/apis/apps/v1/namespaces/shops/statefulsets/shop/scale" => {
                json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {}, "spec": {},
                       "status": {"replicas": 1, "selector": "app=shop"}})
            }
            "/apis/autoscaling/v2/namespaces/shops/horizontalpodautoscalers/shop-hpa" => hpa,
            "/apis/autoscaling/v2/namespaces/shops/horizontalpodautoscalers" => {
                list("HorizontalPodAutoscalerList", &[hpa])
            }
            "/api/v1/namespaces/shops/pods" => list("PodList", &self.pods.lock().expect("no holder panics")),
            "/api/v1/namespaces/shops/events" => {
                list("EventList", self.events.lock().expect("no holder panics").as_deref()?)
            }
            _ => return None,
        })
    }
}

fn whole(value: &Value) -> Body {
    let bytes = Bytes::from(value.to_string());
    StreamBody::new(stream::once(async { Ok(Frame::data(bytes)) }).boxed())
}

fn failure(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "not now", "reason": reason, "code": code})
}
