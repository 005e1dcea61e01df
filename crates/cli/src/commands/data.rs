//! `fastersam data ...`: import, check, describe, phantom.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use fastersam_datasets::coding::{AxisOrder, SynapseCoding};
use fastersam_datasets::write::{PhantomOptions, phantoms};
use fastersam_datasets::{DataSet, Form, OpenOptions, check, custom, prepared};

use fastersam_progress::say;

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
    /// Draft the TOML file that describes a folder of NIfTI files
    Describe {
        /// The folder
        folder: PathBuf,
        /// Where to write the file [default: FOLDER/dataset-description.toml]
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
    /// Write phantoms in any form
    Phantom {
        /// The form of the files
        #[arg(long)]
        form: FormName,
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
        /// Coding of the label files of Synapse forms [default: raw for NIfTI, else transunet]
        #[arg(long)]
        coding: Option<CodingName>,
        /// Order of the axes in npz and h5 files
        #[arg(long, default_value = "zyx")]
        axes: AxesName,
    },
}

/// A data set on disk and what its files can't say.
#[derive(Debug, Args)]
pub struct Source {
    /// Folder of the data set, or the TOML file that describes one
    path: PathBuf,
    /// The form of the files [default: found out]
    #[arg(long)]
    form: Option<FormName>,
    /// The coding of Synapse labels [default: raw for NIfTI; npz and h5 files need it]
    #[arg(long)]
    coding: Option<CodingName>,
    /// Order of the axes in npz and h5 files: zyx (SAMed, h5 of ACDC) or zxy (CASCADE)
    #[arg(long, default_value = "zyx")]
    axes: AxesName,
}

/// Names on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[allow(missing_docs, reason = "the names of `Form`")]
pub enum FormName {
    SynapseNifti,
    SynapseNpz,
    AcdcNifti,
    AcdcH5,
    AcdcH5Slices,
    AcdcNpz,
    Nifti,
    Prepared,
}

impl From<FormName> for Form {
    fn from(name: FormName) -> Self {
        match name {
            FormName::SynapseNifti => Self::SynapseNifti,
            FormName::SynapseNpz => Self::SynapseNpz,
            FormName::AcdcNifti => Self::AcdcNifti,
            FormName::AcdcH5 => Self::AcdcH5,
            FormName::AcdcH5Slices => Self::AcdcH5Slices,
            FormName::AcdcNpz => Self::AcdcNpz,
            FormName::Nifti => Self::Nifti,
            FormName::Prepared => Self::Prepared,
        }
    }
}

/// Names on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[allow(missing_docs, reason = "the names of `SynapseCoding`")]
pub enum CodingName {
    Raw,
    Transunet,
    Samed,
}

impl From<CodingName> for SynapseCoding {
    fn from(name: CodingName) -> Self {
        match name {
            CodingName::Raw => Self::Raw,
            CodingName::Transunet => Self::Transunet,
            CodingName::Samed => Self::Samed,
        }
    }
}

/// Names on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[allow(missing_docs, reason = "the names of `AxisOrder`")]
pub enum AxesName {
    Zyx,
    Zxy,
}

impl From<AxesName> for AxisOrder {
    fn from(name: AxesName) -> Self {
        match name {
            AxesName::Zyx => Self::Zyx,
            AxesName::Zxy => Self::Zxy,
        }
    }
}

impl Source {
    fn open(&self) -> Result<DataSet> {
        let (form, coding) = (self.form.map(Form::from), self.coding.map(SynapseCoding::from));
        let options = OpenOptions { form, coding, axes: self.axes.into() };
        Ok(DataSet::open(&self.path, &options)?)
    }
}

/// Runs a command; `print` gives its result.
///
/// # Errors
/// Where files are missing or broken, or a check finds problems.
pub fn run(command: &DataCommand, print: impl Fn(&str)) -> Result<()> {
    match command {
        DataCommand::Import { source, output } => import(&source.open()?, output, print),
        DataCommand::Check { source, split, partial, json } => {
            let report = check::check(&source.open()?, split, *partial);
            let text =
                if *json { serde_json::to_string(&report)? } else { report.to_string().trim_end().to_owned() };
            print(&text);
            match report.problems.len() {
                0 => Ok(()),
                n => bail!("{n} problems in {}", source.path.display()),
            }
        }
        DataCommand::Describe { folder, output } => {
            let mut draft = custom::describe(folder)?;
            let default = folder.join(custom::FILE_NAME);
            let path = output.as_ref().unwrap_or(&default);
            if path.parent().map(|p| p.canonicalize().ok()) != Some(folder.canonicalize().ok()) {
                draft.folder = Some(folder.canonicalize().with_context(|| folder.display().to_string())?);
            }
            if path.exists() {
                bail!("{} exists: name another file with --output", path.display());
            }
            std::fs::write(path, custom::to_toml(&draft)?).with_context(|| path.display().to_string())?;
            say(&format!("{} labels; give them their names, then `fastersam data check`", draft.labels.len()));
            print(&path.display().to_string());
            Ok(())
        }
        DataCommand::Phantom { form, output, cases, size, seed, coding, axes } => {
            let form = Form::from(*form);
            let usual = if form == Form::SynapseNifti { SynapseCoding::Raw } else { SynapseCoding::Transunet };
            let coding = coding.map_or(usual, SynapseCoding::from);
            let options = PhantomOptions { cases: *cases, size: *size, seed: *seed, coding, axes: (*axes).into() };
            phantoms(output, form, &options)?;
            print(&output.display().to_string());
            Ok(())
        }
    }
}

fn import(set: &DataSet, output: &Path, print: impl Fn(&str)) -> Result<()> {
    let bar = fastersam_progress::bar("importing", set.len(), "cases");
    let manifest = prepared::import(set, output, |_| bar.inc(1))?;
    bar.finish_and_clear();
    let slices: usize = manifest.cases.iter().map(|case| case.shape[0]).sum();
    say(&format!(
        "{}: {} cases, {slices} slices, coding {}",
        manifest.name,
        manifest.cases.len(),
        manifest.coding
    ));
    print(&output.display().to_string());
    Ok(())
}
