//! `cargo xtask regress`: the regression suite, and whether it catches what it should.

mod compile;
pub mod planted;

use anyhow::Result;
use clap::Args;

use crate::program::Passed;

/// What `cargo xtask regress` takes beside the program's own options.
#[derive(Args)]
pub struct Regress {
    /// Plant regressions one after the other in a copy of the sources, and see that each is caught and named
    #[arg(long)]
    planted: bool,
    /// With --planted: only the one of this name
    #[arg(long, value_name = "NAME", requires = "planted")]
    plant: Option<String>,
    /// Also compile the program from nothing, which takes a quarter of an hour, and hold the time against the baseline
    #[arg(long)]
    compile: bool,
    #[command(flatten)]
    passed: Passed,
}

impl Regress {
    /// Runs the suite.
    pub fn run(&self) -> Result<()> {
        if self.planted {
            return planted::run(self.plant.as_deref());
        }
        let given = if self.compile {
            vec![format!("--given=compile.seconds={:.0}", compile::seconds()?)]
        } else {
            Vec::new()
        };
        self.passed.run_with(&["regress"], &given)
    }
}
