//! Development commands: `cargo xtask <command>`. Thin: everything heavy is in the crates.
#![forbid(unsafe_code)]

#[cfg(unix)]
mod abuse;
mod cases;
mod nifti;
mod own_data;
mod product;
mod program;
mod regress;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

/// Development commands of FasterSAM.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
enum Xtask {
    /// Run all tests, or those of one kind; says at the end which were skipped for lack of data
    Test(test::Test),
    /// Mutated files, flipped bits, kills, full disks, two processes at once and careless command lines against the built
    /// program; keeps what is found
    #[cfg(unix)]
    Abuse(abuse::Abuse),
    /// Small inputs after public bug reports, each with what is right: scans, data sets and command lines
    Cases(cases::Cases),
    /// Describe, check, train, segment and preview phantoms in layouts of other tools, without editing a file
    OwnData(own_data::OwnData),
    /// Check what compilers and linters don't: layers, circles of imports, the documentation, keys of configuration files
    Tidy(tidy::Tidy),
    /// Train, score and time a suite of experiments and write its report: --suite smoke|cpu-quick, --only ID,
    /// --data DIR, --resume, ... (`--help` for all)
    #[command(disable_help_flag = true)]
    Reproduce(program::Passed),
    /// Time encoder and model, alone or (`--peer PYTHON`) beside PyTorch (`--help` for its options)
    #[command(disable_help_flag = true)]
    Bench(program::Passed),
    /// Hold scores, speed, memory, instruction counts, and more against the committed baseline: --planted to see whether it
    /// catches what it should, --compile to time a first compilation, before the program's options (`--help`)
    #[command(disable_help_flag = true)]
    Regress(regress::Regress),
    /// Import, check and describe data sets, write phantoms (`--help` for its options)
    #[command(disable_help_flag = true)]
    Data(program::Passed),
    /// Look at files with pre-trained weights
    #[command(subcommand)]
    Weights(Weights),
}

#[derive(clap::Subcommand)]
enum Weights {
    /// Say what a file is and whether it fits a model (`--help` for its options)
    #[command(disable_help_flag = true)]
    Inspect(program::Passed),
    /// The same, and fail where keys are missing or unknown
    #[command(disable_help_flag = true)]
    Check(program::Passed),
}

fn main() -> ExitCode {
    match run(Xtask::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[allow(clippy::print_stderr)]
            {
                eprintln!("error: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(command: Xtask) -> Result<()> {
    match command {
        Xtask::Test(test) => test.run(),
        #[cfg(unix)]
        Xtask::Abuse(abuse) => abuse.run(),
        Xtask::Cases(cases) => cases.run(),
        Xtask::OwnData(own_data) => own_data.run(),
        Xtask::Tidy(tidy) => tidy.run(),
        Xtask::Reproduce(passed) => passed.run(&["reproduce"]),
        Xtask::Bench(passed) => passed.run(&["bench"]),
        Xtask::Regress(regress) => regress.run(),
        Xtask::Data(passed) => passed.run(&["data"]),
        Xtask::Weights(Weights::Inspect(passed)) => passed.run(&["weights", "inspect"]),
        Xtask::Weights(Weights::Check(passed)) => passed.run(&["weights", "check"]),
    }
}
