//! The regression suite: a fixed set of figures, measured in minutes and held against a committed baseline.
//!
//! Its parts: `accuracy` (models trained from a seed: scores, active tokens), `logits` (of drawn weights, to the bit), `macs`,
//! `instructions` (callgrind's), `speed` (ratios within one run), `memory` (peaks over the weights' size) and `program` (its
//! size, the crates that it is built from). What is measured outside of this process, as the time that a compilation takes, is
//! given to it.

mod accuracy;
mod baseline;
mod history;
mod second_look;
mod speed;
mod values;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use fastersam_bench::{instructions, machine};
use fastersam_progress::say;
use fastersam_records::regression::{Machine, RegressionRecord, Value};

use self::values::Values;
use crate::provenance::Origin;

pub use baseline::{read as read_baseline, update as update_baseline};
pub use history::{read as read_history, write as write_history};
pub use second_look::look_again;

/// The parts of the suite, in the order that they run in.
pub const PARTS: [&str; 7] = ["logits", "macs", "program", "accuracy", "memory", "speed", "instructions"];

/// What is measured.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Parts of the suite; empty for all.
    pub only: Vec<String>,
    /// Figures that were measured elsewhere, by name.
    pub given: BTreeMap<String, f64>,
    /// The lock file that the program was built from, to count its packages.
    pub lock_file: Option<std::path::PathBuf>,
}

/// Measures the chosen parts of the suite.
///
/// # Errors
/// Where there is no such part, a measurement fails, or the user interrupts.
pub fn measure(choice: &Choice, device: &Device, origin: &Origin) -> Result<RegressionRecord> {
    if let Some(unknown) = choice.only.iter().find(|part| !PARTS.contains(&part.as_str())) {
        bail!("the regression suite has no part {unknown:?}; it has: {}", PARTS.join(", "));
    }
    let provenance = origin.provenance(serde_json::Value::Null, 1, "none", None);
    let vectors = machine::vectors().to_lowercase().replace(' ', "-").replace("avx-", "avx");
    let mut record = RegressionRecord {
        commit: provenance.commit,
        date: provenance.date,
        machine: Machine {
            kind: format!("{}-{vectors}", std::env::consts::ARCH),
            cpu: provenance.cpu,
            threads: origin.threads,
        },
        values: choice.given.iter().map(|(name, &value)| (name.clone(), Value::Number(value))).collect(),
        skipped: Vec::new(),
    };
    for part in PARTS {
        if !choice.only.is_empty() && !choice.only.iter().any(|only| only == part) {
            continue;
        }
        say(&format!("regression: {part}"));
        let values = measure_part(part, choice, device, origin).with_context(|| format!("measuring {part}"))?;
        match values {
            Ok(values) => {
                let named = values.into_iter().map(|(name, value)| (format!("{part}.{name}"), value));
                record.values.extend(named);
            }
            Err(reason) => record.skipped.push(format!("{part}: {reason}")),
        }
    }
    Ok(record)
}

/// The figures of a part, or why they can't be measured here.
fn measure_part(
    part: &str,
    choice: &Choice,
    device: &Device,
    origin: &Origin,
) -> Result<std::result::Result<Values, &'static str>> {
    Ok(match part {
        "logits" => Ok(accuracy::logits(device)?),
        "accuracy" => Ok(accuracy::trained(device, origin)?),
        "macs" => {
            let predicted = fastersam_bench::predicted_gmacs()?;
            Ok(predicted
                .into_iter()
                .map(|(row, gmacs)| (format!("predicted.{row}"), Value::Number(gmacs)))
                .collect())
        }
        "speed" => Ok(speed::ratios(device, origin)?),
        "memory" => match speed::memory(device, origin)? {
            values if values.is_empty() => Err("this system does not say how much memory a process used"),
            values => Ok(values),
        },
        "instructions" => match instructions::counts()? {
            Some(counts) => {
                Ok(counts.into_iter().map(|(case, count)| (case, Value::Number(count as f64))).collect())
            }
            None => Err("valgrind, which counts them, is not installed"),
        },
        _ => Ok(program(choice.lock_file.as_deref())?),
    })
}

/// Size of this program, and the crates in a lock file.
fn program(lock_file: Option<&Path>) -> Result<Values> {
    let bytes = std::fs::metadata(std::env::current_exe()?)?.len();
    let mut values = Values::from([("size_mib".to_owned(), Value::Number(bytes as f64 / f64::from(1 << 20)))]);
    if let Some(path) = lock_file {
        let text = fastersam_files::read_text(path, 16 << 20)?;
        let packages = text.lines().filter(|line| *line == "[[package]]").count();
        values.insert("locked_packages".to_owned(), Value::Number(packages as f64));
    }
    Ok(values)
}
