//! Processes killed at any moment: what was whole stays whole, and a resumed training ends with the same files.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::segment;
use crate::abuse::Outcome;
use crate::abuse::fixture::Fixture;
use crate::abuse::folders::{copy, leftovers, lost, snapshot};
use crate::abuse::program::Program;
use crate::abuse::random::Random;

/// The files that equal trainings have in common to the byte.
const EQUAL: [&str; 2] = ["model.bpk", "optimizer.bpk"];

/// Kills a training (several times), or another command that writes.
pub fn attempt(program: &Program, fixture: &Fixture, place: &Path, random: &mut Random) -> Result<Outcome> {
    if random.below(3) == 0 {
        other(program, fixture, place, random)
    } else {
        training(program, fixture, place, random)
    }
}

fn training(program: &Program, fixture: &Fixture, place: &Path, random: &mut Random) -> Result<Outcome> {
    fs::copy(fixture.folder.join("experiment.toml"), place.join("experiment.toml"))?;
    let arguments = ["train", "-c", "experiment.toml", "-o", "run", "--resume"];
    let mut times = Vec::new();
    for _ in 0..=random.below(4) {
        let time = Duration::from_millis(20 + random.below(1500) as u64);
        times.push(time.as_millis());
        if !program.kill_after(place, &arguments, time)? {
            break;
        }
    }
    let what = format!("a training killed after {times:?} ms");
    let run = program.run(place, &arguments)?;
    if !run.succeeded() {
        let finding = Some(format!("it could not be resumed: {}", run.stderr));
        return Ok(Outcome { what, finding, ..Outcome::default() });
    }
    let files = snapshot(&place.join("run"))?;
    let latest = fs::read_to_string(place.join("run/checkpoints/latest"))?;
    let mut finding = None;
    for name in EQUAL {
        let expected = fs::read(fixture.folder.join(fixture.checkpoint(name)?))?;
        if files.get(&format!("checkpoints/{latest}/{name}")) != Some(&expected) {
            finding = Some(format!("{name} is not that of the unbroken training"));
        }
    }
    let left = leftovers(&files);
    if !left.is_empty() {
        finding = Some(format!("{left:?} was left behind"));
    }
    Ok(Outcome { what, finding, ..Outcome::default() })
}

fn other(program: &Program, fixture: &Fixture, place: &Path, random: &mut Random) -> Result<Outcome> {
    copy(&fixture.folder.join("run"), &place.join("run"))?;
    fs::copy(fixture.folder.join("scan.nii.gz"), place.join("scan.nii.gz"))?;
    copy(&fixture.folder.join("own"), &place.join("own"))?;
    let map = segment("scan.nii.gz", "out.nii.gz");
    let published = crate::workspace::root().join("configs/published");
    let published = published.to_string_lossy();
    let commands: [&[&str]; 4] = [
        &map,
        &["data", "phantom", "--form", "acdc-nifti", "-o", "out", "--cases", "2", "--size", "48"],
        &["data", "import", "own", "-o", "out"],
        &["report", "run", "--published", &published],
    ];
    let arguments = *random.choose(&commands);
    let before = snapshot(place)?;
    let time = Duration::from_millis(random.below(400) as u64);
    let what = format!("{} killed after {} ms", arguments.join(" "), time.as_millis());
    program.kill_after(place, arguments, time)?;
    // What is left of the killed process goes, and nothing else.
    let mut after_kill = snapshot(place)?;
    after_kill.retain(|name, _| !name.contains(".fastersam-writing-"));
    let mut finding = None;
    if arguments[0] != "report" && !lost(&before, &after_kill).is_empty() {
        finding = Some(format!("{:?} changed", lost(&before, &after_kill)));
    }
    // Whole, or not there.
    let next: Vec<&str> = match arguments[0] {
        "segment" => arguments.iter().copied().chain(["--overwrite"]).collect(),
        "data" if place.join("out").exists() => vec!["data", "check", "out", "--partial"],
        _ => arguments.to_vec(),
    };
    let run = program.run(place, &next)?;
    let after = snapshot(place)?;
    if !run.succeeded() {
        finding = Some(format!("{}: {}", next.join(" "), run.stderr));
    } else if arguments[0] == "segment" && !lost(&after_kill, &after).is_empty() {
        finding = Some(format!("{:?} is another one when it is written again", lost(&after_kill, &after)));
    } else if next[..2] != ["data", "check"] && !leftovers(&after).is_empty() {
        finding = Some(format!("{:?} was left behind", leftovers(&after)));
    }
    Ok(Outcome { what, finding, ..Outcome::default() })
}
