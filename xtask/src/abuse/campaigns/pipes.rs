//! Terminals that close, pipes that nobody reads and full disks behind standard output.

use std::fs::{self, File, OpenOptions};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;

use super::segment;
use crate::abuse::Outcome;
use crate::abuse::fixture::Fixture;
use crate::abuse::folders::copy;
use crate::abuse::program::Program;
use crate::abuse::random::Random;

/// Runs a command with something wrong at its ends.
pub fn attempt(program: &Program, fixture: &Fixture, place: &Path, random: &mut Random) -> Result<Outcome> {
    copy(&fixture.folder.join("run"), &place.join("run"))?;
    for name in ["scan.nii.gz", "experiment.toml"] {
        fs::copy(fixture.folder.join(name), place.join(name))?;
    }
    let train = ["train", "-c", "experiment.toml", "-o", "new"];
    let map = segment("scan.nii.gz", "map.nii.gz");
    let full = || OpenOptions::new().write(true).open("/dev/full");
    let (what, finding) = match random.below(5) {
        0 => {
            let mut command = program.command(place, map);
            let child = command.stdout(full()?).stderr(File::create(place.join("said"))?).spawn()?;
            let run = program.watch(child)?;
            (
                "segment, its output on a full disk",
                run.succeeded().then(|| "it says that all went well".to_owned()).or_else(|| run.crash()),
            )
        }
        1 => {
            let mut command = program.command(place, ["inspect", "run/checkpoints"]);
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
            // Nobody reads.
            drop(child.stdout.take());
            let run = program.watch(child)?;
            (
                "inspect, its reader gone",
                run.succeeded().then(|| "it says that all went well".to_owned()).or_else(|| run.crash()),
            )
        }
        2 => {
            let child = program.command(place, train).stdout(Stdio::null()).stderr(full()?).spawn()?;
            let run = program.watch(child)?;
            ("train, standard error full", trained(&run, place))
        }
        3 => {
            let mut command = Command::new("bash");
            command.args(["-c", "exec \"$@\" 2>&-", "bash"]).arg(program.binary()).args(train).current_dir(place);
            let run = program.watch(command.stdout(Stdio::null()).spawn()?)?;
            ("train, standard error closed", trained(&run, place))
        }
        _ => {
            let mut command = Command::new("nohup");
            command.arg(program.binary()).args(train).current_dir(place);
            let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
            std::thread::sleep(Duration::from_millis(100 + random.below(600) as u64));
            let _ = Command::new("kill").args(["-HUP", &child.id().to_string()]).stderr(Stdio::null()).status();
            let run = program.watch(child)?;
            ("train under nohup, the terminal closed", trained(&run, place))
        }
    };
    Ok(Outcome { what: what.to_owned(), finding, ..Outcome::default() })
}

/// What is wrong with a training that had to go on and save.
fn trained(run: &crate::abuse::program::Run, place: &Path) -> Option<String> {
    let saved = place.join("new/checkpoints/latest").exists();
    run.crash().or_else(|| {
        (!run.succeeded() || !saved).then(|| format!("it ended with code {:?}, saved: {saved}", run.code))
    })
}
