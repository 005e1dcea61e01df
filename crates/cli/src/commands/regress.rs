//! `fastersam regress`

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use clap::Args;
use fastersam_experiments::provenance::Origin;
use fastersam_experiments::regression::{
    Choice, look_again, measure, read_baseline, read_history, update_baseline, write_history,
};
use fastersam_files::write_atomically;
use fastersam_progress::{self as progress, say};
use fastersam_records::regression::{Comparison, Verdict, compare};
use fastersam_report as report;

use super::Printing;
use crate::output::print;

/// What is measured, and what becomes of it.
#[derive(Debug, Args)]
pub struct RegressArgs {
    /// Only these parts: logits, macs, program, accuracy, memory, speed, instructions
    #[arg(long, value_name = "PART,...", value_delimiter = ',')]
    only: Vec<String>,
    /// File with the figures and tolerances to compare with
    #[arg(long, value_name = "FILE", default_value = "configs/regression/baseline.toml")]
    baseline: PathBuf,
    /// Make the figures of this kind of machine in the baseline anew
    #[arg(long, requires = "reason")]
    update: bool,
    /// Why, for whoever reads the baseline later
    #[arg(long, value_name = "TEXT", requires = "update")]
    reason: Option<String>,
    /// Add the run to this folder, one file a run
    #[arg(long, value_name = "FOLDER")]
    history: Option<PathBuf>,
    /// Draw the history as one page into this file, and measure nothing
    #[arg(long, value_name = "FILE", requires = "history", conflicts_with_all = ["update", "only"])]
    page: Option<PathBuf>,
    /// Also write what moved to this file, as Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Also write the figures to this file, as github-action-benchmark reads them (customSmallerIsBetter)
    #[arg(long, value_name = "FILE")]
    benchmark_json: Option<PathBuf>,
    /// A figure that was measured elsewhere: compile.seconds=930
    #[arg(long = "given", value_name = "NAME=NUMBER", value_parser = given)]
    given: Vec<(String, f64)>,
    /// Count the packages of this lock file
    #[arg(long, value_name = "FILE", default_value = "Cargo.lock")]
    lock_file: PathBuf,
    #[command(flatten)]
    printing: Printing,
}

fn given(text: &str) -> Result<(String, f64), String> {
    let pair = text.split_once('=').and_then(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
    pair.filter(|(name, _)| name.contains('.')).ok_or_else(|| "PART.NAME=NUMBER is needed".to_owned())
}

/// Measures the regression suite and compares it with the baseline.
///
/// # Errors
/// Where a figure is outside its tolerance for the worse, a measurement fails or a file can't be written.
pub fn run(arguments: &RegressArgs, device: &Device, origin: &Origin) -> Result<()> {
    let baseline = read_baseline(&arguments.baseline)?;
    if let (Some(page), Some(history)) = (&arguments.page, &arguments.history) {
        let runs = read_history(history)?;
        if runs.is_empty() {
            bail!("{} holds no runs", history.display());
        }
        write_atomically(page, report::regression_page(&runs, &baseline)?.as_bytes())?;
        return print(&page.display().to_string());
    }
    progress::catch_interrupt()?;
    let choice = Choice {
        only: arguments.only.clone(),
        given: arguments.given.iter().cloned().collect::<BTreeMap<_, _>>(),
        lock_file: arguments.lock_file.exists().then(|| arguments.lock_file.clone()),
    };
    let mut record = measure(&choice, device, origin)?;
    if !arguments.update {
        look_again(&mut record, &baseline, device, origin)?;
    }
    if let Some(history) = &arguments.history {
        say(&format!("added to the history: {}", write_history(history, &record)?.display()));
    }
    let comparisons = compare(&baseline, &record);
    let text = report::regression_markdown(&record, &comparisons);
    if let Some(path) = &arguments.markdown {
        write_atomically(path, text.as_bytes())?;
    }
    if let Some(path) = &arguments.benchmark_json {
        write_atomically(path, report::regression_benchmark_json(&record, &baseline).as_bytes())?;
    }
    if arguments.printing.json {
        print(&serde_json::json!({ "record": record, "comparisons": comparisons }).to_string())?;
    } else {
        print(&text)?;
    }
    if let Some(reason) = arguments.reason.as_deref().filter(|_| arguments.update) {
        update_baseline(&arguments.baseline, baseline, &record, reason)
            .with_context(|| format!("the baseline {} could not be made anew", arguments.baseline.display()))?;
        say(&format!("{} holds this run's figures now", arguments.baseline.display()));
        return Ok(());
    }
    verdict(&comparisons)
}

/// An error that names what is worse.
fn verdict(comparisons: &[Comparison]) -> Result<()> {
    let worse: Vec<&str> = comparisons
        .iter()
        .filter(|comparison| comparison.verdict == Verdict::Worse)
        .map(|comparison| comparison.name.as_str())
        .collect();
    if worse.is_empty() {
        return Ok(());
    }
    bail!(
        "outside tolerance: {}; if that is wanted, run it again with --update --reason \"...\"",
        worse.join(", ")
    )
}
