//! Instruction counts of small cases, against a committed baseline: unlike times, they hardly depend on what
//! else a machine does.
//!
//! Each case runs under `valgrind --tool=callgrind`, on one thread, once with one pass and once with two;
//! the difference is one pass. Valgrind knows no AVX-512: counted is the AVX2 path.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use burn::tensor::{Device, Tensor};
use fastersam::{ModelOptions, Preset, VolumeSegmenter};
use fastersam_kernels::{
    Conv3x3, GridPos, LayerNorm, Linear, RaggedLayout, RelativePositions, ragged_self_attention,
};
use fastersam_pausing_encoder::PauseSettings;
use serde::{Deserialize, Serialize};

use super::ours::images;
use fastersam_progress::{self as progress, say};

/// Said in the file of the baseline.
const NOTE: &str = "Instructions of one pass on one thread, counted by callgrind. Valgrind knows no AVX-512, so this \
     is the AVX2 path. Another compiler may count otherwise.";
/// Counts may grow by this share. They may also shrink; then the baseline wants an update.
const TOLERANCE: f64 = 0.02;
/// Passes of the second run; the first has one. The difference leaves out the start of the program.
const PASSES: u64 = 2;

/// The committed counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Baseline {
    note: String,
    valgrind: String,
    rustc: String,
    tolerance: f64,
    instructions: BTreeMap<String, u64>,
}

type Work = Box<dyn FnMut() -> Result<()>>;

