//! `fastersam reproduce`

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use clap::Args;

use super::ExistingRun;
use crate::output::print;
use fastersam_experiments::config::{Experiment, Suite};
use fastersam_experiments::provenance::Origin;
use fastersam_experiments::suite::Workspace;
use fastersam_progress::{self as progress, say};
use fastersam_report as report;

/// What to run, on what, and where.
#[derive(Debug, Args)]
pub struct ReproduceArgs {
    /// Suite: a name in configs/suites (smoke, cpu-quick, ...) or a file
    #[arg(long, default_value = "smoke", value_name = "SUITE")]
    suite: String,
    /// Folder with suites, experiments and published results
    #[arg(long, default_value = "configs", value_name = "FOLDER")]
    configs: PathBuf,
    /// Folder that real data sets lie in
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Folder that pre-trained weights lie in
    #[arg(long, value_name = "FOLDER")]
    weights: Option<PathBuf>,
    /// Folder for runs, records and the report [default: runs/SUITE]
    #[arg(long, short, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Run only this experiment; the records of the others stay in the report
    #[arg(long, value_name = "ID")]
    only: Option<String>,
    #[command(flatten)]
    existing: ExistingRun,
    /// Override a value of every experiment, for instance train.epochs=3
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Seed of every random draw [default: the files']
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// Runs a suite, writes its report and prints the report's path.
///
/// # Errors
/// Where configurations, data or weights are missing or broken, where the folder holds a run already, or the user
/// interrupts.
pub fn run(arguments: &ReproduceArgs, device: Device, origin: Origin) -> Result<()> {
    progress::catch_interrupt()?;
    let file = suite_file(arguments)?;
    let name = file.file_stem().and_then(|n| n.to_str()).unwrap_or("suite").to_owned();
    let (suite, experiments) = Suite::read(&file, &arguments.overrides)?;
    let experiments = choose(experiments, arguments, &name)?;
    let folder = arguments.output.clone().unwrap_or_else(|| Path::new("runs").join(&name));
    let data = arguments.data.as_deref();
    let workspace = Workspace::open(&folder, data, arguments.existing.choice(), device, origin)?;
    say(&format!("{}: {} experiments. {}", suite.title, experiments.len(), fastersam_records::NOTICE));
    workspace.run(&experiments)?;
    let published = arguments.configs.join("published");
    let index = report::build(&workspace.records(), &published, &folder.join("report"))?;
    print(&index.display().to_string())
}

/// The suite's file; an unknown name gets the known ones.
fn suite_file(arguments: &ReproduceArgs) -> Result<PathBuf> {
    let given = Path::new(&arguments.suite);
    if given.extension().is_some_and(|e| e == "toml") {
        return Ok(given.to_owned());
    }
    let folder = arguments.configs.join("suites");
    let file = folder.join(format!("{}.toml", arguments.suite));
    if !file.is_file() {
        let mut known: Vec<String> = std::fs::read_dir(&folder)
            .with_context(|| {
                format!(
                    "{} can't be read; run from the project's root, or name its configs with --configs",
                    folder.display()
                )
            })?
            .flatten()
            .filter_map(|entry| entry.path().file_stem()?.to_str().map(str::to_owned))
            .collect();
        known.sort();
        bail!("there is no suite {:?}; there are: {}", arguments.suite, known.join(", "));
    }
    Ok(file)
}

/// The experiments to run, with seed and weight files.
fn choose(mut experiments: Vec<Experiment>, arguments: &ReproduceArgs, suite: &str) -> Result<Vec<Experiment>> {
    if let Some(only) = &arguments.only {
        let known: Vec<String> = experiments.iter().map(|e| e.id.clone()).collect();
        experiments.retain(|experiment| &experiment.id == only);
        if experiments.is_empty() {
            bail!("the suite {suite} has no experiment {only:?}; it has: {}", known.join(", "));
        }
    }
    for experiment in &mut experiments {
        experiment.find_weights(arguments.weights.as_deref())?;
        experiment.seed = arguments.seed.unwrap_or(experiment.seed);
    }
    Ok(experiments)
}
