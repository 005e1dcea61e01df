//! Scores made-up predictions of made-up hearts, prints both protocols, and compares two "runs".
//!
//! `cargo run --release -p fastersam-metrics --example score`
#![allow(clippy::print_stdout)]

use fastersam_metrics::{CaseScores, MetricsError, compare_runs, score_case, summarise};

const NAMES: [&str; 3] = ["right ventricle", "myocardium", "left ventricle"];
/// Slices, rows and columns.
const SHAPE: [usize; 3] = [10, 64, 64];
const SPACING_MM: [f64; 3] = [8.0, 1.5, 1.5];

fn main() -> Result<(), MetricsError> {
    // A prediction that lies some pixels beside the truth, with the last class forgotten in the first case.
    let run = |pixels: usize| -> Result<Vec<CaseScores>, MetricsError> {
        let score = |index: usize| {
            let truth = heart(index, 0);
            let mut prediction = heart(index, pixels);
            if index == 0 {
                prediction.iter_mut().filter(|class| **class == 3).for_each(|class| *class = 0);
            }
            let (name, n_classes) = (format!("case{index}"), NAMES.len() + 1);
            score_case(&name, &prediction, &truth, &SHAPE, Some(&SPACING_MM), n_classes)
        };
        (0..6).map(score).collect()
    };
    let (first, second) = (run(3)?, run(1)?);
    let summary = summarise(&first);
    for (protocol, means) in [("transunet", &summary.transunet), ("strict", &summary.strict)] {
        println!(
            "{protocol:<9} Dice {:.4} (95 % interval {:.4?})  HD95 {:.2} voxels, {:.2} mm",
            means.dice.unwrap_or(f64::NAN),
            means.dice_interval,
            means.hd95_vox.unwrap_or(f64::NAN),
            means.hd95_mm.unwrap_or(f64::NAN)
        );
        for (class, name) in NAMES.iter().enumerate() {
            let (dice, left_out) = (means.per_class_dice[class], means.left_out[class]);
            println!("  {name:<16} Dice {:.4}, {left_out} cases left out", dice.unwrap_or(f64::NAN));
        }
    }
    let surface = &summary.surface_mm;
    println!(
        "ASSD {:.2} mm, surface Dice at 1 mm {:.4}, Jaccard {:.4}",
        surface.assd.mean.unwrap_or(f64::NAN),
        surface.surface_dice.mean.unwrap_or(f64::NAN),
        summary.jaccard.mean.unwrap_or(f64::NAN)
    );
    if let Some(gain) = compare_runs(&first, &second, 2000, 1)?.strict.dice.mean {
        println!(
            "second run: Dice {:+.4} (95 % interval {:.4?}, p = {:.4}, {} cases)",
            gain.mean_difference, gain.interval, gain.p_value, gain.n_cases
        );
    }
    Ok(())
}

/// A left ventricle in its wall with a right ventricle beside it, a little larger in each case, moved along the columns.
fn heart(index: usize, pixels: usize) -> Vec<u8> {
    let size = 12.0 + index as f64;
    let voxel = |at: usize| {
        let [slice, row, col] = [at / (SHAPE[1] * SHAPE[2]), at / SHAPE[2] % SHAPE[1], at % SHAPE[2]];
        let taper = 1.0 - slice as f64 / SHAPE[0] as f64;
        let from = |center: f64| (row as f64 - 32.0).hypot(col as f64 - pixels as f64 - center);
        match (from(28.0), from(28.0 + 1.3 * size)) {
            (left, _) if left < 0.6 * size * taper => 3,
            (left, _) if left < size * taper => 2,
            (_, right) if right < size * taper => 1,
            _ => 0,
        }
    };
    (0..SHAPE.iter().product()).map(voxel).collect()
}
