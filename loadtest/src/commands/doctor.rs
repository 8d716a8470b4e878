//! `loadtest doctor`.

use std::process::ExitCode;

use futures_util::{StreamExt, stream};
use serde::Serialize;

use crate::cli::{Doctor, Structured};
use crate::doctor::catalogue::{Cause, LAST};
use crate::doctor::collect::survey::Survey;
use crate::doctor::diagnosis::{Diagnosis, Outcome};
use crate::doctor::facts::trust::Trust;
use crate::doctor::inventory::Inventory;
use crate::doctor::overview::{Overview, worst_first};
use crate::doctor::{bundle, collect, diagnose, render};
use crate::error::Error;
use crate::kube::cluster::Cluster;
use crate::kube::kubeconfig::Choice;
use crate::output::{Clean, Stream, json_pretty, print, say, yaml};

/// The requests that a survey may send, about: so many fewer HPAs are checked as closely as one alone.
const REQUESTS: usize = 1_400;

/// The requests of a close check, about.
const OF_ONE: usize = 80;

/// HPAs that are checked at the same time.
const AT_ONCE: usize = 16;

/// Those that are checked closely at the same time.
const CLOSELY_AT_ONCE: usize = 4;

/// `loadtest doctor`: collects the evidence, or reads it from a bundle, and names the first broken link.
pub async fn doctor(options: &Doctor) -> Result<ExitCode, Error> {
    if let Some(asked) = &options.explain {
        print(&render::explanation(cause(asked)?, Stream::Out.columns()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let structured = options.structured();
    if options.all_namespaces {
        let cluster = connect(options).await?;
        let overview = Box::pin(overview(&cluster, options)).await?;
        // A program gets the form that it expects.
        if overview.diagnoses.is_empty() && structured.is_none() {
            return inventory(&cluster, options).await;
        }
        let text = match structured {
            Some(format) => written(&overview, format),
            None => overview.render(Stream::Out.columns()),
        };
        print(&text)?;
        return Ok(ExitCode::from(overview.exit_code()));
    }
    let evidence = match (&options.from, &options.bundle) {
        (Some(from), _) => bundle::read(from)?,
        (None, kept) => {
            if let Some(file) = kept {
                bundle::is_new(file)?;
            }
            let cluster = connect(options).await?;
            let hpa = match named(options)? {
                Some(hpa) => hpa,
                None => match collect::only(&cluster).await? {
                    Some((namespace, name)) => format!("{namespace}/{name}"),
                    None => return inventory(&cluster, options).await,
                },
            };
            let evidence = collect::collect(&cluster, Some(&hpa), Trust::of_flag(options.trust_prometheus)).await?;
            if let Some(file) = kept {
                bundle::write(file, &evidence)?;
                say(Clean::of(&(bundle::contents(file, &evidence) + "\n")));
            }
            evidence
        }
    };
    let diagnosis = diagnose(&evidence);
    let text = match structured {
        Some(format) => written(&diagnosis, format),
        None => render::render(&diagnosis, Stream::Out.columns(), Stream::Out.is_terminal()),
    };
    print(&text)?;
    Ok(ExitCode::from(diagnosis.outcome.exit_code()))
}

/// There is no HPA to diagnose: says what the cluster has for one, and what comes next.
async fn inventory(cluster: &Cluster, options: &Doctor) -> Result<ExitCode, Error> {
    if options.bundle.is_some() {
        return Err(Error::Usage("--bundle: there is no HPA whose evidence could be written".to_owned()));
    }
    let inventory = Inventory::of(&collect::inventory::inventory(cluster).await);
    print(&match options.structured() {
        Some(format) => written(&inventory, format),
        None => inventory.render(Stream::Out.columns()),
    })?;
    Ok(ExitCode::from(Outcome::CouldNotLook.exit_code()))
}

/// The cluster of the chosen context, with the chosen namespace.
pub(super) async fn connect(options: &Doctor) -> Result<Cluster, Error> {
    let (context, kubeconfig) = (options.context.as_deref(), options.kubeconfig.as_deref());
    let mut cluster = Cluster::connect(Choice { context, kubeconfig }).await?;
    if let Some(namespace) = &options.namespace {
        cluster.namespace.clone_from(namespace);
    }
    Ok(cluster)
}

/// The HPA that is named. As with kubectl, a namespace is named once.
fn named(options: &Doctor) -> Result<Option<String>, Error> {
    match (&options.hpa, &options.namespace) {
        (Some(hpa), Some(_)) if hpa.contains('/') => {
            Err(Error::Usage(format!("{hpa} names a namespace, and so does --namespace: leave one of them out")))
        }
        (hpa, _) => Ok(hpa.clone()),
    }
}

/// A document for programs.
fn written(document: &impl Serialize, format: Structured) -> Clean {
    Clean::of(&match format {
        Structured::Json => json_pretty(document),
        Structured::Yaml => yaml(document),
    })
}

/// Checks every HPA by what the API server answers, and then closely as many as the bound on requests allows: those first
/// that are not healthy.
async fn overview(cluster: &Cluster, options: &Doctor) -> Result<Overview, Error> {
    let survey = &Box::pin(Survey::new(cluster)).await?;
    let checks = survey.hpas.iter().map(|(namespace, hpa)| async move {
        // What is asked for one HPA makes a large future.
        diagnose(&Box::pin(survey.evidence(namespace, hpa)).await)
    });
    let mut all: Vec<Diagnosis> = stream::iter(checks).buffer_unordered(AT_ONCE).collect().await;
    worst_first(&mut all);
    let closely = all.len().min(REQUESTS.saturating_sub(survey.requests()) / OF_ONE);
    let rest = all.split_off(closely);
    let trust = Trust::of_flag(options.trust_prometheus);
    let closer = all.into_iter().map(|diagnosis| async move {
        match collect::collect(cluster, Some(&diagnosis.hpa), trust).await {
            Ok(evidence) => diagnose(&evidence),
            // It may be gone by now.
            Err(_) => diagnosis,
        }
    });
    let mut closer: Vec<Diagnosis> = stream::iter(closer).buffer_unordered(CLOSELY_AT_ONCE).collect().await;
    let unasked = rest.len();
    closer.extend(rest);
    Ok(Overview::new(closer, unasked))
}

/// The cause with this number or name.
fn cause(asked: &str) -> Result<Cause, Error> {
    Cause::find(asked).ok_or_else(|| {
        let close: Vec<_> = Cause::close(asked)
            .into_iter()
            .map(|cause| format!("{} ({})", cause.entry().name, cause.number()))
            .collect();
        let hint = if close.is_empty() {
            format!("give a number from 1 to {LAST}, or a name from docs/TROUBLESHOOTING.md")
        } else {
            format!("did you mean {}?", close.join(", "))
        };
        Error::Usage(format!("--explain {asked}: there is no such cause; {hint}"))
    })
}
