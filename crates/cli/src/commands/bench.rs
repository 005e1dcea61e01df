//! `fastersam bench`

use std::path::PathBuf;

use anyhow::Result;
use burn::tensor::Device;
use clap::Args;
use fastersam_bench as bench;
use fastersam_experiments::provenance::Origin;
use fastersam_report as report;

use crate::output::print;

/// What the bench measures.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// A Python with torch and segment-anything: PyTorch's side is timed in turn with ours
    #[arg(long, value_name = "PYTHON")]
    peer: Option<PathBuf>,
    /// Only rows whose name contains one of these; `targets` and `waterfall` stand for the rows of these
    /// tables, `whole_way` for the way from file to file
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

impl BenchArgs {
    /// Whether it is one of the cases whose instructions are counted. It sets up a single thread for everything,
    /// which can be done once only, so nothing else must have started.
    pub fn runs_alone(&self) -> bool {
        self.instructions_of.is_some()
    }

    /// Runs that case.
    ///
    /// # Errors
    /// Where there is no such case.
    pub fn run_alone(&self) -> Result<()> {
        bench::instructions::run_case(self.instructions_of.as_deref().unwrap_or_default(), self.passes)
    }
}

/// Runs the bench, writes record and report, and prints the times.
///
/// # Errors
/// Where no row matches, the peer fails or a file can't be written.
pub fn run(arguments: &BenchArgs, device: &Device, origin: &Origin) -> Result<()> {
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
    let record = bench::run(&options, device, origin.provenance(serde_json::Value::Null, 1, "none", None))?;
    let output = &arguments.output;
    let index = report::build(&output.join("records"), &arguments.published, &output.join("report"))?;
    if let Some(folder) = &arguments.page {
        report::copy_bench_page(&output.join("report"), folder)?;
    }
    if arguments.json {
        print(&serde_json::to_string(&record)?);
    } else {
        print(&report::bench_summary(&record));
        print(&index.display().to_string());
    }
    Ok(())
}
