//! Times HD95 of all classes of a large volume, and writes the volume for `speed.py`, which times medpy on it.
//!
//! `cargo run --release -p fastersam-metrics --example speed -- FOLDER && python speed.py FOLDER`
#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::time::Instant;

use fastersam_metrics::score_case;

/// A CT of the abdomen.
const SHAPE: [usize; 3] = [150, 512, 512];
const N_CLASSES: usize = 9;
const SPACING_MM: [f64; 3] = [3.0, 0.8, 0.8];
const RUNS: usize = 7;

/// Centre and half axes of eight organs, as shares of the volume.
const ORGANS: [[f64; 6]; 8] = [
    [0.50, 0.62, 0.52, 0.45, 0.03, 0.03],
    [0.45, 0.40, 0.35, 0.12, 0.05, 0.05],
    [0.40, 0.62, 0.68, 0.22, 0.08, 0.06],
    [0.38, 0.62, 0.32, 0.22, 0.08, 0.06],
    [0.65, 0.45, 0.30, 0.30, 0.20, 0.17],
    [0.50, 0.50, 0.52, 0.12, 0.05, 0.14],
    [0.70, 0.55, 0.78, 0.20, 0.12, 0.07],
    [0.68, 0.35, 0.62, 0.22, 0.10, 0.13],
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).map(PathBuf::from);
    let truth = organs([0.0; 3], 1.0);
    // A prediction that is a little too small, a little beside, and has a piece of liver in the corner.
    let mut prediction = organs([0.007, 0.004, -0.003], 0.96);
    for slice in 10..14 {
        for row in 20..40 {
            let at = (slice * SHAPE[1] + row) * SHAPE[2] + 30;
            prediction[at..at + 20].fill(5);
        }
    }
    if let Some(folder) = &folder {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("truth.raw"), &truth)?;
        std::fs::write(folder.join("prediction.raw"), &prediction)?;
    }
    let mut seconds = Vec::new();
    let mut scores = None;
    for _ in 0..RUNS {
        let start = Instant::now();
        scores = Some(score_case("volume", &prediction, &truth, &SHAPE, Some(&SPACING_MM), N_CLASSES)?);
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    for score in scores.iter().flat_map(|s| &s.classes) {
        let mm = score.transunet.hd95_mm.unwrap_or(f64::NAN);
        println!("class {}: hd95 {:.9} voxels, {mm:.9} mm", score.class, score.transunet.hd95_vox);
    }
    println!(
        "all scores of {} classes, {SHAPE:?} voxels: median {:.3} s of {RUNS} runs ({:.3} to {:.3}), {} threads",
        N_CLASSES - 1,
        seconds[RUNS / 2],
        seconds[0],
        seconds[RUNS - 1],
        rayon::current_num_threads()
    );
    Ok(())
}

/// Organs moved by a share of the volume and scaled.
fn organs(shift: [f64; 3], scale: f64) -> Vec<u8> {
    let mut labels = vec![0; SHAPE.iter().product()];
    for (class, organ) in (1..).zip(ORGANS) {
        for slice in 0..SHAPE[0] {
            for row in 0..SHAPE[1] {
                for col in 0..SHAPE[2] {
                    let place = [slice, row, col];
                    let level: f64 = (0..3)
                        .map(|axis| {
                            let at = place[axis] as f64 / SHAPE[axis] as f64 - organ[axis] - shift[axis];
                            (at / (organ[3 + axis] * scale)).powi(2)
                        })
                        .sum();
                    if level < 1.0 {
                        labels[(slice * SHAPE[1] + row) * SHAPE[2] + col] = class;
                    }
                }
            }
        }
    }
    labels
}
