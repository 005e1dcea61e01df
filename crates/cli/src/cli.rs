//! The command line.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use burn::tensor::Device;
use clap::{Args, Parser, Subcommand};

use crate::commands::{benchmark, calibrate, evaluate, reproduce, segment, train};
use crate::compare::{CompareArgs, compare};
use crate::data_commands::{self, DataCommand};
use crate::inspect::InspectArgs;
use crate::{bench, device, inspect, report};
use fastersam_experiments::provenance::Origin;

/// Segments medical scans with a Segment Anything encoder that pauses tokens which are already well
/// classified, and reproduces the experiments of its paper.
///
/// A reconstruction from the paper's abstract; not the authors' code, and not a medical device.
#[derive(Debug, Parser)]
#[command(name = "fastersam", bin_name = "fastersam", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    machine: Machine,
}

const EXAMPLES: &str = "\
Examples:
  fastersam reproduce                       train, score, time and draw on built-in phantoms
  fastersam segment scan.nii.gz --model runs/smoke/phantom-abdomen/checkpoints
  fastersam reproduce --suite cpu-quick --data DIR      the same on real scans in DIR
  fastersam COMMAND --help                  what a command takes";

#[derive(Debug, Args)]
#[command(next_help_heading = "Machine")]
struct Machine {
    /// Where to compute: flex (this CPU), cuda, cuda:N, libtorch, libtorch:N
    #[arg(long, global = true, default_value = "flex", value_name = "NAME")]
    device: String,
    /// Number of CPU threads [default: all]
    #[arg(long, global = true, value_name = "N")]
    threads: Option<usize>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Segment a scan: a NIfTI file in, a NIfTI label map of the same orientation and spacing out
    Segment(segment::SegmentArgs),
    /// Train a model as an experiment file says
    Train(train::TrainArgs),
    /// Score a checkpoint on an experiment's data, and keep the result as a record
    Evaluate(evaluate::EvaluateArgs),
    /// Compare two evaluations case by case: difference, interval, p-value
    Compare(CompareArgs),
    /// Time a checkpoint at several pause settings, and keep the times as records
    Benchmark(benchmark::BenchmarkArgs),
    /// Find the pause threshold that just meets a budget (cost, speed or loss of Dice), and note it in the checkpoint
    Calibrate(calibrate::CalibrateArgs),
    /// Time encoder and model at all sizes and pause settings, alone or beside PyTorch
    Bench(BenchArgs),
    /// Say what a checkpoint or a file with pre-trained weights is, and whether it fits a model
    Inspect(InspectArgs),
    /// Import, check and describe data sets, write phantoms
    #[command(subcommand)]
    Data(DataCommand),
    /// Run a suite of experiments and write its report; with no options, on built-in phantoms
    Reproduce(reproduce::ReproduceArgs),
    /// Draw the report of saved records again, without running a model
    Report {
        /// Folder of a run, with `records/` in it: runs/SUITE, or runs/ID of `train`
        run: PathBuf,
        /// Folder with the published results
        #[arg(long, default_value = "configs/published", value_name = "FOLDER")]
        published: PathBuf,
    },
}