/// A name, and what sets the case up.
type Case = (&'static str, fn(&Device) -> Result<Work>);

/// The cases by name.
const CASES: [Case; 9] = [
    ("layer_norm 196 x 768", |device| {
        let (norm, x) = (LayerNorm::new(768, 1e-6, device), rows(196, 768, device));
        Ok(pass(move || norm.forward(x.clone())))
    }),
    ("linear_gelu 196 x 768 x 3072", |device| Ok(linear_gelu(196, device))),
    ("linear_gelu 49 x 768 x 3072", |device| Ok(linear_gelu(49, device))),
    ("linear_gelu 17 x 768 x 3072", |device| Ok(linear_gelu(17, device))),
    ("attention 196 + 49 + 17 + 1 tokens, 12 heads of 64", |device| Ok(attention(device))),
    ("conv_3x3 56 x 56 x 64 to 64", |device| Ok(conv(device))),
    ("tiny model, 128 pixels, never", |device| model(PauseSettings::never(), device)),
    ("tiny model, 128 pixels, keep 0.5 / 0.5", |device| model(PauseSettings::keep_ratio([0.5, 0.5]), device)),
    ("up-scaling and classes, 9 x 32 x 32 to 128", class_maps),
];

fn rows(m: usize, d: usize, device: &Device) -> Tensor<2> {
    images([1, 1, m, d], device).reshape([m, d])
}

fn pass<const D: usize>(mut work: impl FnMut() -> Tensor<D> + 'static) -> Work {
    Box::new(move || {
        drop(work().into_data());
        Ok(())
    })
}

fn linear_gelu(m: usize, device: &Device) -> Work {
    // Values make no difference, and drawing them under callgrind takes longer than what is counted.
    let (weight, bias) = (Tensor::ones([768, 3072], device), Tensor::ones([3072], device));
    let (mut layer, x) = (Linear::from_parts(weight, Some(bias)), rows(m, 768, device));
    layer.prepack();
    pass(move || layer.forward_gelu(x.clone()))
}

fn attention(device: &Device) -> Work {
    let lengths = [196, 49, 17, 1];
    // Spread over the grid of 14, as tokens that stay active are.
    let on_grid = |length: usize| {
        let spread = (0..length as u16).map(move |i| i * 196 / length as u16);
        spread.map(|at| GridPos { row: at / 14, col: at % 14 })
    };
    let positions: Vec<GridPos> = lengths.into_iter().flat_map(on_grid).collect();
    let qkv = rows(positions.len(), 3 * 768, device);
    let layout = Arc::new(RaggedLayout::of_lengths(&lengths).with_positions(positions.clone(), positions));
    let tables = RelativePositions { height: rows(27, 64, device), width: rows(27, 64, device) };
    pass(move || ragged_self_attention(qkv.clone(), &layout, 12, Some(tables.clone())))
}

fn conv(device: &Device) -> Work {
    let mut conv = Conv3x3::new([64, 64], 1, true, device);
    conv.prepack();
    let x = rows(56 * 56, 64, device);
    pass(move || conv.forward(x.clone(), [56, 56]).0)
}

fn model(settings: PauseSettings, device: &Device) -> Result<Work> {
    let model = ModelOptions::new(Preset::Tiny).resolve(9)?.init(1, device)?.prepack();
    let images = images([1, 1, 128, 128], device);
    Ok(Box::new(move || {
        drop(model.forward(images.clone(), &settings)?.logits.into_data());
        Ok(())
    }))
}

fn class_maps(device: &Device) -> Result<Work> {
    let config = ModelOptions::new(Preset::Tiny).resolve(9)?;
    let segmenter = VolumeSegmenter::new(config.init(1, device)?.prepack());
    let logits = images([1, 9, 32, 32], device);
    Ok(Box::new(move || {
        drop(segmenter.class_maps(logits.clone()));
        Ok(())
    }))
}

/// Runs a case under no tool at all; this is what callgrind watches.
///
/// # Errors
/// Where there is no such case.
pub fn run_case(name: &str, passes: u64) -> Result<()> {
    // This thread is the pool: nothing runs, waits or spins elsewhere.
    rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global()?;
    let Some((_, build)) = CASES.iter().find(|(case, _)| *case == name) else {
        bail!("there is no case {name:?}");
    };
    let mut work = build(&Device::flex())?;
    for _ in 0..passes {
        work()?;
    }
    Ok(())
}

/// Counts all cases and compares them with the baseline, or makes it anew; gives lines to print.
///
/// # Errors
/// Where a case takes more instructions than the tolerance allows, or where there is no baseline.
pub fn compare(baseline: &Path, update: bool) -> Result<Vec<String>> {
    let Some(valgrind) = version("valgrind") else {
        return Ok(vec!["skipped: valgrind, which counts the instructions, is not installed".to_owned()]);
    };
    // A file that is none is not replaced either.
    let before = if baseline.exists() || !update { Some(read(baseline)?) } else { None };
    let before = before.filter(|_| !update);
    let bar = progress::bar("instructions", CASES.len(), "cases");
    let mut counts = BTreeMap::new();
    for (name, _) in CASES {
        bar.set_message(name);
        let one = count(name, 1)?;
        let many = count(name, PASSES)?;
        counts.insert(name.to_owned(), many.saturating_sub(one) / (PASSES - 1));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let rustc = version("rustc").unwrap_or_else(|| "unknown".to_owned());
    let Some(before) = before else {
        let note = NOTE.to_owned();
        let made = Baseline { note, valgrind, rustc, tolerance: TOLERANCE, instructions: counts };
        if let Some(folder) = baseline.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let text = serde_json::to_string_pretty(&made)? + "\n";
        fastersam_files::write_atomically(baseline, text.as_bytes())?;
        return Ok(vec![format!("{} written", baseline.display())]);
    };
    if before.rustc != rustc {
        say(&format!("the baseline was made with {}, this is {rustc}", before.rustc));
    }
    verdict(&before, &counts, baseline)
}

/// A line a case.
fn verdict(before: &Baseline, counts: &BTreeMap<String, u64>, path: &Path) -> Result<Vec<String>> {
    if !before.instructions.keys().eq(counts.keys()) {
        bail!("{} has other cases; update it", path.display());
    }
    let mut lines = vec![format!("{:<54} {:>14} {:>14} {:>9}", "case (AVX2)", "baseline", "now", "change")];
    let mut grown = Vec::new();
    for (name, &now) in counts {
        let then = before.instructions[name];
        let change = now as f64 / then.max(1) as f64 - 1.0;
        lines.push(format!("{name:<54} {then:>14} {now:>14} {:>8.2} %", 100.0 * change));
        if now as f64 > then as f64 * (1.0 + before.tolerance) {
            grown.push(name.as_str());
        }
    }
    if grown.is_empty() {
        return Ok(lines);
    }
    bail!(
        "{}\nmore instructions than {} allows: {}; if that is wanted, run it again with --update",
        lines.join("\n"),
        path.display(),
        grown.join(", ")
    )
}

fn read(path: &Path) -> Result<Baseline> {
    let text = fastersam_files::read_text(path, 1 << 20).context("it is the baseline; --update makes one")?;
    serde_json::from_str(&text).with_context(|| format!("{} is no baseline", path.display()))
}

/// What a program says of its version.
fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Instructions of a run of the case, the start of the program included.
fn count(name: &str, passes: u64) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("callgrind.out");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", &format!("--callgrind-out-file={}", file.display())])
        .arg(std::env::current_exe()?)
        .args(["bench", "--instructions-of", name, "--passes", &passes.to_string()])
        .output()?;
    if !output.status.success() {
        bail!("callgrind could not count {name:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    let text = std::fs::read_to_string(&file)?;
    text.lines()
        .find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok())
        .with_context(|| format!("callgrind counted nothing for {name:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_instructions_than_allowed_fail_and_fewer_do_not() {
        let counts = |n: u64| BTreeMap::from([("a".to_owned(), 1000), ("b".to_owned(), n)]);
        let text = |text: &str| text.to_owned();
        let before = Baseline {
            note: text(NOTE),
            valgrind: text("valgrind-3"),
            rustc: text("rustc 1"),
            tolerance: 0.02,
            instructions: counts(5000),
        };
        let check = |n: u64| verdict(&before, &counts(n), Path::new("baseline.json"));
        assert_eq!(check(5100).map(|lines| lines.len()).ok(), Some(3));
        assert!(check(100).is_ok());
        let message = check(5101).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains("baseline.json") && message.contains(": b;"), "{message}");
        assert!(verdict(&before, &BTreeMap::new(), Path::new("baseline.json")).is_err());
    }
}
