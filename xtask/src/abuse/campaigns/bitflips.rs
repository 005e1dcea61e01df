//! One flipped bit in a file that is read back: refused, or without any effect.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::segment;
use crate::abuse::Outcome;
use crate::abuse::fixture::{Fixture, first_file};
use crate::abuse::folders::copy;
use crate::abuse::program::Program;
use crate::abuse::random::Random;

/// Flips a bit of a checkpoint, a one-file model, a packed scan, a prepared data set or a record.
pub fn attempt(program: &Program, fixture: &Fixture, place: &Path, random: &mut Random) -> Result<Outcome> {
    copy(&fixture.folder.join("run"), &place.join("run"))?;
    copy(&fixture.folder.join("prepared"), &place.join("prepared"))?;
    for name in ["scan.nii.gz", "model.fastersam"] {
        fs::copy(fixture.folder.join(name), place.join(name))?;
    }
    let map = segment("scan.nii.gz", "map.nii.gz");
    let check = ["data", "check", "prepared", "--partial"];
    let report = ["report", "run", "--published", "configs/published"];
    fs::create_dir_all(place.join("configs/published"))?;
    copy(&crate::workspace::root().join("configs/published"), &place.join("configs/published"))?;
    let record = first_file(&place.join("run/records"))?;
    let case = first_file(&place.join("prepared/cases"))?;
    let relative = |path: &Path| path.strip_prefix(place).unwrap_or(path).to_string_lossy().into_owned();
    // The file, the command that reads it, and whether any acceptance is wrong: these files have a hash.
    let of_file = ["segment", "scan.nii.gz", "-m", "model.fastersam", "-o", "map.nii.gz"];
    let kinds: [(String, &[&str], bool); 8] = [
        (fixture.checkpoint("checkpoint.json")?, &map, true),
        (fixture.checkpoint("model.bpk")?, &map, true),
        (fixture.checkpoint("optimizer.bpk")?, &map, true),
        (fixture.checkpoint("trainer.json")?, &map, true),
        ("model.fastersam".to_owned(), &of_file, true),
        ("scan.nii.gz".to_owned(), &map, false),
        (relative(&case), &check, false),
        (relative(&record), &report, true),
    ];
    let (file, arguments, is_hashed) = random.choose(&kinds);
    let path = place.join(file);
    let mut bytes = fs::read(&path)?;
    let result = |run: &crate::abuse::program::Run| (run.stdout.clone(), fs::read(place.join("map.nii.gz")).ok());
    let before = result(&program.run(place, arguments)?);
    let _ = fs::remove_file(place.join("map.nii.gz"));
    let _ = fs::remove_file(place.join("map_labels.json"));
    let bit = random.below(8 * bytes.len());
    bytes[bit / 8] ^= 1 << (bit % 8);
    fs::write(&path, &bytes)?;
    let run = program.run(place, arguments)?;
    let is_wrong = run.succeeded() && (*is_hashed || result(&run) != before);
    let finding = run.crash().or_else(|| is_wrong.then(|| "it was accepted".to_owned()));
    Ok(Outcome { what: format!("bit {bit} of {file}"), finding, evidence: vec![("flipped".to_owned(), bytes)] })
}
