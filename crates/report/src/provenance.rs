//! The end of the page: what made the results.

use std::collections::{BTreeMap, BTreeSet};

use fastersam_records::Provenance;
use maud::{Markup, html};

use crate::results::Results;

/// Names and values.
type Facts = Vec<(&'static str, String)>;

/// What made some of the results.
#[derive(Default)]
struct Run<'a> {
    /// Dates of its records.
    dates: BTreeSet<&'a str>,
    n_records: usize,
}

impl Run<'_> {
    fn dates(&self) -> String {
        match (self.dates.first(), self.dates.last()) {
            (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
            (first, _) => first.copied().unwrap_or_default().to_owned(),
        }
    }
}

/// What made the results; records that differ in the date only are one entry.
pub fn footer(results: &Results) -> Markup {
    let mut runs: BTreeMap<(Facts, String), Run<'_>> = BTreeMap::new();
    for provenance in results.provenances() {
        let config = serde_json::to_string_pretty(&provenance.config).unwrap_or_default();
        let run = runs.entry((facts(provenance), config)).or_default();
        run.dates.insert(&provenance.date);
        run.n_records += 1;
    }
    html! {
        footer id="provenance" {
            h2 { "Provenance" }
            @for ((facts, config), run) in &runs {
                dl {
                    @for (name, value) in facts { dt { (name) } dd { (value) } }
                    dt { "date" }
                    dd { (run.dates()) }
                    dt { "records" }
                    dd { (run.n_records) }
                }
                details {
                    summary { "Resolved configuration" }
                    pre { (config) }
                }
            }
        }
    }
}

fn facts(provenance: &Provenance) -> Facts {
    let hashes = [
        ("weights", &provenance.weights_sha256),
        ("pre-trained backbone", &provenance.backbone_sha256),
        ("pre-trained decoder", &provenance.decoder_sha256),
    ];
    let mut facts = vec![
        ("version", format!("{} at commit {}", provenance.version, provenance.commit)),
        ("burn", provenance.burn_version.clone()),
        ("device", format!("{}, {} threads, {}", provenance.device, provenance.threads, provenance.cpu)),
        ("seed", provenance.seed.to_string()),
        ("data manifest", format!("SHA-256 {}", provenance.data_manifest_sha256)),
    ];
    facts.extend(hashes.iter().filter_map(|(name, hash)| Some((*name, format!("SHA-256 {}", hash.as_ref()?)))));
    facts
}
