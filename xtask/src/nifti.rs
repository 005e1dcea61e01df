//! Just enough of NIfTI-1 to look at what the program writes and to damage what it reads: little-endian files, packed by the
//! system's gzip.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Bytes of a header.
const HEADER: usize = 348;

/// A file, unpacked.
#[derive(Clone, Debug)]
pub struct Nifti {
    /// All its bytes.
    pub bytes: Vec<u8>,
}

impl Nifti {
    /// Reads a file, packed or not.
    pub fn read(path: &Path) -> Result<Self> {
        let mut bytes = fs::read(path).with_context(|| path.display().to_string())?;
        if bytes.starts_with(&[0x1f, 0x8b]) {
            bytes = gzip(&["-dc"], &bytes).with_context(|| path.display().to_string())?;
        }
        if bytes.len() < HEADER || bytes[..4] != 348_i32.to_le_bytes() {
            bail!("{} is no NIfTI-1 file of little-endian order", path.display());
        }
        Ok(Self { bytes })
    }

    /// Writes it, packed where the name ends in `.gz`; the folders above are made.
    pub fn write(&self, path: &Path) -> Result<()> {
        let is_packed = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
        let packed = if is_packed { gzip(&["-nc1"], &self.bytes)? } else { self.bytes.clone() };
        write(path, &packed)
    }

    /// A number of the header.
    pub fn f32_at(&self, at: usize) -> f32 {
        f32::from_le_bytes(self.four(at))
    }

    /// Sets a number of the header.
    pub fn set_f32(&mut self, at: usize, value: f32) {
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// A small number of the header.
    pub fn i16_at(&self, at: usize) -> i16 {
        i16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    /// Sets a small number of the header.
    pub fn set_i16(&mut self, at: usize, value: i16) {
        self.bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }

    fn four(&self, at: usize) -> [u8; 4] {
        [self.bytes[at], self.bytes[at + 1], self.bytes[at + 2], self.bytes[at + 3]]
    }

    /// Where the voxels begin.
    pub fn offset(&self) -> usize {
        (self.f32_at(108) as usize).clamp(HEADER, self.bytes.len())
    }

    /// The voxels as whole numbers, the first axis fastest. Scaling is left aside: label maps have none.
    pub fn codes(&self) -> Result<Vec<i32>> {
        let voxels = &self.bytes[self.offset()..];
        let short = |two: &[u8]| i32::from(i16::from_le_bytes([two[0], two[1]]));
        Ok(match self.i16_at(70) {
            2 => voxels.iter().map(|&byte| i32::from(byte)).collect(),
            4 => voxels.chunks_exact(2).map(short).collect(),
            512 => voxels.chunks_exact(2).map(|two| short(two) & 0xffff).collect(),
            8 => voxels
                .chunks_exact(4)
                .map(|four| i32::from_le_bytes([four[0], four[1], four[2], four[3]]))
                .collect(),
            other => bail!("voxels of NIfTI type {other} are no label map's"),
        })
    }

    /// A file with other voxels of one byte each, as many as it has.
    pub fn with_bytes(&self, voxels: &[u8]) -> Self {
        let mut changed = Self { bytes: [&self.bytes[..self.offset()], voxels].concat() };
        changed.set_i16(70, 2);
        changed.set_i16(72, 8);
        changed
    }
}

/// Writes a file; the folders above are made.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    fs::write(path, bytes).with_context(|| path.display().to_string())
}

/// Passes bytes through gzip.
pub fn gzip(options: &[&str], bytes: &[u8]) -> Result<Vec<u8>> {
    let mut child = Command::new("gzip")
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("gzip can't be started")?;
    let mut input = child.stdin.take().context("gzip takes no input")?;
    // It writes while it reads: both pipes have to move.
    let bytes = bytes.to_vec();
    let feeder = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().context("gzip")?;
    let fed = feeder.join();
    if !output.status.success() || fed.is_err() {
        bail!("gzip: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output.stdout)
}

/// Mean over the classes that the truth has of the Dice of two label maps.
pub fn mean_dice(found: &[i32], truth: &[i32]) -> Result<f64> {
    if found.len() != truth.len() {
        bail!("a label map of {} voxels for a truth of {}", found.len(), truth.len());
    }
    let classes: std::collections::BTreeSet<i32> = truth.iter().copied().filter(|&class| class != 0).collect();
    let dice = classes.iter().map(|class| {
        let count = |map: &[i32]| map.iter().filter(|other| *other == class).count();
        let both = found.iter().zip(truth).filter(|(a, b)| *a == class && *b == class).count();
        2.0 * both as f64 / (count(found) + count(truth)) as f64
    });
    let dice: Vec<f64> = dice.collect();
    if dice.is_empty() {
        bail!("the truth holds background only");
    }
    Ok(dice.iter().sum::<f64>() / dice.len() as f64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn dice_is_a_mean_over_the_classes_of_the_truth() {
        let dice = |found: &[i32], truth: &[i32]| mean_dice(found, truth).unwrap();
        assert_eq!(dice(&[0, 1, 1, 2], &[0, 1, 1, 2]), 1.0);
        assert_eq!(dice(&[1, 1, 0, 0], &[0, 1, 1, 0]), 0.5);
        assert_eq!(dice(&[3, 1, 0, 0], &[0, 1, 2, 0]), 0.5);
        assert!(mean_dice(&[0], &[0]).is_err() && mean_dice(&[1], &[1, 1]).is_err());
    }
}
