//! `fastersam compare`: two runs on the same cases, case by case.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use fastersam_files::read_text;
use fastersam_metrics::{CaseScores, Comparison, MeasureComparison, RunComparison, compare_runs};

use super::count;

/// Sign flips and bootstrap draws.
pub const RESAMPLES: usize = 10_000;
/// Scores of thousands of cases have less.
const MAX_BYTES: u64 = 256 << 20;

/// What to compare.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// First run: an evaluation record, or what `evaluate --json` printed
    first: PathBuf,
    /// Second run, on the same cases; differences are second minus first
    second: PathBuf,
    /// Seed of the resampling
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Compares two runs under both protocols, and says it in words or JSON.
///
/// # Errors
/// Where a file holds no scores, or the runs have other cases.
pub fn compare(arguments: &CompareArgs) -> Result<String> {
    let (first, second) = (read(&arguments.first)?, read(&arguments.second)?);
    let found = compare_runs(&first, &second, RESAMPLES, arguments.seed)?;
    if arguments.json {
        return Ok(serde_json::to_string(&found)?);
    }
    Ok(text("second minus first", &found, &[]))
}

/// A comparison in words; classes without a name are called by their numbers.
pub fn text(what: &str, found: &RunComparison, class_names: &[String]) -> String {
    let mut lines = vec![format!("{what} over {}", count(found.n_cases, "case"))];
    for (protocol, of) in [("transunet", &found.transunet), ("strict", &found.strict)] {
        lines.extend(measure(&format!("{protocol} Dice"), &of.dice, class_names));
        lines.extend(measure(&format!("{protocol} HD95 in voxels"), &of.hd95_vox, class_names));
    }
    lines.join("\n")
}

fn read(path: &Path) -> Result<Vec<CaseScores>> {
    let what = || path.display().to_string();
    let text = read_text(path, MAX_BYTES)?;
    let mut result: serde_json::Value = serde_json::from_str(&text).with_context(what)?;
    let inside = if result["record"].is_object() { &mut result["record"] } else { &mut result };
    if !inside["cases"].is_array() {
        bail!(
            "{} holds no scores of cases: give an evaluation record, or what `evaluate --json` printed",
            path.display()
        );
    }
    serde_json::from_value(inside["cases"].take()).with_context(what)
}

fn measure(name: &str, measure: &MeasureComparison, class_names: &[String]) -> Vec<String> {
    let line = |name: String, found: &Option<Comparison>, left_out: usize| {
        let Some(c) = found else { return format!("  {name:<18} no case is scored in both") };
        let interval = c.interval.map_or(String::new(), |(low, high)| format!(", {low:+.4} to {high:+.4}"));
        let left_out = if left_out > 0 { format!(", {left_out} left out") } else { String::new() };
        format!(
            "  {name:<18} {:+.4}{interval}, p = {:.4}, {}{left_out}",
            c.mean_difference,
            c.p_value,
            count(c.n_cases, "case")
        )
    };
    let classes = measure.per_class.iter().zip(&measure.left_out).enumerate();
    let class_name =
        |class: usize| class_names.get(class).cloned().unwrap_or_else(|| format!("class {}", class + 1));
    std::iter::once(name.to_owned())
        .chain([line("mean".to_owned(), &measure.mean, 0)])
        .chain(classes.map(|(class, (found, &left_out))| line(class_name(class), found, left_out)))
        .collect()
}
