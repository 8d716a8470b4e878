//! `k8s/`, without a cluster, where it takes the load tool's own readers: the Job's arguments, and quantities. And what
//! these readers make of other manifests.

mod namespace;
#[allow(dead_code, reason = "the service's own tests use the rest of it")]
#[path = "../../../tests/manifests/objects.rs"]
mod objects;
mod reading;

use clap::Parser;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::PodSpec;
use loadtest::cli::Cli;

/// The pod that the load tool's Job runs.
fn job_pod() -> PodSpec {
    objects::object::<Job>("loadtest.yml", "Job").spec.unwrap().template.spec.unwrap()
}

#[test]
fn the_load_tool_accepts_the_arguments_of_its_job() {
    let arguments = job_pod().containers.remove(0).args.unwrap();
    assert!(!arguments.is_empty());
    Cli::try_parse_from(std::iter::once("loadtest".to_owned()).chain(arguments)).unwrap();
}
