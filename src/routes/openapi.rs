//! `GET /openapi.json`: the description of all endpoints, made from their table.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use bytes::Bytes;
use http::Response;
use serde_json::{Map, Value, json};

use super::formatted;
use super::version::VERSION;
use crate::app::App;
use crate::endpoints::{Endpoint, Methods, Reads};
use crate::format::Format;
use crate::url_prefix::UrlPrefix;

/// The description. It does not change, so all responses share it.
pub async fn show(State(app): State<Arc<App>>) -> Response<Body> {
    formatted(Format::Json, app.openapi.get_or_init(|| rendered(app.url_prefix())).clone())
}

fn rendered(prefix: Option<&UrlPrefix>) -> Bytes {
    let mut description = description();
    if let Some(prefix) = prefix {
        // Without it, the paths are those of the server that the description came from.
        description["servers"] = json!([{"url": prefix.to_string()}]);
    }
    (serde_json::to_string_pretty(&description).expect("a tree of values") + "\n").into()
}

fn description() -> Value {
    let paths: Map<String, Value> =
        Endpoint::ALL.into_iter().map(|endpoint| (endpoint.path().to_owned(), path_item(endpoint))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {"title": "shopfront", "version": VERSION, "license": {"name": "MIT", "identifier": "MIT"}},
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error"],
                    "properties": {"error": {
                        "type": "object",
                        "required": ["status", "reason", "message"],
                        "properties": {
                            "status": {"type": "string"},
                            "reason": {"type": "string"},
                            "message": {"type": "string"}
                        }
                    }}
                },
                "Fault": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "share": {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": 1},
                        "status": {"type": "integer", "minimum": 400, "maximum": 599},
                        "delay": {"type": "string", "examples": ["200ms"]},
                        "spread": {"type": "string", "examples": ["50ms"]},
                        "for": {"type": "string", "default": "1m"}
                    }
                }
            }
        }
    })
}

fn path_item(endpoint: Endpoint) -> Value {
    let methods: &[&str] = match endpoint.methods() {
        Methods::Get => &["get", "head"],
        Methods::Post => &["post"],
        Methods::Put => &["put"],
        Methods::GetPost => &["get", "head", "post"],
        Methods::GetPostPut => &["get", "head", "post", "put"],
    };
    let operations = methods.iter().map(|method| ((*method).to_owned(), operation(endpoint, method)));
    let mut item: Map<String, Value> = operations.collect();
    if let Some(parameter) = endpoint.parameter() {
        let mut parameters = vec![json!({
            "name": parameter, "in": "path", "required": true, "schema": {"type": "string"}
        })];
        if endpoint == Endpoint::Allocate {
            parameters.push(json!({"name": "for", "in": "query", "schema": {"type": "string", "default": "30s"}}));
        }
        item.insert("parameters".to_owned(), parameters.into());
    }
    item.into()
}

fn operation(endpoint: Endpoint, method: &str) -> Value {
    let error = json!({
        "description": "An error, as JSON, YAML or HTML",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    });
    let mut responses = Map::from_iter([(endpoint.status().to_owned(), json!({"description": endpoint.summary()}))]);
    responses.insert("default".to_owned(), error.clone());
    if endpoint.needs_lab() {
        responses.insert("403".to_owned(), error);
    }
    let mut operation = json!({
        "operationId": format!("{}_{method}", endpoint.name()),
        "summary": endpoint.summary(),
        "tags": [if endpoint.needs_lab() { "lab" } else if endpoint.is_for_clients() { "clients" } else { "operations" }],
        "responses": responses
    });
    if endpoint.reads() == Reads::Body && method != "head" && method != "get" {
        operation["requestBody"] = if endpoint == Endpoint::Fault {
            json!({"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Fault"}}}})
        } else {
            json!({"content": {"*/*": {}}})
        };
    }
    if endpoint == Endpoint::TokenValidate {
        operation["security"] = json!([{"token": []}]);
    }
    operation
}
