//! Disks that are full or broken: an error, and nothing that was there is lost.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::abuse::Outcome;
use crate::abuse::fixture::Fixture;
use crate::abuse::folders::{copy, leftovers, lost, snapshot};
use crate::abuse::program::Program;
use crate::abuse::random::Random;

/// System calls that write, and errors that they end with.
const CALLS: [&str; 4] = ["write", "fsync", "rename", "renameat2"];
const ERRORS: [&str; 3] = ["ENOSPC", "EIO", "EDQUOT"];

/// Lets one system call of a command fail, by strace, or where that is missing limits the size of files.
pub fn attempt(program: &Program, fixture: &Fixture, place: &Path, random: &mut Random) -> Result<Outcome> {
    copy(&fixture.folder.join("run"), &place.join("run"))?;
    copy(&fixture.folder.join("own"), &place.join("own"))?;
    for name in ["scan.nii.gz", "experiment.toml"] {
        fs::copy(fixture.folder.join(name), place.join(name))?;
    }
    let commands: [&[&str]; 5] = [
        &["segment", "scan.nii.gz", "-m", "run/checkpoints", "-o", "out.nii.gz"],
        &["segment", "scan.nii.gz", "-m", "run/checkpoints", "-o", "out.nii"],
        &["data", "import", "own", "-o", "out"],
        &["train", "-c", "experiment.toml", "-o", "out"],
        &["evaluate", "-m", "run/checkpoints", "-c", "experiment.toml", "--records", "out", "--json"],
    ];
    let arguments = *random.choose(&commands);
    let before = snapshot(place)?;
    let (command, how) = faulty(program, place, arguments, random);
    let what = format!("{} with {how}", arguments.join(" "));
    let run = program.finish(command, place)?;
    let after = snapshot(place)?;
    let gone = lost(&before, &after);
    let mut finding = run.crash();
    if !gone.is_empty() {
        finding = Some(format!("{gone:?} changed or went"));
    } else if run.succeeded() && finding.is_none() {
        // Whatever the fault hit did no harm: what is there must be whole.
        finding = damaged(program, fixture, place, arguments)?;
    }
    if finding.is_none() && !run.succeeded() && !leftovers(&after).is_empty() {
        finding = Some(format!("{:?} was left behind", leftovers(&after)));
    }
    Ok(Outcome { what, finding, ..Outcome::default() })
}

/// A command one of whose writes fails, and which one in words.
fn faulty(program: &Program, place: &Path, arguments: &[&str], random: &mut Random) -> (Command, String) {
    let has_strace = Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success());
    if has_strace && random.below(3) > 0 {
        let (call, error, number) = (random.choose(&CALLS), random.choose(&ERRORS), 1 + random.below(12));
        let inject = format!("inject={call}:error={error}:when={number}+");
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", &inject]).arg(program.binary()).args(arguments);
        command.current_dir(place);
        return (command, format!("{error} from {call} number {number} on"));
    }
    let kib = 1 + random.below(300);
    let mut command = Command::new("bash");
    command.args(["-c", &format!("trap '' XFSZ; ulimit -f {kib}; exec \"$@\""), "bash"]);
    command.arg(program.binary()).args(arguments).current_dir(place);
    (command, format!("files of at most {kib} KiB"))
}

/// What is wrong with the output of a command that said that all went well.
fn damaged(program: &Program, fixture: &Fixture, place: &Path, arguments: &[&str]) -> Result<Option<String>> {
    let check: Vec<&str> = match arguments[..2] {
        ["segment", _] => {
            let output = arguments[5];
            let good = program.run(
                &fixture.folder,
                &["segment", "scan.nii.gz", "-m", "run/checkpoints", "-o", output, "--overwrite"],
            )?;
            let same = fs::read(fixture.folder.join(output))? == fs::read(place.join(output)).unwrap_or_default();
            for name in ["out.nii", "out.nii.gz", "out_labels.json", "out.nii_labels.json"] {
                let _ = fs::remove_file(fixture.folder.join(name));
            }
            return Ok((!same || !good.succeeded()).then(|| format!("{output} is not what it should be")));
        }
        ["data", _] => vec!["data", "check", "out", "--partial"],
        ["train", _] => vec!["inspect", "out/checkpoints"],
        _ => return Ok((fs::read_dir(place.join("out"))?.count() != 1).then(|| "there is no record".to_owned())),
    };
    let run = program.run(place, &check)?;
    Ok((!run.succeeded()).then(|| format!("what was written can't be read: {}", run.stderr)))
}
