//! `loadtest doctor`.

use std::process::ExitCode;

use crate::cli::Doctor;
use crate::doctor::collect::trust::Trust;
use crate::doctor::{bundle, collect, diagnose, render};
use crate::error::Error;
use crate::kube::cluster::Cluster;
use crate::output::{Clean, Stream, print, say};

/// `loadtest doctor`: reads the chain, or what a bundle holds of it, and names the first link that is broken.
pub async fn doctor(options: &Doctor) -> Result<ExitCode, Error> {
    let evidence = match (&options.from, &options.bundle) {
        (Some(from), _) => bundle::read(from)?,
        (None, kept) => {
            if let Some(file) = kept {
                bundle::is_new(file)?;
            }
            let cluster = Cluster::connect(options.context.as_deref()).await?;
            let trust = Trust::of_flag(options.trust_prometheus);
            let evidence = collect::collect(&cluster, options.hpa.as_deref(), trust).await?;
            if let Some(file) = kept {
                bundle::write(file, &evidence)?;
                say(Clean::of(&(bundle::contents(file, &evidence) + "\n")));
            }
            evidence
        }
    };
    let diagnosis = diagnose(&evidence);
    let text = if options.json {
        Clean::of(&render::json(&diagnosis))
    } else {
        render::render(&diagnosis, Stream::Out.columns(), Stream::Out.is_terminal())
    };
    print(&text)?;
    Ok(ExitCode::from(diagnosis.outcome.exit_code()))
}
