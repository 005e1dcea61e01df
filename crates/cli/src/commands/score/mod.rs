//! `fastersam score`

mod pictures;
mod text;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use fastersam_datasets::label_maps::{LabelNames, MapPairs, Tables, pair_label_maps};
use fastersam_experiments::provenance::Origin;
use fastersam_experiments::score::{RowNames, Scored, score};
use fastersam_files::{claim_output, write_atomically};
use fastersam_metrics::{CaseScores, RunComparison, compare_runs, summarise};
use fastersam_progress::{self as progress, say};
use fastersam_records::{NOTICE, write_record};
use serde_json::json;

use super::compare::RESAMPLES;
use super::count;
use crate::output::print;

/// The most files that are named as not paired.
const MAX_LISTED: usize = 50;

/// What to score, and what to make of it.
#[derive(Debug, Args)]
pub struct ScoreArgs {
    /// Predicted label maps: a NIfTI file, or a folder of them
    prediction: PathBuf,
    /// True label maps, likewise; files of a folder are paired by their names without words like label, seg or gt
    truth: PathBuf,
    #[command(flatten)]
    tables: TableArgs,
    /// Compare with other predictions of the same cases, case by case; differences are PREDICTION minus OTHER
    #[arg(long, value_name = "OTHER")]
    against: Option<PathBuf>,
    /// Which side has a folder a case with a file a class, called like the class (TotalSegmentator's default)
    #[arg(long, value_name = "SIDE")]
    per_class_files: Option<PerClass>,
    /// Write all scores, a line a case and class, the worst cases first
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Draw prediction and truth of the worst cases into this folder
    #[arg(long, value_name = "FOLDER")]
    pictures: Option<PathBuf>,
    /// Images for the pictures: a file or a folder
    #[arg(long, value_name = "PATH", requires = "pictures")]
    images: Option<PathBuf>,
    #[command(flatten)]
    row: RowArgs,
    /// Replace files that are there already
    #[arg(long)]
    overwrite: bool,
    /// Print JSON; `compare` reads it
    #[arg(long)]
    json: bool,
}

/// What values mean.
#[derive(Debug, Args)]
struct TableArgs {
    /// What the values of the label maps mean: a TOML file with labels = [{ code = 1, name = "liver" }], a data set's
    /// description, or nnU-Net's dataset.json [default: the names in the headers, or else the values themselves]
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// The same for the predictions, where their values are others and their headers have no names; classes are known by their
    /// names
    #[arg(long, value_name = "FILE")]
    prediction_labels: Option<PathBuf>,
    /// The same for the predictions of --against
    #[arg(long, value_name = "FILE", requires = "against")]
    against_labels: Option<PathBuf>,
}

/// The row of a report.
#[derive(Debug, Args)]
struct RowArgs {
    /// Folder for a record; `fastersam report` draws it: RUN/records puts it beside the rows of a run
    #[arg(long, value_name = "FOLDER", requires_all = ["method", "dataset"])]
    records: Option<PathBuf>,
    /// What the row is called, for instance nnU-Net
    #[arg(long, value_name = "NAME", requires = "records")]
    method: Option<String>,
    /// Name of the data set; a row stands in the table of those that have the same
    #[arg(long, value_name = "NAME", requires = "records")]
    dataset: Option<String>,
    /// Name of the split, likewise
    #[arg(long, value_name = "NAME", default_value = "test")]
    split: String,
}

/// Which side has files of single classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PerClass {
    /// The predictions, those of --against too
    Prediction,
    /// The true label maps
    Truth,
    /// Both
    Both,
}

/// One set of predictions, scored.
struct Side {
    pairs: MapPairs,
    tables: Tables,
    scored: Scored,
}

