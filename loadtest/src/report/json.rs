//! `report.json` and its schema, and files that are written completely or not at all.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use crate::output::json_pretty;
use crate::report::figures::Report;
use crate::report::summary::Summary;

/// The report as JSON.
pub fn render(report: &Report) -> String {
    json_pretty(report)
}

/// Writes a file of that folder. At any time, a reader finds the old file or the complete new one.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    // A temporary file is only for its owner; a report is for everyone who may read the folder.
    let readable = Permissions::from_mode(0o644);
    let mut file = tempfile::Builder::new().prefix(name).permissions(readable).tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(folder.join(name))?;
    // The folder has the name, and must be synced as well.
    File::open(folder)?.sync_all()
}

/// The schema of `report.json`, derived from the types.
pub fn schema() -> String {
    schema_of::<Report>("Report")
}

/// The schema of `--summary-export`, derived from the types.
pub fn summary_schema() -> String {
    schema_of::<Summary<'_>>("Summary")
}

fn schema_of<T: JsonSchema>(name: &str) -> String {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    close(name, &mut schema);
    if let Some(Value::Object(definitions)) = schema.get_mut("$defs") {
        for (name, definition) in definitions {
            if let Ok(definition) = <&mut Schema>::try_from(definition) {
                close(name, definition);
            }
        }
    }
    json_pretty(&schema)
}

/// Allows a structure only its own properties.
fn close(name: &str, schema: &mut Schema) {
    let keyword = match name {
        // Its properties are among those of an event.
        "ObjectEvent" => return,
        // And these come from several places.
        "Event" => "unevaluatedProperties",
        _ => "additionalProperties",
    };
    if schema.get("properties").is_some() {
        schema.insert(keyword.to_owned(), false.into());
    }
}
