//! Instruction counts of small cases, a whole forward pass and a training step: unlike times, they hardly depend on what else a
//! machine does.
//!
//! Each case runs under `valgrind --tool=callgrind`, on one thread, once with one pass and once with two;
//! the difference is one pass. Valgrind knows no AVX-512: counted is the AVX2 path.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use fastersam::{ModelOptions, Preset, VolumeSegmenter};
use fastersam_kernels::{
    Conv3x3, GridPos, LayerNorm, Linear, RaggedLayout, RelativePositions, ragged_self_attention,
};
use fastersam_pausing_encoder::PauseSettings;

use super::ours::images;
use fastersam_progress as progress;
use rayon::prelude::*;

/// Passes of the second run; the first has one. The difference leaves out the start of the program.
const PASSES: u64 = 2;

type Work = Box<dyn FnMut() -> Result<()>>;

/// A name, and what sets the case up.
type Case = (&'static str, fn(&Device) -> Result<Work>);

/// The cases by name.
const CASES: [Case; 10] = [
    ("layer_norm_196x768", |device| {
        let (norm, x) = (LayerNorm::new(768, 1e-6, device), rows(196, 768, device));
        Ok(pass(move || norm.forward(x.clone())))
    }),
    ("linear_gelu_196x768x3072", |device| Ok(linear_gelu(196, device))),
    ("linear_gelu_49x768x3072", |device| Ok(linear_gelu(49, device))),
    ("linear_gelu_17x768x3072", |device| Ok(linear_gelu(17, device))),
    // Images of 196, 49, 17 and 1 tokens, 12 heads of 64.
    ("attention", |device| Ok(attention(device))),
    ("conv_3x3_56x56x64", |device| Ok(conv(device))),
    // The tiny model at 128 pixels, from network input to logits.
    ("forward_never", |device| model(PauseSettings::never(), device)),
    ("forward_keep_half", |device| model(PauseSettings::keep_ratio([0.5, 0.5]), device)),
    // From nine maps of logits of 32 x 32 to classes of 128 x 128.
    ("class_maps", class_maps),
    // The tiny model at 64 pixels: forward, backward, AdamW.
    ("training_step", training_step),
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

fn training_step(device: &Device) -> Result<Work> {
    let device = device.clone().autodiff();
    let mut options = ModelOptions::new(Preset::Tiny);
    options.input_size = Some(64);
    let mut model = options.resolve(9)?.init(1, &device)?;
    let mut optimizer = AdamWConfig::new().with_weight_decay(0.01).init();
    let images = images([1, 1, 64, 64], &device);
    Ok(Box::new(move || {
        let loss = model.forward(images.clone(), &PauseSettings::never())?.logits.square().mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(1e-4, model.clone(), gradients);
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

/// Instructions of one pass of each case; `None` where valgrind, which counts them, is not installed.
///
/// # Errors
/// Where a case fails or can't be counted.
pub fn counts() -> Result<Option<BTreeMap<String, u64>>> {
    if !has_valgrind() {
        return Ok(None);
    }
    let bar = progress::bar("instructions", CASES.len(), "cases");
    // Counts are the same whatever else runs.
    let counts = CASES.par_iter().map(|(name, _)| {
        let [one, many] = [count(name, 1)?, count(name, PASSES)?];
        bar.inc(1);
        Ok(((*name).to_owned(), many.saturating_sub(one) / (PASSES - 1)))
    });
    let counts: Result<BTreeMap<String, u64>> = counts.collect();
    bar.finish_and_clear();
    Ok(Some(counts?))
}

fn has_valgrind() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
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
