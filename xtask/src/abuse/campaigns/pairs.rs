//! Two processes at once on one folder: one wins, the other says so, and no model is lost.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Result;

use crate::abuse::Outcome;
use crate::abuse::fixture::Fixture;
use crate::abuse::folders::leftovers;
use crate::abuse::folders::snapshot;
use crate::abuse::program::Program;
use crate::abuse::random::Random;

/// Starts a training twice, one shortly after the other.
pub fn attempt(program: &Program, fixture: &Fixture, place: &Path, random: &mut Random) -> Result<Outcome> {
    fs::copy(fixture.folder.join("experiment.toml"), place.join("experiment.toml"))?;
    let starts: [&[&str]; 3] = [&[], &["--resume"], &["--overwrite"]];
    let arguments = |more: &[&'static str]| -> Vec<&'static str> {
        ["train", "-c", "experiment.toml", "-o", "run"].into_iter().chain(more.iter().copied()).collect()
    };
    let (first, second) = (*random.choose(&starts), *random.choose(&starts));
    let pause = Duration::from_millis(random.below(800) as u64);
    let what = format!("train {first:?}, and {} ms later train {second:?}", pause.as_millis());
    let start = |more: &[&'static str]| {
        program.command(place, arguments(more)).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    };
    let one = start(first)?;
    std::thread::sleep(pause);
    let other = start(second)?;
    let (one, other) = (program.watch(one)?, program.watch(other)?);
    let mut finding = one.crash().or_else(|| other.crash());
    if finding.is_none() && !one.succeeded() && !other.succeeded() {
        finding = Some("neither trained a model".to_owned());
    }
    // Whoever won, the model is there, whole, and that of the unbroken training.
    let resumed = program.run(place, &arguments(&["--resume"]))?;
    if !resumed.succeeded() {
        finding = Some(format!("afterwards: {}", resumed.stderr));
    } else if let Ok(latest) = fs::read_to_string(place.join("run/checkpoints/latest")) {
        let expected = fs::read(fixture.folder.join(fixture.checkpoint("model.bpk")?))?;
        if fs::read(place.join("run/checkpoints").join(latest).join("model.bpk"))? != expected {
            finding = Some("another model than that of one process alone".to_owned());
        }
    }
    let files = snapshot(place)?;
    if !leftovers(&files).is_empty() {
        finding = Some(format!("{:?} was left behind", leftovers(&files)));
    }
    Ok(Outcome { what, finding, ..Outcome::default() })
}