#[derive(Debug, Args)]
struct BenchArgs {
    /// A Python with torch and segment-anything: PyTorch's side is timed in turn with ours
    #[arg(long, value_name = "PYTHON")]
    peer: Option<PathBuf>,
    /// Only rows whose name contains one of these; `targets` and `waterfall` stand for the rows of these
    /// tables, `end_to_end` for the time from a scan's file to its class map's
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Rounds; each visits every row [default: 11, with --quick 3]
    #[arg(long)]
    rounds: Option<usize>,
    /// Few rounds
    #[arg(long)]
    quick: bool,
    /// Also the rows of more than 500e9 multiply-accumulates a pass
    #[arg(long)]
    all: bool,
    /// Leave out peak memory, which takes a process of its own for each row
    #[arg(long)]
    no_memory: bool,
    /// Folder of a suite's run: its checkpoints' scores stand beside rows that pause alike
    #[arg(long, value_name = "RUN")]
    dice_from: Option<PathBuf>,
    /// Folder for the record and the report
    #[arg(long, short, default_value = "runs/bench")]
    output: PathBuf,
    /// Also copy the report's Markdown page and the plots that it shows to this folder, for instance
    /// docs/results
    #[arg(long, value_name = "FOLDER")]
    page: Option<PathBuf>,
    /// Print the record as JSON
    #[arg(long)]
    json: bool,
    /// Count instructions of small cases with valgrind instead, and compare them with the baseline
    #[arg(long, conflicts_with_all = ["peer", "only", "rounds", "quick", "all"])]
    instructions: bool,
    /// Make the baseline of the instruction counts anew
    #[arg(long, requires = "instructions")]
    update: bool,
    /// File with the instruction counts to compare with
    #[arg(long, default_value = "configs/baselines/instructions.json")]
    baseline: PathBuf,
    /// Folder with the published results
    #[arg(long, default_value = "configs/published")]
    published: PathBuf,
    /// Print the peak memory of one row
    #[arg(long, hide = true)]
    memory_of: Option<String>,
    /// Run one of the cases whose instructions are counted
    #[arg(long, hide = true)]
    instructions_of: Option<String>,
    /// Passes of that case
    #[arg(long, hide = true, default_value_t = 1)]
    passes: u64,
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// Whatever went wrong, with what to do about it.
    pub fn run(self) -> Result<()> {
        if let Command::Bench(BenchArgs { instructions_of: Some(case), passes, .. }) = &self.command {
            // It sets up a single thread for everything, which can be done once only.
            return bench::instructions::run_case(case, *passes);
        }
        let threads = device::set_threads(self.machine.threads)?;
        let device = device::open(&self.machine.device)?;
        let origin = Origin::new(&self.machine.device, threads);
        match self.command {
            Command::Segment(arguments) => segment::run(&arguments, &device),
            Command::Train(arguments) => train::run(&arguments, &device, &origin),
            Command::Evaluate(arguments) => evaluate::run(&arguments, &device, &origin),
            Command::Compare(arguments) => {
                print(&compare(&arguments)?);
                Ok(())
            }
            Command::Benchmark(arguments) => benchmark::run(&arguments, &device, &origin),
            Command::Calibrate(arguments) => calibrate::run(&arguments, &device, &origin),
            Command::Bench(arguments) => bench_command(&arguments, &device, &origin),
            Command::Inspect(arguments) => {
                print(&inspect::inspect(&arguments, &device)?);
                Ok(())
            }
            Command::Data(command) => data_commands::run(&command, print),
            Command::Reproduce(arguments) => reproduce::run(&arguments, device, origin),
            Command::Report { run, published } => {
                let index = report::build(&run.join("records"), &published, &run.join("report"))?;
                print(&index.display().to_string());
                Ok(())
            }
        }
    }
}

/// The result of a command, on standard output.
pub(crate) fn print(line: &str) {
    // A reader that has gone (`| head`) has seen enough.
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn bench_command(arguments: &BenchArgs, device: &Device, origin: &Origin) -> Result<()> {
    /// Rounds of a run, and of a quick one.
    const ROUNDS: [usize; 2] = [11, 3];
    if let Some(id) = &arguments.memory_of {
        print(&bench::memory_of(id, device)?.map_or_else(String::new, |mib| format!("{mib:.1}")));
        return Ok(());
    }
    if arguments.instructions {
        bench::instructions::compare(&arguments.baseline, arguments.update)?.iter().for_each(|line| print(line));
        return Ok(());
    }
    let options = bench::Options {
        only: arguments.only.clone(),
        peer: arguments.peer.clone(),
        rounds: arguments.rounds.unwrap_or(ROUNDS[usize::from(arguments.quick)]).max(1),
        all: arguments.all,
        memory: !arguments.no_memory,
        dice_from: arguments.dice_from.clone(),
        output: arguments.output.clone(),
    };
    let record = bench::run(&options, device, origin)?;
    let output = &arguments.output;
    let index = report::build(&output.join("records"), &arguments.published, &output.join("report"))?;
    if let Some(folder) = &arguments.page {
        report::copy_bench_page(&output.join("report"), folder)?;
    }
    if arguments.json {
        print(&serde_json::to_string(&record)?);
    } else {
        print(&bench::summary(&record));
        print(&index.display().to_string());
    }
    Ok(())
}
