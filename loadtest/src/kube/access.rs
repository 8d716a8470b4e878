//! What others may do, as the API server judges it. A `SubjectAccessReview` is answered, and not kept.

use futures_util::future::join_all;
use serde_json::json;

use crate::kube::read::Read;
use crate::kube::reader::Reader;

/// Whether a user may do something: verb, group, resource (with its subresource), namespace.
pub struct Question {
    /// The user, a service account as the API server knows it.
    pub user: String,
    /// Such as `get`.
    pub verb: &'static str,
    /// The API group; empty for the core.
    pub group: &'static str,
    /// Such as `pods`, or `pods/http_requests_per_second`.
    pub resource: String,
}

/// The answers in a namespace, each under its question.
pub async fn reviews(reader: &Reader, namespace: &str, questions: Vec<Question>) -> Vec<(String, Read<bool>)> {
    join_all(questions.iter().map(|question| async move {
        let Question { user, verb, group, resource } = question;
        let key = access(user, verb, group, resource, namespace);
        let answer = review(reader, namespace, question, &key).await;
        (key, answer)
    }))
    .await
}

async fn review(reader: &Reader, namespace: &str, question: &Question, key: &str) -> Read<bool> {
    let Question { user, verb, group, resource } = question;
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let of = user.split(':').nth(2).unwrap_or_default();
    let groups = ["system:serviceaccounts", &format!("system:serviceaccounts:{of}"), "system:authenticated"];
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user,
            "groups": groups,
            "resourceAttributes": {
                "namespace": namespace,
                "verb": verb,
                "group": group,
                "resource": resource,
                "subresource": subresource,
            },
        },
    });
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    reader.review(path, &review, &format!("whether {key}")).await.map(|review| review["status"]["allowed"] == true)
}

/// The question of a `SubjectAccessReview`, as the evidence has it.
pub fn access(user: &str, verb: &str, group: &str, resource: &str, namespace: &str) -> String {
    let resource = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
    format!("{user}: {verb} {resource} in {namespace}")
}
