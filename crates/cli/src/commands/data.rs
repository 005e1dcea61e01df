//! `fastersam data ...`: import, check, describe, phantom.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use fastersam_datasets::custom::Draft;
use fastersam_datasets::forms::{self, write_phantoms};
use fastersam_datasets::phantom::PhantomOptions;
use fastersam_datasets::{AxisOrder, DataSet, Form, LabelScheme, OpenOptions, check, custom, prepared};
use fastersam_experiments as experiments;
use fastersam_files::{claim_output, write_atomically};
use fastersam_progress::{self as progress, say};

use super::count;

/// The name of a drafted experiment.
const EXPERIMENT: &str = "experiment.toml";
/// The most files that are named as left out.
const MAX_LEFT_OUT: usize = 50;

/// What to do with data.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Bring a data set of any form into the prepared form
    Import {
        /// The data set
        #[command(flatten)]
        source: Source,
        /// New folder for the prepared data set
        #[arg(long, short)]
        output: PathBuf,
    },
    /// Verify a data set: complete splits, shapes, spacing, label values, slices, voxels of each class
    Check {
        /// The data set
        #[command(flatten)]
        source: Source,
        /// Splits that must be there and complete; may be given several times
        #[arg(long)]
        split: Vec<String>,
        /// Accept splits of which only some cases are there
        #[arg(long)]
        partial: bool,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
    /// Draft the TOML file that describes a folder of NIfTI files, and an experiment file to train on them
    Describe {
        /// The folder
        folder: PathBuf,
        /// Where to write the description [default: FOLDER/dataset-description.toml]; the experiment, experiment.toml, goes
        /// beside it
        #[arg(long, short)]
        output: Option<PathBuf>,
        /// Of cases with images of several sequences or channels, the one to use: t1ce, pet, 0001 [default: the first of
        /// FLAIR, T2, T1, CT, ... that is there; channel 0000]
        #[arg(long, value_name = "NAME")]
        sequence: Option<String>,
        /// Replace files that are there already
        #[arg(long)]
        overwrite: bool,
    },
    /// Write phantoms in any form
    Phantom {
        /// The form of the files
        #[arg(long, value_parser = form())]
        form: Form,
        /// New folder
        #[arg(long, short)]
        output: PathBuf,
        /// Number of scans (abdomen) or of patients with two scans each (heart)
        #[arg(long, default_value_t = 10)]
        cases: usize,
        /// Rows and columns
        #[arg(long, default_value_t = 160)]
        size: usize,
        /// Seed of the phantoms
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Label scheme of Synapse forms [default: raw for NIfTI, else transunet]
        #[arg(long, value_parser = label_scheme())]
        label_scheme: Option<LabelScheme>,
        /// Order of the axes in npz and h5 files
        #[arg(long, default_value = "zyx", value_parser = axis_order())]
        axes: AxisOrder,
    },
}

/// A data set on disk and what its files can't say.
#[derive(Debug, Args)]
pub struct Source {
    /// Folder of the data set, or the TOML file that describes one
    path: PathBuf,
    /// The form of the files [default: detected]
    #[arg(long, value_parser = form())]
    form: Option<Form>,
    /// The label scheme of Synapse files [default: raw for NIfTI; npz and h5 files need it]
    #[arg(long, value_parser = label_scheme())]
    label_scheme: Option<LabelScheme>,
    /// Order of the axes in npz and h5 files: zyx (SAMed, h5 of ACDC) or zxy (CASCADE)
    #[arg(long, default_value = "zyx", value_parser = axis_order())]
    axes: AxisOrder,
}

/// The file forms by their names.
fn form() -> impl TypedValueParser<Value = Form> {
    let forms = forms::ALL.map(|form| PossibleValue::new(form.name()).help(form.layout()));
    PossibleValuesParser::new(forms).try_map(|name| name.parse())
}

fn label_scheme() -> impl TypedValueParser<Value = LabelScheme> {
    PossibleValuesParser::new(LabelScheme::ALL.map(LabelScheme::name)).try_map(|name| name.parse())
}

fn axis_order() -> impl TypedValueParser<Value = AxisOrder> {
    PossibleValuesParser::new(AxisOrder::ALL.map(AxisOrder::name)).try_map(|name| name.parse())
}

impl Source {
    fn open(&self) -> Result<DataSet> {
        let options = OpenOptions { form: self.form, label_scheme: self.label_scheme, axes: self.axes };
        Ok(DataSet::open(&self.path, &options)?)
    }
}

