//! `fastersam inspect`: what a trained model or a weight file is.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use clap::Args;
use fastersam::checkpoint;
use fastersam::model_file::is_model_file;
use fastersam::weights::{LoadOptions, LoadReport, WeightFile, plan_for, recognise};
use fastersam::{ModelConfig, ModelOptions, ParameterCounts, Preset};
use fastersam_experiments::provenance::Origin;
use serde::Serialize;

use super::count;
use super::model_card::TrainedFile;

/// What to look at.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// A trained model (one-file model, checkpoint or run), or a file with pre-trained weights (.pth, .safetensors)
    file: PathBuf,
    /// Compare a weight file with this model [default: the one that its keys and shapes tell]
    #[arg(long)]
    preset: Option<Preset>,
    /// Side of that model's input, pixels [default: the preset's]
    #[arg(long)]
    input: Option<usize>,
    /// List every tensor of a weight file
    #[arg(long)]
    tensors: bool,
    /// Fail where the model needs keys that the file lacks, or the file has keys that nothing knows
    #[arg(long)]
    check: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print the model card of a trained model as Markdown
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

/// A weight file beside a model.
#[derive(Debug, Serialize)]
struct Inspection {
    file: PathBuf,
    format: String,
    architecture: String,
    sha256: String,
    n_parameters: usize,
    tensors: Vec<TensorLine>,
    /// The model that it was compared with, if there is one of this architecture.
    model: Option<Comparison>,
}

#[derive(Debug, Serialize)]
struct TensorLine {
    key: String,
    shape: Vec<usize>,
    dtype: String,
}

#[derive(Debug, Serialize)]
struct Comparison {
    preset: Preset,
    input_size: usize,
    tuning: String,
    parameters: ParameterCounts,
    report: LoadReport,
}

/// Says what `file` is.
///
/// # Errors
/// Where it is neither a trained model nor a weight file, or does not fit the model that was asked for.
pub fn inspect(arguments: &InspectArgs, device: &Device, origin: &Origin) -> Result<String> {
    let path = &arguments.file;
    if !path.is_file() || is_model_file(path) {
        if arguments.preset.is_some() || arguments.check {
            bail!(
                "{} is a trained model; --preset and --check are for files with pre-trained weights",
                path.display()
            );
        }
        let model = TrainedFile::read(path, device, origin)?;
        return match (arguments.json, arguments.markdown) {
            (true, _) => model.json(),
            (_, true) => Ok(model.markdown()),
            _ => Ok(model.text()),
        };
    }
    if arguments.markdown {
        bail!("{} holds pre-trained weights; --markdown is for trained models", path.display());
    }
    weights(arguments, device)
}

fn weights(arguments: &InspectArgs, device: &Device) -> Result<String> {
    let file = WeightFile::open(&arguments.file)?;
    let architecture = recognise(&file)?;
    let model = match arguments.preset.or(architecture.preset()) {
        None => None,
        Some(preset) => Some(compare(&file, preset, arguments.input, device)?),
    };
    let tensors = file.tensors.iter().map(|(key, tensor)| TensorLine {
        key: key.clone(),
        shape: tensor.shape.clone(),
        dtype: format!("{:?}", tensor.dtype).to_lowercase(),
    });
    if arguments.check {
        check(&file, model.as_ref())?;
    }
    let inspection = Inspection {
        file: arguments.file.clone(),
        format: file.format.to_string(),
        architecture: architecture.to_string(),
        sha256: file.sha256.clone(),
        n_parameters: file.n_parameters(),
        tensors: tensors.collect(),
        model,
    };
    if arguments.json {
        return Ok(checkpoint::to_json(&inspection)?);
    }
    Ok(text(&inspection, arguments.tensors))
}

/// Fails unless the file is of use to a model, as a whole.
fn check(file: &WeightFile, model: Option<&Comparison>) -> Result<()> {
    let Some(Comparison { preset, report, .. }) = model else {
        bail!("{}: no preset has this size", file.path().display());
    };
    if report.missing.is_empty() && report.unused.is_empty() {
        return Ok(());
    }
    bail!(
        "{} as weights of {}: {} missing ({}), {} that nothing knows ({})",
        file.path().display(),
        preset.name(),
        count(report.missing.len(), "key"),
        report.missing.join(", "),
        report.unused.len(),
        report.unused.join(", ")
    )
}

/// What a model of this preset would take from the file.
fn compare(file: &WeightFile, preset: Preset, input: Option<usize>, device: &Device) -> Result<Comparison> {
    /// SAM's own decoder has as many mask tokens, and so many classes can all its heads be loaded for.
    const CLASSES: usize = 4;
    let mut options = ModelOptions::new(preset);
    options.input_size = input;
    let config: ModelConfig = options.resolve(CLASSES)?;
    let report = plan_for(&config, file, &LoadOptions::default(), device)
        .with_context(|| format!("the file does not fit a model of the preset {}", preset.name()))?;
    Ok(Comparison {
        preset,
        input_size: config.input_size(),
        tuning: config.encoder.tuning.name().to_owned(),
        parameters: config.n_parameters(device)?,
        report,
    })
}

fn text(inspection: &Inspection, all_tensors: bool) -> String {
    let mut out = String::new();
    // Writing to a string can't fail.
    let _ = writeln!(out, "{}", inspection.file.display());
    let _ = writeln!(out, "  {}, {}", inspection.architecture, inspection.format);
    let _ = writeln!(out, "  SHA-256 {}", inspection.sha256);
    let _ = writeln!(out, "  {} tensors, {} parameters", inspection.tensors.len(), inspection.n_parameters);
    if all_tensors {
        for TensorLine { key, shape, dtype } in &inspection.tensors {
            let _ = writeln!(out, "    {key} {shape:?} {dtype}");
        }
    }
    let Some(Comparison { preset, input_size, tuning, parameters, report }) = &inspection.model else {
        let _ = writeln!(out, "  no preset has this size; compare with one by --preset");
        return out.trim_end().to_owned();
    };
    let _ = writeln!(
        out,
        "\nAs weights of {} at {input_size} x {input_size} ({tuning}; {} of {} parameters trained)",
        preset.name(),
        parameters.trained,
        parameters.all
    );
    let shape = |key: &String| {
        let tensor = inspection.tensors.iter().find(|tensor| tensor.key == *key);
        tensor.map_or_else(|| key.clone(), |tensor| format!("{key} {:?}", tensor.shape))
    };
    let resized = report.resized.iter().map(|r| format!("{} from {} to {}", r.key, r.from, r.to));
    for (what, keys) in [
        ("used", &Vec::new()),
        ("missing (the model needs them)", &report.missing),
        ("unused (not of this architecture)", &report.unused.iter().map(shape).collect()),
        ("set aside (of no use to this model)", &report.set_aside.iter().map(shape).collect()),
        ("resized", &resized.collect()),
    ] {
        let n = if what == "used" { report.used.len() } else { keys.len() };
        let _ = writeln!(out, "  {n} {what}");
        for key in keys {
            let _ = writeln!(out, "    {key}");
        }
    }
    let _ = writeln!(out, "  {} parameters of the model are new and keep their initial values", report.new.len());
    out.trim_end().to_owned()
}
