//! Mutated files of every kind: an error with a reason, or a result; never a crash.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::segment;
use crate::abuse::Outcome;
use crate::abuse::fixture::{Fixture, first_file};
use crate::abuse::folders::copy;
use crate::abuse::program::{Program, sha256};
use crate::abuse::random::Random;

/// Numbers that are at the edge of something.
const NUMBERS: [&str; 14] = [
    "0",
    "-1",
    "1",
    "2",
    "255",
    "65536",
    "2147483648",
    "1000000000",
    "18446744073709551615",
    "1e300",
    "-1e300",
    "0.5",
    "nan",
    "null",
];
/// Bytes likewise.
const BYTES: [u8; 6] = [0, 1, 0x7f, 0x80, 0xfe, 0xff];

/// Mutates one file of the fixture and lets the program read it.
pub fn attempt(program: &Program, fixture: &Fixture, place: &Path, random: &mut Random) -> Result<Outcome> {
    for name in ["run", "npz", "h5", "acdc", "prepared", "own"] {
        copy(&fixture.folder.join(name), &place.join(name))?;
    }
    for name in
        ["scan.nii", "scan.nii.gz", "experiment.toml", "suite.toml", "weights.safetensors", "model.fastersam"]
    {
        fs::copy(fixture.folder.join(name), place.join(name))?;
    }
    let in_folder = |folder: &str| -> Result<String> {
        Ok(first_file(&place.join(folder))?.strip_prefix(place)?.to_string_lossy().into_owned())
    };
    let map = segment("scan.nii", "map.nii.gz");
    let packed_map = segment("scan.nii.gz", "map.nii.gz");
    // These end, once the file is read, because the folder holds a run.
    let train = ["train", "-c", "experiment.toml", "-o", "run"];
    let suite = ["reproduce", "--suite", "suite.toml", "--configs", ".", "-o", "run"];
    let kinds: [(String, &[&str]); 17] = [
        ("scan.nii".to_owned(), &map),
        ("scan.nii.gz".to_owned(), &packed_map),
        (in_folder("own/labels")?, &["data", "check", "own", "--partial"]),
        (
            in_folder("npz/train_npz").or_else(|_| in_folder("npz"))?,
            &["data", "check", "npz", "--partial", "--label-scheme", "transunet"],
        ),
        (
            in_folder("h5/ACDC_training_volumes").or_else(|_| in_folder("h5"))?,
            &["data", "check", "h5", "--partial"],
        ),
        ("acdc/patient001/Info.cfg".to_owned(), &["data", "check", "acdc", "--partial"]),
        ("prepared/dataset.toml".to_owned(), &["data", "check", "prepared", "--partial"]),
        (in_folder("prepared/cases")?, &["data", "check", "prepared", "--partial"]),
        ("own/dataset-description.toml".to_owned(), &["data", "check", "own", "--partial"]),
        ("experiment.toml".to_owned(), &train),
        ("suite.toml".to_owned(), &suite),
        (fixture.checkpoint("checkpoint.json")?, &map),
        (fixture.checkpoint("model.bpk")?, &map),
        ("weights.safetensors".to_owned(), &["inspect", "weights.safetensors"]),
        ("model.fastersam".to_owned(), &["segment", "scan.nii", "-m", "model.fastersam", "-o", "map.nii.gz"]),
        ("model.fastersam".to_owned(), &["inspect", "model.fastersam"]),
        (in_folder("run/records")?, &["report", "run"]),
    ];
    let (file, arguments) = random.choose(&kinds);
    let path = place.join(file);
    let whole = fs::read(&path)?;
    let mut bytes = whole.clone();
    let is_text = std::str::from_utf8(&whole).is_ok();
    for _ in 0..=random.below(3) {
        if is_text && random.below(3) > 0 {
            change_text(&mut bytes, random)
        } else {
            change_bytes(&mut bytes, random)
        }
    }
    // As whoever means harm would seal it: the reader behind the seal is tried too.
    if random.below(2) == 0 {
        reseal(&mut bytes)?;
    }
    fs::write(&path, &bytes)?;
    let run = program.run(place, arguments)?;
    Ok(Outcome {
        what: format!("mutated {file}"),
        finding: run.crash(),
        evidence: vec![("mutated".to_owned(), bytes)],
    })
}

/// Replaces a number of a text.
fn change_text(bytes: &mut Vec<u8>, random: &mut Random) {
    let is_number = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    let starts: Vec<usize> = (0..bytes.len())
        .filter(|&at| bytes[at].is_ascii_digit() && (at == 0 || !is_number(bytes[at - 1])))
        .collect();
    if starts.is_empty() {
        return change_bytes(bytes, random);
    }
    let start = *random.choose(&starts);
    let end = (start..bytes.len()).find(|&at| !is_number(bytes[at])).unwrap_or(bytes.len());
    bytes.splice(start..end, random.choose(&NUMBERS).bytes());
}

/// Changes, cuts, doubles or moves bytes; headers, where sizes and names are, more often than the rest.
fn change_bytes(bytes: &mut Vec<u8>, random: &mut Random) {
    let len = bytes.len();
    if len == 0 {
        return;
    }
    let at = if random.below(2) == 0 { random.below(len.min(600)) } else { random.below(len) };
    match random.below(7) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = *random.choose(&BYTES),
        2 => {
            let size = [2, 4, 8][random.below(3)];
            let value = *random.choose(&BYTES);
            bytes[at..(at + size).min(len)].fill(value);
        }
        3 => bytes.truncate(at),
        4 => {
            let piece = bytes[at..(at + 1 + random.below(64)).min(len)].to_vec();
            let to = random.below(len);
            bytes.splice(to..to, piece);
        }
        5 => {
            bytes.drain(at..(at + 1 + random.below(64)).min(len));
        }
        _ => {
            let number = random.next().to_le_bytes();
            let end = (at + 8).min(len);
            bytes[at..end].copy_from_slice(&number[..end - at]);
        }
    }
}

/// Makes the seal of a sealed file fit again.
fn reseal(bytes: &mut [u8]) -> Result<()> {
    const LEN: usize = 64;
    let place = |key: &str| bytes.windows(key.len()).position(|window| window == key.as_bytes());
    let keys = ["\"seal\": \"", "seal = \"", "\"seal\":\""];
    let Some(start) = keys.iter().find_map(|key| Some(place(key)? + key.len())) else { return Ok(()) };
    let Some(seal) = bytes.get_mut(start..start + LEN) else { return Ok(()) };
    seal.fill(b'0');
    let fitting = sha256(bytes)?;
    bytes[start..start + LEN].copy_from_slice(fitting.as_bytes());
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn mutations_are_repeatable_and_change_something() {
        let text = b"{\"size\": 128, \"rate\": 0.5}".to_vec();
        let mutated = |number| {
            let mut random = Random::new(3, "mutate", number);
            let mut bytes = text.clone();
            change_text(&mut bytes, &mut random);
            change_bytes(&mut bytes, &mut random);
            bytes
        };
        assert!((0..100).all(|number| mutated(number) == mutated(number)));
        assert!((0..100).filter(|&number| mutated(number) != text).count() > 90);
        change_bytes(&mut Vec::new(), &mut Random::new(3, "mutate", 0));
    }
}
