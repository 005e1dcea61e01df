//! `fastersam devices`

use anyhow::Result;
use clap::Args;
use fastersam_device::list;

use super::Printing;
use crate::output::print;

/// What is printed.
#[derive(Debug, Args)]
pub struct DevicesArgs {
    #[command(flatten)]
    printing: Printing,
}

/// Lists the devices that this build and this machine have.
///
/// # Errors
/// Where the list can't be printed.
pub fn run(arguments: &DevicesArgs) -> Result<()> {
    let entries = list();
    if arguments.printing.json {
        return print(&serde_json::to_string(&entries)?);
    }
    entries.iter().try_for_each(|entry| print(&format!("{:<12} {}", entry.name, entry.state())))
}
