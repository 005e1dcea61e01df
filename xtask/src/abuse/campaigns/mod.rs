//! The campaigns, one file each.

mod bitflips;
mod inputs;
mod kill;
mod mutate;
mod pairs;
mod pipes;
mod specials;
mod write_errors;

use std::path::Path;

use anyhow::Result;

use super::Outcome;
use super::fixture::Fixture;
use super::program::Program;
use super::random::Random;

/// One try, in an empty folder of its own.
pub type Attempt = fn(&Program, &Fixture, &Path, &mut Random) -> Result<Outcome>;

/// A kind of abuse.
#[derive(Debug)]
pub struct Campaign {
    /// Its name on the command line.
    pub name: &'static str,
    /// One try.
    pub attempt: Attempt,
}

/// All of them.
pub const ALL: [Campaign; 8] = [
    Campaign { name: "mutate", attempt: mutate::attempt },
    Campaign { name: "bitflips", attempt: bitflips::attempt },
    Campaign { name: "kill", attempt: kill::attempt },
    Campaign { name: "write-errors", attempt: write_errors::attempt },
    Campaign { name: "pairs", attempt: pairs::attempt },
    Campaign { name: "inputs", attempt: inputs::attempt },
    Campaign { name: "pipes", attempt: pipes::attempt },
    Campaign { name: "specials", attempt: specials::attempt },
];

/// The arguments that segment a scan with the trained model.
pub fn segment<'a>(scan: &'a str, output: &'a str) -> [&'a str; 6] {
    ["segment", scan, "-m", "run/checkpoints", "-o", output]
}
