//! `fastersam reproduce`

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use clap::Args;

use super::cluster::{Scheduler, on_cluster};
use super::{ExistingRun, Printing, count, published_folder};
use crate::output::print;
use fastersam_experiments::built_in::SUITES;
use fastersam_experiments::config::{Experiment, Suite};
use fastersam_experiments::provenance::Origin;
use fastersam_experiments::suite::{Workspace, cells};
use fastersam_progress::{self as progress, say};
use fastersam_report as report;

/// What to run, on what, and where.
#[derive(Debug, Args)]
pub struct ReproduceArgs {
    /// Suite: a name (smoke, cpu-quick, ...) or a file
    #[arg(long, default_value = "smoke", value_name = "SUITE")]
    pub(super) suite: String,
    /// Folder with suites, experiments and published results [default: configs if the suite is there, else what is built
    /// into the program]
    #[arg(long, value_name = "FOLDER")]
    pub(super) configs: Option<PathBuf>,
    /// Folder that real data sets lie in
    #[arg(long, value_name = "FOLDER")]
    pub(super) data: Option<PathBuf>,
    /// Folder that pre-trained weights lie in
    #[arg(long, value_name = "FOLDER")]
    pub(super) weights: Option<PathBuf>,
    /// Folder for runs, records and the report [default: runs/SUITE]
    #[arg(long, short, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Run only this experiment; the records of the others stay in the report
    #[arg(long, value_name = "ID")]
    only: Option<String>,
    /// Run only this cell, by its number (from 0) or the experiment's id; others may be at work on other cells of the same
    /// folder, and what was begun goes on
    #[arg(long, value_name = "CELL", conflicts_with_all = ["only", "resume", "overwrite"])]
    cell: Option<String>,
    /// Say of each cell whether it is done, running, failed (and why), begun or missing, and compute nothing
    #[arg(long, conflicts_with_all = ["cell", "only"])]
    status: bool,
    /// Submit the cells that are open to this scheduler: slurm
    #[arg(long, value_name = "SCHEDULER", conflicts_with_all = ["cell", "only", "status", "resume", "overwrite"])]
    on: Option<Scheduler>,
    /// With --on: a file with what a job asks the cluster for, in place of the suite's [cluster]
    #[arg(long, value_name = "FILE", requires = "on")]
    pub(super) cluster: Option<PathBuf>,
    /// With --on: print the scripts, and submit nothing
    #[arg(long, requires = "on")]
    pub(super) dry_run: bool,
    #[command(flatten)]
    existing: ExistingRun,
    /// Override a value of every experiment, for instance train.epochs=3
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) overrides: Vec<String>,
    /// Seed of every random draw [default: the files']
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    #[command(flatten)]
    printing: Printing,
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
    if arguments.status {
        return status(&folder, &experiments, arguments);
    }
    if arguments.on.is_some() {
        return on_cluster(&suite, &name, &folder, &experiments, arguments, &origin);
    }
    if let Some(cell) = &arguments.cell {
        let experiment = cells::choose(&experiments, cell)?;
        return Workspace::shared(&folder, data, device, origin)?.run_cell(experiment);
    }
    let workspace = Workspace::open(&folder, data, arguments.existing.choice(), device, origin)?;
    let n_experiments = count(experiments.len(), "experiment");
    say(&format!("{}: {n_experiments}. {}", suite.title, fastersam_records::NOTICE));
    workspace.run(&experiments)?;
    let published = arguments.configs.as_ref().map(|configs| configs.join("published"));
    let published = published_folder(published.as_deref().filter(|published| published.is_dir()));
    let index = report::build(&workspace.records(), published.as_deref(), &folder.join("report"))?;
    print(&index.display().to_string())
}

/// Prints where each cell stands.
fn status(folder: &Path, experiments: &[Experiment], arguments: &ReproduceArgs) -> Result<()> {
    let cells = cells::cells(folder, experiments)?;
    if arguments.printing.json {
        return print(&serde_json::to_string(&cells)?);
    }
    cells.iter().try_for_each(|cell| print(&cell.to_string()))?;
    let open = cells.iter().filter(|cell| cell.is_open()).count();
    print(&format!("{} of {} open", open, count(cells.len(), "cell")))
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
