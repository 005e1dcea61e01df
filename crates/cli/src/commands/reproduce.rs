//! `fastersam reproduce`

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use clap::Args;

use super::{ExistingRun, count, published_folder};
use crate::output::print;
use fastersam_experiments::built_in::SUITES;
use fastersam_experiments::config::{Experiment, Suite};
use fastersam_experiments::provenance::Origin;
use fastersam_experiments::suite::Workspace;
use fastersam_progress::{self as progress, say};
use fastersam_report as report;

/// What to run, on what, and where.
#[derive(Debug, Args)]
pub struct ReproduceArgs {
    /// Suite: a name (smoke, cpu-quick, ...) or a file
    #[arg(long, default_value = "smoke", value_name = "SUITE")]
    suite: String,
    /// Folder with suites, experiments and published results [default: configs if the suite is there, else what is built
    /// into the program]
    #[arg(long, value_name = "FOLDER")]
    configs: Option<PathBuf>,
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
    let name = Path::new(&arguments.suite).file_stem().and_then(|n| n.to_str()).unwrap_or("suite").to_owned();
    let (suite, experiments) = read_suite(arguments)?;
    let experiments = choose(experiments, arguments, &name)?;
    let folder = arguments.output.clone().unwrap_or_else(|| Path::new("runs").join(&name));
    let data = arguments.data.as_deref();
    let workspace = Workspace::open(&folder, data, arguments.existing.choice(), device, origin)?;
    let n_experiments = count(experiments.len(), "experiment");
    say(&format!("{}: {n_experiments}. {}", suite.title, fastersam_records::NOTICE));
    workspace.run(&experiments)?;
    let published = arguments.configs.as_ref().map(|configs| configs.join("published"));
    let published = published_folder(published.as_deref().filter(|published| published.is_dir()));
    let index = report::build(&workspace.records(), published.as_deref(), &folder.join("report"))?;
    print(&index.display().to_string())
}

/// The suite: from the file that is given, from the folder of suites, or built in; an unknown name gets the known ones.
fn read_suite(arguments: &ReproduceArgs) -> Result<(Suite, Vec<Experiment>)> {
    let (given, overrides) = (Path::new(&arguments.suite), &arguments.overrides);
    if given.extension().is_some_and(|e| e == "toml") {
        return Suite::read(given, overrides);
    }
    let folder = arguments.configs.as_deref().unwrap_or(Path::new("configs")).join("suites");
    let file = folder.join(format!("{}.toml", arguments.suite));
    if file.is_file() {
        return Suite::read(&file, overrides);
    }
    let mut known: Vec<String> = match &arguments.configs {
        None => SUITES.map(|(name, _)| name.to_owned()).into(),
        Some(_) => std::fs::read_dir(&folder)
            .with_context(|| format!("the folder of suites {} can't be read", folder.display()))?
            .flatten()
            .filter_map(|entry| entry.path().file_stem()?.to_str().map(str::to_owned))
            .collect(),
    };
    if arguments.configs.is_none()
        && let Some(suite) = Suite::built_in(&arguments.suite, overrides)
    {
        return suite;
    }
    known.sort();
    bail!("unknown suite `{}`; choose {}", arguments.suite, known.join(", "))
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
