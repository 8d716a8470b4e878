//! How the scaled pods come, go and are reached, out of their Deployment and Service.

use shopfront::app::Endpoint;

use super::{Error, Probe, Workload};
use crate::autoscaling::manifests::documents::Document;

pub(super) fn workload(deployment: &Document, service: Option<&Document>) -> Result<Workload, Error> {
    let container = "spec.template.spec.containers[0]";
    let seconds = |path: &str, default: u32| deployment.seconds(path, default).map(f64::from);
    let path = "spec.ports[0].port";
    let port = |service: &Document| {
        u16::try_from(service.number(path, None)?).map_err(|_| service.change(path, "a port, 1 to 65535"))
    };
    Ok(Workload {
        service: service.map(|service| service.name().into()),
        port: service.map(port).transpose()?,
        readiness: probe(deployment, &format!("{container}.readinessProbe"))?,
        pre_stop: seconds(&format!("{container}.lifecycle.preStop.sleep.seconds"), 0)?,
        grace: seconds("spec.template.spec.terminationGracePeriodSeconds", 30)?,
    })
}

fn probe(deployment: &Document, probe: &str) -> Result<Option<Probe>, Error> {
    if deployment.get(probe).is_none() {
        return Ok(None);
    }
    let number = |field: &str, default: u32| deployment.seconds(&format!("{probe}.{field}"), default);
    let http = deployment.get(&format!("{probe}.httpGet")).is_some();
    let path = deployment.text(&format!("{probe}.httpGet.path"));
    let default = if http { "/" } else { Endpoint::Readyz.path() };
    Ok(Some(Probe {
        path: path.unwrap_or(default).to_owned(),
        delay: number("initialDelaySeconds", 0)?.into(),
        period: number("periodSeconds", 10)?.max(1).into(),
        timeout: number("timeoutSeconds", 1)?.max(1).into(),
        successes: number("successThreshold", 1)?.max(1),
        failures: number("failureThreshold", 3)?.max(1),
    }))
}
