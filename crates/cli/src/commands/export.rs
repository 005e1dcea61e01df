//! `fastersam export`

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use burn::tensor::Device;
use clap::Args;
use fastersam::{Checkpoint, ModelCard, checkpoint, model_file};
use fastersam_experiments::export;
use fastersam_experiments::provenance::Origin;
use fastersam_files::claim_output;
use fastersam_progress::say;

use super::count;
use crate::output::print;

/// What to write as one file, and what to say of it.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The folder of a run, or of its checkpoints
    run: PathBuf,
    /// The file to write, for instance liver.fastersam
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Replace a file that is there already
    #[arg(long)]
    overwrite: bool,
    /// What the model is called [default: the file's name]
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Its licence: an SPDX identifier such as CC-BY-4.0, or a sentence
    #[arg(long, value_name = "TEXT")]
    license: Option<String>,
    /// What to cite who uses it
    #[arg(long, value_name = "TEXT")]
    citation: Option<String>,
    /// Leave out the frozen parameters of pre-trained weights; the weight file is then needed beside the model
    #[arg(long)]
    without_backbone: bool,
    /// The backbone's weight file, or the folder of all weight files, where they lie elsewhere than in training
    #[arg(long, value_name = "PATH")]
    weights: Option<PathBuf>,
    /// Folder with the records of its scores [default: RUN/records and, of a suite's run, the suite's]
    #[arg(long, value_name = "FOLDER")]
    records: Option<PathBuf>,
}

/// Writes a checkpoint as one file and prints the file's path.
///
/// # Errors
/// Where the checkpoint can't be read, or the file can't be written or is there already.
pub fn run(arguments: &ExportArgs, device: &Device, origin: &Origin) -> Result<()> {
    let (run, output) = (&arguments.run, &arguments.output);
    if run.is_file() {
        bail!("{} is a file; give the folder of the run that the model was trained in", run.display());
    }
    let folder = checkpoint::resolve(run)?;
    let weights = arguments.weights.as_deref();
    let inputs: Vec<PathBuf> = std::fs::read_dir(&folder)
        .with_context(|| folder.display().to_string())?
        .flatten()
        .map(|entry| entry.path())
        .chain(weights.map(Path::to_owned))
        .collect();
    claim_output(output, &inputs.iter().map(PathBuf::as_path).collect::<Vec<_>>(), arguments.overwrite)?;
    let Checkpoint { info, model, .. } = Checkpoint::load_with(&folder, weights, device)?;
    let trained_files = [&info.backbone_file, &info.decoder_file].into_iter().flatten();
    let trained_files: Vec<&Path> = trained_files.map(PathBuf::as_path).collect();
    claim_output(output, &trained_files, true)?;
    let is_tuned = info.backbone_sha256.is_some() || info.decoder_sha256.is_some();
    if arguments.without_backbone && !is_tuned {
        bail!("the model in {} was trained as a whole: no weight file has a part of it", folder.display());
    }
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => output.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let records = arguments.records.clone().map_or_else(|| export::record_folders(&folder), |given| vec![given]);
    let card = ModelCard {
        frozen_inside: !arguments.without_backbone,
        license: arguments.license.clone(),
        citation: arguments.citation.clone(),
        ..export::card(&name, &folder, info, &records, origin)?
    };
    model_file::write(output, &card, &model)?;
    let bytes = std::fs::metadata(output).with_context(|| output.display().to_string())?.len();
    let scores = match card.scores.len() {
        0 => "no scores: no record is of these weights".to_owned(),
        n => count(n, "score"),
    };
    say(&format!("{}: {:.1} MiB, {scores}", card.name, bytes as f64 / f64::from(1 << 20)));
    if card.license.is_none() {
        say("it names no licence; give one with --license before you hand it on");
    }
    print(&output.display().to_string())
}
