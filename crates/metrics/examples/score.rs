//! Scores made-up predictions on phantoms of the heart, prints both protocols, and compares two "runs".
//!
//! `cargo run --release -p fastersam-metrics --example score`
#![allow(clippy::print_stdout)]

use fastersam_datasets::phantom::Phantom;
use fastersam_metrics::{CaseScores, compare_runs, score_case, summarise};
use ndarray::{Array3, Axis};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let names = Phantom::Heart.labels().names;
    // A prediction that lies some pixels beside the truth, with the last class forgotten in the first case.
    let run = |pixels: usize| -> Result<Vec<CaseScores>, Box<dyn std::error::Error>> {
        let mut cases = Vec::new();
        for index in 0..6 {
            let case = Phantom::Heart.case(1, index);
            let mut prediction = moved(&case.label, pixels);
            if index == 0 {
                prediction.mapv_inplace(|class| if class == 3 { 0 } else { class });
            }
            let flat = |map: &Array3<u8>| map.iter().copied().collect::<Vec<u8>>();
            let spacing_mm = case.spacing_mm.map(|mm| mm.to_vec());
            let n_classes = names.len() as u8;
            cases.push(score_case(
                &case.id,
                &flat(&prediction),
                &flat(&case.label),
                case.label.shape(),
                spacing_mm.as_deref(),
                n_classes,
            )?);
        }
        Ok(cases)
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
        for (class, name) in names.iter().skip(1).enumerate() {
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

/// The map moved along its columns.
fn moved(label: &Array3<u8>, pixels: usize) -> Array3<u8> {
    let mut moved = Array3::zeros(label.raw_dim());
    let n = label.len_of(Axis(2)) - pixels;
    moved.slice_axis_mut(Axis(2), (pixels..).into()).assign(&label.slice_axis(Axis(2), (..n).into()));
    moved
}
