//! All objects of the named files and folders, and which of them belong together.

use std::path::Path;

use serde_json::Value;

use super::Error;
use crate::autoscaling::manifests::documents::{self, Document};
use crate::autoscaling::manifests::scalers::{self, Scaler};
use crate::autoscaling::selectors::leads_to;

pub(super) struct Objects {
    /// The files and folders.
    pub name: String,
    /// The objects of each.
    places: Vec<Vec<Document>>,
}

impl Objects {
    pub fn read<P: AsRef<Path>>(places: &[P]) -> Result<Self, Error> {
        let names: Vec<_> = places.iter().map(|place| place.as_ref().display().to_string()).collect();
        let mut read: Vec<Vec<Document>> = Vec::new();
        for place in places {
            let documents = documents::read(place.as_ref())?;
            // What stands in a later place replaces what an earlier one has.
            for earlier in &mut read {
                earlier.retain(|old| !documents.iter().any(|new| is_the_same(old, new)));
            }
            read.push(documents);
        }
        Ok(Self { name: names.join(", "), places: read })
    }

    /// This program's own manifests.
    pub fn built_in() -> Result<Self, Error> {
        Ok(Self { name: documents::BUILT_IN.to_owned(), places: vec![documents::built_in()?] })
    }

    /// All objects of a kind.
    pub fn every(&self, kind: &str) -> Vec<&Document> {
        self.places.iter().flatten().filter(|document| document.kind() == kind).collect()
    }

    /// The Services that lead to a Deployment's pods.
    pub fn services(&self, deployment: &Document) -> Vec<&Document> {
        let labels = deployment.get("spec.template.metadata.labels").unwrap_or(&Value::Null);
        let leads = |service: &&Document| service.shares_a_namespace(deployment) && leads_to(service.value(), labels);
        self.every("Service").into_iter().filter(leads).collect()
    }

    /// The Service for clients, if there is one; of several, the one with an address.
    pub fn for_clients<'a>(
        &self,
        deployment: &Document,
        services: &[&'a Document],
    ) -> Result<Option<&'a Document>, Error> {
        let has_address = |service: &Document| service.text("spec.clusterIP") != Some("None");
        let all_headless = !services.iter().any(|service| has_address(service));
        let mut found = services.iter().copied().filter(|service| all_headless || has_address(service));
        if services.is_empty() {
            return Ok(None);
        }
        let which = format!("that selects the pods of Deployment {}", deployment.name());
        self.only("Service", &which, &mut found).map(Some)
    }

    pub fn the(&self, kind: &str, which: &str, is_it: impl Fn(&Document) -> bool) -> Result<&Document, Error> {
        self.only(kind, which, &mut self.every(kind).into_iter().filter(|document| is_it(document)))
    }

    pub fn only<'a>(
        &self,
        kind: &str,
        which: &str,
        found: &mut dyn Iterator<Item = &'a Document>,
    ) -> Result<&'a Document, Error> {
        match found.collect::<Vec<_>>()[..] {
            [one] => Ok(one),
            [] => {
                let what = format!("no {kind} {which}: add it, or name its file or folder with another --manifests");
                Err(Error::place(&self.name, what))
            }
            [_, second, ..] => {
                Err(second.wrong("metadata.name", &format!("is a second {kind} {which}: leave one of them out")))
            }
        }
    }

    pub fn scaler(&self) -> Result<Scaler<'_>, Error> {
        // KEDA's ScaledObject has the query of the HPA that it makes.
        let is_scaler = |document: &&Document| match document.kind() {
            "ScaledObject" => true,
            "HorizontalPodAutoscaler" => {
                document.list("metadata.ownerReferences").iter().all(|owner| owner["kind"] != "ScaledObject")
            }
            _ => false,
        };
        for place in self.places.iter().rev() {
            match place.iter().filter(is_scaler).collect::<Vec<_>>()[..] {
                [] => {}
                [one] if one.kind() == "ScaledObject" => return scalers::from_scaled_object(one),
                [one] => return scalers::from_hpa(one),
                [_, second, ..] => {
                    return Err(second.wrong("kind", "is a second autoscaler: leave one of them out"));
                }
            }
        }
        let what =
            "no HorizontalPodAutoscaler and no ScaledObject: name a file or folder that has one with --manifests";
        Err(Error::place(&self.name, what))
    }
}

fn is_the_same(one: &Document, other: &Document) -> bool {
    one.kind() == other.kind() && one.name() == other.name() && one.shares_a_namespace(other)
}