/// Runs a command; `print` gives its result.
///
/// # Errors
/// Where files are missing or broken, or a check finds problems.
pub fn run(command: &DataCommand, print: impl Fn(&str) -> Result<()>) -> Result<()> {
    match command {
        DataCommand::Import { source, output } => import(&source.open()?, output, print),
        DataCommand::Check { source, split, partial, json } => {
            let report = check::check(&source.open()?, split, *partial);
            let text =
                if *json { serde_json::to_string(&report)? } else { report.to_string().trim_end().to_owned() };
            print(&text)?;
            match report.problems.len() {
                0 => Ok(()),
                n => bail!("{} in {}", count(n, "problem"), source.path.display()),
            }
        }
        DataCommand::Describe { folder, output, sequence, overwrite } => {
            describe(folder, output.as_deref(), sequence.as_deref(), *overwrite, print)
        }
        DataCommand::Phantom { form, output, cases, size, seed, label_scheme, axes } => {
            let (cases, size, seed, label_scheme, axes) = (*cases, *size, *seed, *label_scheme, *axes);
            write_phantoms(output, *form, &PhantomOptions { cases, size, seed, label_scheme, axes })?;
            print(&output.display().to_string())?;
            Ok(())
        }
    }
}

/// Drafts a description and an experiment.
fn describe(
    folder: &Path,
    output: Option<&Path>,
    sequence: Option<&str>,
    overwrite: bool,
    print: impl Fn(&str) -> Result<()>,
) -> Result<()> {
    let path = output.map_or_else(|| folder.join(custom::FILE_NAME), Path::to_owned);
    let experiment = match output.and_then(Path::file_stem) {
        None => folder.join(EXPERIMENT),
        Some(stem) => path.with_file_name(format!("{}-{EXPERIMENT}", stem.to_string_lossy())),
    };
    let claim = |inputs: &[&Path]| {
        [&path, &experiment].into_iter().try_for_each(|output| claim_output(output, inputs, overwrite))
    };
    claim(&[])?;
    let bar = progress::bar("looking at files", 0, "cases");
    let draft = custom::describe(folder, sequence, &|done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let mut draft = draft?;
    // Least of all onto the data themselves, which are known only now.
    let inputs = draft.description.files(folder)?;
    claim(&inputs.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
    if path.parent().map(|p| p.canonicalize().ok()) != Some(folder.canonicalize().ok()) {
        draft.description.folder = Some(folder.canonicalize().with_context(|| folder.display().to_string())?);
    }
    write_atomically(&path, draft.to_toml()?.as_bytes())?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let drafted = experiments::draft::draft(&draft.description, draft.n_training_slices, &name);
    if let Some(text) = &drafted {
        write_atomically(&experiment, text.as_bytes())?;
    }
    tell(&draft);
    let data = if output.is_some() { path.display() } else { folder.display() };
    match drafted {
        Some(_) => {
            say(&format!("next: fastersam data check {data}, then fastersam train -c {}", experiment.display()))
        }
        None => say(
            "one patient alone can't be trained on and scored: no experiment was drafted; add a scan of another patient",
        ),
    }
    print(&path.display().to_string())
}

/// Which files a draft uses and what it takes them for.
fn tell(draft: &Draft) {
    say(&format!("used {} of {}", draft.n_used, count(draft.n_files, "NIfTI file")));
    for (file, reason) in draft.left_out.iter().take(MAX_LEFT_OUT) {
        say(&format!("  left out: {file}: {reason}"));
    }
    if draft.left_out.len() > MAX_LEFT_OUT {
        say(&format!("  and {} more", draft.left_out.len() - MAX_LEFT_OUT));
    }
    draft.notes.iter().for_each(|note| say(&format!("note: {note}")));
    let splits = draft.description.splits.iter().map(|(name, cases)| format!("{} {name}", cases.len()));
    say(&format!("patients: {}", splits.collect::<Vec<_>>().join(", ")));
    let names = draft.description.labels.iter().map(|label| label.name.as_str());
    say(&format!("labels: {}; correct their names there", names.collect::<Vec<_>>().join(", ")));
}

fn import(set: &DataSet, output: &Path, print: impl Fn(&str) -> Result<()>) -> Result<()> {
    let bar = progress::bar("importing", set.len(), "cases");
    let manifest = prepared::import(set, output, |_| bar.inc(1))?;
    bar.finish_and_clear();
    let slices: usize = manifest.cases.iter().map(|case| case.shape[0]).sum();
    say(&format!(
        "{}: {}, {}, label scheme {}",
        manifest.name,
        count(manifest.cases.len(), "case"),
        count(slices, "slice"),
        manifest.label_scheme
    ));
    print(&output.display().to_string())?;
    Ok(())
}