/// Scores label maps, prints the scores and writes what was asked for.
///
/// # Errors
/// Where files can't be read or paired, a value has no name, label maps do not lie on each other, or a result can't be
/// written.
pub fn run(arguments: &ScoreArgs, origin: &Origin) -> Result<()> {
    if let Some(csv) = &arguments.csv {
        claim_output(csv, &[], arguments.overwrite)?;
    }
    progress::catch_interrupt()?;
    let read = |path: &Option<PathBuf>| path.as_deref().map(LabelNames::read).transpose();
    let labels = read(&arguments.tables.labels)?;
    let of_prediction = read(&arguments.tables.prediction_labels)?;
    let side = |predictions: &Path, names: Option<LabelNames>| -> Result<Side> {
        let per_class = arguments.per_class_files;
        let is_per_class =
            |side: PerClass| per_class.is_some_and(|given| given == side || given == PerClass::Both);
        let per_class = [is_per_class(PerClass::Prediction), is_per_class(PerClass::Truth)];
        let pairs = pair_label_maps(predictions, &arguments.truth, per_class)?;
        list(&pairs, predictions);
        let tables = Tables::find(&pairs.pairs, names, labels.clone())?;
        claim(arguments, &pairs)?;
        tables.notes.iter().for_each(|note| say(&format!("note: {note}")));
        let scored = score(&pairs, &tables)?;
        Ok(Side { pairs, tables, scored })
    };
    let own = side(&arguments.prediction, of_prediction)?;
    let compared = match &arguments.against {
        None => None,
        Some(other) => {
            let names = read(&arguments.tables.against_labels)?;
            Some(compare(&side(other, names)?, &own)?)
        }
    };
    let worst_first = worst_first(&own.scored.cases);
    if let Some(csv) = &arguments.csv {
        write_atomically(csv, text::csv(own.tables.classes(), &worst_first).as_bytes())?;
    }
    if let Some(folder) = &arguments.pictures {
        pictures::write(folder, &own.pairs, &own.tables, &worst_first, arguments.images.as_deref())?;
    }
    let row = &arguments.row;
    let record = match (&row.records, &row.method, &row.dataset) {
        (Some(folder), Some(method), Some(dataset)) => {
            let names = RowNames { method, dataset, split: &row.split };
            Some(write_record(folder, &own.scored.record(names, &own.pairs, &own.tables, origin).into())?)
        }
        _ => None,
    };
    let summary = summarise(&own.scored.cases);
    if arguments.json {
        let result = json!({
            "class_names": own.tables.classes(), "names_from": own.tables.source, "notes": own.tables.notes,
            "missing": own.pairs.missing, "left_out": own.pairs.left_out, "summary": summary,
            "cases": own.scored.cases, "against": compared, "record": record, "notice": NOTICE,
        });
        return print(&result.to_string());
    }
    say(&format!("classes by {}: {}", own.tables.source, own.tables.classes().join(", ")));
    print(&text::scores(own.tables.classes(), &summary, &worst_first))?;
    if let Some(compared) = &compared {
        print(&super::compare::text("PREDICTION minus OTHER", compared, own.tables.classes()))?;
    }
    if let Some(record) = record {
        say(&format!("record: {}", record.display()));
    }
    Ok(())
}

/// Says what was not paired.
fn list(pairs: &MapPairs, predictions: &Path) {
    let n = pairs.pairs.len();
    say(&format!("{} of {}", count(n, "pair"), predictions.display()));
    if !pairs.missing.is_empty() {
        let missing = count(pairs.missing.len(), "case");
        say(&format!("warning: {missing} without a prediction, not scored:"));
    }
    let missing = pairs.missing.iter().map(|path| path.display().to_string());
    let left_out = pairs.left_out.iter().map(|(path, reason)| format!("left out: {}: {reason}", path.display()));
    let lines: Vec<String> = missing.chain(left_out).collect();
    lines.iter().take(MAX_LISTED).for_each(|line| say(&format!("  {line}")));
    if lines.len() > MAX_LISTED {
        say(&format!("  and {} more", lines.len() - MAX_LISTED));
    }
}

/// Before the work: that no result would replace a label map, or anything else unasked.
fn claim(arguments: &ScoreArgs, pairs: &MapPairs) -> Result<()> {
    let maps = pairs.pairs.iter().flat_map(|pair| pair.prediction.files().chain(pair.truth.files()));
    let tables = &arguments.tables;
    let given = [&tables.labels, &tables.prediction_labels, &tables.against_labels, &arguments.images];
    let inputs: Vec<&Path> = maps.chain(given.into_iter().filter_map(Option::as_deref)).collect();
    if let Some(csv) = &arguments.csv {
        claim_output(csv, &inputs, arguments.overwrite)?;
    }
    match &arguments.pictures {
        None => Ok(()),
        Some(folder) => pictures::claim(folder, pairs, &inputs, arguments.overwrite),
    }
}

/// Own predictions minus others, over the cases that both have.
fn compare(other: &Side, own: &Side) -> Result<RunComparison> {
    if other.tables.classes() != own.tables.classes() {
        bail!(
            "the classes are {} here and {} there; give the same label table for both with --labels",
            own.tables.classes().join(", "),
            other.tables.classes().join(", ")
        );
    }
    let in_both = |cases: &[CaseScores], others: &[CaseScores]| -> Vec<CaseScores> {
        let names: std::collections::BTreeSet<&str> = others.iter().map(|case| case.case.as_str()).collect();
        cases.iter().filter(|case| names.contains(case.case.as_str())).cloned().collect()
    };
    let (first, second) = (&other.scored.cases, &own.scored.cases);
    Ok(compare_runs(&in_both(first, second), &in_both(second, first), RESAMPLES, 1)?)
}

/// The cases by their mean strict Dice; those without any class last.
fn worst_first(cases: &[CaseScores]) -> Vec<(Option<f64>, &CaseScores)> {
    let mean = |case: &CaseScores| {
        let dice: Vec<f64> = case.classes.iter().filter_map(|class| Some(class.strict?.dice)).collect();
        (!dice.is_empty()).then(|| dice.iter().sum::<f64>() / dice.len() as f64)
    };
    let mut sorted: Vec<(Option<f64>, &CaseScores)> = cases.iter().map(|case| (mean(case), case)).collect();
    let key = |mean: Option<f64>| mean.unwrap_or(f64::INFINITY);
    sorted.sort_by(|a, b| key(a.0).total_cmp(&key(b.0)).then_with(|| a.1.case.cmp(&b.1.case)));
    sorted
}
