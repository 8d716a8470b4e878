//! A collector that decodes what it receives, by OTLP over HTTP and over gRPC.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use futures_util::stream::iter;
use http::{HeaderMap, HeaderValue, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1 as otlp;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::support::PATIENCE;

/// A span as it arrived.
#[derive(Debug)]
pub struct Span {
    pub otlp: otlp::Span,
    pub attributes: BTreeMap<String, String>,
    pub resource: BTreeMap<String, String>,
    /// The headers of its export.
    pub headers: HeaderMap,
}

impl Span {
    /// An attribute, or an empty text.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// Whether its status is an error.
    pub fn is_error(&self) -> bool {
        self.otlp.status.as_ref().is_some_and(|status| status.code == otlp::status::StatusCode::Error as i32)
    }
}

/// A collector on a free port.
pub struct Collector {
    pub endpoint: String,
    spans: UnboundedReceiver<Span>,
}

impl Collector {
    pub async fn start() -> Self {
        let (sender, spans) = unbounded_channel();
        let routes = Router::new()
            .route("/v1/traces", post(receive))
            .route("/opentelemetry.proto.collector.trace.v1.TraceService/Export", post(receive_grpc))
            .with_state(sender);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { endpoint, spans }
    }

    /// The next span.
    pub async fn span(&mut self) -> Span {
        let span = tokio::time::timeout(PATIENCE, self.spans.recv()).await.expect("a span arrives");
        span.expect("the collector runs")
    }

    /// The spans that have arrived, and were not asked for.
    pub fn others(&mut self) -> Vec<Span> {
        std::iter::from_fn(|| self.spans.try_recv().ok()).collect()
    }
}

async fn receive(State(spans): State<UnboundedSender<Span>>, headers: HeaderMap, body: Bytes) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    record(&spans, &headers, &body);
}

async fn receive_grpc(State(spans): State<UnboundedSender<Span>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    assert_eq!(
        (&headers["content-type"], &headers["te"]),
        (&"application/grpc".parse().unwrap(), &"trailers".parse().unwrap())
    );
    let (prefix, message) = body.split_at(5);
    assert_eq!((prefix[0], &prefix[1..]), (0, &u32::try_from(message.len()).unwrap().to_be_bytes()[..]));
    record(&spans, &headers, message);
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))]);
    let frames = [Frame::data(Bytes::from_static(&[0; 5])), Frame::trailers(trailers)];
    let body = StreamBody::new(iter(frames.map(Ok::<_, Infallible>)));
    Response::builder().header("content-type", "application/grpc").body(Body::new(body)).unwrap()
}

fn record(spans: &UnboundedSender<Span>, headers: &HeaderMap, message: &[u8]) {
    let request = ExportTraceServiceRequest::decode(message).expect("the message is valid");
    for resource_spans in request.resource_spans {
        let resource = texts(&resource_spans.resource.unwrap_or_default().attributes);
        for span in resource_spans.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let attributes = texts(&span.attributes);
            let span = Span { attributes, resource: resource.clone(), headers: headers.clone(), otlp: span };
            // The test may have ended.
            let _ = spans.send(span);
        }
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        _ => None,
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute).expect("a text or a number"))).collect()
}
