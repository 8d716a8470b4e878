//! `loadtest doctor`.

use std::process::ExitCode;

use crate::cli::Doctor;
use crate::doctor::catalogue::{Cause, LAST};
use crate::doctor::facts::trust::Trust;
use crate::doctor::{bundle, collect, diagnose, render};
use crate::error::Error;
use crate::kube::cluster::Cluster;
use crate::output::{Clean, Stream, print, say};

/// `loadtest doctor`: collects the evidence, or reads it from a bundle, and names the first broken link.
pub async fn doctor(options: &Doctor) -> Result<ExitCode, Error> {
    if let Some(asked) = &options.explain {
        print(&render::explanation(cause(asked)?, Stream::Out.columns()))?;
        return Ok(ExitCode::SUCCESS);
    }
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
